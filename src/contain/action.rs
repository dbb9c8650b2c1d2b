//! The table of actions, and what providers are asked for them: pure, from their published descriptions.

use hyper::Method;
use serde_json::{Value, json};

/// Who can do something about a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Provider {
    /// A LiteLLM proxy with a database of keys.
    LiteLlm,
    /// Anthropic's Admin API.
    Anthropic,
    /// OpenAI's administration API.
    OpenAi,
    /// OpenRouter's management API.
    OpenRouter,
    /// Somebody who is told and does it.
    Webhook,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::LiteLlm, Self::Anthropic, Self::OpenAi, Self::OpenRouter, Self::Webhook];

    /// Its name in configurations.
    pub const fn label(self) -> &'static str {
        match self {
            Self::LiteLlm => "litellm",
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::OpenRouter => "openrouter",
            Self::Webhook => "webhook",
        }
    }

    /// Where it is; empty where everybody has it somewhere else.
    pub const fn url(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAi => "https://api.openai.com",
            Self::OpenRouter => "https://openrouter.ai",
            Self::LiteLlm | Self::Webhook => "",
        }
    }

    /// The header in which a key stands, and what goes before it there.
    pub const fn header(self) -> (&'static str, &'static str) {
        match self {
            Self::Anthropic => ("x-api-key", ""),
            _ => ("authorization", "Bearer "),
        }
    }

    /// Whether a text can stand in a path as it is.
    pub fn is_word(text: &str) -> bool {
        (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    }

    /// Whether this can be what it calls a key.
    pub fn check_id(self, id: &str) -> Result<(), &'static str> {
        let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match self {
            Self::LiteLlm | Self::OpenRouter if is_hash(id) => Ok(()),
            Self::LiteLlm => {
                Err("is no SHA-256 of a key in hexadecimal, as LiteLLM shows it (`token`, `api_key`)")
            }
            Self::Anthropic if id.starts_with("apikey_") && Self::is_word(id) => Ok(()),
            Self::Anthropic => Err("is no id of a key (`apikey_…`)"),
            Self::OpenAi => match id.split_once('/') {
                Some((project, key)) if Self::is_word(project) && Self::is_word(key) => Ok(()),
                None if Self::is_word(id) => Ok(()),
                _ => Err("is no id of a key (`key_…`), nor one behind its project (`proj_…/key_…`)"),
            },
            Self::OpenRouter => Err("is no `hash` of a key as OpenRouter shows it"),
            Self::Webhook => Ok(()),
        }
    }
}

/// What is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// The key works no more until it is switched on again.
    Off,
    /// It may spend less.
    Limit,
    /// It is gone.
    Delete,
    /// Whatever the receiver does.
    Call,
}

/// Something that can be done.
#[derive(Debug)]
pub struct Action {
    /// Its name in configurations and events.
    pub name: &'static str,
    /// By whom.
    pub provider: Provider,
    /// What.
    pub change: Change,
    /// In words that follow "would".
    pub words: &'static str,
}

/// All of them.
pub const ACTIONS: &[Action] = &[
    Action {
        name: "litellm_block",
        provider: Provider::LiteLlm,
        change: Change::Off,
        words: "block the virtual key",
    },
    Action {
        name: "litellm_budget",
        provider: Provider::LiteLlm,
        change: Change::Limit,
        words: "lower the budget",
    },
    Action {
        name: "anthropic_inactive",
        provider: Provider::Anthropic,
        change: Change::Off,
        words: "set the key inactive",
    },
    Action {
        name: "openrouter_disable",
        provider: Provider::OpenRouter,
        change: Change::Off,
        words: "disable the key",
    },
    Action {
        name: "openrouter_limit",
        provider: Provider::OpenRouter,
        change: Change::Limit,
        words: "lower the credit limit",
    },
    Action {
        name: "openai_delete",
        provider: Provider::OpenAi,
        change: Change::Delete,
        words: "delete the key",
    },
    Action { name: "webhook", provider: Provider::Webhook, change: Change::Call, words: "call the webhook" },
];

/// A request, but for where it goes and whose key it has.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Path and query behind the address of the API.
    pub path: String,
    /// What is said.
    pub body: Option<Value>,
}

impl Call {
    fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None }
    }

    fn new(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), body: Some(body) }
    }
}

/// How a key stands, as its provider says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Standing {
    /// The provider's name for it; may be empty.
    pub name: String,
    /// Whether it works no more, where that is told.
    pub is_off: Option<bool>,
    /// What it may spend, in dollars, where that is told: there may be no limit.
    pub limit: Option<Option<f64>>,
}

impl Action {
    /// Asks how a key stands. A webhook is not asked.
    pub fn ask(&self, id: &str) -> Option<Call> {
        match self.provider {
            Provider::LiteLlm => Some(Call::get(format!("/key/info?key={id}"))),
            Provider::Anthropic => Some(Call::get(format!("/v1/organizations/api_keys/{id}"))),
            Provider::OpenRouter => Some(Call::get(format!("/api/v1/keys/{id}"))),
            Provider::OpenAi => Some(Call::get(of_project(id))),
            Provider::Webhook => None,
        }
    }

    /// Does it: switches off, or sets a limit.
    pub fn act(&self, id: &str, limit: f64) -> Call {
        match self.change {
            Change::Limit => self.set_limit(id, Some(limit)),
            _ => self.switch(id, true),
        }
    }

    /// Undoes it: switches on, or sets the limit that there was.
    pub fn undo(&self, id: &str, limit: Option<f64>) -> Call {
        match self.change {
            Change::Limit => self.set_limit(id, limit),
            _ => self.switch(id, false),
        }
    }

    fn switch(&self, id: &str, off: bool) -> Call {
        match self.provider {
            Provider::LiteLlm => {
                let path = if off { "/key/block" } else { "/key/unblock" };
                Call::new(Method::POST, path, json!({ "key": id }))
            }
            Provider::Anthropic => {
                let status = if off { "inactive" } else { "active" };
                Call::new(
                    Method::POST,
                    format!("/v1/organizations/api_keys/{id}"),
                    json!({ "status": status }),
                )
            }
            Provider::OpenRouter => {
                Call::new(Method::PATCH, format!("/api/v1/keys/{id}"), json!({ "disabled": off }))
            }
            Provider::OpenAi => Call { method: Method::DELETE, path: of_project(id), body: None },
            Provider::Webhook => Call::new(Method::POST, "", Value::Null),
        }
    }

    fn set_limit(&self, id: &str, limit: Option<f64>) -> Call {
        match self.provider {
            Provider::OpenRouter => {
                Call::new(Method::PATCH, format!("/api/v1/keys/{id}"), json!({ "limit": limit }))
            }
            _ => Call::new(Method::POST, "/key/update", json!({ "key": id, "max_budget": limit })),
        }
    }

    /// Asks for a page of the keys that there are, from one, where keys are found by their fingerprints.
    pub fn list(&self, page: usize) -> Option<Call> {
        match self.provider {
            Provider::LiteLlm => Some(Call::get(format!("/key/list?page={page}&size={PAGE}"))),
            Provider::OpenRouter => {
                Some(Call::get(format!("/api/v1/keys?include_disabled=true&offset={}", (page - 1) * PAGE)))
            }
            _ => None,
        }
    }

    /// Asks for something that whoever may do this may see, and that changes nothing. A webhook is not asked.
    pub fn probe(&self, project: &str) -> Option<Call> {
        match self.provider {
            Provider::LiteLlm | Provider::OpenRouter => self.list(1),
            Provider::Anthropic => Some(Call::get("/v1/organizations/api_keys?limit=1".to_owned())),
            Provider::OpenAi if project.is_empty() => {
                Some(Call::get("/v1/organization/projects?limit=1".to_owned()))
            }
            Provider::OpenAi => {
                Some(Call::get(format!("/v1/organization/projects/{project}/api_keys?limit=1")))
            }
            Provider::Webhook => None,
        }
    }

    /// What keys a page names, and whether there may be more. Both say how many they give at once.
    pub fn listed<'a>(&self, page: usize, answer: &'a Value) -> Result<(Vec<&'a str>, bool), String> {
        let (place, more) = match self.provider {
            Provider::OpenRouter => ("data", None),
            _ => ("keys", answer.get("total_pages").and_then(Value::as_u64)),
        };
        let rows = answer.get(place).and_then(Value::as_array);
        let rows = rows.ok_or_else(|| format!("the answer has no list `{place}`"))?;
        let id = |row: &'a Value| {
            let named = ["hash", "token", "api_key"].into_iter().find_map(|name| row.get(name));
            named.unwrap_or(row).as_str()
        };
        let is_more = more.map_or(rows.len() >= PAGE, |pages| (page as u64) < pages);
        Ok((rows.iter().filter_map(id).collect(), is_more))
    }

    /// How a key stands, from an answer to [`Action::ask`] or to what was done.
    pub fn standing(&self, answer: &Value) -> Result<Standing, String> {
        let row = match self.provider {
            Provider::LiteLlm => answer.get("info").unwrap_or(answer),
            Provider::OpenRouter => answer.get("data").unwrap_or(answer),
            _ => answer,
        };
        if !row.is_object() {
            return Err("the answer is no object of JSON".to_owned());
        }
        let name = ["key_alias", "name"].into_iter().find_map(|name| row.get(name)?.as_str());
        let is_off = match self.provider {
            // Of a key that was never blocked it says null.
            Provider::LiteLlm => row.get("blocked").map(|blocked| blocked.as_bool() == Some(true)),
            Provider::Anthropic => row.get("status").and_then(Value::as_str).map(|status| status != "active"),
            Provider::OpenRouter => row.get("disabled").and_then(Value::as_bool),
            Provider::OpenAi => row.get("deleted").and_then(Value::as_bool),
            Provider::Webhook => None,
        };
        let limit = match self.provider {
            Provider::LiteLlm => row.get("max_budget"),
            Provider::OpenRouter => row.get("limit"),
            _ => None,
        };
        let limit = limit.filter(|limit| limit.is_null() || limit.is_number()).map(Value::as_f64);
        Ok(Standing { name: name.unwrap_or_default().to_owned(), is_off, limit })
    }

    /// Whether a key stands as it is to, with this limit where it has one.
    pub fn is_in_force(&self, standing: &Standing, limit: f64) -> bool {
        match self.change {
            Change::Limit => standing.limit.flatten().is_some_and(|now| now <= limit),
            _ => standing.is_off == Some(true),
        }
    }
}

/// Keys of one page.
const PAGE: usize = 100;

/// The path of a key `project/key`.
fn of_project(id: &str) -> String {
    let (project, key) = id.split_once('/').unwrap_or(("", id));
    format!("/v1/organization/projects/{project}/api_keys/{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(name: &str) -> &'static Action {
        ACTIONS.iter().find(|action| action.name == name).unwrap()
    }

    fn told(call: &Call) -> String {
        let body = call.body.as_ref().map_or_else(String::new, |body| format!(" {body}"));
        format!("{} {}{body}", call.method, call.path)
    }

    #[test]
    fn what_is_asked_is_what_providers_document() {
        let hash = "9f".repeat(32);
        for (name, id, ask, act, undo) in [
            (
                "litellm_block",
                hash.as_str(),
                format!("GET /key/info?key={hash}"),
                format!("POST /key/block {{\"key\":\"{hash}\"}}"),
                format!("POST /key/unblock {{\"key\":\"{hash}\"}}"),
            ),
            (
                "litellm_budget",
                hash.as_str(),
                format!("GET /key/info?key={hash}"),
                format!("POST /key/update {{\"key\":\"{hash}\",\"max_budget\":5.0}}"),
                format!("POST /key/update {{\"key\":\"{hash}\",\"max_budget\":null}}"),
            ),
            (
                "anthropic_inactive",
                "apikey_EXAMPLE",
                "GET /v1/organizations/api_keys/apikey_EXAMPLE".to_owned(),
                "POST /v1/organizations/api_keys/apikey_EXAMPLE {\"status\":\"inactive\"}".to_owned(),
                "POST /v1/organizations/api_keys/apikey_EXAMPLE {\"status\":\"active\"}".to_owned(),
            ),
            (
                "openrouter_disable",
                hash.as_str(),
                format!("GET /api/v1/keys/{hash}"),
                format!("PATCH /api/v1/keys/{hash} {{\"disabled\":true}}"),
                format!("PATCH /api/v1/keys/{hash} {{\"disabled\":false}}"),
            ),
            (
                "openrouter_limit",
                hash.as_str(),
                format!("GET /api/v1/keys/{hash}"),
                format!("PATCH /api/v1/keys/{hash} {{\"limit\":5.0}}"),
                format!("PATCH /api/v1/keys/{hash} {{\"limit\":null}}"),
            ),
        ] {
            let action = action(name);
            assert!(action.provider.check_id(id).is_ok());
            let calls = [action.ask(id).unwrap(), action.act(id, 5.0), action.undo(id, None)];
            assert_eq!(calls.each_ref().map(told), [ask, act, undo], "{name}");
        }
        let deleted = action("openai_delete").act("proj_a/key_b", 0.0);
        assert_eq!(told(&deleted), "DELETE /v1/organization/projects/proj_a/api_keys/key_b");
    }

    #[test]
    fn how_a_key_stands_is_read_as_it_is_told() {
        let stands = |name: &str, answer: Value, limit: f64| {
            let action = action(name);
            let standing = action.standing(&answer).unwrap();
            (action.is_in_force(&standing, limit), standing)
        };
        for (name, answer, limit, is_in_force, called) in [
            (
                "litellm_block",
                json!({"key": "x", "info": {"blocked": null, "key_alias": "a"}}),
                0.0,
                false,
                "a",
            ),
            (
                "litellm_block",
                json!({"key": "x", "info": {"blocked": true, "key_alias": null}}),
                0.0,
                true,
                "",
            ),
            ("litellm_block", json!({"token": "x", "blocked": true}), 0.0, true, ""),
            ("litellm_block", json!({"token": "x"}), 0.0, false, ""),
            ("litellm_budget", json!({"info": {"max_budget": null}}), 5.0, false, ""),
            ("litellm_budget", json!({"info": {"max_budget": 100.0}}), 5.0, false, ""),
            ("litellm_budget", json!({"key": "x", "max_budget": 5.0}), 5.0, true, ""),
            ("litellm_budget", json!({"info": {"max_budget": "5"}}), 5.0, false, ""),
            ("anthropic_inactive", json!({"id": "a", "status": "active", "name": "Dev"}), 0.0, false, "Dev"),
            ("anthropic_inactive", json!({"id": "a", "status": "inactive"}), 0.0, true, ""),
            ("anthropic_inactive", json!({"id": "a", "status": "archived"}), 0.0, true, ""),
            ("openrouter_disable", json!({"data": {"disabled": false, "name": "n"}}), 0.0, false, "n"),
            ("openrouter_limit", json!({"data": {"limit": 1}}), 5.0, true, ""),
            ("openai_delete", json!({"id": "key_b", "deleted": true}), 0.0, true, ""),
            ("openai_delete", json!({"id": "key_b", "name": "n"}), 0.0, false, "n"),
        ] {
            let (is, standing) = stands(name, answer.clone(), limit);
            assert_eq!((is, standing.name.as_str()), (is_in_force, called), "{name} {answer}");
        }
        assert!(action("litellm_block").standing(&json!([])).is_err());
    }

    #[test]
    fn ids_can_lead_nowhere_else() {
        let hash = "9F".repeat(32);
        for (provider, id, is_one) in [
            (Provider::LiteLlm, hash.as_str(), true),
            (Provider::LiteLlm, "...9f9f", false),
            (Provider::LiteLlm, "sk-EXAMPLEEXAMPLEEXAMPLE3f9c", false),
            (Provider::Anthropic, "apikey_01EXAMPLE", true),
            (Provider::Anthropic, "apikey_01/../users", false),
            (Provider::Anthropic, "apikey_01?x=y", false),
            (Provider::OpenAi, "proj_a/key_b", true),
            (Provider::OpenAi, "key_b", true),
            (Provider::OpenAi, "proj_a/key_b/c", false),
            (Provider::OpenRouter, "x", false),
        ] {
            assert_eq!(provider.check_id(id).is_ok(), is_one, "{id}");
        }
    }

    #[test]
    fn pages_of_keys_name_hashes() {
        let litellm = action("litellm_block");
        let page = json!({"keys": ["aa", {"token": "bb"}], "total_pages": 2, "current_page": 1});
        assert_eq!(litellm.listed(1, &page), Ok((vec!["aa", "bb"], true)));
        assert_eq!(litellm.listed(2, &page), Ok((vec!["aa", "bb"], false)));
        let openrouter = json!({"data": [{"hash": "cc", "name": "n"}]});
        assert_eq!(action("openrouter_limit").listed(1, &openrouter), Ok((vec!["cc"], false)));
        assert!(litellm.listed(1, &openrouter).is_err());
    }
}
