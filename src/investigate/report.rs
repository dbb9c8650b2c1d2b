//! What an investigation comes to: the one object that every form of the report is a rendering of, and that is written as
//! JSON. Times are RFC 3339 in UTC, money is in US dollars.

use super::phase::Phase;
use serde::Serialize;

/// What the JSON says it is.
pub const SCHEMA: &str = "keyhound.investigation.v1";

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// Whose key it is.
    pub key: Key,
    /// The inputs, with how many records of the key each had.
    pub inputs: Vec<Input>,
    /// Is it real, since when, is it over?
    pub verdict: Verdict,
    /// What could the key do, and what was done with it?
    pub scope: Scope,
    /// Who used it.
    pub consumers: Vec<Consumer>,
    /// What the attacker did when.
    pub timeline: Timeline,
    /// What it cost.
    pub money: Money,
    /// By what he is known.
    pub indicators: Indicators,
    /// What told of it when, and what acting then would have saved.
    pub retrospect: Vec<Signal>,
    /// What stands between this and the truth.
    pub limits: Vec<String>,
    /// Money by time and consumer, for charts.
    pub spending: Spending,
}

/// A key.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Key {
    /// Its fingerprint.
    pub id: String,
    /// What may be shown of it.
    pub prefix: String,
    /// Its owner's name for it.
    pub alias: String,
    /// Whose models it is for.
    pub provider: String,
    /// From the inventory: who answers for it, and where it is used.
    pub owner: String,
    /// Where it is used.
    pub environment: String,
}

/// An input.
#[derive(Clone, Debug, Serialize)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Records of the key.
    pub records: u64,
    /// It only says what is usual.
    pub is_history: bool,
}

/// Is it real?
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// `compromise`, `exposure`, `evasion`, `operational`, or `none`.
    pub class: &'static str,
    /// One sentence.
    pub summary: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// What it is taken from.
    pub confidence_from: String,
    /// The evidence of the weightiest incident, in nats, and how much was enough.
    pub score: f64,
    /// How much was enough.
    pub threshold: f64,
    /// What the score is the sum of.
    pub ledger: Vec<Term>,
    /// All incidents.
    pub incidents: Vec<Incident>,
    /// The attacker's first and last act, and the first that was paid.
    pub first_act: Option<String>,
    /// The first that was paid.
    pub first_paid: Option<String>,
    /// The last.
    pub last_act: Option<String>,
    /// When it was known first.
    pub detected_at: Option<String>,
    /// When the key was revoked.
    pub revoked_at: Option<String>,
    /// From the first act until it was known, in seconds.
    pub dwell_seconds: Option<f64>,
    /// From the first act to the last, in seconds.
    pub active_seconds: Option<f64>,
    /// Can it still be used?
    pub usable: Usable,
    /// How much more can be lost.
    pub exposure: Exposure,
}

/// A term of a ledger.
#[derive(Clone, Debug, Serialize)]
pub struct Term {
    /// Its name.
    pub term: &'static str,
    /// What it adds.
    pub nats: f64,
    /// What was seen of the consumer.
    pub observed: f64,
    /// What is usual.
    pub expected: f64,
    /// What it means.
    pub meaning: &'static str,
}

/// An incident.
#[derive(Clone, Debug, Serialize)]
pub struct Incident {
    /// Its identity.
    pub incident_id: String,
    /// The same for all keys of one theft; may be empty.
    pub theft_id: String,
    /// What it is.
    pub class: &'static str,
    /// How bad.
    pub severity: &'static str,
    /// Where it is in its life.
    pub status: &'static str,
    /// When it was known.
    pub detected_at: String,
    /// One sentence.
    pub description: String,
    /// What speaks for it, in nats.
    pub score: f64,
}

/// Can the key still be used?
#[derive(Clone, Debug, Default, Serialize)]
pub struct Usable {
    /// `yes`, `no` or `unknown`.
    pub answer: &'static str,
    /// Why.
    pub evidence: String,
    /// Requests after the revocation that were served, and that were refused.
    pub served_after: u64,
    /// Those that were refused.
    pub refused_after: u64,
}

/// How much more can be lost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exposure {
    /// The limit of a month, if one is known.
    pub monthly_limit_usd: Option<f64>,
    /// What the month has cost, and what is left.
    pub month_usd: f64,
    /// What is left.
    pub left_usd: Option<f64>,
    /// What the attacker took in his dearest hour.
    pub usd_per_hour: f64,
    /// How long what is left would last.
    pub hours_left: Option<f64>,
}

/// What the key can do: the seed's `KeyScopeAssessment`, and what it asks for besides.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scope {
    /// What is shown of the key.
    pub key_prefix: String,
    /// Whose it is.
    pub provider: String,
    /// What it was seen to be allowed.
    pub permissions: Vec<String>,
    /// What is connected to it.
    pub connected_services: Vec<String>,
    /// `low` to `critical`.
    pub data_exposure_risk: &'static str,
    /// `medium` to `critical`.
    pub financial_exposure: &'static str,
    /// What follows.
    pub findings: Vec<String>,
    /// What was seen in the log, and by whom.
    pub seen: Vec<Permission>,
    /// Models and endpoints, the most used first.
    pub ways: Vec<Way>,
    /// What such a key may do that nobody did with it: it may be allowed all the same.
    pub possible: Vec<String>,
    /// Systems behind it.
    pub systems: Vec<System>,
    /// The three questions of the blast radius.
    pub questions: Vec<Question>,
}

/// Something that the key was used for.
#[derive(Clone, Debug, Serialize)]
pub struct Permission {
    /// Its name.
    pub permission: String,
    /// Requests of the owner and of the attacker, and those of these that were refused.
    pub owner: u64,
    /// Requests of the attacker.
    pub attacker: u64,
    /// Those that were refused.
    pub attacker_refused: u64,
}

/// A model at an endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Way {
    /// The model.
    pub model: String,
    /// The endpoint.
    pub endpoint: String,
    /// Requests of the owner.
    pub owner: u64,
    /// Requests of the attacker.
    pub attacker: u64,
}

/// A system behind the key.
#[derive(Clone, Debug, Default, Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct System {
    /// Its name.
    pub name: String,
    /// A database, a tool, a service.
    pub kind: String,
    /// What can be done through it: `read`, `write`, `admin`.
    pub access: String,
    /// What is in it.
    pub data: String,
    /// Who answers for it.
    pub owner: String,
    /// What holds whoever has the key: rate limits, an allow-list.
    pub limits: String,
}

/// A question, with what is known.
#[derive(Clone, Debug, Serialize)]
pub struct Question {
    /// The question.
    pub question: &'static str,
    /// What is known; empty where nothing is.
    pub answer: String,
    /// Whether somebody has to find out.
    pub is_open: bool,
}

/// Whoever used the key.
#[derive(Clone, Debug, Serialize)]
pub struct Consumer {
    /// `owner`, `attacker`, `unsure`, or `accepted`.
    pub who: &'static str,
    /// Why.
    pub why: String,
    /// From when to when.
    pub first: String,
    /// The last record.
    pub last: String,
    /// Requests, and those that were refused.
    pub requests: u64,
    /// Refused ones.
    pub refused: u64,
    /// Tokens in and out.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Money.
    pub cost_usd: f64,
    /// Addresses, the most used first, and how many there are.
    pub source_ips: Vec<String>,
    /// How many addresses there are.
    pub addresses: usize,
    /// Clients, the most used first.
    pub user_agents: Vec<String>,
    /// Models, the dearest first.
    pub models: Vec<String>,
    /// What speaks against it, in nats.
    pub score: Option<f64>,
}

/// What was done when.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timeline {
    /// What matters most, in order of time.
    pub moments: Vec<Moment>,
    /// Sums by phase, in the order of phases.
    pub phases: Vec<PhaseSum>,
    /// Stretches of like requests, in order of time.
    pub episodes: Vec<Episode>,
    /// Stretches that are not listed.
    pub unlisted: usize,
}

/// A moment that matters.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// When.
    pub at: String,
    /// What.
    pub what: String,
    /// Where it is from: an input and a line, a detector, an operator.
    pub source: String,
    /// The SHA-256 of what was read there, of records.
    pub line_sha256: String,
    /// `attacker`, `detection`, `response`, `leak`, `control`.
    pub kind: &'static str,
}

/// All of one phase.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseSum {
    /// The phase.
    pub phase: Phase,
    /// Its name in words.
    pub label: &'static str,
    /// Requests.
    pub requests: u64,
    /// From when to when.
    pub first: String,
    /// The last.
    pub last: String,
    /// Money.
    pub cost_usd: f64,
}

/// Like requests that followed each other.
#[derive(Clone, Debug, Serialize)]
pub struct Episode {
    /// From when to when.
    pub first: String,
    /// The last.
    pub last: String,
    /// What they were for.
    pub phase: Phase,
    /// What was done.
    pub action: String,
    /// How sure that is, from 0 to 1: that it was the attacker, times that it was for this.
    pub confidence: f64,
    /// Requests, and those that were refused.
    pub requests: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Tokens in and out.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Money.
    pub cost_usd: f64,
    /// Model and endpoint; empty where there were several.
    pub model: String,
    /// The endpoint.
    pub endpoint: String,
    /// Where the first came from.
    pub source_ip: String,
    /// Where the record of the first stood, and the SHA-256 of its row in `requests.jsonl`.
    pub source: String,
    /// The SHA-256 of its row.
    pub row_sha256: String,
    /// The SHA-256 of what was read there.
    pub line_sha256: String,
}

/// What it cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Money {
    /// What the attacker took: at least, most likely, at most.
    pub attacker_usd: [f64; 3],
    /// What the interval is made of.
    pub interval: Vec<String>,
    /// Requests and tokens of his.
    pub requests: u64,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// By model, the dearest first.
    pub by_model: Vec<Share>,
    /// By day in UTC.
    pub by_day: Vec<Share>,
    /// By day and model.
    pub by_day_and_model: Vec<DayModel>,
    /// The work of those who clear it up.
    pub response_hours: f64,
    /// What an hour of it costs.
    pub rate_usd: f64,
    /// What both come to.
    pub total_usd: f64,
    /// What the owner's own use cost in the same time.
    pub owner_usd: f64,
}

/// A part of the money.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    /// Of what.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Tokens in and out.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Money.
    pub cost_usd: f64,
}

/// A part of a day's money.
#[derive(Clone, Debug, Serialize)]
pub struct DayModel {
    /// The day in UTC.
    pub day: String,
    /// The model.
    pub model: String,
    /// Requests.
    pub requests: u64,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Money.
    pub cost_usd: f64,
}

/// By what the attacker is known.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Indicators {
    /// Addresses, networks and clients.
    pub list: Vec<Indicator>,
    /// How he asks: endpoints, models, sizes, failures.
    pub requests: Vec<String>,
    /// When he asks.
    pub timing: Vec<String>,
}

/// Something that he is known by.
#[derive(Clone, Debug, Serialize)]
pub struct Indicator {
    /// `address`, `network` or `client`.
    pub kind: &'static str,
    /// The value: `203.0.113.7`, `AS64500`, a client's name.
    pub value: String,
    /// What a table of networks says of it.
    pub about: String,
    /// From when to when.
    pub first: String,
    /// The last.
    pub last: String,
    /// Requests.
    pub requests: u64,
    /// Money.
    pub cost_usd: f64,
    /// Whether others come from there, too: to be looked for, not to be blocked.
    pub is_shared: bool,
    /// Why it is shared.
    pub shared_because: String,
}

/// Something that told of it, or would have.
#[derive(Clone, Debug, Serialize)]
pub struct Signal {
    /// What.
    pub signal: String,
    /// Whether it was told with these settings.
    pub is_told: bool,
    /// When; none where it never was.
    pub at: Option<String>,
    /// After the attacker's first act, in seconds; below nought for what came before, which is no sign of him.
    pub after_seconds: Option<f64>,
    /// What he had taken by then.
    pub lost_usd: f64,
    /// What a revocation then would have saved.
    pub saved_usd: f64,
}

/// Money by time, for charts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Spending {
    /// The first bin begins here.
    pub from: String,
    /// Seconds of a bin.
    pub bin_seconds: i64,
    /// Dollars of the owner, of the attacker, and of those of whom it is not sure.
    pub owner: Vec<f64>,
    /// Dollars of the attacker.
    pub attacker: Vec<f64>,
    /// Dollars of those of whom it is not sure.
    pub unsure: Vec<f64>,
}
