//! Traffic that never was, with labels: owners at work, changes that mean nothing, and thieves.
//!
//! A scenario is a file (`scenario`); who of the keys takes part in which is drawn first (`cast`), then each sends requests
//! (`owner`, `thief`), and all of them arrive as logs do: nearly in order, some late and some twice (`arrival`).
//! Everything follows from the seed and the scenarios, on every machine: logarithms are our own.

mod address;
mod arrival;
mod cast;
mod owner;
mod random;
mod record;
mod scenario;
mod sender;
mod thief;

pub use arrival::Arrivals;
pub use cast::{Cast, CastError, Settings};
pub use record::{Record, write_record};
pub use scenario::{SHIPPED, Scenario, ScenarioError};
