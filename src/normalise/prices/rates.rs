//! What a price list says of one model: lines that hold under conditions, and what follows where it is silent.

use super::hours::Hours;
use super::{Bought, Context, Tier};
use crate::time::Timestamp;

/// Pico-USD (10⁻¹² dollar) per token; a dollar per million tokens is a million of them.
pub(super) type PicoPerToken = i64;

/// What a token may be billed as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Input,
    Output,
    CachedInput,
    CacheWrite,
    CacheWrite1h,
    Reasoning,
    AudioInput,
    CachedAudio,
    AudioOutput,
    ImageInput,
    CachedImage,
    ImageOutput,
}

const CLASSES: usize = Class::ALL.len();

impl Class {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Input,
        Self::Output,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Reasoning,
        Self::AudioInput,
        Self::CachedAudio,
        Self::AudioOutput,
        Self::ImageInput,
        Self::CachedImage,
        Self::ImageOutput,
    ];

    /// Whether it is one of sound or pictures.
    pub fn is_media(self) -> bool {
        self as usize >= Self::AudioInput as usize
    }

    /// The plain class on its side: prices of the others move with it.
    fn side(self) -> Self {
        match self {
            Self::Output | Self::Reasoning | Self::AudioOutput | Self::ImageOutput => Self::Output,
            _ => Self::Input,
        }
    }

    /// The class whose price is taken where this one has none, which is never cheaper; of sound and pictures the
    /// nearest there is.
    fn instead(self) -> Option<Self> {
        match self {
            Self::Input | Self::Output => None,
            Self::CachedInput | Self::CacheWrite | Self::AudioInput | Self::ImageInput => Some(Self::Input),
            Self::CacheWrite1h => Some(Self::CacheWrite),
            Self::Reasoning | Self::AudioOutput | Self::ImageOutput => Some(Self::Output),
            Self::CachedAudio => Some(Self::AudioInput),
            Self::CachedImage => Some(Self::ImageInput),
        }
    }
}

/// Prices of one token of each class; `None` where the list has no such price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Rates([Option<PicoPerToken>; CLASSES]);

impl Rates {
    pub fn get(&self, class: Class) -> Option<PicoPerToken> {
        self.0[class as usize]
    }

    pub fn set(&mut self, class: Class, price: Option<PicoPerToken>) {
        self.0[class as usize] = price;
    }
}

/// Rates and when they hold.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Line {
    /// For requests with more input tokens than this; 0 for all.
    pub above: u64,
    /// From this instant.
    pub from: Timestamp,
    /// At these hours only.
    pub hours: Option<Hours>,
    pub rates: Rates,
}

impl Line {
    /// Rates that always hold for requests of this size.
    pub fn above(above: u64, rates: Rates) -> Self {
        Self { above, from: Timestamp::MIN, hours: None, rates }
    }

    fn rank(&self) -> (u64, Timestamp, bool) {
        (self.above, self.from, self.hours.is_some())
    }

    fn holds(&self, when: When) -> bool {
        let hours = self.hours.as_ref();
        (self.above == 0 || when.input > self.above)
            && self.from <= when.at
            && hours.is_none_or(|hours| !when.spread && hours.contain(when.at))
    }
}

/// What decides which lines hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    /// All input tokens of the request, cached ones included.
    pub input: u64,
    pub at: Timestamp,
    /// Use of a stretch of time that begins at `at`: its hours are not known.
    pub spread: bool,
}

/// A price, and whether the list says it or it was reckoned from what the list says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Price {
    pub pico: PicoPerToken,
    pub listed: bool,
}

/// The lines of one way of buying, the most particular last. A class takes the last line that holds and has it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Sheet(Vec<Line>);

impl Sheet {
    pub fn add(&mut self, line: Line) {
        let place = self.0.partition_point(|other| other.rank() <= line.rank());
        self.0.insert(place, line);
    }

    /// The rates of the line with these conditions, made where there is none.
    pub fn rates_above(&mut self, above: u64) -> &mut Rates {
        let plain = |line: &Line| line.rank() == (above, Timestamp::MIN, false);
        let place = self.0.iter().position(plain).unwrap_or_else(|| {
            let line = Line::above(above, Rates::default());
            let place = self.0.partition_point(|other| other.rank() < line.rank());
            self.0.insert(place, line);
            place
        });
        &mut self.0[place].rates
    }

    pub fn lines(&self) -> &[Line] {
        &self.0
    }

    fn find(&self, class: Class, when: When) -> Option<(PicoPerToken, u64)> {
        let mut holding = self.0.iter().rev().filter(|line| line.holds(when));
        holding.find_map(|line| Some((line.rates.get(class)?, line.above)))
    }

    /// The price of a class with the size of request that it is for. Where the list raises the plain price for
    /// longer requests and is silent on this class, it is raised alike.
    fn price(&self, class: Class, when: When) -> Option<(Price, u64)> {
        let (pico, level) = self.find(class, when)?;
        let listed = (Price { pico, listed: true }, level);
        let Some((now, higher)) = self.find(class.side(), when).filter(|&(_, higher)| higher > level) else {
            return Some(listed);
        };
        let before = self.find(class.side(), When { input: level + 1, ..when })?.0;
        let same = class == Class::Reasoning && pico == before;
        Some((Price { pico: in_proportion(pico, now, before), listed: same }, higher))
    }
}

/// `price` as it changes when another goes from `before` to `now`.
fn in_proportion(price: PicoPerToken, now: PicoPerToken, before: PicoPerToken) -> PicoPerToken {
    if before == 0 {
        return price;
    }
    let (now, before) = (i128::from(now), i128::from(before));
    i64::try_from((i128::from(price) * now + before / 2) / before).unwrap_or(i64::MAX)
}

/// The price of a way of buying other than the standard one.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Offer {
    /// The standard price times this many ten-thousandths.
    Factor(u32),
    /// Prices of its own.
    Own(Sheet),
}

/// Ten-thousandths that make one.
pub(super) const ONE: u32 = 10_000;

/// Prices of one model.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct ModelPrices {
    pub name: String,
    pub provider: String,
    pub list: Sheet,
    pub offers: Vec<(Tier, Offer)>,
    /// Part of every bill has a price that is not per token of our classes.
    pub in_part: bool,
    /// Its use is mostly sound or pictures, which have prices of their own: tokens that are not told apart may be of any.
    pub of_media: bool,
}

impl ModelPrices {
    pub fn offer(&self, tier: Tier) -> Option<&Offer> {
        self.offers.iter().find(|(of, _)| *of == tier).map(|(_, offer)| offer)
    }

    /// Whether sound or pictures have prices of their own.
    pub fn lists_media(&self) -> bool {
        let mut media = Class::ALL.into_iter().filter(|class| class.is_media());
        media.any(|class| self.list.lines().iter().any(|line| line.rates.get(class).is_some()))
    }

    /// What a token of `class` costs, or one of the class that stands in for it.
    pub fn price(&self, class: Class, when: When, tier: Tier) -> Option<Price> {
        self.own_price(class, when, tier).or_else(|| {
            let price = self.price(class.instead()?, when, tier)?;
            // Thinking is output unless a list says otherwise, and what is free is free of all.
            let listed = price.listed && (class == Class::Reasoning || price.pico == 0);
            Some(Price { listed, ..price })
        })
    }

    fn own_price(&self, class: Class, when: When, tier: Tier) -> Option<Price> {
        let standard = self.list.price(class, when);
        let sheet = match (tier, self.offer(tier)) {
            (Tier::Standard, _) | (_, Some(Offer::Factor(_))) => return standard.map(|(price, _)| price),
            (_, None) => return standard.map(|(price, _)| Price { listed: false, ..price }),
            (_, Some(Offer::Own(sheet))) => sheet,
        };
        match (sheet.price(class, when), standard) {
            (Some((own, level)), Some((listed, higher))) if level < higher => {
                let before = self.list.find(class, When { input: level + 1, ..when })?.0;
                Some(Price { pico: in_proportion(own.pico, listed.pico, before), listed: false })
            }
            (Some((own, _)), _) => Some(own),
            (None, Some((listed, _))) if class != class.side() => {
                let (now, before) =
                    (self.own_price(class.side(), when, tier)?, self.list.price(class.side(), when)?.0);
                let same = class == Class::Reasoning && listed.pico == before.pico && now.listed;
                Some(Price { pico: in_proportion(listed.pico, now.pico, before.pico), listed: same })
            }
            (None, listed) => listed.map(|(price, _)| Price { listed: false, ..price }),
        }
    }

    /// What the sum of a request is multiplied by, in ten-thousandths.
    pub fn factor(&self, tier: Tier) -> u32 {
        match self.offer(tier) {
            Some(Offer::Factor(factor)) if tier != Tier::Standard => *factor,
            _ => ONE,
        }
    }

    /// True where the price depends on something that is not known of this use.
    pub fn depends_on_unknown(&self, bought: Bought) -> bool {
        let own = match self.offer(bought.tier) {
            Some(Offer::Own(sheet)) => sheet.lines(),
            _ => &[],
        };
        let mut lines = self.list.lines().iter().chain(own);
        let unknown_size = bought.context == Context::Unknown;
        lines.any(|line| unknown_size && line.above > 0 || bought.spread && line.hours.is_some())
    }
}
