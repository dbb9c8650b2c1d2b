//! keyhound between topics of real brokers: `tests/real/run kafka`, or `cargo test --test kafka`.
//!
//! `KAFKA_KILLS` says how often workers are killed, `KAFKA_SEED` where chance begins; both are printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::disallowed_methods, clippy::cast_precision_loss)]

mod alerts;
mod broker;
mod errors;
mod kills;
mod positions;
mod speed;
mod storms;
mod support;
