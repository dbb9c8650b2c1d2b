//! Buckets: of keys of which nothing is told but sums.

use super::budget::{Bar, Way};
use super::cohort::Act;
use super::fleet::{Around, Taken};
use super::habits::{Regular, ToldBy};
use super::identity::Identity;
use super::owner::seconds;
use super::watch::Seat;
use super::{Incident, Observer, Watched, is_silent};
use crate::detect::KeyProfile;
use crate::record::{Batch, Kind, UsageRecord};
use crate::time::Stamp;
use xxhash_rust::xxh3::xxh3_64;

/// The widest bucket that says when its requests were.
const WIDTH_S_MAX: u32 = 3600;

/// Whoever a bucket is of.
static NOBODY: Identity = Identity { place: None, client: 0, major: 0 };

/// What a bucket tells that was not known.
pub struct Gain<'a> {
    /// As it is told now.
    pub record: &'a UsageRecord,
    /// Where its texts are.
    pub batch: &'a Batch,
    /// How many more requests it holds.
    pub requests: u32,
    /// What those cost, in dollars.
    pub cost: f64,
}

impl<'a> Gain<'a> {
    /// As so many requests of its mean size, where it says how many it holds, and is narrow enough to say when.
    fn act(&self) -> Option<Act<'a>> {
        let Self { record, batch, requests, cost } = *self;
        if record.kind != Kind::Bucket || record.width_s > WIDTH_S_MAX || requests == 0 {
            return None;
        }
        let all = u64::from(record.requests.max(1));
        let endpoint = batch.bytes_of(record.endpoint);
        Some(Act {
            at: seconds(record.time.at),
            identity: &NOBODY,
            model: record.model.id,
            endpoint: xxh3_64(endpoint),
            is_list: false,
            status: record.status,
            input: record.tokens.input() / all,
            output: record.tokens.output.or_zero() / all,
            cost: cost / f64::from(requests),
            request: "",
            sums: Some(requests),
        })
    }
}

impl Observer {
    /// Takes what a bucket tells that was not known; what follows from it. Judged is a key of which no requests are told
    /// one by one, by buckets of an hour or less.
    pub fn see_bucket(
        &mut self,
        watch: &mut Watched,
        key: &KeyProfile,
        bucket: &Gain<'_>,
        learning: bool,
    ) -> Option<Incident> {
        let Gain { record, batch, .. } = *bucket;
        let act = bucket.act()?;
        let Watched { consumers: None, regular: None, summed, said, is_changed, .. } = watch else {
            return None;
        };
        *is_changed = true;
        self.taken = Taken::OWN;
        let Self { settings, load_tools, known, news, bars, taken, .. } = self;
        // Before its end nobody knows what a bucket holds.
        let time = Stamp::utc(record.end());
        let is_silent = is_silent(said.as_deref(), time.at, learning);
        let bar = if is_silent { Bar::SILENT } else { bars[Way::Habits as usize] };
        let networks = &settings.networks;
        let seat = Seat { key, time, bar, load_tools, networks, said: said.as_deref() };
        let summed = summed.get_or_insert_with(|| Box::new(Regular::new(record.time.at, ToldBy::Sums)));
        let name = format!("{}/{} {}", record.time.at, record.end(), batch.text(record.model.name));
        summed.take(&Act { request: &name, ..act }, &seat, &mut Around { known, news, taken })
    }
}
