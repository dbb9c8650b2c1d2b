//! What speaks for and against an unknown consumer being somebody else: terms in nats, which add up to the score.
//!
//! The question is whether a second consumer came, or the first one moved: a theft adds a consumer, a deployment or a
//! journey replaces one. Each comparison of `case` adds nats by a table of steps (`weights.txt`), fitted to a benchmark as
//! an additive logistic model with signs imposed where reason gives them; some rows are set by hand.

use super::case::{Case, READINGS};
use super::habits;
use super::table::Table;
use std::sync::LazyLock;

/// One term of a ledger.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Term {
    /// What it is about: see [`TERMS`].
    pub name: &'static str,
    /// What it adds to the score.
    pub nats: f64,
    /// What was seen of the consumer.
    pub observed: f64,
    /// What would be seen of the owner.
    pub expected: f64,
}

impl Term {
    /// What it means, in a few words.
    pub fn meaning(&self) -> &'static str {
        meaning(self.name)
    }

    /// Whether it is one of a key that is known by its habits alone.
    pub fn is_of_habits(&self) -> bool {
        is_of_habits(self.name)
    }
}

/// What the term of this name means, in a few words.
pub fn meaning(name: &str) -> &'static str {
    let mut all = TERMS.iter().chain(habits::TERMS);
    let known = all.find(|(known, _)| *known == name).map(|(_, meaning)| *meaning);
    // What is sure by itself has the name of its detector.
    known.or_else(|| crate::detect::summary(name)).unwrap_or("")
}

/// Whether the term of this name is one of a key that is known by its habits alone.
pub fn is_of_habits(name: &str) -> bool {
    habits::TERMS.iter().any(|(known, _)| *known == name)
}

macro_rules! terms {
    ($($name:literal $doc:literal,)*) => {
        /// The names of all terms, and what they mean.
        pub const TERMS: &[(&str, &str)] = &[$(($name, $doc),)*];
    };
}

terms! {
    "network" "from a network or a block of addresses that the key has not been used from",
    "client" "with client software that the key has not been used with",
    "client_rare" "software that hardly any key of the fleet is used with",
    "place" "a network that hardly any key is used from, or none of so many",
    "country" "a country that the key has not been used from",
    "server" "a network of servers, where the key has been used from other lines only",
    "identity_cap" "who somebody is does not convict alone",
    "fan_out" "more new networks or blocks than the key ever has in as many days",
    "hops" "from one place to the next and back between requests, which the owner does not",
    "fleet" "an address that is new to another key, too",
    "probe" "models refused to requests that ask for nothing",
    "checks_only" "nothing but lists, refusals and empty calls",
    "endpoint" "endpoints that the key has not been used for",
    "list" "lists models, which the key's owner never does",
    "refused_key" "nearly everything is refused as unauthorised",
    "dormant" "the key comes back from a pause longer than any before",
    "model" "models that the key has not been used with",
    "dear" "requests that cost more than the owner's",
    "tokens" "requests of sizes that the owner does not send",
    "own_sizes" "how much of it is work that the owner does, too",
    "habits" "sizes, hours and models together are likelier somebody else's",
    "switches" "changes between models, or keeps to one, as the owner does not",
    "hours" "at work when the owner is not",
    "independent" "at work beside the owner as chance has it, not as one who moves",
    "load_tool" "a tool for load tests, on a network or a block of addresses that is known",
}

/// The terms of an unknown consumer, those that say nothing left out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ledger(Vec<Term>);

impl From<Vec<Term>> for Ledger {
    fn from(terms: Vec<Term>) -> Self {
        Self(terms)
    }
}

impl Ledger {
    /// The sum of all terms, which is the score.
    pub fn score(&self) -> f64 {
        self.0.iter().map(|term| term.nats).sum()
    }

    /// The terms, as they were found.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }
}

/// What somebody is, and not what is done: it counts for so much at most.
pub const IDENTITY: &[&str] = &["network", "client", "client_rare", "place", "country", "server"];
const CAP: &str = "identity_cap";
const IDENTITY_MAX: f64 = 6.5;

static WEIGHTS: LazyLock<Table> =
    LazyLock::new(|| Table::read(include_str!("weights.txt"), READINGS.iter().map(|row| row.0)));

/// Weighs a consumer that is not known. Of each term the weightiest comparison says what was seen.
pub fn weigh(case: &Case<'_>) -> Ledger {
    let mut steps = WEIGHTS.steps.iter();
    let mut terms = Vec::with_capacity(TERMS.len());
    for readings in READINGS.chunk_by(|one, other| one.1 == other.1) {
        let mut term = Term { name: readings[0].1, nats: 0.0, observed: 0.0, expected: 0.0 };
        let mut most = 0.0;
        for ((.., read), steps) in readings.iter().zip(&mut steps) {
            let seen = read(case);
            #[allow(clippy::cast_possible_truncation, reason = "the table is of such numbers")]
            let adds = f64::from(steps.adds(seen.value as f32));
            term.nats += adds;
            if adds.abs() > most {
                most = adds.abs();
                (term.observed, term.expected) = (seen.observed, seen.expected);
            }
        }
        if term.nats != 0.0 {
            terms.push(term);
        }
    }
    let identity =
        terms.iter().filter(|term| IDENTITY.contains(&term.name)).map(|term| term.nats).sum::<f64>();
    if identity > IDENTITY_MAX {
        let nats = IDENTITY_MAX - identity;
        terms.push(Term { name: CAP, nats, observed: identity, expected: IDENTITY_MAX });
    }
    Ledger(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::table::assert_whole;

    #[test]
    fn the_table_names_every_comparison_once_and_its_steps_ascend() {
        let terms: Vec<&str> = TERMS.iter().map(|(name, _)| *name).filter(|name| *name != CAP).collect();
        let readings: Vec<[&str; 2]> = READINGS.iter().map(|(name, term, _)| [*name, *term]).collect();
        assert_whole(include_str!("weights.txt"), &WEIGHTS, &readings, &terms);
        let is_of_habits_too = |name: &&&str| habits::TERMS.iter().any(|(of_habits, _)| of_habits == *name);
        assert_eq!(terms.iter().find(is_of_habits_too), None, "its name says which kind an incident is of");
    }

    /// Whoever refits the table must not make evidence of a theft acquit, nor what is the owner's convict.
    #[test]
    fn signs_are_those_that_reason_gives() {
        for ((name, term, _), steps) in READINGS.iter().zip(&WEIGHTS.steps) {
            let added = || std::iter::once(0.0).chain(steps.0.iter().map(|step| step.1));
            match *term {
                "own_sizes" | "load_tool" => {
                    assert!(added().is_sorted_by(|one, other| one >= other), "{name}");
                }
                // Whoever changes between models as the owner does is rather the owner, below its first step, too.
                "switches" => assert!(added().skip(1).is_sorted_by(|one, other| one <= other), "{name}"),
                _ => assert!(added().is_sorted_by(|one, other| one <= other), "{name}"),
            }
        }
    }
}
