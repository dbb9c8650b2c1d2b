//! The table of encodings: what an event may look like. One file and one row each.

use super::{cef, ecs, event, gelf, leef, markdown, ocsf, sigma};
use crate::shard::Event;

/// A form in which events are written.
#[derive(Debug)]
pub struct Encoding {
    /// Its name in the configuration and on the command line.
    pub name: &'static str,
    /// What people read about it.
    pub summary: &'static str,
    /// What it is called over HTTP, one event a line.
    pub media_type: &'static str,
    /// Whether it is one object of JSON.
    pub is_json: bool,
    /// Appends an event, with a line break behind it. Of what nobody is told it appends nothing.
    pub write: fn(&Event, &mut Vec<u8>),
}

/// All of them, our own first.
pub const ALL: &[Encoding] = &[
    event::ENCODING,
    ocsf::ENCODING,
    ocsf::ENCODING_1_8,
    ecs::ENCODING,
    cef::ENCODING,
    leef::ENCODING,
    gelf::ENCODING,
    sigma::ENCODING,
    markdown::ENCODING,
];

/// Our own: all that is known.
pub const NATIVE: &Encoding = &ALL[0];

/// The encoding of this name.
pub fn find(name: &str) -> Option<&'static Encoding> {
    ALL.iter().find(|encoding| encoding.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done about a key is told in every form; in ours, and in no other, with all that is known.
    #[test]
    fn steps_of_containment_are_told_in_every_form() {
        let about = crate::contain::About::from(&crate::encode::examples::incident());
        let step = crate::contain::Step::Done;
        let deed = crate::contain::Deed::new(
            &about,
            ("block", "litellm_block"),
            step,
            about.at,
            "it was done".to_owned(),
        );
        let event = Event::Containment(Box::new(deed));
        for encoding in ALL {
            let mut out = Vec::new();
            (encoding.write)(&event, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert!(text.ends_with('\n') && text.contains("it was done"), "{}: {text}", encoding.name);
            assert!(!encoding.is_json || serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn names_are_names_and_told_once() {
        for (number, encoding) in ALL.iter().enumerate() {
            assert!(
                encoding.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
                "{}",
                encoding.name
            );
            assert!(!encoding.summary.is_empty() && encoding.media_type.contains('/'));
            assert!(ALL[..number].iter().all(|other| other.name != encoding.name));
        }
        assert_eq!((NATIVE.name, find("json").unwrap().name), ("json", "json"));
    }
}
