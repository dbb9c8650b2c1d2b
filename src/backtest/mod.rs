//! How good a configuration would have been: incidents of a run, scored against what is known to have happened.
//!
//! `labels` says what happened, `seen` collects what a run saw and told, `score` compares the two, and the others show
//! it. All of it is a function of its inputs; `cli/backtest.rs` runs the pipeline.

mod detbench;
mod junit;
mod labels;
mod markdown;
mod score;
mod seen;
mod show;
pub mod stats;
mod text;

pub use junit::junit;
pub use labels::{Change, LabelError, Labels, Scored, Theft};
pub use markdown::{escaped, markdown, write as write_markdown};
pub use score::{Falses, Net, Recall, Score, Sight, score};
pub use seen::{KeySeen, Listener, Opened, Row, Seen, Stolen, Which};
pub use show::{Named, Table, dollars, duration, tables};
pub use text::{Limits, text, write_table};
