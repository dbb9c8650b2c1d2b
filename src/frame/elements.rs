//! Lists that are longer than the limit: their elements are given out as they come, as many together as make a
//! frame, in the envelope that they stood in. So are those of an element that is over the limit by itself: results of a
//! bucket in a page of buckets.

use super::body::Frames;
use super::bracket::{Tracker, opens};
use crate::decode;
use crate::json::Reader;
use crate::unwrap;
use serde::{Deserialize, Serialize};

/// Elements are given out together up to about this many bytes, so that they are decoded while others are read.
const BATCH_BYTES_MAX: usize = 256 << 10;
/// How many elements over the limit may be taken apart one in the other: each keeps its envelope in memory.
const INSIDE_MAX: u8 = 2;

/// A document over the limit that is hardly more than a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Elements {
    tracker: Tracker,
    /// The envelope: what stands before the first element, and how many bytes that are.
    start: usize,
    /// The envelope, elements that have not been given out yet, and the one under way, up to a byte over the limit.
    text: Vec<u8>,
    /// Where the one under way begins; behind the list, where that ends.
    at: usize,
    /// The brackets of an element were closed, and no comma was read since.
    is_closed: bool,
    /// The list has ended.
    is_behind: bool,
    /// The element under way is over the limit by itself.
    is_cut: bool,
    /// That element, if it is hardly more than a list, too.
    inside: Option<Box<Self>>,
    /// How many more may be inside of it.
    inside_max: u8,
}

impl Elements {
    /// The list that a document over the limit consists of, if it is one whose elements may be given out on their own:
    /// nothing of it is read yet but what stands before its elements.
    pub(super) fn of(text: &[u8], bytes_max: usize) -> Option<Self> {
        let start = list(text).filter(|&start| start <= bytes_max / 2)?;
        // What begins like a list of numbers or texts may be anything.
        let are_records = match text[start..].trim_ascii_start().first() {
            Some(b'{' | b'[') => opens(text),
            Some(b'"') => start > 1,
            _ => false,
        };
        if !are_records || !may_be_parted(&text[..start]) {
            return None;
        }
        let mut tracker = Tracker::default();
        tracker.read(&text[..start], &mut |_| {});
        Some(Self {
            tracker,
            start,
            text: text[..start].to_vec(),
            at: start,
            is_closed: false,
            is_behind: false,
            is_cut: false,
            inside: None,
            inside_max: INSIDE_MAX,
        })
    }

    /// How many bytes of the document stand before the elements.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Reads on, not beyond the end of the document.
    pub(super) fn push(&mut self, mut piece: &[u8], frames: &mut Frames) {
        let depth = self.depth();
        while let Some(&first) = piece.first() {
            let before = self.tracker.depth();
            let is_between = !self.is_behind && !self.tracker.is_quoted() && before == depth;
            let Some(length) = self.tracker.next(piece, &mut |_| {}) else { return };
            let (token, rest) = piece.split_at(length);
            match first {
                b',' if is_between => self.part(frames),
                b']' if is_between => self.end_list(frames),
                _ => self.keep(token, frames),
            }
            if before > depth && self.tracker.depth() == depth {
                self.end_element(frames);
                self.is_closed = true;
            }
            piece = rest;
        }
    }

    /// Gives out what is left of a document that has ended. What stands behind the list is judged by itself: whatever
    /// is wrong with it must not cost the last elements.
    pub(super) fn end(mut self, frames: &mut Frames) {
        if self.is_behind && self.text[self.at..].trim_ascii() != self.close() {
            self.give(frames);
        }
        let is_empty = self.at == self.start + 1 && matches!(&self.text[self.at..], b"" | b"}");
        if !is_empty {
            frames.put(&self.text);
        }
    }

    /// Gives out what is there of one that will not end: whole elements, and the rest as it is.
    pub(super) fn tear(mut self, frames: &mut Frames) {
        if let Some(inside) = self.inside {
            return inside.tear(frames);
        }
        let is_between = self.tracker.depth() == self.depth() && !self.tracker.is_quoted();
        if !self.is_behind && is_between && !self.is_blank() {
            self.end_element(frames);
        }
        self.give(frames);
        frames.put(&self.text);
    }

    /// How many brackets are open between two elements.
    fn depth(&self) -> u32 {
        if self.text.starts_with(b"[") { 1 } else { 2 }
    }

    /// What closes the envelope behind an element, or behind the list.
    fn close(&self) -> &'static [u8] {
        match (self.depth(), self.is_behind) {
            (1, false) => b"]",
            (1, true) => b"",
            (_, false) => b"]}",
            (_, true) => b"}",
        }
    }

    /// Whether nothing has been read of an element.
    fn is_blank(&self) -> bool {
        self.text[self.at..].trim_ascii().is_empty()
    }

    fn is_over(&self, frames: &Frames) -> bool {
        self.text.len() + self.close().len() > frames.bytes_max
    }

    /// Appends to what is under way. What has ended before it makes room for it.
    fn keep(&mut self, mut token: &[u8], frames: &mut Frames) {
        while !token.is_empty() && self.inside.is_none() {
            let room = (frames.bytes_max + 1).saturating_sub(self.text.len());
            if room == 0 {
                return;
            }
            let (fits, rest) = token.split_at(room.min(token.len()));
            self.text.extend_from_slice(fits);
            token = rest;
            if self.is_over(frames) && !self.is_cut {
                self.give(frames);
                self.is_cut = self.is_over(frames);
                if self.is_cut {
                    self.enter(frames);
                }
            }
        }
        if let Some(inside) = &mut self.inside {
            inside.push(token, frames);
        }
    }

    /// Takes the element under way apart, now that it is over the limit, if it may be.
    fn enter(&mut self, frames: &mut Frames) {
        if self.inside_max == 0 || self.is_behind {
            return;
        }
        // What is decided depends on this much, however much more has come with it.
        let seen = frames.bytes_max + 1 - self.close().len();
        let element = self.text[self.at..seen].trim_ascii_start();
        let Some(mut inside) = Self::of(element, frames.bytes_max) else { return };
        inside.inside_max = self.inside_max - 1;
        let element = self.text.split_off(self.at);
        inside.push(&element.trim_ascii_start()[inside.start..], frames);
        self.inside = Some(Box::new(inside));
    }

    /// Gives out the elements before the one under way, or the list before what stands behind it; `false` where there
    /// are none.
    fn give(&mut self, frames: &mut Frames) -> bool {
        // The comma behind the last one is none of it; the bracket behind the list is.
        let (whole, rest) =
            if self.is_behind { (self.at, self.at - 1) } else { (self.at.saturating_sub(1), self.at) };
        if rest <= self.start {
            return false;
        }
        let whole = [&self.text[..whole], self.close()].concat();
        frames.put(&whole);
        self.text.drain(self.start..rest);
        self.at -= rest - self.start;
        true
    }

    /// What to do with a comma between elements.
    fn part(&mut self, frames: &mut Frames) {
        if std::mem::take(&mut self.is_closed) && self.is_blank() {
            self.text.truncate(self.at);
        } else {
            self.end_element(frames);
        }
    }

    fn end_element(&mut self, frames: &mut Frames) {
        self.is_cut = false;
        if let Some(inside) = self.inside.take() {
            return inside.end(frames);
        }
        let close = self.close();
        if self.is_over(frames) || !is_json(&self.text[self.at..]) {
            // It costs itself alone.
            self.give(frames);
            let blank: &[u8] = if self.is_blank() { b"," } else { b"" };
            frames.put(&[&self.text, blank, close].concat());
            self.text.truncate(self.start);
        } else {
            self.text.push(b',');
        }
        self.at = self.text.len();
        let batch = (frames.bytes_max / 2).min(BATCH_BYTES_MAX).max(self.start);
        if self.at - self.start >= batch {
            self.give(frames);
        }
    }

    fn end_list(&mut self, frames: &mut Frames) {
        if self.is_blank() {
            self.text.truncate(self.at);
        } else {
            self.end_element(frames);
        }
        if self.at > self.start {
            self.text.pop();
        }
        self.text.push(b']');
        self.at = self.text.len();
        self.is_behind = true;
    }
}

/// Whether a document that begins like this may be given out as several.
fn may_be_parted(start: &[u8]) -> bool {
    unwrap::may_be_parted(start) || decode::may_be_parted(start)
}

/// Where the elements begin of the longest list that stands directly in a document, as far as that is there.
fn list(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"[") {
        return Some(1);
    }
    let (mut tracker, mut rest) = (Tracker::default(), text);
    let (mut open, mut longest) = (None, (0, None));
    while !rest.is_empty() {
        let (before, first) = (tracker.depth(), rest[0]);
        rest = &rest[tracker.next(rest, &mut |_| {})?..];
        let at = text.len() - rest.len();
        match (before, tracker.depth()) {
            (1, 2) => open = (first == b'[').then_some(at),
            (2, 1) => longest = longest.max(open.take().map_or((0, None), |start| (at - start, Some(start)))),
            _ => {}
        }
    }
    longest.max(open.map_or((0, None), |start| (text.len() - start, Some(start)))).1
}

fn is_json(text: &[u8]) -> bool {
    let mut reader = Reader::new(text);
    reader.skip();
    reader.finish().is_ok()
}

#[cfg(test)]
mod tests;
