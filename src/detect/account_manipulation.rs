//! `account_manipulation`: somebody made a key, had one shown, raised or removed a limit, or got a right. Most of that is
//! daily work; beside a theft it is how a thief stays.

use super::rule::{Settings, bind, defaults, extent, from_whom, witnesses};
use super::{CHECK_CHANGE, Class, Detector, Explanation, Fact, Finding, KeyView, Rule, Severity};
use crate::record::Action;
use crate::signal::Signals;
use crate::window::Tally;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "account_manipulation",
    summary: "an audit log tells that a key was made or shown, a limit raised or removed, or a right granted",
    version: 1,
    class: Class::Exposure,
    pages: false,
    needs: Signals::NONE,
    attack: &["T1098.001", "T1098.003"],
    atlas: &["AML.T0012"],
    next_steps: CHECK_CHANGE,
    load: bind::<AccountManipulation>,
    defaults: defaults::<AccountManipulation>,
};

const ACTIONS: &[(Action, Severity)] = &[
    (Action::KeyCreated, Severity::Low),
    (Action::KeyRead, Severity::Medium),
    (Action::LimitRaised, Severity::Low),
    (Action::LimitRemoved, Severity::Medium),
    (Action::AccessGranted, Severity::Low),
];

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AccountManipulation {}

impl Settings for AccountManipulation {}

impl Rule for AccountManipulation {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        test(view, ACTIONS)
    }

    fn needs_sightings(&self) -> bool {
        true
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        explain(view, ACTIONS)
    }
}

/// Those of a day's acts that are among these.
fn acts<'a>(
    view: &'a KeyView<'_>,
    among: &'a [(Action, Severity)],
) -> impl Iterator<Item = (Action, Severity, &'a Tally)> {
    let acts = view.day.sightings.as_ref().map_or(&[][..], |sightings| &sightings.acts[..]);
    acts.iter().filter_map(move |(action, tally)| {
        let (_, severity) = among.iter().find(|(known, _)| known == action)?;
        Some((*action, *severity, tally))
    })
}

/// Whether any of these was done.
pub(super) fn test(view: &KeyView<'_>, among: &[(Action, Severity)]) -> Option<Finding> {
    view.day.sightings.as_ref()?;
    let severity = acts(view, among).map(|(_, severity, _)| severity).max()?;
    let count = acts(view, among).map(|(.., tally)| tally.count()).sum();
    // Another kind of deed is news, however few there are.
    let kinds = acts(view, among).skip(1).fold(1.0, |kinds, _| kinds * 3.0);
    Some(Finding { severity, extent: extent(count) * kinds })
}

/// Which of these was done, by whom.
pub(super) fn explain(view: &KeyView<'_>, among: &[(Action, Severity)]) -> Explanation {
    let time = |tally: &Tally| tally.first().map(|(time, _)| time);
    let Some((_, _, first)) = acts(view, among).min_by_key(|(.., tally)| time(tally)) else {
        return Explanation::none(view);
    };
    let counted = acts(view, among).map(|(action, _, tally)| match tally.count() {
        1 => action.words().to_owned(),
        count => format!("{} ({count} times)", action.words()),
    });
    let description = format!("{}{}", counted.collect::<Vec<_>>().join(", "), from_whom(first));
    let names = acts(view, among).map(|(action, ..)| action.label().to_owned()).collect();
    let mut evidence = vec![("actions", Fact::Texts(names))];
    evidence.extend(witnesses(first));
    Explanation { timestamp: time(first).unwrap_or_else(|| view.day.first()), description, evidence }
}
