//! `defense_evasion`: somebody switched off logging, or took away a restriction of addresses, a second factor or a guard
//! rail. Who does that has often done something else that is not to be seen.

use super::account_manipulation::{explain, test};
use super::rule::{Settings, bind, defaults};
use super::{CHECK_CHANGE, Class, Detector, Explanation, Finding, KeyView, Rule, Severity};
use crate::record::Action;
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "defense_evasion",
    summary: "an audit log tells that logging was switched off or a guard taken away",
    version: 1,
    class: Class::Evasion,
    pages: true,
    needs: Signals::NONE,
    attack: &["T1562.008", "T1685.002"],
    atlas: &["AML.T0012"],
    next_steps: CHECK_CHANGE,
    load: bind::<DefenseEvasion>,
    defaults: defaults::<DefenseEvasion>,
};

const ACTIONS: &[(Action, Severity)] =
    &[(Action::GuardRemoved, Severity::High), (Action::LoggingOff, Severity::High)];

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DefenseEvasion {}

impl Settings for DefenseEvasion {}

impl Rule for DefenseEvasion {
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
