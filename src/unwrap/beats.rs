//! `beats`: an event of Filebeat, Elastic Agent or Logstash, as they write and index it.

use super::{Content, Scratch, Wrapper, broken, hand};
use crate::decode::draft::Read;
use crate::frame::shape::{Member, Shape, member};
use crate::json::Value;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "beats",
    summary: "Filebeat, Elastic Agent, Logstash: @timestamp and event.original or, without it, json or message",
    sniff,
    content: Content::Plain,
    peel,
};

fn sniff(shape: &Shape<'_>) -> bool {
    let has_one = |names: &[&str]| names.iter().any(|name| shape.has(name));
    // Of records whose own fields were put beside those of the shipper nothing is left to take off.
    shape.has("@timestamp")
        && has_one(&["agent", "ecs", "input", "@version"])
        && has_one(&["message", "event", "event.original", "json"])
}

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let mut original = shape.member("event.original");
    let event = shape.member("event").filter(|(value, _)| *value == Value::Object).map(|(_, raw)| raw);
    if let Some(event) = event {
        original = member(event, "original").map_err(broken(event))?.or(original);
    }
    // A pipeline may have changed the message; the original is what the application wrote.
    if let Some(original) = original.filter(is_there) {
        return hand("event.original", Some(original), scratch, inner);
    }
    // The line as the shipper has read it; what it calls the message then is one member of that.
    match shape.member("json") {
        Some((Value::Object, json)) => inner(json),
        _ => return hand("message", shape.member("message"), scratch, inner),
    }
    Ok(())
}

fn is_there(member: &Member<'_>) -> bool {
    !matches!(member.0, Value::Null) && member.1 != b"\"\""
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_original_is_inside_or_the_message() {
        for (members, payload) in [
            (r#""message":"{\"a\":1}""#, r#"{"a":1}"#),
            (r#""message":{"a":1}"#, r#"{"a":1}"#),
            (r#""message":"m","event":{"original":"o"}"#, "o"),
            (r#""event.original":"o","message":"m""#, "o"),
            (r#""message":"m","event":{"dataset":"d"}"#, "m"),
            (r#""event":{"original":null},"message":"m""#, "m"),
            (r#""event":{"original":""},"message":"m""#, "m"),
            (r#""json":{"a":1,"message":"m"},"message":"m""#, r#"{"a":1,"message":"m"}"#),
            (r#""json":"j","message":"m""#, "m"),
        ] {
            let event = format!(r#"{{"@timestamp":"t","agent":{{}},"log":{{"offset":0}},{members}}}"#);
            assert_eq!(peel(&event), Some(("beats", vec![payload.to_owned()])), "{members}");
        }
        assert_eq!(peel(r#"{"@timestamp":"t","agent":{},"call_type":"c"}"#), None);
    }
}
