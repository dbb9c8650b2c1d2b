//! What happens, as files say it.

use serde::Deserialize;
use thiserror::Error;

macro_rules! shipped {
    ($($name:literal,)*) => {
        /// The scenarios that come with the program: their names and texts.
        pub const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../config/scenarios/", $name, ".toml")))),*];
    };
}

shipped! {
    "services",
    "developers",
    "small_users",
    "smash_grab",
    "probe_then_use",
    "low_slow",
    "resale_pool",
    "same_cloud",
    "night_shift",
    "new_region",
    "sdk_upgrade",
    "launch_growth",
    "load_test",
    "retry_storm",
    "travel",
}

/// A log-normal distribution: half of the values are below the median, and two in three within a factor of e to the
/// spread.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The value in the middle.
    pub median: f64,
    /// Standard deviation of the logarithm.
    #[serde(default)]
    pub spread: f64,
}

/// How requests look. What a thief or a change does not say is as with the owner.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderConfig {
    /// Models to choose from.
    pub models: Vec<String>,
    /// How many of them one sender uses; nought for all.
    pub models_used: usize,
    /// Tokens of the prompts of one sender, whose own median is drawn first.
    pub input_tokens: Option<Spread>,
    /// Tokens of answers.
    pub output_tokens: Option<Spread>,
    /// By how much the medians of senders differ.
    pub tokens_apart: f64,
    /// Paths to choose from.
    pub endpoints: Vec<String>,
    /// Ranges that addresses are taken from.
    pub addresses: Vec<String>,
    /// How many blocks (/24) of them one sender uses, and how many addresses of each.
    pub blocks_used: usize,
    /// How many addresses of each block.
    pub addresses_used: usize,
    /// Client software to choose from.
    pub clients: Vec<String>,
    /// The part of the requests that is refused because there are too many, or fails.
    pub errors: f64,
}

/// Owners of a kind.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerConfig {
    /// What it shows.
    pub about: String,
    /// Of how many keys it is, among those of other owners.
    pub weight: f64,
    /// Requests on a working day: keys differ so much.
    pub requests_per_day: Spread,
    /// How much the days of one key differ (standard deviation of the logarithm).
    pub days_apart: f64,
    /// Working hours at the owner's place.
    pub hours: [f64; 2],
    /// How much goes on outside of them, as a part of what goes on inside.
    pub night: f64,
    /// How much goes on at weekends, as a part.
    pub weekend: f64,
    /// How many requests follow each other, and how many seconds apart.
    pub session_requests: f64,
    /// How many seconds apart.
    pub session_pause_s: f64,
    /// Hours that owners may be ahead of UTC.
    #[serde(default)]
    pub zones: Vec<f64>,
    /// The requests.
    pub sender: SenderConfig,
}

/// When somebody is at work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At any time.
    #[default]
    Any,
    /// While the owner is not.
    Night,
    /// While the owner is.
    Day,
}

/// Thefts of a kind.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TheftConfig {
    /// What it shows.
    pub about: String,
    /// One of so many keys is stolen in this way, and at least one is.
    pub one_in_keys: f64,
    /// Whose keys; any where none is named.
    #[serde(default)]
    pub owners: Vec<String>,
    /// For how long.
    pub lasts_hours: Spread,
    /// How many requests.
    pub requests: Spread,
    /// Models that are tried and refused first.
    #[serde(default)]
    pub probes: Vec<String>,
    /// When.
    #[serde(default)]
    pub when: When,
    /// The requests.
    #[serde(default)]
    pub sender: SenderConfig,
}

/// Changes of a kind that mean nothing.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeConfig {
    /// What it shows.
    pub about: String,
    /// One of so many keys changes so, and at least one does.
    pub one_in_keys: f64,
    /// Whose keys; any where none is named.
    #[serde(default)]
    pub owners: Vec<String>,
    /// For how long.
    pub lasts_hours: Spread,
    /// How many times as many requests.
    #[serde(default = "one")]
    pub rate: f64,
    /// How often each request is sent again.
    #[serde(default)]
    pub repeats: u32,
    /// The part of the requests that looks new.
    #[serde(default = "one")]
    pub part: f64,
    /// How they look then.
    #[serde(default)]
    pub sender: SenderConfig,
}

fn one() -> f64 {
    1.0
}

/// What a scenario is about.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// Owners at work.
    Owner(OwnerConfig),
    /// Thieves.
    Theft(TheftConfig),
    /// A change.
    Change(ChangeConfig),
}

/// A scenario, and its name.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// Its name, which is the class of what happens.
    pub name: String,
    /// What it is about.
    pub what: What,
}

/// A scenario that cannot be used.
#[derive(Debug, Error)]
#[error("scenario `{name}`: {what}")]
pub struct ScenarioError {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub what: String,
}

impl Scenario {
    /// The scenario of this text.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let told = |what: String| ScenarioError { name: name.to_owned(), what };
        let what: What = toml::from_str(text).map_err(|error| told(error.to_string().trim().to_owned()))?;
        let scenario = Self { name: name.to_owned(), what };
        scenario.check().map_err(told)?;
        Ok(scenario)
    }

    /// The one of this name that comes with the program.
    pub fn shipped(name: &str) -> Option<Result<Self, ScenarioError>> {
        let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(name, text))
    }

    /// One sentence on it.
    pub fn about(&self) -> &str {
        match &self.what {
            What::Owner(owner) => &owner.about,
            What::Theft(theft) => &theft.about,
            What::Change(change) => &change.about,
        }
    }

    fn check(&self) -> Result<(), String> {
        let above = |name: &str, value: f64| {
            let is_above = value.is_finite() && value > 0.0;
            let wrong = || format!("`{name}` is {value}; a number above nought is expected");
            is_above.then_some(()).ok_or_else(wrong)
        };
        let sender = match &self.what {
            What::Owner(owner) => {
                above("weight", owner.weight)?;
                above("requests_per_day.median", owner.requests_per_day.median)?;
                above("session_requests", owner.session_requests)?;
                above("session_pause_s", owner.session_pause_s)?;
                let [from, to] = owner.hours;
                if !(0.0 <= from && from < to && to <= 24.0) {
                    return Err(format!(
                        "`hours` are [{from}, {to}]; two hours of a day are expected, as [9, 18]"
                    ));
                }
                &owner.sender
            }
            What::Theft(theft) => {
                above("one_in_keys", theft.one_in_keys)?;
                above("lasts_hours.median", theft.lasts_hours.median)?;
                above("requests.median", theft.requests.median)?;
                &theft.sender
            }
            What::Change(change) => {
                above("one_in_keys", change.one_in_keys)?;
                above("lasts_hours.median", change.lasts_hours.median)?;
                above("rate", change.rate)?;
                &change.sender
            }
        };
        sender.addresses.iter().try_for_each(|range| super::address::Range::parse(range).map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_can_be_used() {
        for (name, _) in SHIPPED {
            let scenario = Scenario::shipped(name).unwrap().unwrap();
            assert!(scenario.about().len() > 20, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let theft = "kind = 'theft'\nabout = 'a'\none_in_keys = 9\nlasts_hours.median = 1\n";
        for (text, told) in [
            ("kind = 'flood'", "unknown variant `flood`"),
            (theft, "missing field `requests`"),
            (&format!("{theft}requests.median = 0"), "`requests.median` is 0; a number above nought"),
            (&format!("{theft}requests.median = 1\nspeed = 3"), "unknown field `speed`"),
            (
                &format!("{theft}requests.median = 1\nsender.addresses = ['home']"),
                "`home` is no range of addresses",
            ),
        ] {
            let error = Scenario::parse("mine", text).unwrap_err().to_string();
            assert!(error.starts_with("scenario `mine`: ") && error.contains(told), "{error}");
        }
    }
}
