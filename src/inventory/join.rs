//! Keys that are listed against keys that are used: which belong together, and what is wrong with them.

use super::finding::{Finding, Subject, findings};
use super::list::{Listed, Lists, Teller};
use super::register::{Found, Register, is_no_key};
use super::used::{Used, Uses};
use crate::investigate::Catalogue;
use crate::key::KeyNamer;
use crate::time::{DAY, Timestamp};
use std::collections::BTreeSet;

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
    let tellers: BTreeSet<Teller> = lists.tellers().map(|(teller, _)| teller).collect();
    let register = Register::new(lists, namer);
    let mut use_of: Vec<Vec<Used>> = vec![Vec::new(); register.keys().len()];
    let mut strangers = Vec::new();
    for (id, used) in &uses.keys {
        let why = match register.find(*id, &used.hint) {
            Found::Key(number) => {
                use_of[number].push(used.clone());
                continue;
            }
            Found::OneOf(numbers) => {
                Why::Ambiguous(numbers.iter().map(|number| called(&register.keys()[*number])).collect())
            }
            Found::Nothing => of_whom(used, &tellers, catalogue),
        };
        strangers.push(Stranger { used: used.clone(), why });
    }
    let keys = register.into_keys().into_iter().zip(use_of);
    let keys: Vec<Joined> = keys.map(|(listed, used)| Joined { listed, used }).collect();
    let subject = Subject { keys: &keys, strangers: &strangers, uses, catalogue, settings };
    let findings = findings(&subject);
    Joining { keys, strangers, findings }
}

/// What to call a listed key.
pub fn called(listed: &Listed) -> String {
    if listed.name.is_empty() { listed.shown().to_owned() } else { listed.name.clone() }
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
