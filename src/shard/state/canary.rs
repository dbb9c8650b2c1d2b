//! What came of canary prompts, of which each probe is a key of its own.

use super::KeyState;
use crate::detect::{Alert, Failing, Heard, KeyView, Ruleset};
use crate::record::{Batch, UsageRecord};
use crate::time::Zones;
use crate::window::OpenDay;

impl KeyState {
    /// Takes what came of a prompt; the alert to give, if it is worth one.
    #[cold]
    pub(in crate::shard) fn hear_canary(
        &mut self,
        record: &UsageRecord,
        is_well: bool,
        batch: &Batch,
        (rules, zones): (&Ruleset, &mut Zones),
    ) -> Option<Alert> {
        if is_well && self.failing.is_none() {
            return None;
        }
        let (zone, at) = (self.profile.zone, record.time);
        let heard = Heard {
            at,
            day: zones.local(zone, at.at).day,
            is_well,
            outcome: batch.text(record.user_agent),
            why: batch.text(record.endpoint),
            status: record.status,
            model: batch.text(record.model.name),
        };
        let mut failing = self.failing.take().unwrap_or_else(|| Box::new(Failing::new(at)));
        let news = failing.hear(heard, rules.fail_after());
        let alert = news.and_then(|news| {
            let day = failing.day();
            let day = OpenDay::new(day, zones.start_of(zone, day), zones.end_of(zone, day));
            failing.alert(rules, &KeyView { last_day: None, ..self.view(&day, None) }, &news)
        });
        self.failing = (!failing.is_over()).then_some(failing);
        self.resized = true;
        alert
    }
}
