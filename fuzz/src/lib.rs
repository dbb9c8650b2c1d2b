//! What must hold whatever the bytes are. A target in `fuzz_targets/` is one call of a function in here.
//!
//! Formats and wrappers share one check ([`decode`]), because they share one promise: a line is a record, a reject
//! or blank, no text holds a secret, and nothing that was read before changes what is read now.

pub mod config;
pub mod decode;
pub mod frame;
pub mod inventory;
pub mod json;
pub mod leaks;
pub mod pack;
pub mod protobuf;
pub mod secrets;
pub mod time;

use keyhound::config::Plan;
use keyhound::decode::{Header, Settings};
use keyhound::frame::Block;
use keyhound::normalise::Rulebook;
use std::sync::{Arc, OnceLock};

/// The rulebook of the defaults, made once: it takes a few milliseconds.
fn rulebook() -> Arc<Rulebook> {
    static RULES: OnceLock<Arc<Rulebook>> = OnceLock::new();
    Arc::clone(RULES.get_or_init(|| Plan::default_plan().expect("the defaults are sound").rulebook))
}

/// Settings under which everything that is said about a reject can be looked at.
fn settings(format: Option<&str>) -> Settings {
    let rulebook = rulebook();
    let format = format.and_then(|name| rulebook.formats.find(name));
    Settings { rulebook, format, frame_bytes_max: 1 << 14, keep_rejects: true }
}

/// A whole file as one block, its header found as the engine finds it.
fn block(data: &[u8]) -> Block {
    let block = Block { bytes: data.to_vec().into(), ..Block::default() };
    let header = block.lines().next().and_then(Header::read).map(Arc::new);
    Block { starts_with_header: header.is_some(), header, ..block }
}
