//! Which keys have series of their own in `/metrics`: no more than there are places, and not others every minute.

use crate::config::{KeySeries, MetricsConfig};
use crate::detect::Severity;
use crate::key::KeyId;
use crate::shard::{Census, Standing, Sums};
use crate::time::{MINUTE, Timestamp};
use std::sync::Arc;
use tokio::sync::watch;

/// The places for keys.
pub struct Roster {
    places: Vec<Place>,
    places_max: usize,
    /// How many of the first keys belong here; of those that are listed all do.
    top: Option<usize>,
    expire: i64,
    dropped: u64,
    held: watch::Sender<Vec<KeyId>>,
}

/// A place that is taken.
struct Place {
    key: KeyId,
    /// When the key last was among those that belong here.
    since: Timestamp,
}

/// What is shown of single keys.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The keys, by fingerprint.
    pub keys: Vec<Standing>,
    /// All others together.
    pub others: Sums,
    /// How often a key belonged here for which there was no place.
    pub dropped: u64,
}

impl Roster {
    /// As configured, and where it says which keys it holds; `None` where no key is shown.
    pub fn new(config: &MetricsConfig) -> (Option<Self>, watch::Receiver<Vec<KeyId>>) {
        let (held, receiver) = watch::channel(Vec::new());
        let places_max = usize::from(config.keys_max);
        let top = (config.keys == KeySeries::Top).then_some(places_max);
        let roster = Self {
            places: Vec::new(),
            places_max,
            top,
            expire: i64::from(config.keys_expire_minutes) * MINUTE,
            dropped: 0,
            held,
        };
        ((config.keys != KeySeries::Off).then_some(roster), receiver)
    }

    /// Gives places to keys as all shards have counted them by `now`; what is shown.
    pub fn take(&mut self, counted: impl IntoIterator<Item = Census>, now: Timestamp) -> Arc<Shown> {
        let mut keys: Vec<Standing> = Vec::new();
        let mut others = Sums::default();
        for census in counted {
            others.add(&census.all);
            keys.extend(census.standings);
        }
        keys.sort_by_key(|key| std::cmp::Reverse(key.rank()));
        self.seat(&keys, now);
        keys.retain(|key| self.holds(key.id));
        for key in &keys {
            others.subtract(&key.sums);
        }
        keys.sort_by_key(|key| key.id);
        self.held.send_replace(self.places.iter().map(|place| place.key).collect());
        Arc::new(Shown { keys, others, dropped: self.dropped })
    }

    fn holds(&self, key: KeyId) -> bool {
        self.places.iter().any(|place| place.key == key)
    }

    /// Gives places away: `keys` stand in the order in which they matter.
    fn seat(&mut self, keys: &[Standing], now: Timestamp) {
        let belong = |key: &&Standing| self.top.is_some() || key.is_named;
        let belonging: Vec<&Standing> =
            keys.iter().filter(belong).take(self.top.unwrap_or(usize::MAX)).collect();
        for place in &mut self.places {
            if belonging.iter().any(|key| key.id == place.key) {
                place.since = now;
            }
        }
        // A key that is no longer there has nothing to show.
        let is_there = |place: &Place| keys.iter().any(|key| key.id == place.key);
        let expire = self.expire;
        self.places.retain(|place| is_there(place) && now.0.saturating_sub(place.since.0) < expire);
        for key in belonging {
            if self.holds(key.id) {
                continue;
            }
            if self.places.len() >= self.places_max && !self.make_room_for(key, now) {
                self.dropped += 1;
                continue;
            }
            self.places.push(Place { key: key.id, since: now });
        }
    }

    /// A key that somebody ought to look at does not wait until a place is free: it gets that of the key which has not been
    /// among the first for longest. True where there was one.
    fn make_room_for(&mut self, key: &Standing, now: Timestamp) -> bool {
        let open = &key.sums.open;
        let is_urgent = open.all_incidents() > 0
            || open.alerts_of(Severity::High) + open.alerts_of(Severity::Critical) > 0;
        let others = self.places.iter().enumerate().filter(|(_, place)| place.since < now);
        let longest = others.min_by_key(|(_, place)| place.since).map(|(at, _)| at);
        match longest.filter(|_| is_urgent) {
            Some(at) => {
                self.places.remove(at);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::NanoUsd;
    use crate::shard::Open;

    fn key(number: u8, usd: i64, high: u32) -> Standing {
        let mut open = Open::default();
        open.alerts[0][Severity::High as usize] = high;
        let cost = NanoUsd(usd * 1_000_000_000);
        let sums = Sums { requests: 1, cost, day_cost: cost, open };
        let (id, last) = (KeyId([number; 16]), Timestamp(0));
        Standing { id, hint: Arc::from("...a"), is_named: number.is_multiple_of(2), sums, usual: None, last }
    }

    fn census(keys: &[Standing]) -> Census {
        let mut all = Sums::default();
        for key in keys {
            all.add(&key.sums);
        }
        // Of keys that nobody asked for only the sums are told.
        all.add(&key(99, 1000, 0).sums);
        Census { standings: keys.to_vec(), all, gallery: None }
    }

    fn roster(keys: KeySeries, keys_max: u16) -> Roster {
        let config = MetricsConfig { keys, keys_max, keys_expire_minutes: 10, ..MetricsConfig::default() };
        Roster::new(&config).0.unwrap()
    }

    fn ids(shown: &Shown) -> Vec<u8> {
        shown.keys.iter().map(|key| key.id.0[0]).collect()
    }

    fn minute(minute: i64) -> Timestamp {
        Timestamp(minute * MINUTE)
    }

    #[test]
    fn the_others_are_what_is_left_of_the_sums() {
        let mut roster = roster(KeySeries::Top, 2);
        let shown = roster.take([census(&[key(1, 5, 0), key(2, 7, 0)]), census(&[key(3, 1, 0)])], minute(0));
        assert_eq!(ids(&shown), [1, 2]);
        assert_eq!((shown.others.cost, shown.others.requests), (NanoUsd(2001 * 1_000_000_000), 3));
        assert_eq!(shown.dropped, 0);
        assert_eq!(*roster.held.borrow(), [KeyId([2; 16]), KeyId([1; 16])]);
    }

    #[test]
    fn a_place_is_kept_for_a_while_unless_another_key_is_urgent() {
        let mut roster = roster(KeySeries::Top, 2);
        roster.take([census(&[key(1, 5, 0), key(2, 7, 0), key(3, 1, 0)])], minute(0));
        let dearer = [key(1, 5, 0), key(2, 7, 0), key(3, 9, 0)];
        let shown = roster.take([census(&dearer)], minute(1));
        assert_eq!((ids(&shown), shown.dropped), (vec![1, 2], 1));
        let shown = roster.take([census(&dearer)], minute(10));
        assert_eq!((ids(&shown), shown.dropped), (vec![2, 3], 1), "the place of 1 has expired");
        let urgent = [key(1, 50, 0), key(2, 7, 0), key(3, 9, 0), key(4, 0, 1)];
        let shown = roster.take([census(&urgent)], minute(11));
        assert_eq!((ids(&shown), shown.dropped), (vec![3, 4], 2), "4 has an alert, 1 is only dear");
    }

    #[test]
    fn never_more_than_there_are_places_and_none_of_keys_that_are_gone() {
        let mut roster = roster(KeySeries::Top, 2);
        let all: Vec<Standing> = (0..50).map(|number| key(number, 1, 1)).collect();
        assert_eq!(roster.take([census(&all)], minute(0)).keys.len(), 2);
        assert_eq!(roster.take([census(&all[10..])], minute(1)).keys.len(), 2);
        assert_eq!(roster.take([census(&[])], minute(2)).keys.len(), 0);
    }

    #[test]
    fn of_those_that_are_listed_more_than_fit_are_counted() {
        let mut roster = roster(KeySeries::Listed, 1);
        let keys = [key(1, 9, 3), key(2, 1, 0), key(4, 3, 0)];
        let shown = roster.take([census(&keys)], minute(0));
        assert_eq!((ids(&shown), shown.dropped), (vec![4], 1));
    }
}
