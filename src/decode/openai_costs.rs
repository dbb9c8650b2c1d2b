//! `openai_costs`: what an OpenAI organization is billed for a day, as pages, as buckets, or as results with the times
//! of their bucket beside them. Amounts are in dollars. It is the same use as that of `openai_usage`, once more.

use super::bucket::{ORGANIZATION, check_times, first, plain};
use super::carries::Counts;
use super::draft::{Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::Str;
use crate::record::{Kind, Reason};

/// The kind of result.
const OBJECT: &[u8] = b"organization.costs.result";

pub(super) fn format() -> Format {
    let places = [
        at("/start_time", Field::Time),
        at("/end_time", Field::End),
        at("/results/*/api_key_id", Field::Key),
        at("/results/*/project_id", Field::Key),
        at("/results/*/user_id", Field::Key),
        at("/results/*/organization_id", Field::Key),
        at("/results/*/amount/value", Field::Cost),
        at("/results/*/amount/currency", Field::Extra(0)),
        at("/results/*/line_item", Field::Endpoint),
        // May be a text, and grows.
        at("/results/*/quantity", Field::Amount),
    ];
    let summary = "OpenAI costs API: daily bills in dollars, by key where grouped by api_key_id";
    let map = Map::new(&places, finish).each("results");
    Format::new("openai_costs", summary, sniff, How::Map(map))
        .counting(&[Counts::Bills])
        .told_by(&["object", "results"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has_any(&["object", "results"])
        && !shape.has("starting_at")
        && first(shape).is_some_and(|result| plain(result.member("object")) == OBJECT)
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    check_times(draft, "start_time", "end_time")?;
    draft.kind = Kind::Invoice;
    if draft.cost.is_none() {
        let message = "is missing; a bill without an amount tells nothing";
        return Err(Fault::new(Reason::MissingField, "amount.value", b"", message));
    }
    let currency = plain(extras[0]);
    if !currency.eq_ignore_ascii_case(b"usd") {
        let message = "US dollars are expected: amounts of other currencies cannot be added to them";
        return Err(Fault::new(Reason::BadCost, "amount.currency", currency, message));
    }
    if draft.key.is_empty() {
        draft.key = Str::plain(ORGANIZATION);
    }
    Ok(())
}
