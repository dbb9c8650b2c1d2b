//! The beginning of a review after an incident: what is known is filled in, what only people know is asked.

use super::facts::requests;
use super::{Facts, Guide, List, row};
use crate::backtest::{dollars, duration, escaped};
use crate::incident::meaning;
use crate::time::{SECOND, Stamp, parse};
use std::fmt::Write;

/// Alerts that are named as earlier signals.
const SIGNALS_MAX: usize = 10;

/// Questions that only people can answer.
const QUESTIONS: &[&str] = &[
    "Where was the key kept, and who and what could read it there?",
    "How did it get out, and since when was it readable? (`keyhound trace-leak`)",
    "Why could it be there: what in how keys are made, handed out and replaced allowed it?",
    "Had the key more rights, or a higher limit, than its users need?",
    "Which signal was there first, and who would have had to see it? Which threshold would have told it earlier, and at how many false ones? (`keyhound backtest`)",
    "Was the order of the response right? What stood still, and for how long?",
    "What of other people's was read or changed, and who was told?",
];

/// What makes the next one smaller.
const HARDENING: &[&str] = &[
    "keys with the least rights, one for each service and environment",
    "a limit of spending on each key, and alerts on spending",
    "addresses allowed by list, where the provider can",
    "short-lived tokens instead of keys, where the provider can",
    "secrets in one store, not in environments and files; none in backups",
    "a scan before each commit and on each push, that blocks",
    "a rotation that is routine, each quarter at least, and was tried",
    "a canary key beside the real ones (`canary = true`)",
    "the thief's addresses and clients on a watch list (`watch_list.files`)",
];

/// A few sentences for a channel of the team, without anything that helps a thief: no address, no key but what may be
/// shown of it, nothing of how it was told.
pub fn summary(guide: &Guide, facts: &Facts, list: &List) -> String {
    let done = |id: &str| {
        let number = guide.number(id)?;
        list.0.iter().find(|step| step.number == number)?.done.as_ref().map(|done| done.at)
    };
    let name = if facts.api_key_alias.is_empty() { &facts.api_key_prefix } else { &facts.api_key_alias };
    let name =
        if name.is_empty() { "One of our keys".to_owned() } else { format!("The key {}", escaped(name)) };
    let mut text = format!("{name} was used by somebody else");
    if !facts.timestamp.is_empty() {
        let _ = write!(text, " from {} on", facts.timestamp);
    }
    let _ = match done("revoke") {
        Some(at) => write!(text, ". The old key is dead since {at}"),
        None => write!(text, ". The old key is NOT dead yet"),
    };
    let _ = match done("move") {
        Some(at) => write!(text, "; its services have the new one since {at}"),
        None => write!(text, "; services are being moved to a new one: if yours fails with 401, it is this"),
    };
    if !facts.incident_id.is_empty() {
        let _ = write!(text, ". It cost about ${}", dollars(facts.cost_usd));
    }
    let open = list.0.iter().filter(|step| step.done.is_none()).count();
    let _ = writeln!(text, ". {} of {} steps are done.", list.0.len() - open, list.0.len());
    text.push_str(if done("others").is_some() {
        "Other secrets of the same place have been replaced; nothing else has to be.\n"
    } else {
        "Please replace nothing else on your own: which other secrets are concerned is being looked at.\n"
    });
    text
}

/// A review of what a list says, with what a run told of the same key.
pub fn review<'a>(
    guide: &Guide,
    facts: &Facts,
    list: &List,
    events: impl Iterator<Item = &'a [u8]>,
) -> String {
    let key = if facts.api_key_prefix.is_empty() { "a key" } else { &facts.api_key_prefix };
    let mut text = format!("# Review: {}\n\n| | |\n|---|---|\n", escaped(key));
    row(&mut text, "incident", &facts.incident_id);
    row(&mut text, "key", &facts.key());
    row(&mut text, "first act of the thief", &facts.timestamp);
    row(&mut text, "told", &facts.detected_at);
    let step = |id: &str| {
        let number = guide.number(id)?;
        list.0.iter().find(|step| step.number == number)?.done.as_ref().map(|done| done.at)
    };
    let (first, told, revoked) = (stamp(&facts.timestamp), stamp(&facts.detected_at), step("revoke"));
    row(&mut text, "revoked", &revoked.map_or_else(|| "not ticked".to_owned(), |at| at.to_string()));
    row(&mut text, "from the first act until it was told", &between(first, told));
    row(&mut text, "from then until the key was dead", &between(told, revoked));
    row(&mut text, "dwell time in all", &between(first, revoked));
    row(
        &mut text,
        "cost",
        &format!("${} in {}, as far as it was told", dollars(facts.cost_usd), requests(facts.requests)),
    );
    text.push_str("\n## What told it\n\n");
    for term in &facts.terms {
        let _ = writeln!(text, "- {}: {}", escaped(term), meaning(term));
    }
    if facts.terms.is_empty() {
        text.push_str("- [ ] Which signal made somebody look?\n");
    }
    write_signals(facts, (first, told), events, &mut text);
    text.push_str("\n## What was done, and when\n\n");
    for (step, done) in list.timeline() {
        let by = if done.by.is_empty() { String::new() } else { format!(" ({})", escaped(&done.by)) };
        let note = if done.note.is_empty() { String::new() } else { format!(": {}", escaped(&done.note)) };
        let _ = writeln!(text, "- {}: step {}{by}{note}. {}", done.at, step.number, step.text);
    }
    let open = list.0.iter().filter(|step| step.done.is_none()).count();
    let _ = writeln!(text, "- {open} steps are not ticked");
    text.push_str("\n## Questions\n\n");
    for question in QUESTIONS {
        let _ = writeln!(text, "- [ ] {question}");
    }
    text.push_str("\n## So that the next one is smaller\n\n");
    for what in HARDENING {
        let _ = writeln!(text, "- [ ] {what}");
    }
    text
}

/// Alerts on the same key between the thief's first act and when he was told: earlier signals that nobody was called for.
fn write_signals<'a>(
    facts: &Facts,
    (first, told): (Option<Stamp>, Option<Stamp>),
    events: impl Iterator<Item = &'a [u8]>,
    text: &mut String,
) {
    text.push_str("\n## Signals before\n\n");
    let (mut count, mut shown) = (0, 0);
    for line in events {
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        let field = |name: &str| event[name].as_str().unwrap_or_default();
        let at = stamp(field("detected_at"));
        let is_one = field("event") == "alert"
            && event["revision"] == 0
            && !facts.key_id.is_empty()
            && field("key_id") == facts.key_id
            && at.is_some_and(|at| {
                first.is_some_and(|first| at.at >= first.at) && told.is_none_or(|told| at.at < told.at)
            });
        if is_one {
            count += 1;
            if shown < SIGNALS_MAX {
                shown += 1;
                let (at, kind) = (field("detected_at"), field("alert_type"));
                let _ =
                    writeln!(text, "- {}: {}: {}", escaped(at), escaped(kind), escaped(field("description")));
            }
        }
    }
    if count == 0 {
        text.push_str("- none that a detector of keyhound told before\n");
    } else if count > shown {
        let _ = writeln!(text, "- and {} more", count - shown);
    }
}

fn stamp(text: &str) -> Option<Stamp> {
    parse(text.as_bytes()).ok()
}

#[allow(clippy::cast_precision_loss, reason = "seconds between two acts")]
fn between(from: Option<Stamp>, to: Option<Stamp>) -> String {
    match (from, to) {
        (Some(from), Some(to)) if to.at >= from.at => duration((to.at.0 - from.at.0) as f64 / SECOND as f64),
        _ => String::new(),
    }
}
