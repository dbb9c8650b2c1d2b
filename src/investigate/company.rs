//! Newcomers beside a thief: what is too little to tell of somebody may be enough where a thief is known to be there.
//!
//! A thief with two addresses may be told of at one of them, and all but told of at the other.
//! Whoever comes from ever other addresses is told of at some of them only: one request from each is too little to tell of.
//! All together they are much, where hardly anybody new has ever come to the key before.

use super::attribute::{Judgement, LINKED, Who, is_settled};
use super::gathered::Gathered;
use super::sums::Sums;
use crate::incident::OWNER;
use crate::time::{DAY, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Days outside the theft that must be known for it to be told what is usual.
const KNOWN_DAYS: f64 = 7.0;
/// The part of the newcomers that may be there by chance, at most.
const CHANCE_MAX: f64 = 0.1;

/// By how much less than an incident takes must speak against somebody who came with a thief, in nats.
const NEAR: f64 = 1.0;

/// Judges newcomers who are there while the attacker is, or within a day, ask by the same software, and of whom almost enough
/// is known to be told by themselves.
pub(super) fn nearly_told(
    gathered: &Gathered,
    judged: &BTreeMap<u32, Judgement>,
    is_new: impl Fn(u32) -> bool,
) -> Vec<(u32, Judgement)> {
    let told: Vec<(&Sums, f64)> = gathered
        .incidents
        .values()
        .filter_map(|case| Some((case.consumer?, case.first.threshold)))
        .filter(|(number, _)| judged.get(number).is_some_and(|judged| judged.who == Who::Attacker))
        .filter_map(|(number, threshold)| Some((gathered.consumers.get(&number)?, threshold)))
        .collect();
    let mut second = Vec::new();
    for (number, sums) in &gathered.consumers {
        let is_unsure = judged.get(number).is_some_and(|judged| judged.who == Who::Unsure);
        let Some(score) = sums.score.filter(|_| is_unsure && is_new(*number)) else { continue };
        let is_beside = |(his, threshold): &&(&Sums, f64)| {
            let is_then =
                sums.span.first.0 <= his.span.last.0 + DAY && sums.span.last.0 >= his.span.first.0 - DAY;
            score >= threshold - NEAR
                && is_then
                && clients(sums).any(|client| his.clients.by.contains_key(client))
                && !is_settled(sums, his.span.first)
        };
        if let Some((_, threshold)) = told.iter().find(is_beside) {
            let why = format!(
                "beside the attacker and by the same software: {score:.1} nats, where {threshold:.1} alone are enough"
            );
            second.push((*number, Judgement { who: Who::Attacker, why, confidence: LINKED }));
        }
    }
    second
}

/// Judges newcomers who are there while the attacker is, and ask by the same software: if at most a tenth of them is to be
/// expected by how many such came on all other days, they are his. One more is counted for those days, that nobody is
/// convicted by the first who ever came.
pub(super) fn company(
    gathered: &Gathered,
    judged: &BTreeMap<u32, Judgement>,
    is_new: impl Fn(u32) -> bool,
) -> Vec<(u32, Judgement)> {
    let who = |number: &u32| judged.get(number).map(|judged| judged.who);
    let attackers = || gathered.consumers.iter().filter(|(number, _)| who(number) == Some(Who::Attacker));
    let first = attackers().map(|(_, sums)| sums.span.first).min();
    let last = attackers().map(|(_, sums)| sums.span.last).max();
    let Some(window) = first.zip(last).map(|(first, last)| (first.minus(DAY), last.plus(DAY))) else {
        return Vec::new();
    };
    let his: BTreeSet<&str> = attackers().flat_map(|(_, sums)| clients(sums)).collect();
    let Some((days, other_days)) = days(gathered, window) else { return Vec::new() };
    let asks_alike = |sums: &Sums| clients(sums).any(|client| his.contains(client));
    let strangers: Vec<(u32, &Sums)> = gathered
        .consumers
        .iter()
        .filter(|(number, sums)| **number != OWNER && who(number) != Some(Who::Attacker) && asks_alike(sums))
        .map(|(number, sums)| (*number, sums))
        .collect();
    let (within, without): (Vec<_>, Vec<_>) = strangers
        .into_iter()
        .partition(|(_, sums)| sums.span.first >= window.0 && sums.span.last <= window.1);
    #[allow(clippy::cast_precision_loss, reason = "hundreds of them")]
    let (came, others) = (within.len() as f64, (without.len() + gathered.history.consumers.len()) as f64);
    let expected = (others + 1.0) * days / other_days;
    if expected > CHANCE_MAX * came {
        return Vec::new();
    }
    let judgement = Judgement {
        who: Who::Attacker,
        why: format!(
            "new with the attacker and by the same software: {came} such, where {expected:.1} are usual"
        ),
        confidence: 1.0 - expected / came,
    };
    let news = within.into_iter().filter(|(number, _)| who(number) == Some(Who::Unsure) && is_new(*number));
    news.map(|(number, _)| (number, judgement.clone())).collect()
}

fn clients(sums: &Sums) -> impl Iterator<Item = &str> {
    sums.clients.by.keys().map(|client| &**client)
}

/// Days of this time, and all others of which something is known of the key, if they are enough.
#[allow(clippy::cast_precision_loss, reason = "years of nanoseconds, as days")]
fn days(gathered: &Gathered, window: (Timestamp, Timestamp)) -> Option<(f64, f64)> {
    let between = |(first, last): (Timestamp, Timestamp)| (last.0 - first.0).max(0) as f64 / DAY as f64;
    let first = gathered.consumers.values().map(|sums| sums.span.first).min()?;
    let last = gathered.consumers.values().map(|sums| sums.span.last).max()?;
    let history = gathered.history.span.map_or(0.0, between);
    let days = between(window);
    let others = between((first, window.0)) + between((window.1, last)) + history;
    (others >= KNOWN_DAYS).then_some((days, others))
}
