//! What records tell besides use: what was done to keys and rules, what operators say, and what keyhound's own canary prompts
//! came to.

use serde::{Deserialize, Serialize};

macro_rules! actions {
    ($($name:ident $label:literal $doc:literal,)*) => {
        /// What was done to a key or to the rules it is under: the values of the `action` label.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum Action { $(#[doc = $doc] $name,)* }

        impl Action {
            /// All actions, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label in metrics and summaries.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// The same in words.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $doc.trim_end_matches('.'),)* }
            }
        }
    };
}

actions! {
    KeyCreated "key_created" "A key was created.",
    KeyChanged "key_changed" "A key got other rights, another name or owner, or was switched on or off.",
    KeyDeleted "key_deleted" "A key was deleted or revoked.",
    KeyRead "key_read" "Somebody had a key shown that exists already.",
    LimitRaised "limit_raised" "A limit of spending or of rates was set or changed: the log does not tell how.",
    LimitRemoved "limit_removed" "A limit of spending or of rates was removed.",
    GuardRemoved "guard_removed" "A restriction of addresses, a second factor or a guard rail was removed.",
    LoggingOff "logging_off" "Logging was switched off or pointed elsewhere.",
    AccessGranted "access_granted" "Somebody got a right, a role or a membership.",
    Other "other" "Anything else that such logs tell.",
}

/// What an operator says of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Statement {
    /// An incident is a theft.
    Confirm,
    /// An incident is none: whoever it was is the owner's.
    Dismiss,
    /// From now on, for a while, whoever is new at a key is the owner's: a deployment, a journey, a load test.
    Annotate,
    /// For a while nothing of this kind is told of a key.
    Suppress,
    /// The key was revoked: nobody can or may use it from then on.
    Revoke,
}

impl Statement {
    /// All statements, in the order of their numbers.
    pub const ALL: &'static [Self] =
        &[Self::Confirm, Self::Dismiss, Self::Annotate, Self::Suppress, Self::Revoke];

    /// Its name in records and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Dismiss => "dismiss",
            Self::Annotate => "annotate",
            Self::Suppress => "suppress",
            Self::Revoke => "revoke",
        }
    }
}

/// What announces the client of a canary prompt, before its version and, in round brackets, its marker.
pub const CANARY_CLIENT: &str = "keyhound-probe/";

/// What a canary prompt of keyhound's own tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Canary {
    /// It is going to be sent, and `request_id` is the marker that it carries; `user_agent` as well.
    Asked,
    /// It was answered, and whoever answered calls it by `request_id`.
    Answered,
    /// The answer was as it was expected.
    Well,
    /// It was not, or there was none: `endpoint` says why, and `user_agent` what came of it in one word.
    Failed,
}

impl Canary {
    /// Its name in tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Well => "well",
            Self::Failed => "failed",
        }
    }
}
