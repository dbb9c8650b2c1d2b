//! What it would have taken not to tell an incident: which terms, were they not there, leave too little.

use super::revision::{Entry, MilliNats, milli};
use crate::incident::IDENTITY;
use serde::Serialize;

/// Sets that are told.
const SETS_TOLD: usize = 6;
/// Sets are looked for up to this size.
const SIZE_MAX: usize = 5;

/// The smallest sets of terms without which there is too little.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Without {
    /// How many terms are in each set; nought where no set of a few is enough.
    pub size: usize,
    /// How many such sets there are.
    pub count: usize,
    /// The first of them, those that leave the least first.
    pub sets: Vec<Vec<String>>,
}

/// What is left of a ledger without these terms. The cap of identity takes away what is above it of those that are left.
fn left(ledger: &[Entry], gone: &[&str]) -> MilliNats {
    let is_gone = |name: &str| gone.contains(&name);
    let is_of_identity_gone =
        |entry: &&Entry| is_gone(&entry.term) && IDENTITY.contains(&entry.term.as_str());
    let identity_gone: MilliNats = ledger.iter().filter(is_of_identity_gone).map(Entry::milli).sum();
    let of = |entry: &Entry| match entry.term.as_str() {
        name if is_gone(name) => 0,
        "identity_cap" => (milli(entry.expected) - milli(entry.observed) + identity_gone).min(0),
        _ => entry.milli(),
    };
    ledger.iter().map(of).sum()
}

/// The smallest sets of terms without which the score is below the threshold.
pub fn without(ledger: &[Entry], threshold: f64) -> Without {
    let threshold = milli(threshold);
    let names: Vec<&str> =
        ledger.iter().filter(|entry| entry.milli() > 0).map(|entry| entry.term.as_str()).collect();
    for size in 1..=SIZE_MAX.min(names.len()) {
        let mut found: Vec<(MilliNats, Vec<&str>)> = Vec::new();
        each_set(&names, size, &mut Vec::new(), &mut |set| {
            let left = left(ledger, set);
            if left < threshold {
                found.push((left, set.to_vec()));
            }
        });
        if !found.is_empty() {
            found.sort();
            let sets = found.iter().take(SETS_TOLD);
            let sets = sets.map(|(_, set)| set.iter().map(|name| (*name).to_owned()).collect());
            return Without { size, count: found.len(), sets: sets.collect() };
        }
    }
    Without { size: 0, count: 0, sets: Vec::new() }
}

/// Calls `with` with every set of so many names.
fn each_set<'a>(names: &[&'a str], size: usize, set: &mut Vec<&'a str>, with: &mut impl FnMut(&[&'a str])) {
    if size == 0 {
        return with(set);
    }
    for (place, name) in names.iter().enumerate() {
        set.push(name);
        each_set(&names[place + 1..], size - 1, set, with);
        set.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(entries: &[(&str, f64, f64, f64)]) -> Vec<Entry> {
        let entry = |&(term, nats, observed, expected): &(&str, f64, f64, f64)| Entry {
            term: term.to_owned(),
            nats,
            observed,
            expected,
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn the_smallest_sets_are_found() {
        let ledger = ledger(&[("tokens", 5.0, 0.0, 0.0), ("model", 3.0, 0.0, 0.0), ("hours", 2.0, 0.0, 0.0)]);
        let sets = |threshold| without(&ledger, threshold).sets;
        assert_eq!(sets(8.0), [["tokens"], ["model"]]);
        assert_eq!(sets(6.0), [["tokens"]]);
        assert_eq!(sets(3.5), [["tokens", "model"], ["tokens", "hours"]]);
        assert_eq!(sets(-1.0), Vec::<Vec<String>>::new(), "nothing is enough");
    }

    #[test]
    fn what_is_capped_is_so_by_what_is_left() {
        let ledger = ledger(&[
            ("network", 8.0, 1.0, 0.0),
            ("client", 6.0, 1.0, 0.0),
            ("identity_cap", -3.0, 14.0, 11.0),
            ("tokens", 3.0, 0.0, 0.0),
        ]);
        assert_eq!(left(&ledger, &[]), 14_000);
        assert_eq!(left(&ledger, &["network"]), 9_000, "nothing is capped any more");
        assert_eq!(left(&ledger, &["client"]), 11_000);
        assert_eq!(left(&ledger, &["tokens"]), 11_000);
    }
}
