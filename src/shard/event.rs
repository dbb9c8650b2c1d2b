//! What comes out of a shard.

use crate::contain::Deed;
use crate::detect::{Alert, Severity, Status};
use crate::incident::{Incident, Phase, Taken};

/// What is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A detector's verdict.
    Alert(Alert),
    /// A key in somebody else's hands.
    Incident(Incident),
    /// A step of what is done about a key by itself. No shard makes one: it goes by the clock.
    Containment(Box<Deed>),
    /// Whose a request was taken for, where that was asked for ([`Witnessed`](super::Witnessed)). Nobody is told of it.
    Use(Taken),
}

impl Event {
    /// The alert, if it is one.
    pub fn into_alert(self) -> Option<Alert> {
        match self {
            Self::Alert(alert) => Some(alert),
            Self::Incident(_) | Self::Containment(_) | Self::Use(_) => None,
        }
    }

    /// The incident, if it is one.
    pub fn into_incident(self) -> Option<Incident> {
        match self {
            Self::Alert(_) | Self::Containment(_) | Self::Use(_) => None,
            Self::Incident(incident) => Some(incident),
        }
    }

    /// Stable over revisions.
    pub fn id(&self) -> String {
        match self {
            Self::Alert(alert) => alert.id.to_string(),
            Self::Incident(incident) => incident.id.clone(),
            Self::Containment(deed) => deed.id.clone(),
            Self::Use(_) => String::new(),
        }
    }

    /// What no other event is called: its id and revision.
    pub fn name(&self) -> String {
        match self {
            Self::Alert(alert) => format!("{}.{}", alert.id, alert.revision),
            Self::Incident(incident) => format!("{}.{}", incident.id, incident.revision),
            Self::Containment(deed) => format!("{}.{}", deed.id, deed.revision),
            Self::Use(_) => String::new(),
        }
    }

    /// How bad it is; `None` where it is taken back.
    pub fn severity(&self) -> Option<Severity> {
        match self {
            Self::Alert(alert) => (alert.status != Status::Withdrawn).then_some(alert.severity),
            Self::Incident(incident) => {
                let is_over = matches!(incident.phase, Phase::Dismissed | Phase::Resolved);
                (!is_over).then_some(incident.severity)
            }
            Self::Containment(deed) => Some(deed.severity()),
            Self::Use(_) => None,
        }
    }
}
