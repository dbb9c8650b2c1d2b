//! Who still uses a key that is dead, or should be: services that a rotation has forgotten, and whoever else has the key.
//!
//! A rotation that goes from one service to the next leaves some with the old key. Their requests are refused, they try again,
//! and look like an attack. What tells them apart is in the logs: whether they were there before, whether they have the new
//! key elsewhere, and when they were last refused.

use super::Facts;
use super::facts::requests;
use crate::address::Address;
use crate::backtest::escaped;
use crate::encode::Visible;
use crate::key::KeyId;
use crate::normalise::clients::family_of;
use crate::record::{Batch, Kind, UsageRecord};
use crate::time::{SECOND, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Consumers that are told apart; the others are one more, the same ones in any order of records.
const CONSUMERS_MAX: usize = 4096;
/// Consumers that people are shown.
const SHOWN: usize = 30;
/// Characters of a client's name.
const CLIENT_MAX: usize = 24;

/// By which consumers are told apart: where from, and with which software.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Consumer {
    address: Option<Address>,
    client: String,
}

/// What a consumer did.
#[derive(Clone, Copy, Debug, Default)]
struct Deeds {
    /// With the old key before it died.
    before: u64,
    /// With it afterwards: refused for the key (401, 403), served, and whatever else.
    refused: u64,
    served: u64,
    other: u64,
    /// The first and the last of these.
    span: Option<(Timestamp, Timestamp)>,
    /// Served with other keys afterwards, and the first of it.
    with_other_keys: u64,
    moved: Option<Timestamp>,
}

impl Deeds {
    fn add(&mut self, other: &Self) {
        self.before += other.before;
        self.refused += other.refused;
        self.served += other.served;
        self.other += other.other;
        self.with_other_keys += other.with_other_keys;
        self.moved = match (self.moved, other.moved) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.span = match (self.span, other.span) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
    }

    /// Requests with the dead key.
    const fn stale(&self) -> u64 {
        self.refused + self.served + self.other
    }
}

/// Who has used a key since it died.
#[derive(Debug)]
pub struct Stragglers {
    key: KeyId,
    since: Timestamp,
    thieves: Vec<String>,
    consumers: BTreeMap<Consumer, Deeds>,
    others: Option<Deeds>,
    /// The latest record of any key.
    latest: Option<Timestamp>,
    /// Records of the key.
    records: u64,
}

impl Stragglers {
    /// Of a key that died at `since`; what is known of the incident names the thief's addresses.
    pub fn new(key: KeyId, since: Timestamp, facts: &Facts) -> Self {
        let (consumers, thieves) = (BTreeMap::new(), facts.source_ips.clone());
        Self { key, since, thieves, consumers, others: None, latest: None, records: 0 }
    }

    /// Takes in a record of a log.
    pub fn add(&mut self, record: &UsageRecord, batch: &Batch) {
        if record.kind != Kind::Request {
            return;
        }
        let at = record.time.at;
        self.latest = self.latest.max(Some(at));
        let (is_old, is_after) = (record.key == self.key, at >= self.since);
        self.records += u64::from(is_old);
        let count = u64::from(record.requests.max(1));
        let mut deeds = Deeds::default();
        match (is_old, is_after, record.status) {
            (true, false, _) => deeds.before = count,
            (true, true, status) => {
                deeds.span = Some((at, at));
                *match status {
                    401 | 403 => &mut deeds.refused,
                    ..=399 => &mut deeds.served,
                    _ => &mut deeds.other,
                } = count;
            }
            (false, true, ..=399) => (deeds.with_other_keys, deeds.moved) = (count, Some(at)),
            _ => return,
        }
        let client = family_of(batch.text(record.user_agent));
        self.put(Consumer { address: record.address, client }, &deeds);
    }

    /// Of too many consumers the greatest goes to the others: those that stay are the same in any order.
    fn put(&mut self, consumer: Consumer, deeds: &Deeds) {
        let is_beyond = self.others.is_some()
            && self.consumers.last_key_value().is_some_and(|(last, _)| consumer > *last);
        if is_beyond {
            return self.others.get_or_insert_default().add(deeds);
        }
        self.consumers.entry(consumer).or_default().add(deeds);
        if self.consumers.len() > CONSUMERS_MAX
            && let Some((_, gone)) = self.consumers.pop_last()
        {
            self.others.get_or_insert_default().add(&gone);
        }
    }

    /// Whether the logs have the key at all.
    pub const fn knows_the_key(&self) -> bool {
        self.records > 0
    }

    /// Those who have used the dead key: who was served first, then the latest first.
    fn rows(&self) -> Vec<(&Consumer, &Deeds)> {
        let mut rows: Vec<_> = self.consumers.iter().filter(|(_, deeds)| deeds.stale() > 0).collect();
        rows.sort_by_key(|(_, deeds)| {
            (std::cmp::Reverse(deeds.served.min(1)), std::cmp::Reverse(deeds.span.map(|(_, last)| last)))
        });
        rows
    }

    /// How many have used it.
    pub fn count(&self) -> usize {
        self.rows().len() + usize::from(self.others.is_some_and(|others| others.stale() > 0))
    }

    fn is_thief(&self, consumer: &Consumer) -> bool {
        consumer.address.is_some_and(|address| self.thieves.contains(&address.to_string()))
    }

    /// What a consumer is, and what to do about it.
    fn state(&self, consumer: &Consumer, deeds: &Deeds) -> &'static str {
        match () {
            () if self.is_thief(consumer) => "thief",
            () if deeds.served > 0 && deeds.refused == 0 => "served",
            () if deeds.with_other_keys > 0 => "half moved",
            () if deeds.before > 0 => "not moved",
            () => "unknown",
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let rows = self.rows();
        let mut text = self.verdict(&rows);
        if rows.is_empty() {
            return text;
        }
        let mut table =
            vec![["from", "client", "refused", "served", "other", "last", "state"].map(str::to_owned)];
        for (consumer, deeds) in rows.iter().take(SHOWN) {
            let client: String = Visible(&consumer.client).to_string().chars().take(CLIENT_MAX).collect();
            let last = deeds.span.map_or_else(String::new, |(_, last)| second(last).to_string());
            table.push([
                name(consumer),
                if client.is_empty() { "-".to_owned() } else { client },
                deeds.refused.to_string(),
                deeds.served.to_string(),
                deeds.other.to_string(),
                last,
                self.state(consumer, deeds).to_owned(),
            ]);
        }
        text.push('\n');
        write_aligned(&mut text, &table);
        if rows.len() > SHOWN {
            let _ = writeln!(text, "  … and {} more (--json has all)", rows.len() - SHOWN);
        }
        if let Some(others) = self.others.filter(|others| others.stale() > 0) {
            let _ =
                writeln!(text, "  {} requests of consumers beyond the first {CONSUMERS_MAX}", others.stale());
        }
        text.push('\n');
        let states: Vec<&str> = rows.iter().map(|(consumer, deeds)| self.state(consumer, deeds)).collect();
        for (state, advice) in ADVICE.iter().filter(|(state, _)| states.contains(state)) {
            let _ = writeln!(text, "{state}: {advice}");
        }
        text
    }

    fn verdict(&self, rows: &[(&Consumer, &Deeds)]) -> String {
        let since = second(self.since);
        let until =
            self.latest.map_or_else(String::new, |latest| format!(" (the logs end at {})", second(latest)));
        let Some(last) = rows.iter().filter_map(|(_, deeds)| deeds.span.map(|(_, last)| last)).max() else {
            return format!("Nobody has used the key since {since}{until}.\n");
        };
        let sum = |of: fn(&Deeds) -> u64| rows.iter().map(|(_, deeds)| of(deeds)).sum::<u64>();
        let (served, refused) = (sum(|deeds| deeds.served), sum(|deeds| deeds.refused));
        let consumers = if rows.len() == 1 {
            "1 consumer uses".to_owned()
        } else {
            format!("{} consumers use", rows.len())
        };
        let dead = if served > 0 {
            format!("THE KEY IS NOT DEAD: {} served since. ", requests(served))
        } else {
            String::new()
        };
        format!(
            "{dead}{consumers} it since {since}: {} refused,\nthe last at {}{until}.\n",
            requests(refused),
            second(last)
        )
    }

    /// For programs: a line for each consumer.
    pub fn json(&self) -> String {
        let mut text = String::new();
        for (consumer, deeds) in self.rows() {
            let (first, last) = deeds.span.unwrap_or_default();
            let value = json!({
                "schema": "keyhound.straggler.v1",
                "key_id": self.key.to_string(),
                "since": self.since.to_string(),
                "source_ip": consumer.address.map(|address| address.to_string()),
                "client": consumer.client,
                "before": deeds.before,
                "refused": deeds.refused,
                "served": deeds.served,
                "other": deeds.other,
                "first": first.to_string(),
                "last": last.to_string(),
                "served_with_other_keys": deeds.with_other_keys,
                "moved_at": deeds.moved.map_or(Value::Null, |at| at.to_string().into()),
                "state": self.state(consumer, deeds),
            });
            let _ = writeln!(text, "{value}");
        }
        text
    }

    /// For the review: what stood still for how long.
    pub fn markdown(&self) -> String {
        let rows = self.rows();
        let mut text = format!("\n## Who used the dead key\n\n{}", escaped(&self.verdict(&rows)));
        if rows.is_empty() {
            return text;
        }
        text.push_str("\n| from | client | refused | served | first | last | state |\n|---|---|---:|---:|---|---|---|\n");
        for (consumer, deeds) in rows.iter().take(SHOWN) {
            let (first, last) = deeds.span.unwrap_or_default();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                escaped(&name(consumer)),
                escaped(&consumer.client),
                deeds.refused,
                deeds.served,
                second(first),
                second(last),
                self.state(consumer, deeds)
            );
        }
        text
    }
}

/// Columns as wide as their widest cell, numbers to the right.
fn write_aligned<const N: usize>(text: &mut String, table: &[[String; N]]) {
    let mut widths = [0; N];
    for row in table {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in table {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            let is_number = (2..5).contains(&at);
            let _ =
                if is_number { write!(line, "  {cell:>width$}") } else { write!(line, "  {cell:<width$}") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// What to do about each.
const ADVICE: &[(&str, &str)] = &[
    ("served", "the key still works for it. Revoke it once more, and ask the provider why."),
    ("thief", "an address of the incident. Leave it refused; keep the log."),
    ("half moved", "some of its processes have another key already. Restart the rest with it, all at once."),
    ("not moved", "it had the key before. Give it the new one; its retries look like an attack until then."),
    ("unknown", "it was not there before. A service that was asleep, or whoever else has the key."),
];

fn name(consumer: &Consumer) -> String {
    consumer.address.map_or_else(|| "-".to_owned(), |address| Visible(&address.to_string()).to_string())
}

fn second(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(SECOND))
}
