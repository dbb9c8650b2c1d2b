//! Records as they arrive in a log: nearly in order, some of them late and some twice. One day of each key is in memory.

use super::cast::Cast;
use super::owner::{Owner, nanoseconds};
use super::random::Random;
use super::record::Record;
use crate::time::{DAY, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// The part of the records that is late, and by how many seconds at most.
const LATE: (f64, f64) = (0.02, 600.0);
/// The part that comes twice, and how many seconds apart at most.
const TWICE: (f64, f64) = (0.001, 30.0);

/// Records in the order of their arrival.
pub struct Arrivals {
    owners: Vec<Owner>,
    thieves: Vec<VecDeque<Record>>,
    day: Timestamp,
    end: Timestamp,
    /// Those that have happened and not arrived: by arrival, and then by number.
    waiting: BTreeMap<(Timestamp, u64), Record>,
    numbered: u64,
    random: Random,
}

impl Arrivals {
    /// What everybody sends.
    pub fn new(cast: Cast, seed: u64) -> Self {
        Self {
            owners: cast.owners,
            thieves: cast.thieves.into_iter().map(VecDeque::from).collect(),
            day: cast.start,
            end: cast.start.plus(i64::from(cast.days) * DAY),
            waiting: BTreeMap::new(),
            numbered: 0,
            random: Random::new(seed, "arrivals", 0),
        }
    }

    /// Makes everything of the next day happen.
    fn next_day(&mut self) {
        let (start, end) = (self.day, self.day.plus(DAY));
        self.day = end;
        let mut today: Vec<Record> = self.owners.iter_mut().flat_map(|owner| owner.day(start)).collect();
        for thief in &mut self.thieves {
            let count = thief.iter().take_while(|record| record.at < end).count();
            today.extend(thief.drain(..count));
        }
        today.sort_by(|one, other| (one.at, &one.key, one.id).cmp(&(other.at, &other.key, other.id)));
        for record in today {
            let (part, most) = LATE;
            let late = if self.random.happens(part) { nanoseconds(self.random.part() * most) } else { 0 };
            let arrival = record.at.plus(late);
            let (part, most) = TWICE;
            if self.random.happens(part) {
                let again = arrival.plus(nanoseconds(self.random.part() * most));
                self.wait(again, record.clone());
            }
            self.wait(arrival, record);
        }
    }

    fn wait(&mut self, arrival: Timestamp, record: Record) {
        self.numbered += 1;
        self.waiting.insert((arrival, self.numbered), record);
    }
}

impl Iterator for Arrivals {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        // Whatever happens later arrives later.
        while self.day < self.end
            && self.waiting.first_key_value().is_none_or(|((arrival, _), _)| *arrival >= self.day)
        {
            self.next_day();
        }
        self.waiting.pop_first().map(|(_, record)| record)
    }
}
