//! The same for those who look from inside the process.

use super::forms::{Brief, Briefs, IncidentDetail, KeyDetail, Keys, MomentRow};
use super::status::Status;
use crate::engine::board::{Entry, Glass, Seen};
use crate::engine::totals::Totals;
use crate::key::KeyId;
use crate::time::DAY;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Alerts that are told beside an incident.
const BESIDE_MAX: usize = 100;
/// How long somebody waits who asks for a key that nobody has looked at.
const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// What can be seen from inside.
#[derive(Clone)]
pub struct Inside {
    /// Keys and events.
    pub glass: Glass,
    /// What is counted.
    pub totals: watch::Receiver<Arc<Totals>>,
}

impl Inside {
    /// How the program is.
    pub fn status(&self) -> Status {
        Status::of(&self.totals.borrow())
    }

    /// The first keys.
    pub fn keys(&self, by_risk: bool, limit: usize) -> Keys {
        Keys::of(&self.glass.seen().looks, by_risk, limit)
    }

    /// One key, looked for if need be; `None` where there is none.
    pub async fn key(&self, key: KeyId) -> Option<KeyDetail> {
        let seen = self.glass.seen_with(key, LOOK_WITHIN).await;
        Some(KeyDetail::of(seen.looks.keys.get(&key)?, &seen))
    }

    /// The first incidents.
    pub fn incidents(&self, limit: usize) -> Briefs {
        let seen = self.glass.seen();
        let events = seen.incidents.iter().take(limit).map(|entry| Brief::of(entry)).collect();
        Briefs { count: seen.incidents.len(), events }
    }

    /// One incident; `None` where none is kept under this id.
    pub fn incident(&self, id: &str) -> Option<IncidentDetail> {
        let seen = self.glass.seen();
        let entry = seen.incidents.iter().find(|entry| *entry.id == *id)?;
        Some(IncidentDetail {
            incident: serde_json::from_str(&entry.json).ok()?,
            revisions: revisions(entry),
            alerts: beside(&seen, entry),
        })
    }
}

/// What was told of an alert or an incident.
pub(super) fn revisions(entry: &Entry) -> Vec<MomentRow> {
    entry.moments.iter().map(|moment| MomentRow::of(moment, entry)).collect()
}

/// Alerts that were given while an incident went on, or on its first day.
pub(super) fn beside(seen: &Seen, incident: &Entry) -> Vec<Brief> {
    let first = incident.first.plus(-DAY);
    let is_beside = |alert: &&Arc<Entry>| alert.key == incident.key && alert.updated >= first;
    seen.alerts.iter().filter(is_beside).take(BESIDE_MAX).map(|alert| Brief::of(alert)).collect()
}
