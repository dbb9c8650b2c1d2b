//! What a thief's request was for: the phases of the seed's reconstruction, in its order, and two more.

use super::act::Act;
use serde::{Deserialize, Serialize};

/// What requests were for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Is it alive, and what is it for? The first three requests.
    Reconnaissance,
    /// What may it do? Refused requests without any work.
    Validation,
    /// What can be had? Requests of less than 50 tokens in and out.
    CapabilityTesting,
    /// Use at the owner's cost.
    Exploitation,
    /// Something that stays when the key is gone: files, batches, fine-tuned models, and what makes other keys.
    Persistence,
    /// Answers of more than 4,000 tokens.
    Exfiltration,
    /// Something that hides or unlocks: logging off, limits or restrictions removed.
    Evasion,
}

/// First requests that are a reconnaissance, tokens below which a request is a trial, and above which an answer is large
/// (seed 001, `_classify_phase`).
pub const FIRST: usize = 3;
const TRIAL_TOKENS: u64 = 50;
const LARGE_TOKENS: u64 = 4_000;
/// What stays, by parts of endpoints. The seed has `fine-tun`, `files` and `batch`; the providers write `fine_tuning`, and
/// keep more than that.
const STAYING: &[&str] = &[
    "fine-tun",
    "fine_tun",
    "finetun",
    "files",
    "uploads",
    "batch",
    "vector_store",
    "assistants",
    "/threads",
    "createmodelcustomizationjob",
    "cachedcontents",
    "tunedmodels",
    "organization/",
    "/key/",
    "api_keys",
];

impl Phase {
    /// All of them, as they usually follow each other.
    pub const ALL: [Self; 7] = [
        Self::Reconnaissance,
        Self::Validation,
        Self::CapabilityTesting,
        Self::Exploitation,
        Self::Persistence,
        Self::Exfiltration,
        Self::Evasion,
    ];

    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reconnaissance => "reconnaissance",
            Self::Validation => "validation",
            Self::CapabilityTesting => "capability testing",
            Self::Exploitation => "exploitation",
            Self::Persistence => "persistence",
            Self::Exfiltration => "exfiltration",
            Self::Evasion => "evasion",
        }
    }
}

/// What a request that is none of the first was for, and how well it fits: one half at the border of a rule, nearly 1 far
/// from it.
pub fn phase(act: &Act) -> (Phase, f64) {
    // Of several together, one as they are on average.
    let [input, output] = act.tokens.map(|tokens| tokens / u64::from(act.requests.max(1)));
    if is_staying(&act.endpoint) {
        return (Phase::Persistence, if act.is_refused() { 0.7 } else { 0.95 });
    }
    if act.is_refused() && output == 0 {
        return (Phase::Validation, if input < TRIAL_TOKENS { 0.9 } else { 0.6 });
    }
    if input < TRIAL_TOKENS && output < TRIAL_TOKENS {
        return (Phase::CapabilityTesting, 1.0 - part(input.max(output), TRIAL_TOKENS) / 2.0);
    }
    if output > LARGE_TOKENS {
        // One answer of that length is an answer: how far beyond says more than that it is.
        return (Phase::Exfiltration, 1.0 - part(LARGE_TOKENS, output) / 2.0);
    }
    (Phase::Exploitation, if output < TRIAL_TOKENS { 0.75 } else { 0.9 })
}

/// How well a request fits a reconnaissance for being one of the first: without any work it does best.
pub fn first(act: &Act) -> f64 {
    let is_list = act.endpoint.ends_with("models") || act.endpoint.starts_with("List");
    if is_list || act.tokens == [0, 0] || act.is_refused() { 0.95 } else { 0.6 }
}

fn is_staying(endpoint: &str) -> bool {
    let endpoint = endpoint.to_ascii_lowercase();
    STAYING.iter().any(|part| endpoint.contains(part))
}

#[allow(clippy::cast_precision_loss, reason = "parts of small numbers")]
fn part(of: u64, whole: u64) -> f64 {
    of as f64 / whole.max(1) as f64
}

/// What was done, in the seed's words.
pub fn describe(phase: Phase, model: &str, endpoint: &str, one: Option<([u64; 2], f64)>) -> String {
    let model = if model.is_empty() { "several models" } else { model };
    let endpoint = if endpoint.is_empty() { "several endpoints" } else { endpoint };
    match (phase, one) {
        (Phase::Reconnaissance | Phase::Validation, _) => format!("Probed {endpoint} with model {model}"),
        (Phase::CapabilityTesting, Some(([input, output], _))) => {
            format!("Tested {model} capabilities via {endpoint} ({input} in, {output} out)")
        }
        (Phase::CapabilityTesting, None) => format!("Tested {model} capabilities via {endpoint}"),
        (Phase::Exploitation, Some(([input, output], usd))) => {
            format!("Used {model} via {endpoint} ({input}+{output} tokens, ${usd:.4})")
        }
        (Phase::Exploitation, None) => format!("Used {model} via {endpoint}"),
        (Phase::Persistence, _) => format!("Accessed {endpoint}, possible persistence mechanism"),
        (Phase::Exfiltration, Some(([_, output], _))) => {
            format!("Large output ({output} tokens) from {model}, possible data exfiltration")
        }
        (Phase::Exfiltration, None) => format!("Large outputs from {model}, possible data exfiltration"),
        (Phase::Evasion, _) => format!("Changed what holds or shows him: {endpoint}"),
    }
}
