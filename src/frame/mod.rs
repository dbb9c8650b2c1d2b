//! Bytes to frames. A frame is the bytes of one record; a block is a run of whole frames.

mod bracket;
mod document;
mod framer;
mod lines;
mod octets;
mod partial;
pub mod shape;
mod skip;

pub use document::Documents;
pub use framer::Framer;
pub use lines::LinesCodec;
pub use octets::OctetsCodec;
pub use partial::Joiner;

use crate::decode::Header;
use bytes::Bytes;
use std::sync::Arc;

/// Whole lines of one input, with what is needed to decode them without the rest of the input.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The lines; the last one may lack its line feed at the end of the input.
    pub bytes: Bytes,
    /// How many bytes were read for them, where framing has put others in their place.
    pub read: Option<usize>,
    /// How many lines before these were longer than the limit and thrown away.
    pub oversize: u32,
    /// The first line is the rest of one that was longer than the limit and is several documents.
    pub is_rest: bool,
    /// The last line is the start of such a line.
    pub is_cut: bool,
    /// The CSV header of the input, if it has one.
    pub header: Option<Arc<Header>>,
    /// Whether the first line is that header and no frame.
    pub starts_with_header: bool,
}

impl Block {
    /// The lines, without their line feeds, and without the zeros in front that a crash left in the file: framing may
    /// have dropped those already. A carriage return alone also ends a line only if a feed follows.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            Some(if line.first() == Some(&0) { without_hole(line) } else { line })
        })
    }
}

#[cold]
fn without_hole(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&byte| byte != 0).unwrap_or(line.len());
    &line[start..]
}
