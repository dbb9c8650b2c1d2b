//! Use that is keyhound's own: requests of its canary prompts, in whatever log they are found.
//!
//! A name that anybody can give himself tells nothing, so a client that calls itself `keyhound-probe` is nobody special. What
//! tells a prompt from others is what nobody else could know before: the marker that was announced before it was sent, and
//! went nowhere but into that request, and what whoever answered calls it. Each is good for one request of a key, soon, and
//! for no more tokens than were asked for.

use crate::key::KeyId;
use crate::record::{Batch, CANARY_CLIENT, Canary, Part, UsageRecord};
use crate::time::{MINUTE, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long something is known after it was announced: logs of clouds and of spend come late.
const KNOWN_FOR: i64 = 24 * 60 * MINUTE;
/// How far the time of a request may be before it was announced, by another clock.
const BEFORE: i64 = 5 * MINUTE;
/// And after.
const AFTER: i64 = 60 * MINUTE;
/// What is known at once; of more, the oldest is forgotten.
const NOTES_MAX: usize = 1024;
/// Records that one thing may be good for: one of a key and half, and a key may have another name in each log.
const USES_MAX: usize = 4;

/// What is known of canary prompts whose records are still to come.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Own {
    /// By the hash of what the request is called.
    notes: BTreeMap<u64, Note>,
    /// Those that are markers, by their texts.
    markers: BTreeMap<Box<str>, u64>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Note {
    at: Timestamp,
    input_max: u64,
    output_max: u64,
    used: Vec<(KeyId, Part)>,
}

impl Own {
    /// Takes note of a prompt that is going to be sent, or of what its answer is called.
    #[cold]
    pub fn note(&mut self, record: &UsageRecord, canary: Canary, batch: &Batch) {
        let (is_asked, is_answered) = (canary == Canary::Asked, canary == Canary::Answered);
        if record.request_hash == 0 || !is_asked && !is_answered {
            return;
        }
        let note = Note {
            at: record.time.at,
            input_max: record.tokens.input(),
            output_max: record.tokens.output.or_zero(),
            used: Vec::new(),
        };
        // What is told once more has been used as it has.
        self.notes.entry(record.request_hash).or_insert(note);
        if is_asked {
            self.markers.insert(batch.text(record.user_agent).into(), record.request_hash);
        }
        if self.notes.len() > NOTES_MAX {
            let oldest = self.notes.iter().min_by_key(|(id, note)| (note.at, **id)).map(|(_, note)| note.at);
            self.forget_before(oldest.map_or(Timestamp::MIN, |at| at.plus(1)));
        }
    }

    /// Whether a request is one of these, by which it is used up.
    #[inline]
    pub fn takes(&mut self, record: &UsageRecord, batch: &Batch) -> bool {
        !self.notes.is_empty() && self.is_known(record, batch)
    }

    fn is_known(&mut self, record: &UsageRecord, batch: &Batch) -> bool {
        let by_id = (record.request_hash != 0).then_some(record.request_hash);
        let by_marker = self.marked(batch.text(record.user_agent)).filter(|id| Some(*id) != by_id);
        let mut is_own = false;
        for id in [by_id, by_marker].into_iter().flatten() {
            // Both are used up, so that nobody uses the other.
            is_own |= self.notes.get_mut(&id).is_some_and(|note| note.takes(record));
        }
        is_own
    }

    /// What the marker is good for that a client carries.
    fn marked(&self, client: &str) -> Option<u64> {
        let (_, marker) = client.strip_prefix(CANARY_CLIENT)?.split_once('(')?;
        self.markers.get(marker.split(')').next()?).copied()
    }

    /// Forgets what is too old by event time.
    pub fn advance(&mut self, watermark: Timestamp) {
        if !self.notes.is_empty() && watermark != Timestamp::MAX {
            self.forget_before(watermark.minus(KNOWN_FOR));
        }
    }

    fn forget_before(&mut self, at: Timestamp) {
        self.notes.retain(|_, note| note.at >= at);
        self.markers.retain(|_, id| self.notes.contains_key(id));
    }

    /// Takes over what a shard knew.
    pub fn take_over(&mut self, other: &Self) {
        for (id, note) in &other.notes {
            let known = self.notes.entry(*id).or_insert_with(|| Note { used: Vec::new(), ..note.clone() });
            known.used.extend(
                note.used.iter().filter(|one| !known.used.contains(one)).copied().collect::<Vec<_>>(),
            );
        }
        self.markers.extend(other.markers.iter().map(|(marker, id)| (marker.clone(), *id)));
    }

    /// Memory on the heap, in bytes, as near as need be: it is bounded by what is known at once.
    pub fn heap_bytes(&self) -> usize {
        const NOTE: usize = size_of::<(u64, Note)>() + 64;
        const MARKER: usize = size_of::<(Box<str>, u64)>() + 64;
        self.notes.len() * NOTE + self.markers.len() * MARKER
    }
}

impl Note {
    fn takes(&mut self, record: &UsageRecord) -> bool {
        let apart = record.time.at.0.saturating_sub(self.at.0);
        let who = (record.key, record.part);
        let is_within = (-BEFORE..=AFTER).contains(&apart)
            && record.requests <= 1
            && record.tokens.input() <= self.input_max
            && record.tokens.output.or_zero() <= self.output_max;
        let is_new = self.used.len() < USES_MAX && !self.used.contains(&who);
        if is_within && is_new {
            self.used.push(who);
        }
        is_within && is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Plan};
    use crate::decode::{Decoder, Settings};
    use crate::detect::Status;
    use crate::frame::Block;
    use crate::record::Run;
    use crate::shard::{Event, Input, Shard};
    use proptest::prelude::*;
    use serde_json::json;
    use std::sync::Arc;

    const MARKER: &str = "00000000-0000-4000-8000-000000000001";

    fn plan() -> Plan {
        // Any use of these keys is told.
        let text = "[[key]]\nkey = \"...aaaa\"\ncanary = true\n[[key]]\nkey = \"...bbbb\"\ncanary = true\n";
        Plan::new(&Config::parse("k", text).unwrap(), "k", text).unwrap()
    }

    fn asked() -> String {
        let line = json!({"event":"asked","at":"2026-06-01T10:00:00Z","probe":"p","marker":MARKER,
            "input_tokens_max":5000,"output_tokens_max":64});
        format!("{line}\n")
    }

    fn answered(id: &str) -> String {
        let line = json!({"event":"result","at":"2026-06-01T10:00:01Z","probe":"p","marker":MARKER,"outcome":"ok",
            "input_tokens_max":5000,"output_tokens_max":64,"request_ids":[id]});
        format!("{line}\n")
    }

    fn request(changes: &serde_json::Value) -> String {
        let mut line = json!({"timestamp":"2026-06-01T10:00:01Z","api_key_prefix":"...aaaa","model":"gpt-4o-mini",
            "input_tokens":20,"output_tokens":2,"status_code":200,"request_id":"r-1",
            "user_agent":format!("keyhound-probe/0.1.0 ({MARKER})")});
        line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        format!("{line}\n")
    }

    /// How many requests are told of, and how many are known as keyhound's own, with so many shards.
    fn told(lines: &str, shards: usize, restart_at: Option<usize>) -> (usize, u64) {
        let plan = plan();
        let rulebook = Arc::clone(&plan.rulebook);
        let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: true };
        let mut decoder = Decoder::new(settings);
        let new = |of: usize| {
            (0..of).map(|number| Shard::new(Arc::clone(&plan.shard), number, of, false)).collect()
        };
        let mut all: Vec<Shard> = new(shards);
        let (mut keys, mut own) = (std::collections::BTreeSet::new(), 0);
        for (number, line) in lines.lines().enumerate() {
            if restart_at == Some(number) {
                let saved: Vec<Vec<u8>> = all.iter().map(Shard::save).collect();
                // With another number of them.
                all = new(shards % 3 + 1);
                for shard in &mut all {
                    shard.restore(saved.iter().map(Vec::as_slice)).map_err(|_| "unreadable").unwrap();
                }
            }
            let block = Block { bytes: format!("{line}\n").into(), ..Block::default() };
            let batch = Arc::new(decoder.block(&block, Timestamp::MAX));
            assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
            let runs = [Run { range: 0..batch.records.len(), batch }];
            for shard in &mut all {
                let (outputs, counts) = shard.apply(&Input::Records { runs: &runs, marks: &[] });
                own += counts.own;
                for output in outputs {
                    if let Event::Alert(alert) = output.event
                        && alert.status == Status::Open
                    {
                        keys.insert(alert.key);
                    }
                }
            }
        }
        (keys.len(), own)
    }

    #[test]
    fn only_what_was_announced_is_known_and_only_once() {
        let other = json!({"request_id":"r-2","timestamp":"2026-06-01T10:00:02Z"});
        let plain = |id: &str| request(&json!({"user_agent":"curl/8","request_id":id}));
        for (lines, expected) in [
            // Announced, by the client's name or by what the request is called.
            ([asked(), request(&json!({}))].concat(), (0, 1)),
            ([asked(), plain(MARKER)].concat(), (0, 1)),
            ([asked(), answered("chatcmpl-1"), plain("chatcmpl-1")].concat(), (0, 1)),
            // Whoever copies the name of the client is nobody special.
            (request(&json!({})), (1, 0)),
            ([asked(), request(&json!({"user_agent":"keyhound-probe/0.1.0"}))].concat(), (1, 0)),
            (
                [
                    asked(),
                    request(
                        &json!({"user_agent":"keyhound-probe/0.1.0 (00000000-0000-4000-8000-000000000002)"}),
                    ),
                ]
                .concat(),
                (1, 0),
            ),
            ([asked(), request(&json!({"user_agent":MARKER}))].concat(), (1, 0)),
            // What was used up is no good, and what the request is called is used up with the marker.
            ([asked(), request(&json!({})), request(&other)].concat(), (1, 1)),
            (
                [asked(), answered("r-1"), request(&json!({})), plain("r-1").replace("10:00:01", "10:00:09")]
                    .concat(),
                (1, 1),
            ),
            ([asked(), asked(), request(&json!({})), asked(), request(&other)].concat(), (1, 1)),
            // Nor is it for more than was asked for, or for another time.
            ([asked(), request(&json!({"output_tokens":65}))].concat(), (1, 0)),
            ([asked(), request(&json!({"input_tokens":5001}))].concat(), (1, 0)),
            ([asked(), request(&json!({"timestamp":"2026-06-01T11:00:01Z"}))].concat(), (1, 0)),
            ([asked(), request(&json!({"timestamp":"2026-06-01T09:54:00Z"}))].concat(), (1, 0)),
            ([asked(), request(&json!({"requests":2}))].concat(), (1, 0)),
            // A second delivery is none of either.
            ([asked(), request(&json!({})), request(&json!({}))].concat(), (0, 1)),
        ] {
            for shards in [1, 2, 8] {
                assert_eq!(told(&lines, shards, None), expected, "{shards} shards\n{lines}");
                for at in 1..lines.lines().count() {
                    assert_eq!(
                        told(&lines, shards, Some(at)),
                        expected,
                        "{shards} shards, saved at {at}\n{lines}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_the_newest_is_known(count in 1_u64..3000) {
            let mut own = Own::default();
            let mut batch = Batch::default();
            let (at, length) = (batch.store(b"marker"), count);
            let line = [asked(), request(&json!({}))].concat();
            let rulebook = plan().rulebook;
            let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: true };
            let read = Decoder::new(settings).block(&Block { bytes: line.into(), ..Block::default() }, Timestamp::MAX);
            let mut record = read.records[0];
            for number in 0..length {
                record.request_hash = number + 1;
                record.time.at = Timestamp(i64::try_from(number).unwrap());
                record.user_agent = at;
                own.note(&record, Canary::Asked, &batch);
                prop_assert!(own.notes.len() <= NOTES_MAX && own.markers.len() <= NOTES_MAX);
            }
            prop_assert!(own.notes.contains_key(&count));
        }
    }
}
