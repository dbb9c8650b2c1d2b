//! A line over the limit, read as it streams past: each of its documents is a frame or too long by itself.

use super::body::{Body, Frames};
use super::bracket::Step;
use super::document::begins;
use super::open::Open;
use serde::{Deserialize, Serialize};

/// Such a line. What comes of it depends on its bytes alone: it may come in any pieces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Long {
    at: At,
    margin: usize,
}

/// What a reader of the line stands in.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum At {
    /// The white space that it begins with.
    Start,
    Document(Box<Open>),
    /// White space behind a document, which is not given out yet: it must have ended, or another one must follow.
    Behind(Box<Open>),
    /// What is no document: to the end of the line.
    Other(Body),
}

impl Long {
    /// A line that is indented this far.
    pub(super) fn new(margin: usize) -> Self {
        Self { at: At::Start, margin }
    }

    /// The next line of a document.
    pub(super) fn going_on(open: Open) -> Self {
        Self { at: At::Document(Box::new(open)), margin: 0 }
    }

    /// A line that is known to be something else.
    pub(super) fn no_document() -> Self {
        Self { at: At::Other(Body::default()), margin: 0 }
    }

    /// Whether it has not begun.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.at, At::Start)
    }

    /// Reads a piece of it.
    pub(super) fn read(&mut self, mut piece: &[u8], frames: &mut Frames) {
        while !piece.is_empty() {
            let length = match std::mem::replace(&mut self.at, At::Start) {
                At::Start => self.start(piece),
                At::Document(open) => self.document(open, piece, frames),
                At::Behind(open) => self.behind(open, piece, frames),
                At::Other(mut body) => {
                    body.push(piece, frames);
                    self.at = At::Other(body);
                    piece.len()
                }
            };
            piece = &piece[length..];
        }
    }

    fn start(&mut self, piece: &[u8]) -> usize {
        let space = piece.len() - piece.trim_ascii_start().len();
        let rest = &piece[space..];
        if begins(rest) {
            self.at = At::Document(Box::new(Open::new(self.margin)));
        } else if !rest.is_empty() {
            self.at = At::Other(Body::default());
        }
        space
    }

    fn document(&mut self, mut open: Box<Open>, piece: &[u8], frames: &mut Frames) -> usize {
        let zero = memchr::memchr(0, piece);
        let whole = &piece[..zero.unwrap_or(piece.len())];
        let (at, length) = match open.read_piece(whole, frames) {
            Step::Ended(length) => (At::Behind(open), length),
            Step::Inside if zero.is_none() => (At::Document(open), piece.len()),
            Step::Inside => (At::Other(open.into_body()), whole.len()),
            Step::Broken(length) => (At::Other(open.into_body()), length),
        };
        self.at = at;
        length
    }

    fn behind(&mut self, open: Box<Open>, piece: &[u8], frames: &mut Frames) -> usize {
        let space = piece.len() - piece.trim_ascii_start().len();
        self.at = match piece.get(space) {
            None => At::Behind(open),
            Some(b'{') if open.ends_object() => {
                open.end(frames);
                At::Document(Box::new(Open::new(self.margin)))
            }
            Some(_) => At::Other(open.into_body()),
        };
        space
    }

    /// A document that may go on on the next line; if there is none, what is left to be read as a line of its own.
    pub(super) fn end(self) -> Result<Open, Body> {
        match self.at {
            At::Start => Err(Body::default()),
            At::Document(open) => open.next_line(),
            At::Behind(open) => Err(open.into_body()),
            At::Other(body) => Err(body),
        }
    }
}
