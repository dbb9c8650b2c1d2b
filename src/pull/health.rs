//! How a source gets on, for whoever looks from outside. Live: it is looked at while requests are under way.

use super::fault::Fault;
use crate::time::{SECOND, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// What came of a request, as metrics tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A page that could be read.
    Ok,
    /// Not now: there were too many.
    Throttled,
    /// The provider refuses it.
    Refused,
    /// The provider fails.
    Failed,
    /// No connection, or it broke off.
    Unreachable,
    /// Not there in time.
    TimedOut,
    /// Answered with something that is no page of the API, or too large.
    Unreadable,
    /// There is no key to ask with.
    NoKey,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Throttled,
        Self::Refused,
        Self::Failed,
        Self::Unreachable,
        Self::TimedOut,
        Self::Unreadable,
        Self::NoKey,
    ];

    /// Its name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Unreadable => "unreadable",
            Self::NoKey => "no_key",
        }
    }

    /// What a fault is; `None` where nothing was asked.
    pub fn of(fault: &Fault) -> Option<Self> {
        match fault {
            Fault::NoKey(_) => Some(Self::NoKey),
            Fault::Unreachable(_) => Some(Self::Unreachable),
            Fault::TimedOut { .. } => Some(Self::TimedOut),
            Fault::Status { code: 429, .. } => Some(Self::Throttled),
            Fault::Status { code: 500..=599, .. } => Some(Self::Failed),
            Fault::Status { .. } | Fault::Redirect(_) => Some(Self::Refused),
            Fault::TooLarge(_) | Fault::NoJson { .. } | Fault::Changed { .. } | Fault::Loop => {
                Some(Self::Unreadable)
            }
            Fault::Pages(_) | Fault::Elsewhere | Fault::NoAddress | Fault::Budget { .. } | Fault::Stopped => {
                None
            }
        }
    }
}

/// How an endpoint of a source gets on.
#[derive(Debug)]
pub struct EndpointHealth {
    /// What it is called.
    pub name: String,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    rows: AtomicU64,
    repeated: AtomicU64,
    restated: AtomicU64,
    rejected: AtomicU64,
    /// Seconds since 1970; nought for never.
    success: AtomicI64,
    reached: AtomicI64,
    is_failing: AtomicBool,
}

impl EndpointHealth {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            outcomes: Default::default(),
            rows: AtomicU64::default(),
            repeated: AtomicU64::default(),
            restated: AtomicU64::default(),
            rejected: AtomicU64::default(),
            success: AtomicI64::default(),
            reached: AtomicI64::default(),
            is_failing: AtomicBool::default(),
        }
    }

    /// Counts a request.
    pub(super) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts rows of a page: those that are new, those of a stretch that was read before with other numbers or too late,
    /// and those that are as they were.
    pub(super) fn add(&self, rows: usize, restated: usize, repeated: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.restated.fetch_add(restated as u64, Ordering::Relaxed);
        self.repeated.fetch_add(repeated as u64, Ordering::Relaxed);
    }

    /// Counts rows that were no records; how many there were before.
    pub fn reject(&self, rows: u64) -> u64 {
        self.rejected.fetch_add(rows, Ordering::Relaxed)
    }

    /// Rows that were no records.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Everything up to `reached` was read.
    pub(super) fn reach(&self, reached: Timestamp) {
        self.reached.fetch_max(reached.0 / SECOND, Ordering::Relaxed);
    }

    /// Everything that is there was read.
    pub(super) fn succeed(&self, now: Timestamp) {
        self.success.store(now.0 / SECOND, Ordering::Relaxed);
    }

    /// It fails, or not any more; whether that is new.
    pub(super) fn set_failing(&self, is_failing: bool) -> bool {
        self.is_failing.swap(is_failing, Ordering::Relaxed) != is_failing
    }

    /// How many requests ended so.
    pub fn outcomes(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// Rows that were handed on, rows of them that were told once more with other numbers or came late, and rows that were left
    /// out because they were handed on before as they are.
    pub fn rows(&self) -> [u64; 3] {
        [&self.rows, &self.restated, &self.repeated].map(|count| count.load(Ordering::Relaxed))
    }

    /// When everything that was there had been read, in seconds since 1970; nought for never.
    pub fn success(&self) -> i64 {
        self.success.load(Ordering::Relaxed)
    }

    /// Up to when everything was read, in seconds since 1970; nought for nothing.
    pub fn reached(&self) -> i64 {
        self.reached.load(Ordering::Relaxed)
    }

    /// Whether it could not be read when it was asked last.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }
}

/// How a source gets on.
#[derive(Debug)]
pub struct Health {
    /// What it is called.
    pub name: Arc<str>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointHealth>,
    /// Requests that are left of the hour; less than nought where they are not counted.
    left: AtomicI64,
    /// Milliseconds that the provider's clock is ahead of ours.
    skew_ms: AtomicI64,
}

impl Health {
    /// Of a source with these endpoints that nobody has asked.
    pub fn new<'a>(name: &Arc<str>, endpoints: impl Iterator<Item = &'a str>) -> Self {
        let endpoints = endpoints.map(EndpointHealth::new).collect();
        let (left, skew_ms) = (AtomicI64::new(-1), AtomicI64::default());
        Self { name: Arc::clone(name), endpoints, left, skew_ms }
    }

    pub(super) fn set_left(&self, left: Option<u64>) {
        self.left.store(left.and_then(|left| i64::try_from(left).ok()).unwrap_or(-1), Ordering::Relaxed);
    }

    /// Requests that are left of the hour, where they are counted.
    pub fn left(&self) -> Option<u64> {
        u64::try_from(self.left.load(Ordering::Relaxed)).ok()
    }

    /// The provider's clock says this; how far it was ahead of ours before, in seconds.
    pub(super) fn set_clock(&self, theirs: Timestamp, ours: Timestamp) -> i64 {
        let ahead = (theirs.0 - ours.0) / 1_000_000;
        self.skew_ms.swap(ahead, Ordering::Relaxed) / 1000
    }

    /// How far the provider's clock is ahead of ours, in seconds, as far as whole seconds tell it.
    pub fn skew_seconds(&self) -> i64 {
        self.skew_ms.load(Ordering::Relaxed) / 1000
    }
}
