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
    /// White space behind a document, which is given out when nothing else follows.
    Behind {
        body: Body,
        is_object: bool,
    },
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
        Self { at: At::Other(Body::default().other(0)), margin: 0 }
    }

    /// Whether it has not begun.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.at, At::Start)
    }

    /// Reads a piece of it.
    pub(super) fn read(&mut self, piece: &[u8], frames: &mut Frames) {
        let zero = memchr::memchr(0, piece).unwrap_or(piece.len());
        let (mut text, rest) = piece.split_at(zero);
        while !text.is_empty() {
            let length = match std::mem::replace(&mut self.at, At::Start) {
                At::Start => self.start(text),
                At::Document(open) => self.document(open, text, frames),
                At::Behind { body, is_object } => self.behind(body, is_object, text, frames),
                At::Other(body) => self.other(body, text, frames),
            };
            text = &text[length..];
        }
        if !rest.is_empty() {
            // A document has no zeros in it.
            let body = match std::mem::replace(&mut self.at, At::Start) {
                At::Start => Body::default(),
                At::Document(open) => break_off(open.into_body(), frames),
                At::Behind { body, .. } | At::Other(body) => body,
            };
            self.other(body.other(usize::MAX), rest, frames);
        }
    }

    fn other(&mut self, mut body: Body, piece: &[u8], frames: &mut Frames) -> usize {
        body.push(piece, frames);
        self.at = At::Other(body);
        piece.len()
    }

    fn start(&mut self, piece: &[u8]) -> usize {
        let space = piece.len() - piece.trim_ascii_start().len();
        let rest = &piece[space..];
        if begins(rest) {
            self.at = At::Document(Box::new(Open::new(self.margin)));
        } else if !rest.is_empty() {
            self.at = At::Other(Body::default().other(0));
        }
        space
    }

    fn document(&mut self, mut open: Box<Open>, piece: &[u8], frames: &mut Frames) -> usize {
        match open.read_piece(piece, frames) {
            Step::Inside => {
                self.at = At::Document(open);
                piece.len()
            }
            Step::Ended(length) => {
                let is_object = open.ends_object();
                let mut body = open.into_body();
                if body.is_parted() {
                    std::mem::take(&mut body).end(frames);
                }
                self.at = At::Behind { body, is_object };
                length
            }
            Step::Broken(length) => {
                self.at = At::Other(break_off(open.into_body(), frames).other(usize::MAX));
                length
            }
        }
    }

    fn behind(&mut self, body: Body, is_object: bool, piece: &[u8], frames: &mut Frames) -> usize {
        let space = piece.len() - piece.trim_ascii_start().len();
        self.at = match piece.get(space) {
            None => At::Behind { body, is_object },
            Some(b'{') if is_object => {
                body.end(frames);
                At::Document(Box::new(Open::new(self.margin)))
            }
            Some(_) => At::Other(body.other(usize::MAX)),
        };
        space
    }

    /// A document that may go on on the next line; if there is none, what is left to be read as a line of its own.
    pub(super) fn end(self) -> Result<Open, Body> {
        match self.at {
            At::Start => Err(Body::default()),
            At::Document(open) => open.next_line(),
            At::Behind { body, .. } | At::Other(body) => Err(body),
        }
    }
}

/// What has been kept of a document that nobody can follow to its end, and is not given out yet.
fn break_off(body: Body, frames: &mut Frames) -> Body {
    if !body.is_parted() {
        return body;
    }
    body.tear(frames);
    Body::default()
}
