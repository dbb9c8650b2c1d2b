//! `splunk_hec`: an event as it is sent to Splunk's HTTP Event Collector.

use super::{Content, Scratch, Wrapper, hand};
use crate::decode::draft::Read;
use crate::frame::shape::{Member, Shape};

/// All that the collector takes.
const MEMBERS: &[&str] = &["event", "time", "host", "source", "sourcetype", "index", "fields"];

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "splunk_hec",
    summary: "Splunk HTTP Event Collector: {\"event\": …, \"time\": …, \"sourcetype\": …}, one on a line",
    sniff: |shape| {
        shape.has_only(MEMBERS)
            && shape.has("event")
            && (shape.has_any(&MEMBERS[1..]) || is_record(shape.member("event")))
    },
    content: Content::Plain,
    peel,
};

/// Whether an event that stands alone is an object, or the JSON of one.
fn is_record(event: Option<Member<'_>>) -> bool {
    event.is_some_and(|(_, raw)| raw.starts_with(b"{") || raw.starts_with(b"\"{"))
}

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    hand("event", shape.member("event"), scratch, inner)
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_event_is_inside() {
        for (event, payload) in [(r#""{\"a\":1}""#, r#"{"a":1}"#), (r#"{"a": 1}"#, r#"{"a": 1}"#)] {
            let sent = format!(r#"{{"time":1780304405.123,"sourcetype":"_json","event":{event}}}"#);
            assert_eq!(peel(&sent), Some(("splunk_hec", vec![payload.to_owned()])));
            let alone = format!(r#"{{"event":{event}}}"#);
            assert_eq!(peel(&alone), Some(("splunk_hec", vec![payload.to_owned()])));
        }
        assert_eq!(peel(r#"{"event":"started","model":"m","time":1}"#), None);
        assert_eq!(peel(r#"{"event":"started"}"#), None);
    }
}
