//! A row of a provider's list: which list it is of, by the names it has, and what it says.

use super::list::{Limit, Listed, Teller};
use crate::time::{SECOND, Timestamp, parse};
use serde_json::{Map, Value};

/// Names of a row of something else that are told.
const NAMES_MAX: usize = 8;
/// Bytes of such a name.
const NAME_BYTES_MAX: usize = 40;
/// Days that the words of budgets stand for, as LiteLLM and OpenRouter use them.
const RESETS: [(&str, f64); 3] = [("daily", 1.0), ("weekly", 7.0), ("monthly", 30.0)];

/// What a row is.
pub enum Row {
    /// A key.
    Key(Box<Listed>),
    /// Something about a project, by its identifier.
    Project(String, Project),
    /// Something else, and how it looks.
    Unknown(String),
}

/// What is known of a project.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// What it may spend.
    pub limit: Limit,
    /// It is archived.
    pub is_gone: bool,
}

/// Whether a name is what is left of a key.
pub fn is_mask(name: &str) -> bool {
    name.contains("...") || name.contains('…') || name.contains('*')
}

/// Reads a row.
pub fn read(row: &Value) -> Row {
    let Value::Object(row) = row else {
        return Row::Unknown("it is no object".to_owned());
    };
    match (text(row, "object"), text(row, "type")) {
        ("organization.project.api_key", _) => Row::Key(Box::new(openai(row))),
        ("organization.admin_api_key", _) => {
            Row::Key(Box::new(Listed { is_admin: true, can_expire: true, ..openai(row) }))
        }
        ("organization.project", _) => {
            let (name, is_gone) = (owned(row, "name"), text(row, "status") == "archived");
            Row::Project(owned(row, "id"), Project { name, is_gone, limit: Limit::Unknown })
        }
        ("project.spend_limit", _) => spend_limit(row),
        // What stands for one that there is not.
        _ if row.get("spend_limits").is_some_and(Value::is_null) => spend_limit(row),
        (_, "api_key") => Row::Key(Box::new(anthropic(row))),
        (_, "workspace") => {
            let is_gone = row.get("archived_at").is_some_and(Value::is_string);
            Row::Project(
                owned(row, "id"),
                Project { name: owned(row, "name"), is_gone, limit: Limit::Unknown },
            )
        }
        _ if !text(row, "hash").is_empty() && row.contains_key("disabled") => {
            Row::Key(Box::new(openrouter(row)))
        }
        _ if !text(row, "token").is_empty()
            && (row.contains_key("key_name") || row.contains_key("key_alias")) =>
        {
            Row::Key(Box::new(litellm(row)))
        }
        _ => Row::Unknown(looks(row)),
    }
}

fn openai(row: &Map<String, Value>) -> Listed {
    let empty = Map::new();
    let owner = object(row, "owner").unwrap_or(&empty);
    let (user, service) = (object(owner, "user"), object(owner, "service_account"));
    // Keys of administration have the owner itself there.
    let whoever = user.or(service).unwrap_or(owner);
    let name = [text(whoever, "email"), text(whoever, "name"), text(whoever, "id")];
    Listed {
        ids: ids(row, &["id"]),
        masks: ids(row, &["redacted_value"]),
        name: owned(row, "name"),
        owner: name.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned(),
        is_personal: text(owner, "type") == "user",
        has_left: text(row, "owner_project_access") == "inactive",
        project: owned(row, "project_id"),
        created: time(row, "created_at"),
        last_used: time(row, "last_used_at"),
        tells_last_use: row.contains_key("last_used_at"),
        expires: time(row, "expires_at"),
        can_expire: row.contains_key("expires_at"),
        ..Listed::by(Teller::OpenAi)
    }
}

/// In cents a month; one that is not in force is none.
fn spend_limit(row: &Map<String, Value>) -> Row {
    let cents = row.get("threshold_amount").and_then(Value::as_f64);
    let status = object(row, "enforcement").map_or("", |found| text(found, "status"));
    let limit = match cents {
        // "inactive" means that it is not reached: it is set all the same, unless it is nothing.
        Some(cents) if cents > 0.0 || status == "enforcing" => Limit::Dollars(cents / 100.0, 30.0),
        _ => Limit::None,
    };
    Row::Project(owned(row, "project_id"), Project { limit, ..Project::default() })
}

fn anthropic(row: &Map<String, Value>) -> Listed {
    let off = match text(row, "status") {
        "inactive" => Some("inactive"),
        "archived" => Some("archived"),
        "expired" => Some("expired"),
        _ => None,
    };
    Listed {
        ids: ids(row, &["id"]),
        masks: ids(row, &["partial_key_hint"]),
        name: owned(row, "name"),
        // Who made it, which is all that is told.
        owner: object(row, "created_by").map(|by| owned(by, "id")).unwrap_or_default(),
        project: owned(row, "workspace_id"),
        off,
        created: time(row, "created_at"),
        expires: time(row, "expires_at"),
        can_expire: row.contains_key("expires_at"),
        ..Listed::by(Teller::Anthropic)
    }
}

fn openrouter(row: &Map<String, Value>) -> Listed {
    let days = RESETS.iter().find(|(word, _)| *word == text(row, "limit_reset")).map(|(_, days)| *days);
    Listed {
        ids: ids(row, &["hash"]),
        masks: ids(row, &["label"]).into_iter().filter(|label| is_mask(label)).collect(),
        name: owned(row, "name"),
        owner: owned(row, "creator_user_id"),
        project: owned(row, "workspace_id"),
        off: row.get("disabled").and_then(Value::as_bool).unwrap_or(false).then_some("disabled"),
        created: time(row, "created_at"),
        expires: time(row, "expires_at"),
        can_expire: true,
        limit: limit(row, "limit", days),
        ..Listed::by(Teller::OpenRouter)
    }
}

fn litellm(row: &Map<String, Value>) -> Listed {
    let is_blocked = row.get("blocked").and_then(Value::as_bool).unwrap_or(false);
    let models = row.get("models").and_then(Value::as_array).map(|models| {
        let names = models.iter().filter_map(Value::as_str);
        // What stands for all that the proxy, or the team, has.
        names.filter(|name| !name.starts_with("all-")).map(str::to_owned).collect()
    });
    let owner = [text(row, "user_email"), text(row, "user_id"), text(row, "created_by")];
    Listed {
        ids: ids(row, &["token"]),
        masks: ids(row, &["key_name"]).into_iter().filter(|name| is_mask(name)).collect(),
        name: owned(row, "key_alias"),
        owner: owner.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned(),
        project: if text(row, "team_alias").is_empty() {
            owned(row, "team_id")
        } else {
            owned(row, "team_alias")
        },
        off: is_blocked.then_some("blocked"),
        created: time(row, "created_at"),
        last_used: time(row, "last_active"),
        tells_last_use: row.contains_key("last_active"),
        expires: time(row, "expires"),
        can_expire: true,
        limit: limit(row, "max_budget", duration(text(row, "budget_duration"))),
        models,
        ..Listed::by(Teller::LiteLlm)
    }
}

fn limit(row: &Map<String, Value>, name: &str, days: Option<f64>) -> Limit {
    match (row.get(name).and_then(Value::as_f64), days) {
        (Some(usd), Some(days)) => Limit::Dollars(usd, days),
        (Some(usd), None) => Limit::Total(usd),
        (None, _) => Limit::None,
    }
}

/// `30d`, `12h`, `1mo` in days.
fn duration(text: &str) -> Option<f64> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (count, unit) = text.split_at(split);
    let unit = match unit {
        "s" => 1.0 / 86_400.0,
        "m" => 1.0 / 1_440.0,
        "h" => 1.0 / 24.0,
        "d" => 1.0,
        "w" => 7.0,
        "mo" => 30.0,
        _ => return None,
    };
    count.parse::<f64>().ok().filter(|count| *count > 0.0).map(|count| count * unit)
}

fn text<'a>(row: &'a Map<String, Value>, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default().trim()
}

fn owned(row: &Map<String, Value>, name: &str) -> String {
    text(row, name).to_owned()
}

fn object<'a>(row: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    row.get(name).and_then(Value::as_object)
}

fn ids(row: &Map<String, Value>, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| owned(row, name)).filter(|id| !id.is_empty()).collect()
}

/// Seconds since 1970, or RFC 3339.
fn time(row: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    match row.get(name)? {
        Value::Number(number) => number.as_i64().map(|seconds| Timestamp(seconds.saturating_mul(SECOND))),
        Value::String(text) => parse(text.as_bytes()).ok().map(|stamp| stamp.at),
        _ => None,
    }
}

fn looks(row: &Map<String, Value>) -> String {
    let names: Vec<String> = row
        .keys()
        .take(NAMES_MAX)
        .map(|name| format!("`{}`", name.chars().take(NAME_BYTES_MAX).collect::<String>()))
        .collect();
    if names.is_empty() { "it is empty".to_owned() } else { format!("it has {}", names.join(", ")) }
}
