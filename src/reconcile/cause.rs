//! Why two sums differ: by arithmetic that is named, or not at all.

use super::Role;
use super::book::Book;
use super::compare::{About, Group, Measure, Settings, Tolerance, span};
use super::day_shift::agree;
use super::sums::Sums;
use super::text::{count, money, second, signed, thousands};
use crate::normalise::{Bought, Context, Media, Prices, Tier};
use crate::time::{DAY, Day, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Why a row is as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// The provider counts use that the logs do not have: it did not pass your gateway. The strongest sign of theft.
    OutsideGateway,
    /// Nothing of the below.
    Unexplained,
    /// There are no logs of that time at all.
    LogsMissing,
    /// The provider's report is not so far yet.
    Late,
    /// The logs have it twice.
    Duplicates,
    /// Cached tokens at the full price on one side.
    Cache,
    /// Half the price: batch or flex.
    Tier,
    /// The same use at another price.
    Price,
    /// Money was taken back.
    Refund,
    /// Days begin at another hour.
    DayShift,
    /// The difference is within the tolerance.
    Agrees,
}

impl Cause {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::OutsideGateway,
        Self::Unexplained,
        Self::LogsMissing,
        Self::Late,
        Self::Duplicates,
        Self::Cache,
        Self::Tier,
        Self::Price,
        Self::Refund,
        Self::DayShift,
        Self::Agrees,
    ];

    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::OutsideGateway => "outside",
            Self::Unexplained => "unexplained",
            Self::LogsMissing => "logs_missing",
            Self::Late => "late",
            Self::Duplicates => "duplicates",
            Self::Cache => "cache",
            Self::Tier => "tier",
            Self::Price => "price",
            Self::Refund => "refund",
            Self::DayShift => "day_shift",
            Self::Agrees => "agrees",
        }
    }

    /// What it means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::OutsideGateway => "use that no log of yours has",
            Self::Unexplained => "no cause that is known fits",
            Self::LogsMissing => "nothing of that time to compare with",
            Self::Late => "the provider's report is not so far yet",
            Self::Duplicates => "your logs have it twice",
            Self::Cache => "cached tokens at full price on one side",
            Self::Tier => "half the price: batch or flex",
            Self::Price => "same use, another price",
            Self::Refund => "money taken back",
            Self::DayShift => "days begin at another hour",
            Self::Agrees => "within the tolerance",
        }
    }

    /// Use outside the gateway stands first, what agrees last, and between them size decides.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::OutsideGateway => 0,
            Self::Agrees => 2,
            _ => 1,
        }
    }
}

const HOUR: i64 = DAY / 24;
/// A ratio in millionths.
type Ratio = i128;
const ONE: Ratio = 1_000_000;
/// How far ratios that are the same may be apart.
const SAME_RATIO: Ratio = ONE / 100;
/// So many days or keys with one ratio are a price, where tokens do not say so.
const SAME_MIN: usize = 3;

/// What is known for all groups of a comparison.
pub(super) struct Judge<'a> {
    pair: (Role, Role),
    measure: Measure,
    tolerance: Tolerance,
    lag_hours: u32,
    prices: &'a Prices,
    names: BTreeMap<u64, &'a str>,
    spans: [(Timestamp, Timestamp); 2],
    /// Whether it was said from when and until when to look.
    is_bounded: (bool, bool),
    /// Days with anything of any key on the left.
    left_days: BTreeSet<Day>,
    /// The ratio that groups of one model have in common, and how many do.
    ratios: BTreeMap<Option<u64>, (Ratio, usize)>,
}

impl<'a> Judge<'a> {
    pub fn new(
        book: &'a Book,
        (left, right): (Role, Role),
        measure: Measure,
        settings: &Settings,
        prices: &'a Prices,
        groups: &BTreeMap<About, Group>,
    ) -> Self {
        let cells = book.cells.iter().filter(|(_, sides)| !sides[left as usize].all.is_nothing());
        let mut judge = Self {
            pair: (left, right),
            measure,
            tolerance: settings.tolerance,
            lag_hours: settings.lag_hours,
            prices,
            names: book.models.iter().map(|(id, name)| (*id, name.as_str())).collect(),
            spans: [span(book, left), span(book, right)],
            is_bounded: (book.within.0 != Timestamp::MIN, book.within.1 != Timestamp::MAX),
            left_days: cells.map(|(cell, _)| cell.day).collect(),
            ratios: BTreeMap::new(),
        };
        judge.ratios = judge.common_ratios(groups);
        judge
    }

    /// Why a group is as it is.
    pub fn judge(&self, about: &About, group: &Group) -> (Cause, String) {
        let (left, right) = (&group.left.all, &group.right.all);
        if agree(&group.left, &group.right, self.tolerance, self.measure) {
            return (Cause::Agrees, String::new());
        }
        if left.is_nothing() {
            return self.only_right(about, right);
        }
        if right.is_nothing() {
            return self.only_left(about, left);
        }
        let known = [Self::duplicates, Self::cache, Self::price, Self::refund, Self::late];
        if let Some(found) = known.iter().find_map(|cause| cause(self, about, group)) {
            return found;
        }
        self.more_or_less(about, left, right)
    }

    /// Of logs there are many, of the others one.
    fn does(&self, verb: &str) -> String {
        if self.pair.0 == Role::Logs { verb.to_owned() } else { format!("{verb}s") }
    }

    fn only_right(&self, about: &About, right: &Sums) -> (Cause, String) {
        let (left_name, right_name) = (self.pair.0.name(), self.pair.1.name());
        if let Some(why) = self.uncovered(about) {
            return (Cause::LogsMissing, format!("{why}: nothing can be said of {}", amounts(right)));
        }
        match self.pair.0 {
            Role::Logs => {
                let days = if about.day.is_some() { ", and they have others of that day" } else { "" };
                (
                    Cause::OutsideGateway,
                    format!("the {left_name} have none of it{days}: {} in the {right_name}", amounts(right)),
                )
            }
            _ => (
                Cause::Unexplained,
                format!("the {left_name} has none of it: {} in the {right_name}", amounts(right)),
            ),
        }
    }

    /// Why the left side cannot have anything of a day: nobody was writing.
    fn uncovered(&self, about: &About) -> Option<String> {
        let day = about.day?;
        let ((first, last), name) = (self.spans[0], self.pair.0.name());
        if day_start(Day(day.0 + 1)) <= first {
            return Some(format!("the {name} {} at {}", self.does("begin"), second(first)));
        }
        if day_start(day) >= last && !self.left_days.contains(&day) {
            return Some(format!("the {name} {} at {}", self.does("end"), second(last)));
        }
        let has = if self.pair.0 == Role::Logs { "have" } else { "has" };
        (!self.left_days.contains(&day)).then(|| format!("the {name} {has} nothing of any key on that day"))
    }

    fn only_left(&self, about: &About, left: &Sums) -> (Cause, String) {
        let (left_name, right_name) = (self.pair.0.name(), self.pair.1.name());
        let (_, last) = self.spans[1];
        if about.day.is_some_and(|day| day_start(day) >= last) {
            return (
                Cause::Late,
                format!(
                    "the {right_name} ends at {}: {} in the {left_name} after it",
                    second(last),
                    amounts(left)
                ),
            );
        }
        (Cause::Unexplained, format!("the {right_name} has none of it: {} in the {left_name}", amounts(left)))
    }

    /// The left side tells a second time what makes up the difference.
    fn duplicates(&self, _: &About, group: &Group) -> Option<(Cause, String)> {
        let (left, right, alike) = (&group.left.all, &group.right.all, &group.left.alike);
        let less = left.cost - right.cost;
        let has_tokens = right.tokens() > 0;
        let fits = alike.records > 0
            && self.tolerance.agrees(alike.cost, less)
            && (!has_tokens
                || self.tolerance.counts_agree(alike.tokens(), left.tokens().saturating_sub(right.tokens())));
        if fits {
            let why = format!(
                "{} records without an identifier are the same as others: {} of {}",
                thousands(alike.records.into()),
                money(alike.cost),
                money(left.cost)
            );
            return Some((Cause::Duplicates, why));
        }
        let is_double = has_tokens
            && left.requests == 2 * right.requests
            && right.requests > 0
            && self.tolerance.counts_agree(left.tokens(), 2 * right.tokens())
            && self.tolerance.agrees(left.cost, 2 * right.cost);
        is_double.then(|| {
            (
                Cause::Duplicates,
                format!(
                    "2 x {} requests, 2 x {} tokens: each is logged twice",
                    thousands(right.requests.into()),
                    thousands(right.tokens().into())
                ),
            )
        })
    }

    /// One side pays the full price for cached tokens, or does not tell that they were.
    fn cache(&self, about: &About, group: &Group) -> Option<(Cause, String)> {
        let (left, right) = (&group.left.all, &group.right.all);
        let residual = right.cost - left.cost;
        let told = if left.cached >= right.cached { left } else { right };
        if told.cached == 0 || (right.tokens() > 0 && !self.is_same_use(left, right)) {
            return None;
        }
        let full = Sums { uncached: told.uncached + told.cached, cached: 0, ..*told };
        let extra = self.price_of(about, group, &full)? - self.price_of(about, group, told)?;
        let fits = extra > 0 && self.tolerance.agrees(extra, residual.abs());
        fits.then(|| {
            let side = if residual > 0 { self.pair.1 } else { self.pair.0 };
            let why = format!(
                "{} cached tokens at the full price are {} more, counted in the {}",
                thousands(told.cached.into()),
                money(extra),
                side.name()
            );
            (Cause::Cache, why)
        })
    }

    /// What so many tokens cost by the price table.
    fn price_of(&self, about: &About, group: &Group, sums: &Sums) -> Option<i128> {
        let name = self.names.get(&group.model?)?;
        let model = self.prices.resolve(name).ok()?;
        let at = about.day.map_or(self.spans[0].0, day_start);
        let bought =
            Bought { tier: Tier::Standard, context: Context::Short, spread: true, media: Media::default() };
        Some(i128::from(self.prices.cost(model, at, bought, &sums.classes()).0.0))
    }

    /// The same use at another price.
    fn price(&self, about: &About, group: &Group) -> Option<(Cause, String)> {
        let (left, right) = (&group.left.all, &group.right.all);
        let ratio = ratio(left, right)?;
        let same = self.ratios.get(&about.model).filter(|(common, _)| (common - ratio).abs() <= SAME_RATIO);
        let by_tokens = right.tokens() > 0 && self.is_same_use(left, right);
        let times = same.map_or(1, |(_, times)| *times);
        if !by_tokens && (right.tokens() > 0 || times < SAME_MIN) {
            return None;
        }
        let sums = format!("{} / {} = {}", money(right.cost), money(left.cost), decimal(ratio));
        let where_ = if times > 1 { format!(", in {times} rows of this model") } else { String::new() };
        let tokens = if by_tokens {
            format!(" at the same {} tokens", thousands(left.tokens().into()))
        } else {
            String::new()
        };
        let is_half = (ratio - ONE / 2).abs() <= SAME_RATIO || (ratio - 2 * ONE).abs() <= 4 * SAME_RATIO;
        let cause = if is_half { Cause::Tier } else { Cause::Price };
        Some((cause, format!("{sums}{tokens}{where_}")))
    }

    fn is_same_use(&self, left: &Sums, right: &Sums) -> bool {
        let counted = left.counted == 0
            || right.counted == 0
            || self.tolerance.counts_agree(left.requests, right.requests);
        counted
            && self.tolerance.counts_agree(left.input(), right.input())
            && self.tolerance.counts_agree(left.output, right.output)
    }

    fn refund(&self, _: &About, group: &Group) -> Option<(Cause, String)> {
        let residual = group.right.all.cost - group.left.all.cost;
        let refunds = group.right.refunds;
        let fits = refunds < 0 && self.tolerance.agrees(residual, refunds);
        fits.then(|| (Cause::Refund, format!("lines below nought add up to {}", signed(refunds))))
    }

    /// The provider's report lacks the last hours.
    fn late(&self, about: &About, group: &Group) -> Option<(Cause, String)> {
        let missing = group.left.all.cost - group.right.all.cost;
        let hours = &group.tail.cost;
        let last = hours.iter().rposition(|cost| *cost > 0)?;
        if missing <= 0 || about.day.is_none() || self.pair.1 != Role::Usage {
            return None;
        }
        let mut sum = 0;
        for (back, hour) in (1..=self.lag_hours).zip((0..=last).rev()) {
            sum += hours[hour];
            if sum >= missing - self.tolerance.nano {
                let hours = if back == 1 { "hour".to_owned() } else { format!("{back} hours") };
                return Some((
                    Cause::Late,
                    format!(
                        "the last {hours} of the logs, up to {:02}:59, are {}: {} of it is not reported yet",
                        last,
                        money(sum),
                        money(missing)
                    ),
                ));
            }
        }
        None
    }

    fn more_or_less(&self, about: &About, left: &Sums, right: &Sums) -> (Cause, String) {
        let (left_name, right_name) = (self.pair.0.name(), self.pair.1.name());
        let has_tokens = left.tokens() > 0 && right.tokens() > 0;
        let is_more = match self.measure {
            Measure::Requests => right.requests > left.requests,
            _ if has_tokens => right.tokens() > left.tokens(),
            _ => right.cost > left.cost,
        };
        let sums = difference(left, right, has_tokens);
        if !is_more || self.pair.0 != Role::Logs {
            let which = if is_more {
                format!("the {right_name} has more")
            } else {
                format!("the {left_name} {} more", self.does("tell"))
            };
            return (Cause::Unexplained, format!("{which}: {sums}"));
        }
        match self.edge(about, left, right) {
            Some(edge) => (Cause::LogsMissing, format!("{edge}: {sums}")),
            None => {
                (Cause::OutsideGateway, format!("the {right_name} has more than the {left_name}: {sums}"))
            }
        }
    }

    /// Where the logs begin or end in the middle of the day, and at their pace the rest of it would be as much as is
    /// missing.
    fn edge(&self, about: &About, left: &Sums, right: &Sums) -> Option<String> {
        let day = about.day?;
        let (first, last) = self.spans[0];
        let (start, end) = (day_start(day), day_start(Day(day.0 + 1)));
        // Who says from when to when to look says that there are logs of it.
        let begins = first > start && !self.is_bounded.0;
        let ends = last < end && !self.is_bounded.1;
        let from = if begins { first } else { start };
        let until = if ends { last } else { end };
        let covered = (until.0 - from.0).clamp(HOUR, DAY);
        let missing = DAY - covered;
        let at_pace = |amount: i128| amount.saturating_mul(missing.into()) / i128::from(covered);
        let (tokens, cost) = (at_pace(left.tokens().into()), at_pace(left.cost));
        let fits = match self.measure {
            Measure::Requests => {
                i128::from(right.requests) - i128::from(left.requests) <= at_pace(left.requests.into())
            }
            _ if right.tokens() > 0 => i128::from(right.tokens()) - i128::from(left.tokens()) <= tokens,
            _ => right.cost - left.cost <= cost,
        };
        if missing < HOUR || !fits {
            return None;
        }
        let edges = [(begins, "begin", first), (ends, "end", last)];
        let edges: Vec<String> = edges
            .iter()
            .filter(|(is, ..)| *is)
            .map(|(_, what, at)| format!("{what} at {}", second(*at)))
            .collect();
        let hours = missing * 10 / HOUR;
        Some(format!(
            "the {} {}; at their pace the {}.{} h without are {}",
            self.pair.0.name(),
            edges.join(" and "),
            hours / 10,
            hours % 10,
            money(cost)
        ))
    }

    /// Of each model the ratio that most of its rows that differ have.
    fn common_ratios(&self, groups: &BTreeMap<About, Group>) -> BTreeMap<Option<u64>, (Ratio, usize)> {
        let mut all: BTreeMap<Option<u64>, Vec<Ratio>> = BTreeMap::new();
        for (about, group) in groups {
            let (left, right) = (&group.left.all, &group.right.all);
            let is_comparable = right.tokens() == 0 || self.is_same_use(left, right);
            if let (true, false, Some(ratio)) = (
                is_comparable,
                agree(&group.left, &group.right, self.tolerance, self.measure),
                ratio(left, right),
            ) {
                all.entry(about.model).or_default().push(ratio);
            }
        }
        let common = |mut ratios: Vec<Ratio>| {
            ratios.sort_unstable();
            let median = *ratios.get(ratios.len() / 2)?;
            let times = ratios.iter().filter(|ratio| (**ratio - median).abs() <= SAME_RATIO).count();
            // One ratio of a few is none of all.
            (times * 2 > ratios.len()).then_some((median, times))
        };
        all.into_iter().filter_map(|(model, ratios)| Some((model, common(ratios)?))).collect()
    }
}

fn day_start(day: Day) -> Timestamp {
    Timestamp(i64::from(day.0) * DAY)
}

/// What one side is of the other.
fn ratio(left: &Sums, right: &Sums) -> Option<Ratio> {
    (left.cost > 0 && right.cost > 0).then(|| right.cost.saturating_mul(ONE) / left.cost)
}

fn decimal(ratio: Ratio) -> String {
    format!("{}.{:03}", ratio / ONE, ratio % ONE / 1000)
}

/// `12 requests, 3,400 tokens, $1.20`
fn amounts(sums: &Sums) -> String {
    let mut parts = Vec::new();
    if sums.requests > 0 {
        parts.push(count(sums.requests, "request"));
    }
    if sums.tokens() > 0 {
        parts.push(format!("{} tokens", thousands(sums.tokens().into())));
    }
    parts.push(money(sums.cost));
    parts.join(", ")
}

/// `+12 requests, +3,400 tokens, +$1.20`
fn difference(left: &Sums, right: &Sums, has_tokens: bool) -> String {
    let more = |left: u64, right: u64| i128::from(right) - i128::from(left);
    let shown = |more: i128, what: &str| {
        let most = u64::try_from(more.unsigned_abs()).unwrap_or(u64::MAX);
        format!("{}{}", if more < 0 { "-" } else { "+" }, count(most, what))
    };
    let mut parts = Vec::new();
    if left.counted > 0 && right.counted > 0 {
        parts.push(shown(more(left.requests, right.requests), "request"));
    }
    if has_tokens {
        parts.push(shown(more(left.tokens(), right.tokens()), "token"));
    }
    parts.push(signed(right.cost - left.cost));
    parts.join(", ")
}
