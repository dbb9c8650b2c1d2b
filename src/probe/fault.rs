//! What came of a canary prompt, and what went wrong with it. No key is ever part of it.

use super::answer::Missing;
use thiserror::Error;

/// Why there is no answer that could be looked at.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// There is no key.
    #[error("the key cannot be read: {0}")]
    NoKey(String),
    /// No connection, or it ended before the answer did.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error(
        "the answer was not whole within {ms} ms ({bytes} bytes of it were there); `timeout_ms` says how long it may take"
    )]
    TimedOut {
        /// How long it was waited, in milliseconds.
        ms: u128,
        /// What had come by then.
        bytes: usize,
    },
    /// It was answered with something else than success.
    #[error("answered {code}{words}{advice}", advice = advice(*code))]
    Status {
        /// The status.
        code: u16,
        /// What is said there, with a colon before it.
        words: String,
        /// How long to wait, where that is said.
        retry_after: Option<String>,
    },
    /// It leads elsewhere.
    #[error(
        "answered {0}, a redirect, which is not followed, for the key would go there; set `url` to where the API is"
    )]
    Redirect(u16),
    /// It is larger than it may be.
    #[error("the answer has more than {0} bytes (`answer_bytes_max`)")]
    TooLarge(u64),
    /// Some of it is no JSON.
    #[error("the answer is no JSON: {0}")]
    NoJson(String),
    /// Something is not where it was.
    #[error("the answer has no `{place}`; it has {has}. Has the API changed?", place = _0.place, has = _0.has)]
    Changed(Missing),
    /// The stream ended, and nobody said that the answer had.
    #[error("the answer ended in the middle: nothing says that it is whole ({0} bytes were there)")]
    Cut(usize),
    /// In the middle of the answer the other side says that it fails.
    #[error("the answer broke off: {0}")]
    Broke(String),
}

/// What to do about a status.
fn advice(code: u16) -> &'static str {
    match code {
        401 => " (is the key the right one, and still valid?)",
        403 => " (may the key use this model?)",
        404 => " (are `url` and `model` right?)",
        429 => " (a limit of requests, of tokens, or of money is reached)",
        _ => "",
    }
}

macro_rules! outcomes {
    ($($name:ident $label:literal $doc:literal,)*) => {
        /// What came of a canary prompt: the values of the `outcome` label.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Outcome { $(#[doc = $doc] $name,)* }

        impl Outcome {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in lines and metrics.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

outcomes! {
    Ok "ok" "Answered, as it was expected.",
    Mismatch "mismatch" "Answered, and something is not as it was expected.",
    Throttled "throttled" "Not now: there were too many, or the money is used up.",
    Refused "refused" "The other side refuses it.",
    Failed "failed" "The other side fails.",
    Unreachable "unreachable" "No connection, or it broke off.",
    TimedOut "timed_out" "Not there in time.",
    Unreadable "unreadable" "Answered with something that is no answer of the API, or too large.",
    NoKey "no_key" "There is no key to ask with.",
    Capped "capped" "Not asked: it would have cost more than it may on one day.",
}

impl Outcome {
    /// What a fault is.
    pub const fn of(fault: &Fault) -> Self {
        match fault {
            Fault::NoKey(_) => Self::NoKey,
            Fault::Unreachable(_) => Self::Unreachable,
            Fault::TimedOut { .. } => Self::TimedOut,
            Fault::Status { code: 429, .. } => Self::Throttled,
            Fault::Status { code: 500..=599, .. } | Fault::Broke(_) => Self::Failed,
            Fault::Status { .. } | Fault::Redirect(_) => Self::Refused,
            Fault::TooLarge(_) | Fault::NoJson(_) | Fault::Changed(_) | Fault::Cut(_) => Self::Unreadable,
        }
    }

    /// Whether it says that something is wrong.
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Capped)
    }

    /// Whether there was an answer to look at.
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Ok | Self::Mismatch)
    }
}
