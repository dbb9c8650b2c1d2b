//! What could not be read, and why.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A frame that could not be read, with what a person needs to mend it. Holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reject {
    /// Why, as a label of a fixed set.
    pub reason: Reason,
    /// The field at fault; empty where it is the whole frame.
    pub field: Cow<'static, str>,
    /// The offending value, cleaned and cut to a readable length.
    pub value: String,
    /// What was wrong and what to do.
    pub message: Cow<'static, str>,
    /// Line of the source, counted from the start of the batch.
    pub line: u32,
    /// The frame, cleaned and cut, where rejects are being kept.
    pub frame: String,
}

macro_rules! reasons {
    ($($name:ident $label:literal $doc:literal,)*) => {
        /// Why a frame was rejected: the values of the `reason` label.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum Reason { $(#[doc = $doc] $name,)* }

        impl Reason {
            /// All reasons, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label in metrics, summaries and reject files.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

reasons! {
    Oversize "oversize" "Longer than the limit for one frame.",
    NotUtf8 "not_utf8" "Not UTF-8 text.",
    NotJson "not_json" "Starts like JSON but is not.",
    BadCsv "bad_csv" "A CSV row that does not fit its header.",
    Unrecognised "unrecognised" "No format claims it.",
    MissingField "missing_field" "A field without which there is no record.",
    BadTime "bad_time" "A time that cannot be read or is out of range.",
    FutureTime "future_time" "A time further ahead of its arrival than clocks are apart.",
    BadKey "bad_key" "A key field that names no key.",
    BadNumber "bad_number" "A count that is no count.",
    BadCost "bad_cost" "A cost that is no amount of money.",
    BadField "bad_field" "A field of the wrong type.",
    BadWrapper "bad_wrapper" "A shipper's envelope that cannot be opened.",
    BadArchive "bad_archive" "Compressed data that is damaged or cut off.",
}
