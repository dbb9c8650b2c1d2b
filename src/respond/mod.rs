//! What to do when a key is in somebody else's hands: a list of steps in their order, with what does each at the provider
//! concerned. Ticked with the time at which each is done, the list becomes the evidence of what was done when.

mod facts;
mod list;
mod review;
mod stragglers;

pub use facts::{Facts, FactsError};
pub use list::{Done, List, ListError, Step};
pub use review::{review, summary};
pub use stragglers::Stragglers;

use crate::backtest::escaped;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use thiserror::Error;

/// The steps that come with the program.
const BUILTIN: &str = include_str!("../../config/response.toml");

/// All steps, and how each is done at each provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guide {
    stage: Vec<Stage>,
    provider: Vec<Provider>,
}

/// Steps that belong together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    name: String,
    steps: Vec<GuideStep>,
}

/// A step, wherever it is done.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuideStep {
    id: String,
    text: String,
}

/// How steps are done at a provider.
#[derive(Clone, Debug, Deserialize)]
pub struct Provider {
    /// By which it is asked for.
    pub name: String,
    /// As people call it.
    pub title: String,
    #[serde(flatten)]
    ways: BTreeMap<String, Way>,
}

/// How a step is done: where, or by which command.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Way {
    how: String,
    run: String,
}

/// A guide that cannot be used.
#[derive(Debug, Error)]
pub enum GuideError {
    /// Not TOML of the right shape.
    #[error("steps of a response: {0}")]
    Toml(#[from] toml::de::Error),
    /// A way to do something that is no step.
    #[error("steps of a response: provider `{provider}` names `{step}`, which is no step")]
    NoStep {
        /// The provider.
        provider: String,
        /// What it names.
        step: String,
    },
}

impl Guide {
    /// The one that comes with the program.
    pub fn builtin() -> Result<Self, GuideError> {
        let guide: Self = toml::from_str(BUILTIN)?;
        for provider in &guide.provider {
            if let Some(step) = provider.ways.keys().find(|id| guide.steps().all(|step| step.id != **id)) {
                return Err(GuideError::NoStep { provider: provider.name.clone(), step: step.clone() });
            }
        }
        Ok(guide)
    }

    fn steps(&self) -> impl Iterator<Item = &GuideStep> {
        self.stage.iter().flat_map(|stage| &stage.steps)
    }

    /// The provider of this name.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.provider.iter().find(|provider| provider.name.eq_ignore_ascii_case(name))
    }

    /// All of them.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.provider.iter()
    }

    /// The list for an incident, or for any; at a provider, or at any.
    pub fn checklist(&self, facts: &Facts, provider: Option<&Provider>) -> String {
        let mut text = facts.heading(provider.map(|provider| provider.title.as_str()));
        text.push_str(
            "\nSteps are numbered in the order in which they are done; `keyhound respond done FILE NUMBER` ticks one and \
             notes when, and by whom.\n",
        );
        let mut number = 0;
        for stage in &self.stage {
            let _ = writeln!(text, "\n## {}\n", stage.name);
            for step in &stage.steps {
                number += 1;
                let _ = writeln!(text, "- [ ] {number}. {}", facts.fill(&step.text));
                if let Some(way) = provider.and_then(|provider| provider.ways.get(&step.id)) {
                    write_way(way, facts, &mut text);
                }
            }
        }
        text
    }

    /// The number of a step.
    pub fn number(&self, id: &str) -> Option<usize> {
        self.steps().position(|step| step.id == id).map(|place| place + 1)
    }
}

fn write_way(way: &Way, facts: &Facts, text: &mut String) {
    if !way.how.is_empty() {
        let _ = writeln!(text, "  - {}", facts.fill(&way.how));
    }
    if !way.run.is_empty() {
        let _ = writeln!(text, "  ```sh\n  {}\n  ```", facts.fill(&way.run));
    }
}

/// A row of a table with two columns.
fn row(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        let _ = writeln!(text, "| {name} | {} |", escaped(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_is_whole() {
        let guide = Guide::builtin().unwrap();
        let mut ids: Vec<&str> = guide.steps().map(|step| step.id.as_str()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "each step stands once");
        for provider in guide.providers() {
            for needed in ["create", "revoke", "activity", "keys"] {
                assert!(provider.ways.contains_key(needed), "{}: {needed}", provider.name);
            }
            let list = guide.checklist(&Facts::default(), Some(provider));
            for left in ["{since", "{key", "{day}", "{incident}"] {
                assert!(!list.contains(left), "{}: {left}", provider.name);
            }
        }
    }

    #[test]
    fn commands_hold_no_key_and_nothing_from_outside() {
        let guide = Guide::builtin().unwrap();
        let facts = Facts { api_key_prefix: "x'; rm -rf ~; '`id`".to_owned(), ..Facts::default() };
        for provider in guide.providers() {
            let list = guide.checklist(&facts, Some(provider));
            let commands =
                list.split("```sh").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
            for command in commands {
                assert!(!command.contains("rm -rf") && !command.contains("Bearer"), "{command}");
            }
            assert!(!list.contains("--key x'"), "what is copied is not from outside");
        }
    }
}
