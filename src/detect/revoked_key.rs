//! `revoked_key`: a key is used after it was revoked. Served, the revocation is not in force; refused, somebody still has
//! the key: a service of the owner's that was forgotten, or the thief.
//!
//! A key counts as revoked from the event of an audit log that says so, or from what an operator says (`keyhound
//! revoke`), until it is created anew. Providers take some minutes to enforce it everywhere, so five pass first.

use super::rule::{Settings, bind, defaults, extent, from_whom, some, witnesses};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, Rule, Severity};
use crate::signal::Signals;
use crate::time::Stamp;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "revoked_key",
    summary: "use of a key after an audit log or an operator (`keyhound revoke`) said that it was revoked",
    version: 1,
    class: Class::Compromise,
    pages: true,
    needs: Signals::NONE,
    attack: &["T1078.004"],
    atlas: &["AML.T0012"],
    next_steps: &[
        "If requests were served: revoke the key once more and ask the provider why it works; it costs money until then.",
        "If they were refused: find out whose address that is. A service of yours needs the new key; anybody else is the thief.",
        "Note first and last use after the revocation: it is the proof that it was, for a billing dispute.",
    ],
    load: bind::<RevokedKey>,
    defaults: defaults::<RevokedKey>,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RevokedKey {}

impl Settings for RevokedKey {}

impl Rule for RevokedKey {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let seen = &view.day.sightings.as_ref()?.revoked;
        let severity = if seen.served > 0 { Severity::Critical } else { Severity::Medium };
        (!seen.is_empty()).then(|| Finding { severity, extent: extent(seen.count()) })
    }

    fn needs_sightings(&self) -> bool {
        true
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let Some(sightings) = &view.day.sightings else { return Explanation::none(view) };
        let seen = &sightings.revoked;
        let since = sightings.revoked_at.map_or_else(String::new, |at| Stamp::utc(at).to_string());
        let mut evidence = witnesses(seen);
        evidence.push(("revoked_at", Fact::Text(since.clone())));
        let served = if seen.served > 0 {
            format!("{} served although it was revoked at {since}", some(seen.served, "request"))
        } else {
            format!("{} refused after it was revoked at {since}", some(seen.refused, "request"))
        };
        Explanation {
            timestamp: seen.first().map_or_else(|| view.day.first(), |(time, _)| time),
            description: format!("{served}{}", from_whom(seen)),
            evidence,
        }
    }
}
