//! A budget of false incidents: how many a week all keys together may raise, and thresholds that follow.
//!
//! What newcomers, and days, that were no theft come to at most is counted in the fleet at hand: how often by more than a
//! level that is reached every few weeks of a key ([`Prior::from`]), and by how much more. The tail above a high level is
//! about exponential (Balkema and de Haan, 1974; Pickands, 1975), so two numbers tell how often any higher score comes to
//! pass. Both are believed to be what they were on a benchmark until there is more to go by: the rate is a gamma mixture of
//! Poisson counts, the mean excess that of an inverse gamma. What is told is cut off at
//! its threshold. Unless an operator says what it was, as much of it counts as was promised to be false, and the rest is
//! taken for thefts: so no thief raises thresholds by showing himself often, and without a word from anybody the promise is
//! what is believed.
//!
//! The budget is spent where the dollars are: a key's threshold is lower by half the logarithm of what it spends, against
//! the fleet's mean, and at most [`DEARER_MAX`] times as likely to be reached as that of a key of the mean.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How an incident is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// By consumers that are told apart.
    Consumer,
    /// By the key's habits alone.
    Habits,
}

impl Way {
    /// All ways, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Consumer, Self::Habits];

    /// Its name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Habits => "habits",
        }
    }

    const fn prior(self) -> Prior {
        match self {
            Self::Consumer => Prior { from: 7.0, rate: 0.010, excess: 0.8 },
            Self::Habits => Prior { from: 1.0, rate: 0.0066, excess: 0.90 },
        }
    }
}

/// What is believed before anything is counted: measured on the benchmark of docs/incidents.md (dev-hard, no thefts).
struct Prior {
    /// The level above which maxima are counted, in nats.
    from: f64,
    /// How often one is above it, on a day of use of a key.
    rate: f64,
    /// By how much, on average.
    excess: f64,
}

/// Days of use of keys, and maxima, that the belief is worth.
const BELIEVED_DAYS: f64 = 2_000.0;
const BELIEVED_MAXIMA: f64 = 15.0;
/// Days before the latest over which the use of keys is averaged.
const USE_DAYS: i64 = 14;
/// Days that are kept.
const KEPT_DAYS: i64 = 2 * USE_DAYS;
/// How much likelier, or less likely, a false incident of a key may be for the dollars that it spends.
const DEARER_MAX: f64 = 4.0;
/// Parts of a nat in which excesses are added up: whole numbers add up to the same in any order.
const PARTS: f64 = 1000.0;

/// What is counted of one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tail {
    /// Days of use of keys.
    days: i64,
    /// Maxima above the level that were not told; those of them that are over, and by how much these are above.
    above: i64,
    over: i64,
    excess: i64,
    /// Those that were told, without those of which it was said what they were, and by how much their thresholds are above.
    told: i64,
    cut: i64,
    /// Told, and said to be none.
    dismissed: i64,
}

impl Tail {
    const fn add_all(&mut self, other: &Self, sign: i64) {
        self.days += sign * other.days;
        self.above += sign * other.above;
        self.over += sign * other.over;
        self.excess += sign * other.excess;
        self.told += sign * other.told;
        self.cut += sign * other.cut;
        self.dismissed += sign * other.dismissed;
    }
}

/// What is counted of all keys, or added by some.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    tails: [Tail; 2],
    /// Keys that were used on a day.
    used: BTreeMap<i64, i64>,
    /// The first day.
    since: Option<i64>,
    /// Millionths of a dollar that owners have spent.
    spent: i64,
}

/// The highest score of a newcomer, or a day.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Highest(f32);

impl Default for Highest {
    fn default() -> Self {
        Self(f32::NEG_INFINITY)
    }
}

impl Highest {
    /// By how many parts it is above the level, if it is.
    #[allow(clippy::cast_possible_truncation, reason = "scores are small")]
    fn excess(self, way: Way) -> Option<i64> {
        let excess = f64::from(self.0) - way.prior().from;
        (excess >= 0.0).then_some((excess * PARTS) as i64)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
const fn real(count: i64) -> f64 {
    count as f64
}

#[allow(clippy::cast_possible_truncation, reason = "scores are small")]
impl Tally {
    /// A key is used on another day, in days since 1970.
    pub fn use_on(&mut self, way: Way, day: i64) {
        self.tails[way as usize].days += 1;
        *self.used.entry(day).or_default() += 1;
        self.since = Some(self.since.map_or(day, |since| since.min(day)));
    }

    /// An owner has spent this, in dollars.
    pub fn spend(&mut self, dollars: f64) {
        self.spent += (dollars * 1e6) as i64;
    }

    /// A score has been reached by somebody whose highest was this.
    pub fn reach(&mut self, way: Way, highest: &mut Highest, score: f64) {
        self.take_out(way, *highest);
        highest.0 = highest.0.max(score as f32);
        self.tails[way as usize].above += i64::from(highest.excess(way).is_some());
    }

    /// It is told, at this bar: how far it goes beyond that is not looked at.
    pub fn tell(&mut self, way: Way, highest: &mut Highest, bar: f64) {
        self.take_out(way, *highest);
        *highest = Highest(bar as f32);
        let tail = &mut self.tails[way as usize];
        tail.told += 1;
        tail.cut += highest.excess(way).unwrap_or_default();
    }

    /// Nothing more comes of one that was not told, or of which it was said that it was none.
    pub fn end(&mut self, way: Way, highest: Highest) {
        if let Some(excess) = highest.excess(way) {
            let tail = &mut self.tails[way as usize];
            tail.over += 1;
            tail.excess += excess;
        }
    }

    /// An operator has said that what was told was a theft, or that it was none.
    pub fn decide(&mut self, way: Way, highest: &mut Highest, is_theft: bool) {
        let tail = &mut self.tails[way as usize];
        if *highest == Highest::default() {
            // It was said to be a theft before.
            tail.dismissed += i64::from(!is_theft);
            return;
        }
        tail.told -= 1;
        tail.cut -= highest.excess(way).unwrap_or_default();
        if is_theft {
            *highest = Highest::default();
        } else {
            tail.dismissed += 1;
            tail.above += i64::from(highest.excess(way).is_some());
        }
    }

    fn take_out(&mut self, way: Way, highest: Highest) {
        self.tails[way as usize].above -= i64::from(highest.excess(way).is_some());
    }

    /// Adds what others have added.
    pub fn add_all(&mut self, news: &Self) {
        for (tail, news) in self.tails.iter_mut().zip(&news.tails) {
            tail.add_all(news, 1);
        }
        for (day, keys) in &news.used {
            *self.used.entry(*day).or_default() += keys;
        }
        self.since = self.since.into_iter().chain(news.since).min();
        self.spent += news.spent;
    }

    /// Forgets days that are long over.
    pub fn forget(&mut self) {
        if let Some(last) = self.used.last_entry().map(|last| *last.key()) {
            self.used.retain(|day, _| *day > last - KEPT_DAYS);
        }
    }

    /// Takes away what was there before.
    #[cfg(feature = "kafka")]
    pub fn subtract(&mut self, before: &Self) {
        for (tail, before) in self.tails.iter_mut().zip(&before.tails) {
            tail.add_all(before, -1);
        }
        self.used.retain(|day, keys| {
            *keys -= before.used.get(day).copied().unwrap_or_default();
            *keys > 0
        });
        self.since = self.since.filter(|_| self.since != before.since);
        self.spent -= before.spent;
    }

    /// Days of use of keys in a week, as it has been of late; all keys every day where there is no whole day yet.
    fn days_a_week(&self, keys: u32) -> f64 {
        let Some((last, _)) = self.used.last_key_value() else { return f64::from(keys).max(1.0) * 7.0 };
        let (mut days, mut used) = (0.0, 0.0);
        for (_, keys) in self.used.range(last - USE_DAYS..*last) {
            (days, used) = (days + 1.0, used + real(*keys));
        }
        if days > 0.0 { 7.0 * used / days } else { 7.0 * f64::from(keys).max(1.0) }
    }

    /// Weeks that were looked at.
    fn weeks(&self) -> f64 {
        let last = self.used.last_key_value().map(|(day, _)| *day);
        last.zip(self.since).map_or(0.0, |(last, since)| real(last - since + 1) / 7.0)
    }

    /// How often, on a day of use, a maximum is above the level, and by how much on average, where so many false incidents
    /// a week were promised.
    fn tail(&self, way: Way, promised: f64) -> (f64, f64) {
        let (prior, tail) = (way.prior(), &self.tails[way as usize]);
        let told: i64 = self.tails.iter().map(|tail| tail.told.max(0)).sum();
        let part = (promised * self.weeks().max(1.0) / real(told.max(1))).min(1.0);
        let above = part.mul_add(real(tail.told.max(0)), real(tail.above.max(0)));
        let excess = part.mul_add(real(tail.cut.max(0)), real(tail.excess.max(0))) / PARTS;
        let rate = BELIEVED_DAYS.mul_add(prior.rate, above) / (BELIEVED_DAYS + real(tail.days));
        let excess = BELIEVED_MAXIMA.mul_add(prior.excess, excess) / (BELIEVED_MAXIMA + real(tail.over));
        (rate, excess)
    }

    /// The bars that hold where all keys may raise so many false incidents a week.
    pub fn bars(&self, false_per_week: f64, keys: u32) -> [Bar; 2] {
        // The same chance for every day of use, however its key is judged.
        let allowed = false_per_week / self.days_a_week(keys);
        // Of keys that are known by their habits dollars are not counted.
        let days = real(self.tails[Way::Consumer as usize].days);
        let usual = if days > 0.0 { real(self.spent) / 1e6 / days } else { 0.0 };
        Way::ALL.map(|way| {
            let (rate, excess) = self.tail(way, false_per_week);
            let above = libm::log(rate / allowed).max(0.0);
            Bar { nats: excess.mul_add(above, way.prior().from), usual: Some(usual) }
        })
    }

    /// False incidents a week with these bars, where so many were promised.
    fn expected(&self, bars: [Bar; 2], keys: u32, promised: f64) -> f64 {
        let days: i64 = self.tails.iter().map(|tail| tail.days).sum::<i64>().max(1);
        let of = |(way, bar): (Way, Bar)| {
            let (rate, excess) = self.tail(way, promised);
            let share = real(self.tails[way as usize].days) / real(days);
            share * rate * libm::exp(-(bar.nats - way.prior().from).max(0.0) / excess)
        };
        self.days_a_week(keys) * Way::ALL.into_iter().zip(bars).map(of).sum::<f64>()
    }

    /// How many false incidents a week there are.
    pub fn outlook(&self, promised: Option<f64>, bars: [Bar; 2], keys: u32) -> Outlook {
        // Where nothing was promised it is what is to be expected by what was not told.
        let of_told = promised.unwrap_or_else(|| self.expected(bars, keys, 0.0));
        let expected = self.expected(bars, keys, of_told);
        let dismissed = real(self.tails.iter().map(|tail| tail.dismissed).sum());
        let weeks = self.weeks();
        let realised = if weeks > 0.0 { dismissed / weeks } else { 0.0 };
        Outlook { promised, expected, realised, thresholds: bars.map(|bar| bar.nats) }
    }
}

/// False incidents a week.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Outlook {
    /// As many as the operator allows; `None` where thresholds are fixed.
    pub promised: Option<f64>,
    /// To be expected with the thresholds that hold.
    pub expected: f64,
    /// Said to be none, over all the time that was looked at.
    pub realised: f64,
    /// What scores must come to, in nats, of a key that spends what keys spend on average; in the order of [`Way::ALL`].
    pub thresholds: [f64; 2],
}

/// What a score must come to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bar {
    /// In nats; of a key of the mean where bars follow dollars.
    pub nats: f64,
    /// Dollars that a key with addresses or clients spends on a day of use, where bars follow these.
    usual: Option<f64>,
}

impl Bar {
    /// Nothing is told.
    pub const SILENT: Self = Self::fixed(f64::INFINITY);

    /// The same for all keys.
    pub const fn fixed(nats: f64) -> Self {
        Self { nats, usual: None }
    }

    /// Whether anything is told.
    pub const fn is_heard(self) -> bool {
        self.nats.is_finite()
    }

    /// By how much lower it is for a key that spends so many dollars on a day of use.
    fn lower(self, dollars: f64) -> f64 {
        let most = libm::log(DEARER_MAX);
        match self.usual {
            Some(usual) if usual > 0.0 && dollars > 0.0 => {
                (0.5 * libm::log(dollars / usual)).clamp(-most, most)
            }
            Some(usual) if usual > 0.0 => -most,
            _ => 0.0,
        }
    }

    /// What a score must come to for a key that spends so many dollars on a day of use.
    pub fn of(self, dollars: f64) -> f64 {
        self.nats - self.lower(dollars)
    }

    /// A score of such a key, as that of a key of the mean.
    pub fn level(self, score: f64, dollars: f64) -> f64 {
        score + self.lower(dollars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A fleet of so many keys over so many days, of which so many maxima a key and day are above the level by an
    /// exponential excess of this mean.
    fn fleet(keys: i64, days: i64, rate: f64, excess: f64) -> Tally {
        let (mut tally, mut passed) = (Tally::default(), 0.0);
        let from = Way::Consumer.prior().from;
        let maxima = (real(keys * days) * rate).round();
        for day in 0..days {
            (0..keys).for_each(|_| tally.use_on(Way::Consumer, day));
        }
        while passed < maxima {
            // Quantiles of the distribution stand for draws.
            let score = from - excess * libm::log(1.0 - (passed + 0.5) / maxima);
            let mut highest = Highest::default();
            tally.reach(Way::Consumer, &mut highest, score);
            tally.end(Way::Consumer, highest);
            passed += 1.0;
        }
        tally
    }

    #[test]
    fn thresholds_promise_what_is_expected_and_what_comes_is_near_it() {
        for (rate, excess) in [(0.002, 0.5), (0.01, 0.8), (0.05, 1.5)] {
            let (keys, days, budget) = (1000, 60, 0.5);
            let tally = fleet(keys, days, rate, excess);
            let bars = tally.bars(budget, 1000);
            let expected = tally.outlook(Some(budget), bars, 1000).expected;
            assert!((expected - budget).abs() < 1e-9, "{expected}");
            // What such a fleet raises in truth with this threshold.
            let above = (bars[0].nats - Way::Consumer.prior().from) / excess;
            let real = 7.0 * real(keys) * rate * libm::exp(-above);
            assert!((0.5..2.0).contains(&(real / budget)), "{real} a week of {rate}, {excess}");
        }
    }

    #[test]
    fn before_anything_is_counted_the_benchmark_is_believed() {
        let bars = |budget, keys| Tally::default().bars(budget, keys).map(|bar| bar.nats);
        let [consumer, habits] = bars(1.0, 1000);
        assert!((8.5..11.0).contains(&consumer) && (4.0..8.0).contains(&habits), "{consumer} {habits}");
        assert!(
            bars(0.1, 1000)[0] > consumer
                && bars(1.0, 10_000)[0] > consumer
                && bars(10.0, 1000)[0] < consumer
        );
    }

    /// Some who are told at 8 nats.
    fn told(tally: &mut Tally, count: usize) -> Vec<Highest> {
        let one = |_| {
            let mut highest = Highest::default();
            tally.reach(Way::Consumer, &mut highest, 14.0);
            tally.tell(Way::Consumer, &mut highest, 8.0);
            highest
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn whoever_shows_himself_often_raises_no_threshold() {
        let before = fleet(500, 30, 0.01, 0.8);
        let nats = |tally: &Tally| tally.bars(1.0, 500)[0].nats;
        let (mut few, mut many, mut confirmed, mut dismissed) =
            (before.clone(), before.clone(), before.clone(), before.clone());
        told(&mut few, 10);
        told(&mut many, 10_000);
        assert!(nats(&many) < nats(&before) + 0.2, "{} {}", nats(&many), nats(&before));
        assert!((nats(&many) - nats(&few)).abs() < 0.02, "as many as promised count");
        for mut highest in told(&mut confirmed, 1000) {
            confirmed.decide(Way::Consumer, &mut highest, true);
        }
        assert_eq!(confirmed, before, "thefts do not count");
        for mut highest in told(&mut dismissed, 100) {
            dismissed.decide(Way::Consumer, &mut highest, false);
            dismissed.end(Way::Consumer, highest);
        }
        assert!(nats(&dismissed) > nats(&before) + 0.3, "what was false counts in full");
        let outlook = dismissed.outlook(Some(1.0), dismissed.bars(1.0, 500), 500);
        assert!((outlook.realised - 100.0 / (30.0 / 7.0)).abs() < 1e-9);
    }

    #[test]
    fn the_budget_is_spent_where_the_dollars_are() {
        let mut tally = fleet(100, 10, 0.01, 0.8);
        tally.spend(1000.0);
        let bar = tally.bars(1.0, 100)[0];
        assert!((bar.of(1.0) - bar.nats).abs() < 1e-9 && bar.of(4.0) < bar.nats && bar.of(0.0) > bar.nats);
        assert!((bar.of(1e9) - (bar.nats - libm::log(DEARER_MAX))).abs() < 1e-9);
        assert!((bar.level(bar.of(4.0), 4.0) - bar.nats).abs() < 1e-9);
        (0..1000).for_each(|_| tally.use_on(Way::Habits, 5));
        let mixed = tally.bars(1.0, 100)[0];
        assert!((mixed.of(1.0) - mixed.nats).abs() < 1e-9, "what others are used changes no mean");
        assert!((Bar::fixed(7.0).of(1e9) - 7.0).abs() < 1e-9 && !Bar::SILENT.is_heard());
    }

    fn tally() -> impl Strategy<Value = Tally> {
        prop::collection::vec((0..2_usize, 0..50_i64, 0.0..20.0_f64, any::<bool>()), 0..40).prop_map(|acts| {
            let mut tally = Tally::default();
            for (way, day, score, is_told) in acts {
                let (way, mut highest) = (Way::ALL[way], Highest::default());
                tally.use_on(way, day);
                tally.spend(score);
                tally.reach(way, &mut highest, score);
                if is_told {
                    tally.tell(way, &mut highest, score / 2.0);
                } else {
                    tally.end(way, highest);
                }
            }
            tally
        })
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_their_order(one in tally(), other in tally()) {
            let (mut both, mut all) = (Tally::default(), Tally::default());
            both.add_all(&one);
            both.add_all(&other);
            all.add_all(&other);
            all.add_all(&one);
            prop_assert_eq!(&both, &all);
        }
    }
}
