//! What a shipper put around the record, peeled layer by layer to a bounded depth.
//!
//! Each wrapper is one file and one row of [`ALL`]. A wrapper knows nothing of the formats inside it.

mod awslogs;
mod beats;
mod cloudwatch;
pub(crate) mod cri;
mod console;
mod debezium;
mod docker;
mod elastic;
mod eventbridge;
mod fluent;
mod journald;
mod kafka_connect;
mod lambda;
mod list;
mod log_entry;
mod otlp;
mod packed;
mod page;
pub mod protobuf;
mod pubsub;
mod records;
mod sns;
mod splunk_hec;
mod syslog;
mod vector;

use crate::decode::draft::{Fault, Read};
use crate::frame::shape::{Member, Shape};
use crate::json::{Reader, Value, same};
use crate::record::Reason;
pub use packed::UNPACKED_BYTES_MAX;
use std::cell::Cell;

/// Deepest nesting of wrappers: journald in docker in syslog is three.
pub const DEPTH_MAX: usize = 6;

/// A kind of envelope.
pub struct Wrapper {
    /// Its name in tables and metrics.
    pub name: &'static str,
    /// What operators read about it.
    pub summary: &'static str,
    /// True where a frame of this shape is such an envelope.
    pub sniff: fn(&Shape<'_>) -> bool,
    /// How what is inside is written.
    pub content: Content,
    /// Hands what is inside to `inner`, each payload once; with what it needs of `scratch`.
    pub peel: Peel,
}

/// How an envelope writes what is inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// As text that can be read from outside.
    Plain,
    /// As base64, compressed or not, or as numbers, in which nobody would find a secret: what is told of such a frame
    /// is taken from the inside.
    Encoded,
}

/// What taking envelopes off needs besides.
pub struct Scratch<'s> {
    /// Free to use.
    pub text: &'s mut Vec<u8>,
    /// How many bytes the frame may still unfold to, in all of its layers.
    pub room: &'s Cell<usize>,
}

/// Takes an envelope apart.
pub type Peel = fn(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()>;

impl Wrapper {
    /// Takes one envelope apart that nothing is around.
    pub fn peel_alone(&self, shape: &Shape<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
        let room = Cell::new(UNPACKED_BYTES_MAX);
        (self.peel)(shape, &mut Scratch { text: &mut Vec::new(), room: &room }, inner)
    }
}

/// The wrappers, in the order in which they are tried.
pub const ALL: &[Wrapper] = &[
    journald::WRAPPER,
    docker::WRAPPER,
    cri::WRAPPER,
    cloudwatch::WRAPPER,
    awslogs::WRAPPER,
    eventbridge::WRAPPER,
    lambda::WRAPPER,
    sns::WRAPPER,
    records::WRAPPER,
    pubsub::WRAPPER,
    kafka_connect::WRAPPER,
    debezium::WRAPPER,
    log_entry::WRAPPER,
    elastic::WRAPPER,
    beats::WRAPPER,
    vector::WRAPPER,
    splunk_hec::WRAPPER,
    fluent::WRAPPER,
    list::WRAPPER,
    page::WRAPPER,
    otlp::WRAPPER,
    console::WRAPPER,
    syslog::WRAPPER,
];

/// The wrapper that claims a frame of this shape.
pub fn find(shape: &Shape<'_>) -> Option<&'static Wrapper> {
    ALL.iter().find(|wrapper| (wrapper.sniff)(shape))
}

/// The lists of wrappers whose elements stand for themselves: several envelopes, each with some of them, say the same
/// as one with all.
const LISTS: &[(&str, &[&str])] = &[
    ("cloudwatch", &["logEvents"]),
    ("page", &["data", "result", "value", "entries", "items", "logs"]),
    ("pubsub", &["receivedMessages"]),
    ("records", &["Records", "records"]),
];

/// Whether a document that begins like this, up to the first element of a list, may be given out as several: each with
/// this before some of the elements, and closed behind them.
pub fn may_be_parted(start: &[u8]) -> bool {
    if start == b"[" {
        return true;
    }
    let whole = [start, b"]}"].concat();
    let Ok(shape) = Shape::of(&whole, false) else { return false };
    let wrapper = find(&shape).and_then(|wrapper| LISTS.iter().find(|(name, _)| *name == wrapper.name));
    let Some((_, lists)) = wrapper else { return false };
    // Another list would be told again with each part.
    let are_lists = shape.members().map(|(name, _)| lists.iter().any(|list| same(list.as_bytes(), name)));
    let are_lists: Vec<bool> = are_lists.collect();
    are_lists.last() == Some(&true) && are_lists.iter().filter(|is_list| **is_list).count() == 1
}

/// Hands over a member that is a text, or that a shipper has read as JSON already.
fn hand(
    name: &'static str,
    member: Option<Member<'_>>,
    scratch: &mut Scratch<'_>,
    inner: &mut dyn FnMut(&[u8]),
) -> Read<()> {
    match member {
        Some((Value::Str(text), _)) => inner(text.resolve(scratch.text)),
        Some((Value::Object | Value::Array, raw)) => inner(raw),
        Some((_, raw)) => return Err(damaged(name, raw, "is neither a text nor an object")),
        None => return Err(damaged(name, b"", "is missing")),
    }
    Ok(())
}

/// Calls `take` with every element of a list. A fault in one does not cost the others, and each is told.
fn each<'a>(
    name: &'static str,
    (value, list): Member<'a>,
    mut take: impl FnMut(&'a [u8]) -> Read<()>,
) -> Read<()> {
    if value != Value::Array {
        return Err(damaged(name, list, "is no list"));
    }
    let mut result = Ok(());
    let mut reader = Reader::sound(list);
    reader.enter_array();
    while reader.element() {
        gather(&mut result, take(reader.raw()));
    }
    reader.finish().map_err(broken(list))?;
    result
}

/// Puts what is wrong with one part of an envelope to what is wrong with others.
fn gather(result: &mut Read<()>, next: Read<()>) {
    match (result, next) {
        (_, Ok(())) => {}
        (Err(faults), Err(fault)) => faults.add(fault),
        (result, next) => *result = next,
    }
}

#[cold]
fn damaged(name: &'static str, value: &[u8], message: &'static str) -> Fault {
    Fault::new(Reason::BadWrapper, name, value, message)
}

fn broken(text: &[u8]) -> impl Fn(crate::json::Error) -> Fault + '_ {
    |error| Fault::not_json(error, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the outermost wrapper of `text` holds, and its name.
    pub(super) fn peel(text: &str) -> Option<(&'static str, Vec<String>)> {
        let shape = Shape::of(text.as_bytes(), false).unwrap();
        let wrapper = find(&shape)?;
        let mut payloads = Vec::new();
        let mut inner = |payload: &[u8]| payloads.push(String::from_utf8_lossy(payload).into_owned());
        wrapper.peel_alone(&shape, &mut inner).unwrap();
        Some((wrapper.name, payloads))
    }

    #[test]
    fn names_are_unique_and_documented() {
        for (at, wrapper) in ALL.iter().enumerate() {
            assert!(ALL[..at].iter().all(|other| other.name != wrapper.name), "{}", wrapper.name);
            assert!(wrapper.summary.len() > 10, "{}", wrapper.name);
        }
    }

    #[test]
    fn lists_are_those_of_wrappers_and_parted_where_nothing_else_would_be_told_twice() {
        for (name, _) in LISTS {
            assert!(ALL.iter().any(|wrapper| wrapper.name == *name), "{name}");
        }
        for start in [
            "[",
            "{\"Records\": [",
            "{\"records\":[",
            "{\"requestId\":\"r\",\"records\":[",
            "{\"object\":\"page\",\"data\":[",
            "{\"success\":true,\"result\":[",
            "{\"messageType\":\"DATA_MESSAGE\",\"subscriptionFilters\":[1],\"logEvents\":[",
            "{\"receivedMessages\":[",
        ] {
            assert!(may_be_parted(start.as_bytes()), "{start}");
        }
        for start in [
            "{\"other\":[",
            "{\"result\":[",
            "{\"logEvents\":[",
            "{\"Records\":[1],\"records\":[",
            "{\"data\":[1],\"meta\":[",
            "{\"records\":1,\"model\":[",
            "{\"eventSource\":\"s\",\"records\":[",
        ] {
            assert!(!may_be_parted(start.as_bytes()), "{start}");
        }
    }

    #[test]
    fn every_broken_part_is_told_however_many_there_are() {
        for count in [1, 2, 2000] {
            let list = vec!["7"; count].join(",");
            let topics = format!(r#"{{"eventSource":"s","records":{{"a":[{list}],"b":[{list}]}}}}"#);
            for (text, expected) in [(format!(r#"{{"records":[{list}]}}"#), count), (topics, 2 * count)] {
                let shape = Shape::of(text.as_bytes(), false).unwrap();
                let faults = find(&shape).unwrap().peel_alone(&shape, &mut |_| {}).unwrap_err();
                assert_eq!(faults.each().count(), expected);
            }
        }
    }

    #[test]
    fn ordinary_records_are_not_wrapped() {
        for text in [
            r#"{"timestamp":"2026-06-05T04:06:35Z","api_key_prefix":"...18b8","model":"gpt-4o"}"#,
            "hello",
            "[1,2",
            "2026-06-05",
        ] {
            assert_eq!(peel(text), None, "{text}");
        }
    }
}
