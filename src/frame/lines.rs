//! Lines, with a limit: a line that never ends costs a reject, not memory.

use super::Block;
use bytes::{Buf, BytesMut};
use serde::{Deserialize, Serialize};
use std::io;
use tokio_util::codec::Decoder;

/// Cuts a byte stream into blocks of whole lines.
///
/// A block ends at the last line feed seen so far, so that one search serves hundreds of lines; the decoder finds
/// the others. It is no longer than a line may be with its feed: so a line over the limit is told by its first bytes
/// alone, however it arrives. Such a line comes in pieces, each in a block of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinesCodec {
    line_bytes_max: usize,
    /// The buffer begins inside a line over the limit.
    is_rest: bool,
    /// Bytes at the start of the buffer that are known to hold no line feed.
    searched: usize,
}

impl LinesCodec {
    /// Lines of at most `line_bytes_max` bytes, the line feed not counted.
    pub fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max, is_rest: false, searched: 0 }
    }

    fn block(&mut self, buffer: &mut BytesMut, length: usize, is_cut: bool) -> Block {
        self.searched = 0;
        let bytes = buffer.split_to(length).freeze();
        let is_rest = std::mem::replace(&mut self.is_rest, is_cut);
        Block { bytes, is_rest, is_cut, ..Block::default() }
    }

    /// What follows of a line over the limit: up to its end, or all there is.
    fn rest(&mut self, buffer: &mut BytesMut) -> Option<Block> {
        let feed = memchr::memchr(b'\n', buffer);
        let length = feed.map_or(buffer.len(), |at| at + 1);
        (length > 0).then(|| self.block(buffer, length, feed.is_none()))
    }

    /// Drops the zeros that a line begins with: a hole that a crash left in a file may be longer than any line.
    #[cold]
    fn drop_zeros(&mut self, buffer: &mut BytesMut) {
        let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
        buffer.advance(zeros);
        self.searched = 0;
    }
}

impl Decoder for LinesCodec {
    type Item = Block;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Block>, io::Error> {
        if self.is_rest {
            return Ok(self.rest(buffer));
        }
        loop {
            let end = buffer.len().min(self.line_bytes_max + 1);
            if let Some(at) = memchr::memrchr(b'\n', &buffer[self.searched..end]) {
                let length = self.searched + at + 1;
                return Ok(Some(self.block(buffer, length, false)));
            }
            self.searched = end;
            if buffer.len() <= self.line_bytes_max {
                return Ok(None);
            }
            if buffer[0] != 0 {
                return Ok(Some(self.block(buffer, end, true)));
            }
            self.drop_zeros(buffer);
        }
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Block>, io::Error> {
        if let Some(block) = self.decode(buffer)? {
            return Ok(Some(block));
        }
        // Zeros at the end are no line, however many of them came at once.
        if buffer.first() == Some(&0) {
            self.drop_zeros(buffer);
        }
        let rest = buffer.len();
        Ok((rest > 0 || self.is_rest).then(|| self.block(buffer, rest, false)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines of `input` given in pieces of the sizes of `cuts`, and the number of those that are over the limit.
    fn run(input: &[u8], cuts: &[usize], max: usize) -> (Vec<Vec<u8>>, u32) {
        let mut codec = LinesCodec::new(max);
        let mut buffer = BytesMut::new();
        let (mut lines, mut oversize) = (Vec::new(), 0);
        let mut take = |block: Block| {
            if block.is_long() {
                oversize += u32::from(!block.is_cut);
            } else {
                lines.extend(block.lines().map(<[u8]>::to_vec));
            }
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
            assert!(buffer.len() <= max, "{} bytes are held", buffer.len());
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
    fn it_does_not_matter_what_stands_before_a_line_over_the_limit() {
        let input = b"ok\nok\n0123456789+\nok\n0123456789\n\0\0\0abcdefghij\n\0\0\0abcdefghij+";
        for size in 1..=input.len() {
            let (lines, oversize) = run(input, &[size], 10);
            assert_eq!((lines.len(), oversize), (5, 2), "in pieces of {size}");
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
