//! When a key was last used, and when that will be too long ago.

use super::{KeyState, Surroundings};
use crate::baseline::{Patience, Pulse};
use crate::detect::{Alert, KeyView, Ruleset, Silence};
use crate::time::{SECOND, Stamp, Timestamp, Zones};
use crate::window::OpenDay;
use serde::{Deserialize, Serialize};

/// How long a key has been quiet.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Quiet {
    /// The last use.
    pub(super) last: Timestamp,
    /// When it is looked at whether that is too long ago; saved, so that a run which goes on looks at the same time.
    look: Option<Timestamp>,
    /// A silence that was told and is not over.
    told: Option<Box<Silence>>,
}

impl Quiet {
    /// A key at its first record.
    pub(super) const NEW: Self = Self { last: Timestamp::MIN, look: None, told: None };

    /// Notes a use; true where a silence is over by it.
    #[inline]
    pub(super) fn end_by(&mut self, at: Timestamp) -> bool {
        self.last = self.last.max(at);
        self.told.is_some()
    }
}

impl KeyState {
    /// When it is to be looked at whether the key has been silent for too long, if it ever is.
    pub(in crate::shard) const fn look_at(&self) -> Option<Timestamp> {
        self.quiet.look
    }

    /// Whether a day has passed of which nobody has made out yet when the key would be missed; when that is, then.
    pub(in crate::shard) fn expect(&mut self, rules: &Ruleset, zones: &mut Zones) -> Option<Timestamp> {
        if self.quiet.look.is_none() && self.quiet.told.is_none() {
            self.quiet.look = self.hush(rules.patience()?, zones).map(|silence| silence.told);
            return self.quiet.look;
        }
        None
    }

    /// What there is to say now that it is looked at, and when it is looked at again.
    pub(in crate::shard) fn listen(
        &mut self,
        now: Timestamp,
        rules: &Ruleset,
        zones: &mut Zones,
    ) -> (Option<Alert>, Option<Timestamp>) {
        let Some(patience) = rules.patience().filter(|_| self.quiet.look == Some(now)) else {
            return (None, None);
        };
        // Of a key that has been used since then it need not be made out what is usual.
        #[allow(clippy::cast_possible_truncation, reason = "hours, which a setting bounds")]
        let soonest = self.quiet.last.plus((patience.hours_min * 3600.0) as i64 * SECOND);
        if soonest > now {
            self.quiet.look = Some(soonest);
            return (None, self.quiet.look);
        }
        let Some(silence) = self.hush(patience, zones) else {
            self.quiet.look = None;
            return (None, None);
        };
        if silence.told > now {
            self.quiet.look = Some(silence.told);
            return (None, self.quiet.look);
        }
        let silence = Silence { told: now, ..silence };
        (self.quiet.look, self.quiet.told) = (None, Some(Box::new(silence)));
        (self.alert_of(&silence, None, rules, zones), None)
    }

    /// Tells that a silence is over.
    #[cold]
    pub(super) fn end_silence(&mut self, by: Stamp, around: &mut Surroundings<'_>, alerts: &mut Vec<Alert>) {
        if let Some(silence) = self.quiet.told.take() {
            alerts.extend(self.alert_of(&silence, Some(by), &around.settings.rules, around.zones));
        }
    }

    /// The silence that there will be if the key is not used any more.
    fn hush(&self, patience: Patience, zones: &mut Zones) -> Option<Silence> {
        let since = self.quiet.last;
        let day = zones.local(self.profile.zone, since).day;
        let is_clean = |day| !self.foul.iter().any(|foul| foul.from <= day && day <= foul.to);
        let pulse = Pulse::of(&self.history, crate::time::Day(day.0 - 1), is_clean)?;
        let hush = pulse.hush(since, self.profile.zone, zones, patience)?;
        let (told, expected) = (hush.at, hush.expected);
        Some(Silence { since, told, expected, chance: hush.chance, is_daily: hush.is_daily })
    }

    fn alert_of(
        &self,
        silence: &Silence,
        back: Option<Stamp>,
        rules: &Ruleset,
        zones: &mut Zones,
    ) -> Option<Alert> {
        let zone = self.profile.zone;
        let day = zones.local(zone, silence.since).day;
        let day = OpenDay::new(day, zones.start_of(zone, day), zones.end_of(zone, day));
        silence.alert(rules, &KeyView { last_day: None, ..self.view(&day, None) }, back)
    }
}
