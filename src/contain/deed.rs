//! One step of containment, as it stands in the journal and as it is told.

use super::action::Standing;
use crate::detect::{Class, Severity};
use crate::incident::Incident;
use crate::key::KeyId;
use crate::time::{Stamp, Timestamp, parse};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What an event is called in `schema` and `event`.
const SCHEMA: &str = "keyhound.event.v1";
const EVENT: &str = "containment";

/// What is needed of an incident.
#[derive(Clone, PartialEq, Debug)]
pub struct About {
    /// Its id.
    pub incident: String,
    /// The key, and what may be shown of it.
    pub key: KeyId,
    /// What may be shown of it.
    pub hint: Arc<str>,
    /// Its owner's name for it; empty where there is none.
    pub alias: Arc<str>,
    /// What it is evidence of.
    pub class: Class,
    /// How bad.
    pub severity: Severity,
    /// How much evidence there is, in nats.
    pub score: f64,
    /// Its last record.
    pub at: Timestamp,
}

impl From<&Incident> for About {
    fn from(incident: &Incident) -> Self {
        Self {
            incident: incident.id.clone(),
            key: incident.key,
            hint: Arc::clone(&incident.key_hint),
            alias: Arc::clone(&incident.key_alias),
            class: incident.class,
            severity: incident.severity,
            score: incident.score,
            at: incident.updated_at.at,
        }
    }
}

macro_rules! labelled {
    ($(#[$doc:meta])* $kind:ident, $($(#[$each:meta])* $name:ident $label:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $kind { $($(#[$each])* $name,)* }

        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in events.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            fn named(label: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.label() == label)
            }
        }
    };
}

labelled! {
    /// How far it has come: the `status` of an event.
    Step,
    /// An incident may call for it; of this nobody is told.
    Noticed "noticed",
    /// It is about to be done.
    Intended "intended",
    /// It would have been done.
    Would "dry_run",
    /// It was done.
    Done "done",
    /// There was nothing to do.
    Already "already",
    /// It could not be done.
    Failed "failed",
    /// It was not to be done.
    Refused "refused",
    /// It was about to be done when keyhound ended, was not done, and is too old by now.
    Lapsed "lapsed",
    /// It is about to be undone.
    UndoIntended "undo_intended",
    /// It was undone.
    Undone "undone",
    /// It could not be undone.
    UndoFailed "undo_failed",
}

labelled! {
    /// Why something was not to be done.
    Reason,
    /// Its last record is too old.
    Stale "stale",
    /// The key is protected.
    Protected "protected",
    /// Enough has been done within 24 hours.
    Budget "budget",
    /// Nobody knows what the provider calls the key.
    UnknownKey "unknown_key",
}

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub struct Deed {
    /// The same for all steps of a rule for an incident.
    pub id: String,
    /// Counts them up from 0.
    pub revision: u32,
    /// How far it has come.
    pub step: Step,
    /// Why it was not to be done.
    pub refusal: Option<Reason>,
    /// The rule; empty where it is of none.
    pub rule: String,
    /// Its action.
    pub action: String,
    /// Whether it is only told what would be done.
    pub is_dry: bool,
    /// The incident.
    pub about: About,
    /// When.
    pub at: Timestamp,
    /// One sentence.
    pub description: String,
    /// What the provider calls the key; empty as long as that is not known.
    pub provider_key: String,
    /// How the key stood before.
    pub before: Option<Standing>,
    /// The limit that is set, in dollars.
    pub limit: Option<f64>,
    /// What the provider answered.
    pub answer: Option<u16>,
    /// What time it was there, as it says.
    pub answered_at: Option<Timestamp>,
    /// Whether the key works no more by this.
    pub is_revocation: bool,
}

/// The id of all steps of a rule for an incident.
pub fn deed_id(incident: &str, rule: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("keyhound 2026-11-30 containment id");
    hasher.update(incident.as_bytes()).update(&[0]).update(rule.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

impl Deed {
    /// A first step, of a rule and its action.
    pub fn new(
        about: &About,
        (rule, action): (&str, &str),
        step: Step,
        at: Timestamp,
        description: String,
    ) -> Self {
        Self {
            id: deed_id(&about.incident, rule),
            revision: 0,
            step,
            refusal: None,
            rule: rule.to_owned(),
            action: action.to_owned(),
            is_dry: false,
            about: about.clone(),
            at,
            description,
            provider_key: String::new(),
            before: None,
            limit: None,
            answer: None,
            answered_at: None,
            is_revocation: false,
        }
    }

    /// How bad it is that it came to this.
    pub const fn severity(&self) -> Severity {
        match self.step {
            Step::Done | Step::Failed | Step::Lapsed | Step::UndoFailed => Severity::High,
            Step::Refused | Step::Would | Step::Already | Step::Undone => Severity::Medium,
            Step::Noticed | Step::Intended | Step::UndoIntended => Severity::Low,
        }
    }

    /// Whether nothing more is expected of it.
    pub const fn is_over(&self) -> bool {
        !matches!(self.step, Step::Noticed | Step::Intended | Step::UndoIntended)
    }

    /// What to do.
    pub const fn next_steps(&self) -> &'static [&'static str] {
        match self.step {
            Step::Done => &[
                "Revoke or rotate the key with its provider; what was done here holds only until somebody undoes it.",
                "If it was the owner after all: keyhound contain undo, and keyhound dismiss.",
            ],
            Step::Failed | Step::Lapsed | Step::Refused => {
                &["Nothing was done: revoke the key by hand now (keyhound respond)."]
            }
            _ => &[],
        }
    }

    /// As one line of a journal, with its line break.
    pub fn line(&self) -> Vec<u8> {
        Self::written(&Row { timestamp: String::new(), ..Row::from(self) })
    }

    /// As an event in JSON, with its line break.
    pub fn event(&self) -> Vec<u8> {
        Self::written(&Row::from(self))
    }

    fn written(row: &Row) -> Vec<u8> {
        let mut line = serde_json::to_vec(row).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// What a line of a journal says, if it is one.
    pub fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Row>(line).ok()?.deed()
    }
}

/// A step as it is written. Where the key works no more by it, it is a statement that it was revoked, too: whoever reads
/// records takes it for that.
#[derive(Serialize, Deserialize)]
struct Row {
    schema: String,
    event: String,
    id: String,
    incident_id: String,
    revision: u32,
    status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    refusal: String,
    rule: String,
    action: String,
    dry_run: bool,
    class: String,
    severity: String,
    /// That of the incident.
    incident_severity: String,
    score: f64,
    description: String,
    at: String,
    /// The same, for receivers of events. In a journal it would make a record of use of what is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    timestamp: String,
    detected_at: String,
    api_key_prefix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    api_key_alias: String,
    key_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    provider_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Before>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answered_at: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    statement: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Before {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    off: Option<bool>,
    /// Whether it was told what the limit was; it may have been none.
    limited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_usd: Option<f64>,
}

fn written(at: Timestamp) -> String {
    Stamp::utc(at).to_string()
}

impl From<&Deed> for Row {
    fn from(deed: &Deed) -> Self {
        let Deed { about, .. } = deed;
        let of_revocation = |text: String| if deed.is_revocation { text } else { String::new() };
        Self {
            schema: SCHEMA.to_owned(),
            event: EVENT.to_owned(),
            id: deed.id.clone(),
            incident_id: about.incident.clone(),
            revision: deed.revision,
            status: deed.step.label().to_owned(),
            refusal: deed.refusal.map_or_else(String::new, |reason| reason.label().to_owned()),
            rule: deed.rule.clone(),
            action: deed.action.clone(),
            dry_run: deed.is_dry,
            class: about.class.label().to_owned(),
            severity: deed.severity().label().to_owned(),
            incident_severity: about.severity.label().to_owned(),
            score: (about.score * 1000.0).round() / 1000.0,
            description: deed.description.clone(),
            at: written(deed.at),
            timestamp: written(deed.at),
            detected_at: written(about.at),
            api_key_prefix: about.hint.to_string(),
            api_key_alias: about.alias.to_string(),
            key_id: about.key.to_string(),
            provider_key: deed.provider_key.clone(),
            before: deed.before.as_ref().map(|before| Before {
                name: before.name.clone(),
                off: before.is_off,
                limited: before.limit.is_some(),
                limit_usd: before.limit.flatten(),
            }),
            limit_usd: deed.limit,
            answer_status: deed.answer,
            answered_at: deed.answered_at.map(written),
            statement: of_revocation("revoke".to_owned()),
            reason: of_revocation(format!("contained by rule {} ({})", deed.rule, deed.action)),
        }
    }
}

impl Row {
    fn deed(self) -> Option<Deed> {
        let time = |text: &str| parse(text.as_bytes()).ok().map(|stamp| stamp.at);
        if self.schema != SCHEMA || self.event != EVENT {
            return None;
        }
        let about = About {
            incident: self.incident_id,
            key: KeyId::parse(self.key_id.as_bytes())?,
            hint: self.api_key_prefix.into(),
            alias: self.api_key_alias.into(),
            class: Class::ALL.into_iter().find(|class| class.label() == self.class)?,
            severity: Severity::ALL.into_iter().find(|one| one.label() == self.incident_severity)?,
            score: self.score,
            at: time(&self.detected_at)?,
        };
        Some(Deed {
            id: self.id,
            revision: self.revision,
            step: Step::named(&self.status)?,
            refusal: if self.refusal.is_empty() { None } else { Some(Reason::named(&self.refusal)?) },
            rule: self.rule,
            action: self.action,
            is_dry: self.dry_run,
            about,
            at: time(&self.at)?,
            description: self.description,
            provider_key: self.provider_key,
            before: self.before.map(|before| Standing {
                name: before.name,
                is_off: before.off,
                limit: before.limited.then_some(before.limit_usd),
            }),
            limit: self.limit_usd,
            answer: self.answer_status,
            answered_at: self.answered_at.as_deref().and_then(time),
            is_revocation: !self.statement.is_empty(),
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::time::SECOND;

    pub fn about(incident: &str) -> About {
        About {
            incident: incident.to_owned(),
            key: KeyId([7; 16]),
            hint: "...3f9c".into(),
            alias: "anna-dev".into(),
            class: Class::Compromise,
            severity: Severity::Critical,
            score: 14.25,
            at: Timestamp(1_782_867_604 * SECOND),
        }
    }

    #[test]
    fn a_line_says_what_a_step_was() {
        let at = Timestamp(1_782_867_610 * SECOND);
        for step in Step::ALL {
            let mut deed =
                Deed::new(&about("0123"), ("block", "litellm_block"), *step, at, "a\nb".to_owned());
            assert_eq!(Deed::parse(&deed.line()).as_ref(), Some(&deed));
            deed.refusal = Some(Reason::Budget);
            deed.before = Some(Standing { name: "n".to_owned(), is_off: Some(false), limit: Some(None) });
            (deed.limit, deed.answer, deed.answered_at) = (Some(5.0), Some(200), Some(at));
            (deed.is_dry, deed.is_revocation, deed.revision) = (true, true, 3);
            let line = deed.line();
            assert_eq!(Deed::parse(&line).as_ref(), Some(&deed));
            assert_eq!(Deed::parse(&deed.event()).as_ref(), Some(&deed));
            assert_eq!(memchr::memchr(b'\n', &line), Some(line.len() - 1));
        }
        for text in ["", "{}", "{\"schema\":\"keyhound.event.v1\",\"event\":\"alert\"}", "[1]"] {
            assert_eq!(Deed::parse(text.as_bytes()), None);
        }
    }

    #[test]
    fn rules_and_incidents_have_ids_of_their_own() {
        assert_ne!(deed_id("a", "b"), deed_id("ab", ""));
        assert_eq!(deed_id("a", "b").len(), 32);
    }
}
