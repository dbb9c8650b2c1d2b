//! Who claims a frame: asked once for frames with the same names, not for each of them.
//!
//! A writer of logs writes the same names again and again, and what claims a frame depends on its names, and of a few
//! formats on what some member says. So the wrappers and formats that may claim an outside with these names are kept,
//! and only these are asked. What is kept changes speed, never results.

use super::table::Formats;
use crate::frame::shape::Shape;
use crate::unwrap;

/// Outsides that are kept. Few, because a frame may be compared with each of them.
const OUTSIDES_MAX: usize = 16;

/// What a frame may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// An envelope: its place among the wrappers.
    Wrapper(usize),
    /// A record: the place of its format.
    Format(usize),
}

/// The outsides of the frames seen last.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    known: Vec<Outside>,
    /// The one that fitted last, which is where the next search begins.
    last: usize,
    /// Where the next new one goes.
    next: usize,
}

#[derive(Clone, Debug)]
struct Outside {
    is_row: bool,
    names: Box<[Box<[u8]>]>,
    /// In the order in which they are asked.
    candidates: Vec<Claim>,
    /// The first of them needs no asking.
    is_sure: bool,
}

impl Claims {
    /// What a frame of this shape is; a format named by the user takes the place of all others.
    pub(super) fn of(&mut self, shape: &Shape<'_>, formats: &Formats, named: Option<usize>) -> Option<Claim> {
        // A row has no names; of other texts every one has to be looked at.
        if shape.text().is_some() {
            return all(shape, formats, named).next();
        }
        let outside = self.outside(shape, formats, named);
        match outside.candidates.as_slice() {
            [first, ..] if outside.is_sure => Some(*first),
            candidates => candidates.iter().copied().find(|claim| claims(*claim, shape, formats, named)),
        }
    }

    fn outside(&mut self, shape: &Shape<'_>, formats: &Formats, named: Option<usize>) -> &Outside {
        for turn in 0..self.known.len() {
            let at = (self.last + turn) % self.known.len();
            if shape.is_row() == self.known[at].is_row && shape.has_names(&self.known[at].names) {
                self.last = at;
                return &self.known[at];
            }
        }
        self.learn(shape, formats, named)
    }

    #[cold]
    fn learn(&mut self, shape: &Shape<'_>, formats: &Formats, named: Option<usize>) -> &Outside {
        let candidates: Vec<_> = all(&shape.saying(true), formats, named).collect();
        let denied = shape.saying(false);
        let is_sure = candidates.first().is_some_and(|first| claims(*first, &denied, formats, named));
        let names = shape.members().map(|(name, _)| name.into()).collect();
        let outside = Outside { is_row: shape.is_row(), names, candidates, is_sure };
        self.last = self.next;
        self.next = (self.next + 1) % OUTSIDES_MAX;
        if self.last < self.known.len() {
            self.known[self.last] = outside;
        } else {
            self.known.push(outside);
        }
        &self.known[self.last]
    }
}

/// Whatever claims a shape, in the order in which it is asked.
fn all(shape: &Shape<'_>, formats: &Formats, named: Option<usize>) -> impl Iterator<Item = Claim> {
    let every = (0..unwrap::ALL.len()).map(Claim::Wrapper);
    let wanted = match named {
        Some(at) => at..at + 1,
        None => 0..formats.len(),
    };
    let every = every.chain(wanted.map(Claim::Format));
    every.filter(move |claim| claims(*claim, shape, formats, named))
}

fn claims(claim: Claim, shape: &Shape<'_>, formats: &Formats, named: Option<usize>) -> bool {
    match claim {
        Claim::Wrapper(at) => (unwrap::ALL[at].sniff)(shape),
        Claim::Format(at) => named.is_some() || formats.get(at).is_some_and(|format| format.claims(shape)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_changes_nothing() {
        let formats = Formats::builtin();
        let mut kept = Claims::default();
        let mut told = Vec::new();
        for directory in std::fs::read_dir("tests/formats").unwrap() {
            let text = std::fs::read(directory.unwrap().path().join("in")).unwrap();
            for line in text.split(|&byte| byte == b'\n').map(super::super::trim) {
                let Ok(shape) = Shape::of(line, false) else { continue };
                // Twice, so that it is told from what is kept.
                for _ in 0..2 {
                    let claim = kept.of(&shape, &formats, None);
                    assert_eq!(claim, Claims::default().of(&shape, &formats, None));
                    assert_eq!(claim, all(&shape, &formats, None).next());
                    told.push(claim);
                }
            }
        }
        let wrappers = told.iter().filter(|claim| matches!(claim, Some(Claim::Wrapper(_)))).count();
        assert!(wrappers > 20 && told.len() - wrappers > 100);
        assert_eq!(kept.known.len(), OUTSIDES_MAX);
    }
}
