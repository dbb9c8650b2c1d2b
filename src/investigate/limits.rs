//! What stands between a report and the truth.

use super::Findings;
use super::attribute::Who;
use super::gather::OTHERS;
use super::sums::Sums;
use crate::backtest::{dollars, duration};
use crate::detect;
use crate::incident::HABITS;
use crate::time::SECOND;

/// Everything that a reader has to know before he believes a number.
pub(super) fn limits(findings: &Findings<'_>, remarks: &[String]) -> Vec<String> {
    let gathered = findings.gathered;
    let mut limits: Vec<String> = Vec::new();
    if gathered.consumers.is_empty() {
        limits.push(
            "no request of this key is in these records: nothing is known of who used it; logs of a gateway or of \
             requests tell more than usage by the hour or day"
                .to_owned(),
        );
    } else {
        limits.extend(blind(findings));
    }
    limits.extend(of_buckets(findings));
    let known: f64 = gathered.consumers.values().map(|sums| sums.span.spent.cost.usd()).sum();
    let invoiced = gathered.invoiced.cost.usd();
    if invoiced > known * 1.02 + 0.01 && known > 0.0 {
        limits.push(format!(
            "${} was billed and ${} stands in these records: what is missing may be use outside your own gateway \
             (`keyhound reconcile`)",
            dollars(invoiced),
            dollars(known)
        ));
    }
    if gathered.consumers.iter().any(|(number, sums)| *number >= HABITS && sums.span.spent.requests > 0) {
        limits.push(
            "no address and no client told them apart: requests are the attacker's by their size, model and time, \
             and some of the owner's are likely among them"
                .to_owned(),
        );
    }
    let clients = |who: Who| findings.of(who).flat_map(|sums| sums.clients.by.keys());
    let addresses = |who: Who| findings.of(who).flat_map(|sums| sums.addresses.by.keys());
    if addresses(Who::Attacker).any(|address| addresses(Who::Owner).any(|own| own == address)) {
        limits.push(
            "attacker and owner share an address: they are told apart by their clients, so what the attacker did \
             with a client of the owner's is counted as the owner's"
                .to_owned(),
        );
    } else if clients(Who::Attacker).any(|client| clients(Who::Owner).any(|own| own == client)) {
        limits.push(
            "attacker and owner use the same client: they are told apart by their networks alone".to_owned(),
        );
    }
    limits.extend(of_incidents(findings));
    if gathered.consumers.contains_key(&OTHERS) {
        limits.push("more consumers than are told apart: the last of them are counted together".to_owned());
    }
    limits.extend(of_the_log(findings));
    limits.extend(remarks.iter().cloned());
    limits
}

/// What the key's records never told, and which detectors saw nothing for it.
fn blind(findings: &Findings<'_>) -> Option<String> {
    let seen = findings.gathered.signals_seen;
    let blind: Vec<&str> = detect::ALL
        .iter()
        .filter(|detector| !seen.has(detector.needs))
        .map(|detector| detector.name)
        .collect();
    (!blind.is_empty()).then(|| {
        format!(
            "the key's records lack what these detectors need, so their silence says nothing: {}",
            blind.join(", ")
        )
    })
}

/// Which incidents are counted together, and which not.
fn of_incidents(findings: &Findings<'_>) -> Vec<String> {
    let gathered = findings.gathered;
    let told = |who: Who| {
        let is_told = |number: &u32| gathered.incidents.values().any(|case| case.consumer == Some(*number));
        let of = findings.judged.iter().filter(|(number, judged)| judged.who == who && is_told(number));
        of.count()
    };
    let mut limits = Vec::new();
    let (his, other) = (told(Who::Attacker), told(Who::Unsure));
    if his > 1 {
        limits.push(format!(
            "{his} incidents are counted together: --incident looks at one theft, --since at what began after a time"
        ));
    }
    if other > 0 {
        limits.push(format!(
            "consumers of {other} other incidents, over weeks before these or not asked for, are listed as unsure: --incident \
             looks into them"
        ));
    }
    if findings.of(Who::Unsure).next().is_some() {
        limits.push(
            "some consumers are neither the owner's nor told as the attacker's: they are listed as unsure"
                .to_owned(),
        );
    }
    limits
}

/// What sums by time do not tell.
fn of_buckets(findings: &Findings<'_>) -> Option<String> {
    let gathered = findings.gathered;
    let (all, summed) = (gathered.buckets.all, gathered.summed);
    if all.requests == 0 && all.cost.usd() <= 0.0 {
        return None;
    }
    let money = dollars(all.cost.usd());
    if gathered.consumers.values().any(Sums::is_of_requests) {
        return Some(format!(
            "{} requests for ${money} stand in usage by time only, the same use as that of the requests or more: they are in \
             none of the sums (`keyhound reconcile` compares them)",
            all.requests
        ));
    }
    let rest = gathered.buckets.rest.requests;
    let rest = if rest > 0 {
        format!("; {rest} more requests found no room and are nobody's")
    } else {
        String::new()
    };
    Some(format!(
        "usage by time tells no requests and nobody's name: of {} stretches of it what is above the usual of the model and \
         the hour is the attacker's (least: above the most of the days before; most: all of those stretches), and times are \
         those of stretches{rest}",
        summed.buckets
    ))
}

/// What the history does not tell, or tells too much of.
fn of_the_history(findings: &Findings<'_>) -> Option<String> {
    let gathered = findings.gathered;
    let Some((first, last)) = gathered.history.span else {
        return gathered.history.is_given.then(|| {
            "no record of the history is of this key: nothing is known of what is usual for it".to_owned()
        });
    };
    let begin = gathered.consumers.values().map(|sums| sums.span.first).min()?;
    (last > begin).then(|| {
        format!(
            "the history ({first} to {last}) goes on past {begin}, where the logs begin: what a thief did until then was \
             taken for usual"
        )
    })
}

#[allow(clippy::cast_precision_loss, reason = "seconds of a log")]
fn of_the_log(findings: &Findings<'_>) -> Vec<String> {
    let gathered = findings.gathered;
    let mut limits = Vec::from_iter(of_the_history(findings));
    let (count, most) = gathered.disordered;
    if count > 0 {
        limits.push(format!(
            "{count} requests came out of order, by up to {}: late records, or clocks that differ",
            duration(most as f64 / SECOND as f64)
        ));
    }
    if gathered.duplicates > 0 {
        limits.push(format!(
            "{} records were deliveries of one that was there before, and count once",
            gathered.duplicates
        ));
    }
    if gathered.beyond > 0 {
        limits.push(format!("{} records after the end of what was asked for were left out", gathered.beyond));
    }
    if !gathered.namesakes.is_empty() {
        limits.push(format!(
            "{} other keys are shown by the same name and were left out; name the fingerprint to be sure",
            gathered.namesakes.len()
        ));
    }
    limits
}
