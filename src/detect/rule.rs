//! What a detector sees and what it answers.

use super::{Fact, Leeway, Severity};
use crate::address::Address;
use crate::baseline::{Baseline, History, Patience};
use crate::config::ConfigError;
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::signal::Signals;
use crate::time::{Day, Stamp, Timestamp};
use crate::window::{Generation, Known, OpenDay, Tally};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A detector with its settings.
pub trait Rule: Send + Sync {
    /// Whether it holds now. Asked for every record, so it must be cheap; depends on the view alone.
    fn test(&self, view: &KeyView<'_>) -> Option<Finding>;

    /// The words and numbers for a finding. Asked only when an alert goes out.
    fn explain(&self, view: &KeyView<'_>) -> Explanation;

    /// How far the day may go before it can hold, where it does not hold now; none at all where it has to be asked about
    /// every record. What is unknown, what is seen in [`Sightings`](crate::window::Sightings), another baseline and another
    /// configuration end every leeway.
    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        let _ = view;
        Leeway::NONE
    }

    /// Whether it can hold only on days with [`Sightings`](crate::window::Sightings): it is not asked about others.
    fn needs_sightings(&self) -> bool {
        false
    }

    /// How long a silence must be to be told, of the detector that tells of them.
    fn patience(&self) -> Option<Patience> {
        None
    }

    /// How many canary prompts in a row have to fail to be told of, of the detector that tells of them.
    fn fail_after(&self) -> Option<u32> {
        None
    }
}

/// A detector that holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// A measure of its extent: an open alert is revised whenever this has grown to three times what was told.
    pub extent: f64,
}

/// What a person is told.
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    /// The seed's `timestamp`.
    pub timestamp: Stamp,
    /// One sentence.
    pub description: String,
    /// The numbers, under the seed's names where it has them.
    pub evidence: Vec<(&'static str, Fact)>,
}

impl Explanation {
    /// There is nothing to tell any more.
    pub(super) fn none(view: &KeyView<'_>) -> Self {
        let description = format!("nothing of the kind on {} after all", view.day.day);
        Self { timestamp: view.day.first(), description, evidence: Vec::new() }
    }
}

/// Who the key is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyProfile {
    /// Fingerprint.
    pub id: KeyId,
    /// What may be shown of the key.
    pub hint: Arc<str>,
    /// The owner's name for it; may be empty.
    pub alias: Arc<str>,
    /// Number of its zone. This and the amounts are the configuration's, and are looked up anew for a saved key.
    #[serde(skip)]
    pub zone: u16,
    /// It is there to be found by thieves: nobody may use it. The configuration's, too.
    #[serde(skip)]
    pub is_canary: bool,
    /// There are lists of keys, and it is in none. The configuration's, too.
    #[serde(skip)]
    pub is_unlisted: bool,
    /// Daily amounts at which its owner wants to hear of spending; empty for the defaults.
    #[serde(skip)]
    pub amounts: Arc<[NanoUsd]>,
    /// What it may cost in a calendar month; nothing where its owner has set no budget.
    #[serde(skip)]
    pub budget: NanoUsd,
}

/// One key on one day, as a detector sees it.
pub struct KeyView<'a> {
    /// Who it is.
    pub key: &'a KeyProfile,
    /// The day so far.
    pub day: &'a OpenDay,
    /// What is normal, if anything is known of it.
    pub baseline: Option<&'a Baseline>,
    /// Which known values belong to the baseline.
    pub generation: Generation,
    /// Models by fingerprint of the canonical name.
    pub models: &'a Known<u64, Arc<str>>,
    /// Addresses.
    pub addresses: &'a Known<Address, ()>,
    /// What records of the key have ever told.
    pub signals: Signals,
    /// The last day of use before this one.
    pub last_day: Option<Day>,
    /// The days that are over, and those that are open.
    pub history: &'a History,
    /// Those that are open; this one may be among them.
    pub open: &'a [OpenDay],
}

impl KeyView<'_> {
    /// Names of the models that the baseline knows, sorted.
    pub fn known_models(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.models.known(self.generation).map(|(_, name)| name.to_string()).collect();
        names.sort_unstable();
        names
    }

    /// Up to `max` of the addresses that the baseline knows, sorted.
    pub fn known_addresses(&self, max: usize) -> Vec<String> {
        let mut texts: Vec<String> =
            self.addresses.known(self.generation).map(|(address, ())| address.to_string()).collect();
        texts.sort_unstable();
        texts.truncate(max);
        texts
    }

    /// Money of the calendar month up to the start of the day.
    pub fn month_before(&self) -> NanoUsd {
        let today = self.day.day;
        let (from, to) = (today.month().0, Day(today.0 - 1));
        let over = self.history.days(from, to).map(|day| self.history.spent(day));
        let open = self.open.iter().filter(|day| (from..=to).contains(&day.day)).map(OpenDay::spent);
        over.chain(open).fold(NanoUsd::ZERO, |sum, cost| sum + cost)
    }

    /// Start of the day, for detectors that need an instant.
    pub fn start(&self) -> Timestamp {
        self.day.start
    }
}

/// Reads a detector's settings.
pub(super) type Load = fn(toml::Table) -> Result<Box<dyn Rule>, String>;

/// Settings that can be read, checked and shown.
pub(super) trait Settings: Rule + Default + DeserializeOwned + Serialize + 'static {
    /// What is wrong with the values, if anything.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A [`Load`] for a detector whose settings are itself.
pub(super) fn bind<T: Settings>(table: toml::Table) -> Result<Box<dyn Rule>, String> {
    let settings: T = table.try_into().map_err(|error| ConfigError::of_value(&error))?;
    settings.check()?;
    Ok(Box::new(settings))
}

/// The default settings as TOML.
pub(super) fn defaults<T: Settings>() -> Result<String, toml::ser::Error> {
    toml::to_string(&T::default())
}

/// Refuses a setting outside `range`.
pub(super) fn within(name: &str, value: f64, range: std::ops::RangeInclusive<f64>) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("`{name}` is {value}; {} to {} is expected", range.start(), range.end()))
}

/// `value` to one decimal, rounded as Python's `round` does (half to even on the exact binary value).
pub(super) fn round1(value: f64) -> f64 {
    format!("{value:.1}").parse().unwrap_or(value)
}

/// Addresses that are told of a tally.
const ADDRESSES_TOLD: usize = 20;

/// What is told of who was seen.
pub(super) fn witnesses(tally: &Tally) -> Vec<(&'static str, Fact)> {
    let mut evidence = vec![("served", Fact::Count(tally.served)), ("refused", Fact::Count(tally.refused))];
    let mut addresses = tally.addresses.texts();
    addresses.truncate(ADDRESSES_TOLD);
    if !addresses.is_empty() {
        evidence.push(("source_ips", Fact::Texts(addresses)));
    }
    if let Some((_, who)) = tally.first().filter(|(_, who)| !who.is_empty()) {
        evidence.push(("by", Fact::Text(who.to_owned())));
    }
    evidence
}

/// The same for a sentence: from where, and by whom.
pub(super) fn from_whom(tally: &Tally) -> String {
    let addresses = tally.addresses.texts();
    let mut text = match &addresses[..] {
        [] => String::new(),
        [one] => format!(", from {one}"),
        [one, more @ ..] => format!(", from {one} and {} more", more.len()),
    };
    if let Some((_, who)) = tally.first().filter(|(_, who)| !who.is_empty()) {
        text.push_str(if text.is_empty() { ", by " } else { " by " });
        text.push_str(who);
    }
    text
}

/// So many of these, in words: `1 request`, `2 requests`.
pub(super) fn some(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[allow(clippy::cast_precision_loss, reason = "only how it grows counts")]
pub(super) fn extent(count: u64) -> f64 {
    count as f64
}
