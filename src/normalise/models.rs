//! Model names: from what a gateway, cloud or snapshot calls a model to the name its vendor gives it.

/// Region prefixes of Bedrock inference profiles.
const REGIONS: [&str; 12] =
    ["us.", "eu.", "apac.", "ap.", "jp.", "au.", "in.", "ca.", "sa.", "uk.", "us-gov.", "global."];
/// Vendor prefixes of Bedrock model identifiers.
const VENDORS: [&str; 19] = [
    "anthropic.",
    "amazon.",
    "meta.",
    "mistral.",
    "cohere.",
    "ai21.",
    "deepseek.",
    "qwen.",
    "openai.",
    "moonshot.",
    "writer.",
    "google.",
    "minimax.",
    "nvidia.",
    "zai.",
    "xai.",
    "moonshotai.",
    "twelvelabs.",
    "stability.",
];

/// Finds the canonical name of a model: tries spellings from the written one to the most reduced and returns
/// what `find` says of the first it knows. Without success, the reduced spelling itself, for comparisons.
///
/// `us.anthropic.claude-3-5-sonnet-20241022-v2:0`, `anthropic/claude-3.5-sonnet` and
/// `claude-3-5-sonnet-latest` are one model; `gpt-4o` and `gpt-4o-mini` are two.
pub fn resolve<T>(written: &str, find: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    let reduced = reduce(written);
    if let Some(found) = find(&reduced) {
        return Ok(found);
    }
    let undated = without_date(&reduced);
    let dashed = |name: &str| name.contains('.').then(|| name.replace('.', "-"));
    let pointed = with_points(&reduced);
    find(undated)
        .or_else(|| find(&dashed(&reduced)?))
        .or_else(|| find(&dashed(undated)?))
        .or_else(|| find(pointed.as_deref()?))
        .or_else(|| find(without_date(pointed.as_deref()?)))
        .ok_or_else(|| if undated.is_empty() { reduced.clone() } else { undated.to_owned() })
}

/// Lower case, without route, region, vendor and version suffix.
pub(super) fn reduce(written: &str) -> String {
    let lower = written.trim().to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let name = REGIONS.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let of_vendor = VENDORS.iter().find_map(|vendor| Some((name.strip_prefix(vendor)?, *vendor)));
    let (name, vendor) = of_vendor.unwrap_or((name, ""));
    let name = without_version(name);
    // Bedrock's newer identifiers of Claude end in `-v1` alone, which is nobody else's way.
    let short = name.rsplit_once("-v").filter(|(_, version)| vendor == "anthropic." && is_number(version));
    short.map_or(name, |(stem, _)| stem).to_owned()
}

/// What follows the colon in the names of routers: a way of serving, not another model.
const ROUTES: [&str; 8] = ["free", "latest", "thinking", "beta", "nitro", "online", "floor", "extended"];

/// Drops `@20240620`, `:0`, `:free`, `:latest`, Bedrock's `-v1:0` and `-v1:0:18k`, and the owner of a fine-tuned
/// model (`ft:gpt-4o:acme::abc` becomes `ft:gpt-4o`).
fn without_version(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or_default();
    if let Some(tuned) = name.strip_prefix("ft:") {
        return &name[..3 + tuned.find(':').unwrap_or(tuned.len())];
    }
    let Some((before, after)) = name.split_once(':') else { return name };
    let numbered = after.split(':').next().is_some_and(is_number);
    if !numbered && !ROUTES.contains(&after) {
        return name;
    }
    match before.rsplit_once("-v") {
        Some((stem, version)) if numbered && is_number(version) => stem,
        _ => before,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name with points where Fireworks writes `p`: `kimi-k2p6` is `kimi-k2.6`. `None` where there are none.
fn with_points(name: &str) -> Option<String> {
    let bytes = name.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_point = |at: usize| at > 0 && bytes[at] == b'p' && is_digit(at - 1) && is_digit(at + 1);
    let pointed = name.char_indices().map(|(at, letter)| if is_point(at) { '.' } else { letter }).collect();
    Some(pointed).filter(|pointed: &String| pointed != name)
}

/// Drops a trailing snapshot date or release word.
fn without_date(name: &str) -> &str {
    let parts: Vec<&str> = name.split('-').collect();
    let numbers = |lengths: &[usize]| {
        let tail = parts.len().checked_sub(lengths.len()).and_then(|start| parts.get(start..));
        tail.is_some_and(|tail| {
            tail.iter().zip(lengths).all(|(part, &length)| part.len() == length && is_number(part))
        })
    };
    let word = |from_end: usize| parts.len().checked_sub(from_end).and_then(|at| parts.get(at)).copied();
    let dated_preview = word(3) == Some("preview") && (numbers(&[2, 2]) || numbers(&[2, 4]));
    let dropped = if numbers(&[4, 2, 2]) || dated_preview {
        3
    } else if word(2) == Some("exp") && numbers(&[4]) {
        2
    } else {
        usize::from(numbers(&[8]) || numbers(&[4]) || matches!(word(1), Some("latest" | "preview")))
    };
    let kept: usize = parts[..parts.len() - dropped].iter().map(|part| part.len() + 1).sum();
    &name[..kept.saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_model_meet() {
        let known = [
            "gpt-4o",
            "gpt-4o-mini",
            "gpt-4-0613",
            "gpt-4",
            "claude-3-5-sonnet",
            "gemini-2.5-pro",
            "llama3-70b",
        ];
        let find = |name: &str| known.contains(&name).then(|| name.to_owned());
        for (written, canonical) in [
            ("gpt-4o", "gpt-4o"),
            ("GPT-4o ", "gpt-4o"),
            ("openai/gpt-4o-2024-08-06", "gpt-4o"),
            ("azure/eu/gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
            ("gpt-4-0613", "gpt-4-0613"),
            ("gpt-4-0314", "gpt-4"),
            ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
            ("anthropic.claude-3-5-sonnet-20240620-v1:0:200k", "claude-3-5-sonnet"),
            ("claude-3-5-sonnet@20240620", "claude-3-5-sonnet"),
            ("anthropic/claude-3.5-sonnet:free", "claude-3-5-sonnet"),
            ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
            (
                "arn:aws:bedrock:us-east-1:0:inference-profile/eu.anthropic.claude-3-5-sonnet-20241022-v2:0",
                "claude-3-5-sonnet",
            ),
            ("publishers/google/models/gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
            ("gemini/gemini-2.5-pro-preview", "gemini-2.5-pro"),
            ("meta.llama3-70b-v1:0", "llama3-70b"),
            ("anthropic/claude-3.5-sonnet:thinking", "claude-3-5-sonnet"),
        ] {
            assert_eq!(resolve(written, find), Ok(canonical.to_owned()), "{written}");
        }
    }

    #[test]
    fn unknown_names_stay_apart_and_compare_reduced() {
        let find = |_: &str| None::<()>;
        for (written, reduced) in [
            ("my-model", "my-model"),
            ("local/My-Model-2025-01-01", "my-model"),
            ("llama3:8b", "llama3:8b"),
            ("ft:gpt-4o-2024-08-06:acme:name:id", "ft:gpt-4o"),
            ("", ""),
            ("2024", "2024"),
            ("gpt-4o\u{202e}", "gpt-4o\u{202e}"),
        ] {
            assert_eq!(resolve(written, find), Err(reduced.to_owned()), "{written}");
        }
    }
}
