//! `UsageRecord`: the one type every stage after `decode` speaks, and the batch that carries it.

mod acts;
mod reject;
mod witnessed;

pub use acts::{Action, CANARY_CLIENT, Canary, Statement};
pub use reject::{Reason, Reject};
pub use witnessed::Witnessed;

use crate::address::Address;
use crate::frame::Origin;
use crate::json::same;
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::signal::Signals;
use crate::time::{MINUTE, SECOND, Stamp, Timestamp};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// A text in its batch: where it starts and how long it is, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Text {
    at: u32,
    length: u32,
}

impl Text {
    /// No text.
    pub const NONE: Self = Self { at: 0, length: 0 };

    /// True where the record has no such text.
    pub const fn is_none(self) -> bool {
        self.length == 0
    }

    const fn range(self) -> Range<usize> {
        self.at as usize..self.at as usize + self.length as usize
    }
}

/// A count that a record may not have: absent is not zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Count(u64);

impl Count {
    /// The record does not say.
    pub const ABSENT: Self = Self(u64::MAX);
    /// The largest count one record may carry: 10¹².
    pub const MAX: u64 = 1_000_000_000_000;

    /// A known count, kept at most [`Count::MAX`].
    pub fn of(count: u64) -> Self {
        Self(count.min(Self::MAX))
    }

    /// The count, if the record has it.
    pub fn get(self) -> Option<u64> {
        (self != Self::ABSENT).then_some(self.0)
    }

    /// The count, or zero.
    pub fn or_zero(self) -> u64 {
        self.get().unwrap_or(0)
    }
}

impl Default for Count {
    fn default() -> Self {
        Self::ABSENT
    }
}

/// Token counts. The three input classes are disjoint: their sum is what went in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Input that was neither read from nor written to a cache.
    pub input_uncached: Count,
    /// Input read from a prompt cache.
    pub cache_read: Count,
    /// Input written to a prompt cache that lives five minutes, or as long as the provider likes.
    pub cache_write: Count,
    /// Input written to a prompt cache that lives an hour (Anthropic).
    pub cache_write_1h: Count,
    /// Output, reasoning included.
    pub output: Count,
    /// The part of the output that was reasoning.
    pub reasoning: Count,
}

impl Tokens {
    /// Everything that went in.
    pub fn input(&self) -> u64 {
        let classes = [self.input_uncached, self.cache_read, self.cache_write, self.cache_write_1h];
        classes.iter().map(|count| count.or_zero()).sum()
    }
}

/// How far a cost can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CostSource {
    /// The record said it.
    Reported,
    /// Computed from the price table.
    Computed,
    /// Computed, but a price or a token class was missing: at least this much.
    Partial,
    /// Neither reported nor computable; counted as zero.
    Unknown,
    /// Billed: of use that other records tell of as well.
    Invoiced,
    /// The other half of the record tells it.
    Elsewhere,
}

impl CostSource {
    /// All of them, in the order of their numbers.
    pub const ALL: &'static [Self] =
        &[Self::Reported, Self::Computed, Self::Partial, Self::Unknown, Self::Invoiced, Self::Elsewhere];

    /// The label in metrics and summaries.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Computed => "computed",
            Self::Partial => "partial",
            Self::Unknown => "unknown",
            Self::Invoiced => "invoiced",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// Whether what is counted may be less than it was.
    pub const fn is_uncertain(self) -> bool {
        matches!(self, Self::Partial | Self::Unknown)
    }
}

/// Some clouds write one request into two logs: who asked into one, what it took into the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Part {
    /// A whole record.
    #[default]
    Whole,
    /// Whose key it was and where it came from.
    Identity,
    /// What it took: of no use before it is known whose it was.
    Usage,
}

/// What a record counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Kind {
    /// One request, or several that were made at one time.
    #[default]
    Request,
    /// All use of a kind within a stretch of time, as providers report it: told again whenever it is known better.
    Bucket,
    /// What is billed for a stretch of time: the same use as that of requests or buckets, once more.
    Invoice,
    /// No use: something was done to a key or to the rules it is under.
    Audit(Action),
    /// No use: what an operator says of a key. `endpoint` holds what it is about (an incident's id, a kind of change, a
    /// detector), the name of `model` why, `address` and `user_agent` whom it is about, `width_s` how long it holds.
    Statement(Statement),
    /// No use: what came of a canary prompt. Its time is that of a clock and moves no event time: what is told of everybody
    /// else must not depend on when somebody looked.
    Canary(Canary),
}

/// The model of a record: what it is for comparisons, and what to call it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Model {
    /// Fingerprint of the canonical name: equal for all aliases and dated snapshots of one model.
    pub id: u64,
    /// The name as the record has it.
    pub name: Text,
}

/// One record of API usage. Texts live in the [`Batch`] it came in; no text holds a key.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct UsageRecord {
    /// Event time.
    pub time: Stamp,
    /// Whose key it was.
    pub key: KeyId,
    /// What may be shown of the key.
    pub key_hint: Text,
    /// A name given to the key by its owner.
    pub key_alias: Text,
    /// The model that served it.
    pub model: Model,
    /// Token counts.
    pub tokens: Tokens,
    /// How many requests this record stands for; nought where it does not say.
    pub requests: u32,
    /// The stretch of time it tells of, from `time` on, in seconds; nought for an instant.
    pub width_s: u32,
    /// HTTP status.
    pub status: u16,
    /// What it counts.
    pub kind: Kind,
    /// Whether it says how many requests it stands for.
    pub counted: bool,
    /// Which part of a request it tells; halves meet by `request_hash`.
    pub part: Part,
    /// How far `cost` can be trusted.
    pub cost_source: CostSource,
    /// What it cost.
    pub cost: NanoUsd,
    /// The client's address.
    pub address: Option<Address>,
    /// Path or operation.
    pub endpoint: Text,
    /// Client software.
    pub user_agent: Text,
    /// The provider's or gateway's identifier of the request.
    pub request_id: Text,
    /// Keyed hash of the request identifier; zero where there is none.
    pub request_hash: u64,
    /// Line of the source, counted from the start of the batch.
    pub line: u32,
}

/// Number of texts of a record.
pub(crate) const TEXTS: usize = 6;

impl UsageRecord {
    /// Its texts, which live in its batch.
    pub(crate) fn texts(&mut self) -> [&mut Text; TEXTS] {
        let Self { key_hint, key_alias, model, endpoint, user_agent, request_id, .. } = self;
        [key_hint, key_alias, &mut model.name, endpoint, user_agent, request_id]
    }

    /// Where the stretch of time ends that it tells of.
    pub fn end(&self) -> Timestamp {
        self.time.at.plus(i64::from(self.width_s) * SECOND)
    }

    /// Whether it tells of any use or money: buckets of nothing are written too.
    pub fn tells_of_use(&self) -> bool {
        let Tokens { output, reasoning, .. } = self.tokens;
        self.requests > 0
            || self.cost != NanoUsd::ZERO
            || self.tokens.input() > 0
            || output.or_zero() > 0
            || reasoning.or_zero() > 0
    }

    /// What this record tells.
    #[inline]
    pub fn signals(&self) -> Signals {
        Signals::ADDRESS
            .when(self.address.is_some())
            .with(Signals::REQUESTS.when(self.counted))
            .with(Signals::HOUR.when(self.width_s <= 3600))
            .with(Signals::MODEL.when(!self.model.name.is_none()))
            .with(
                Signals::COST.when(!matches!(self.cost_source, CostSource::Unknown | CostSource::Elsewhere)),
            )
    }
}

/// Records decoded from one block of input, with their texts, in input order. Two are equal that say the same, wherever
/// their texts stand.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    /// The records.
    pub records: Vec<UsageRecord>,
    /// The frames that were no records, as many as there is room for.
    #[serde(skip)]
    pub rejects: Vec<Reject>,
    /// Bytes that `rejects` take.
    pub reject_bytes: usize,
    /// Rejected frames by reason, those not kept in `rejects` included.
    pub rejected: [u32; Reason::ALL.len()],
    /// Lines in the block.
    pub lines: u32,
    /// Bytes in the block, as framed.
    pub bytes: u64,
    /// Client addresses that are no IP address.
    pub opaque_addresses: u32,
    /// Records that are half of one.
    pub halves: u32,
    /// How often the input was cut off before these records, so that some may be lost.
    #[serde(skip)]
    pub truncations: u32,
    /// Records of something else than the use of a model: logs of clouds hold many.
    pub foreign: u32,
    /// The records that bring the latest time so far into a new minute: index, and the minute since 1970.
    pub minutes: Vec<(u32, i64)>,
    /// What records were read from, by their index: those of keys that somebody looks into, and of no others.
    #[serde(skip)]
    pub origins: Vec<(u32, Origin)>,
    texts: String,
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        let told = |batch: &Self| {
            let Self {
                reject_bytes,
                rejected,
                lines,
                bytes,
                opaque_addresses,
                halves,
                truncations,
                foreign,
                ..
            } = batch;
            (*reject_bytes, *rejected, *lines, *bytes, *opaque_addresses, *halves, *truncations, *foreign)
        };
        let same = |(one, their): (&UsageRecord, &UsageRecord)| {
            let (mut one, mut their) = (*one, *their);
            let texts = one.texts().into_iter().zip(their.texts());
            texts.into_iter().all(|(one, their)| {
                self.bytes_of(std::mem::take(one)) == other.bytes_of(std::mem::take(their))
            }) && one == their
        };
        told(self) == told(other)
            && (&self.minutes, &self.rejects) == (&other.minutes, &other.rejects)
            && self.records.len() == other.records.len()
            && self.records.iter().zip(&other.records).all(same)
    }
}

impl Batch {
    /// An empty batch with room for about `records` records.
    pub fn with_capacity(records: usize) -> Self {
        Self {
            records: Vec::with_capacity(records),
            texts: String::with_capacity(records * 64),
            ..Self::default()
        }
    }

    /// The text itself; empty where there is none.
    pub fn text(&self, text: Text) -> &str {
        self.texts.get(text.range()).unwrap_or_default()
    }

    /// The bytes of a text.
    pub fn bytes_of(&self, text: Text) -> &[u8] {
        self.texts.as_bytes().get(text.range()).unwrap_or_default()
    }

    /// The records from `from` on, as a batch of which everything else is counted already.
    #[must_use]
    pub fn rest(&self, from: usize) -> Self {
        let skipped = u32::try_from(from).unwrap_or(u32::MAX);
        let later = self.minutes.iter().filter(|(index, _)| *index >= skipped);
        let records = self.records.get(from..).unwrap_or_default().to_vec();
        Self {
            halves: records.iter().map(|record| u32::from(record.part != Part::Whole)).sum(),
            records,
            minutes: later.map(|(index, minute)| (index - skipped, *minute)).collect(),
            origins: self
                .origins
                .iter()
                .filter_map(|(at, origin)| Some((at.checked_sub(skipped)?, *origin)))
                .collect(),
            texts: self.texts.clone(),
            ..Self::default()
        }
    }

    /// Stores a text of this batch. What is UTF-8 is asked once, here, and not whenever it is read; where it is none,
    /// U+FFFD stands for what is not.
    pub(crate) fn store(&mut self, text: &[u8]) -> Text {
        let start = self.texts.len();
        match std::str::from_utf8(text) {
            Ok(text) => self.texts.push_str(text),
            Err(_) => self.texts.push_str(&String::from_utf8_lossy(text)),
        }
        match (u32::try_from(start), u32::try_from(self.texts.len() - start)) {
            (Ok(at), Ok(length)) => Text { at, length },
            _ => Text::NONE,
        }
    }

    /// A text that may be here already: `known` is where it stood last, if that was in this batch, and becomes where it
    /// stands now.
    #[inline]
    pub(crate) fn keep(&mut self, known: &mut Text, text: &[u8]) -> Text {
        if !same(self.bytes_of(*known), text) {
            *known = self.store(text);
        }
        *known
    }

    /// Appends a record that brings the time up to `progress`.
    #[inline]
    pub(crate) fn push(&mut self, record: UsageRecord, progress: Timestamp) {
        if !matches!(record.kind, Kind::Canary(_)) {
            self.reach(progress);
        }
        self.halves += u32::from(record.part != Part::Whole);
        self.records.push(record);
    }

    /// Event time has come so far with the next record.
    pub(crate) fn reach(&mut self, progress: Timestamp) {
        let minute = progress.0.div_euclid(MINUTE);
        if self.minutes.last().is_none_or(|&(_, latest)| minute > latest) {
            self.minutes.push((u32::try_from(self.records.len()).unwrap_or(u32::MAX), minute));
        }
    }

    /// Appends a copy of a record of another batch, as the one of `line`, which brings the time up to `progress`.
    #[cfg(feature = "kafka")]
    pub(crate) fn copy(&mut self, record: &UsageRecord, from: &Self, line: u32, progress: Timestamp) {
        let mut copy = UsageRecord { line, ..*record };
        for text in copy.texts() {
            if !text.is_none() {
                *text = self.store(from.bytes_of(*text));
            }
        }
        self.push(copy, progress);
    }

    /// Bytes of all texts.
    #[cfg(feature = "kafka")]
    pub(crate) fn texts_len(&self) -> usize {
        self.texts.len()
    }

    /// Counts a reject.
    pub(crate) fn count_reject(&mut self, reason: Reason) {
        self.rejected[reason as usize] += 1;
    }

    /// Counts a reject and keeps its description.
    pub(crate) fn reject(&mut self, reject: Reject) {
        self.count_reject(reject.reason);
        self.reject_bytes +=
            size_of::<Reject>() + reject.value.len() + reject.message.len() + reject.frame.len();
        self.rejects.push(reject);
    }
}

/// Some records of a batch, in order.
#[derive(Clone, Debug)]
pub struct Run {
    /// The batch.
    pub batch: Arc<Batch>,
    /// Which of its records.
    pub range: Range<usize>,
}

/// A watermark that moves on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Before which record it does, counted over all runs that come with it; one past the last for after all.
    pub at: u32,
    /// Every record up to this time has been seen, as far as lateness allows.
    pub watermark: Timestamp,
}
