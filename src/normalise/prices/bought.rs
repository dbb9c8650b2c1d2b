//! How a request was bought: what its price depends on besides model, time and tokens.

use std::ops::Add;

/// The tier of service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tier {
    /// The list price.
    #[default]
    Standard,
    /// Asynchronous batches, usually half the price.
    Batch,
    /// Guaranteed capacity, dearer.
    Priority,
    /// Slower, cheaper.
    Flex,
    /// Between flexible and standard.
    Balanced,
    /// Much faster, much dearer.
    Ultrafast,
    /// One we do not know: the list price is assumed, and said to be uncertain.
    Other,
}

/// The tiers by what providers and price lists call them.
const NAMES: [(&str, Tier); 20] = [
    ("", Tier::Standard),
    ("standard", Tier::Standard),
    ("standard_only", Tier::Standard),
    ("default", Tier::Standard),
    ("auto", Tier::Standard),
    ("on_demand", Tier::Standard),
    ("on-demand", Tier::Standard),
    ("null", Tier::Standard),
    ("none", Tier::Standard),
    ("batch", Tier::Batch),
    ("batches", Tier::Batch),
    ("priority", Tier::Priority),
    ("on_demand_priority", Tier::Priority),
    ("flex", Tier::Flex),
    ("on_demand_flex", Tier::Flex),
    ("balanced", Tier::Balanced),
    ("ultrafast", Tier::Ultrafast),
    ("ultra_fast", Tier::Ultrafast),
    ("ultra-fast", Tier::Ultrafast),
    ("unspecified", Tier::Standard),
];

impl Tier {
    /// The tier a provider's `service_tier` names.
    pub fn parse(text: &[u8]) -> Self {
        let named = NAMES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text));
        named.map_or(Self::Other, |(_, tier)| *tier)
    }
}

/// How long the context was, where that has a price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Context {
    /// As long as the input of this one request.
    #[default]
    OfTokens,
    /// Below the threshold, says the record.
    Short,
    /// Above it.
    Long,
    /// Many requests, of which only the sum is known: the shorter is assumed, and said to be too little.
    Unknown,
}

/// What the price depends on besides model, time and tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bought {
    /// How.
    pub tier: Tier,
    /// In what context.
    pub context: Context,
    /// Over a stretch of time: the hour of each request is not known, and prices are those of its beginning.
    pub spread: bool,
    /// What of the tokens was sound or pictures.
    pub media: Media,
}

/// Tokens of sound and of pictures, moving ones among them. They are part of the token counts of a record, and only
/// their price is another one, so a record does not keep them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Media {
    /// Whether the record tells them apart at all: one that does not may be made of nothing else.
    pub told: bool,
    /// Sound.
    pub audio: Sides,
    /// Pictures.
    pub image: Sides,
}

/// Where tokens went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sides {
    /// In, past the cache.
    pub input: u64,
    /// In, from the cache.
    pub cached: u64,
    /// Out.
    pub output: u64,
}

impl Media {
    /// All of both.
    pub(super) fn all(self) -> Sides {
        self.audio + self.image
    }

    /// Whether there are none.
    pub fn is_nothing(self) -> bool {
        self.all() == Sides::default()
    }
}

impl Add for Sides {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let [input, cached, output] = [
            self.input.saturating_add(other.input),
            self.cached.saturating_add(other.cached),
            self.output.saturating_add(other.output),
        ];
        Self { input, cached, output }
    }
}
