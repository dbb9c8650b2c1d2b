//! What stood in the input where framing has put other lines, by its hash: for whoever has to prove a record later.
//!
//! Framing joins lines (documents over several, pieces of a container's log) and keeps their count, so each line that was
//! read is told by counting. A record is proved by all lines since the one before it, blank ones in front left out.

use super::{Block, first_line};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Lines that wait for what framing makes of them.
const PENDING_MAX: usize = 1 << 20;

/// The lines that a record was read from, as they were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// How many lines; the record is said to stand on the last of them.
    pub lines: u32,
    /// SHA-256 of them, with the line feeds between them and without the last one.
    pub sha256: [u8; 32],
}

impl Origin {
    /// That of one line, without its line feed.
    pub fn of(line: &[u8]) -> Self {
        Self { lines: 1, sha256: Sha256::digest(line).into() }
    }

    fn of_lines(lines: &[Bytes]) -> Self {
        let mut hasher = Sha256::new();
        for (place, line) in lines.iter().enumerate() {
            if place > 0 {
                hasher.update(b"\n");
            }
            hasher.update(line);
        }
        Self { lines: u32::try_from(lines.len()).unwrap_or(u32::MAX), sha256: hasher.finalize().into() }
    }
}

/// The origins of the lines of one input, as they are framed.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    state: Option<State>,
}

#[derive(Clone, Debug)]
struct State {
    bytes_max: usize,
    /// Lines that were read and not framed; `None` of a line over the limit, which is not held.
    pending: VecDeque<Option<Bytes>>,
    /// Those that the next record is made of.
    group: Vec<Option<Bytes>>,
    /// Bytes of both.
    bytes: usize,
    /// More was held back than there is room for: nothing of this input is proved any more.
    is_lost: bool,
}

impl Origins {
    /// For an input whose records have to be proved; frames are no longer than `bytes_max`.
    pub fn wanted(bytes_max: usize) -> Self {
        let (pending, group) = (VecDeque::new(), Vec::new());
        Self { state: Some(State { bytes_max, pending, group, bytes: 0, is_lost: false }) }
    }

    /// Whether anybody wants them.
    pub const fn are_wanted(&self) -> bool {
        self.state.is_some()
    }

    /// Lines are not told apart in this input: it counts its messages.
    pub fn lose(&mut self) {
        if let Some(state) = &mut self.state {
            state.lose();
        }
    }

    /// The block that was made of one as it was read, with the origins of its lines where they are not its own.
    pub fn tell(&mut self, read: &Block, made: Block) -> Block {
        let Some(state) = &mut self.state else { return made };
        let is_same = read.bytes.as_ptr() == made.bytes.as_ptr() && read.bytes.len() == made.bytes.len();
        if is_same && !read.is_long() && state.is_empty() && !state.is_lost {
            return made;
        }
        state.note(read);
        Block { origins: Some(state.take(&made).into()), ..made }
    }

    /// The same of what was still held at the end of the input.
    pub fn tell_rest(&mut self, made: Block) -> Block {
        let Some(state) = &mut self.state else { return made };
        Block { origins: Some(state.take(&made).into()), ..made }
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.group.is_empty()
    }

    fn lose(&mut self) {
        self.is_lost = true;
        (self.pending, self.group, self.bytes) = (VecDeque::new(), Vec::new(), 0);
    }

    /// Takes lines as they were read.
    fn note(&mut self, read: &Block) {
        if self.is_lost {
            return;
        }
        if read.is_long() {
            if !read.is_rest {
                self.pending.push_back(None);
            }
            return;
        }
        for line in read.lines() {
            self.bytes += line.len();
            self.pending.push_back(Some(read.bytes.slice_ref(line)));
        }
        if self.bytes > self.bytes_max.saturating_mul(4) || self.pending.len() > PENDING_MAX {
            self.lose();
        }
    }

    /// The origins of lines as they were framed.
    fn take(&mut self, made: &Block) -> Vec<Option<Origin>> {
        let mut origins = Vec::new();
        let mut rest = &made.bytes[..];
        while !rest.is_empty() {
            let (line, behind) = first_line(rest);
            let goes_on = behind.is_empty() && made.is_open();
            origins.push(if goes_on { None } else { self.next(line) });
            rest = behind;
        }
        origins
    }

    /// The origin of the next line, if a record can stand on it.
    fn next(&mut self, line: &[u8]) -> Option<Origin> {
        let read = self.pending.pop_front()?;
        let is_blank = |line: &Option<Bytes>| line.as_ref().is_some_and(|line| line.trim_ascii().is_empty());
        if !(self.group.is_empty() && is_blank(&read)) {
            self.group.push(read);
        }
        if line.trim_ascii().is_empty() {
            return None;
        }
        let group = std::mem::take(&mut self.group);
        self.bytes -= group.iter().flatten().map(Bytes::len).sum::<usize>().min(self.bytes);
        let lines: Option<Vec<Bytes>> = group.into_iter().collect();
        lines.filter(|lines| !lines.is_empty()).map(|lines| Origin::of_lines(&lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Framer;
    use bytes::BytesMut;

    /// For each line with something on it: which it is, and what it was read from.
    fn origins(text: &[u8], size: usize, bytes_max: usize) -> Vec<(u64, Option<Origin>)> {
        let (mut framer, mut buffer) = (Framer::new(bytes_max).proving(true), BytesMut::new());
        let (mut number, mut found) = (0, Vec::new());
        let mut take = |block: Block| {
            let mut rest = &block.bytes[..];
            let mut at = 0;
            while !rest.is_empty() {
                let (line, behind) = first_line(rest);
                let origin = match &block.origins {
                    Some(origins) => origins[at],
                    None => Some(Origin::of(line)),
                };
                let goes_on = behind.is_empty() && block.is_open();
                number += u64::from(!goes_on);
                if !line.trim_ascii().is_empty() {
                    found.push((number + u64::from(goes_on), origin));
                }
                (rest, at) = (behind, at + 1);
            }
        };
        for piece in text.chunks(size) {
            buffer.extend_from_slice(piece);
            while let Some(block) = framer.next(&mut buffer) {
                take(block);
            }
        }
        while let Some(block) = framer.finish(&mut buffer) {
            take(block);
        }
        found
    }

    #[test]
    fn what_was_read_is_told_however_it_arrives() {
        let long = format!("[{}]", "1,".repeat(60));
        let text = format!(
            "{{\"a\":1}}\n\n{{\n \"b\":2\n\n}}\n\n\n{{\"c\":3}}{{\"d\":4}}\n{long}\n{{\n\"e\":5}}\nplain\n"
        );
        let of = |lines: &str, count| Some(Origin { lines: count, ..Origin::of(lines.as_bytes()) });
        let expected = [
            (1, of("{\"a\":1}", 1)),
            (6, of("{\n \"b\":2\n\n}", 4)),
            (9, of("{\"c\":3}{\"d\":4}", 1)),
            (12, of("{\n\"e\":5}", 2)),
            (13, of("plain", 1)),
        ];
        for size in [text.len(), 64, 7, 3, 1] {
            let mut found = origins(text.as_bytes(), size, 100);
            found.retain(|(line, origin)| {
                assert!(*line != 10 || origin.is_none(), "a line over the limit is not held");
                *line != 10
            });
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_would_have_to_be_held_too_long_is_proved_no_more() {
        let text = format!("{{\n{}\"a\":1}}\n{{\"b\":2}}\n", "\n".repeat(PENDING_MAX + 1));
        let found = origins(text.as_bytes(), 1 << 16, 1 << 20);
        assert!(found.iter().all(|(_, origin)| origin.is_none()), "{found:?}");
        assert_eq!(found.len(), 2);
    }
}
