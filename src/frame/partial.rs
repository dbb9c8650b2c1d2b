//! Long lines that a container runtime wrote in pieces: joined again before anybody looks inside.
//!
//! Docker's `json-file` cuts at 16 KiB and marks a piece by the missing line feed at its end; CRI marks it `P`.
//! A piece is replaced by an empty line, so that line numbers stay those of the file.

use super::Block;
use super::shape::member_of_any as member;
use crate::json::Value;
use crate::unwrap::cri;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Joins pieces of one input. Costs nothing where the input is not a container log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Joiner {
    kind: Option<Kind>,
    bytes_max: usize,
    /// Pieces so far, one text per stream.
    pending: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Kind {
    Docker,
    Cri,
    Other,
}

impl Joiner {
    /// A joiner for lines that grow to at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { kind: None, bytes_max, pending: Vec::new() }
    }

    /// The block with its pieces joined; what kind of input it is shows in its first line. A line over the limit is no
    /// piece.
    pub fn join(&mut self, block: Block) -> Block {
        if block.is_long() {
            return block;
        }
        let Some(first) = block.lines().find(|line| !line.is_empty()) else { return block };
        let kind = *self.kind.get_or_insert_with(|| kind(first));
        if kind == Kind::Other || (self.pending.is_empty() && !block.lines().any(|line| is_piece(kind, line)))
        {
            return block;
        }
        let mut out = Vec::with_capacity(block.bytes.len());
        for line in block.lines() {
            self.line(kind, line, &mut out);
            out.push(b'\n');
        }
        Block { bytes: Bytes::from(out), ..block }
    }

    /// What is left of lines whose last piece never came, so that it is rejected and not lost.
    pub fn finish(&mut self) -> Option<Block> {
        let mut out = Vec::new();
        for (_, text) in self.pending.drain(..) {
            write_joined(self.kind.unwrap_or(Kind::Other), b"", &text, &mut out);
            out.push(b'\n');
        }
        (!out.is_empty()).then(|| Block { bytes: Bytes::from(out), ..Block::default() })
    }

    fn line(&mut self, kind: Kind, line: &[u8], out: &mut Vec<u8>) {
        let Some((stream, content, more)) = piece(kind, line) else { return out.extend_from_slice(line) };
        let pending = self.pending.iter().position(|(name, _)| name == stream);
        match (pending, more) {
            (None, false) => out.extend_from_slice(line),
            (None, true) => self.pending.push((stream.to_vec(), content.to_vec())),
            (Some(at), _) => {
                let text = &mut self.pending[at].1;
                // One byte over the limit is enough to have the whole rejected as oversize.
                let room = (self.bytes_max + 1).saturating_sub(text.len());
                text.extend_from_slice(&content[..content.len().min(room)]);
                if !more {
                    let (_, text) = self.pending.swap_remove(at);
                    write_joined(kind, line, &text, out);
                }
            }
        }
    }
}

fn kind(first: &[u8]) -> Kind {
    if first.starts_with(b"{\"log\":") {
        Kind::Docker
    } else if cri::split(first).is_some() {
        Kind::Cri
    } else {
        Kind::Other
    }
}

fn is_piece(kind: Kind, line: &[u8]) -> bool {
    match kind {
        // A whole line ends in an escaped line feed; looking for that first spares the parsing.
        Kind::Docker
            if memchr::memmem::find(line, b"\",\"stream\"").is_some_and(|end| ends_line(&line[..end])) =>
        {
            false
        }
        Kind::Docker | Kind::Cri => piece(kind, line).is_some_and(|(_, _, more)| more),
        Kind::Other => false,
    }
}

/// Stream, content as written, and whether more follows.
fn piece(kind: Kind, line: &[u8]) -> Option<(&[u8], &[u8], bool)> {
    match kind {
        Kind::Cri => cri::split(line).map(|line| (line.stream, line.content, line.partial)),
        Kind::Docker => {
            let (_, log) = member(line, "log").ok()??;
            let (Value::Str(stream), _) = member(line, "stream").ok()?? else { return None };
            let log = log.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            // A container has two streams: lines of others are not kept waiting, there could be any number.
            let stream = stream.as_plain().filter(|stream| matches!(*stream, b"stdout" | b"stderr"))?;
            Some((stream, log, !ends_line(log)))
        }
        Kind::Other => None,
    }
}

/// True for a text with escapes that ends in a line feed, and not in a backslash and an `n`.
fn ends_line(log: &[u8]) -> bool {
    let escape = |text: &[u8]| text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1;
    log.strip_suffix(b"n").is_some_and(escape)
}

/// Writes `last`, the line of the last piece, with `text` in the place of its content.
fn write_joined(kind: Kind, last: &[u8], text: &[u8], out: &mut Vec<u8>) {
    let content = piece(kind, last).map_or(0, |(_, content, _)| content.len());
    match kind {
        Kind::Cri | Kind::Other => {
            out.extend_from_slice(&last[..last.len() - content]);
            out.extend_from_slice(text);
        }
        Kind::Docker => {
            out.extend_from_slice(b"{\"log\":\"");
            out.extend_from_slice(text);
            out.extend_from_slice(b"\",\"stream\":\"\"}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(blocks: &[&str]) -> String {
        let mut joiner = Joiner::new(100);
        let join = |text: &&str| {
            let block = Block { bytes: Bytes::copy_from_slice(text.as_bytes()), ..Block::default() };
            String::from_utf8(joiner.join(block).bytes.to_vec()).unwrap()
        };
        blocks.iter().map(join).collect()
    }

    #[test]
    fn pieces_of_docker_lines_are_joined_by_stream_and_over_blocks() {
        let joined = join(&[
            "{\"log\":\"{\\\"a\\\":\",\"stream\":\"stdout\",\"time\":\"t1\"}\n{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"t2\"}\n",
            "{\"log\":\"1}\\n\",\"stream\":\"stdout\",\"time\":\"t3\"}\n",
        ]);
        let expected = "\n{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"t2\"}\n{\"log\":\"{\\\"a\\\":1}\\n\",\"stream\":\"\"}\n";
        assert_eq!(joined, expected);
    }

    #[test]
    fn pieces_of_cri_lines_are_joined() {
        let joined = join(&[
            "2016-10-06T00:17:09Z stdout F one\n2016-10-06T00:17:10Z stdout P two \n",
            "2016-10-06T00:17:10Z stdout P three \n2016-10-06T00:17:11Z stdout F four\n",
        ]);
        let expected =
            "2016-10-06T00:17:09Z stdout F one\n\n\n2016-10-06T00:17:11Z stdout F two three four\n";
        assert_eq!(joined, expected);
    }

    #[test]
    fn a_line_without_its_last_piece_is_not_lost() {
        let mut joiner = Joiner::new(100);
        let bytes = Bytes::from_static(b"2016-10-06T00:17:10Z stdout P {\"a\":\n");
        joiner.join(Block { bytes, ..Block::default() });
        assert_eq!(joiner.finish().map(|block| block.bytes), Some(Bytes::from_static(b"{\"a\":\n")));
        assert!(joiner.finish().is_none());
    }

    #[test]
    fn joining_is_bounded() {
        let piece = "2016-10-06T00:17:10Z stdout P aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
        let joined = join(&[&piece.repeat(1000), "2016-10-06T00:17:11Z stdout F b\n"]);
        assert!(joined.trim_start_matches('\n').len() < 150);
    }

    #[test]
    fn a_piece_that_ends_in_a_backslash_and_an_n_is_no_whole_line() {
        let joined = join(&[
            "{\"log\":\"{\\\"a\\\":\\\"\\\\n\",\"stream\":\"stdout\",\"time\":\"t1\"}\n",
            "{\"log\":\"b\\\"}\\n\",\"stream\":\"stdout\",\"time\":\"t2\"}\n",
        ]);
        assert_eq!(joined, "\n{\"log\":\"{\\\"a\\\":\\\"\\\\nb\\\"}\\n\",\"stream\":\"\"}\n");
    }

    #[test]
    fn lines_over_the_limit_are_no_pieces() {
        let mut joiner = Joiner::new(100);
        let long = Bytes::from(format!("2016-10-06T00:17:09Z stdout P {}", "x".repeat(100)));
        let block = Block { bytes: long.clone(), is_cut: true, ..Block::default() };
        assert_eq!(joiner.join(block).bytes, long);
        assert!(joiner.finish().is_none());
    }

    #[test]
    fn streams_that_no_container_has_are_not_kept_waiting() {
        let mut joiner = Joiner::new(1000);
        let line = |n| format!("{{\"log\":\"x\",\"stream\":\"{n}\"}}\n");
        let lines = (0..1000).map(line).collect::<Vec<_>>().concat();
        let bytes = Bytes::from(lines.into_bytes());
        assert_eq!(joiner.join(Block { bytes: bytes.clone(), ..Block::default() }).bytes, bytes);
        assert!(joiner.finish().is_none());
    }

    #[test]
    fn other_inputs_pass_untouched() {
        for text in ["{\"timestamp\":1}\n", "plain\n", "", "\n\n"] {
            assert_eq!(join(&[text]), text);
        }
    }
}
