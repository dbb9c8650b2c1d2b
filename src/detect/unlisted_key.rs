//! `unlisted_key`: a key is used that nobody knows of. Whoever can make keys makes one that outlives the loss of the first.
//!
//! It speaks where lists of keys are given (`[inventory]`), of what they do not have: made since, forgotten, or a thief's.

use super::rule::{Settings, bind, defaults, some};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, Rule, Severity};
use crate::money::NanoUsd;
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "unlisted_key",
    summary: "a key is used that is in none of the lists of keys that were given (`[inventory]`)",
    version: 1,
    class: Class::Compromise,
    pages: true,
    needs: Signals::NONE,
    attack: &["T1098.001", "T1078.004"],
    atlas: &["AML.T0012"],
    next_steps: &[
        "Pull the list again (`keyhound pull`): it may have been made since. Then reload.",
        "Ask whoever may make keys; the audit log of the provider says who made it, when and from where.",
        "If nobody made it, somebody else did: revoke it, and every session and key of the account that made it.",
    ],
    load: bind::<UnlistedKey>,
    defaults: defaults::<UnlistedKey>,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UnlistedKey {}

impl Settings for UnlistedKey {}

impl Rule for UnlistedKey {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let is_used = view.day.requests > 0 || view.day.spent() > NanoUsd::ZERO;
        (view.key.is_unlisted && is_used).then_some(Finding { severity: Severity::High, extent: 1.0 })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        if view.key.is_unlisted { Leeway::NONE } else { Leeway::ENDLESS }
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let requests = view.day.requests;
        let what = if requests == 0 { "used".to_owned() } else { some(requests, "request") };
        Explanation {
            timestamp: view.day.first(),
            description: format!("this key is in no list of keys: {what}"),
            evidence: vec![("requests", Fact::Count(requests))],
        }
    }
}
