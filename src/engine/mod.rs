//! The shell: threads, queues, the clock, signals and metrics around the pure middle.

pub mod api;
mod between;
pub mod board;
mod checkpoint;
pub mod clock;
mod egress;
mod feed;
pub mod guarantee;
mod held;
mod http;
mod intake;
pub mod listen;
mod lists;
#[cfg(feature = "kafka")]
pub mod kafka;
mod memory;
mod metrics;
mod notify;
mod open;
mod outbox;
mod outputs;
mod progress;
pub mod reload;
mod resume;
mod roster;
mod run;
pub mod sandbox;
mod sequence;
pub mod shadow;
mod shards;
mod state;
mod stream;
mod summary;
pub mod survey;
mod totals;
pub mod witness;

pub use checkpoint::StoreError;
pub use egress::{EgressError, Rendering};
pub use feed::Inputs;
pub use memory::peak_bytes;
pub use outbox::meaning;
pub use progress::Progress;
pub use run::{Options, Outcome, Output, RunError, Told, run};
pub use sequence::Loaded;
pub use summary::summary;
pub use totals::{KafkaTotals, Totals};
