//! The one integration test: the program as its users have it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::format_push_string, clippy::format_collect)]

mod support;

mod cases;
mod commands;
mod formats;
mod laws;
mod live;
mod metrics;
mod secrets;
mod tidy;
mod vectors;
