//! What a shard does about incidents, and what operators say of them.

use super::state::{Surroundings, is_noted};
use super::{Event, Order, Output, Shard};
use crate::detect::{Alert, Class, Severity, pages};
use crate::incident::Incident;
use crate::key::KeyId;
use crate::record::{Action, Batch, Canary, Statement, Text, UsageRecord};
use crate::time::Timestamp;
use std::cmp::Reverse;

/// Told apart from requests by their identifiers: an event and a request may have one.
const EVENTS: u64 = 0x5851_f42d_4c95_7f2d;
const STATEMENTS: u64 = 0x1405_7b7e_f767_814f;
const CANARIES: [u64; 2] = [0x2545_f491_4f6c_dd1d, 0x9e6c_63d0_876a_3f6b];

impl Shard {
    /// Tells of an incident, and remembers when it may be over.
    pub(super) fn tell(&mut self, order: Order, incident: Incident) {
        let Self { keys, zones, settings, settlements, .. } = self;
        if let (Some(settings), Some(slot)) = (&settings.incidents, keys.find(incident.key))
            && let Some(state) = keys.state(slot)
        {
            let days = [incident.timestamp.at, incident.updated_at.at];
            // What an administrator did says nothing of how the key is used.
            if incident.class == Class::Compromise {
                state.taint(&incident, days.map(|at| zones.local(state.zone(), at).day));
            }
            let due = state.watch.due(settings.quiet_seconds);
            settlements.extend(due.map(|due| Reverse((due, incident.key))));
            keys.settle(slot);
        }
        self.outputs.push(Output { order, event: Event::Incident(incident) });
    }

    /// Tells of incidents that are over. At the end of the input no time has gone by.
    pub(super) fn settle(&mut self, index: u32, watermark: Timestamp) {
        if watermark == Timestamp::MAX {
            return;
        }
        while let Some(Reverse((due, key))) = self.settlements.peek().copied() {
            if due > watermark {
                return;
            }
            self.settlements.pop();
            let Self { keys, observer: Some(observer), .. } = self else { return };
            let Some(slot) = keys.find(key) else { continue };
            let Some(state) = keys.state(slot) else { continue };
            let (over, next) = state.settle(observer, due);
            // What was told while it went on has been remembered each time: what is over by then is settled once.
            self.settlements.extend(next.filter(|_| over.is_empty()).map(|next| Reverse((next, key))));
            for incident in over {
                self.tell((index, false, due, key), incident);
            }
        }
    }

    /// Tells of keys that have been silent for too long. At the end of the input no time has gone by.
    pub(super) fn listen(&mut self, index: u32, watermark: Timestamp) {
        while let Some(Reverse((due, key))) = self.looks.peek().copied() {
            if due > watermark || watermark == Timestamp::MAX {
                return;
            }
            self.looks.pop();
            let Self { keys, settings, zones, looks, .. } = self;
            let Some(slot) = keys.find(key) else { continue };
            let Some(state) = keys.state(slot) else { continue };
            let (alert, again) = state.listen(due, &settings.rules, zones);
            looks.extend(again.map(|again| Reverse((again, key))));
            if let Some(alert) = alert {
                self.alerts.push(alert);
                self.give((index, false, due, key));
            }
        }
    }

    /// What is still to be told of incidents, when there are no more records.
    pub(super) fn tell_rest(&mut self) {
        let Self { observer: Some(observer), keys, outputs, .. } = self else { return };
        let before = outputs.len();
        keys.each(|key| {
            outputs.extend(observer.rest(&mut key.watch, &key.profile).into_iter().map(|incident| {
                let order = (u32::MAX, true, incident.updated_at.at, incident.key);
                Output { order, event: Event::Incident(incident) }
            }));
        });
        outputs[before..].sort_by_key(|output| output.order);
    }

    /// Takes what an operator says of a key.
    #[cold]
    pub(super) fn statement(
        &mut self,
        index: u32,
        record: &UsageRecord,
        statement: Statement,
        batch: &Batch,
    ) {
        if record.request_hash != 0 && self.is_duplicate(record.request_hash ^ STATEMENTS, record) {
            self.counts.duplicate += 1;
            return;
        }
        self.counts.processed += 1;
        self.counts.learned += u64::from(self.learning);
        self.counts.statements[statement as usize] += 1;
        let Self { keys, settings, observer, zones, closings, watermark, alerts, .. } = self;
        let Some(slot) = keys.slot(record, batch, settings) else {
            self.counts.untracked += 1;
            return;
        };
        let Some(state) = keys.state(slot) else { return };
        if statement == Statement::Revoke {
            let around = &mut Surroundings { settings, zones, closings, watermark: *watermark, listed: None };
            state.revoke_and_recall(record.time.at, around, alerts);
        }
        let incident = state.hear(observer.as_mut(), record, statement, batch);
        keys.settle(slot);
        if !self.alerts.is_empty() {
            self.give((index, true, Timestamp::MIN, record.key));
        }
        if let Some(incident) = incident {
            self.tell((index, true, Timestamp::MIN, record.key), incident);
        }
    }

    /// Takes what a canary prompt came to.
    #[cold]
    pub(super) fn canary(&mut self, index: u32, record: &UsageRecord, canary: Canary, batch: &Batch) {
        let is_result = matches!(canary, Canary::Well | Canary::Failed);
        let mark = CANARIES[usize::from(is_result)];
        let is_named = record.request_hash != 0 && canary != Canary::Answered;
        if is_named && self.is_duplicate(record.request_hash ^ mark, record) {
            self.counts.duplicate += 1;
            return;
        }
        self.counts.processed += 1;
        self.counts.learned += u64::from(self.learning);
        // What failed in the past is no news.
        if !is_result || self.learning {
            return;
        }
        let Self { settings, keys, zones, counts, alerts, .. } = self;
        let unnamed = UsageRecord { key_alias: Text::NONE, ..*record };
        let Some(slot) = keys.slot(&unnamed, batch, settings) else {
            counts.untracked += 1;
            return;
        };
        let Some(key) = keys.state(slot) else { return };
        alerts.extend(key.hear_canary(record, canary == Canary::Well, batch, (&settings.rules, zones)));
        keys.settle(slot);
        if !self.alerts.is_empty() {
            self.give((index, true, Timestamp::MIN, record.key));
        }
    }

    /// Takes what was done to a key: it is no use of it, and nothing is learned from it.
    #[cold]
    pub(super) fn audit(&mut self, index: u32, record: &UsageRecord, action: Action, batch: &Batch) {
        if record.request_hash != 0 && self.is_duplicate(record.request_hash ^ EVENTS, record) {
            self.counts.duplicate += 1;
            return;
        }
        self.counts.processed += 1;
        self.counts.learned += u64::from(self.learning);
        self.counts.audits[action as usize] += 1;
        if !is_noted(action) || record.status >= 400 {
            return;
        }
        let Self { settings, keys, zones, closings, watermark, counts, alerts, learning, .. } = self;
        // Whoever did it gives the key no name.
        let unnamed = UsageRecord { key_alias: Text::NONE, ..*record };
        let Some(slot) = keys.slot(&unnamed, batch, settings) else {
            counts.untracked += 1;
            return;
        };
        let Some(key) = keys.state(slot) else { return };
        if *learning {
            key.learn_act(record, action);
            return;
        }
        let local = zones.local(key.zone(), record.time.at);
        let around = &mut Surroundings { settings, zones, closings, watermark: *watermark, listed: None };
        key.act((record, action, batch), local, around, alerts);
        keys.settle(slot);
        if !self.alerts.is_empty() {
            self.give((index, true, Timestamp::MIN, record.key));
        }
    }

    /// The incidents that alerts are by themselves, where incidents are told: those that call a person.
    pub(super) fn pages(&self, alerts: &[Alert]) -> Vec<Incident> {
        if self.observer.is_none() {
            return Vec::new();
        }
        let pages = alerts.iter().filter(|alert| alert.severity >= Severity::High && pages(alert.alert_type));
        pages.map(Incident::of_alert).filter(|incident| self.keys.wants(incident)).collect()
    }

    /// Drops the alerts of a key that an operator does not want to hear of now.
    pub(super) fn drop_quiet(&mut self, key: KeyId) {
        let Self { keys, alerts, counts, .. } = self;
        let Some(state) = keys.find(key).and_then(|slot| keys.state(slot)) else { return };
        let before = alerts.len();
        alerts.retain(|alert| !state.watch.is_quiet(alert.alert_type, alert.updated_at.at));
        counts.suppressed += (before - alerts.len()) as u64;
    }
}
