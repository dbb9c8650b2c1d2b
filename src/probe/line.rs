//! What there is to say of a canary prompt, as lines of JSON (`keyhound.probe.v1`).

use super::{Outcome, Verdict};
use crate::config::ProbePlan;
use crate::encode::write_line;
use crate::time::{SECOND, Timestamp};
use serde::Serialize;

const SCHEMA: &str = "keyhound.probe.v1";

/// A line.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Line<'a> {
    /// A prompt is going to be sent.
    Asked(Asked<'a>),
    /// What came of it.
    Told(Box<Told<'a>>),
}

/// A prompt is going to be sent.
#[derive(Serialize)]
pub struct Asked<'a> {
    schema: &'static str,
    event: &'static str,
    at: String,
    probe: &'a str,
    marker: &'a str,
    input_tokens_max: u64,
    output_tokens_max: u32,
}

/// What came of a prompt.
#[derive(Serialize)]
pub struct Told<'a> {
    #[serde(flatten)]
    asked: Asked<'a>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    failure: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<&'static str>,
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_ms: Option<u64>,
    model_asked: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    cost_usd: f64,
    day_cost_usd: f64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    request_ids: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    answer: &'a str,
}

impl<'a> Line<'a> {
    /// A prompt is going to be sent.
    pub fn asked(plan: &'a ProbePlan, marker: &'a str, at: Timestamp) -> Self {
        Self::Asked(Asked::new("asked", plan, marker, at))
    }

    /// What came of it.
    pub fn told(plan: &'a ProbePlan, verdict: &'a Verdict) -> Self {
        let Verdict { reply, failures, .. } = verdict;
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self::Told(Box::new(Told {
            asked: Asked::new("result", plan, &verdict.marker, verdict.at),
            outcome: verdict.outcome.label(),
            failure: verdict.words(),
            failed: failures.iter().map(|failure| failure.what).collect(),
            kind: plan.dialect.name,
            url: plan.shown(),
            status: reply.status,
            latency_ms: millis(reply.latency),
            first_token_ms: reply.first_token.map(millis),
            model_asked: &plan.model,
            model: &reply.answer.model,
            input_tokens: reply.answer.input(),
            output_tokens: reply.answer.output(),
            cost_usd: verdict.cost.usd(),
            day_cost_usd: verdict.day_cost.usd(),
            request_ids: &reply.ids,
            answer: &reply.answer.text,
        }))
    }

    /// As bytes, with its line break.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_line(self, out);
    }
}

impl<'a> Asked<'a> {
    fn new(event: &'static str, plan: &'a ProbePlan, marker: &'a str, at: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            event,
            // To the second: what is told of it afterwards need not be more exact.
            at: Timestamp(at.0 - at.0.rem_euclid(SECOND)).to_string(),
            probe: &plan.name,
            marker,
            input_tokens_max: plan.input_max(),
            output_tokens_max: plan.max_tokens,
        }
    }
}

impl Verdict {
    /// What went wrong, in one text; nothing where all is well.
    pub fn words(&self) -> String {
        // What a fault is called stands in the outcome.
        let is_named = self.outcome == Outcome::Mismatch;
        let told = |failure: &super::Failure| {
            if is_named { format!("{}: {}", failure.what, failure.message) } else { failure.message.clone() }
        };
        self.failures.iter().map(told).collect::<Vec<_>>().join("; ")
    }
}
