//! What a webhook is told.

use super::deed::About;
use crate::config::RulePlan;
use crate::time::Stamp;
use serde_json::{Value, json};

/// Asks for `what`: `contain` or `undo`. The same `id` asks for the same.
pub fn message(rule: &RulePlan, about: &About, id: &str, what: &str) -> Value {
    json!({
        "schema": "keyhound.contain.v1",
        "ask": what,
        "id": id,
        "incident_id": about.incident,
        "rule": rule.name,
        "class": about.class.label(),
        "severity": about.severity.label(),
        "score": (about.score * 1000.0).round() / 1000.0,
        "key_id": about.key.to_string(),
        "api_key_prefix": &*about.hint,
        "api_key_alias": &*about.alias,
        "updated_at": Stamp::utc(about.at).to_string(),
    })
}
