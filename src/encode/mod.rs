//! Events to bytes: JSON Lines for machines, a rendering of the same objects for people, rejects for both.

mod event;
mod json;
mod reject;
mod terminal;
mod visible;

pub use event::write_event;
pub use json::write_alert;
pub use reject::{RejectAt, What, write_reject};
pub use terminal::{Palette, Terminal};
pub use visible::{Visible, is_invisible};
