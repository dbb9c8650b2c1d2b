//! Rolling counts of one key: the days that are still open, and what the key has been seen with.

mod sample;
mod day;
mod dedup;
mod known;

pub use day::OpenDay;
pub use dedup::{Dedup, Sighting};
pub use known::{Generation, Known};
pub use sample::AddressSample;
