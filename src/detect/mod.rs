//! One detector, one verdict: the table of detectors, and how they are loaded.
//!
//! A detector is one file and one row of [`ALL`]. Help, reference page and metric labels come from the table.

mod alert;
mod leeway;
mod raise;
mod rule;

mod account_manipulation;
mod billing_threshold;
mod burn_rate;
mod canary_key;
mod cost_spike;
mod defense_evasion;
mod dormant_key;
mod error_storm;
mod off_hours_usage;
mod probe_failing;
mod repeated_request;
mod revoked_key;
mod silence;
mod unknown_model;
mod unlisted_key;
mod unknown_source_ip;
mod volume_spike;
mod watch_list;
mod young_key;

pub use alert::{Alert, AlertId, Class, Fact, Severity, Status};
pub use leeway::Leeway;
pub use probe_failing::{Failing, Heard};
pub use raise::{Raised, close, evaluate, restate};
pub use rule::{Explanation, Finding, KeyProfile, KeyView, Rule};
pub use silence::Silence;

use crate::baseline::Patience;
use crate::config::ConfigError;
use crate::signal::Signals;
use crate::window::OpenDay;
use rule::Load;

/// A detector: what operators read about it, and how to start it.
pub struct Detector {
    /// Its name: the `alert_type` of its alerts, its table in the configuration, its metric label.
    pub name: &'static str,
    /// What operators read about it.
    pub summary: &'static str,
    /// Raised when its verdicts change meaning, so that alert ids change with them.
    pub version: u32,
    /// Which way its evidence points.
    pub class: Class,
    /// Whether a person is called: its alerts that are high or critical are incidents of their own.
    pub pages: bool,
    /// Without what it is blind, besides requests and their times.
    pub needs: Signals,
    /// MITRE ATT&CK techniques.
    pub attack: &'static [&'static str],
    /// MITRE ATLAS techniques.
    pub atlas: &'static [&'static str],
    /// What the person who gets the alert should do.
    pub next_steps: &'static [&'static str],
    /// Reads its settings.
    pub load: Load,
    /// Its default settings, as the lines of its table in the configuration.
    pub defaults: fn() -> Result<String, toml::ser::Error>,
}

/// The detectors, in the order in which their alerts are given.
pub const ALL: &[Detector] = &[
    volume_spike::DETECTOR,
    cost_spike::DETECTOR,
    unknown_model::DETECTOR,
    unknown_source_ip::DETECTOR,
    off_hours_usage::DETECTOR,
    billing_threshold::DETECTOR,
    canary_key::DETECTOR,
    watch_list::DETECTOR,
    revoked_key::DETECTOR,
    dormant_key::DETECTOR,
    defense_evasion::DETECTOR,
    account_manipulation::DETECTOR,
    error_storm::DETECTOR,
    repeated_request::DETECTOR,
    burn_rate::DETECTOR,
    young_key::DETECTOR,
    silence::DETECTOR,
    unlisted_key::DETECTOR,
    probe_failing::DETECTOR,
];

/// Whether a person is called where this detector speaks up.
pub fn pages(name: &str) -> bool {
    ALL.iter().any(|detector| detector.pages && detector.name == name)
}

/// What the detector of this name is about, in a few words.
pub fn summary(name: &str) -> Option<&'static str> {
    ALL.iter().find(|detector| detector.name == name).map(|detector| detector.summary)
}

/// The first steps after every sign of theft.
pub(crate) const REVOKE_FIRST: &[&str] = &[
    "Ask the owner of the key whether this was planned; if nobody says yes within minutes, go on.",
    "Create a new key, move the owner's services to it, then revoke this one at the provider.",
    "Set a spending limit at the provider and note the time of revocation for a billing dispute.",
    "Find where the key leaked: repositories, CI logs, client-side code, shared configuration.",
];

/// The first steps where money runs but theft is not the first suspect.
const CHECK_RUNAWAY: &[&str] = &[
    "Look for a runaway cron job, retry loop or duplicated webhook on the key's owner's side.",
    "If the owner cannot explain it, treat the key as stolen: replace and revoke it.",
    "Set or lower the spending limit at the provider.",
];

/// The first steps after somebody weakened what protects keys, or gave himself more.
const CHECK_CHANGE: &[&str] = &[
    "Ask whoever is named whether they did it, by another way than the account that did it.",
    "If nobody did, undo it, revoke the sessions and keys of that account, and look for what else it did since.",
];

/// Detectors that are switched on, with their settings, in the order of [`ALL`].
pub struct Ruleset {
    rules: Vec<Loaded>,
}

struct Loaded {
    /// Its place in [`ALL`].
    number: u16,
    detector: &'static Detector,
    /// What [`Rule::needs_sightings`] says.
    needs_sightings: bool,
    rule: Box<dyn Rule>,
}

impl Ruleset {
    /// The detectors of a `[detectors]` table; what the table does not name has its defaults.
    pub fn load(table: &toml::Table) -> Result<Self, ConfigError> {
        for name in table.keys() {
            if !ALL.iter().any(|detector| detector.name == name) {
                return Err(ConfigError::unknown("detector", name, ALL.iter().map(|detector| detector.name)));
            }
        }
        let mut rules = Vec::new();
        for (number, detector) in (0..).zip(ALL) {
            if let Some(rule) = load(detector, table.get(detector.name))? {
                rules.push(Loaded { number, detector, needs_sightings: rule.needs_sightings(), rule });
            }
        }
        Ok(Self { rules })
    }

    /// The loaded detectors.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Detector, &dyn Rule)> {
        self.numbered().map(|(_, detector, rule)| (detector, rule))
    }

    /// The same, each with its place in [`ALL`].
    fn numbered(&self) -> impl Iterator<Item = (u16, &'static Detector, &dyn Rule)> {
        self.rules.iter().map(Loaded::numbered)
    }

    /// The same, but for those that cannot hold on this day.
    #[inline]
    fn asked_of(&self, day: &OpenDay) -> impl Iterator<Item = (u16, &'static Detector, &dyn Rule)> {
        let has_sightings = day.sightings.is_some();
        let asked = self.rules.iter().filter(move |loaded| has_sightings || !loaded.needs_sightings);
        asked.map(Loaded::numbered)
    }

    /// How far a day may go before one of these can hold, if none does now.
    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        self.asked_of(view.day).fold(Leeway::ENDLESS, |leeway, (_, _, rule)| leeway.and(rule.leeway(view)))
    }

    /// The names of the loaded detectors that can see nothing in records with these signals only.
    pub fn blind(&self, seen: Signals) -> Vec<&'static str> {
        self.iter()
            .filter(|(detector, _)| !seen.has(detector.needs))
            .map(|(detector, _)| detector.name)
            .collect()
    }

    /// How long a silence must be to be told, if it is.
    pub fn patience(&self) -> Option<Patience> {
        self.iter().find_map(|(_, rule)| rule.patience())
    }

    /// How many canary prompts in a row have to fail to be told of, if they are.
    pub fn fail_after(&self) -> Option<u32> {
        self.iter().find_map(|(_, rule)| rule.fail_after())
    }

    /// Number of loaded detectors.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True where every detector is switched off.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Loaded {
    #[inline]
    fn numbered(&self) -> (u16, &'static Detector, &dyn Rule) {
        (self.number, self.detector, &*self.rule)
    }
}

/// `None` where the detector is switched off by `enabled = false`.
fn load(detector: &Detector, settings: Option<&toml::Value>) -> Result<Option<Box<dyn Rule>>, ConfigError> {
    let mut table = match settings {
        None => toml::Table::new(),
        Some(toml::Value::Table(table)) => table.clone(),
        Some(other) => {
            let found = other.type_str();
            return Err(ConfigError::detector(detector.name, format!("a table is expected, not {found}")));
        }
    };
    let enabled = match table.remove("enabled") {
        None => true,
        Some(toml::Value::Boolean(enabled)) => enabled,
        Some(_) => return Err(ConfigError::detector(detector.name, "`enabled` is true or false".to_owned())),
    };
    let rule = (detector.load)(table).map_err(|error| ConfigError::detector(detector.name, error))?;
    Ok(enabled.then_some(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (at, detector) in ALL.iter().enumerate() {
            let name = detector.name;
            assert!(ALL[..at].iter().all(|other| other.name != name), "{name} stands twice");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name} is snake case");
            assert!(detector.summary.len() > 20 && !detector.next_steps.is_empty(), "{name} is documented");
            assert!(detector.attack.iter().all(|id| id.starts_with('T')), "{name}");
            assert!(detector.atlas.iter().all(|id| id.starts_with("AML.T")), "{name}");
        }
    }

    #[test]
    fn every_detector_reads_its_own_defaults() {
        for detector in ALL {
            let defaults: toml::Table = toml::from_str(&(detector.defaults)().unwrap()).unwrap();
            assert!((detector.load)(defaults).is_ok(), "{}", detector.name);
        }
    }

    #[test]
    fn detectors_are_switched_off_by_name() {
        let table = toml::from_str("[volume_spike]\nenabled = false\n[cost_spike]\nfloor_usd = 1.0").unwrap();
        let rules = Ruleset::load(&table).unwrap();
        assert_eq!(rules.len(), ALL.len() - 1);
        assert!(rules.iter().all(|(detector, _)| detector.name != "volume_spike"));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, told) in [
            ("[volume_spik]", "did you mean `volume_spike`"),
            ("[volume_spike]\nsigmaa = 3", "sigmaa"),
            ("volume_spike = 3", "a table is expected"),
            ("[volume_spike]\nenabled = 1", "true or false"),
            ("[volume_spike]\nsigma = -1.0", "sigma"),
        ] {
            let error = Ruleset::load(&toml::from_str(text).unwrap()).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
