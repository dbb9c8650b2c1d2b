//! `unknown_source_ip`: requests from addresses that this key has not been used from. From the seed.
//!
//! Blind for a key whose baseline holds no address at all, as the seed is.

use super::rule::{Settings, bind, defaults};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, REVOKE_FIRST, Rule, Severity};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "unknown_source_ip",
    summary: "requests from addresses that this key was not used from in the days of its baseline",
    version: 1,
    class: Class::Compromise,
    pages: false,
    needs: Signals::ADDRESS,
    attack: &["T1078.004"],
    atlas: &["AML.T0012"],
    next_steps: REVOKE_FIRST,
    load: bind::<UnknownSourceIp>,
    defaults: defaults::<UnknownSourceIp>,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UnknownSourceIp {}

impl Settings for UnknownSourceIp {}

/// Known addresses shown beside the unknown ones, as in the seed.
const KNOWN_SHOWN: usize = 10;
/// Unknown addresses named in the sentence, as in the seed.
const UNKNOWN_NAMED: usize = 5;

impl Rule for UnknownSourceIp {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let unknown = &view.day.unknown_addresses;
        #[allow(clippy::cast_precision_loss)]
        (!unknown.is_empty()).then(|| Finding { severity: Severity::High, extent: unknown.count() as f64 })
    }

    fn leeway(&self, _: &KeyView<'_>) -> Leeway {
        Leeway::ENDLESS
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let unknown = &view.day.unknown_addresses;
        let texts = unknown.texts();
        let (count, about) = (unknown.count(), if unknown.is_estimate() { "about " } else { "" });
        let named = texts[..texts.len().min(UNKNOWN_NAMED)].join(", ");
        let more = if texts.len() > UNKNOWN_NAMED { ", …" } else { "" };
        let noun = if count == 1 { "address" } else { "addresses" };
        let mut evidence = vec![
            ("unknown_ips", Fact::Texts(texts)),
            ("known_ips", Fact::Texts(view.known_addresses(KNOWN_SHOWN))),
        ];
        if unknown.is_estimate() {
            evidence.push(("unknown_ip_count_estimate", Fact::Count(count)));
        }
        if view.addresses.overflowed {
            evidence
                .push(("known_ips_forgotten", Fact::Text("more addresses than are remembered".to_owned())));
        }
        Explanation {
            timestamp: view.day.first(),
            description: format!(
                "requests from {about}{count} {noun} never seen with this key: {named}{more}"
            ),
            evidence,
        }
    }
}
