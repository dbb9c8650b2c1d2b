//! From alert to answer: what became of a key, for whoever has to say so within the hour.
//!
//! `gather` listens to a run of the usual pipeline and keeps bounded sums of everybody who used one key; `attribute` decides
//! who of them is the attacker; `verdict`, `scope`, `timeline`, `money`, `indicators` and `retrospect` each answer one
//! question. All answers are one object, the [`Report`], of which `show` has the forms.

mod act;
mod attribute;
mod buckets;
mod company;
mod elsewhere;
mod gather;
mod gathered;
mod halves;
mod indicators;
mod limits;
mod money;
mod phase;
mod places;
mod prove;
mod recent;
#[allow(
    clippy::struct_field_names,
    reason = "names of fields are those of the JSON, and of the events that it quotes"
)]
mod report;
mod retrospect;
mod scope;
pub mod show;
mod spool;
mod sums;
mod timeline;
mod verdict;

pub use act::sha256;
pub use attribute::{Judgement, Who, attribute};
pub use gather::{Gathers, Question};
pub use gathered::Gathered;
pub use phase::Phase;
pub use prove::{Proof, ProofError, prove};
pub use report::{Moment, Report, System};
pub use scope::{Catalogue, ScopeError};
pub use spool::SpoolError;

use crate::inventory::Own;
use crate::networks::Networks;
use crate::time::{SECOND, Stamp, Timestamp};
use report::{Consumer, Input, Key, SCHEMA};
use std::collections::BTreeMap;
use sums::Sums;

/// Values that are named of a consumer.
const NAMED_MAX: usize = 10;
/// Consumers that are listed.
const CONSUMERS_MAX: usize = 50;

/// What an investigator knows besides the records.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Whose models the key is for; guessed where it is empty.
    pub provider: String,
    /// What the organisation knows of its keys.
    pub inventory: Own,
    /// The limit of a month in dollars.
    pub monthly_limit: Option<f64>,
    /// When the key was revoked, where no record tells.
    pub revoked: Option<Timestamp>,
    /// Moments that no record tells: when it leaked, what was done in response.
    pub moments: Vec<Moment>,
    /// Hours of work, and what one costs in dollars.
    pub hours: f64,
    /// Dollars an hour.
    pub rate: f64,
    /// What a run says of its inputs: rejects, late records.
    pub remarks: Vec<String>,
}

/// What was found, for those who answer the questions.
struct Findings<'a> {
    gathered: &'a Gathered,
    judged: &'a BTreeMap<u32, Judgement>,
    /// The attacker's first and last act.
    window: Option<(Timestamp, Timestamp)>,
    /// When the key was revoked, as the investigator knows it.
    revoked: Option<Timestamp>,
}

impl Findings<'_> {
    /// Consumers of a kind.
    fn of(&self, who: Who) -> impl Iterator<Item = &Sums> {
        let is_meant = move |number: &u32| self.judged.get(number).is_some_and(|judged| judged.who == who);
        self.gathered.consumers.iter().filter(move |(number, _)| is_meant(number)).map(|(_, sums)| sums)
    }

    /// Those of whom it is not sure, and who were there while the attacker was, or a day before or after.
    fn unsure(&self) -> impl Iterator<Item = &Sums> {
        self.of(Who::Unsure).filter(|sums| {
            self.window.is_some_and(|(first, last)| {
                let day = crate::time::DAY;
                sums.span.first <= last.plus(day) && sums.span.last >= first.minus(day)
            })
        })
    }
}

/// The report of what was gathered.
pub fn report(
    gathered: &Gathered,
    judged: &BTreeMap<u32, Judgement>,
    catalogue: &Catalogue,
    known: &Known,
    networks: &Networks,
) -> Report {
    let attackers = || {
        let is_his = |number: &u32| judged.get(number).is_some_and(|judged| judged.who == Who::Attacker);
        gathered.consumers.iter().filter(move |(number, _)| is_his(number)).map(|(_, sums)| sums.span)
    };
    let first = attackers().map(|span| span.first).min();
    let window = first.zip(attackers().map(|span| span.last).max());
    let findings = &Findings { gathered, judged, window, revoked: known.revoked };
    let entry = scope::entry(&known.inventory, findings);
    let named = [&known.provider[..], entry.map_or("", |entry| &entry.provider)];
    let provider = named.iter().find(|name| !name.is_empty());
    let provider = provider.map_or_else(|| catalogue.guess(findings), |name| catalogue.named(name));
    let limit = known.monthly_limit.or_else(|| entry.and_then(|entry| entry.monthly_spend_limit));
    Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        key: Key {
            id: gathered.key.map_or_else(String::new, |key| key.to_string()),
            prefix: gathered.hint.clone(),
            alias: gathered.alias.clone(),
            provider: provider.map_or("unknown", |provider| &provider.title).to_owned(),
            owner: entry.map_or_else(String::new, |entry| entry.owner.clone()),
            environment: entry.map_or_else(String::new, |entry| entry.environment.clone()),
        },
        inputs: inputs(gathered),
        verdict: verdict::verdict(findings, limit),
        scope: scope::scope(findings, provider, entry, limit),
        consumers: consumers(findings),
        timeline: timeline::timeline(findings, &known.moments),
        money: money::money(findings, known.hours, known.rate),
        indicators: indicators::indicators(findings, networks),
        retrospect: retrospect::retrospect(findings),
        limits: limits::limits(findings, &known.remarks),
        spending: money::spending(findings),
    }
}

/// All inputs, with what of the key was in them.
fn inputs(gathered: &Gathered) -> Vec<Input> {
    let history = gathered.history.inputs.iter().map(|of| (of, true));
    let all = history.chain(gathered.inputs.iter().map(|of| (of, false)));
    all.map(|((name, records), is_history)| Input { name: name.to_string(), records: *records, is_history })
        .collect()
}

/// Everybody who used the key: attackers first, the dearest first.
fn consumers(findings: &Findings<'_>) -> Vec<Consumer> {
    let mut all: Vec<(&Judgement, &Sums)> = findings
        .gathered
        .consumers
        .iter()
        .filter_map(|(number, sums)| Some((findings.judged.get(number)?, sums)))
        .collect();
    all.sort_by(|(one, of_one), (other, of_other)| {
        let key = |sums: &Sums| (std::cmp::Reverse(sums.span.spent.cost), sums.span.first);
        (one.who, key(of_one)).cmp(&(other.who, key(of_other)))
    });
    all.into_iter().take(CONSUMERS_MAX).map(|(judged, sums)| consumer(judged, sums)).collect()
}

fn consumer(judged: &Judgement, sums: &Sums) -> Consumer {
    let spent = sums.span.spent;
    Consumer {
        who: judged.who.label(),
        why: judged.why.clone(),
        first: sums.span.first.to_string(),
        last: sums.span.last.to_string(),
        requests: spent.requests,
        refused: spent.refused,
        input_tokens: spent.tokens[0],
        output_tokens: spent.tokens[1],
        cost_usd: usd(spent.cost.usd()),
        source_ips: most(&sums.addresses),
        addresses: sums.addresses.by.len(),
        user_agents: most(&sums.clients),
        models: most(&sums.models),
        score: sums.score.map(|score| (score * 100.0).round() / 100.0),
    }
}

/// Names, the most used first.
fn most<K: Ord + Clone + ToString>(tally: &sums::Tally<K>) -> Vec<String> {
    let mut all: Vec<_> = tally.by.iter().collect();
    all.sort_by_key(|(_, span)| std::cmp::Reverse(span.spent.requests));
    all.into_iter().take(NAMED_MAX).map(|(name, _)| name.to_string()).collect()
}

/// Dollars to the millionth: no more digits than a price list has.
fn usd(dollars: f64) -> f64 {
    // There is no negative nought.
    (dollars * 1e6).round() / 1e6 + 0.0
}

/// A day since 1970, as a date.
fn day(number: i64) -> String {
    let text = Stamp::utc(Timestamp(number.saturating_mul(86_400).saturating_mul(SECOND))).to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}
