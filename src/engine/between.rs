//! What happens between two records: watch lists that have changed, another configuration, a look at single keys.

use super::board::Curiosity;
use super::clock::Arrival;
use super::lists::Lists;
use super::reload::Change;
use crate::config::{KeySeries, MetricsConfig, Plan};
use crate::key::KeyId;
use crate::shard::{Wanted, Witnessed};
use crate::time::Timestamp;
use crate::watch_list::WatchList;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often single keys are looked at: as often as Prometheus usually asks, and a bit.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What may happen between two records.
pub struct Between {
    lists: Lists,
    /// Those of a configuration that is tried beside the run's.
    shadow_lists: Option<Lists>,
    changes: Option<mpsc::Receiver<Change>>,
    census: Option<Looks>,
    curiosity: Option<Curiosity>,
    /// Something has happened since whoever is curious was told to look.
    is_stale: bool,
}

/// When single keys are looked at, and which.
struct Looks {
    wanted: Wanted,
    held: watch::Receiver<Vec<KeyId>>,
    last: Option<Arrival>,
    /// Something has happened since.
    is_stale: bool,
}

impl Between {
    /// As planned, with other configurations from `changes`; `held` says which keys are shown.
    pub fn new(
        plan: &Plan,
        changes: Option<mpsc::Receiver<Change>>,
        held: watch::Receiver<Vec<KeyId>>,
    ) -> Self {
        let census = wanted(&plan.metrics).map(|wanted| Looks { wanted, held, last: None, is_stale: true });
        Self { lists: Lists::of(plan), shadow_lists: None, changes, census, curiosity: None, is_stale: true }
    }

    /// With somebody who wants to look at keys closely.
    #[must_use]
    pub fn with(self, curiosity: Option<Curiosity>) -> Self {
        Self { curiosity, ..self }
    }

    /// With a configuration that is tried beside the run's.
    #[must_use]
    pub fn beside(self, shadow: Option<&Plan>) -> Self {
        Self { shadow_lists: shadow.map(Lists::of), ..self }
    }

    /// The watch lists.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The watch lists as they are now, if any has changed.
    pub fn changed_list(&mut self) -> Option<Arc<WatchList>> {
        self.lists.changed()
    }

    /// The same of a configuration that is tried beside.
    pub fn changed_shadow_list(&mut self) -> Option<Arc<WatchList>> {
        self.shadow_lists.as_mut()?.changed()
    }

    /// Another configuration, if there is one.
    pub fn change(&mut self) -> Option<Change> {
        let change = self.changes.as_mut()?.try_recv().ok()?;
        self.lists.renew(change.watch_list_files(), &change.settings().watch_list);
        self.has_moved();
        Some(change)
    }

    /// Keys are not what they were.
    pub fn has_moved(&mut self) {
        self.is_stale = true;
        if let Some(looks) = &mut self.census {
            looks.is_stale = true;
        }
    }

    /// The keys that are to be looked at now; `now` is how far records have come.
    pub fn wanted(&mut self, is_last: bool, now: Option<Timestamp>) -> Option<Wanted> {
        let shown = self.shown(is_last);
        let curiosity = self.curiosity.as_mut();
        let sitting = curiosity.and_then(|curiosity| curiosity.wants(self.is_stale, is_last, now));
        self.is_stale &= sitting.is_none();
        if sitting.is_none() {
            return shown;
        }
        Some(Wanted { sitting, ..shown.unwrap_or_default() })
    }

    /// The next look tells once more what is open.
    #[cfg(feature = "kafka")]
    pub fn retell(&mut self) {
        self.curiosity.iter_mut().for_each(Curiosity::retell);
    }

    fn shown(&mut self, is_last: bool) -> Option<Wanted> {
        let looks = self.census.as_mut()?;
        let is_due = is_last || looks.last.is_none_or(|last| last.elapsed() >= LOOK_EVERY);
        if !looks.is_stale || !is_due {
            return None;
        }
        (looks.last, looks.is_stale) = (Some(Arrival::now()), false);
        Some(Wanted { held: looks.held.borrow().clone(), is_of_roster: true, ..looks.wanted.clone() })
    }
}

/// Which keys are asked for, where any are.
fn wanted(config: &MetricsConfig) -> Option<Wanted> {
    let wanted = match config.keys {
        KeySeries::Off => return None,
        KeySeries::Top => Wanted { top: config.keys_max.into(), ..Wanted::default() },
        KeySeries::Listed => {
            Wanted { named: Witnessed::new(config.keys_listed.clone()), ..Wanted::default() }
        }
    };
    Some(wanted)
}
