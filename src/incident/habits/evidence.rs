//! What the sums of a key say about a second consumer, in nats.
//!
//! `weights.txt` is a list of pairs of questions, each whether a sum is above a cut. What the first one is answered decides
//! which second one is asked, and a sum that is above adds what that tells: ten requests of a foreign size say one thing beside the
//! owner's own work and another where there is none. Fitted as additive logistic models of two splits a tree to labelled
//! days of a benchmark (the file says which), with signs imposed where reason gives them: no probe and no dearer model
//! lowers the score, and the owner's own work at the same time never raises it. That last sign tells a surge
//! from a theft: more of the same is no theft.

use super::Habits;
use super::sums::{Of, Span, Sums, place};
use crate::incident::evidence::{Ledger, Term};
use std::sync::LazyLock;

/// The names of all terms, and what they mean.
pub const TERMS: &[(&str, &str)] = &[
    ("own_work", "how much of the owner's own work goes on at this time"),
    ("sizes", "requests of sizes that the key does not have"),
    ("template", "requests of foreign sizes that are all alike"),
    ("odd_hours", "at work at hours when the key is not used"),
    ("volume", "more requests than on other days, those of rare hours the more"),
    ("dearer", "models that cost more than any that it is used with"),
    ("model_mix", "models taken at random, where the owner has preferences"),
    ("pauses", "shorter pauses than the key makes"),
    ("together", "sizes, hours and models together are likelier somebody else's"),
    ("output", "more output than on other days"),
    ("money", "money spent"),
    ("new_endpoint", "endpoints that the key has not been used for"),
    ("no_tokens", "calls that do no work, as lists and files"),
    ("refused", "requests refused"),
    ("probing", "models refused to requests that ask for nothing"),
    (BELIEVED, "how often a key of this age and use is stolen at all"),
];

/// The term of what is believed before anything is seen.
const BELIEVED: &str = "usual";

/// What `weights.txt` calls the things that are summed, and the terms that they belong to.
const THINGS: &[(&str, Of, &str)] = &[
    ("typical", Of::Typical, "own_work"),
    ("strange", Of::Strange, "sizes"),
    ("odd_sizes", Of::OddSizes, "sizes"),
    ("foreign", Of::Foreign, "sizes"),
    ("template", Of::Template, "template"),
    ("odd_hours", Of::OddHours, "odd_hours"),
    ("records", Of::Records, "volume"),
    ("rare_hours", Of::RareHours, "volume"),
    ("dearer", Of::Dearer, "dearer"),
    ("model_mix", Of::ModelMix, "model_mix"),
    ("switches", Of::Switches, "model_mix"),
    ("short_gaps", Of::ShortGaps, "pauses"),
    ("joint", Of::Joint, "together"),
    ("mixture", Of::Mixture, "together"),
    ("output", Of::Output, "output"),
    ("dollars", Of::Dollars, "money"),
    ("new_endpoint", Of::NewEndpoint, "new_endpoint"),
    ("no_tokens", Of::NoTokens, "no_tokens"),
    ("refused", Of::Refused, "refused"),
    ("probe", Of::Probe, "probing"),
];

/// How a sum is looked at.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Reading {
    Sum(usize),
    /// By how much it is higher than that of other days ever is.
    Surprise(usize),
    /// Its part of the day's records.
    Part(usize),
    /// Days of use, and requests on one.
    Age,
    Activity,
}

impl Reading {
    /// From its name, `THING.SPAN`, `THING.SPAN.surprise`, `THING.part`, `age` or `activity`; and the term it belongs to.
    fn named(name: &str) -> Option<(Self, &'static str)> {
        match name {
            "age" => return Some((Self::Age, BELIEVED)),
            "activity" => return Some((Self::Activity, BELIEVED)),
            _ => {}
        }
        let (thing, how) = name.split_once('.')?;
        let (_, of, term) = THINGS.iter().find(|known| known.0 == thing)?;
        let reading = match how.split_once('.') {
            None if how == "part" => Self::Part(place(*of, Span::Day)?),
            None => Self::Sum(place(*of, Span::named(how)?)?),
            Some((span, "surprise")) => Self::Surprise(place(*of, Span::named(span)?)?),
            Some(_) => return None,
        };
        Some((reading, term))
    }

    fn of(self, habits: &Habits, sums: &Sums, records: f32) -> f32 {
        match self {
            Self::Sum(place) => sums.now(place),
            Self::Surprise(place) => sums.surprise(place, habits.days),
            Self::Part(place) => sums.now(place) / (records + 0.5),
            Self::Age => habits.days,
            Self::Activity => habits.daily,
        }
    }

    /// What was seen, and what is usual.
    fn seen(self, habits: &Habits, sums: &Sums) -> (f64, f64) {
        match self {
            Self::Sum(place) | Self::Surprise(place) | Self::Part(place) => {
                (f64::from(sums.now(place)), f64::from(sums.usual(place)))
            }
            Self::Age => (f64::from(habits.days), 0.0),
            Self::Activity => (f64::from(habits.daily), 0.0),
        }
    }
}

/// Whether a reading is above a cut, and what it adds if it is.
#[derive(Clone, Copy, Debug)]
struct Question {
    /// The reading, by its place in the table.
    reading: usize,
    cut: f32,
    adds: f32,
}

/// A question, and what is asked after either answer.
#[derive(Debug)]
struct Pair {
    first: Question,
    then: [Option<Question>; 2],
}

/// All questions.
struct Questions {
    /// What is read for them, with the place of its term.
    readings: Vec<(Reading, usize)>,
    pairs: Vec<Pair>,
    /// What is added to all.
    believed: f32,
    /// Lines that cannot be understood: none, or it is a mistake of ours.
    #[cfg(test)]
    unread: Vec<String>,
}

/// The sum of the day's records.
static ALL: LazyLock<usize> = LazyLock::new(|| place(Of::Records, Span::Day).unwrap_or_default());

static QUESTIONS: LazyLock<Questions> = LazyLock::new(|| Questions::read(include_str!("weights.txt")));

impl Questions {
    /// Reads the table. It is a part of the program: what it must hold is held by tests.
    fn read(text: &str) -> Self {
        let mut questions = Self {
            readings: Vec::new(),
            pairs: Vec::new(),
            believed: f32::NAN,
            #[cfg(test)]
            unread: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(believed) = line.strip_prefix("believed ") {
                questions.believed = believed.parse().unwrap_or(f32::NAN);
                continue;
            }
            let pair = questions.pair(line);
            #[cfg(test)]
            if pair.is_none() {
                questions.unread.push(line.to_owned());
            }
            questions.pairs.extend(pair);
        }
        questions
    }

    /// `QUESTION | QUESTION | QUESTION`: the first one, that after a no, and that after a yes; `-` is none.
    fn pair(&mut self, line: &str) -> Option<Pair> {
        let mut parts = line.split('|').map(str::trim);
        let first = self.question(parts.next()?)?;
        let mut then = [None; 2];
        for then in &mut then {
            let part = parts.next()?;
            *then = if part == "-" { None } else { Some(self.question(part)?) };
        }
        parts.next().is_none().then_some(Pair { first, then })
    }

    /// `READING CUT ADDS`.
    fn question(&mut self, text: &str) -> Option<Question> {
        let mut words = text.split_whitespace();
        let (reading, term) = Reading::named(words.next()?)?;
        let mut number = || words.next()?.parse::<f32>().ok().filter(|number| number.is_finite());
        let (cut, adds) = (number()?, number()?);
        if words.next().is_some() {
            return None;
        }
        let known = self.readings.iter().position(|(known, _)| *known == reading);
        let place = known.unwrap_or(self.readings.len());
        if known.is_none() {
            self.readings.push((reading, TERMS.iter().position(|(name, _)| *name == term)?));
        }
        Some(Question { reading: place, cut, adds })
    }
}

/// What speaks for and against a second consumer. Of each term the weightiest reading says what was seen.
pub fn weigh(habits: &Habits, sums: &Sums) -> Ledger {
    let Questions { readings, pairs, believed, .. } = &*QUESTIONS;
    let records = sums.now(*ALL);
    let values: Vec<f32> = readings.iter().map(|(reading, _)| reading.of(habits, sums, records)).collect();
    let mut nats = vec![0.0_f32; readings.len()];
    let mut ask = |question: &Question| {
        let is_above = values[question.reading] > question.cut;
        nats[question.reading] += if is_above { question.adds } else { 0.0 };
        usize::from(is_above)
    };
    for Pair { first, then } in pairs {
        if let Some(second) = &then[ask(first)] {
            ask(second);
        }
    }
    let terms = TERMS.iter().enumerate().filter_map(|(at, (name, _))| {
        let of_term = || readings.iter().zip(&nats).filter(move |((_, term), _)| *term == at);
        let base = if *name == BELIEVED { f64::from(*believed) } else { 0.0 };
        let sum = of_term().fold(base, |sum, (_, nats)| sum + f64::from(*nats));
        let most = of_term().max_by(|one, other| one.1.abs().total_cmp(&other.1.abs()));
        let (observed, expected) = most.map_or((0.0, 0.0), |((reading, _), _)| reading.seen(habits, sums));
        (sum != 0.0).then_some(Term { name, nats: sum, observed, expected })
    });
    Ledger::from(terms.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::sums::KEPT;
    use super::*;

    #[test]
    fn the_table_can_be_read_and_asks_for_all_that_is_kept() {
        let Questions { readings, pairs, believed, unread } = &*QUESTIONS;
        assert_eq!(*unread, [""; 0]);
        assert!(pairs.len() > 100 && believed.is_finite() && *believed < 0.0);
        for at in (0..KEPT.len()).filter(|at| *at != *ALL) {
            let is_of = |reading: &Reading| match reading {
                Reading::Sum(place) | Reading::Surprise(place) | Reading::Part(place) => *place == at,
                Reading::Age | Reading::Activity => false,
            };
            assert!(readings.iter().any(|(reading, _)| is_of(reading)), "{:?} is kept for nothing", KEPT[at]);
        }
        for (at, (term, _)) in TERMS.iter().enumerate() {
            assert!(readings.iter().any(|(_, of)| *of == at), "{term}");
        }
    }

    #[test]
    fn what_is_no_question_is_none() {
        for (line, is_one) in [
            ("typical.10m 0.5 -0.1 | - | -", true),
            ("typical.10m 0.5 -0.1 | age 3 1 | switches.1d.surprise 2 1", true),
            ("typical.10m 0.5 -0.1 | -", false),
            ("typical.10m 0.5 -0.1 | - | - | -", false),
            ("typical.10m 0.5 | - | -", false),
            ("typical.10m 0.5 nan | - | -", false),
            ("typical.9m 0.5 0.1 | - | -", false),
            ("nothing.10m 0.5 0.1 | - | -", false),
            ("- | - | -", false),
        ] {
            let questions = Questions::read(line);
            assert_eq!(
                (questions.pairs.len(), questions.unread.len()),
                (is_one.into(), (!is_one).into()),
                "{line}"
            );
        }
    }

    /// Whoever refits the table must not make evidence of a theft acquit, nor the owner's own work convict.
    #[test]
    fn signs_are_those_that_reason_gives() {
        let Questions { readings, pairs, .. } = &*QUESTIONS;
        for pair in pairs {
            for question in std::iter::once(&pair.first).chain(pair.then.iter().flatten()) {
                let (reading, term) = readings[question.reading];
                // How busy it is says this or that, by what else there is.
                let is_all =
                    matches!(reading, Reading::Sum(at) | Reading::Surprise(at) if KEPT[at].0 == Of::Records);
                match TERMS[term].0 {
                    BELIEVED | "output" => {}
                    _ if is_all => {}
                    "own_work" => assert!(question.adds <= 0.0, "{reading:?} {question:?}"),
                    _ => assert!(question.adds >= 0.0, "{reading:?} {question:?}"),
                }
            }
        }
    }
}
