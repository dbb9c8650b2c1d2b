//! Room on disks. A full one is no error: whoever writes to it waits, which is told once for each place.

use crate::encode::Visible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a full disk is given before it is tried again.
pub const FULL_FOR: Duration = Duration::from_millis(500);

/// All places that a run writes to, of which some may have no room.
#[derive(Clone, Debug, Default)]
pub struct Rooms(Arc<AtomicUsize>);

impl Rooms {
    /// One more place.
    pub fn place(&self) -> Room {
        Room { is_full: AtomicBool::new(false), all: self.clone() }
    }

    /// Whether any of them has no room.
    pub fn is_any_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Room at one place. What another place has says nothing about it: they may be on different disks.
#[derive(Debug)]
pub struct Room {
    is_full: AtomicBool,
    all: Rooms,
}

impl Room {
    /// There is none, which is told unless it was none before.
    pub fn none(&self, name: &str) {
        if !self.is_full.swap(true, Ordering::Relaxed) {
            self.all.0.fetch_add(1, Ordering::Relaxed);
            tracing::error!("{}: the disk is full; reading stops until there is room", Visible(name));
        }
    }

    /// There is some.
    pub fn some(&self) {
        if self.is_full.swap(false, Ordering::Relaxed) {
            self.all.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether there was none when it was needed last.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Waits for some.
    pub async fn wait(&self, name: &str) {
        self.none(name);
        tokio::time::sleep(FULL_FOR).await;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Nobody waits here any more.
        self.some();
    }
}

/// Whether there is no room on the disk: nothing is wrong, and it may pass.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_at_one_place_is_none_at_another() {
        let rooms = Rooms::default();
        let (state, output) = (rooms.place(), rooms.place());
        state.none("state");
        state.none("state");
        output.some();
        assert!(rooms.is_any_full() && state.is_full() && !output.is_full());
        output.none("output");
        state.some();
        state.some();
        assert!(rooms.is_any_full() && !state.is_full());
        drop(output);
        assert!(!rooms.is_any_full());
    }
}
