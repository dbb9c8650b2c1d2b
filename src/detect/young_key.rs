//! `young_key`: a key that nobody knows yet is used as keys are that have just been stolen.
//!
//! A key without a baseline has nothing it could be compared with, and in its first hours everybody is taken for its owner.
//! So only what hardly any owner does is a sign: models tried one after the other that the key may not use, and use from
//! several networks within an hour. Money is none by itself, however much it is: a service that moves to another key spends
//! from the first minute what it spent before (`burn_rate` tells of that, as something that runs). With a sign it is one more.

use super::rule::{Settings, bind, defaults, extent, within};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, REVOKE_FIRST, Rule, Severity};
use crate::signal::Signals;
use crate::time::{SECOND, Stamp, Timestamp};
use crate::window::{FirstHour, SPANS};
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "young_key",
    summary: "a key without baseline is tried on models that refuse it, or used from three networks within an hour",
    version: 1,
    class: Class::Compromise,
    pages: true,
    needs: Signals::NONE,
    attack: &["T1078.004", "T1526", "T1090"],
    atlas: &["AML.T0012", "AML.T0075"],
    next_steps: REVOKE_FIRST,
    load: bind::<YoungKey>,
    defaults: defaults::<YoungKey>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct YoungKey {
    /// Networks within an hour from which on it is a sign.
    networks: f64,
    /// Blocks of addresses (/16, of IPv6 /32) within an hour, where it is not known whose networks they are.
    blocks: f64,
    /// Models that refuse the key within an hour; one fewer where it asked for the list of models as well.
    models_refused: f64,
    /// Dollars an hour that are one more sign where there is one.
    usd_per_hour: f64,
}

impl Default for YoungKey {
    fn default() -> Self {
        Self { networks: 3.0, blocks: 12.0, models_refused: 4.0, usd_per_hour: 25.0 }
    }
}

impl Settings for YoungKey {
    fn check(&self) -> Result<(), String> {
        within("networks", self.networks, 2.0..=8.0)?;
        within("blocks", self.blocks, 2.0..=16.0)?;
        within("models_refused", self.models_refused, 2.0..=8.0)?;
        within("usd_per_hour", self.usd_per_hour, 0.0..=1e9)
    }
}

/// Addresses that are told.
const ADDRESSES_TOLD: usize = 20;

/// What speaks against a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Signs {
    probes: bool,
    places: bool,
    burns: bool,
}

impl Signs {
    fn any(self) -> bool {
        self.probes || self.places
    }

    fn count(self) -> u8 {
        u8::from(self.probes) + u8::from(self.places) + u8::from(self.burns)
    }
}

impl YoungKey {
    fn probes(&self, hour: &FirstHour<'_>) -> bool {
        let refused = hour.refused_count();
        refused + usize::from(hour.lists()) >= whole(self.models_refused)
            && refused + 1 >= whole(self.models_refused)
    }

    fn places(&self, hour: &FirstHour<'_>) -> bool {
        let (networks, blocks) = (hour.network_count(), hour.block_count());
        networks >= whole(self.networks) || networks == 0 && blocks >= whole(self.blocks)
    }

    fn signs(&self, view: &KeyView<'_>) -> Option<Signs> {
        if view.baseline.is_some() {
            return None;
        }
        let hours = view.day.first_hours.as_ref()?;
        let signs = Signs {
            probes: hours.hours().any(|hour| self.probes(&hour)),
            places: hours.hours().any(|hour| self.places(&hour)),
            burns: view.day.spending.most()[0].usd() > self.usd_per_hour,
        };
        signs.any().then_some(signs)
    }
}

/// Settings are numbers that may have a fraction; nobody sees half a network.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 2 to 16")]
fn whole(setting: f64) -> usize {
    setting.ceil() as usize
}

impl Rule for YoungKey {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let signs = self.signs(view)?;
        let severity = if signs.count() > 1 { Severity::High } else { Severity::Medium };
        Some(Finding { severity, extent: extent(view.day.requests) })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        let noted = view.day.first_hours.as_ref().map_or(0, |hours| hours.noted());
        let is_known = view.baseline.is_some();
        if is_known { Leeway::ENDLESS } else { Leeway::of_first_hours(noted) }
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let (Some(signs), Some(hours)) = (self.signs(view), &view.day.first_hours) else {
            return Explanation::none(view);
        };
        let mut reasons = Vec::new();
        let mut evidence = Vec::new();
        if let Some(hour) = hours.fullest(FirstHour::refused_count).filter(|_| signs.probes) {
            let models = hour.refused_count() as u64;
            let lists = if hour.lists() { " and its list of models" } else { "" };
            reasons.push(format!(
                "{models} models that refuse it{lists}, tried in the hour of {}",
                at(view, &hour)
            ));
            evidence.push(("models_refused", Fact::Count(models)));
        }
        if let Some(hour) =
            hours.fullest(FirstHour::network_count).filter(|hour| signs.places && hour.network_count() > 0)
        {
            let names: Vec<String> = hour.networks().map(|network| format!("AS{network}")).collect();
            reasons.push(format!("used from {} in the hour of {}", names.join(", "), at(view, &hour)));
            evidence.push(("networks", Fact::Texts(names)));
        } else if let Some(hour) = hours.fullest(FirstHour::block_count).filter(|_| signs.places) {
            let blocks = hour.block_count() as u64;
            reasons.push(format!(
                "used from {blocks} blocks of addresses or more in the hour of {}",
                at(view, &hour)
            ));
            evidence.push(("blocks", Fact::Count(blocks)));
        }
        if let Some(burn) = view.day.spending.burn(SPANS[0]).filter(|_| signs.burns) {
            reasons.push(format!("{} in an hour", burn.long));
            evidence.push(("usd_in_an_hour", Fact::Usd(burn.long)));
        }
        evidence.push(("requests", Fact::Count(view.day.requests)));
        evidence.push(("total_cost", Fact::Usd(view.day.spent())));
        let mut addresses = hours.addresses.texts();
        addresses.truncate(ADDRESSES_TOLD);
        if !addresses.is_empty() {
            evidence.push(("source_ips", Fact::Texts(addresses)));
        }
        Explanation {
            timestamp: view.day.first(),
            description: format!("a key that is not known yet: {}", reasons.join("; ")),
            evidence,
        }
    }
}

fn at(view: &KeyView<'_>, hour: &FirstHour<'_>) -> String {
    let start: Timestamp = view.day.start.plus(i64::from(hour.hour) * 3600 * SECOND);
    Stamp::utc(start).to_string()
}
