//! Keys that are listed against keys that are used: which belong together, and what is wrong with them.

use super::finding::{Finding, Subject, findings};
use super::list::{Listed, Lists, Teller};
use super::row::is_mask;
use super::used::{Used, Uses};
use crate::investigate::Catalogue;
use crate::key::{KeyId, KeyNamer};
use crate::time::{DAY, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Fewest characters of a key's end by which it is known.
const TAIL_MIN: usize = 4;

/// From when on something is told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Now.
    pub now: Timestamp,
    /// A key that was not used for so long, in nanoseconds, is idle. CIS's benchmark for AWS (1.12) says 45 days.
    pub idle: i64,
    /// A key that is older, in nanoseconds, should have been renewed. CIS's benchmark for AWS (1.14) says 90 days.
    pub age: i64,
}

impl Settings {
    /// The usual ones at a moment.
    pub fn at(now: Timestamp) -> Self {
        Self { now, idle: 45 * DAY, age: 90 * DAY }
    }
}

/// A listed key with its use.
#[derive(Clone, Debug)]
pub struct Joined {
    /// What the lists say.
    pub listed: Listed,
    /// What records tell; under several names where they name it in several ways.
    pub used: Vec<Used>,
}

impl Joined {
    /// Nano-dollars.
    pub fn cost(&self) -> i128 {
        self.used.iter().map(|used| used.cost).sum()
    }

    /// Nano-dollars of its dearest thirty days.
    pub fn month(&self) -> i128 {
        self.used.iter().map(|used| used.month).sum()
    }

    /// Requests.
    pub fn requests(&self) -> u64 {
        self.used.iter().map(|used| used.requests).sum()
    }

    /// Its last use in the records.
    pub fn last(&self) -> Option<Timestamp> {
        self.used.iter().filter_map(|used| used.span).map(|(_, last)| last).max()
    }
}

/// Keys that are used, and whose use no list explains.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// What records tell.
    pub used: Used,
    /// Why it is not known which key it is.
    pub why: Why,
}

/// Why a key that is used belongs to none that is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// No list has it.
    Unlisted,
    /// Several have what is left of it.
    Ambiguous(Vec<String>),
    /// Nobody's list of the provider whose models it asks was given.
    NoList(String),
    /// The records do not say which key it was: they tell of a project, a person, or of nobody.
    NoKey,
}

/// Everything together.
#[derive(Clone, Debug)]
pub struct Joining {
    /// Keys that are listed.
    pub keys: Vec<Joined>,
    /// Keys that are used besides.
    pub strangers: Vec<Stranger>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

/// Holds lists against use.
pub fn join(
    lists: Lists,
    uses: &Uses,
    namer: &KeyNamer,
    catalogue: &Catalogue,
    settings: &Settings,
) -> Joining {
    let mut by_id: BTreeMap<KeyId, usize> = BTreeMap::new();
    // By the ends of masks, so that few have to be compared.
    let mut by_tail: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let tellers: BTreeSet<Teller> = lists.tellers().map(|(teller, _)| teller).collect();
    let mut keys: Vec<Joined> =
        lists.keys.into_iter().map(|listed| Joined { listed, used: Vec::new() }).collect();
    for (at, key) in keys.iter().enumerate() {
        // A mask is what some logs hold: they name the key by it.
        for name in key.listed.ids.iter().chain(&key.listed.masks) {
            by_id.entry(namer.id(name.as_bytes())).or_insert(at);
            by_id.entry(namer.id(name.to_ascii_lowercase().as_bytes())).or_insert(at);
        }
        for mask in &key.listed.masks {
            if let Some(tail) = tail(mask) {
                by_tail.entry(tail.to_owned()).or_default().push(at);
            }
        }
    }
    let mut strangers = Vec::new();
    for (id, used) in &uses.keys {
        let found = match by_id.get(id) {
            Some(at) => Ok(*at),
            None => by_mask(used, &keys, &by_tail),
        };
        match found {
            Ok(at) => keys[at].used.push(used.clone()),
            Err(why) => {
                let why = match why {
                    Why::Unlisted => of_whom(used, &tellers, catalogue),
                    why => why,
                };
                strangers.push(Stranger { used: used.clone(), why });
            }
        }
    }
    let subject = Subject { keys: &keys, strangers: &strangers, uses, catalogue, settings };
    let findings = findings(&subject);
    Joining { keys, strangers, findings }
}

/// The listed key of which the same is left as of this one.
fn by_mask(used: &Used, keys: &[Joined], by_tail: &BTreeMap<String, Vec<usize>>) -> Result<usize, Why> {
    let hint = used.hint.as_str();
    let Some(tail) = tail(hint).filter(|_| is_mask(hint)) else { return Err(Why::Unlisted) };
    let agree = by_tail.get(tail).into_iter().flatten().copied().filter(|at| {
        let masks = &keys[*at].listed.masks;
        masks.iter().any(|mask| heads_agree(head(hint), head(mask)))
    });
    let mut found: Vec<usize> = agree.collect();
    found.dedup();
    match found.as_slice() {
        [] => Err(Why::Unlisted),
        [at] => Ok(*at),
        several => Err(Why::Ambiguous(several.iter().map(|at| called(&keys[*at].listed)).collect())),
    }
}

/// What to call a listed key.
pub fn called(listed: &Listed) -> String {
    if listed.name.is_empty() { listed.shown().to_owned() } else { listed.name.clone() }
}

/// The last four characters behind what was left out.
fn tail(mask: &str) -> Option<&str> {
    let end = mask.rfind(['.', '…', '*']).map_or(mask, |at| mask[at..].trim_start_matches(['.', '…', '*']));
    let start = end.char_indices().rev().nth(TAIL_MIN - 1).map(|(at, _)| at)?;
    Some(&end[start..])
}

fn head(mask: &str) -> &str {
    mask.find("...").or_else(|| mask.find(['…', '*'])).map_or(mask, |at| &mask[..at])
}

/// Of two beginnings of one key the shorter begins the longer.
fn heads_agree(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// What stands for all keys of somebody, as formats name it, and for none.
fn is_no_key(hint: &str) -> bool {
    let stands_for_more = ["proj_", "wrkspc_", "user-", "user_", "org-"];
    hint.is_empty()
        || matches!(hint, "no-key" | "no-workspace" | "organization")
        || hint.contains('@')
        || stands_for_more.iter().any(|start| hint.starts_with(start))
}

/// Whether a list should have had it.
fn of_whom(used: &Used, tellers: &BTreeSet<Teller>, catalogue: &Catalogue) -> Why {
    if is_no_key(&used.hint) {
        return Why::NoKey;
    }
    let providers: BTreeSet<&str> =
        used.models.iter().filter_map(|model| catalogue.of_model(model)).collect();
    let is_expected = |provider: &&str| tellers.iter().any(|teller| teller.is_only_for(provider));
    match providers.first() {
        Some(provider) if !providers.iter().any(is_expected) => Why::NoList((*provider).to_owned()),
        _ => Why::Unlisted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_compared_by_what_is_left_on_both_sides() {
        for (one, other, agree) in [
            ("...3f9c", "sk-abc...3f9c", true),
            ("sk-proj-****3f9c", "sk-...3f9c", true),
            ("sk-proj-****3f9c", "sk-ant...3f9c", false),
            ("...3f9c", "sk-abc...3f9d", false),
            ("sk-…xx3f9c", "sk-a***3f9c", true),
        ] {
            let found = tail(one) == tail(other) && heads_agree(head(one), head(other));
            assert_eq!(found, agree, "{one} {other}");
        }
        assert_eq!((tail("...9c"), tail("***")), (None, None));
    }
}
