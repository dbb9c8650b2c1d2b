//! What is kept of a document under way, and the frames of a line.

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

/// The text of a document, up to one byte over the limit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Body {
    text: Vec<u8>,
    is_cut: bool,
}

impl Body {
    /// Appends to it.
    pub(super) fn push(&mut self, piece: &[u8], frames: &mut Frames) {
        let room = (frames.bytes_max + 1).saturating_sub(self.text.len());
        self.text.extend_from_slice(&piece[..piece.len().min(room)]);
        self.is_cut |= self.text.len() > frames.bytes_max;
    }

    /// Whether it is within the limit.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_cut
    }

    /// What has been kept.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Drops what stands behind the first `length` bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        self.text.truncate(length);
        self.is_cut = false;
    }
}
