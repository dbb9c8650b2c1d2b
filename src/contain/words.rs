//! What is said of each step, in one sentence.

use super::caller::Fault;
use super::deed::{About, Reason};
use super::{Change, Provider};
use crate::config::{ContainPlan, RulePlan};
use crate::time::MINUTE;

fn key(about: &About) -> String {
    match &*about.alias {
        "" => about.hint.to_string(),
        alias => format!("{} ({alias})", about.hint),
    }
}

/// What is done, and where.
fn what(rule: &RulePlan) -> String {
    let to = match rule.action.change {
        Change::Limit => format!(" to ${:.2}", rule.limit),
        _ => String::new(),
    };
    format!("{}{to} at {}", rule.action.words, rule.shown())
}

/// It would have been done.
pub fn would(rule: &RulePlan, about: &About) -> String {
    format!("dry run: rule {} would {} for {}; nothing was changed", rule.name, what(rule), key(about))
}

/// It is about to be done.
pub fn intended(rule: &RulePlan, about: &About) -> String {
    format!("rule {} is about to {} for {}", rule.name, what(rule), key(about))
}

/// It was done.
pub fn done(rule: &RulePlan, about: &About, status: u16) -> String {
    format!("rule {} did {} for {}: answered {status}", rule.name, what(rule), key(about))
}

/// It was done before a restart.
pub fn found_done(rule: &RulePlan) -> String {
    format!(
        "rule {} was about to {} when keyhound ended or lost the answer: it was done",
        rule.name,
        what(rule)
    )
}

/// There was nothing to do.
pub fn already(rule: &RulePlan) -> String {
    format!("rule {} had nothing to do: whoever is to {} finds it done", rule.name, what(rule))
}

/// It was not done before a restart, and is too old by now.
pub fn lapsed(rule: &RulePlan) -> String {
    format!(
        "rule {} was about to {} when keyhound ended; it was not done, and the incident is too old by now",
        rule.name,
        what(rule)
    )
}

/// It could not be done.
pub fn failed(rule: &RulePlan, about: &About, fault: &Fault, tries: u32) -> String {
    let often = if tries > 1 { format!(" ({tries} attempts)") } else { String::new() };
    format!("rule {} could not {} for {}: {fault}{often}", rule.name, what(rule), key(about))
}

/// It was answered well, and is not done.
pub fn not_in_force(status: u16) -> String {
    format!("answered {status}, but the key stands as it did before")
}

/// It was not to be done.
pub fn refused(rule: &RulePlan, about: &About, reason: Reason, plan: &ContainPlan) -> String {
    let why = match reason {
        Reason::Stale => format!(
            "its last record is more than {} minutes old (`containment.recent_minutes`)",
            plan.recent / MINUTE
        ),
        Reason::Protected => "the key is protected (`containment.protect`)".to_owned(),
        Reason::Budget => {
            format!("enough was done within 24 hours: {} (`containment.actions_per_day_max`)", plan.per_day)
        }
        Reason::UnknownKey => unknown(rule.action.provider).to_owned(),
    };
    format!("rule {} did not {} for {}: {why}", rule.name, what(rule), key(about))
}

fn unknown(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi => {
            "nobody knows what the provider calls the key; the records do not name it, or not its project: say it in `[[containment.key]]`, or its `project`"
        }
        Provider::Anthropic => {
            "nobody knows what the provider calls the key; the records do not name it (`apikey_…`): say it in `[[containment.key]]`"
        }
        _ => {
            "none of the keys that the provider has is this one, by its fingerprint: say what it is called in `[[containment.key]]`"
        }
    }
}
