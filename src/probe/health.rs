//! How probes get on, for whoever looks from outside. Live: it is looked at while answers are waited for.

use super::{Outcome, Verdict};
use crate::money::NanoUsd;
use crate::time::SECOND;
use prometheus::{HistogramOpts, HistogramVec};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Borders of times, in seconds: gateways that answer themselves, models that are quick, and those that think.
const SECONDS: [f64; 13] = [0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 60.0];

/// How one gets on.
#[derive(Debug, Default)]
pub struct ProbeHealth {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// The last outcome, as its number; less than nought for none.
    last: AtomicI64,
    status: AtomicU64,
    /// Seconds since 1970; nought for never.
    success: AtomicI64,
    /// Nano-dollars.
    spent: AtomicI64,
    spent_today: AtomicI64,
}

/// How all of them get on.
#[derive(Debug)]
pub struct Health {
    /// Each by its name, with what it may cost on one day.
    pub probes: Vec<(Arc<str>, Option<NanoUsd>, ProbeHealth)>,
    /// From the request to the end of the answer.
    pub latency: HistogramVec,
    /// The same to its first text.
    pub first_token: HistogramVec,
}

impl Health {
    /// Of probes that have not been asked.
    pub fn new(probes: impl Iterator<Item = (Arc<str>, Option<NanoUsd>)>) -> Result<Self, prometheus::Error> {
        let times = |name: &str, help: &str| {
            HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), &["probe"])
        };
        let new =
            |(name, cap)| (name, cap, ProbeHealth { last: AtomicI64::new(-1), ..ProbeHealth::default() });
        Ok(Self {
            probes: probes.map(new).collect(),
            latency: times(
                "keyhound_probe_latency_seconds",
                "How long whole answers to canary prompts took.",
            )?,
            first_token: times(
                "keyhound_probe_first_token_seconds",
                "How long it took until the first text of an answer to a canary prompt was there.",
            )?,
        })
    }

    /// Notes what came of a prompt of the probe at this place.
    pub fn note(&self, at: usize, verdict: &Verdict) {
        let Some((name, _, health)) = self.probes.get(at) else { return };
        health.outcomes[verdict.outcome as usize].fetch_add(1, Ordering::Relaxed);
        health.last.store(verdict.outcome as i64, Ordering::Relaxed);
        health.status.store(verdict.reply.status.unwrap_or(0).into(), Ordering::Relaxed);
        health.spent.fetch_add(verdict.cost.0, Ordering::Relaxed);
        health.spent_today.store(verdict.day_cost.0, Ordering::Relaxed);
        if verdict.outcome == Outcome::Ok {
            health.success.store(verdict.at.0 / SECOND, Ordering::Relaxed);
        }
        if verdict.outcome.is_answer() {
            self.latency.with_label_values(&[&**name]).observe(verdict.reply.latency.as_secs_f64());
            if let Some(first) = verdict.reply.first_token {
                self.first_token.with_label_values(&[&**name]).observe(first.as_secs_f64());
            }
        }
    }

    /// Notes that it was not asked because of what it may cost.
    pub fn hold(&self, at: usize, spent_today: NanoUsd) {
        let Some((.., health)) = self.probes.get(at) else { return };
        health.outcomes[Outcome::Capped as usize].fetch_add(1, Ordering::Relaxed);
        health.spent_today.store(spent_today.0, Ordering::Relaxed);
    }
}

impl ProbeHealth {
    /// How many prompts ended so.
    pub fn outcomes(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// Whether the last one was as it should be, if there was any.
    pub fn is_well(&self) -> Option<bool> {
        let last = self.last.load(Ordering::Relaxed);
        (last >= 0).then_some(last == Outcome::Ok as i64)
    }

    /// The status of the last answer; nought for none.
    pub fn status(&self) -> u64 {
        self.status.load(Ordering::Relaxed)
    }

    /// When one was as it should be, in seconds since 1970; nought for never.
    pub fn success(&self) -> i64 {
        self.success.load(Ordering::Relaxed)
    }

    /// What all of them cost, and those of this day.
    pub fn spent(&self) -> [NanoUsd; 2] {
        [&self.spent, &self.spent_today].map(|spent| NanoUsd(spent.load(Ordering::Relaxed)))
    }
}
