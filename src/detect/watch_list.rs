//! `watch_list`: an address, a network or a client that stands on a list of yours, such as those of an earlier incident or
//! of a feed of threats.

use super::rule::{Settings, bind, defaults, extent, from_whom, some, witnesses};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, REVOKE_FIRST, Rule, Severity};
use crate::signal::Signals;
use crate::window::Tally;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "watch_list",
    summary: "an address, network or client of the lists in `watch_list.files`, which are read again when they change",
    version: 1,
    class: Class::Compromise,
    pages: true,
    needs: Signals::NONE,
    attack: &["T1078.004"],
    atlas: &["AML.T0012"],
    next_steps: REVOKE_FIRST,
    load: bind::<WatchList>,
    defaults: defaults::<WatchList>,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WatchList {}

impl Settings for WatchList {}

/// Entries named in the sentence.
const NAMED: usize = 3;

impl Rule for WatchList {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let listed = &view.day.sightings.as_ref()?.listed;
        let count = listed.iter().map(|(_, seen)| seen.count()).sum();
        (!listed.is_empty()).then(|| Finding { severity: Severity::Critical, extent: extent(count) })
    }

    fn needs_sightings(&self) -> bool {
        true
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let listed = view.day.sightings.as_ref().map_or(&[][..], |sightings| &sightings.listed[..]);
        let first = |seen: &Tally| seen.first().map(|(time, _)| time);
        let Some((entry, seen)) = listed.iter().min_by_key(|(_, seen)| first(seen)) else {
            return Explanation::none(view);
        };
        let count = listed.iter().map(|(_, seen)| seen.count()).sum();
        let entries: Vec<String> = listed.iter().map(|(entry, _)| entry.to_string()).collect();
        let named = entries[..entries.len().min(NAMED)].join(", ");
        let mut evidence = vec![("entries", Fact::Texts(entries))];
        evidence.extend(witnesses(seen));
        evidence.push(("first_entry", Fact::Text(entry.to_string())));
        Explanation {
            timestamp: first(seen).unwrap_or_else(|| view.day.first()),
            description: format!(
                "on the watch list ({named}): {}{}",
                some(count, "request"),
                from_whom(seen)
            ),
            evidence,
        }
    }
}
