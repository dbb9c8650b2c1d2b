//! What passes through the HTTP input, for whoever looks at it from outside. Live: it is looked at while the rest waits.

use crate::config::ListenConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// What came of a request, as metrics tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Taken: each of its lines is a record or a reject.
    Taken,
    /// No such path or method, or sent by a page in a browser.
    Misdirected,
    /// Without a token, or with one that is none of ours.
    Unauthorized,
    /// In a coding or of a type that is not read.
    Unsupported,
    /// Damaged, or empty where something has to be.
    Malformed,
    /// A body over `body_bytes_max`.
    BodyTooLarge,
    /// Headers over `header_bytes_max`.
    HeadersTooLarge,
    /// Not there in time (`request_ms`).
    TooSlow,
    /// Broken off by the client.
    BrokenOff,
    /// There was no room (`queue_bytes_max`, `spool_bytes_max`), or the run is ending.
    Busy,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Taken,
        Self::Misdirected,
        Self::Unauthorized,
        Self::Unsupported,
        Self::Malformed,
        Self::BodyTooLarge,
        Self::HeadersTooLarge,
        Self::TooSlow,
        Self::BrokenOff,
        Self::Busy,
    ];

    /// Its name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Misdirected => "misdirected",
            Self::Unauthorized => "unauthorized",
            Self::Unsupported => "unsupported",
            Self::Malformed => "malformed",
            Self::BodyTooLarge => "body_too_large",
            Self::HeadersTooLarge => "headers_too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenOff => "broken_off",
            Self::Busy => "busy",
        }
    }
}

/// What passes through the HTTP input.
#[derive(Debug)]
pub struct Traffic {
    limits: ListenConfig,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    received: AtomicU64,
    spooled: AtomicU64,
    forced: AtomicU64,
    /// Room for connections.
    pub(super) connections: Arc<Semaphore>,
    /// Room for bodies, in bytes.
    pub(super) queue: Arc<Semaphore>,
}

impl Traffic {
    /// Nothing yet.
    pub fn new(limits: &ListenConfig) -> Self {
        Self {
            limits: limits.clone(),
            outcomes: Default::default(),
            received: AtomicU64::default(),
            spooled: AtomicU64::default(),
            forced: AtomicU64::default(),
            connections: Arc::new(Semaphore::new(limits.connections_max as usize)),
            queue: Arc::new(Semaphore::new(limits.queue_bytes_max as usize)),
        }
    }

    /// Counts a request; how many ended so before.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed)
    }

    /// Bytes of bodies have come, as they were sent.
    pub(super) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So many bytes are in the spool now.
    pub(super) fn set_spooled(&self, bytes: u64) {
        self.spooled.store(bytes, Ordering::Relaxed);
    }

    /// The spool was forced to disk.
    pub(super) fn force(&self) {
        self.forced.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests ended so.
    pub fn outcomes(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// Bytes of bodies, as they were sent.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// How often the spool was forced to disk.
    pub fn forced(&self) -> u64 {
        self.forced.load(Ordering::Relaxed)
    }

    /// Levels, each with its limit: connections, bytes of bodies in memory, bytes in the spool.
    pub fn levels(&self) -> [(u64, u64); 3] {
        let used =
            |room: &Semaphore, max: u32| u64::from(max).saturating_sub(room.available_permits() as u64);
        let Self { limits, connections, queue, .. } = self;
        [
            (used(connections, limits.connections_max), limits.connections_max.into()),
            (used(queue, limits.queue_bytes_max), limits.queue_bytes_max.into()),
            (self.spooled.load(Ordering::Relaxed), limits.spool_bytes_max),
        ]
    }
}
