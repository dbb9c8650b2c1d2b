//! Usage that a provider tells only when it is asked: pulled from its API, window by window and page by page.
//!
//! ```text
//! description + window → request → answer → page: rows, what comes next → rows that are new → whoever takes them
//! pure                   pure      IO       pure                          pure
//! ```
//!
//! One engine for all of them: what an API is like stands in a [`Description`], those of the providers that are known in
//! `config/providers`. What is handed on are the provider's own buckets and events, which the decoders read as they read
//! them from a file. Windows overlap, because late buckets are told again with other numbers: a row that was handed on
//! before, word for word, is left out ([`Cursor`]), and of one with other numbers the engine takes the difference.

mod asker;
mod budget;
mod cursor;
mod describe;
mod fault;
mod health;
mod page;
mod request;
mod round;
mod window;

pub use cursor::{Cursor, Cursors, Reach, Step};
pub use describe::{
    By, Description, DescriptionError, Endpoint, Tells, Texts, TimeFormat, Width, Written, builtin,
};
pub use fault::{Fault, PullError};
pub use health::{EndpointHealth, Health, Outcome};
pub use round::{Over, Parcel, Round};
pub use window::{Span, Times};
