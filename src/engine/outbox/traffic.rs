//! What passes through an outbox, for whoever looks at it from outside.

use crate::sink::carrier::Answer;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What came of an attempt, as metrics tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// Taken.
    Delivered,
    /// The receiver wants to be asked again later (408, 425, 429), or there have been enough mails.
    Throttled,
    /// The receiver has a fault (5xx).
    ServerError,
    /// The receiver does not want it like this (other statuses).
    Refused,
    /// Received, and not acknowledged in time.
    Unacknowledged,
    /// A token or another secret could not be read.
    NoSecret,
    /// No connection, or it ended too early.
    Unreachable,
    /// It took too long.
    TimedOut,
}

impl Attempt {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Delivered,
        Self::Throttled,
        Self::ServerError,
        Self::Refused,
        Self::Unacknowledged,
        Self::NoSecret,
        Self::Unreachable,
        Self::TimedOut,
    ];

    /// Its name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::Refused => "refused",
            Self::Unacknowledged => "unacknowledged",
            Self::NoSecret => "no_secret",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
        }
    }
}

impl From<&Answer> for Attempt {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Taken => Self::Delivered,
            Answer::Later(500.., _) => Self::ServerError,
            Answer::Later(..) | Answer::Rationed { .. } => Self::Throttled,
            Answer::Part(_, answer) => Self::from(&**answer),
            Answer::Refused(..) => Self::Refused,
            Answer::Unacknowledged => Self::Unacknowledged,
            Answer::NoSecret(..) => Self::NoSecret,
            Answer::Unreachable(_) => Self::Unreachable,
            Answer::TimedOut => Self::TimedOut,
        }
    }
}

/// What passes through an outbox. Live: it is looked at while the egress waits.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes that may wait.
    bytes_max: u64,
    entries: AtomicU64,
    bytes: AtomicU64,
    taken: AtomicU64,
    /// Alerts that wait elsewhere until there is room for them.
    behind: AtomicU64,
    attempts: [AtomicU64; Attempt::ALL.len()],
    reminded: AtomicU64,
    is_failing: AtomicBool,
    is_full: AtomicBool,
}

impl Traffic {
    /// Of an outbox in which so many bytes may wait.
    pub fn new(bytes_max: u32) -> Self {
        Self { bytes_max: bytes_max.into(), ..Self::default() }
    }

    /// Bytes that may wait.
    pub const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// An entry was put in.
    pub(super) fn put(&self, bytes: usize) {
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// An entry was taken by the receiver, and all before it.
    pub(super) fn take(&self, number: u64, bytes: usize) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.taken.store(number + 1, Ordering::Relaxed);
    }

    pub(super) fn attempt(&self, attempt: Attempt) {
        self.attempts[attempt as usize].fetch_add(1, Ordering::Relaxed);
        self.is_failing.store(attempt != Attempt::Delivered, Ordering::Relaxed);
    }

    /// Nothing waits in this process, and the next entry is the first.
    #[cfg(feature = "kafka")]
    pub fn begin(&self) {
        for count in [&self.entries, &self.bytes, &self.taken, &self.reminded, &self.behind] {
            count.store(0, Ordering::Relaxed);
        }
        for state in [&self.is_failing, &self.is_full] {
            state.store(false, Ordering::Relaxed);
        }
    }

    /// So many more wait elsewhere.
    #[cfg(feature = "kafka")]
    pub fn set_behind(&self, count: u64) {
        self.behind.store(count, Ordering::Relaxed);
    }

    /// Whether there is no room.
    pub fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// The number up to which all entries are taken.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Alerts that wait.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed) + self.behind.load(Ordering::Relaxed)
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How often an attempt ended so.
    pub fn attempts(&self, attempt: Attempt) -> u64 {
        self.attempts[attempt as usize].load(Ordering::Relaxed)
    }

    pub(super) fn set_reminded(&self, count: usize) {
        self.reminded.store(count as u64, Ordering::Relaxed);
    }

    /// How many alerts are open there and are told again.
    pub fn reminded(&self) -> u64 {
        self.reminded.load(Ordering::Relaxed)
    }

    /// Whether the last attempt failed.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Whether reading waits for room.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }
}
