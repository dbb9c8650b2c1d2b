//! What it would have taken not to tell an incident: which terms, were they not there, leave too little.

use super::revision::{Entry, MilliNats, milli};
use serde::Serialize;

/// Sets that are told.
const SETS_TOLD: usize = 6;
/// Sets are looked for up to this size.
const SIZE_MAX: usize = 5;
/// Terms that the cap of identity limits.
const IDENTITY: [&str; 5] = ["network", "client", "both", "client_rare", "place"];

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

/// What is left of a ledger without these terms. Terms that follow from others follow from those that are left: new
/// software and a new place are one surprise only where both are there, and the cap takes away what is above it.
fn left(ledger: &[Entry], gone: &[&str]) -> MilliNats {
    let is_gone = |name: &str| gone.contains(&name);
    let nats_of = |name: &str| ledger.iter().find(|entry| entry.term == name).map_or(0, Entry::milli);
    let both_gone = is_gone("network") || is_gone("client");
    let mut identity_gone: MilliNats =
        IDENTITY.iter().filter(|name| is_gone(name)).map(|name| nats_of(name)).sum();
    if both_gone && !is_gone("both") {
        identity_gone += nats_of("both");
    }
    let of = |entry: &Entry| match entry.term.as_str() {
        name if is_gone(name) => 0,
        "both" if both_gone => 0,
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
    fn terms_that_follow_from_others_go_with_them() {
        let ledger = ledger(&[
            ("network", 8.0, 1.0, 0.0),
            ("client", 6.0, 1.0, 0.0),
            ("both", -2.4, 0.0, 0.0),
            ("identity_cap", -0.6, 11.6, 11.0),
            ("tokens", 3.0, 0.0, 0.0),
        ]);
        assert_eq!(left(&ledger, &[]), 14_000);
        assert_eq!(left(&ledger, &["network"]), 9_000, "nothing is shared or capped any more");
        assert_eq!(left(&ledger, &["tokens"]), 11_000);
    }
}
