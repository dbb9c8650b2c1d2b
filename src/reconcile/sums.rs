//! What is added up: requests, tokens by class, money. Whole numbers, so that no order of adding matters.

use crate::record::{Count, Tokens, UsageRecord};
use std::ops::AddAssign;

/// Amounts of some records together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Records.
    pub records: u64,
    /// Requests, of records that count them.
    pub requests: u64,
    /// Records that say how many requests they stand for.
    pub counted: u64,
    /// Input that no cache had to do with.
    pub uncached: u64,
    /// Input read from a cache.
    pub cached: u64,
    /// Input written to a cache.
    pub written: u64,
    /// The part of it that is kept for an hour.
    pub written_1h: u64,
    /// Output.
    pub output: u64,
    /// The part of it that was reasoning.
    pub reasoning: u64,
    /// Nano-dollars.
    pub cost: i128,
    /// Records of which the cost is not known, or at least so much.
    pub uncertain: u64,
}

impl Sums {
    /// Those of one record.
    pub fn of(record: &UsageRecord) -> Self {
        let tokens = &record.tokens;
        Self {
            records: 1,
            requests: u64::from(record.requests),
            counted: u64::from(record.counted),
            uncached: tokens.input_uncached.or_zero(),
            cached: tokens.cache_read.or_zero(),
            written: tokens.cache_write.or_zero(),
            written_1h: tokens.cache_write_1h.or_zero(),
            output: tokens.output.or_zero(),
            reasoning: tokens.reasoning.or_zero(),
            cost: i128::from(record.cost.0),
            uncertain: u64::from(record.cost_source.is_uncertain()),
        }
    }

    /// Takes back what was added before.
    pub fn take_back(&mut self, before: Self) {
        let take = |from: &mut u64, less: u64| *from = from.saturating_sub(less);
        take(&mut self.records, before.records);
        take(&mut self.requests, before.requests);
        take(&mut self.counted, before.counted);
        take(&mut self.uncached, before.uncached);
        take(&mut self.cached, before.cached);
        take(&mut self.written, before.written);
        take(&mut self.written_1h, before.written_1h);
        take(&mut self.output, before.output);
        take(&mut self.reasoning, before.reasoning);
        self.cost = self.cost.saturating_sub(before.cost);
        take(&mut self.uncertain, before.uncertain);
    }

    /// Everything that went in.
    pub const fn input(&self) -> u64 {
        self.uncached + self.cached + self.written + self.written_1h
    }

    /// Everything that went in or came out.
    pub const fn tokens(&self) -> u64 {
        self.input() + self.output
    }

    /// Whether it tells of any use or money.
    pub const fn is_nothing(&self) -> bool {
        self.requests == 0 && self.tokens() == 0 && self.cost == 0
    }

    /// The token classes, as prices take them.
    pub fn classes(&self) -> Tokens {
        Tokens {
            input_uncached: Count::of(self.uncached),
            cache_read: Count::of(self.cached),
            cache_write: Count::of(self.written),
            cache_write_1h: Count::of(self.written_1h),
            output: Count::of(self.output),
            reasoning: Count::of(self.reasoning),
        }
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.records, other.records);
        add(&mut self.requests, other.requests);
        add(&mut self.counted, other.counted);
        add(&mut self.uncached, other.uncached);
        add(&mut self.cached, other.cached);
        add(&mut self.written, other.written);
        add(&mut self.written_1h, other.written_1h);
        add(&mut self.output, other.output);
        add(&mut self.reasoning, other.reasoning);
        self.cost = self.cost.saturating_add(other.cost);
        add(&mut self.uncertain, other.uncertain);
    }
}

/// What one role tells of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Side {
    /// Everything that counts.
    pub all: Sums,
    /// The part of it that comes a second time without an identifier to tell whether it is the same: it counts.
    pub alike: Sums,
    /// What came a second time under its identifier: it does not count.
    pub repeated: Sums,
    /// Money taken back, in nano-dollars, not above nought; part of all.
    pub refunds: i128,
}

impl AddAssign for Side {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.alike += other.alike;
        self.repeated += other.repeated;
        self.refunds = self.refunds.saturating_add(other.refunds);
    }
}
