//! Two roles side by side: what each tells of the same key, model and day, and the difference.

use super::Role;
use super::book::{Book, Cell, Sides, Tail, day_of};
use super::cause::{Cause, Judge};
use super::day_shift::day_shifts;
use super::sums::{Side, Sums};
use super::text::{count, money};
use crate::key::KeyId;
use crate::normalise::Prices;
use crate::time::{Day, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What is told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a dimension")]
pub struct By {
    /// Keys.
    pub key: bool,
    /// Models.
    pub model: bool,
    /// Days, in UTC.
    pub day: bool,
    /// Teams or workflows, by the file of names.
    pub team: bool,
}

impl By {
    /// `key, model and day`, or `nothing`.
    pub fn words(self) -> String {
        let all = [(self.team, "team"), (self.key, "key"), (self.model, "model"), (self.day, "day")];
        let names: Vec<&str> = all.into_iter().filter(|(is_on, _)| *is_on).map(|(_, name)| name).collect();
        match names.split_last() {
            None => "the whole".to_owned(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        }
    }
}

/// Up to what difference two sums agree: the larger of both counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tolerance {
    /// Nano-dollars.
    pub nano: i128,
    /// Millionths of the larger side.
    pub per_million: i128,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { nano: 10_000_000, per_million: 5_000 }
    }
}

impl Tolerance {
    /// Whether two amounts of money agree.
    pub fn agrees(self, left: i128, right: i128) -> bool {
        (right - left).abs() <= self.nano.max(self.share(left, right))
    }

    /// Whether two counts agree.
    pub fn counts_agree(self, left: u64, right: u64) -> bool {
        i128::from(left.abs_diff(right)) <= self.share(left.into(), right.into())
    }

    fn share(self, left: i128, right: i128) -> i128 {
        left.abs().max(right.abs()).saturating_mul(self.per_million) / 1_000_000
    }
}

/// How to compare.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What to tell apart.
    pub by: By,
    /// Up to where sums agree.
    pub tolerance: Tolerance,
    /// How many hours a provider's report may be behind.
    pub lag_hours: u32,
}

/// One cell of a comparison.
#[derive(Clone, Debug)]
pub struct Row {
    /// Whose it is.
    pub team: Option<String>,
    /// The key.
    pub key: Option<KeyId>,
    /// What may be shown of it.
    pub key_name: String,
    /// The model.
    pub model: Option<String>,
    /// The day.
    pub day: Option<Day>,
    /// What found no room, all in one.
    pub is_others: bool,
    /// What comes first.
    pub left: Side,
    /// What comes after it.
    pub right: Side,
    /// Why they differ.
    pub cause: Cause,
    /// The arithmetic, in words.
    pub why: String,
}

impl Row {
    /// By how many nano-dollars the right side is more.
    pub fn residual(&self) -> i128 {
        self.right.all.cost - self.left.all.cost
    }

    /// By how many tokens it is.
    pub fn residual_tokens(&self) -> i128 {
        i128::from(self.right.all.tokens()) - i128::from(self.left.all.tokens())
    }
}

/// Two roles side by side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What comes first.
    pub left: Role,
    /// What comes after it.
    pub right: Role,
    /// What was told apart.
    pub by: By,
    /// All rows: use outside the gateway first, then the largest residual first.
    pub rows: Vec<Row>,
    /// The sum of each side.
    pub totals: (Side, Side),
    /// What has to be known to read it.
    pub notes: Vec<String>,
}

impl Comparison {
    /// The difference of the totals, to which all residuals add up.
    pub fn residual(&self) -> i128 {
        self.totals.1.all.cost - self.totals.0.all.cost
    }

    /// The rows that do not agree.
    pub fn findings(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.cause != Cause::Agrees)
    }
}

/// What a group is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct About {
    pub team: Option<String>,
    pub key: Option<KeyId>,
    pub model: Option<u64>,
    pub day: Option<Day>,
}

/// Cells that are about the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub left: Side,
    pub right: Side,
    /// Dollars of the left side by hour, where this is the last day of the right side.
    pub tail: Tail,
    /// The one model of it, whatever is told apart.
    pub model: Option<u64>,
}

/// By what two sides are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Measure {
    /// Requests: the left side knows neither tokens nor money.
    Requests,
    /// Money: bills know no tokens.
    Money,
    /// Both.
    MoneyAndTokens,
}

fn measure(book: &Book, (left, right): (Role, Role), notes: &mut Vec<String>) -> Measure {
    if right == Role::Invoice {
        return Measure::Money;
    }
    let tells = book
        .cells
        .values()
        .any(|sides| sides[left as usize].all.tokens() > 0 || sides[left as usize].all.cost != 0);
    let counts = book.cells.values().any(|sides| sides[right as usize].all.counted > 0);
    if tells || !counts {
        return Measure::MoneyAndTokens;
    }
    notes.push(format!("The {} tell neither tokens nor money: requests are compared.", left.name()));
    Measure::Requests
}

/// Compares two roles.
pub fn compare(book: &Book, (left, right): (Role, Role), settings: &Settings, prices: &Prices) -> Comparison {
    let mut notes = Vec::new();
    let by = told_apart(book, (left, right), settings.by, &mut notes);
    let groups = groups(book, (left, right), by, period(book, (left, right), &mut notes));
    let measure = measure(book, (left, right), &mut notes);
    let judge = Judge::new(book, (left, right), measure, settings, prices, &groups);
    let shifted = day_shifts(&groups, settings.tolerance, measure);
    let shown = shown_keys(book, &groups);
    let mut totals = (Side::default(), Side::default());
    let mut rows = Vec::with_capacity(groups.len());
    for (about, group) in &groups {
        let (cause, why) = shifted
            .get(about)
            .cloned()
            .map_or_else(|| judge.judge(about, group), |why| (Cause::DayShift, why));
        totals.0 += group.left;
        totals.1 += group.right;
        rows.push(Row {
            team: about.team.clone(),
            key: about.key,
            key_name: about.key.and_then(|key| shown.get(&key).cloned()).unwrap_or_default(),
            model: about.model.map(|model| book.models.get(&model).cloned().unwrap_or_default()),
            day: about.day,
            is_others: false,
            left: group.left,
            right: group.right,
            cause,
            why,
        });
    }
    if book.has_others {
        let row = others(book, (left, right), settings.tolerance);
        totals.0 += row.left;
        totals.1 += row.right;
        rows.push(row);
    }
    // The cells of a book are in order, and so are rows of the same size.
    rows.sort_by_key(|row| {
        (
            row.cause.rank(),
            std::cmp::Reverse(row.residual().abs()),
            std::cmp::Reverse(row.residual_tokens().abs()),
        )
    });
    remark(book, (left, right), &totals, &mut notes);
    Comparison { left, right, by, rows, totals, notes }
}

fn others(book: &Book, (left, right): (Role, Role), tolerance: Tolerance) -> Row {
    let (left, right) = (book.others[left as usize], book.others[right as usize]);
    let agrees = tolerance.agrees(left.all.cost, right.all.cost);
    let why = "cells beyond --cells-max, all in one; a larger one tells them apart".to_owned();
    Row {
        team: None,
        key: None,
        key_name: "(others)".to_owned(),
        model: None,
        day: None,
        is_others: true,
        left,
        right,
        cause: if agrees { Cause::Agrees } else { Cause::Unexplained },
        why,
    }
}

/// The days of what tells of more than a day at once: what the other side has of other days is not compared with it.
fn period(book: &Book, (left, right): (Role, Role), notes: &mut Vec<String>) -> (Day, Day) {
    let wide = [left, right].into_iter().filter(|role| book.extent(*role).is_wide);
    let mut days = (Day(i32::MIN), Day(i32::MAX));
    for (role, (first, last)) in wide.filter_map(|role| Some((role, book.extent(role).span?))) {
        let (first, last) = (day_of(first), day_of(last.minus(1)));
        days = (days.0.max(first), days.1.min(last));
        notes.push(format!("The {} is of {first} to {last}: only these days are compared.", role.name()));
    }
    days
}

fn groups(book: &Book, (left, right): (Role, Role), by: By, days: (Day, Day)) -> BTreeMap<About, Group> {
    let mut groups: BTreeMap<About, Group> = BTreeMap::new();
    for (cell, sides) in book.cells.iter().filter(|(cell, _)| (days.0..=days.1).contains(&cell.day)) {
        let (left, right) = (sides[left as usize], sides[right as usize]);
        if left == Side::default() && right == Side::default() {
            continue;
        }
        let group = groups
            .entry(about(book, cell, by))
            .or_insert_with(|| Group { model: Some(cell.model), ..Group::default() });
        group.left += left;
        group.right += right;
        if group.model != Some(cell.model) {
            group.model = None;
        }
        let is_last_day =
            book.extents[Role::Usage as usize].span.is_some_and(|(_, end)| day_of(end.minus(1)) == cell.day);
        if let (true, Some(tail)) = (is_last_day, book.tails.get(&(cell.key, cell.model))) {
            group.tail.cost.iter_mut().zip(tail.cost).for_each(|(sum, more)| *sum += more);
        }
    }
    groups
}

fn about(book: &Book, cell: &Cell, by: By) -> About {
    About {
        team: by.team.then(|| book.names.team(cell.key).to_owned()),
        key: by.key.then_some(cell.key),
        model: by.model.then_some(cell.model),
        day: by.day.then_some(cell.day),
    }
}

/// What both sides can tell apart, of what is wanted.
fn told_apart(book: &Book, pair: (Role, Role), wanted: By, notes: &mut Vec<String>) -> By {
    let (left, right) = (pair.0.name(), pair.1.name());
    let mut by = wanted;
    let both = |of: &dyn Fn(&Cell) -> String| shared(book, pair, of);
    if by.key && !both(&|cell| cell.key.to_string()) {
        by.key = false;
        notes.push(format!("No key of the {left} stands in the {right} under the same name: all keys are compared together. `--keys FILE` says which names mean one key."));
    }
    if by.team && !(book.names.has_teams() && both(&|cell| book.names.team(cell.key).to_owned())) {
        by.team = false;
        notes
            .push(format!("No team has keys in both {left} and {right}: `--keys FILE` says whose they are."));
    }
    for role in [pair.0, pair.1] {
        if by.model && !tells_models(book, role) {
            by.model = false;
            notes.push(format!("The {} does not tell models: they are compared together.", role.name()));
        }
        if by.day && book.extent(role).is_wide {
            by.day = false;
            notes.push(format!(
                "The {} tells of more than a day at once: days are compared together.",
                role.name()
            ));
        }
    }
    by
}

/// Whether both sides have something in common.
fn shared(book: &Book, (left, right): (Role, Role), of: &dyn Fn(&Cell) -> String) -> bool {
    let seen = |role: Role| -> BTreeSet<String> {
        let cells = book.cells.iter().filter(|(_, sides)| has(sides, role));
        cells.map(|(cell, _)| of(cell)).filter(|text| !text.is_empty()).collect()
    };
    let (left, right) = (seen(left), seen(right));
    left.is_empty() || right.is_empty() || !left.is_disjoint(&right)
}

fn has(sides: &Sides, role: Role) -> bool {
    sides[role as usize] != Side::default()
}

/// Whether half of a role's money, or of its records where there is none, is of models that it names.
fn tells_models(book: &Book, role: Role) -> bool {
    let (mut named, mut all) = ((0_i128, 0_u64), (0_i128, 0_u64));
    for (cell, sides) in &book.cells {
        let sums = &sides[role as usize].all;
        let (cost, records) = (sums.cost.abs(), sums.records);
        all = (all.0 + cost, all.1 + records);
        if cell.model != 0 {
            named = (named.0 + cost, named.1 + records);
        }
    }
    if all.0 > 0 { named.0 * 2 >= all.0 } else { named.1 * 2 >= all.1 }
}

/// What each key is called; of several that would be called the same, with the beginning of its fingerprint.
fn shown_keys(book: &Book, groups: &BTreeMap<About, Group>) -> BTreeMap<KeyId, String> {
    let keys: BTreeSet<KeyId> = groups.keys().filter_map(|about| about.key).collect();
    let name = |key: &KeyId| book.keys.get(key).cloned().unwrap_or_default();
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for key in &keys {
        *times.entry(name(key)).or_default() += 1;
    }
    let told = |key: &KeyId| match (name(key), times.get(&name(key))) {
        (name, Some(1)) if !name.is_empty() => name,
        (name, _) => format!("{name}#{}", &key.to_string()[..6]).trim().to_owned(),
    };
    keys.iter().map(|key| (*key, told(key))).collect()
}

/// Remarks on what was read.
fn remark(book: &Book, (left, right): (Role, Role), totals: &(Side, Side), notes: &mut Vec<String>) {
    for (role, side) in [(left, &totals.0), (right, &totals.1)] {
        let name = role.name();
        let Sums { records, cost, .. } = side.repeated;
        if records > 0 {
            notes.push(format!(
                "{} of the {name} came twice under the same identifier, counted once ({}).",
                count(records, "record"),
                money(cost)
            ));
        }
        if side.all.uncertain > 0 {
            let what = "without a price, or not for everything: what that cost is at least what is told";
            notes.push(format!("{} of the {name} {what}.", count(side.all.uncertain, "record")));
        }
        let extent = book.extent(role);
        if extent.other_kind > 0 {
            let kind = if role == Role::Invoice { "of use and of no bill" } else { "of a bill" };
            notes
                .push(format!("{} {kind} given as {name}: not counted.", count(extent.other_kind, "record")));
        }
        if extent.foreign > 0 {
            notes.push(format!(
                "{} of the {name} for other services: not counted.",
                count(extent.foreign, "line")
            ));
        }
    }
    if book.forgotten() > 0 {
        notes.push(format!(
            "{} identifiers were forgotten for want of room: what came again of them counts again.",
            book.forgotten()
        ));
    }
}

/// The first and the last instant that a role tells of.
pub(super) fn span(book: &Book, role: Role) -> (Timestamp, Timestamp) {
    book.extent(role).span.unwrap_or((Timestamp::MAX, Timestamp::MIN))
}
