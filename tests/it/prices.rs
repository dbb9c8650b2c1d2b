//! What price lists say, and that no money is made of what they do not say.

use keyhound::normalise::{Bought, Media, Prices, Sides, Tier};
use keyhound::record::{CostSource, Count, Tokens};
use keyhound::time::{Timestamp, parse};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const TABLE: &str = include_str!("../prices/litellm.json");
/// A Wednesday noon.
const NOON: &str = "2026-11-04T12:00:00Z";

fn made_up() -> Prices {
    let mut prices = Prices::default();
    prices.add_litellm("litellm.json", TABLE).unwrap();
    prices
}

fn at(text: &str) -> Timestamp {
    parse(text.as_bytes()).unwrap().at
}

/// Input, cached input, cache writes for five minutes and an hour, output, reasoning within it.
fn tokens(counts: [u64; 6]) -> Tokens {
    let [input, cached, write, write_1h, output, reasoning] = counts.map(Count::of);
    Tokens {
        input_uncached: input,
        cache_read: cached,
        cache_write: write,
        cache_write_1h: write_1h,
        output,
        reasoning,
    }
}

fn cost(prices: &Prices, model: &str, tier: Tier, counts: [u64; 6]) -> (i64, CostSource) {
    let bought = Bought { tier, ..Bought::default() };
    let model = prices.resolve(model).unwrap_or_else(|_| panic!("`{model}` has no price"));
    let (cost, source) = prices.cost(model, at(NOON), bought, &tokens(counts));
    (cost.0, source)
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_rule_of_the_grammar() {
    use CostSource::{Computed, Partial};
    use Tier::{Batch, Flex, Other, Priority, Standard, Ultrafast};
    let prices = made_up();
    for (model, tier, counts, nano, source) in [
        // Every class its own price; search and sound are besides.
        ("plain", Standard, [1000, 0, 0, 0, 0, 0], 2_000_000, Computed),
        ("plain", Standard, [0, 1000, 0, 0, 0, 0], 200_000, Computed),
        ("plain", Standard, [0, 0, 1000, 0, 0, 0], 2_500_000, Computed),
        ("plain", Standard, [0, 0, 0, 1000, 0, 0], 4_000_000, Computed),
        ("plain", Standard, [0, 0, 0, 0, 1000, 400], 8_400_000, Computed),
        // A tier without a price is the standard one, and said to be uncertain; so is one never heard of.
        ("plain", Batch, [1000, 0, 0, 0, 0, 0], 2_000_000, Partial),
        ("plain", Other, [1000, 0, 0, 0, 0, 0], 2_000_000, Partial),
        // Routes of their own.
        ("acme/eu/plain", Standard, [1000, 0, 0, 0, 0, 0], 2_200_000, Computed),
        ("gateway/ACME/EU/Plain", Standard, [1000, 0, 0, 0, 0, 0], 2_200_000, Computed),
        ("acme/us/plain", Standard, [1000, 0, 0, 0, 0, 0], 2_000_000, Computed),
        // Tiers have prices of their own for each class.
        ("own-tiers", Batch, [1000, 1000, 0, 0, 1000, 0], 8_700_000, Computed),
        ("own-tiers", Priority, [1000, 0, 0, 0, 1000, 0], 18_000_000, Computed),
        // The cache price of that tier is reckoned: twice as much for input, so twice as much here.
        ("own-tiers", Priority, [0, 1000, 0, 0, 0, 0], 2_000_000, Partial),
        // Thinking is output.
        ("own-tiers", Ultrafast, [0, 0, 0, 0, 1000, 1000], 80_000_000, Computed),
        // All input decides, cached too, and the dearer price is for the whole request.
        ("long", Standard, [24_000, 24_000, 0, 0, 0, 0], 26_400_000, Computed),
        ("long", Standard, [24_001, 24_000, 0, 0, 0, 0], 55_202_000, Computed),
        ("long", Standard, [96_001, 0, 0, 0, 1000, 0], 296_003_000, Computed),
        ("long", Standard, [0, 0, 0, 50_000, 0, 0], 300_000_000, Computed),
        // Silent on cache writes above 48k and on cached input above 96k: raised as the input is.
        ("long", Standard, [0, 0, 50_000, 0, 0, 0], 100_000_000, Partial),
        ("long", Standard, [0, 100_000, 0, 0, 0, 0], 45_000_000, Partial),
        // Thinking has the price of output there, too.
        ("long", Standard, [50_000, 0, 0, 0, 1000, 1000], 107_000_000, Computed),
        // Sizes and tiers together, written in either order.
        ("long", Flex, [1000, 0, 0, 0, 1000, 0], 2_500_000, Computed),
        ("long", Flex, [50_000, 0, 0, 0, 1000, 0], 48_000_000, Computed),
        // The tier is silent above 96k, where the standard price is half as much again.
        ("long", Flex, [100_000, 0, 0, 0, 0, 0], 135_000_000, Partial),
        ("stepped", Standard, [32_000, 0, 0, 0, 1000, 0], 34_000_000, Computed),
        ("stepped", Standard, [32_001, 0, 0, 0, 1000, 0], 100_003_000, Computed),
        ("nightly", Standard, [1000, 1000, 0, 0, 0, 0], 2_500_000, Computed),
        // Nought is a price.
        ("free", Standard, [1000, 1000, 1000, 0, 1000, 1000], 0, Computed),
        ("given/plain", Standard, [1000, 0, 0, 0, 0, 0], 0, Computed),
        // But a free route makes no other route free.
        ("paid", Standard, [1000, 0, 0, 0, 0, 0], 1_000_000, Computed),
        ("vectors", Standard, [1000, 0, 0, 0, 0, 0], 100_000, Computed),
        ("painter", Standard, [1000, 0, 0, 0, 1000, 0], 15_000_000, Partial),
        ("each-request", Standard, [1000, 0, 0, 0, 0, 0], 1_000_000, Partial),
        ("seeker", Standard, [1000, 0, 0, 0, 0, 0], 1_000_000, Partial),
        ("half-known", Standard, [1000, 0, 0, 0, 1000, 0], 1_000_000, Partial),
    ] {
        assert_eq!(cost(&prices, model, tier, counts), (nano, source), "{model} {tier:?} {counts:?}");
    }
    for unknown in ["by-second", "by-picture", "by-letter", "sample_spec"] {
        assert!(prices.resolve(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn litellm_prices_sound_and_pictures() {
    use CostSource::{Computed, Partial};
    let prices = made_up();
    let model = |name| prices.resolve(name).unwrap();
    let of = |name, media| {
        let bought = Bought { media, ..Bought::default() };
        let (cost, source) = prices.cost(model(name), at(NOON), bought, &tokens([1000, 0, 0, 0, 1000, 0]));
        (cost.0, source)
    };
    let told = Media { told: true, ..Media::default() };
    let some = Sides { input: 500, cached: 0, output: 400 };
    for (name, media, cost) in [
        // 500 × 2 + 500 × 40 + 1000 × 8.
        ("plain", Media { audio: Sides { output: 0, ..some }, ..told }, (29_000_000, Computed)),
        // Sound as an answer has no price there.
        ("plain", Media { audio: some, ..told }, (29_000_000, Partial)),
        // 1000 × 5 + 600 × 10 + 400 × 40, where the record tells its pictures.
        ("painter", Media { image: Sides { input: 0, ..some }, ..told }, (27_000_000, Computed)),
        ("painter", told, (15_000_000, Computed)),
        ("painter", Media::default(), (15_000_000, Partial)),
    ] {
        assert_eq!(of(name, media), cost, "{name} {media:?}");
    }
    assert!(prices.is_of_text(model("own-tiers")));
    assert!(!prices.is_of_text(model("painter")) && !prices.is_of_text(model("seeker")));
}

#[test]
fn what_answers_nothing_need_not_say_so() {
    let prices = made_up();
    let model = prices.resolve("vectors").unwrap();
    let only_input = Tokens { input_uncached: Count::of(1000), ..Tokens::default() };
    let (cost, source) = prices.cost(model, at(NOON), Bought::default(), &only_input);
    assert_eq!((cost.0, source), (100_000, CostSource::Computed));
}

#[test]
fn hours_decide_about_requests_and_not_about_days() {
    let prices = made_up();
    let model = prices.resolve("nightly").unwrap();
    let of = |time, spread| {
        let bought = Bought { spread, ..Bought::default() };
        let (cost, source) = prices.cost(model, at(time), bought, &tokens([1000, 0, 0, 0, 0, 0]));
        (cost.0, source)
    };
    assert_eq!(of("2026-11-04T05:59:59Z", false), (1_000_000, CostSource::Computed));
    assert_eq!(of("2026-11-04T06:00:00Z", false), (2_000_000, CostSource::Computed));
    assert_eq!(of("2026-11-07T12:00:00Z", false), (1_000_000, CostSource::Computed));
    assert_eq!(of("2026-11-04T00:00:00Z", true), (2_000_000, CostSource::Partial));
}

#[test]
fn a_later_list_of_ours_wins_over_routes() {
    let mut prices = made_up();
    let own = "provider = \"us\"\nas_of = 2026-01-01\n[[model]]\nname = \"plain\"\ninput = 1\noutput = 1\n";
    prices.add_toml("own.toml", own).unwrap();
    let counts = [1000, 0, 0, 0, 0, 0];
    assert_eq!(cost(&prices, "acme/eu/plain", Tier::Standard, counts).0, 1_000_000);
    assert_eq!(cost(&prices, "own-tiers", Tier::Standard, counts).0, 4_000_000);
}

#[test]
fn our_own_lists_say_as_much() {
    use CostSource::{Computed, Partial};
    let mut prices = Prices::default();
    let text = r#"
        provider = "us"
        as_of = 2026-01-01
        [[model]]
        name = "ours"
        input = 2
        output = 4
        cached_input = 1
        batch = 0.5
        priority = { input = 3, output = 5, above = [{ input_tokens = 1000, input = 7 }] }
        above = [{ input_tokens = 1000, input = 4, output = 6, cached_input = 2 }]
        since = [
            { date = 2026-11-05, input = 1 },
            { date = 2026-11-01, input = 3 },
            { date = 2026-11-01, input_tokens = 1000, input = 5 },
        ]
        off_peak = [{ weekdays = [7], hours_utc = ["22:00-00:00"], output = 1 }]
    "#;
    prices.add_toml("own.toml", text).unwrap();
    let model = prices.resolve("ours").unwrap();
    for (time, tier, counts, nano, source) in [
        ("2026-10-31T23:59:59Z", Tier::Standard, [100, 100, 0, 0, 100, 0], 700_000, Computed),
        ("2026-11-01T00:00:00Z", Tier::Standard, [100, 100, 0, 0, 100, 0], 800_000, Computed),
        ("2026-11-05T00:00:00Z", Tier::Standard, [100, 100, 0, 0, 100, 0], 600_000, Computed),
        ("2026-11-05T00:00:00Z", Tier::Batch, [100, 100, 0, 0, 100, 0], 300_000, Computed),
        ("2026-11-05T00:00:00Z", Tier::Standard, [2000, 0, 0, 0, 0, 0], 10_000_000, Computed),
        ("2026-10-05T00:00:00Z", Tier::Batch, [2000, 0, 0, 0, 0, 0], 4_000_000, Computed),
        ("2026-10-05T00:00:00Z", Tier::Priority, [2000, 0, 0, 0, 0, 0], 14_000_000, Computed),
        ("2026-10-05T00:00:00Z", Tier::Priority, [1000, 0, 0, 0, 1000, 0], 8_000_000, Computed),
        ("2026-10-05T00:00:00Z", Tier::Priority, [0, 100, 0, 0, 0, 0], 150_000, Partial),
        ("2026-10-25T22:00:00Z", Tier::Standard, [0, 0, 0, 0, 100, 0], 100_000, Computed),
    ] {
        let bought = Bought { tier, ..Bought::default() };
        let (cost, said) = prices.cost(model, at(time), bought, &tokens(counts));
        assert_eq!((cost.0, said), (nano, source), "{time} {tier:?} {counts:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let model = |more: &str| {
        format!(
            "provider = \"us\"\nas_of = 2026-01-01\n[[model]]\nname = \"m\"\ninput = 1\noutput = 1\n{more}"
        )
    };
    for (more, said) in [
        ("cached_input = -1", "`cached_input` is -1"),
        ("audio_output = -1", "`audio_output` is -1"),
        ("above = [{ input_tokens = 1, audio_inputs = 1 }]", "unknown field `audio_inputs`"),
        ("batch = -0.5", "`batch` is -0.5"),
        ("batch = nan", "`batch` is NaN"),
        ("batch = \"half\"", "a share of the standard price, such as 0.5, or a table of prices"),
        ("batch = { inputs = 1 }", "unknown field `inputs`"),
        ("above = [{ input = 1 }]", "missing field `input_tokens`"),
        ("above = [{ input_tokens = 0, input = 1 }]", "`above.input_tokens` is 0"),
        ("since = [{ input = 1 }]", "missing field `date`"),
        ("since = [{ date = 10:00:00, input = 1 }]", "`since.date` is 10:00:00"),
        (
            "off_peak = [{ weekdays = [0], hours_utc = [\"1:00-2:00\"] }]",
            "`hours_utc` is 1:00-2:00 on days [0]",
        ),
    ] {
        let error = Prices::default().add_toml("own.toml", &model(more)).unwrap_err().to_string();
        assert!(error.contains(said), "{more}: {error}");
    }
    for (entry, said) in [
        (r#"{"input_cost_per_token": "dear"}"#, r#"`input_cost_per_token` is "dear""#),
        (r#"{"output_cost_per_token_flex": -1}"#, "`output_cost_per_token_flex` is -1000000"),
        (r#"{"tiered_pricing": [{"range": ["a"]}]}"#, r#"`tiered_pricing` is ["a"]"#),
        (r#"{"off_peak_pricing": {"windows": [{}]}}"#, "`off_peak_pricing` is {"),
    ] {
        let text = format!(r#"{{"x/m": {entry}}}"#);
        let error = Prices::default().add_litellm("l.json", &text).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("model `x/m`"), "{error}");
    }
}

const TIERS: [(Tier, &str); 6] = [
    (Tier::Standard, ""),
    (Tier::Batch, "_batches"),
    (Tier::Priority, "_priority"),
    (Tier::Flex, "_flex"),
    (Tier::Balanced, "_balanced"),
    (Tier::Ultrafast, "_ultrafast"),
];

/// The price of a class read straight off an entry, in pico-dollars: the name of the greatest size below `input`.
fn straight(entry: &Map<String, Value>, stem: &str, tier: &str, input: u64) -> Option<(u64, i128)> {
    let sizes = [0, 32, 48, 96, 100, 128, 200, 256, 272, 512].into_iter().rev();
    let mut fits = sizes.filter(|size| *size == 0 || input > size * 1000);
    fits.find_map(|size| {
        let above = if size == 0 { String::new() } else { format!("_above_{size}k_tokens") };
        let usd = entry.get(&format!("{stem}{above}{tier}"))?.as_f64()?;
        #[allow(clippy::cast_possible_truncation)]
        Some((size, (usd * 1e12).round() as i128))
    })
}

/// What a request of plain input, cached input and output costs, where the entry says all of it.
fn oracle(entry: &Map<String, Value>, tier: &str, [input, cached, output]: [u64; 3]) -> Option<i128> {
    let odd = ["tiered_pricing", "off_peak_pricing", "input_cost_per_request", "citation_cost_per_token"];
    if odd.iter().any(|name| entry.contains_key(*name)) {
        return None;
    }
    let (size, per_input) = straight(entry, "input_cost_per_token", tier, input + cached)?;
    let (_, per_output) = straight(entry, "output_cost_per_token", tier, input + cached)?;
    let mut pico = i128::from(input) * per_input + i128::from(output) * per_output;
    if cached > 0 {
        let (of_size, per_cached) = straight(entry, "cache_read_input_token_cost", tier, input + cached)?;
        if of_size != size {
            return None;
        }
        pico += i128::from(cached) * per_cached;
    }
    let (standard, _) = straight(entry, "input_cost_per_token", "", input + cached)?;
    (standard == size).then_some((pico + 500) / 1000)
}

/// Tries every entry of a table of LiteLLM's, and counts how far its price is known.
fn agrees_with_the_oracle(text: &str) -> BTreeMap<&'static str, usize> {
    let mut prices = Prices::default();
    prices.add_litellm("litellm.json", text).unwrap();
    let table: Map<String, Value> = serde_json::from_str(text).unwrap();
    let mut counts = BTreeMap::new();
    for (name, entry) in &table {
        let entry = entry.as_object().unwrap();
        let own = prices.route(name);
        for (tier, suffix) in TIERS {
            for sample in [[1000, 0, 500], [1000, 300, 700], [250_000, 30_000, 900], [600_000, 1, 1]] {
                let Some(expected) = oracle(entry, suffix, sample) else { continue };
                let Some(model) = own else { continue };
                let [input, cached, output] = sample;
                let bought = Bought { tier, ..Bought::default() };
                let (cost, source) =
                    prices.cost(model, at(NOON), bought, &tokens([input, cached, 0, 0, output, 0]));
                assert_eq!(i128::from(cost.0), expected, "{name}{suffix} {sample:?}");
                let text = ["chat", "completion", "responses", "embedding"];
                let known =
                    entry.get("mode").and_then(Value::as_str).is_some_and(|mode| text.contains(&mode));
                let searches = entry.get("litellm_provider").is_some_and(|name| name == "perplexity");
                if known && !searches && !entry.contains_key("input_cost_per_query") {
                    assert_eq!(source, CostSource::Computed, "{name}{suffix} {sample:?}");
                }
                *counts.entry("samples").or_default() += 1;
            }
        }
        let source = own
            .map(|model| prices.cost(model, at(NOON), Bought::default(), &tokens([1000, 0, 0, 0, 500, 0])).1);
        *counts
            .entry(source.map_or("unknown", |source| match source {
                CostSource::Computed => "exactly",
                _ => "partly",
            }))
            .or_default() += 1;
    }
    counts
}

#[test]
fn a_straight_reading_of_the_table_agrees() {
    let counts = agrees_with_the_oracle(TABLE);
    assert!(counts["samples"] >= 25, "{counts:?}");
    assert_eq!((counts["exactly"], counts["partly"], counts["unknown"]), (12, 4, 4), "{counts:?}");
}

/// LiteLLM's own file is not ours to keep here: `KEYHOUND_LITELLM_PRICES` names one.
#[test]
fn litellms_own_table_agrees() {
    let Some(path) = std::env::var_os("KEYHOUND_LITELLM_PRICES") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    println!("{:?}", agrees_with_the_oracle(&text));
}

/// A model of our own form with these prices in pico-dollars per token and this batch factor in ten-thousandths.
fn model_of(prices: [u32; 6], factor: u32) -> Prices {
    let names = ["input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning"];
    let mut text = String::from("provider = \"us\"\nas_of = 2026-01-01\n[[model]]\nname = \"m\"\n");
    for (name, price) in names.iter().zip(prices) {
        text += &format!("{name} = {}.{:06}\n", price / 1_000_000, price % 1_000_000);
    }
    text += &format!("batch = {}.{:04}\n", factor / 10_000, factor % 10_000);
    let mut table = Prices::default();
    table.add_toml("own.toml", &text).unwrap();
    table
}

/// Counts with the reasoning within the output.
fn any_counts() -> impl Strategy<Value = [u64; 6]> {
    (prop::array::uniform5(0_u64..3_000_000), 0_u64..=100)
        .prop_map(|([a, b, c, d, output], share)| [a, b, c, d, output, output * share / 100])
}

proptest! {
    #[test]
    fn money_is_exact_to_the_nano_dollar(
        prices in prop::array::uniform6(0_u32..200_000_000),
        factor in 0_u32..40_000,
        counts in any_counts(),
    ) {
        let table = model_of(prices, factor);
        let plain = [counts[0], counts[1], counts[2], counts[3], counts[4] - counts[5], counts[5]];
        let pico: i128 = plain.iter().zip(prices).map(|(&n, price)| i128::from(n) * i128::from(price)).sum();
        let (standard, said) = cost(&table, "m", Tier::Standard, counts);
        prop_assert_eq!((i128::from(standard), said), ((2 * pico + 1000).div_euclid(2000), CostSource::Computed));
        let (batch, said) = cost(&table, "m", Tier::Batch, counts);
        let tenths = pico * i128::from(factor);
        prop_assert_eq!(
            (i128::from(batch), said),
            ((2 * tenths + 10_000_000).div_euclid(20_000_000), CostSource::Computed)
        );
    }

    #[test]
    fn more_tokens_never_cost_less(
        name in prop::sample::select(vec!["plain", "own-tiers", "long", "stepped", "nightly", "free", "half-known"]),
        tier in prop::sample::select(TIERS.map(|(tier, _)| tier).to_vec()),
        small in prop::array::uniform6(0_u64..60_000),
        class in 0_usize..6,
        more in 1_u64..100_000,
    ) {
        let table = made_up();
        let mut counts = small;
        // Thinking is part of the output: more of it is more output.
        counts[4] += counts[5];
        let before = cost(&table, name, tier, counts).0;
        counts[class] += more;
        counts[4] += if class == 5 { more } else { 0 };
        prop_assert!(cost(&table, name, tier, counts).0 >= before);
    }

    #[test]
    fn what_costs_the_same_may_be_split_anyhow(
        price in 0_u32..200_000_000,
        factor in 0_u32..40_000,
        counts in any_counts(),
    ) {
        let table = model_of([price; 6], factor);
        let all = counts[..5].iter().sum();
        for tier in [Tier::Standard, Tier::Batch] {
            let split = cost(&table, "m", tier, counts);
            prop_assert_eq!(split, cost(&table, "m", tier, [all, 0, 0, 0, 0, 0]));
            prop_assert_eq!(split, cost(&table, "m", tier, [0, 0, 0, 0, all, 0]));
        }
    }
}

#[test]
fn every_way_to_write_a_model_leads_to_its_price() {
    let prices = Prices::builtin().unwrap();
    let mut wrong = String::new();
    let lines = include_str!("../prices/names.txt").lines().filter(|line| !line.starts_with('#'));
    let pairs: Vec<(&str, &str)> = lines.map(|line| line.split_once(' ').unwrap()).collect();
    assert!(pairs.len() >= 60, "{}", pairs.len());
    for (written, name) in pairs {
        let found = prices.resolve(written).map_or("-", |model| prices.name(model));
        if found != name {
            wrong += &format!("{written}: {found}, not {name}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
