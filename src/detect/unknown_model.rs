//! `unknown_model`: a model that this key has not used in its baseline. From the seed.
//!
//! Models are compared by canonical name, so that a new snapshot or another spelling of a known model is known.

use super::rule::{Settings, bind, defaults};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, REVOKE_FIRST, Rule, Severity};
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "unknown_model",
    summary: "a model that this key has not used in the days of its baseline",
    version: 1,
    class: Class::Compromise,
    attack: &["T1496.004"],
    atlas: &["AML.T0034.001"],
    next_steps: REVOKE_FIRST,
    load: bind::<UnknownModel>,
    defaults: defaults::<UnknownModel>,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UnknownModel {}

impl Settings for UnknownModel {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Rule for UnknownModel {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        view.day.unknown_model.as_ref().map(|_| Finding { severity: Severity::High, extent: 1.0 })
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let known = view.known_models();
        let (timestamp, model) = match &view.day.unknown_model {
            Some((time, name)) => (*time, name.to_string()),
            None => (view.day.first, String::new()),
        };
        let usual = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Explanation {
            timestamp,
            description: format!("model {model} was never used with this key; it uses {usual}"),
            evidence: vec![("model", Fact::Text(model)), ("known_models", Fact::Texts(known))],
        }
    }
}
