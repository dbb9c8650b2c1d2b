//! The one integration test: the program as its users have it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::format_push_string, clippy::format_collect)]

mod parts;
mod support;

mod api;
mod backtest;
mod bad_inputs;
mod buckets;
mod budget;
mod carries;
mod cases;
mod commands;
mod contain;
mod contain_faults;
mod contain_undo;
mod cut_off;
mod deploy;
mod encodings;
mod explain;
mod formats;
mod halves;
mod incidents;
mod inventory;
mod investigate;
mod investigate_forms;
mod investigate_several;
mod investigate_sums;
mod investigate_whose;
mod journal;
mod laws;
#[cfg(feature = "trace")]
mod leaks;
mod limits;
mod listen;
mod listen_kept;
mod live;
mod mail;
mod manual;
mod metrics;
mod notify;
mod odd_places;
mod pack;
mod post;
mod post_tls;
mod provider;
mod pull;
mod pulled;
mod prices;
mod probe;
mod probed;
mod races;
mod receiver;
mod reconcile;
mod reload;
mod reports;
mod respond;
mod rules;
mod samples;
mod sandbox;
mod secrets;
mod serving;
mod shadow;
mod silence;
mod simulate;
mod sink_forms;
mod sinks;
mod sinks_open;
mod sinks_syslog;
mod state;
mod statements;
mod stragglers;
mod sure;
mod tap;
mod tidy;
mod tiers;
mod tokens;
mod tokens_cloud;
#[cfg(feature = "trace")]
mod trace_git;
#[cfg(feature = "trace")]
mod trace_files;
#[cfg(feature = "trace")]
mod trace_broken;
#[cfg(feature = "trace")]
mod trace_nested;
mod tune;
mod vectors;
