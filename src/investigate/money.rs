//! What the theft cost.

use super::attribute::Who;
use super::report::{DayModel, Money, Share, Spending};
use super::sums::{Spent, Sums};
use super::{Findings, day, usd};
use crate::money::NanoUsd;
use crate::time::{SECOND, Timestamp};
use std::collections::BTreeMap;

/// Bins of a chart, at most, and what they may last, in hours.
const BINS_MAX: i64 = 96;
const BIN_HOURS: [i64; 8] = [1, 2, 3, 6, 12, 24, 72, 168];
/// Days before the theft that a chart begins with.
const BEFORE_HOURS: i64 = 7 * 24;
/// A day and a model more are not listed one by one.
const ROWS_MAX: usize = 400;

/// Adds up.
pub fn money(findings: &Findings<'_>, response_hours: f64, rate: f64) -> Money {
    let mut all = Spent::default();
    let (mut by_model, mut by_day): (BTreeMap<&str, Spent>, BTreeMap<i64, Spent>) = Default::default();
    let mut both: BTreeMap<(i64, &str), Spent> = BTreeMap::new();
    for sums in findings.of(Who::Attacker) {
        all.add(&sums.span.spent);
        for ((day, model), spent) in &sums.model_days {
            by_model.entry(model).or_default().add(spent);
            by_day.entry(*day).or_default().add(spent);
            both.entry((*day, model)).or_default().add(spent);
        }
    }
    let mut by_model: Vec<Share> =
        by_model.into_iter().map(|(name, spent)| share(name.to_owned(), &spent)).collect();
    by_model.sort_by(|one, other| {
        other.cost_usd.total_cmp(&one.cost_usd).then_with(|| one.name.cmp(&other.name))
    });
    let (attacker_usd, interval) = interval(findings, &all);
    Money {
        attacker_usd,
        interval,
        requests: all.requests,
        input_tokens: all.tokens[0],
        output_tokens: all.tokens[1],
        by_model,
        by_day: by_day.into_iter().map(|(at, spent)| share(day(at), &spent)).collect(),
        by_day_and_model: both
            .into_iter()
            .take(ROWS_MAX)
            .map(|((at, model), spent)| row(at, model, &spent))
            .collect(),
        response_hours,
        rate_usd: rate,
        total_usd: usd(attacker_usd[1] + response_hours * rate),
        owner_usd: usd(owner_meanwhile(findings)),
    }
}

fn share(name: String, spent: &Spent) -> Share {
    let Spent { requests, tokens: [input_tokens, output_tokens], cost, .. } = *spent;
    Share { name, requests, input_tokens, output_tokens, cost_usd: usd(cost.usd()) }
}

fn row(at: i64, model: &str, spent: &Spent) -> DayModel {
    let Spent { requests, tokens: [input_tokens, output_tokens], cost, .. } = *spent;
    DayModel {
        day: day(at),
        model: model.to_owned(),
        requests,
        input_tokens,
        output_tokens,
        cost_usd: usd(cost.usd()),
    }
}

/// At least what records of attackers tell; most likely the same with what has no price at the mean of what has one; at
/// most with everybody of whom it is not sure.
#[allow(clippy::cast_precision_loss, reason = "means of money")]
fn interval(findings: &Findings<'_>, all: &Spent) -> ([f64; 3], Vec<String>) {
    let mut notes = Vec::new();
    let summed = findings.gathered.summed;
    if summed.buckets > 0 {
        let [surely, at_most] = summed.cost.map(NanoUsd::usd);
        notes.push(format!(
            "of {} stretches of usage by time: above the most of the days before, above their mean, and all",
            summed.buckets
        ));
        return ([usd(surely), usd(all.cost.usd()), usd(at_most)], notes);
    }
    let least = all.cost.usd();
    let mut uncertain = Spent::default();
    findings.of(Who::Attacker).for_each(|sums| uncertain.add(&sums.uncertain));
    let certain = all.requests - uncertain.requests.min(all.requests);
    let likely = if uncertain.requests > 0 && certain > 0 {
        let mean = (all.cost - uncertain.cost).usd() / certain as f64;
        let more = (mean * uncertain.requests as f64 - uncertain.cost.usd()).max(0.0);
        notes.push(format!(
            "{} requests have no price or only a part of it: at the mean of the others (${mean:.4}) they would be ${more:.2} more",
            uncertain.requests
        ));
        least + more
    } else {
        if uncertain.requests > 0 {
            notes.push(format!(
                "none of the {} requests has a whole price: this is the least",
                uncertain.requests
            ));
        }
        least
    };
    let unsure: NanoUsd =
        findings.unsure().map(|sums| sums.span.spent.cost).fold(NanoUsd::ZERO, |sum, cost| sum + cost);
    if unsure > NanoUsd::ZERO {
        notes.push(format!(
            "${:.2} is of consumers that are neither the owner's nor told as the attacker's",
            unsure.usd()
        ));
    }
    ([usd(least), usd(likely), usd(likely + unsure.usd())], notes)
}

/// The owner's money between the attacker's first and last act.
fn owner_meanwhile(findings: &Findings<'_>) -> f64 {
    let Some((first, last)) = findings.window else { return 0.0 };
    let [from, to] = [first, last].map(|at| at.0.div_euclid(SECOND).div_euclid(3600));
    let owners = findings.of(Who::Owner).chain(findings.of(Who::Accepted));
    owners.flat_map(|sums| sums.hours.range(from..=to)).map(|(_, spent)| spent.cost.usd()).sum()
}

/// What an attacker took in his dearest hour, in dollars.
pub fn dearest_hour(findings: &Findings<'_>) -> f64 {
    let mut hours: BTreeMap<i64, NanoUsd> = BTreeMap::new();
    for (hour, spent) in findings.of(Who::Attacker).flat_map(|sums| &sums.hours) {
        *hours.entry(*hour).or_default() += spent.cost;
    }
    hours.into_values().max().unwrap_or_default().usd()
}

/// What everybody spent since this time.
pub fn since(findings: &Findings<'_>, at: Timestamp) -> f64 {
    let from = at.0.div_euclid(SECOND).div_euclid(3600);
    let hours = findings.gathered.consumers.values().flat_map(|sums| sums.hours.range(from..));
    hours.map(|(_, spent)| spent.cost.usd()).sum()
}

/// Bins of a chart: some days before the theft, up to the last record.
pub fn spending(findings: &Findings<'_>) -> Spending {
    let all = findings.gathered.consumers.values().flat_map(|sums| sums.hours.keys());
    let (Some(first), Some(last)) = (all.clone().min(), all.max()) else { return Spending::default() };
    let theft = findings.window.map_or(*first, |(at, _)| at.0.div_euclid(SECOND).div_euclid(3600));
    let from = (*first).max(theft - BEFORE_HOURS);
    let bin = BIN_HOURS.into_iter().find(|hours| (last - from) / hours < BINS_MAX);
    let bin = bin.unwrap_or_else(|| (last - from) / BINS_MAX + 1);
    let from = from.div_euclid(bin) * bin;
    let count = usize::try_from((last - from) / bin + 1).unwrap_or(0);
    let sum = |who: &[Who]| {
        let mut bins = vec![0.0; count];
        let sums = who.iter().flat_map(|who| findings.of(*who));
        for (hour, spent) in sums.flat_map(|sums: &Sums| sums.hours.range(from..)) {
            if let Some(sum) = usize::try_from((hour - from) / bin).ok().and_then(|place| bins.get_mut(place))
            {
                *sum += spent.cost.usd();
            }
        }
        bins.into_iter().map(usd).collect()
    };
    Spending {
        from: Timestamp(from * 3600 * SECOND).to_string(),
        bin_seconds: bin * 3600,
        owner: sum(&[Who::Owner, Who::Accepted]),
        attacker: sum(&[Who::Attacker]),
        unsure: sum(&[Who::Unsure]),
    }
}
