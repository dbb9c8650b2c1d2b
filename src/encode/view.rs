//! One look at what is told, alert, incident or containment: what every encoding but our own is made from.

use super::techniques::{self, Catalogue, Technique};
use super::visible::Visible;
use crate::contain::Deed;
use crate::detect::{self, Class, Fact, Severity, Status};
use crate::incident::{Incident, Phase, Term};
use crate::shard::Event;
use crate::time::{Stamp, Timestamp};
use std::net::IpAddr;

/// What is told, alert or incident.
pub struct View<'a> {
    /// `alert`, `incident` or `containment`.
    pub event: &'static str,
    /// The same for all revisions.
    pub id: String,
    /// Counts up from 0.
    pub revision: u32,
    /// Where it is in its life, in our words.
    pub status: &'static str,
    /// Nothing more is expected of it.
    pub is_over: bool,
    /// It was none after all.
    pub is_taken_back: bool,
    /// The detector, or `incident`.
    pub rule: &'static str,
    /// What it is evidence of.
    pub class: Class,
    /// How bad.
    pub severity: Severity,
    /// A few words that are the same for all of its kind.
    pub title: &'static str,
    /// One sentence.
    pub description: &'a str,
    /// Why an operator has said what it is.
    pub reason: &'a str,
    /// The first record.
    pub first: Stamp,
    /// The record that made it true.
    pub detected: Stamp,
    /// The record that made it what it is now.
    pub updated: Stamp,
    /// What may be shown of the key.
    pub key_hint: &'a str,
    /// Its owner's name for it.
    pub key_alias: &'a str,
    /// Its fingerprint.
    pub key_id: String,
    /// Requests so far.
    pub requests: Option<u64>,
    /// Dollars so far.
    pub cost_usd: f64,
    /// Nats, and how many were enough.
    pub score: Option<(f64, f64)>,
    /// What speaks for and against it.
    pub ledger: &'a [Term],
    /// The numbers behind it.
    pub evidence: &'a [(&'static str, Fact)],
    /// Where it came from, as the log says it.
    pub source_ips: Vec<&'a str>,
    /// Requests that were not told before.
    pub request_ids: &'a [Box<str>],
    /// Models that are new to the key.
    pub models: Vec<&'a str>,
    /// The same for all keys that one stranger uses; empty where it is no incident.
    pub theft: &'a str,
    /// Whether he is known to come to other keys, too.
    pub is_shared: bool,
    /// ATT&CK and ATLAS.
    pub techniques: Vec<&'static Technique>,
    /// What to do.
    pub next_steps: &'static [&'static str],
}

/// Facts that are addresses, and facts that are models.
const ADDRESSES: [&str; 2] = ["unknown_ips", "source_ips"];
const MODELS: [&str; 1] = ["model"];
/// Terms of a ledger by what they are evidence of.
const PROBING: [&str; 5] = ["probe", "checks_only", "list", "probing", "refused_key"];
const SPENDING: [&str; 4] = ["dear", "dearer", "money", "volume"];

impl<'a> View<'a> {
    /// A look at `event`; none at what nobody is told.
    pub fn of(event: &'a Event) -> Option<Self> {
        match event {
            Event::Alert(alert) => Some(Self::of_alert(alert)),
            Event::Incident(incident) => Some(Self::of_incident(incident)),
            Event::Containment(deed) => Some(Self::of_deed(deed)),
            Event::Use(_) => None,
        }
    }

    fn of_alert(alert: &'a detect::Alert) -> Self {
        let named = |names: &[&str]| {
            let texts = alert.evidence.iter().filter(|(name, _)| names.contains(name));
            let texts = texts.filter_map(|(_, fact)| match fact {
                Fact::Texts(texts) => Some(texts.as_slice()),
                Fact::Text(text) => Some(std::slice::from_ref(text)),
                _ => None,
            });
            texts.flatten().map(String::as_str).collect()
        };
        Self {
            event: "alert",
            id: alert.id.to_string(),
            revision: alert.revision,
            status: alert.status.label(),
            is_over: alert.status != Status::Open,
            is_taken_back: alert.status == Status::Withdrawn,
            rule: alert.alert_type,
            class: alert.class,
            severity: alert.severity,
            title: detect::summary(alert.alert_type).unwrap_or(alert.alert_type),
            description: &alert.description,
            reason: "",
            first: alert.timestamp,
            detected: alert.detected_at,
            updated: alert.updated_at,
            key_hint: &alert.key_hint,
            key_alias: &alert.key_alias,
            key_id: alert.key.to_string(),
            requests: alert.requests,
            cost_usd: alert.cost.usd(),
            score: None,
            ledger: &[],
            evidence: &alert.evidence,
            source_ips: named(&ADDRESSES),
            request_ids: &[],
            models: named(&MODELS),
            theft: "",
            is_shared: false,
            techniques: techniques::named(alert.attack.iter().chain(alert.atlas).copied()),
            next_steps: alert.next_steps,
        }
    }

    fn of_incident(incident: &'a Incident) -> Self {
        Self {
            event: "incident",
            id: incident.id.clone(),
            revision: incident.revision,
            status: incident.phase.label(),
            is_over: matches!(incident.phase, Phase::Resolved | Phase::Dismissed),
            is_taken_back: incident.phase == Phase::Dismissed,
            rule: "incident",
            class: incident.class,
            severity: incident.severity,
            title: title(incident.class),
            description: &incident.description,
            reason: &incident.reason,
            first: incident.timestamp,
            detected: incident.detected_at,
            updated: incident.updated_at,
            key_hint: &incident.key_hint,
            key_alias: &incident.key_alias,
            key_id: incident.key.to_string(),
            requests: Some(incident.requests.into()),
            cost_usd: rounded(incident.cost_usd),
            score: Some((rounded(incident.score), rounded(incident.threshold))),
            ledger: &incident.ledger,
            evidence: &[],
            source_ips: incident.source_ips.iter().map(String::as_str).collect(),
            request_ids: &incident.request_ids,
            models: Vec::new(),
            theft: &incident.theft,
            is_shared: incident.is_shared,
            techniques: of_ledger(incident),
            next_steps: incident.next_steps,
        }
    }

    fn of_deed(deed: &'a Deed) -> Self {
        let at = Stamp::utc(deed.at);
        Self {
            event: "containment",
            id: deed.id.clone(),
            revision: deed.revision,
            status: deed.step.label(),
            is_over: deed.is_over(),
            is_taken_back: false,
            rule: "containment",
            class: deed.about.class,
            severity: deed.severity(),
            title: "something is done about an API key",
            description: &deed.description,
            reason: "",
            first: at,
            detected: at,
            updated: at,
            key_hint: &deed.about.hint,
            key_alias: &deed.about.alias,
            key_id: deed.about.key.to_string(),
            requests: None,
            cost_usd: 0.0,
            score: None,
            ledger: &[],
            evidence: &[],
            source_ips: Vec::new(),
            request_ids: &[],
            models: Vec::new(),
            theft: "",
            is_shared: false,
            techniques: Vec::new(),
            next_steps: deed.next_steps(),
        }
    }

    /// What no other event is called: its id and revision.
    pub fn name(&self) -> String {
        format!("{}.{}", self.id, self.revision)
    }

    /// What may be shown of the key, with its owner's name for it.
    pub fn key(&self) -> String {
        match self.key_alias {
            "" => self.key_hint.to_owned(),
            alias => format!("{} ({alias})", self.key_hint),
        }
    }

    /// The numbers of its techniques in one of the catalogues.
    pub fn ids(&self, catalogue: Catalogue) -> Vec<&'static str> {
        self.techniques.iter().filter(|one| one.catalogue() == catalogue).map(|one| one.id).collect()
    }

    /// Its addresses that are some.
    pub fn addresses(&self) -> impl Iterator<Item = (&'a str, IpAddr)> + use<'_, 'a> {
        self.source_ips.iter().filter_map(|text| Some((*text, text.parse().ok()?)))
    }
}

/// What an incident of this class is called.
const fn title(class: Class) -> &'static str {
    match class {
        Class::Compromise => "API key used by somebody else",
        Class::Operational => "API key used by something that should not run",
        Class::Exposure => "API key, right or limit given away",
        Class::Evasion => "protection of API keys taken away",
    }
}

/// An incident of one sign is that detector's; of others the terms say what was done.
fn of_ledger(incident: &Incident) -> Vec<&'static Technique> {
    let sign = incident
        .ledger
        .iter()
        .find_map(|term| detect::ALL.iter().find(|detector| detector.pages && detector.name == term.name));
    if let Some(sign) = sign {
        return techniques::named(sign.attack.iter().chain(sign.atlas).copied());
    }
    let speaks =
        |names: &[&str]| incident.ledger.iter().any(|term| term.nats > 0.0 && names.contains(&term.name));
    let mut ids = vec!["T1078.004", "AML.T0012"];
    if speaks(&PROBING) {
        ids.extend(["T1526", "AML.T0075"]);
    }
    if speaks(&SPENDING) {
        ids.extend(["T1496.004", "AML.T0034"]);
    }
    techniques::named(ids.into_iter())
}

/// To the thousandth.
pub(super) fn rounded(number: f64) -> f64 {
    // There is no negative nought.
    (number * 1000.0).round() / 1000.0 + 0.0
}

/// Milliseconds since 1970.
pub(super) const fn millis(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000_000)
}

/// One fact in a few words.
pub fn fact(fact: &Fact) -> String {
    match fact {
        Fact::Count(count) => count.to_string(),
        Fact::Number(number) => rounded(*number).to_string(),
        Fact::Usd(amount) => format!("${:.2}", amount.usd()),
        Fact::Text(text) => text.clone(),
        Fact::Texts(texts) => texts.join(", "),
        Fact::Counts(counts) => counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// A text in which nothing acts, its backslashes doubled first: `\n` in it is a line break, and `\\n` was a backslash.
pub(super) fn shown(text: &str) -> String {
    Visible(&text.replace('\\', "\\\\")).to_string()
}
