//! JSON documents that are not one to a line: spread over several lines, as people and APIs print them, or several
//! on one line, as Splunk's and Amazon's shippers write them.
//!
//! A document over several lines stands afterwards on the line on which it ends; the lines before are empty, so that
//! line numbers stay those of the file. Several documents on one line are parted by a zero, which the decoder takes
//! for what a crash leaves between two frames. Lines of anything else pass as they are.

use super::Block;
use super::bracket::{Step, Tracker, opens};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Joins and parts the documents of one input. Costs one search where each has its line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Documents {
    bytes_max: usize,
    /// The document under way. Its last line is not written yet: what follows decides what stands on it.
    open: Option<Open>,
    /// Whole documents on the line that is read.
    line: Vec<u8>,
    /// It is over the limit, and its documents get lines of their own.
    is_long: bool,
}

/// A document under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    tracker: Tracker,
    /// As it was written, while nothing but blank lines follow its first; then without its white space.
    text: Vec<u8>,
    is_one_line: bool,
    /// How far its first line is indented.
    margin: usize,
    /// Whether its first line opens one bracket and all others were indented further: then a bracket at the margin
    /// opens another document.
    is_indented: Option<bool>,
    /// Where in `text` its last line begins, if that is a whole element at the margin with no comma behind it.
    element: Option<usize>,
}

impl Documents {
    /// For documents of at most `bytes_max` bytes, white space not counted.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, open: None, line: Vec::new(), is_long: false }
    }

    /// The block with one document on each line. A file with a CSV header is left as it is.
    pub fn join(&mut self, block: Block) -> Block {
        let is_between = self.open.is_none() && !block.is_cut && !block.is_rest;
        if block.header.is_some() || (is_between && self.is_usual(&block.bytes)) {
            return block;
        }
        let mut out = Vec::with_capacity(block.bytes.len() + 1);
        if block.oversize > 0 {
            self.tear(true, &mut out);
        }
        let mut is_rest = block.is_rest;
        for line in block.lines() {
            // A line that was cut stands alone in its block.
            let is_long = std::mem::take(&mut is_rest) || block.is_cut || line.len() > self.bytes_max;
            self.read(line, is_long, &mut out);
        }
        Block { bytes: Bytes::from(out), ..block }
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
        for at in memchr::memchr2_iter(b'\n', b'}', text).chain([text.len()]) {
            if text.get(at) == Some(&b'}') {
                let is_space = |byte: &&u8| byte.is_ascii_whitespace() && **byte != b'\n';
                if text[at + 1..].iter().find(|byte| !is_space(byte)) == Some(&b'{') {
                    return false;
                }
                continue;
            }
            let line = &text[start.min(at)..at];
            let inside = outer(line);
            if !stands_alone(inside) || line.len() > self.bytes_max {
                return false;
            }
            last = if inside.is_empty() { last } else { inside };
            start = at + 1;
        }
        // What stands behind the zeros that a crash left may be open where the whole is not: see `leave`.
        let torn = memchr::memrchr(0, last).map_or(last, |zero| &last[zero + 1..]);
        !is_open(last) && !is_open(torn)
    }

    fn read(&mut self, line: &[u8], is_long: bool, out: &mut Vec<u8>) {
        match self.open.take() {
            Some(open) if !is_long && open.goes_on(line) => {
                end_line(&mut self.line, out);
                self.go_on(open, line);
            }
            open => {
                self.open = open;
                self.tear(true, out);
                self.is_long = is_long;
                self.begin(line);
            }
        }
        let is_long = std::mem::take(&mut self.is_long);
        if self.open.is_none() || (is_long && !self.line.is_empty()) {
            end_line(&mut self.line, out);
        }
    }

    /// Reads a line of the document that is under way.
    fn go_on(&mut self, mut open: Open, line: &[u8]) {
        let whole = memchr::memchr(0, line).unwrap_or(line.len());
        match open.append(&line[..whole], self.bytes_max) {
            Step::Inside if whole == line.len() => self.open = Some(open),
            Step::Inside | Step::Broken => {
                self.frame(&open.text);
                self.begin(outer(&line[whole..]));
            }
            Step::Ended(at) => {
                let next = outer(&line[at..]);
                if !opens(next) {
                    open.keep(next, self.bytes_max);
                }
                self.frame(&open.text);
                if opens(next) {
                    self.begin(next);
                }
            }
        }
    }

    /// Reads a line, or what is left of one, outside of any document.
    fn begin(&mut self, line: &[u8]) {
        let outer = outer(line);
        if !self.may_begin(outer) {
            return self.frame(line);
        }
        let zero = memchr::memchr(0, outer).map(|at| line.len() - outer.len() + at);
        // Documents are cut together with the white space around them, as long lines are cut before they get here.
        let (mut start, mut at) = (0, line.len() - outer.len());
        loop {
            let mut tracker = Tracker::default();
            match tracker.read(&line[at..zero.unwrap_or(line.len())], &mut |_| {}) {
                Step::Ended(length)
                    if let Some(next) = next_document(line, at + length)
                        && self.may_begin(&line[next..]) =>
                {
                    self.frame(&line[start..next]);
                    (start, at) = (next, next);
                }
                Step::Inside
                    if zero.is_none() && line.len() - start <= self.bytes_max && opens(&line[at..]) =>
                {
                    self.open = Some(Open::new(tracker, &line[at..], margin(line)));
                    return;
                }
                _ => return self.leave(&line[start..]),
            }
        }
    }

    /// Whether a text is looked at as a document. Of a line over the limit its first byte decides, because that is how
    /// such lines are cut.
    fn may_begin(&self, text: &[u8]) -> bool {
        if self.is_long { begins(text) } else { opens(text) }
    }

    /// Passes on what is left of a line and no document that goes on. Zeros part what a crash tore off from what was
    /// written afterwards: only that may be one.
    fn leave(&mut self, rest: &[u8]) {
        let torn = memchr::memrchr(0, rest).map_or(0, |at| at + 1);
        let (before, after) = rest.split_at(torn);
        if torn > 0 && !self.is_long && (is_open(after) || last_border(after).is_some()) {
            self.frame(before.trim_ascii_end());
            self.begin(after);
        } else {
            self.frame(rest);
        }
    }

    /// Puts a frame on the line.
    fn frame(&mut self, text: &[u8]) {
        if !self.line.is_empty() && !text.is_empty() {
            self.line.push(if self.is_long { b'\n' } else { 0 });
        }
        self.line.extend_from_slice(text);
    }

    /// Writes the last line of a document that will not end.
    fn tear(&mut self, is_followed: bool, out: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        match open.element.filter(|_| is_followed) {
            // What a list begins with may be no list at all, and what no comma parts from the next no element of it.
            Some(at) => {
                let (before, element) = open.text.split_at(at);
                self.frame(before);
                self.frame(element.strip_prefix(b",").unwrap_or(element));
            }
            None => self.frame(&open.text),
        }
        end_line(&mut self.line, out);
    }
}

impl Open {
    fn new(tracker: Tracker, text: &[u8], margin: usize) -> Self {
        let is_indented = (tracker.depth() > 1).then_some(false);
        Self { tracker, text: text.to_vec(), is_one_line: true, margin, is_indented, element: None }
    }

    /// Whether a line belongs to the document.
    fn goes_on(&self, line: &[u8]) -> bool {
        let text = line.trim_ascii_start();
        let may_be_another = self.is_indented == Some(true) || self.tracker.ends_name();
        let is_another = may_be_another && margin(line) <= self.margin && opens(text);
        let before = memchr::memchr(0, text).map(|zero| &text[..zero]);
        !is_another && before != Some(b"") && self.tracker.continues(before.unwrap_or(text))
    }

    fn append(&mut self, line: &[u8], bytes_max: usize) -> Step {
        let text = line.trim_ascii_start();
        if text.is_empty() {
            return Step::Inside;
        }
        if std::mem::take(&mut self.is_one_line) {
            let first = std::mem::take(&mut self.text);
            self.tracker = Tracker::default();
            self.read(&first, bytes_max);
        }
        let is_indented = margin(line) > self.margin;
        self.is_indented = Some(is_indented && self.is_indented != Some(false));
        let may_be_element = !is_indented && self.tracker.depth() == 1 && opens(text);
        let start = self.text.len();
        let step = self.read(line, bytes_max);
        let is_element = may_be_element && self.tracker.depth() == 1 && self.tracker.ends_value();
        self.element = is_element.then_some(start);
        if step == Step::Broken {
            // As it was written, so that the reject shows what is wrong with it.
            self.text.truncate(start);
            self.keep(line, bytes_max);
        }
        step
    }

    fn read(&mut self, line: &[u8], bytes_max: usize) -> Step {
        let Self { tracker, text, .. } = self;
        tracker.read(line, &mut |piece| keep(text, piece, bytes_max))
    }

    fn keep(&mut self, piece: &[u8], bytes_max: usize) {
        keep(&mut self.text, piece, bytes_max);
    }
}

/// Appends to a text up to one byte over the limit, which is enough to have the whole rejected as oversize.
fn keep(text: &mut Vec<u8>, piece: &[u8], bytes_max: usize) {
    let room = (bytes_max + 1).saturating_sub(text.len());
    text.extend_from_slice(&piece[..piece.len().min(room)]);
}

fn end_line(line: &mut Vec<u8>, out: &mut Vec<u8>) {
    out.append(line);
    out.push(b'\n');
}

/// Where the last of the documents begins that stand one behind the other at the start of `text`.
pub(super) fn last_border(text: &[u8]) -> Option<usize> {
    let whole = memchr::memchr(0, text).unwrap_or(text.len());
    let text = &text[..whole];
    let mut border = text.len() - outer(text).len();
    let mut found = None;
    while begins(&text[border..]) {
        let Step::Ended(length) = Tracker::default().read(&text[border..], &mut |_| {}) else { break };
        let Some(next) = next_document(text, border + length) else { break };
        (border, found) = (next, Some(next));
    }
    found
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

fn is_open(text: &[u8]) -> bool {
    opens(text) && Tracker::default().read(text, &mut |_| {}) == Step::Inside
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
fn margin(line: &[u8]) -> usize {
    line.len() - line.trim_ascii_start().len()
}

#[cfg(test)]
mod tests;
