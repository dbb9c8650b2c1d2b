//! A difference as a line of JSON, and all of them as a few lines for people.

use super::compare::{Comparison, Face, Look, Relation, Side, Subject};
use crate::encode::{View, Visible, write_line};
use crate::shard::Event;
use serde::Serialize;
use std::cmp::Reverse;
use std::fmt::Write;

/// Differences that the summary names.
const NAMED_MAX: usize = 20;

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    difference: &'static str,
    differs_in: &'a [&'static str],
    event: &'a str,
    id: &'a str,
    rule: &'a str,
    api_key_prefix: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_key_alias: &'a str,
    key_id: &'a str,
    timestamp: String,
    updated_at: String,
    here: Option<FaceLine<'a>>,
    there: Option<FaceLine<'a>>,
    description: &'a str,
}

#[derive(Serialize)]
struct FaceLine<'a> {
    revision: u32,
    status: &'a str,
    class: &'a str,
    severity: &'static str,
}

impl<'a> From<&'a Face> for FaceLine<'a> {
    fn from(face: &'a Face) -> Self {
        let Face { revision, status, class, severity, .. } = face;
        Self { revision: *revision, status, class, severity: severity.label() }
    }
}

/// Appends how both stand to an alert or incident now; `event` is what was told of it last.
pub(super) fn write(id: &str, subject: &Subject, look: &Look, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let [here, there] = subject.faces.each_ref().map(|face| face.as_ref().map(FaceLine::from));
    let line = Line {
        schema: "keyhound.shadow.v1",
        difference: look.relation.label(),
        differs_in: &look.fields,
        event: &subject.event,
        id,
        rule: &subject.rule,
        api_key_prefix: &subject.key_hint,
        api_key_alias: &subject.key_alias,
        key_id: &subject.key_id,
        timestamp: subject.first.to_string(),
        updated_at: view.updated.to_string(),
        here,
        there,
        description: view.description,
    };
    write_line(&line, out);
}

/// What came of it, for people: numbers, and the weightiest differences. `name` is the shadow's.
pub(super) fn summary(name: &str, comparison: &Comparison) -> String {
    let tally = comparison.tally();
    let of = |relation: Relation| tally.relations[relation as usize];
    let [here, there] = Side::ALL.map(|side| tally.told[side as usize].iter().sum::<u64>());
    let mut text = format!(
        "shadow {}: {here} told here, {there} there: {} the same, {} only here, {} only there, {} different\n",
        Visible(name),
        of(Relation::Same),
        of(Relation::OnlyHere),
        of(Relation::OnlyThere),
        of(Relation::Differs),
    );
    let mut all: Vec<(&Subject, Look)> = comparison.differences().collect();
    let weight = |subject: &Subject| {
        let severity = subject.faces.iter().flatten().map(|face| face.severity).max();
        (&*subject.event == "incident", severity)
    };
    all.sort_by_key(|(subject, _)| Reverse(weight(subject)));
    for (subject, look) in all.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "  {}", one(subject, look));
    }
    let others = all.len().saturating_sub(NAMED_MAX) as u64 + tally.forgotten;
    if others > 0 {
        let _ = writeln!(text, "  and {others} more (--shadow-out has them all)");
    }
    text
}

/// `only there  high volume_spike ...3f9c (billing) since 2026-06-01T09:00:00Z`
fn one(subject: &Subject, look: &Look) -> String {
    let alias = match &*subject.key_alias {
        "" => String::new(),
        alias => format!(" ({})", Visible(alias)),
    };
    let about = format!("{} {}{alias} since {}", subject.rule, Visible(&subject.key_hint), subject.first);
    let [here, there] = subject.faces.each_ref().map(Option::as_ref);
    let label = look.relation.label().replace('_', " ");
    match (here, there) {
        (Some(here), Some(there)) => {
            let apart = look.fields.iter().map(|field| match *field {
                "severity" => format!("{} here, {} there", here.severity.label(), there.severity.label()),
                "class" => format!("{} here, {} there", here.class, there.class),
                "status" => format!("{} here, {} there", here.status, there.status),
                _ => format!("{} revisions here, {} there", here.revision + 1, there.revision + 1),
            });
            format!("{label:<10}  {about}: {}", apart.collect::<Vec<_>>().join("; "))
        }
        (Some(face), None) | (None, Some(face)) => {
            format!("{label:<10}  {} {about}", face.severity.label())
        }
        (None, None) => String::new(),
    }
}
