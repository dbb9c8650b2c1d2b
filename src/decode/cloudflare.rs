//! `cloudflare`: requests through Cloudflare's AI Gateway, as its API lists them and as Logpush writes them (there
//! the token counts are encrypted). They name no address, and a key only where the caller gave it as metadata.

use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::Value;

pub(super) fn format() -> Format {
    let places = [
        at("/created_at", Field::Time),
        at("/Datetime", Field::Time),
        at("/Timestamp", Field::Time),
        at("/EdgeStartTimestamp", Field::Time),
        at("/metadata/api_key", Field::Key),
        at("/metadata/api_key_id", Field::Key),
        at("/metadata/key", Field::Key),
        at("/metadata/@json/api_key", Field::Key),
        at("/metadata/@json/api_key_id", Field::Key),
        at("/metadata/@json/key", Field::Key),
        at("/id", Field::RequestId),
        at("/model", Field::Model),
        at("/Model", Field::Model),
        at("/tokens_in", Field::InputTokens),
        at("/tokens_out", Field::OutputTokens),
        at("/cost", Field::Cost),
        at("/path", Field::Endpoint),
        at("/Endpoint", Field::Endpoint),
        at("/request_type", Field::Endpoint),
        at("/status_code", Field::Status),
        at("/StatusCode", Field::Status),
        at("/cached", Field::Extra(0)),
        at("/Cached", Field::Extra(0)),
        at("/success", Field::Extra(1)),
    ];
    let summary = "Cloudflare AI Gateway logs: tokens and costs; a key only where metadata names one";
    Format::new("cloudflare", summary, sniff, How::Map(Map::new(&places, finish))).told_by(&[
        "created_at",
        "provider",
        "tokens_in",
        "Gateway",
        "Provider",
        "StatusCode",
    ])
}

fn sniff(shape: &Shape<'_>) -> bool {
    let listed =
        shape.has("created_at") && shape.has("provider") && shape.has_any(&["tokens_in", "tokens_out"]);
    let pushed = shape.has("Gateway") && shape.has("Provider") && shape.has("StatusCode");
    listed || pushed
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    // An answer from the gateway's cache costs nothing, and says so.
    draft.zero_is_meant = extras[0] == Some(Value::True);
    if extras[1] == Some(Value::False) && draft.status == 200 {
        draft.status = 500;
    }
    Ok(())
}
