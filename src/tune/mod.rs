//! Thresholds for a budget of false incidents, from what a run at each of several thresholds told.
//!
//! `curve` has the counts and what is believed between and beyond them, `text` says it.

mod curve;
mod text;

pub use curve::{Curve, Kind, Point, Proposal, Span, propose};
pub use text::{Report, snippet, text};
