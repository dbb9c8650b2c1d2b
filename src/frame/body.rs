//! What is kept of a document under way, and the frames of a line.

use super::elements::Elements;
use serde::{Deserialize, Serialize};

/// The frames that stand on one line, parted by zeros.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Frames {
    /// Longest frame; one that is longer is rejected by whoever decodes it, of which a byte over the limit is enough.
    pub(super) bytes_max: usize,
    line: Vec<u8>,
}

impl Frames {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, line: Vec::new() }
    }

    /// Puts a frame on the line.
    pub(super) fn put(&mut self, frame: &[u8]) {
        if !self.line.is_empty() && !frame.is_empty() {
            self.line.push(0);
        }
        let start = self.line.len();
        self.line.extend_from_slice(frame);
        if frame.len() > self.bytes_max {
            // It stays one, whatever is in it.
            self.line[start..].iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
        }
    }

    /// Writes those that are there; more may follow on the same line.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.line);
    }

    /// Ends the line.
    pub(super) fn end_line(&mut self, out: &mut Vec<u8>) {
        self.write(out);
        out.push(b'\n');
    }
}

/// What is kept of a document: its text up to one byte over the limit; beyond that, if it is a list, an element.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Body {
    text: Vec<u8>,
    is_cut: bool,
    /// It is no document.
    is_other: bool,
    elements: Option<Box<Elements>>,
}

impl Body {
    /// Appends to it.
    pub(super) fn push(&mut self, piece: &[u8], frames: &mut Frames) {
        let room = (frames.bytes_max + 1).saturating_sub(self.text.len());
        let (fits, rest) = piece.split_at(if self.is_cut { 0 } else { room.min(piece.len()) });
        self.text.extend_from_slice(fits);
        if !self.is_cut && self.text.len() > frames.bytes_max {
            self.is_cut = true;
            if !self.is_other {
                self.part(frames);
            }
        }
        if let Some(elements) = &mut self.elements {
            elements.push(rest, frames);
        }
    }

    /// Gives out the elements of a document over the limit one by one from here on, if it has any.
    #[cold]
    fn part(&mut self, frames: &mut Frames) {
        let Some(mut elements) = Elements::of(&self.text, frames.bytes_max) else { return };
        elements.push(&self.text[elements.start()..], frames);
        self.elements = Some(Box::new(elements));
        self.text = Vec::new();
    }

    /// Whether it is within the limit.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_cut
    }

    /// Whether its elements are given out as they come.
    pub(super) fn is_parted(&self) -> bool {
        self.elements.is_some()
    }

    /// What has been kept, unless it is parted.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Its first `length` bytes, as a text that is no document.
    pub(super) fn other(mut self, length: usize) -> Self {
        self.text.truncate(length);
        Self { is_cut: false, is_other: true, ..self }
    }

    /// Gives it out: it has ended, or is no document.
    pub(super) fn end(self, frames: &mut Frames) {
        match self.elements {
            Some(elements) => elements.end(frames),
            None => frames.put(&self.text),
        }
    }

    /// Gives out what is there of a document that will not end.
    pub(super) fn tear(self, frames: &mut Frames) {
        match self.elements {
            Some(elements) => elements.tear(frames),
            None => frames.put(&self.text),
        }
    }
}
