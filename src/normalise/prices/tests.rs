//! Prices, tried on the lists that come with the program and on one of our own making.

use super::*;
use crate::record::Count;
use crate::time::parse;

fn cost(model: &str, at: &str, tier: Tier, tokens: Tokens) -> (i64, CostSource) {
    let prices = Prices::builtin().unwrap();
    let at = parse(at.as_bytes()).unwrap().at;
    let (cost, source) =
        prices.cost(prices.resolve(model).unwrap(), at, Bought { tier, ..Bought::default() }, &tokens);
    (cost.0, source)
}

fn tokens(input: u64, output: u64) -> Tokens {
    Tokens { input_uncached: Count::of(input), output: Count::of(output), ..Tokens::default() }
}

const NOW: &str = "2026-11-01T00:00:00Z";

#[test]
fn list_prices_to_the_nano_dollar() {
    use CostSource::Computed;
    // gpt-4o: 2.50 and 10 dollars per million.
    assert_eq!(cost("gpt-4o", NOW, Tier::Standard, tokens(10, 20)), (225_000, Computed));
    assert_eq!(cost("gpt-4o", NOW, Tier::Batch, tokens(10, 20)), (112_500, Computed));
    let cached = Tokens { cache_read: Count::of(1000), ..tokens(0, 0) };
    assert_eq!(cost("gpt-4o", NOW, Tier::Standard, cached), (1_250_000, Computed));
}

#[test]
fn long_context_has_its_own_price() {
    let short = cost("gemini-2.5-pro", NOW, Tier::Standard, tokens(200_000, 0));
    let long = cost("gemini-2.5-pro", NOW, Tier::Standard, tokens(200_001, 0));
    assert_eq!(short, (250_000_000, CostSource::Computed));
    assert_eq!(long, (500_002_500, CostSource::Computed));
}

#[test]
fn a_sum_of_many_requests_is_no_long_context() {
    let prices = Prices::builtin().unwrap();
    let of = |context| {
        let model = prices.resolve("gemini-2.5-pro").unwrap();
        let at = parse(NOW.as_bytes()).unwrap().at;
        let bought = Bought { context, ..Bought::default() };
        let (cost, source) = prices.cost(model, at, bought, &tokens(1_000_000, 0));
        (cost.0, source)
    };
    assert_eq!(of(Context::Unknown), (1_250_000_000, CostSource::Partial));
    assert_eq!(of(Context::Short), (1_250_000_000, CostSource::Computed));
    assert_eq!(of(Context::Long), (2_500_000_000, CostSource::Computed));
}

#[test]
fn a_price_holds_from_its_day() {
    let before = cost("o3", "2025-06-01T00:00:00Z", Tier::Standard, tokens(1_000_000, 0));
    let after = cost("o3", "2025-06-11T00:00:00Z", Tier::Standard, tokens(1_000_000, 0));
    assert_eq!((before.0, after.0), (10_000_000_000, 2_000_000_000));
}

#[test]
fn what_is_missing_is_said() {
    use CostSource::Partial;
    let no_output = Tokens { input_uncached: Count::of(10), ..Tokens::default() };
    assert_eq!(cost("gpt-4o", NOW, Tier::Standard, no_output), (25_000, Partial));
    // gpt-4 has no cache price: its cached tokens count in full.
    let cached = Tokens { cache_read: Count::of(1000), ..tokens(0, 0) };
    assert_eq!(cost("gpt-4", NOW, Tier::Standard, cached), (30_000_000, Partial));
}

/// The cost at gpt-4o-audio-preview's prices or others, of 1000 tokens in and 500 out, some of them sound.
fn cost_of_media(model: &str, media: Media) -> (i64, CostSource) {
    let prices = Prices::builtin().unwrap();
    let bought = Bought { media, ..Bought::default() };
    let at = parse(NOW.as_bytes()).unwrap().at;
    let (cost, source) = prices.cost(prices.resolve(model).unwrap(), at, bought, &tokens(1000, 500));
    (cost.0, source)
}

#[test]
fn sound_and_pictures_have_their_own_price() {
    use CostSource::{Computed, Partial};
    let none = Sides::default();
    let of = |audio, image| Media { told: true, audio, image };
    let half = Sides { input: 800, cached: 0, output: 400 };
    for (model, media, cost) in [
        // 200 × 2.50 + 800 × 40 + 100 × 10 + 400 × 80.
        ("gpt-4o-audio-preview", of(half, none), (65_500_000, Computed)),
        ("gpt-4o-audio-preview", of(none, none), (7_500_000, Computed)),
        // It may all have been sound, and nobody says.
        ("gpt-4o-audio-preview", Media::default(), (7_500_000, Partial)),
        // No price for pictures there, and none for sound here: at least what text costs.
        ("gpt-4o-audio-preview", of(none, half), (7_500_000, Partial)),
        ("gpt-4o", of(half, none), (7_500_000, Partial)),
        // 1000 × 0.30 + 500 × 2.50: pictures cost what text costs, and nearly all of its use is text.
        ("gemini-2.5-flash", of(none, Sides { output: 0, ..half }), (1_550_000, Computed)),
        ("gemini-2.5-flash", Media::default(), (1_550_000, Computed)),
        // 200 × 0.30 + 800 × 1 + 500 × 2.50.
        ("gemini-2.5-flash", of(Sides { output: 0, ..half }, none), (2_110_000, Computed)),
        // Cached sound has no price of its own: 200 × 0.30 + 800 × 1 all the same.
        ("gemini-2.5-flash", of(Sides { input: 400, cached: 400, output: 0 }, none), (2_230_000, Partial)),
        ("gemini-2.5-flash-image", of(none, Sides { output: 500, ..none }), (15_300_000, Computed)),
    ] {
        assert_eq!(cost_of_media(model, media), cost, "{model} {media:?}");
    }
}

#[test]
fn names_and_aliases_are_unique() {
    let mut seen = std::collections::BTreeSet::new();
    for (file, text) in BUILTIN {
        for (model, aliases) in file::read(file, text).unwrap() {
            for name in std::iter::once(model.name).chain(aliases) {
                assert!(seen.insert(name.clone()), "{file}: `{name}` stands twice");
            }
        }
    }
    assert!(seen.len() > 200, "{}", seen.len());
}

#[test]
fn a_later_list_wins() {
    let mut prices = Prices::builtin().unwrap();
    let own = "provider = \"us\"\nas_of = 2026-01-01\n[[model]]\nname = \"gpt-4o\"\ninput = 1\noutput = 1\n";
    prices.add_toml("own.toml", own).unwrap();
    let model = prices.resolve("gpt-4o").unwrap();
    assert_eq!(prices.provider(model), "us");
    let json = r#"{"sample_spec": {}, "gpt-4o": {"litellm_provider": "openai", "mode": "chat",
        "input_cost_per_token": 3e-06, "output_cost_per_token": 1.2e-05}}"#;
    prices.add_litellm("litellm.json", json).unwrap();
    let model = prices.resolve("gpt-4o-2024-08-06").unwrap();
    let (cost, _) = prices.cost(model, Timestamp(0), Bought::default(), &tokens(1000, 1000));
    assert_eq!(cost, NanoUsd(15_000_000));
}

#[test]
fn what_the_vendor_lists_for_a_tier_wins_over_its_share() {
    use CostSource::Computed;
    let cached = Tokens { cache_read: Count::of(1_000_000), ..tokens(0, 0) };
    // Half for input and output, but not for the cache.
    assert_eq!(cost("gemini-2.5-flash", NOW, Tier::Batch, tokens(1000, 0)), (150_000, Computed));
    assert_eq!(cost("gemini-2.5-flash", NOW, Tier::Batch, cached), (30_000_000, Computed));
}

#[test]
fn at_night_it_is_cheaper() {
    let peak = cost("deepseek-v4-pro", "2026-11-03T02:00:00Z", Tier::Standard, tokens(1000, 0));
    let night = cost("deepseek-v4-pro", "2026-11-03T10:00:00Z", Tier::Standard, tokens(1000, 0));
    assert_eq!((peak.0, night.0), (1_320_000, 660_000));
}
