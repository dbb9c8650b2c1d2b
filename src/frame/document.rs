//! JSON documents that are not one to a line: spread over several lines, as people and APIs print them, or several
//! on one line, as Splunk's and Amazon's shippers write them.
//!
//! A document over several lines stands afterwards on the line on which it ends; the lines before are empty, so that
//! line numbers stay those of the file. Several documents on one line are parted by a zero, which the decoder takes
//! for what a crash leaves between two frames. Lines of anything else pass as they are.

use super::Block;
use super::body::Frames;
use super::bracket::{Step, Tracker, opens};
use super::long::Long;
use super::open::Open;
use crate::json::{is_balanced, places_of};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Joins and parts the documents of one input. Costs one search where each has its line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Documents {
    bytes_max: usize,
    /// The document under way. Its last line is not written yet: what follows decides what stands on it.
    open: Option<Open>,
    /// Blank lines behind that line.
    blank: usize,
    /// Whole documents on the line that is read.
    frames: Frames,
    /// The line over the limit that is read.
    long: Option<Long>,
}

impl Documents {
    /// For documents of at most `bytes_max` bytes, white space not counted.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, open: None, blank: 0, frames: Frames::new(bytes_max), long: None }
    }

    /// The block with one document on each line. A file with a CSV header is left as it is.
    pub fn join(&mut self, block: Block) -> Block {
        if block.is_long() {
            return self.read_long(block);
        }
        let is_usual = self.open.is_none() && self.is_usual(&block.bytes);
        if block.header.is_some() || is_usual {
            return block;
        }
        let mut out = Vec::with_capacity(block.bytes.len() + 1);
        if block.oversize > 0 {
            self.tear(true, &mut out);
        }
        for line in block.lines() {
            self.read(line, &mut out);
        }
        Block { bytes: Bytes::from(out), ..block }
    }

    /// The documents that end in a piece of a line over the limit.
    fn read_long(&mut self, block: Block) -> Block {
        let mut out = Vec::new();
        let mut text = block.bytes.strip_suffix(b"\n").unwrap_or(&block.bytes);
        let mut long = match self.long.take() {
            Some(long) => long,
            None if block.header.is_some() => Long::no_document(),
            None => {
                let long = self.begin_long(text, &mut out);
                text = if long.is_new() { outer(text) } else { text };
                long
            }
        };
        long.read(text, &mut self.frames);
        if block.is_cut {
            self.long = Some(long);
            self.frames.write(&mut out);
        } else {
            match long.end() {
                Ok(open) => self.open = Some(open),
                Err(rest) if rest.is_parted() => rest.tear(&mut self.frames),
                Err(rest) => self.begin(rest.text()),
            }
            if self.open.is_none() {
                self.frames.end_line(&mut out);
            }
        }
        Block { bytes: Bytes::from(out), ..block }
    }

    /// A line over the limit that begins like this, and goes on with a document under way or is none of its lines.
    fn begin_long(&mut self, text: &[u8], out: &mut Vec<u8>) -> Long {
        match self.open.take() {
            Some(mut open) if open.goes_on(text) => {
                self.end_lines(out);
                open.begin_line(text, &mut self.frames);
                Long::going_on(open)
            }
            open => {
                self.open = open;
                self.tear(true, out);
                Long::new(margin(text))
            }
        }
    }

    /// What is left of a document that never ended, so that it is rejected and not lost.
    pub fn finish(&mut self) -> Option<Block> {
        let mut out = Vec::new();
        self.tear(false, &mut out);
        (!out.is_empty()).then(|| Block { bytes: Bytes::from(out), ..Block::default() })
    }

    /// Whether every line stands for itself, as far as the borders between lines and objects tell.
    fn is_usual(&self, text: &[u8]) -> bool {
        let (mut start, mut last) = (0, &b""[..]);
        for at in places_of(b'\n', b'}', text) {
            if text[at] == b'\n' {
                let Some(inside) = self.usual_line(&text[start..at]) else { return false };
                last = if inside.is_empty() { last } else { inside };
                start = at + 1;
            } else if object_follows(&text[at + 1..]) {
                return false;
            }
        }
        let Some(inside) = self.usual_line(&text[start.min(text.len())..]) else { return false };
        last = if inside.is_empty() { last } else { inside };
        // What stands behind the zeros that a crash left may be open where the whole is not: see `leave`.
        let torn = memchr::memrchr(0, last).map_or(&b""[..], |zero| &last[zero + 1..]);
        !is_open(last) && !is_open(torn)
    }

    /// What stands on a line that stands for itself; `None` where it may not.
    #[inline]
    fn usual_line<'l>(&self, line: &'l [u8]) -> Option<&'l [u8]> {
        let inside = outer(line);
        (stands_alone(inside) && line.len() <= self.bytes_max).then_some(inside)
    }

    fn read(&mut self, line: &[u8], out: &mut Vec<u8>) {
        match self.open.take() {
            Some(open) if line.trim_ascii_start().is_empty() => {
                self.blank += 1;
                self.open = Some(open);
                return;
            }
            Some(open) if line.len() <= self.bytes_max && open.goes_on(line) => {
                self.end_lines(out);
                self.go_on(open, line);
            }
            open => {
                self.open = open;
                self.tear(true, out);
                self.begin(line);
            }
        }
        if self.open.is_none() {
            self.frames.end_line(out);
        }
    }

    /// Reads a line of the document that is under way.
    fn go_on(&mut self, mut open: Open, line: &[u8]) {
        let whole = memchr::memchr(0, line).unwrap_or(line.len());
        match open.append(&line[..whole], &mut self.frames) {
            Step::Inside if whole == line.len() => self.open = Some(open),
            Step::Inside | Step::Broken(_) => {
                open.tear(false, &mut self.frames);
                self.begin(outer(&line[whole..]));
            }
            Step::Ended(at) => {
                let next = outer(&line[at..]);
                let behind = if opens(next) { b"" } else { next };
                open.end(behind, &mut self.frames);
                if opens(next) {
                    self.begin(next);
                }
            }
        }
    }

    /// Reads a line, or what is left of one, outside of any document.
    fn begin(&mut self, line: &[u8]) {
        let outer = outer(line);
        if !opens(outer) || line.len() > self.bytes_max {
            return self.frames.put(line);
        }
        let zero = memchr::memchr(0, outer).map(|at| line.len() - outer.len() + at);
        let (mut start, mut at) = (0, line.len() - outer.len());
        loop {
            let document = &line[at..zero.unwrap_or(line.len())];
            match Tracker::default().read(document, &mut |_| {}) {
                Step::Ended(length)
                    if let Some(next) = next_document(line, at + length)
                        && opens(&line[next..]) =>
                {
                    self.frames.put(&line[start..next]);
                    (start, at) = (next, next);
                }
                Step::Inside if zero.is_none() && opens(document) => {
                    let mut open = Open::new(margin(line));
                    open.read_piece(document, &mut self.frames);
                    self.open = Some(open);
                    return;
                }
                _ => return self.leave(&line[start..]),
            }
        }
    }

    /// Passes on what is left of a line and no document that goes on. Zeros part what a crash tore off from what was
    /// written afterwards: only that may be one.
    fn leave(&mut self, rest: &[u8]) {
        let torn = memchr::memrchr(0, rest).map_or(0, |at| at + 1);
        let (before, after) = rest.split_at(torn);
        if torn > 0 && (is_open(after) || is_several(after)) {
            self.frames.put(before.trim_ascii_end());
            self.begin(after);
        } else {
            self.frames.put(rest);
        }
    }

    /// Writes the last line of a document that will not end.
    fn tear(&mut self, is_followed: bool, out: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        open.tear(is_followed, &mut self.frames);
        self.end_lines(out);
    }

    /// Ends the line on which a document stood last.
    fn end_lines(&mut self, out: &mut Vec<u8>) {
        self.frames.end_line(out);
        out.extend(std::iter::repeat_n(b'\n', std::mem::take(&mut self.blank)));
    }
}

/// Whether a text begins with a document and another one behind it.
fn is_several(text: &[u8]) -> bool {
    let text = outer(text);
    let end = Tracker::default().read(text, &mut |_| {});
    matches!(end, Step::Ended(length) if begins(text) && next_document(text, length).is_some())
}

/// Where the next object begins, if one ends at `end` and nothing but white space is between.
fn next_document(text: &[u8], end: usize) -> Option<usize> {
    let next = end + margin(&text[end..]);
    (text[..end].ends_with(b"}") && text[next..].starts_with(b"{")).then_some(next)
}

/// Whether a text begins with a bracket.
pub(super) fn begins(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'{' | b'['))
}

/// Whether an object begins here, on this line.
fn object_follows(text: &[u8]) -> bool {
    // Mostly the line ends here, or a list or an object goes on.
    if matches!(text.first(), None | Some(b'\n' | b',' | b'}' | b']')) {
        return false;
    }
    let is_space = |byte: &&u8| byte.is_ascii_whitespace() && **byte != b'\n';
    text.iter().find(|byte| !is_space(byte)) == Some(&b'{')
}

/// Whether a document begins here that does not end. Where as many brackets are closed as are opened, it ends or breaks
/// off, whatever their kinds: most lines are told by counting, a block at a time.
fn is_open(text: &[u8]) -> bool {
    opens(text) && !is_balanced(text) && Tracker::default().read(text, &mut |_| {}) == Step::Inside
}

/// Whether a line neither begins nor ends inside a document.
fn stands_alone(text: &[u8]) -> bool {
    match text.first() {
        Some(b'{' | b'[') => matches!(text.trim_ascii_end().last(), Some(b'}' | b']')),
        first => !matches!(first, Some(b'}' | b']' | b',')),
    }
}

/// A line without the zeros, the byte-order mark and the white space before it.
pub(super) fn outer(line: &[u8]) -> &[u8] {
    if matches!(line.first(), Some(b'{' | b'"' | b'<' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')) {
        return line;
    }
    let zeros = line.iter().take_while(|&&byte| byte == 0).count();
    let line = &line[zeros..];
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start()
}

/// How far a line is indented.
pub(super) fn margin(line: &[u8]) -> usize {
    line.len() - line.trim_ascii_start().len()
}

#[cfg(test)]
pub(super) mod tests;
