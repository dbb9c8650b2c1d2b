//! When the detectors are asked, and what they see.

use super::KeyState;
use crate::detect::{Alert, KeyView, evaluate};
use crate::shard::ShardSettings;
use crate::time::{Day, Stamp};
use crate::window::OpenDay;

impl KeyState {
    /// Asks the detectors about the open day at `at`, to which a record was just added that came at `time`, unless it is
    /// known that none can hold.
    #[inline]
    pub(super) fn ask_in_turn(
        &mut self,
        at: usize,
        time: Stamp,
        settings: &ShardSettings,
        alerts: &mut Vec<Alert>,
    ) {
        let is_known = |day: &OpenDay| day.leeway.as_ref().is_some_and(|leeway| leeway.holds(day));
        if self.open.get(at).is_some_and(is_known) {
            debug_assert!(!self.holds_any(at, settings), "a leeway promises too much: {:?}", self.open[at]);
        } else {
            self.ask_now(at, time, settings, alerts);
        }
    }

    /// Whether a detector holds, asked without a leeway: in builds for debugging, and so in all tests, each one is held to
    /// its promise.
    fn holds_any(&self, at: usize, settings: &ShardSettings) -> bool {
        let day = &self.open[at];
        let view = self.view(day, self.last_day_before(day.day));
        settings.rules.iter().any(|(_, rule)| rule.test(&view).is_some())
    }

    /// Asks the detectors about the open day at `at`, after what happened at `time`, whatever that was.
    pub(super) fn ask(&mut self, at: usize, time: Stamp, settings: &ShardSettings, alerts: &mut Vec<Alert>) {
        self.end_leeway();
        self.ask_now(at, time, settings, alerts);
    }

    fn ask_now(&mut self, at: usize, time: Stamp, settings: &ShardSettings, alerts: &mut Vec<Alert>) {
        let last_day = self.last_day_before(self.open[at].day);
        let mut raised = std::mem::take(&mut self.open[at].raised);
        let before = alerts.len();
        let view = self.view(&self.open[at], last_day);
        let leeway = evaluate(&settings.rules, &view, time, &mut raised, alerts);
        let day = &mut self.open[at];
        day.raised = raised;
        let had = day.leeway.is_some();
        match (&mut day.leeway, leeway.filter(|_| day.requests > 1)) {
            (Some(known), Some(leeway)) => **known = leeway,
            (known, leeway) => *known = leeway.map(Box::new),
        }
        self.resized |= alerts.len() != before || day.leeway.is_some() != had;
    }

    /// Something that detectors look at has changed besides what records count: they have to be asked again.
    pub(super) fn end_leeway(&mut self) {
        for day in &mut self.open {
            self.resized |= day.leeway.take().is_some();
        }
    }

    /// What detectors see of a day.
    #[inline]
    pub(super) fn view<'a>(&'a self, day: &'a OpenDay, last_day: Option<Day>) -> KeyView<'a> {
        let (baseline, generation) = self.baselines.of(day.day);
        KeyView {
            key: &self.profile,
            day,
            baseline,
            generation,
            models: &self.models,
            addresses: &self.addresses,
            signals: self.signals,
            last_day,
            history: &self.history,
            open: &self.open,
        }
    }

    /// The last day of use before a day.
    #[inline]
    pub(super) fn last_day_before(&self, day: Day) -> Option<Day> {
        let open = self.open.iter().filter(|open| open.day < day && open.requests > 0).map(|open| open.day);
        open.max().or_else(|| self.history.last_day_before(day))
    }
}
