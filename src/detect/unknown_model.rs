//! `unknown_model`: a model that this key has not used in its baseline. From the seed.
//!
//! Models are compared by canonical name, so that a new snapshot or another spelling of a known model is known.

use super::rule::{Settings, bind, defaults};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, REVOKE_FIRST, Rule, Severity};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "unknown_model",
    summary: "a model that this key has not used in the days of its baseline",
    version: 1,
    class: Class::Compromise,
    pages: false,
    needs: Signals::MODEL,
    attack: &["T1496.004"],
    atlas: &["AML.T0034.001"],
    next_steps: REVOKE_FIRST,
    load: bind::<UnknownModel>,
    defaults: defaults::<UnknownModel>,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UnknownModel {}

impl Settings for UnknownModel {}

/// Known models named in the sentence.
const KNOWN_NAMED: usize = 8;
/// Bytes of known names beside the unknown one. Names of half a kilobyte are no models, but somebody may send them.
const KNOWN_BYTES_MAX: usize = 4096;

impl Rule for UnknownModel {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        view.day.unknown_model.as_ref().map(|_| Finding { severity: Severity::High, extent: 1.0 })
    }

    fn leeway(&self, _: &KeyView<'_>) -> Leeway {
        Leeway::ENDLESS
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let mut known = view.known_models();
        let all = known.len();
        let (timestamp, model) = match view.day.unknown_model.as_deref() {
            Some((time, name)) => (*time, name.to_string()),
            None => (view.day.first(), String::new()),
        };
        let description = format!("model {model} was never used with this key; it uses {}", named(&known));
        let mut bytes = 0;
        known.retain(|name| {
            bytes += name.len();
            bytes <= KNOWN_BYTES_MAX
        });
        let cut = known.len() < all;
        let mut evidence = vec![("model", Fact::Text(model)), ("known_models", Fact::Texts(known))];
        if cut {
            evidence.push(("known_model_count", Fact::Count(all as u64)));
        }
        Explanation { timestamp, description, evidence }
    }
}

/// The first few of some names, for a sentence.
fn named(names: &[String]) -> String {
    match names.split_at_checked(KNOWN_NAMED) {
        _ if names.is_empty() => "none".to_owned(),
        Some((first, more @ [_, ..])) => format!("{} and {} more", first.join(", "), more.len()),
        _ => names.join(", "),
    }
}
