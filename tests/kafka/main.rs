//! keyhound between topics of real brokers: `tests/real/run kafka`, or `cargo test --test kafka`.
//! `tests/real/kafka.sh` says by which variables it does more than that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::disallowed_methods, clippy::cast_precision_loss)]

mod alerts;
mod broker;
mod errors;
mod incidents;
mod kills;
mod latency;
mod networks;
mod positions;
mod proxy;
#[allow(dead_code)]
#[path = "../it/receiver.rs"]
mod receiver;
mod security;
mod sinks;
mod repartition;
mod speed;
#[cfg(debug_assertions)]
mod steps;
mod storms;
mod support;
mod versions;
