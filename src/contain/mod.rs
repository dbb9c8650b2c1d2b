//! Containment: what is done about a key by itself when it is certainly in somebody else's hands.
//!
//! Off unless there are rules, and a rule that says nothing else only tells what it would do. What is done stands in a
//! journal (`journal`) of events (`deed`), each forced to disk: the intent before anybody is asked, and what came of it
//! after. What follows for an incident is decided from that journal alone (`book`), so that a restart neither forgets nor
//! repeats. Nothing here is part of the deterministic middle: it goes by the clock, and its events stand beside the usual
//! output, not in it.

mod action;
mod book;
mod caller;
mod deed;
mod finder;
mod journal;
mod message;
mod pattern;
mod probe;
mod tally;
mod undo;
mod words;
mod worker;

pub use action::{ACTIONS, Action, Call, Change, Provider, Standing};
pub use book::{Book, Known};
pub use caller::{Caller, Fault};
pub use deed::{About, Deed, Reason, Step};
pub use journal::{Journal, JournalError, Tail, read};
pub use pattern::{Pattern, is_any};
pub use probe::probe;
pub use tally::{Outcome, Tally};
pub use undo::{UndoError, Undone, undo, undoable};
pub use worker::{Tools, Worker};
