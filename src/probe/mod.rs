//! Canary prompts: what a provider or a gateway answers is looked at now and then, before anybody misses it.
//!
//! ```text
//! dialect + question → asked line → request → answer: events, text, tokens, model → expectations → result line
//! pure                 pure         IO        pure (sse, answer, dialect)           pure (expect)  pure (line)
//! ```
//!
//! What there is to say goes out as lines of JSON, two for each prompt: one before it is sent, with the marker that it
//! carries, and one with what came of it. They are records like others (`decode/probe.rs`): the detector `probe_failing`
//! judges them, and the use that they announce is known as keyhound's own (`shard/own.rs`).

mod answer;
mod ask;
mod book;
pub mod dialect;
mod expect;
mod fault;
mod health;
mod line;
mod schema;
mod sse;

pub use ask::{Reply, target};
pub use book::{BookError, Kept, Page};
pub use dialect::Dialect;
pub use expect::{ANY, Expect, Failure};
pub use fault::{Fault, Outcome};
pub use health::{Health, ProbeHealth};
pub use line::Line;
pub use schema::Schema;
pub use sse::Events;

use crate::config::ProbePlan;
use crate::engine::clock::now;
use crate::money::NanoUsd;
use crate::net::trust::TrustError;
use crate::normalise::{Bought, Rulebook};
use crate::record::CostSource;
use crate::sink::carrier::short;
use crate::time::Timestamp;
use ask::Prober;
use expect::Look;
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::Arc;

/// Characters of an answer that are shown.
const SHOWN_MAX: usize = 120;

/// A canary prompt and what is needed to send it.
pub struct Probe {
    /// What is asked, and what is expected.
    pub plan: Arc<ProbePlan>,
    prober: Prober,
    rules: Arc<Rulebook>,
}

/// What came of one prompt.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// When there was an answer, or none.
    pub at: Timestamp,
    /// What the request carried.
    pub marker: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What is not as it was expected.
    pub failures: Vec<Failure>,
    /// The answer, cleaned of secrets.
    pub reply: Reply,
    /// What it cost.
    pub cost: NanoUsd,
    /// What it and others before it cost on this day.
    pub day_cost: NanoUsd,
}

/// What is to be done now.
pub enum Plea {
    /// Ask, with this marker.
    Ask(String),
    /// Do not: it would cost more than it may on one day. Whether that is to be told, which it is once a day.
    Hold(bool),
}

impl Probe {
    /// Makes ready; opens no connection.
    pub fn new(plan: &Arc<ProbePlan>, rules: &Arc<Rulebook>) -> Result<Self, TrustError> {
        Ok(Self { plan: Arc::clone(plan), prober: Prober::new(plan)?, rules: Arc::clone(rules) })
    }

    /// Whether it may be asked now, by what it has cost today.
    pub fn begin(&self, page: &mut Page, at: Timestamp) -> std::io::Result<Plea> {
        let (cap, most) = (self.plan.cap, self.plan.cost_max(&self.rules.prices, at));
        if let (Some(cap), Some(most)) = (cap, most)
            && page.spent(at) + most > cap
        {
            return Ok(Plea::Hold(page.hold(at)));
        }
        page.ask(at);
        marker().map(Plea::Ask)
    }

    /// Asks once, and looks at what is answered.
    pub async fn ask(&self, page: &mut Page, marker: String) -> Verdict {
        let asked_at = now();
        let mut reply = self.prober.ask(&marker).await;
        let at = now();
        let cost = self.cost(&reply, asked_at);
        page.spend(cost, at);
        let clean = |text: &str| self.rules.redactor.clean(text.as_bytes());
        // Cut after it was cleaned: half a secret is none that is found.
        let show = |text: &str| short(&clean(text), SHOWN_MAX);
        let (outcome, failures) = if let Some(fault) = &reply.fault {
            let outcome = Outcome::of(fault);
            (outcome, vec![Failure { what: outcome.label(), message: clean(&fault.to_string()) }])
        } else {
            let (text_at, prices) = (self.plan.dialect.text_at, &self.rules.prices);
            let look = Look { text_at, prices, past: page.past(), show: &show };
            let failures = self.plan.expect.check(&reply, look);
            page.answered(reply.latency);
            (if failures.is_empty() { Outcome::Ok } else { Outcome::Mismatch }, failures)
        };
        let answer = &mut reply.answer;
        (answer.text, answer.model) = (show(answer.text.trim()), show(&answer.model));
        Verdict { at, marker, outcome, failures, reply, cost, day_cost: page.spent(at) }
    }

    /// What an answer cost. Of one that did not come to its end it is not known, and the most that it can have cost counts.
    fn cost(&self, reply: &Reply, at: Timestamp) -> NanoUsd {
        let prices = &self.rules.prices;
        let tells = reply.answer.output().is_some() && reply.answer.input().is_some();
        let served = prices.resolve(&reply.answer.model).or_else(|_| prices.resolve(&self.plan.model));
        if let (true, Ok(model)) = (tells, served) {
            let (cost, source) = prices.cost(model, at, Bought::default(), &reply.answer.bought());
            if source != CostSource::Unknown {
                return cost;
            }
        }
        let may_have_cost = match &reply.fault {
            None => true,
            Some(Fault::NoKey(_) | Fault::Status { .. } | Fault::Redirect(_)) => false,
            Some(_) => reply.status.is_some(),
        };
        if may_have_cost { self.plan.cost_max(prices, at).unwrap_or(NanoUsd::ZERO) } else { NanoUsd::ZERO }
    }
}

/// What one request carries and no other ever did (a random UUID): nobody can know it before it is sent.
fn marker() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}
