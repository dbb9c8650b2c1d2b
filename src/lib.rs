//! keyhound watches AI-provider API usage and says, within seconds of the first stolen dollar, that a key is in
//! somebody else's hands.
//!
//! ```text
//! source → frame → (unwrap) → decode → normalise → [ window · baseline → detect · incident ] → encode → sink
//! IO       bytes    pure       pure     pure         pure: one shard owns it          pure     IO
//! ```
//!
//! The modules stand in the order in which data flows. Everything between `decode` and `encode` is a function of
//! its inputs: no clock, no IO, no task, no lock.

pub mod config;
pub mod record;
pub mod key;
pub mod address;
pub mod signal;
pub mod money;
pub mod time;
pub mod json;
pub mod heap;
pub mod save;
pub mod fault;
pub mod frame;
pub mod unwrap;
pub mod decode;
pub mod normalise;
pub mod networks;
pub mod watch_list;
pub mod join;
pub mod window;
pub mod baseline;
pub mod detect;
pub mod incident;
pub mod shard;
pub mod encode;
pub mod net;
pub mod sink;
pub mod source;
pub mod pull;
pub mod contain;
pub mod probe;
pub mod engine;
pub mod backtest;
pub mod explain;
pub mod tune;
pub mod inventory;
pub mod investigate;
pub mod reconcile;
pub mod pack;
pub mod respond;
pub mod simulate;
#[cfg(feature = "trace-files")]
pub mod trace;
pub mod cli;
