//! Addresses to small numbers: sorted beginnings, found by halving.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Sub;

/// What numbers stand for which addresses; nought for those that no range holds.
///
/// Kept are the places where the number changes: four bytes each and those of the address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Ranges<A> {
    starts: Vec<A>,
    values: Vec<u32>,
}

/// A range as a file gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span<A> {
    pub first: A,
    /// Inclusive.
    pub last: A,
    pub value: u32,
}

/// Ranges that began and may not have ended, the narrowest first: width, place, last address and number.
type Open<A> = BinaryHeap<Reverse<(A, usize, A, u32)>>;

impl<A: Copy + Ord + Sub<Output = A>> Ranges<A> {
    /// The ranges `spans`, in any order; `after` is the address behind one, if there is any. Where they overlap the
    /// narrowest counts, of equally wide ones the one that begins first, and of the same twice the first. Says how many begin inside others.
    pub(super) fn of(mut spans: Vec<Span<A>>, after: fn(A) -> Option<A>) -> (Self, usize) {
        spans.sort_by_key(|span| span.first);
        let mut ranges = Self { starts: Vec::new(), values: Vec::new() };
        let mut open: Open<A> = BinaryHeap::new();
        let mut overlaps = 0;
        for (place, span) in spans.iter().enumerate() {
            ranges.close(&mut open, Some(span.first), after);
            overlaps += usize::from(!open.is_empty());
            open.push(Reverse((span.last - span.first, place, span.last, span.value)));
            // Of several that begin here the narrowest tells.
            if spans.get(place + 1).is_none_or(|next| next.first != span.first)
                && let Some(Reverse((.., value))) = open.peek()
            {
                ranges.push(span.first, *value);
            }
        }
        ranges.close(&mut open, None, after);
        ranges.starts.shrink_to_fit();
        ranges.values.shrink_to_fit();
        (ranges, overlaps)
    }

    /// Ends the open ranges that end before `until`, each where the next one goes on.
    fn close(&mut self, open: &mut Open<A>, until: Option<A>, after: fn(A) -> Option<A>) {
        while let Some(Reverse((_, _, last, _))) = open.peek() {
            let end = after(*last);
            if let Some(until) = until
                && end.is_none_or(|end| end > until)
            {
                break;
            }
            let Some(end) = end else { break };
            while open.peek().is_some_and(|Reverse((_, _, last, _))| *last < end) {
                open.pop();
            }
            if until != Some(end) {
                self.push(end, open.peek().map_or(0, |Reverse((.., value))| *value));
            }
        }
    }

    fn push(&mut self, start: A, value: u32) {
        if self.values.last().copied().unwrap_or(0) != value {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// The number of an address.
    #[inline]
    pub(super) fn find(&self, address: A) -> u32 {
        let behind = self.starts.partition_point(|start| *start <= address);
        behind.checked_sub(1).and_then(|at| self.values.get(at)).copied().unwrap_or(0)
    }

    /// The number that `join` makes of those of both, for every address.
    pub(super) fn merge(&self, other: &Self, mut join: impl FnMut(u32, u32) -> u32) -> Self {
        let mut merged = Self { starts: Vec::new(), values: Vec::new() };
        let (mut one, mut two) = (self.iter().peekable(), other.iter().peekable());
        let mut now = (0, 0);
        loop {
            let start = match (one.peek(), two.peek()) {
                (Some(a), Some(b)) => a.0.min(b.0),
                (Some(a), None) => a.0,
                (None, Some(b)) => b.0,
                (None, None) => break,
            };
            if let Some((_, value)) = one.next_if(|next| next.0 == start) {
                now.0 = value;
            }
            if let Some((_, value)) = two.next_if(|next| next.0 == start) {
                now.1 = value;
            }
            merged.push(start, join(now.0, now.1));
        }
        merged.starts.shrink_to_fit();
        merged.values.shrink_to_fit();
        merged
    }

    fn iter(&self) -> impl Iterator<Item = (A, u32)> {
        self.starts.iter().copied().zip(self.values.iter().copied())
    }

    /// How many ranges have a number.
    pub(super) fn len(&self) -> usize {
        self.values.iter().filter(|value| **value != 0).count()
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<A>() + self.values.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(first: u8, last: u8, value: u32) -> Span<u8> {
        Span { first, last, value }
    }

    fn of(spans: &[Span<u8>]) -> Ranges<u8> {
        Ranges::of(spans.to_vec(), |at| at.checked_add(1)).0
    }

    fn scan(spans: &[Span<u8>], at: u8) -> u32 {
        let holding = spans.iter().filter(|span| (span.first..=span.last).contains(&at));
        holding.min_by_key(|span| span.last - span.first).map_or(0, |span| span.value)
    }

    /// Ranges that do not overlap, in any order, some of them side by side.
    fn spans() -> impl Strategy<Value = Vec<Span<u8>>> {
        let cuts = proptest::collection::btree_set(any::<u8>(), 0..20);
        let spans = cuts.prop_flat_map(|cuts| {
            let cuts: Vec<u8> = cuts.into_iter().collect();
            let values = proptest::collection::vec((0..4_u32, any::<bool>()), cuts.len());
            values.prop_map(move |values| {
                let ends = cuts.iter().skip(1).map(|next| next - 1).chain([u8::MAX]);
                let all = cuts.iter().zip(ends).zip(values);
                let kept = all.filter(|(_, (_, kept))| *kept);
                kept.map(|((first, last), (value, _))| span(*first, last, value)).collect::<Vec<_>>()
            })
        });
        spans.prop_shuffle()
    }

    #[test]
    fn neighbours_with_one_number_are_one_range() {
        assert_eq!(of(&[span(3, 4, 7), span(5, 9, 7)]), of(&[span(3, 9, 7)]));
        assert_eq!(of(&[span(3, 4, 7), span(5, 255, 8)]).len(), 2);
        assert_eq!(of(&[]).find(0), 0);
    }

    #[test]
    fn where_ranges_overlap_the_narrowest_counts() {
        let spans = [span(0, 255, 1), span(10, 99, 2), span(50, 120, 3), span(60, 60, 4), span(60, 60, 5)];
        let (ranges, overlaps) = Ranges::of(spans.to_vec(), |at| at.checked_add(1));
        assert_eq!(overlaps, 4);
        for (at, value) in
            [(0, 1), (10, 2), (49, 2), (50, 3), (59, 3), (60, 4), (61, 3), (120, 3), (121, 1), (255, 1)]
        {
            assert_eq!(ranges.find(at), value, "{at}");
        }
    }

    proptest! {
        #[test]
        fn halving_finds_what_a_scan_finds(spans in spans()) {
            let ranges = of(&spans);
            for at in 0..=u8::MAX {
                prop_assert_eq!(ranges.find(at), scan(&spans, at), "{}", at);
            }
        }

        #[test]
        fn overlapping_ranges_are_found_as_a_scan_finds_them(
            ends in proptest::collection::vec((any::<u8>(), any::<u8>(), 0..4_u32), 0..12),
        ) {
            let spans: Vec<_> = ends.iter().map(|(a, b, value)| span(*a.min(b), *a.max(b), *value)).collect();
            // Of equally wide ones that begin apart, the scan takes the one that was given first, the table the lower.
            let mut sorted = spans.clone();
            sorted.sort_by_key(|span| span.first);
            let ranges = of(&spans);
            for at in 0..=u8::MAX {
                prop_assert_eq!(ranges.find(at), scan(&sorted, at), "{}", at);
            }
        }

        #[test]
        fn a_merge_is_one_address_after_the_other(one in spans(), other in spans()) {
            let merged = of(&one).merge(&of(&other), |a, b| a * 10 + b);
            for at in 0..=u8::MAX {
                prop_assert_eq!(merged.find(at), scan(&one, at) * 10 + scan(&other, at), "{}", at);
            }
        }
    }
}
