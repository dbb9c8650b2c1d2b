//! Events to bytes: our own JSON Lines, the forms that receivers expect, and a rendering for people; rejects, too.

mod cef;
mod ecs;
mod event;
#[cfg(test)]
pub(crate) mod examples;
mod gelf;
mod json;
mod leef;
mod markdown;
mod ocsf;
mod reject;
mod sigma;
mod table;
pub mod techniques;
mod terminal;
mod view;
mod visible;

pub use event::write_event;
pub use gelf::level as syslog_level;
pub use json::{write_alert, write_line, write_value};
pub use markdown::{escaped as escape_markdown, facts, headline};
pub use reject::{RejectAt, What, write_reject};
pub use table::{ALL as ENCODINGS, Encoding, NATIVE, find as encoding};
pub use terminal::{Palette, Terminal};
pub use view::{View, fact as fact_in_words};
pub use visible::{Visible, is_invisible};
