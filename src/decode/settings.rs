//! What a decoder is given: frames, and what it needs to know besides.

use super::csv::Header;
use crate::normalise::Rulebook;
use std::sync::Arc;

/// One frame: the bytes of a record, and the header of its file if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The bytes, valid UTF-8.
    pub text: &'a [u8],
    /// The CSV header of the file.
    pub header: Option<&'a Header>,
}

/// What decoding needs to know, besides the input.
#[derive(Clone)]
pub struct Settings {
    /// Prices, secret patterns, key names.
    pub rulebook: Arc<Rulebook>,
    /// The place of a format named by the user; otherwise frames speak for themselves.
    pub format: Option<usize>,
    /// Longest frame in bytes.
    pub frame_bytes_max: usize,
    /// Keep all rejects with their frames, for a reject file.
    pub keep_rejects: bool,
}
