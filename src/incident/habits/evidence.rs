//! What the sums of a key say about a second consumer: a table of steps, in nats.
//!
//! Each comparison is one row: below its first step it adds nothing, above the last everything. The steps were fitted as
//! an additive logistic model to labelled days of a benchmark (`weights.txt` says which), with signs imposed where reason
//! gives them: no probe, no model that is new, no dearer one lowers the score, and the owner's own work at the same time
//! never raises it. That last sign tells a surge from a theft: more of the same is no theft.

use super::Habits;
use super::sums::{Of, Span, Sums, place};
use crate::incident::evidence::{Ledger, Term};
use crate::incident::table::Table;
use std::sync::LazyLock;

/// How a sum is looked at.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// Its logarithm.
    Ln(usize),
    /// By how much it is higher than that of other days ever is.
    Surprise(usize),
    /// Its part of the day's records.
    Part(usize),
    /// Days of use, and requests on one, both as logarithms.
    Age,
    Activity,
}

/// What a comparison is called in `weights.txt`, the term that it belongs to, and how it is made; by term.
const READINGS: &[(&str, &str, Reading)] = &[
    ("typical.10m", "own_work", Reading::Ln(place(Of::Typical, Span::TenMinutes))),
    ("typical.2h", "own_work", Reading::Ln(place(Of::Typical, Span::TwoHours))),
    ("strange.2h.surprise", "sizes", Reading::Surprise(place(Of::Strange, Span::TwoHours))),
    ("odd_sizes.part", "sizes", Reading::Part(place(Of::OddSizes, Span::Day))),
    ("template.4d.surprise", "template", Reading::Surprise(place(Of::Template, Span::FourDays))),
    ("odd_hours.2h", "odd_hours", Reading::Ln(place(Of::OddHours, Span::TwoHours))),
    ("odd_hours.part", "odd_hours", Reading::Part(place(Of::OddHours, Span::Day))),
    ("rare_hours.10m", "volume", Reading::Ln(place(Of::RareHours, Span::TenMinutes))),
    ("rare_hours.1d", "volume", Reading::Ln(place(Of::RareHours, Span::Day))),
    ("rare_hours.2h.surprise", "volume", Reading::Surprise(place(Of::RareHours, Span::TwoHours))),
    ("rare_hours.1d.surprise", "volume", Reading::Surprise(place(Of::RareHours, Span::Day))),
    ("rare_hours.4d.surprise", "volume", Reading::Surprise(place(Of::RareHours, Span::FourDays))),
    ("new_model.2h.surprise", "new_model", Reading::Surprise(place(Of::NewModel, Span::TwoHours))),
    ("dearer.1d", "dearer", Reading::Ln(place(Of::Dearer, Span::Day))),
    ("model_mix.1d", "model_mix", Reading::Ln(place(Of::ModelMix, Span::Day))),
    ("model_mix.part", "model_mix", Reading::Part(place(Of::ModelMix, Span::Day))),
    ("switches.1d", "model_mix", Reading::Ln(place(Of::Switches, Span::Day))),
    ("short_gaps.10m", "pauses", Reading::Ln(place(Of::ShortGaps, Span::TenMinutes))),
    ("short_gaps.2h", "pauses", Reading::Ln(place(Of::ShortGaps, Span::TwoHours))),
    ("short_gaps.10m.surprise", "pauses", Reading::Surprise(place(Of::ShortGaps, Span::TenMinutes))),
    ("joint.2h", "together", Reading::Ln(place(Of::Joint, Span::TwoHours))),
    ("mixture.10m", "together", Reading::Ln(place(Of::Mixture, Span::TenMinutes))),
    ("mixture.2h", "together", Reading::Ln(place(Of::Mixture, Span::TwoHours))),
    ("mixture.1d", "together", Reading::Ln(place(Of::Mixture, Span::Day))),
    ("mixture.4d", "together", Reading::Ln(place(Of::Mixture, Span::FourDays))),
    ("output.2h.surprise", "output", Reading::Surprise(place(Of::Output, Span::TwoHours))),
    ("dollars.2h", "money", Reading::Ln(place(Of::Dollars, Span::TwoHours))),
    ("new_endpoint.4d.surprise", "new_endpoint", Reading::Surprise(place(Of::NewEndpoint, Span::FourDays))),
    ("no_tokens.4d.surprise", "no_tokens", Reading::Surprise(place(Of::NoTokens, Span::FourDays))),
    ("refused.10m", "refused", Reading::Ln(place(Of::Refused, Span::TenMinutes))),
    ("refused.1d", "refused", Reading::Ln(place(Of::Refused, Span::Day))),
    ("probe.1d", "probing", Reading::Ln(place(Of::Probe, Span::Day))),
    ("probe.4d.surprise", "probing", Reading::Surprise(place(Of::Probe, Span::FourDays))),
    ("unauthorised.10m", "unauthorised", Reading::Ln(place(Of::Unauthorised, Span::TenMinutes))),
    ("age", "usual", Reading::Age),
    ("activity", "usual", Reading::Activity),
];

/// The names of all terms, and what they mean.
pub const TERMS: &[(&str, &str)] = &[
    ("own_work", "how much of the owner's own work goes on at this time"),
    ("sizes", "requests of sizes that the key does not have"),
    ("template", "requests of foreign sizes that are all alike"),
    ("odd_hours", "at work at hours when the key is not used"),
    ("volume", "more requests than on other days, those of rare hours the more"),
    ("new_model", "models that the key has not been used with"),
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
    ("unauthorised", "answers that the key is not valid"),
    ("usual", "how often a key of this age and use is stolen at all"),
];

impl Reading {
    fn of(self, habits: &Habits, sums: &Sums) -> f32 {
        match self {
            Self::Ln(place) => sums.ln(place),
            Self::Surprise(place) => sums.surprise(place, habits.days),
            Self::Part(place) => sums.now(place) / (sums.now(ALL) + 0.5),
            Self::Age => libm::logf(1.0 + habits.days),
            Self::Activity => libm::logf(1.0 + habits.daily),
        }
    }

    /// What was seen, and what is usual.
    fn seen(self, habits: &Habits, sums: &Sums) -> (f64, f64) {
        match self {
            Self::Ln(place) | Self::Surprise(place) | Self::Part(place) => {
                (f64::from(sums.now(place)), f64::from(sums.usual(place)))
            }
            Self::Age => (f64::from(habits.days), 0.0),
            Self::Activity => (f64::from(habits.daily), 0.0),
        }
    }
}

/// The term of what is believed before anything is seen.
const BELIEVED: &str = "usual";
/// The sum of the day's records.
const ALL: usize = place(Of::Records, Span::Day);

static WEIGHTS: LazyLock<Table> =
    LazyLock::new(|| Table::read(include_str!("weights.txt"), READINGS.iter().map(|row| row.0)));

/// What speaks for and against a second consumer. Of each term the weightiest comparison says what was seen.
pub fn weigh(habits: &Habits, sums: &Sums) -> Ledger {
    let table = &*WEIGHTS;
    let mut steps = table.steps.iter();
    let mut terms = Vec::with_capacity(TERMS.len());
    for readings in READINGS.chunk_by(|one, other| one.1 == other.1) {
        let name = readings[0].1;
        let mut nats = if name == BELIEVED { f64::from(table.believed) } else { 0.0 };
        let (mut most, mut seen) = (0.0, (0.0, 0.0));
        for ((.., reading), steps) in readings.iter().zip(&mut steps) {
            let adds = steps.adds(reading.of(habits, sums));
            nats += f64::from(adds);
            if adds.abs() > most {
                (most, seen) = (adds.abs(), reading.seen(habits, sums));
            }
        }
        if nats != 0.0 {
            let (observed, expected) = seen;
            terms.push(Term { name, nats, observed, expected });
        }
    }
    Ledger::from(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::table::assert_whole;

    #[test]
    fn the_table_names_every_comparison_once_and_its_steps_ascend() {
        let terms: Vec<&str> = TERMS.iter().map(|(name, _)| *name).collect();
        let readings: Vec<[&str; 2]> = READINGS.iter().map(|(name, term, _)| [*name, *term]).collect();
        assert_whole(include_str!("weights.txt"), &WEIGHTS, &readings, &terms);
        assert!(WEIGHTS.believed.is_finite() && WEIGHTS.believed < 0.0);
        assert!(terms.contains(&BELIEVED));
    }

    /// Whoever refits the table must not make evidence of a theft acquit, nor the owner's own work convict.
    #[test]
    fn signs_are_those_that_reason_gives() {
        for ((name, term, _), steps) in READINGS.iter().zip(&WEIGHTS.steps) {
            let added = || std::iter::once(0.0).chain(steps.0.iter().map(|step| step.1));
            match *term {
                "usual" | "output" => {}
                "own_work" => assert!(added().is_sorted_by(|one, other| one >= other), "{name}"),
                _ => assert!(added().is_sorted_by(|one, other| one <= other), "{name}"),
            }
        }
    }
}
