//! What is open at this moment: alerts of days that are not over, and incidents.

use super::state::KeyState;
use crate::detect::{AlertId, Class, Failing, Severity};
use crate::incident::id_of_alert;

/// Counts by class and severity, in the order of [`Class::ALL`] and [`Severity::ALL`].
pub type ByClass = [[u32; Severity::ALL.len()]; Class::ALL.len()];

/// What is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Open {
    /// Alerts of days that are not over.
    pub alerts: ByClass,
    /// Incidents, those among them that an alert is by itself.
    pub incidents: ByClass,
}

impl Open {
    /// Adds what is open elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.join(other, u32::saturating_add);
    }

    /// Takes away what was added.
    pub fn subtract(&mut self, other: &Self) {
        self.join(other, u32::saturating_sub);
    }

    fn join(&mut self, other: &Self, join: impl Fn(u32, u32) -> u32) {
        let counts = |open: &Self| [open.alerts, open.incidents];
        let others = counts(other);
        for (one, other) in [&mut self.alerts, &mut self.incidents].into_iter().zip(others) {
            for (one, other) in one.as_flattened_mut().iter_mut().zip(other.as_flattened()) {
                *one = join(*one, *other);
            }
        }
    }

    /// Alerts of a severity, over all classes.
    pub fn alerts_of(&self, severity: Severity) -> u32 {
        self.alerts.iter().map(|by_severity| by_severity[severity as usize]).sum()
    }

    /// All incidents.
    pub fn all_incidents(&self) -> u32 {
        self.incidents.as_flattened().iter().sum()
    }
}

impl KeyState {
    /// What is open of this key; `None` for nothing, which is usual. What an operator does not want to hear of is not.
    pub(super) fn what_is_open(&self) -> Option<Box<Open>> {
        let mut open = Open::default();
        for (day, raised) in self.raised() {
            let Some(detector) = raised.detector() else { continue };
            if self.watch.is_quiet(detector.name, raised.updated_at()) {
                continue;
            }
            let (class, severity) = (detector.class as usize, raised.severity());
            open.alerts[class][severity as usize] += 1;
            if detector.pages && severity >= Severity::High {
                let id = AlertId::new(detector.name, detector.version, self.profile.id, day);
                let is_wanted = self.watch.wants(&id_of_alert(id), raised.updated_at());
                open.incidents[class][severity as usize] += u32::from(is_wanted);
            }
        }
        if let Some((severity, at)) = self.failing.as_ref().and_then(|failing| failing.open())
            && !self.watch.is_quiet(Failing::DETECTOR.name, at)
        {
            open.alerts[Failing::DETECTOR.class as usize][severity as usize] += 1;
        }
        for severity in self.watch.open() {
            open.incidents[Class::Compromise as usize][severity as usize] += 1;
        }
        (open != Open::default()).then(|| Box::new(open))
    }
}
