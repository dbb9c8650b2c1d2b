//! Mistakes made on purpose, to see that the tests notice them. In debug builds `KEYHOUND_FAULT`
//! names one that is made and `KEYHOUND_CRASH_AT` a step that is the last; in release builds this is nothing. No feature
//! switches it, for then everything would be built once more to try the tests.

/// A mistake that a program like this one could make. `tests/planted/faults` names the tests that notice it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// A checkpoint says how long the outputs are before they are forced to disk.
    AcknowledgedBeforeFsync,
    /// Where a record stands is kept as the place where reading goes on.
    OffsetOfLast,
    /// The folder is not forced to disk after a checkpoint got its name.
    NoDirectoryFsync,
    /// A checkpoint that was being written is taken for the newest.
    TemporaryPreferred,
    /// Requests that were seen are not known any more after a restart.
    RequestsForgotten,
    /// What an output holds behind the checkpoint is not looked at.
    OutputNotCompared,
    /// Alerts come in the order of a hash map.
    HashOrder,
    /// A commit that failed is taken for one that succeeded.
    UnknownIsCommitted,
    /// What waits for a sink is taken for delivered.
    NotedBeforeDelivered,
    /// A record from the future moves event time.
    FutureMovesWatermark,
    /// A key with a history gives way to new ones.
    KnownKeyEvicted,
    /// A checkpoint that was made is taken for one that is being made.
    NoFurtherCheckpoint,
}

impl Mistake {
    /// All of them, by the names that `KEYHOUND_FAULT` has for them.
    pub const ALL: [(&str, Self); 12] = [
        ("acknowledged_before_fsync", Self::AcknowledgedBeforeFsync),
        ("offset_of_last", Self::OffsetOfLast),
        ("no_directory_fsync", Self::NoDirectoryFsync),
        ("temporary_preferred", Self::TemporaryPreferred),
        ("requests_forgotten", Self::RequestsForgotten),
        ("output_not_compared", Self::OutputNotCompared),
        ("hash_order", Self::HashOrder),
        ("unknown_is_committed", Self::UnknownIsCommitted),
        ("noted_before_delivered", Self::NotedBeforeDelivered),
        ("future_moves_watermark", Self::FutureMovesWatermark),
        ("known_key_evicted", Self::KnownKeyEvicted),
        ("no_further_checkpoint", Self::NoFurtherCheckpoint),
    ];
}

pub use plant::{planted, scatter, step};

#[cfg(not(debug_assertions))]
mod plant {
    use super::Mistake;

    /// Whether this mistake is to be made.
    #[inline(always)]
    pub const fn planted(_: Mistake) -> bool {
        false
    }

    /// Brings the items into the order of a hash map, where that mistake is to be made.
    #[inline(always)]
    pub const fn scatter<T>(_: &mut Vec<T>) {}

    /// Ends the process where this step is to be its last.
    #[inline(always)]
    pub const fn step(_: &str) {}
}

#[cfg(debug_assertions)]
#[allow(clippy::disallowed_methods, reason = "no setting of the program, but of its tests")]
mod plant {
    use super::Mistake;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Whether this mistake is to be made.
    pub fn planted(mistake: Mistake) -> bool {
        static PLANTED: LazyLock<Option<Mistake>> = LazyLock::new(|| {
            let name = std::env::var("KEYHOUND_FAULT").ok()?;
            let found = Mistake::ALL.iter().find(|(known, _)| *known == name);
            assert!(found.is_some(), "`KEYHOUND_FAULT={name}` names no fault");
            found.map(|(_, mistake)| *mistake)
        });
        *PLANTED == Some(mistake)
    }

    /// Brings the items into the order of a hash map, where that mistake is to be made.
    pub fn scatter<T>(items: &mut Vec<T>) {
        if planted(Mistake::HashOrder) {
            let numbered = std::mem::take(items).into_iter().enumerate();
            let scattered: hashbrown::HashMap<usize, T, ahash::RandomState> = numbered.collect();
            items.extend(scattered.into_values());
        }
    }

    /// Ends the process where this step is to be its last: `KEYHOUND_CRASH_AT=NAME:2` at the second time.
    pub fn step(name: &str) {
        static LAST: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
            let last = std::env::var("KEYHOUND_CRASH_AT").ok()?;
            let (name, number) = last.split_once(':')?;
            Some((name.to_owned(), number.parse().ok()?))
        });
        static TIMES: AtomicU64 = AtomicU64::new(0);
        if let Some((last, number)) = &*LAST
            && last == name
            && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == *number
        {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_test_that_notices_it() {
        let table = std::fs::read_to_string("tests/planted/faults").unwrap();
        let named = |name: &str| table.lines().any(|line| line.split_whitespace().next() == Some(name));
        assert_eq!(Mistake::ALL.iter().find(|(name, _)| !named(name)), None);
    }
}
