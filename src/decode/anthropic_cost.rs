//! `anthropic_cost`: what an Anthropic organization is billed for a day, as pages, as buckets, or as results with the
//! times of their bucket beside them. Amounts are in cents, and no result names a key: what is told is the cost of
//! workspaces. It is the same use as that of `anthropic_usage`, once more.

use super::anthropic_usage::NO_WORKSPACE;
use super::bucket::{check_times, first, plain};
use super::carries::Counts;
use super::draft::{Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, Place, Unit, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::Str;
use crate::record::{Kind, Reason};

pub(super) fn format() -> Format {
    let places = [
        at("/starting_at", Field::Time),
        at("/ending_at", Field::End),
        at("/results/*/workspace_id", Field::Key),
        at("/results/*/model", Field::Model),
        at("/results/*/description", Field::Endpoint),
        at("/results/*/cost_type", Field::Endpoint),
        Place("/results/*/amount", Field::Cost, Unit::CENTS),
        // Before discounts.
        at("/results/*/list_amount", Field::Amount),
        at("/results/*/currency", Field::Extra(0)),
    ];
    let summary = "Anthropic cost report: daily bills in cents, by workspace; no report of costs knows keys";
    let map = Map::new(&places, finish).each("results");
    Format::new("anthropic_cost", summary, sniff, How::Map(map)).counting(&[Counts::Bills]).told_by(&[
        "starting_at",
        "results",
        "amount",
        "currency",
    ])
}

fn sniff(shape: &Shape<'_>) -> bool {
    (shape.has("starting_at") || shape.has("amount"))
        // Results with tokens are those of `anthropic_usage`, which is asked before.
        && first(shape).is_some_and(|result| result.has("amount") && result.has("currency"))
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    check_times(draft, "starting_at", "ending_at")?;
    draft.kind = Kind::Invoice;
    if draft.cost.is_none() {
        let message = "is missing; a bill without an amount tells nothing";
        return Err(Fault::new(Reason::MissingField, "amount", b"", message));
    }
    let currency = plain(extras[0]);
    if !currency.eq_ignore_ascii_case(b"usd") {
        let message = "US dollars are expected: amounts of other currencies cannot be added to them";
        return Err(Fault::new(Reason::BadCost, "currency", currency, message));
    }
    if draft.key.is_empty() {
        draft.key = Str::plain(NO_WORKSPACE);
    }
    Ok(())
}
