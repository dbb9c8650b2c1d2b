//! Everything that was read, added up by key, day and model. Bounded by the number of cells, whatever is read.

use super::Role;
use super::bill::Line;
use super::names::KeyNames;
use super::once::{Once, Seen};
use super::sums::{Side, Sums};
use crate::key::{KeyId, leading_u64};
use crate::normalise::Prices;
use crate::record::{Batch, Kind, Part, UsageRecord};
use crate::time::{DAY, Day, Timestamp};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::collections::BTreeMap;
use std::hash::Hasher;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Cells of key, day and model, each with three sides.
    pub cells: usize,
    /// Requests, and buckets and bills, that are remembered to be counted once.
    pub once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cells: 200_000, once: 2_000_000 }
    }
}

/// Currencies without a rate that are told apart.
const CURRENCIES_MAX: usize = 64;
/// Hours of a day.
const HOURS: usize = 24;

/// Whose use of what on which day. Ordered by key first: what finds no room is whole keys, not parts of each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Cell {
    pub key: KeyId,
    pub day: Day,
    pub model: u64,
}

/// Three sides of a cell.
pub(super) type Sides = [Side; Role::ALL.len()];

/// What one role brought in all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    /// The first instant told of and the first after the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Records that count.
    pub records: u64,
    /// Records of another kind, which do not: bills among usage, or use among bills.
    pub other_kind: u64,
    /// Records of time before `since` or after `until`.
    pub outside: u64,
    /// Something tells of more than a day.
    pub is_wide: bool,
    /// Lines of bills of other services.
    pub foreign: u64,
}

/// Dollars of logs by hour, on the last day that usage tells of: how late it is shows there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    pub cost: [i128; HOURS],
}

/// Everything added up.
#[derive(Debug)]
pub struct Book {
    limits: Limits,
    pub(super) cells: BTreeMap<Cell, Sides>,
    /// What found no room, all in one.
    pub(super) others: Sides,
    pub(super) has_others: bool,
    /// What may be shown of keys.
    pub(super) keys: BTreeMap<KeyId, String>,
    /// The same of models, by the fingerprint of their canonical name.
    pub(super) models: BTreeMap<u64, String>,
    pub(super) extents: [Extent; Role::ALL.len()],
    pub(super) tails: BTreeMap<(KeyId, u64), Tail>,
    /// Money that no rate was given for: nano-units and lines, by currency.
    pub(super) foreign_money: BTreeMap<String, (i128, u64)>,
    pub(super) names: KeyNames,
    requests: Once<()>,
    buckets: Once<Sums>,
    alike: Once<()>,
    pub(super) within: (Timestamp, Timestamp),
}

impl Book {
    /// An empty one for records between two instants.
    pub fn new(limits: Limits, names: KeyNames, within: (Timestamp, Timestamp)) -> Self {
        Self {
            limits: Limits { cells: limits.cells.max(1), once: limits.once },
            cells: BTreeMap::new(),
            others: Sides::default(),
            has_others: false,
            keys: BTreeMap::new(),
            models: BTreeMap::new(),
            extents: [Extent::default(); Role::ALL.len()],
            tails: BTreeMap::new(),
            foreign_money: BTreeMap::new(),
            names,
            requests: Once::new(limits.once),
            buckets: Once::new(limits.once),
            alike: Once::new(limits.once),
            within,
        }
    }

    /// What a role brought in all.
    pub fn extent(&self, role: Role) -> &Extent {
        &self.extents[role as usize]
    }

    /// Whether there is money that no rate was given for.
    pub fn has_foreign_money(&self) -> bool {
        !self.foreign_money.is_empty()
    }

    /// How many requests or buckets were forgotten that may have come again.
    pub fn forgotten(&self) -> u64 {
        self.requests.forgotten + self.buckets.forgotten + self.alike.forgotten
    }

    /// Adds a record as one of `role`.
    pub fn add(&mut self, role: Role, record: &UsageRecord, batch: &Batch, prices: &Prices) {
        let is_bill = record.kind == Kind::Invoice;
        let extent = &mut self.extents[role as usize];
        match record.kind {
            Kind::Request | Kind::Bucket | Kind::Invoice if is_bill == (role == Role::Invoice) => {}
            // They tell of no use, whoever tells them.
            Kind::Audit(_) | Kind::Statement(_) | Kind::Canary(_) => return,
            _ => return extent.other_kind += 1,
        }
        let start = record.time.at;
        if !(self.within.0..self.within.1).contains(&start) {
            extent.outside += 1;
            return;
        }
        // The half that tells who asked counts the request, the other one what it took.
        let mut sums = Sums::of(record);
        if record.part == Part::Usage {
            (sums.requests, sums.counted, sums.records) = (0, 0, 0);
        }
        let key = self.names.id(record.key);
        let (mut model, mut name) = (record.model.id, batch.text(record.model.name));
        let line_item;
        if is_bill && model == 0 {
            line_item = batch.text(record.endpoint);
            (model, name) = of_line_item(line_item, prices);
        }
        let cell = Cell { key, day: day_of(start), model };
        let (side, before) = self.count(role, record, sums);
        self.extend(role, start, record.end(), record.width_s);
        self.show(key, batch.text(record.key_hint), model, name);
        if role == Role::Logs {
            self.note_tail(cell, start, side.all.cost);
        }
        self.put(cell, role, &side, &before);
    }

    /// Sums of a key by day, of one role; of a key for which there was no room, none.
    pub fn days_of(&self, key: KeyId, role: Role) -> impl Iterator<Item = (Day, Sums)> {
        let cells = self.cells.range(Cell { key, day: Day(i32::MIN), model: 0 }..);
        cells
            .take_while(move |(cell, _)| cell.key == key)
            .map(move |(cell, sides)| (cell.day, sides[role as usize].all))
    }

    /// Adds a line of a bill.
    pub fn add_line(&mut self, line: &Line, key: KeyId, hint: &str, prices: &Prices) {
        let extent = &mut self.extents[Role::Invoice as usize];
        if !(self.within.0..self.within.1).contains(&line.start) {
            extent.outside += 1;
            return;
        }
        let key = self.names.id(key);
        let (model, name) = of_line_item(&line.model, prices);
        let side = Side {
            all: Sums { records: 1, cost: line.nano_usd, ..Sums::default() },
            refunds: line.nano_usd.min(0),
            ..Side::default()
        };
        let width_s = u32::try_from((line.end.0 - line.start.0) / crate::time::SECOND).unwrap_or(u32::MAX);
        self.extend(Role::Invoice, line.start, line.end, width_s);
        self.show(key, hint, model, name);
        self.put(Cell { key, day: day_of(line.start), model }, Role::Invoice, &side, &Sums::default());
    }

    /// A line of a bill for something else.
    pub fn skip_line(&mut self) {
        self.extents[Role::Invoice as usize].foreign += 1;
    }

    /// Money of a currency that no rate is given for.
    pub fn foreign(&mut self, currency: &str, nano: i128) {
        let is_full =
            self.foreign_money.len() >= CURRENCIES_MAX && !self.foreign_money.contains_key(currency);
        let name = if is_full { "others" } else { currency };
        let (amount, lines) = self.foreign_money.entry(name.to_owned()).or_default();
        *amount = amount.saturating_add(nano);
        *lines += 1;
    }

    /// What of a record counts, and what was counted of it before and does not count any more.
    fn count(&mut self, role: Role, record: &UsageRecord, sums: Sums) -> (Side, Sums) {
        let at = record.time.at;
        let mut side = Side::default();
        let mut before = Sums::default();
        if record.kind != Kind::Request {
            match self.buckets.bucket(identity(role, record, false), at, sums) {
                Seen::New => side.all = sums,
                Seen::Again | Seen::Less => {}
                Seen::Instead(known) => (side.all, before) = (sums, known),
            }
        } else if record.request_hash == 0 {
            side.all = sums;
            if self.alike.again(identity(role, record, true), at) {
                side.alike = sums;
            }
        } else if self.requests.again(identity(role, record, true), at) {
            side.repeated = sums;
        } else {
            side.all = sums;
        }
        side.refunds = if role == Role::Invoice { side.all.cost.min(0) } else { 0 };
        (side, before)
    }

    fn extend(&mut self, role: Role, start: Timestamp, end: Timestamp, width_s: u32) {
        let extent = &mut self.extents[role as usize];
        extent.records += 1;
        let (first, last) = extent.span.unwrap_or((start, end));
        extent.span = Some((first.min(start), last.max(end)));
        extent.is_wide |= i64::from(width_s) * crate::time::SECOND > DAY;
    }

    /// Keeps what may be shown of a key and of a model: of several spellings the least.
    fn show(&mut self, key: KeyId, hint: &str, model: u64, name: &str) {
        let hint = self.names.name(key).unwrap_or(hint);
        keep(&mut self.keys, key, hint, self.limits.cells);
        if model != 0 {
            keep(&mut self.models, model, name, self.limits.cells);
        }
    }

    /// Notes when on the last day of the usage there were logs.
    fn note_tail(&mut self, cell: Cell, at: Timestamp, cost: i128) {
        let Some((_, end)) = self.extents[Role::Usage as usize].span else { return };
        if cell.day != day_of(end.minus(1))
            || (self.tails.len() >= self.limits.cells && !self.tails.contains_key(&(cell.key, cell.model)))
        {
            return;
        }
        let hour = usize::try_from(at.0.rem_euclid(DAY) / (DAY / 24)).unwrap_or(0);
        self.tails.entry((cell.key, cell.model)).or_default().cost[hour.min(HOURS - 1)] += cost;
    }

    /// Adds to a cell. Of too many the greatest goes to the others: those that stay are the same in whatever order they
    /// came, and what was added to them is whole.
    fn put(&mut self, cell: Cell, role: Role, side: &Side, before: &Sums) {
        let add = |sides: &mut Sides| {
            sides[role as usize] += *side;
            sides[role as usize].all.take_back(*before);
            if role == Role::Invoice {
                sides[role as usize].refunds -= before.cost.min(0);
            }
        };
        let is_beyond = self.has_others && self.cells.last_key_value().is_some_and(|(last, _)| cell > *last);
        if is_beyond {
            return add(&mut self.others);
        }
        add(self.cells.entry(cell).or_default());
        if self.cells.len() > self.limits.cells
            && let Some((_, sides)) = self.cells.pop_last()
        {
            self.has_others = true;
            for (others, side) in self.others.iter_mut().zip(sides) {
                *others += side;
            }
        }
    }
}

fn keep<K: Ord>(names: &mut BTreeMap<K, String>, id: K, name: &str, max: usize) {
    match names.get_mut(&id) {
        Some(known) if (name.len(), name) < (known.len(), known.as_str()) => name.clone_into(known),
        Some(_) => {}
        None => {
            names.insert(id, name.to_owned());
            if names.len() > max {
                names.pop_last();
            }
        }
    }
}

pub(super) fn day_of(at: Timestamp) -> Day {
    Day(i32::try_from(at.0.div_euclid(DAY)).unwrap_or(i32::MAX))
}

/// The model that a line of a bill names, such as `gpt-4o-mini-2024-07-18, input`; nought where it names none we know.
fn of_line_item<'a>(line: &'a str, prices: &Prices) -> (u64, &'a str) {
    let name = line.split(',').next().unwrap_or_default().trim();
    match prices.resolve(name) {
        Ok(model) => (leading_u64(blake3::hash(prices.name(model).as_bytes()).as_bytes()), name),
        Err(_) => (0, ""),
    }
}

/// What makes a record the same as another one: of a bucket what it is about, of a request all of it.
fn identity(role: Role, record: &UsageRecord, with_content: bool) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write_u8(role as u8);
    hasher.write_u64(record.request_hash);
    hasher.write(&record.key.0);
    if with_content {
        let tokens = &record.tokens;
        hasher.write_i64(record.time.at.0);
        hasher.write_u64(record.model.id);
        for count in [tokens.input(), tokens.output.or_zero(), tokens.cache_read.or_zero()] {
            hasher.write_u64(count);
        }
        hasher.write_i64(record.cost.0);
        hasher.write_u32(record.requests);
        hasher.write_u16(record.status);
        hasher.write_u8(record.part as u8);
        if let Some(address) = record.address {
            hasher.write(address.to_string().as_bytes());
        }
    }
    hasher.finish128().as_u128()
}
