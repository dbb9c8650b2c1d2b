//! Why an incident was told, for somebody who has never seen one: what was recorded of it, said in words.
//!
//! `revision` is an incident as it is recorded, `readings` says what the numbers of a term are numbers of, `without` what
//! it would have taken not to tell it; `text` and `markdown` show it. All of it is a function of its inputs;
//! `cli/explain.rs` replays the pipeline.

mod case;
mod markdown;
mod readings;
mod revision;
mod text;
mod without;

pub use case::{Case, Request};
pub use markdown::markdown;
pub use revision::{Entry, Evidence, Revision};
pub use text::{text, wrapped};
pub use without::{Without, without};
