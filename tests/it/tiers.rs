//! What our own price lists make of tiers, caches and long contexts: `tests/tiers.toml`, reckoned by hand.

use keyhound::normalise::{Bought, Prices, Tier};
use keyhound::record::{Count, Tokens};
use keyhound::time::parse;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    model: String,
    tier: String,
    counts: [u64; 6],
    nano_usd: i64,
    source: String,
    why: String,
}

#[test]
fn the_lists_of_the_program_price_every_tier() {
    let prices = Prices::builtin().unwrap();
    let at = parse(b"2026-11-28T12:00:00Z").unwrap().at;
    let File { case } = toml::from_str(include_str!("../tiers.toml")).unwrap();
    let mut wrong = String::new();
    for Case { model, tier, counts, nano_usd, source, why } in &case {
        let tier = [Tier::Standard, Tier::Batch, Tier::Flex, Tier::Priority]
            .into_iter()
            .find(|known| format!("{known:?}") == *tier)
            .unwrap();
        let [input_uncached, cache_read, cache_write, cache_write_1h, output, reasoning] =
            counts.map(|count| if count == 0 { Count::ABSENT } else { Count::of(count) });
        // What is absent is unknown, and these requests tell all they have.
        let (input_uncached, output) = (Count::of(input_uncached.or_zero()), Count::of(output.or_zero()));
        let tokens = Tokens { input_uncached, cache_read, cache_write, cache_write_1h, output, reasoning };
        let bought = Bought { tier, ..Bought::default() };
        let (cost, said) = prices.cost(prices.resolve(model).unwrap(), at, bought, &tokens);
        if (cost.0, format!("{said:?}")) != (*nano_usd, source.clone()) {
            wrong += &format!(
                "{model} {tier:?} {counts:?}: {} {said:?}, not {nano_usd} {source} ({why})\n",
                cost.0
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(case.len() >= 30);
}
