//! A document under way.

use super::body::{Body, Frames};
use super::bracket::{Step, Tracker, opens};
use super::document::margin;
use serde::{Deserialize, Serialize};

/// A document whose end has not been seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    tracker: Tracker,
    /// As it was written, while nothing but blank lines follow its first; then without its white space.
    body: Body,
    is_one_line: bool,
    /// How far its first line is indented.
    margin: usize,
    /// Whether its first line opens one bracket and all others were indented further: then a bracket at the margin
    /// opens another document.
    is_indented: Option<bool>,
    /// Where in its text its last line begins, if that is a whole element at the margin with no comma behind it.
    element: Option<usize>,
}

impl Open {
    /// Nothing of a document that begins on a line with this margin.
    pub(super) fn new(margin: usize) -> Self {
        Self {
            tracker: Tracker::default(),
            body: Body::default(),
            is_one_line: true,
            margin,
            is_indented: None,
            element: None,
        }
    }

    /// What has been kept of it.
    pub(super) fn text(&self) -> &[u8] {
        self.body.text()
    }

    /// Whether a line belongs to the document, as far as its beginning tells.
    pub(super) fn goes_on(&self, line: &[u8]) -> bool {
        let text = line.trim_ascii_start();
        let may_be_another = self.is_indented == Some(true) || self.tracker.ends_name();
        let is_another = may_be_another && margin(line) <= self.margin && opens(text);
        let before = memchr::memchr(0, text).map(|zero| &text[..zero]);
        !is_another && before != Some(b"") && self.tracker.continues(before.unwrap_or(text))
    }

    /// Reads a line that goes on with it.
    pub(super) fn append(&mut self, line: &[u8], frames: &mut Frames) -> Step {
        let text = line.trim_ascii_start();
        self.begin_line(line, frames);
        let is_indented = margin(line) > self.margin;
        let may_be_element = !is_indented && self.tracker.depth() == 1 && opens(text);
        let start = self.text().len();
        let step = self.read_piece(line, frames);
        let step =
            if step == Step::Inside && self.tracker.is_quoted() { Step::Broken(line.len()) } else { step };
        if self.body.is_parted() {
            return step;
        }
        let is_element = may_be_element && self.tracker.depth() == 1 && self.tracker.ends_value();
        self.element = is_element.then_some(start);
        if let Step::Broken(_) = step {
            // As it was written, so that the reject shows what is wrong with it.
            self.body = std::mem::take(&mut self.body).other(start);
            self.body.push(line, frames);
        }
        step
    }

    /// What follows is a line that goes on with it and begins like this.
    pub(super) fn begin_line(&mut self, line: &[u8], frames: &mut Frames) {
        if std::mem::take(&mut self.is_one_line) {
            self.is_indented = Some(self.tracker.depth() <= 1);
            // Of one over the limit nothing is kept any more.
            if self.body.is_whole() {
                let first = std::mem::take(&mut self.body);
                self.tracker = Tracker::default();
                self.read_piece(first.text(), frames);
            }
        }
        self.is_indented = Some(margin(line) > self.margin && self.is_indented != Some(false));
        self.element = None;
        self.tracker.begin_line();
    }

    /// Reads a piece of such a line, or of its first.
    pub(super) fn read_piece(&mut self, piece: &[u8], frames: &mut Frames) -> Step {
        let Self { tracker, body, .. } = self;
        if !self.is_one_line {
            return tracker.read_piece(piece, &mut |kept| body.push(kept, frames));
        }
        let step = tracker.read_piece(piece, &mut |_| {});
        let (Step::Ended(length) | Step::Broken(length)) = step else {
            body.push(piece, frames);
            return step;
        };
        body.push(&piece[..length], frames);
        step
    }

    /// Whether an object is what came last.
    pub(super) fn ends_object(&self) -> bool {
        self.tracker.ends_object()
    }

    /// The document at the end of a line over the limit; what has been kept of it, if it cannot go on or is no longer
    /// than other lines.
    pub(super) fn next_line(self) -> Result<Self, Body> {
        let is_like_others = self.is_one_line && self.body.is_whole();
        let is_document = self.body.is_parted() || opens(self.text());
        if is_document && !is_like_others && !self.tracker.is_quoted() { Ok(self) } else { Err(self.body) }
    }

    /// What has been kept.
    pub(super) fn into_body(self) -> Body {
        self.body
    }

    /// Gives it out at its end, with what stands behind that on the same line and belongs to nothing else.
    pub(super) fn end(mut self, behind: &[u8], frames: &mut Frames) {
        if self.body.is_parted() {
            self.body.end(frames);
            frames.put(behind);
        } else {
            self.body.push(behind, frames);
            self.body.end(frames);
        }
    }

    /// Gives out what is there of a document that will not end.
    pub(super) fn tear(self, is_followed: bool, frames: &mut Frames) {
        match self.element.filter(|_| is_followed) {
            // What a list begins with may be no list at all, and what no comma parts from the next no element of it.
            Some(at) => {
                let (before, element) = self.text().split_at(at);
                frames.put(before);
                frames.put(element.strip_prefix(b",").unwrap_or(element));
            }
            None => self.body.tear(frames),
        }
    }
}
