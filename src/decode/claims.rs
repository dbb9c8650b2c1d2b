//! Who claims a frame: asked once for frames with the same names, not for each of them.
//!
//! A writer of logs writes the same names again and again, and what claims a frame depends on its names, and of a few
//! formats on what some member says. A shape knows whether it was looked into: who answered without that will answer
//! the same for all frames with these names, and only the others are asked again. What is kept changes speed, never
//! results.

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
    /// Whoever may claim it, in the order in which they are asked, and whether they need no asking.
    candidates: Vec<(Claim, bool)>,
}

impl Claims {
    /// What a frame of this shape is; a format named by the user takes the place of all others.
    pub(super) fn of(&mut self, shape: &Shape<'_>, formats: &Formats, named: Option<usize>) -> Option<Claim> {
        // A row has no names; of other texts every one has to be looked at.
        if shape.text().is_some() {
            return all(formats, named).find(|claim| claims(*claim, shape, formats, named));
        }
        let candidates = &self.outside(shape, formats, named).candidates;
        let found = candidates.iter().find(|(claim, sure)| *sure || claims(*claim, shape, formats, named));
        found.map(|(claim, _)| *claim)
    }

    /// Of which members more than their names told what a frame of this shape is, a bit for each.
    #[cold]
    pub(super) fn told_by(shape: &Shape<'_>, formats: &Formats, named: Option<usize>) -> u64 {
        shape.looked_into();
        all(formats, named).find(|claim| claims(*claim, shape, formats, named));
        shape.looked_into()
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
        let mut candidates = Vec::new();
        shape.was_looked_into();
        for claim in all(formats, named) {
            let claimed = claims(claim, shape, formats, named);
            let sure = !shape.was_looked_into();
            if claimed || !sure {
                candidates.push((claim, sure));
            }
            if claimed && sure {
                break;
            }
        }
        let members = shape.members().map(|(name, _)| name.into());
        let outside = Outside { is_row: shape.is_row(), names: members.collect(), candidates };
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

/// Whoever may claim a frame, in the order in which they are asked.
fn all(formats: &Formats, named: Option<usize>) -> impl Iterator<Item = Claim> {
    let wanted = match named {
        Some(at) => at..at + 1,
        None => 0..formats.len(),
    };
    (0..unwrap::ALL.len()).map(Claim::Wrapper).chain(wanted.map(Claim::Format))
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

    /// Every line of every fixture, and what stands in lists in it.
    fn frames() -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for directory in std::fs::read_dir("tests/formats").unwrap() {
            let text = std::fs::read(directory.unwrap().path().join("in")).unwrap();
            for line in text.split(|&byte| byte == b'\n').map(super::super::trim) {
                frames.push(line.to_vec());
                let lists = Shape::of(line, false).ok();
                for (_, (value, raw)) in lists.iter().flat_map(Shape::members) {
                    let mut reader = crate::json::Reader::new(raw);
                    if value == crate::json::Value::Array && reader.enter_array() {
                        while reader.element() {
                            frames.push(reader.raw().to_vec());
                        }
                    }
                }
            }
        }
        frames
    }

    #[test]
    fn what_is_kept_changes_nothing() {
        let formats = Formats::builtin();
        let (mut kept, mut wrapped, mut told) = (Claims::default(), 0, 0);
        let frames = frames();
        // Twice, and once backwards, so that every one is also told from what is kept.
        for frame in frames.iter().chain(&frames).chain(frames.iter().rev()) {
            let Ok(shape) = Shape::of(frame, false) else { continue };
            let asked = all(&formats, None).find(|claim| claims(*claim, &shape, &formats, None));
            let claim = kept.of(&shape, &formats, None);
            assert_eq!(claim, asked, "{}", String::from_utf8_lossy(frame));
            wrapped += usize::from(matches!(claim, Some(Claim::Wrapper(_))));
            told += usize::from(claim.is_some());
        }
        assert!(wrapped > 100 && told - wrapped > 500);
        assert_eq!(kept.known.len(), OUTSIDES_MAX);
    }

    #[test]
    fn what_a_member_says_is_looked_at_every_time() {
        let formats = Formats::builtin();
        let mut kept = Claims::default();
        for kind in ["usage.completions", "costs", "usage.images", "nothing"] {
            let bucket = format!(
                r#"{{"object":"bucket","start_time":1,"end_time":2,"results":[{{"object":"organization.{kind}.result"}}]}}"#
            );
            let shape = Shape::of(bucket.as_bytes(), false).unwrap();
            let claim = kept.of(&shape, &formats, None).and_then(|claim| match claim {
                Claim::Format(at) => formats.get(at).map(|format| format.name.clone()),
                Claim::Wrapper(_) => None,
            });
            let expected = match kind {
                "costs" => Some("openai_costs"),
                "nothing" => None,
                _ => Some("openai_usage"),
            };
            assert_eq!(claim.as_deref(), expected, "{kind}");
        }
    }
}
