//! Bytes to frames. A frame is the bytes of one record; a block is a run of whole frames.

mod body;
mod bracket;
mod document;
mod elements;
mod framer;
mod lines;
mod long;
mod octets;
mod open;
mod origin;
mod partial;
pub mod shape;

pub use document::Documents;
pub use framer::Framer;
pub use lines::LinesCodec;
pub use octets::OctetsCodec;
pub use origin::{Origin, Origins};
pub use partial::Joiner;

use crate::decode::Header;
use bytes::Bytes;
use std::sync::Arc;

/// Whole lines of one input, or a piece of one that is over the limit, with what is needed to decode them without the
/// rest of the input.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The lines; the last one may lack its line feed at the end of the input. Zeros part the frames of one line.
    pub bytes: Bytes,
    /// How many bytes were read for them, where framing has put others in their place.
    pub read: Option<usize>,
    /// How many texts between counted messages were longer than the limit and thrown away before these lines.
    pub oversize: u32,
    /// This goes on with the line over the limit with which the block before this one ends.
    pub is_rest: bool,
    /// It ends inside such a line.
    pub is_cut: bool,
    /// The CSV header of the input, if it has one.
    pub header: Option<Arc<Header>>,
    /// Whether the first line is that header and no frame.
    pub starts_with_header: bool,
    /// Where the lines are not those that were read, and somebody wants to prove records: what each was read from.
    pub origins: Option<Arc<[Option<Origin>]>>,
}

impl Block {
    /// Whether it is a piece of a line over the limit.
    pub(crate) fn is_long(&self) -> bool {
        self.is_rest || self.is_cut
    }

    /// Whether its last line goes on in the next block.
    pub fn is_open(&self) -> bool {
        self.is_cut && self.bytes.last().is_some_and(|&last| last != b'\n')
    }

    /// The lines, without their line feeds, and without the zeros in front that a crash left in the file: framing may
    /// have dropped those already. A carriage return alone also ends a line only if a feed follows.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (line, behind) = (!rest.is_empty()).then(|| first_line(rest))?;
            rest = behind;
            Some(line)
        })
    }
}

/// The first of some lines, as [`Block::lines`] tells it, and what stands behind it.
#[inline]
pub fn first_line(lines: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', lines).unwrap_or(lines.len());
    let line = &lines[..end];
    let line = if line.first() == Some(&0) { without_hole(line) } else { line };
    (line, lines.get(end + 1..).unwrap_or_default())
}

#[cold]
fn without_hole(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&byte| byte != 0).unwrap_or(line.len());
    &line[start..]
}
