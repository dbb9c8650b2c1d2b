//! What is gathered of one key.

use super::act::Source;
use super::buckets::{Buckets, Summed};
use super::elsewhere::Elsewhere;
use super::spool::{Spool, SpoolError};
use super::sums::{Spent, Sums};
use crate::address::Address;
use crate::detect::Class;
use crate::incident::Incident;
use crate::key::KeyId;
use crate::record::{Action, Statement};
use crate::signal::Signals;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a detector or the incident layer told of the key, the first time.
#[derive(Clone, Debug)]
pub struct Signal {
    /// Its identity.
    pub id: String,
    /// The detector, or `incident`.
    pub name: &'static str,
    /// What it is.
    pub class: Class,
    /// How bad.
    pub severity: &'static str,
    /// One sentence.
    pub description: String,
    /// When it was known, by event time.
    pub at: Timestamp,
    /// What all consumers but the owner had spent by then.
    pub spent: Vec<(u32, Spent)>,
    /// What the owner had: with a canary, that is a thief's as well.
    pub own: Spent,
}

/// Something that was done to the key or said of it.
#[derive(Clone, Debug)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: DeedKind,
    /// From where.
    pub address: Option<Address>,
    /// Under which name, or why.
    pub about: String,
    /// Whether it was refused.
    pub is_refused: bool,
    /// Where its record stood.
    pub source: Source,
}

/// What was done or said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeedKind {
    /// By an administrator, or whoever had his rights.
    Audit(Action),
    /// By an operator.
    Statement(Statement),
}

/// An incident of the key, as it was told first and last.
#[derive(Clone, Debug)]
pub struct Case {
    /// The consumer, where it is one of the ledger's.
    pub consumer: Option<u32>,
    /// The first revision.
    pub first: Incident,
    /// The last.
    pub last: Incident,
}

/// What the key was used for before the time that is looked into.
#[derive(Clone, Default, Debug)]
pub struct History {
    /// There is one.
    pub is_given: bool,
    /// Records of the key by input.
    pub inputs: BTreeMap<Arc<str>, u64>,
    /// The first and the last of them.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Buckets among them.
    pub buckets: Buckets,
    /// Whose they were taken for.
    pub consumers: BTreeSet<u32>,
}

/// Everything that was gathered.
pub struct Gathered {
    /// The key.
    pub key: Option<KeyId>,
    /// What is shown of it, and its owner's name for it.
    pub hint: String,
    /// Its owner's name for it.
    pub alias: String,
    /// Other keys of the same name.
    pub namesakes: BTreeSet<KeyId>,
    /// Consumers by number.
    pub consumers: BTreeMap<u32, Sums>,
    /// Incidents by identity.
    pub incidents: BTreeMap<String, Case>,
    /// What was told, in order.
    pub signals: Vec<Signal>,
    /// What was done to it, in order of arrival.
    pub deeds: Vec<Deed>,
    /// What a provider's buckets say of it.
    pub buckets: Buckets,
    /// What was made of them.
    pub summed: Summed,
    /// What any of them told.
    pub(super) sums_seen: Signals,
    /// What was billed.
    pub invoiced: Spent,
    /// Addresses and clients of other keys, and since when each is known.
    pub elsewhere: Elsewhere,
    /// What any record of it told.
    pub signals_seen: Signals,
    /// Requests that were told a second time, and those after `until`.
    pub duplicates: u64,
    /// Requests after the end of what was asked for.
    pub beyond: u64,
    /// Requests that came out of order by more than a minute, and by how much at most, in nanoseconds.
    pub disordered: (u64, i64),
    /// Records of the key by input.
    pub inputs: BTreeMap<Arc<str>, u64>,
    /// What was there before.
    pub history: History,
    /// The last record of any key.
    pub end: Option<Timestamp>,
    /// Rows of everybody but the owner.
    pub spool: Spool,
}

impl Gathered {
    /// Nothing yet.
    pub(super) fn new() -> Result<Self, SpoolError> {
        Ok(Self {
            key: None,
            hint: String::new(),
            alias: String::new(),
            namesakes: BTreeSet::new(),
            consumers: BTreeMap::new(),
            incidents: BTreeMap::new(),
            signals: Vec::new(),
            deeds: Vec::new(),
            buckets: Buckets::default(),
            summed: Summed::default(),
            sums_seen: Signals::NONE,
            invoiced: Spent::default(),
            elsewhere: Elsewhere::default(),
            signals_seen: Signals::NONE,
            duplicates: 0,
            beyond: 0,
            disordered: (0, 0),
            inputs: BTreeMap::new(),
            history: History::default(),
            end: None,
            spool: Spool::new()?,
        })
    }
}
