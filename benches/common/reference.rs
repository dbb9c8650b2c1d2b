//! The plain way: `serde_json` into a borrowed struct, hash maps by text, the seed's five checks when a day ends.
//!
//! A fair yardstick, not a straw man: no allocation for fields that are only looked at, times parsed by hand,
//! baselines learned from the first week and frozen. It has no rejects, no duplicates, no lateness, no limits.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the plain way uses the plain tables"
)]

use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::io::BufRead;

#[derive(Deserialize)]
struct Record<'a> {
    timestamp: &'a str,
    api_key_prefix: &'a str,
    model: &'a str,
    input_tokens: u64,
    output_tokens: u64,
    endpoint: &'a str,
    source_ip: Option<&'a str>,
    user_agent: Option<&'a str>,
    status_code: u16,
    cost_usd: f64,
}

#[derive(Default)]
struct Key {
    day: u32,
    requests: u32,
    cost: f64,
    hours: [u32; 24],
    new_models: HashSet<String>,
    new_addresses: HashSet<String>,
    days: Vec<(u32, f64, [u32; 24])>,
    models: HashSet<String>,
    addresses: HashSet<String>,
    baseline: Option<Baseline>,
}

struct Baseline {
    mean: f64,
    std: f64,
    mean_cost: f64,
    active: [bool; 24],
}

/// Days that are learned from before anything is judged.
const LEARNING_DAYS: usize = 7;

/// Reads all of `input`; the number of records, and of alerts.
pub fn run(mut input: impl BufRead) -> (u64, u64) {
    let mut keys: HashMap<String, Key> = HashMap::new();
    let (mut records, mut alerts, mut sums) = (0, 0, 0_u64);
    let mut line = String::new();
    while input.read_line(&mut line).is_ok_and(|read| read > 0) {
        if let Ok(record) = serde_json::from_str::<Record>(&line) {
            records += 1;
            sums += record.input_tokens + record.output_tokens + u64::from(record.status_code);
            sums += (record.endpoint.len() + record.user_agent.map_or(0, str::len)) as u64;
            if !keys.contains_key(record.api_key_prefix) {
                keys.insert(record.api_key_prefix.to_owned(), Key::default());
            }
            if let Some(key) = keys.get_mut(record.api_key_prefix) {
                alerts += key.count(&record);
            }
        }
        line.clear();
    }
    alerts += keys.values_mut().map(Key::close).sum::<u64>();
    std::hint::black_box(sums);
    (records, alerts)
}

impl Key {
    fn count(&mut self, record: &Record<'_>) -> u64 {
        let number = |range: std::ops::Range<usize>| -> u32 {
            record.timestamp.get(range).and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        let day = number(0..4) * 10_000 + number(5..7) * 100 + number(8..10);
        let alerts = if day == self.day { 0 } else { self.close() };
        self.day = day;
        self.requests += 1;
        self.cost += record.cost_usd;
        self.hours[number(11..13) as usize % 24] += 1;
        if !self.models.contains(record.model) {
            self.new_models.insert(record.model.to_owned());
        }
        if let Some(address) = record.source_ip
            && !self.addresses.contains(address)
        {
            self.new_addresses.insert(address.to_owned());
        }
        alerts
    }

    #[allow(clippy::cast_precision_loss)]
    fn close(&mut self) -> u64 {
        if self.requests == 0 {
            return 0;
        }
        let alerts = self.baseline.as_ref().map_or(0, |baseline| {
            let off: u32 = (0..24).filter(|&hour| !baseline.active[hour]).map(|hour| self.hours[hour]).sum();
            u64::from(baseline.std > 0.0 && f64::from(self.requests) > baseline.mean + 3.0 * baseline.std)
                + u64::from(self.cost > (baseline.mean_cost * 5.0).max(10.0))
                + u64::from(!self.new_models.is_empty())
                + u64::from(!self.addresses.is_empty() && !self.new_addresses.is_empty())
                + u64::from(f64::from(off) > f64::from(self.requests) * 0.3)
        });
        self.days.push((self.requests, self.cost, self.hours));
        if self.baseline.is_none() {
            self.models.extend(self.new_models.drain());
            self.addresses.extend(self.new_addresses.drain());
            if self.days.len() == LEARNING_DAYS {
                self.baseline = Some(self.learn());
            }
        }
        self.new_models.clear();
        self.new_addresses.clear();
        (self.requests, self.cost, self.hours) = (0, 0.0, [0; 24]);
        alerts
    }

    #[allow(clippy::cast_precision_loss)]
    fn learn(&self) -> Baseline {
        let n = self.days.len() as f64;
        let total: u32 = self.days.iter().map(|day| day.0).sum();
        let mean = f64::from(total) / n;
        let squares: f64 = self.days.iter().map(|day| (f64::from(day.0) - mean).powi(2)).sum();
        let hour = |hour: usize| self.days.iter().map(|day| day.2[hour]).sum::<u32>();
        Baseline {
            mean,
            std: (squares / (n - 1.0)).sqrt(),
            mean_cost: self.days.iter().map(|day| day.1).sum::<f64>() / n,
            active: std::array::from_fn(|at| hour(at) * 100 > total),
        }
    }
}
