//! Lines, with a limit: a line that never ends costs a reject, not memory.

use super::Block;
use super::document::last_border;
use super::skip::Skip;
use bytes::{Buf, BytesMut};
use serde::{Deserialize, Serialize};
use std::io;
use tokio_util::codec::Decoder;

/// Cuts a byte stream into blocks of whole lines.
///
/// A block ends at the last line feed seen so far, so that one search serves hundreds of lines; the decoder finds
/// the others. A line longer than the limit is dropped while it streams past and counted in the next block, unless it
/// is several JSON documents: then it is cut between them, and dropped is what of it is longer than the limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinesCodec {
    line_bytes_max: usize,
    /// Inside a line, or a document on it, that is being thrown away.
    discarding: Option<Skip>,
    oversize: u32,
    /// The buffer begins inside a line that was cut.
    is_rest: bool,
    /// Bytes at the start of the buffer that are known to hold no line feed.
    searched: usize,
}

impl LinesCodec {
    /// Lines of at most `line_bytes_max` bytes, the line feed not counted.
    pub fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max, discarding: None, oversize: 0, is_rest: false, searched: 0 }
    }

    fn block(&mut self, buffer: &mut BytesMut, length: usize, is_cut: bool) -> Block {
        self.searched = 0;
        let bytes = buffer.split_to(length).freeze();
        let is_rest = std::mem::replace(&mut self.is_rest, is_cut);
        let oversize = std::mem::take(&mut self.oversize);
        Block { bytes, oversize, is_rest, is_cut, ..Block::default() }
    }

    /// Drops the zeros that a line begins with: a hole that a crash left in a file may be longer than any line.
    #[cold]
    fn drop_zeros(&mut self, buffer: &mut BytesMut) {
        let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
        buffer.advance(zeros);
        self.searched = buffer.len();
    }

    /// Throws bytes away up to the end of the line, or to the next document on it; true when one was found.
    fn discard(&mut self, mut skip: Skip, buffer: &mut BytesMut) -> bool {
        let feed = memchr::memchr(b'\n', buffer);
        let next = skip.next_document(&buffer[..feed.unwrap_or(buffer.len())]);
        let Some(at) = next.or(feed.map(|at| at + 1)) else {
            buffer.clear();
            self.discarding = Some(skip);
            return false;
        };
        buffer.advance(at);
        self.is_rest = next.is_some();
        self.oversize += 1;
        true
    }

    /// What to do with a line that is over the limit, and not at its end.
    #[cold]
    fn cut(&mut self, buffer: &mut BytesMut) -> Option<Block> {
        self.drop_zeros(buffer);
        if buffer.len() <= self.line_bytes_max {
            return None;
        }
        if let Some(border) = last_border(buffer) {
            return Some(self.block(buffer, border, true));
        }
        self.searched = 0;
        // What is not seen here may be the next document.
        if self.discard(Skip::new(buffer), buffer) { self.cut(buffer) } else { None }
    }
}

impl Decoder for LinesCodec {
    type Item = Block;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Block>, io::Error> {
        if let Some(skip) = self.discarding.take()
            && !self.discard(skip, buffer)
        {
            return Ok(None);
        }
        if let Some(at) = memchr::memrchr(b'\n', &buffer[self.searched..]) {
            let length = self.searched + at + 1;
            return Ok(Some(self.block(buffer, length, false)));
        }
        self.searched = buffer.len();
        Ok(if buffer.len() > self.line_bytes_max { self.cut(buffer) } else { None })
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Block>, io::Error> {
        if let Some(block) = self.decode(buffer)? {
            return Ok(Some(block));
        }
        self.oversize += u32::from(self.discarding.take().is_some());
        // Zeros at the end are no line, however many of them came at once.
        if buffer.first() == Some(&0) {
            self.drop_zeros(buffer);
        }
        let rest = buffer.len();
        Ok((rest > 0 || self.oversize > 0).then(|| self.block(buffer, rest, false)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines and number of dropped lines of `input` given in pieces of the sizes of `cuts`.
    fn run(input: &[u8], cuts: &[usize], max: usize) -> (Vec<Vec<u8>>, u32) {
        let mut codec = LinesCodec::new(max);
        let mut buffer = BytesMut::new();
        let (mut lines, mut oversize) = (Vec::new(), 0);
        let mut take = |block: Block| {
            oversize += block.oversize;
            lines.extend(block.lines().map(<[u8]>::to_vec));
        };
        let mut rest = input;
        let mut sizes = cuts.iter().copied().cycle();
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
            buffer.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
            while let Some(block) = codec.decode(&mut buffer).unwrap() {
                take(block);
            }
            assert!(buffer.len() <= max.max(size), "{} bytes are held", buffer.len());
        }
        while let Some(block) = codec.decode_eof(&mut buffer).unwrap() {
            take(block);
        }
        (lines, oversize)
    }

    #[test]
    fn the_limit_is_exact_for_a_line_that_comes_alone() {
        for (length, kept, dropped) in [(9, 1, 0), (10, 1, 0), (11, 0, 1), (1000, 0, 1)] {
            let input = [vec![b'x'; length], b"\nok\n".to_vec()].concat();
            let (lines, oversize) = run(&input, &[1], 10);
            assert_eq!((lines.len(), oversize), (kept + 1, dropped), "{length}");
            assert_eq!(lines.last().map(Vec::as_slice), Some(&b"ok"[..]));
        }
    }

    #[test]
    fn a_hole_in_the_file_hides_no_line() {
        let input = [b"one\n".to_vec(), vec![0; 1000], b"two\n".to_vec(), vec![0; 100]].concat();
        let (lines, oversize) = run(&input, &[7, 3], 20);
        let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
        assert_eq!(
            (lines.iter().map(text).collect::<Vec<_>>(), oversize),
            (vec!["one".into(), "two".into()], 0)
        );
        assert_eq!(run(&[0; 5], &[5], 20), (vec![], 0));
    }

    #[test]
    fn the_end_needs_no_line_feed() {
        assert_eq!(run(b"a\n\nb", &[2], 10), (vec![b"a".to_vec(), vec![], b"b".to_vec()], 0));
        assert_eq!(run(b"", &[1], 10), (vec![], 0));
        assert_eq!(run(&[b'x'; 50], &[7], 10), (vec![], 1));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            lines in prop::collection::vec("[a-c]{0,8}", 0..20),
            cuts in prop::collection::vec(1_usize..20, 1..8),
        ) {
            let input = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect::<Vec<u8>>();
            let expected: Vec<Vec<u8>> = lines.iter().map(|line| line.clone().into_bytes()).collect();
            prop_assert_eq!(run(&input, &cuts, 8), (expected, 0));
        }
    }
}
