//! What records look like that have been read: what stands between their values, and how each value is taken.
//!
//! A writer of logs lays out every record in one of a few ways. Once a record has been read, what stood between its
//! values is known, and the next one is read by comparing these stretches and taking the values in between. Where
//! records begin alike they share the way up to where they part. Where a record is like none before, it is read from its
//! start in the general way: the result is the same, only slower.

use crate::json::{Reader, same};

/// Stretches that are kept.
const BRANCHES_MAX: usize = 2048;
/// Bytes in them.
const BYTES_MAX: usize = 256 << 10;
/// Ways on from one value: where there are more, names are made up, and will not come again.
const NEXT_MAX: usize = 16;
/// Stretches of one record: a record that is mostly names is none that comes often.
const STEPS_MAX: usize = 128;
/// Records that did not fit after which all begins anew.
const PATIENCE: u32 = 1024;
/// How often the pause before all begins anew becomes twice as long: a log in which every record is laid out in a way of its
/// own is not learned from again and again.
const TURNS_MAX: u32 = 6;
/// The longest pause after records of which nothing could be learned.
const PAUSE_MAX: u32 = 63;

/// Records seen before, by what stands between their values. `S` says how to take a value.
#[derive(Clone, Debug)]
pub(super) struct Tree<S> {
    branches: Vec<Branch<S>>,
    /// Where a record may begin.
    starts: Vec<usize>,
    bytes: usize,
    misses: u32,
    /// So many records need not be looked at that did not fit.
    pause: u32,
    last_pause: u32,
    /// There was no room for long enough: after the pause all begins anew.
    is_over: bool,
    /// How often that has been so.
    turns: u32,
}

#[derive(Clone, Debug)]
struct Branch<S> {
    before: Box<[u8]>,
    /// How to take the value behind it; `None` where the record ends.
    step: Option<S>,
    /// What may come next.
    next: Vec<usize>,
}

/// The values of a record, each with what stands before it, and what stands behind the last.
pub(super) struct Steps<'t, S> {
    text: &'t [u8],
    /// Where the last value ended.
    from: usize,
    /// Where each begins, and where what stands before it does.
    values: Vec<(usize, usize, S)>,
}

impl<S> Default for Tree<S> {
    fn default() -> Self {
        Self {
            branches: Vec::new(),
            starts: Vec::new(),
            bytes: 0,
            misses: 0,
            pause: 0,
            last_pause: 0,
            is_over: false,
            turns: 0,
        }
    }
}

impl<S: PartialEq> Tree<S> {
    /// Whether a record may begin like this text.
    #[inline]
    pub(super) fn may_know(&self, text: &[u8]) -> bool {
        let begins =
            |at: &usize| self.branches.get(*at).is_some_and(|branch| text.starts_with(&branch.before));
        self.starts.iter().any(begins)
    }

    /// Reads what is laid out like something before, up to its end. `take` takes the values; what it has taken of
    /// anything else is of no use.
    #[inline]
    pub(super) fn read<'a>(
        &self,
        reader: &mut Reader<'a>,
        mut take: impl FnMut(&S, &mut Reader<'a>) -> Option<()>,
    ) -> Option<()> {
        let mut next = &self.starts;
        'values: loop {
            for branch in next.iter().filter_map(|at| self.branches.get(*at)) {
                let start = reader.position();
                if reader.take_written(&branch.before).is_none() {
                    continue;
                }
                let Some(step) = &branch.step else { return Some(()) };
                if take(step, reader).is_some() {
                    next = &branch.next;
                    continue 'values;
                }
                reader.return_to(start);
            }
            return None;
        }
    }

    /// The same of a record that a text begins with; how long it is. `take` is given the text from a value on, and says
    /// how long that is: what a text is read by has a place to remember, and values are too short for that.
    #[inline]
    pub(super) fn measure<'a>(
        &self,
        text: &'a [u8],
        mut take: impl FnMut(&S, &'a [u8]) -> Option<usize>,
    ) -> Option<usize> {
        let (mut next, mut rest) = (&self.starts, text);
        'values: loop {
            for branch in next.iter().filter_map(|at| self.branches.get(*at)) {
                let Some((before, value)) = rest.split_at_checked(branch.before.len()) else { continue };
                if !same(before, &branch.before) {
                    continue;
                }
                let Some(step) = &branch.step else { return Some(text.len() - value.len()) };
                if let Some(behind) = take(step, value).and_then(|length| value.get(length..)) {
                    (next, rest) = (&branch.next, behind);
                    continue 'values;
                }
            }
            return None;
        }
    }

    /// Keeps how a record is laid out that nothing here fitted.
    #[cold]
    pub(super) fn learn<'t>(&mut self, make: impl FnOnce() -> Option<Steps<'t, S>>)
    where
        S: 't,
    {
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        if self.is_over {
            *self = Self { turns: (self.turns + 1).min(TURNS_MAX), ..Self::default() };
        }
        let known = self.branches.len();
        let has_room = known < BRANCHES_MAX && self.bytes < BYTES_MAX;
        let is_kept = has_room && make().is_none_or(|steps| self.add(steps).is_some());
        if self.branches.len() > known {
            self.last_pause = 0;
        } else {
            // Its values are unusual, not what stands between them: the next ones may be so, too.
            self.last_pause = (2 * self.last_pause + 1).min(PAUSE_MAX);
            self.pause = self.last_pause;
        }
        if !is_kept {
            self.misses += 1 + self.pause;
        }
        // There was no room, and that has cost enough. Until all begins anew, what is known is of use.
        if self.misses >= PATIENCE {
            self.is_over = true;
            self.pause = (PATIENCE << self.turns) - PATIENCE;
        }
    }

    fn add(&mut self, Steps { text, from, values }: Steps<'_, S>) -> Option<()> {
        let steps = values.into_iter().map(|(from, start, step)| (text.get(from..start), Some(step)));
        let mut last = None;
        for (before, step) in steps.chain([(text.get(from..), None)]) {
            let before = before?;
            let next = self.next(last)?;
            let known = next.iter().copied().find(|at| {
                self.branches.get(*at).is_some_and(|branch| *branch.before == *before && branch.step == step)
            });
            if known.is_none() {
                let (count, at) = (next.len(), self.branches.len());
                if count >= NEXT_MAX {
                    return None;
                }
                self.bytes += before.len();
                self.branches.push(Branch { before: before.into(), step, next: Vec::new() });
                match last {
                    None => self.starts.push(at),
                    Some(last) => self.branches.get_mut::<usize>(last)?.next.push(at),
                }
            }
            last = known.or(Some(self.branches.len() - 1));
        }
        Some(())
    }

    fn next(&self, last: Option<usize>) -> Option<&Vec<usize>> {
        match last {
            None => Some(&self.starts),
            Some(last) => self.branches.get(last).map(|branch| &branch.next),
        }
    }

    /// How many stretches there are.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.branches.len()
    }
}

impl<'t, S> Steps<'t, S> {
    /// Those of this text, of which there are none yet.
    pub(super) const fn of(text: &'t [u8]) -> Self {
        Self { text, from: 0, values: Vec::new() }
    }

    /// Adds the value between these places; `None` where there are too many.
    pub(super) fn push(&mut self, start: usize, end: usize, step: S) -> Option<()> {
        if self.values.len() >= STEPS_MAX {
            return None;
        }
        self.text.get(self.from..start)?;
        self.values.push((self.from, start, step));
        self.from = end;
        Some(())
    }

    /// What stands before each value, how it is taken, and the text from it on.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'t [u8], &S, &'t [u8])> {
        self.values.iter().filter_map(|(from, start, step)| {
            Some((self.text.get(*from..*start)?, step, self.text.get(*start..)?))
        })
    }

    /// What stands behind the last value.
    pub(super) fn rest(&self) -> &'t [u8] {
        self.text.get(self.from..).unwrap_or_default()
    }

    /// The record ends here, before the end of the text.
    pub(super) fn end(&mut self, at: usize) {
        self.text = self.text.get(..at).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps a record, given as what stands before its numbers.
    fn learn(tree: &mut Tree<u8>, parts: &[&str]) {
        let text = parts.join("1");
        let mut steps = Steps::of(text.as_bytes());
        let mut at = 0;
        for part in &parts[..parts.len() - 1] {
            at += part.len() + 1;
            steps.push(at - 1, at, 0).unwrap();
        }
        tree.learn(|| Some(steps));
    }

    fn read(tree: &Tree<u8>, text: &str) -> Option<Vec<String>> {
        let mut values = Vec::new();
        let mut reader = Reader::new(text.as_bytes());
        tree.read(&mut reader, |_, reader| {
            values.push(String::from_utf8_lossy(reader.member()?.1).into_owned());
            Some(())
        })?;
        (reader.position() == text.len()).then_some(values)
    }

    #[test]
    fn records_that_begin_alike_share_the_way() {
        let mut tree = Tree::default();
        learn(&mut tree, &["{\"a\":", ",\"b\":", "}"]);
        learn(&mut tree, &["{\"a\":", ",\"c\":", "}"]);
        learn(&mut tree, &["{\"a\":", "}"]);
        learn(&mut tree, &["{\"a\":", ",\"b\":", "}"]);
        assert_eq!(tree.len(), 6);
        for (text, expected) in [
            ("{\"a\":7,\"b\":8}", Some(vec!["7", "8"])),
            ("{\"a\":\"x\",\"c\":[8]}", Some(vec!["\"x\"", "[8]"])),
            ("{\"a\":7}", Some(vec!["7"])),
            ("{\"a\":7,\"d\":8}", None),
            ("{\"a\":7,\"b\":8}}", None),
            ("{\"a\":7,\"b\":8", None),
            ("{\"a\":,\"b\":8}", None),
            ("{\"b\":7}", None),
            ("", None),
        ] {
            let expected = expected.map(|values| values.iter().map(ToString::to_string).collect());
            assert_eq!(read(&tree, text), expected, "{text}");
            assert_eq!(tree.may_know(text.as_bytes()), text.starts_with("{\"a\":"), "{text}");
        }
    }

    #[test]
    fn made_up_names_are_not_kept_for_ever() {
        let mut tree = Tree::default();
        learn(&mut tree, &["{\"a\":", "}"]);
        for number in 0..5000 {
            learn(&mut tree, &["{\"a\":", &format!(",\"{number}\":"), "}"]);
            assert!(tree.len() <= 2 + 2 * NEXT_MAX, "{number}");
        }
        for number in 0..5000 {
            learn(&mut tree, &["{", &format!("\"{number}\":"), "}"]);
            learn(&mut tree, &[&format!("{{\"{}\":", "x".repeat(number)), "}"]);
            assert!(tree.len() <= BRANCHES_MAX + STEPS_MAX && tree.bytes <= BYTES_MAX + 5000, "{number}");
        }
        // And what comes then is.
        (0..(2 * PATIENCE) << TURNS_MAX).for_each(|_| learn(&mut tree, &["{\"new\":", "}"]));
        assert!(read(&tree, "{\"new\":3}").is_some());
    }

    #[test]
    fn a_record_of_very_many_values_is_not_kept() {
        let text = "1".repeat(STEPS_MAX + 1);
        let mut steps = Steps::of(text.as_bytes());
        assert!((0..STEPS_MAX).all(|at| steps.push(at, at + 1, 0).is_some()));
        assert!(steps.push(STEPS_MAX, STEPS_MAX + 1, 0).is_none());
    }
}
