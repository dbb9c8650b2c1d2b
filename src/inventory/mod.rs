//! What keys there are, held against what keys are used: whose they are, which nobody knows of, and which could be held
//! shorter.
//!
//! ```text
//! lists of providers, own file → Lists ┐
//!                                      join → keys with their use, strangers, findings → show
//! records → the usual pipeline → Uses  ┘
//! ```

mod finding;
mod join;
mod list;
mod own;
mod register;
mod row;
mod show;
mod used;

pub use finding::{Finding, Kind, Level};
pub use join::{Joined, Joining, Settings, Stranger, Why, join};
pub use list::{Limit, ListError, Listed, Lists, Teller};
pub use own::{Entry, Own, OwnError};
pub use register::{Found, Register};
pub use show::{Shown, json, markdown, tellers, text, toml};
pub use used::{Used, Uses};
