//! Passing over a document that is too long to be kept, piece by piece, to find the one behind it.

use super::document::{begins, outer};
use crate::json::DEPTH_MAX;
use serde::{Deserialize, Serialize};

/// A line that is thrown away while it streams past.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Skip {
    /// In a document.
    Inside(Brackets),
    /// Behind one.
    Behind,
    /// In what is no document: to the end of the line.
    Line,
}

/// The open brackets of a document. They are told apart as [`super::bracket::Tracker`] does it: what that cannot
/// follow is not followed here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Brackets {
    objects: u128,
    depth: u32,
    quoted: bool,
    escaped: bool,
}

impl Skip {
    /// At the start of a line, or of a document on it.
    pub(super) fn new(line: &[u8]) -> Self {
        if begins(outer(line)) { Self::Inside(Brackets::default()) } else { Self::Line }
    }

    /// Reads on, and tells where the next document begins.
    pub(super) fn next_document(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, &byte) in piece.iter().enumerate() {
            match self {
                Self::Line => return None,
                Self::Behind if byte == b'{' => return Some(at),
                Self::Behind if byte.is_ascii_whitespace() => {}
                Self::Behind => *self = Self::Line,
                Self::Inside(brackets) => match brackets.read(byte) {
                    Some(true) => {}
                    Some(false) if byte == b'}' => *self = Self::Behind,
                    _ => *self = Self::Line,
                },
            }
        }
        None
    }
}

impl Brackets {
    /// Whether the document goes on after this byte; `None` where nobody can tell.
    fn read(&mut self, byte: u8) -> Option<bool> {
        match byte {
            0 => return None,
            _ if self.escaped => self.escaped = false,
            b'\\' if self.quoted => self.escaped = true,
            b'"' => self.quoted = !self.quoted,
            _ if self.quoted => {}
            b'{' | b'[' if self.depth < DEPTH_MAX => {
                self.objects = self.objects << 1 | u128::from(byte == b'{');
                self.depth += 1;
            }
            b'}' | b']' if self.depth > 0 && (self.objects & 1 == 1) == (byte == b'}') => {
                self.objects >>= 1;
                self.depth -= 1;
                return Some(self.depth > 0);
            }
            b'{' | b'[' | b'}' | b']' => return None,
            _ => {}
        }
        Some(true)
    }
}
