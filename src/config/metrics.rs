//! Which series there are in `/metrics`.

use serde::{Deserialize, Serialize};

/// Which series there are in `/metrics`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Of which keys there are series of their own.
    pub keys: KeySeries,
    /// Of how many at most; all others together are `other`.
    pub keys_max: u16,
    /// The keys of `listed`, by what is shown of them, their alias, or how their `key_id` begins.
    pub keys_listed: Vec<String>,
    /// Of `top`: after how many minutes a key that no longer is among the first gives its place away.
    pub keys_expire_minutes: u32,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { keys: KeySeries::Off, keys_max: 20, keys_listed: Vec::new(), keys_expire_minutes: 60 }
    }
}

/// Of which keys there are series of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeySeries {
    /// Of none.
    Off,
    /// Of those that matter most: with open incidents and alerts, then by what they spend.
    Top,
    /// Of those that are listed.
    Listed,
}
