//! keyhound between topics of real brokers: `tests/real/run kafka`, or `cargo test --test kafka`.
//!
//! `KAFKA_KILLS` says how often workers are killed, `KAFKA_SEED` where chance begins; both are printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod alerts;
mod broker;
mod errors;
mod kills;
mod speed;
mod storms;
mod support;
