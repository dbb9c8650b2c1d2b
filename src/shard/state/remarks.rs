//! What is a finding by itself: use of a key that nobody may use, or by somebody who stands on a list, and what audit
//! logs tell.

use super::{KeyState, Surroundings};
use crate::detect::Alert;
use crate::record::{Action, Batch, UsageRecord};
use crate::time::{Local, MINUTE, Stamp, Timestamp};
use crate::window::{Minute, OpenDay, Sightings, Tally};

/// How long providers may take to enforce a revocation everywhere. Uses within it are nobody's fault.
const ENFORCED_WITHIN: i64 = 5 * MINUTE;

/// Whether anything follows from such an act. What was changed of a key hardly any log tells, and that one is deleted is
/// what ought to be done with keys.
const fn is_told(action: Action) -> bool {
    !matches!(action, Action::KeyChanged | Action::KeyDeleted | Action::Other)
}

/// Whether anything is remembered of such an act.
pub(in crate::shard) const fn is_noted(action: Action) -> bool {
    is_told(action) || matches!(action, Action::KeyDeleted)
}

impl KeyState {
    /// Whether use at this time is a finding by itself.
    #[inline]
    pub(super) fn is_remarkable(&self, at: Timestamp, listed: Option<&str>) -> bool {
        self.profile.is_canary || listed.is_some() || self.is_revoked(at)
    }

    fn is_revoked(&self, at: Timestamp) -> bool {
        self.revoked.is_some_and(|revoked| at > revoked.plus(ENFORCED_WITHIN))
    }

    /// Notes it in the open day at `at`.
    #[cold]
    pub(super) fn remark(
        &mut self,
        at: usize,
        record: &UsageRecord,
        time: Stamp,
        batch: &Batch,
        listed: Option<&str>,
    ) {
        let (is_canary, is_revoked, revoked) =
            (self.profile.is_canary, self.is_revoked(time.at), self.revoked);
        let sightings = self.open[at].sightings.get_or_insert_default();
        let (who, count) = (batch.text(record.user_agent), u64::from(record.requests.max(1)));
        let add = |tally: &mut Tally| tally.add(time, record.status, count, record.address, who);
        if is_canary {
            add(&mut sightings.canary);
        }
        if is_revoked {
            sightings.revoked_at = revoked;
            add(&mut sightings.revoked);
        }
        listed.and_then(|entry| sightings.of_entry(entry)).into_iter().for_each(add);
        self.resized = true;
    }

    /// Nobody can or may use the key from then on.
    fn revoke(&mut self, at: Timestamp) {
        self.revoked = self.revoked.max(Some(at));
    }

    /// The same, and tells of use since then that came before the word of it.
    #[cold]
    pub(in crate::shard) fn revoke_and_recall(
        &mut self,
        at: Timestamp,
        around: &mut Surroundings<'_>,
        alerts: &mut Vec<Alert>,
    ) {
        let is_first = self.revoked.is_none();
        self.revoke(at);
        // Use since an earlier revocation has been told already.
        if !is_first {
            return;
        }
        let minutes: Vec<Minute> = self.recent.since(at.plus(ENFORCED_WITHIN)).collect();
        let mut last = None;
        for minute in minutes {
            let is_its = |day: &OpenDay| day.start <= minute.first && minute.first < day.end;
            let Some(place) = self.open.iter().position(is_its) else { continue };
            let sightings = self.open[place].sightings.get_or_insert_default();
            sightings.revoked_at = Some(at);
            let time = Stamp::utc(minute.first);
            for (status, count) in [(200, minute.served), (403, minute.refused)] {
                if count > 0 {
                    sightings.revoked.add(time, status, count.into(), minute.address, "");
                }
            }
            if last.is_some_and(|(other, _)| other != place) {
                self.ask_of(last, around, alerts);
            }
            last = Some((place, time));
        }
        self.ask_of(last, around, alerts);
        self.resized = true;
    }

    fn ask_of(
        &mut self,
        day: Option<(usize, Stamp)>,
        around: &mut Surroundings<'_>,
        alerts: &mut Vec<Alert>,
    ) {
        if let Some((at, time)) = day {
            self.ask(at, time, around.settings, alerts);
        }
    }

    /// Remembers whether the key was revoked, or made anew.
    pub(in crate::shard) fn learn_act(&mut self, record: &UsageRecord, action: Action) {
        match action {
            Action::KeyDeleted => self.revoke(record.time.at),
            Action::KeyCreated => self.revoked = self.revoked.filter(|revoked| *revoked > record.time.at),
            _ => {}
        }
    }

    /// Takes what was done to the key, or by it.
    #[cold]
    pub(in crate::shard) fn act(
        &mut self,
        (record, action, batch): (&UsageRecord, Action, &Batch),
        local: Local,
        around: &mut Surroundings<'_>,
        alerts: &mut Vec<Alert>,
    ) {
        if action == Action::KeyDeleted {
            self.revoke_and_recall(record.time.at, around, alerts);
        }
        self.learn_act(record, action);
        if !is_told(action) {
            return;
        }
        let Some(at) = self.open_day(local.day, around) else { return };
        let sightings: &mut Box<Sightings> = self.open[at].sightings.get_or_insert_default();
        let name = if record.key_alias.is_none() { record.user_agent } else { record.key_alias };
        sightings.of_action(action).add(record.time, record.status, 1, record.address, batch.text(name));
        self.resized = true;
        self.ask(at, record.time, around.settings, alerts);
    }
}
