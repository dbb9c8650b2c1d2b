//! What told of the theft, or would have under another threshold, and what acting then would have saved.

use super::attribute::Who;
use super::report::Signal;
use super::sums::{LADDER, Spent};
use super::{Findings, usd};
use crate::incident::OWNER;
use crate::time::{SECOND, Timestamp};
use std::collections::BTreeSet;

/// Signals that are listed.
const LISTED_MAX: usize = 60;

/// Every signal from the first act on, and the ledger of the weightiest attacker at other thresholds.
pub fn retrospect(findings: &Findings<'_>) -> Vec<Signal> {
    let Some((first, last)) = findings.window else { return Vec::new() };
    let all: f64 = findings.of(Who::Attacker).map(|sums| sums.span.spent.cost.usd()).sum();
    let mut listed = Vec::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for signal in &findings.gathered.signals {
        // Of one detector, the first that is of the theft.
        if signal.at < first || signal.at > last.plus(2 * crate::time::DAY) || !names.insert(signal.name) {
            continue;
        }
        let is_his =
            |number: u32| findings.judged.get(&number).is_some_and(|judged| judged.who == Who::Attacker);
        let own = if is_his(OWNER) { signal.own } else { Spent::default() };
        let his =
            signal.spent.iter().filter(|(number, _)| is_his(*number)).map(|(_, spent)| spent.cost.usd());
        let by_then = his.sum::<f64>() + own.cost.usd();
        let name = if signal.name == "incident" { "the incident".to_owned() } else { signal.name.to_owned() };
        listed.push(told(name, true, signal.at, first, by_then, all));
    }
    listed.extend(ladder(findings, first, all));
    listed.sort_by(|one, other| {
        let key = |signal: &Signal| signal.after_seconds.unwrap_or(f64::INFINITY);
        key(one).total_cmp(&key(other)).then_with(|| one.signal.cmp(&other.signal))
    });
    listed.truncate(LISTED_MAX);
    listed
}

fn told(signal: String, is_told: bool, at: Timestamp, first: Timestamp, lost: f64, all: f64) -> Signal {
    #[allow(clippy::cast_precision_loss, reason = "seconds of a theft")]
    let after = (at.0 - first.0) as f64 / SECOND as f64;
    Signal {
        signal,
        is_told,
        at: Some(at.to_string()),
        after_seconds: Some(after),
        lost_usd: usd(lost),
        saved_usd: usd((all - lost).max(0.0)),
    }
}

/// When the score of the attacker who spent most came to each step.
fn ladder(findings: &Findings<'_>, first: Timestamp, all: f64) -> Vec<Signal> {
    let scored = findings.of(Who::Attacker).filter(|sums| sums.reached.iter().any(Option::is_some));
    let Some(sums) = scored.max_by_key(|sums| (sums.span.spent.cost, sums.span.spent.requests)) else {
        return Vec::new();
    };
    let steps = sums.reached.iter().zip(LADDER);
    steps
        .map(|(reached, step)| {
            let name = format!("a threshold of {step} nats");
            match reached {
                Some(reached) => told(name, false, reached.at, first, reached.spent.cost.usd(), all),
                None => Signal {
                    signal: name,
                    is_told: false,
                    at: None,
                    after_seconds: None,
                    lost_usd: usd(all),
                    saved_usd: 0.0,
                },
            }
        })
        .collect()
}
