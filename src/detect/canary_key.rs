//! `canary_key`: a key that is there to be found by thieves is used. Whoever has it has looked where nobody should.
//!
//! Such a key is named in the configuration (`canary = true` of a `[[key]]`) and used by nobody, so one use is enough, a
//! refused one, too: it is best a key that the provider has never heard of or that has a limit of nought.

use super::rule::{Settings, bind, defaults, extent, from_whom, some, witnesses};
use super::{Class, Detector, Explanation, Finding, KeyView, Rule, Severity};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "canary_key",
    summary: "a key that is there to be found by thieves (`canary = true` in its `[[key]]`) is used at all",
    version: 1,
    class: Class::Compromise,
    pages: true,
    needs: Signals::NONE,
    attack: &["T1552.001", "T1078.004"],
    atlas: &["AML.T0055"],
    next_steps: &[
        "Nobody is to use this key: whoever did has read the place where it was laid out. Find out who could.",
        "Treat every other secret of that place as stolen: replace and revoke it.",
        "Look for the address and the client in the use of all other keys.",
        "Lay out another canary: this one is known.",
    ],
    load: bind::<CanaryKey>,
    defaults: defaults::<CanaryKey>,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CanaryKey {}

impl Settings for CanaryKey {}

impl Rule for CanaryKey {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let seen = &view.day.sightings.as_ref()?.canary;
        (!seen.is_empty()).then(|| Finding { severity: Severity::Critical, extent: extent(seen.count()) })
    }

    fn needs_sightings(&self) -> bool {
        true
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let Some(seen) = view.day.sightings.as_ref().map(|sightings| &sightings.canary) else {
            return Explanation::none(view);
        };
        Explanation {
            timestamp: seen.first().map_or_else(|| view.day.first(), |(time, _)| time),
            description: format!(
                "this key is a canary that nobody may use: {}{}",
                some(seen.count(), "request"),
                from_whom(seen)
            ),
            evidence: witnesses(seen),
        }
    }
}
