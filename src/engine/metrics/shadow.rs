//! What a second configuration says of the same records.

use super::Page;
use crate::engine::shadow::{KINDS, Relation, ShadowTotals, Side};
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

impl Page {
    /// What both tell.
    pub(super) fn shadow(&self, totals: &ShadowTotals) -> Result<(), prometheus::Error> {
        let help = "Alerts and incidents that were told for the first time, by whose they are: those of the run's \
                    configuration (here) and of the shadow's (there).";
        let told = IntCounterVec::new(Opts::new("keyhound_shadow_alerts_total", help), &["side", "event"])?;
        for side in Side::ALL {
            for (kind, count) in KINDS.iter().zip(totals.tally.told[side as usize]) {
                told.with_label_values(&[side.label(), kind]).inc_by(count);
            }
        }
        self.registry.register(Box::new(told))?;
        let help = "How both configurations stand now to what at least one of them has told.";
        let relations = IntGaugeVec::new(Opts::new("keyhound_shadow_differences", help), &["difference"])?;
        for relation in Relation::ALL {
            let count = i64::try_from(totals.tally.relations[relation as usize]).unwrap_or(i64::MAX);
            relations.with_label_values(&[relation.label()]).set(count);
        }
        self.registry.register(Box::new(relations))?;
        let help = "Differences that are not followed any further because too many came after them.";
        self.counter("keyhound_shadow_forgotten_total", help, totals.tally.forgotten)?;
        let help = "1 while the shadow judges, 0 once a mistake of ours has ended it.";
        self.gauge("keyhound_shadow_running", help, totals.is_running.into())?;
        self.gauge("keyhound_shadow_keys", "Keys that the shadow knows.", totals.gauges.keys)?;
        let help = "Bytes of the state of the shadow's keys.";
        self.gauge("keyhound_shadow_state_bytes", help, totals.gauges.state_bytes)
    }
}
