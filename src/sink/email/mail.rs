//! A mail as it is sent: headers and two renderings of the same words, plain and HTML. Pure.
//!
//! No text from outside can begin a header or a part: bodies are base64, and a subject is either plain ASCII without anything
//! that acts, or an encoded word.

use crate::encode::{Visible, is_invisible};
use crate::sink::carrier::{Batch, short};
use crate::sink::message::Message;
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Characters of a subject.
const SUBJECT_MAX: usize = 200;
/// Bytes of a text that one encoded word holds (RFC 2047 allows 75 characters for all of it).
const WORD_BYTES: usize = 42;
/// Characters of a line in base64 (RFC 2045).
const LINE: usize = 76;

/// An event as it waits in the outbox.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// The id of all its revisions.
    pub id: String,
    /// How bad, from 0 to 3.
    pub rank: u8,
    /// What may be shown of the key.
    pub key: String,
    /// The first line.
    pub title: String,
    /// The sentence.
    pub text: String,
    /// What is known, by name.
    pub facts: Vec<(String, String)>,
    /// What to do.
    pub steps: Vec<String>,
}

impl Note {
    /// Of a message.
    pub fn of(id: String, key: &str, rank: u8, message: Message) -> Self {
        let Message { title, text, facts, steps } = message;
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { id, rank, key: Visible(key).to_string(), title, text, facts, steps }
    }
}

/// Who writes to whom.
pub struct Envelope<'a> {
    /// The sender.
    pub from: &'a str,
    /// The receivers.
    pub to: &'a [String],
    /// When.
    pub now: Timestamp,
    /// What is said besides, such as that there will be no other for a while.
    pub remark: Option<String>,
}

/// The mail with these events, with its lines ended as SMTP wants it.
pub fn compose(envelope: &Envelope<'_>, batch: &Batch) -> Vec<u8> {
    let notes: Vec<Note> =
        batch.parcels.iter().filter_map(|parcel| serde_json::from_slice(&parcel.bytes).ok()).collect();
    let domain = envelope.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let mut head = Head::default();
    head.line("From", envelope.from);
    head.line("To", &envelope.to.join(",\r\n "));
    head.line("Date", &date(envelope.now));
    head.line("Subject", &subject(&notes));
    let name = match &batch.parcels[..] {
        [only] => only.name.clone(),
        _ => format!("digest.{}", batch.key),
    };
    head.line("Message-ID", &format!("<{name}@{domain}>"));
    if let [note] = &notes[..]
        && name != format!("{}.0", note.id)
    {
        // All revisions stand below the first.
        let first = format!("<{}.0@{domain}>", note.id);
        head.line("In-Reply-To", &first);
        head.line("References", &first);
    }
    if notes.iter().any(|note| note.rank >= 3) {
        head.line("Importance", "high");
    }
    // No answer of a machine is wanted.
    head.line("Auto-Submitted", "auto-generated");
    head.line("X-Auto-Response-Suppress", "All");
    let names: Vec<&str> = batch.parcels.iter().map(|parcel| parcel.name.as_str()).collect();
    head.line("X-Keyhound-Events", &names.join(",\r\n "));
    head.line("MIME-Version", "1.0");
    // A line of base64 has no `_`, so none is a boundary.
    let boundary = format!("=_{}", batch.key);
    head.line("Content-Type", &format!("multipart/alternative;\r\n boundary=\"{boundary}\""));
    let mut mail = head.0 + "\r\n";
    let remark = envelope.remark.as_deref();
    for (kind, body) in [("plain", plain(&notes, remark)), ("html", html(&notes, remark))] {
        // Writing to a text cannot fail.
        let _ = write!(
            mail,
            "--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        );
        let coded = STANDARD.encode(body);
        for line in coded.as_bytes().chunks(LINE) {
            mail.push_str(std::str::from_utf8(line).unwrap_or_default());
            mail.push_str("\r\n");
        }
    }
    let _ = write!(mail, "--{boundary}--\r\n");
    mail.into_bytes()
}

/// Headers, of which values are our own or made harmless.
#[derive(Default)]
struct Head(String);

impl Head {
    fn line(&mut self, name: &str, value: &str) {
        // Writing to a text cannot fail.
        let _ = write!(self.0, "{name}: {value}\r\n");
    }
}

fn date(now: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(now.0.div_euclid(1_000_000_000)).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

fn subject(notes: &[Note]) -> String {
    let worst = notes.iter().max_by_key(|note| note.rank);
    let title = worst.map_or_else(String::new, |note| format!("{} ({})", note.title, note.key));
    let text = match notes.len() {
        0 | 1 => format!("[keyhound] {title}"),
        count => format!("[keyhound] {count} at once, the worst: {title}"),
    };
    words(&short(&text.chars().filter(|letter| !is_invisible(*letter)).collect::<String>(), SUBJECT_MAX))
}

/// A text for a header: as it is where that is safe, else in encoded words.
fn words(text: &str) -> String {
    let is_plain =
        text.len() <= 60 && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains("=?");
    if is_plain {
        return text.to_owned();
    }
    let mut coded = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if word.len() + letter.len_utf8() > WORD_BYTES {
            coded.push(std::mem::take(&mut word));
        }
        word.push(letter);
    }
    coded.push(word);
    let coded: Vec<String> =
        coded.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    coded.join("\r\n ")
}

fn plain(notes: &[Note], remark: Option<&str>) -> String {
    let mut text = String::new();
    for note in notes {
        let facts = note.facts.iter().map(|(name, value)| format!("{name}: {value}"));
        let lines =
            [note.title.clone(), note.text.clone()].into_iter().chain(facts).chain(note.steps.clone());
        for line in lines {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
    }
    if let Some(remark) = remark {
        text.push_str(remark);
        text.push_str("\r\n\r\n");
    }
    text + "-- \r\nkeyhound\r\n"
}

fn html(notes: &[Note], remark: Option<&str>) -> String {
    const COLOURS: [&str; 4] = ["#57606a", "#9a6700", "#bc4c00", "#cf222e"];
    let mut page =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>keyhound</title></head>\n\
                    <body style=\"font: 14px/1.5 sans-serif; color: #1f2328; max-width: 44em\">\n"
            .to_owned();
    for note in notes {
        let colour = COLOURS[usize::from(note.rank).min(COLOURS.len() - 1)];
        // Writing to a text cannot fail.
        let _ = write!(
            page,
            "<h2 style=\"font-size: 16px; border-left: 4px solid {colour}; padding-left: 8px\">{}</h2>\n<p>{}</p>\n",
            escaped(&note.title),
            escaped(&note.text)
        );
        page.push_str("<table style=\"border-collapse: collapse\">\n");
        for (name, value) in &note.facts {
            let _ = writeln!(
                page,
                "<tr><th style=\"text-align: left; padding: 2px 12px 2px 0; color: #57606a; font-weight: normal; vertical-align: top\">{}</th><td>{}</td></tr>",
                escaped(name),
                escaped(value)
            );
        }
        page.push_str("</table>\n");
        for step in &note.steps {
            let _ = writeln!(page, "<p style=\"margin: 4px 0\">{}</p>", escaped(step));
        }
    }
    if let Some(remark) = remark {
        let _ = writeln!(page, "<p style=\"color: #57606a\">{}</p>", escaped(remark));
    }
    page + "</body></html>\n"
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in Visible(text).to_string().chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::carrier::Parcel;
    use proptest::prelude::*;

    fn note(title: &str, text: &str) -> Note {
        let facts = vec![("key".to_owned(), text.to_owned())];
        Note {
            id: "a".to_owned(),
            key: title.to_owned(),
            rank: 3,
            title: title.to_owned(),
            text: text.to_owned(),
            facts,
            steps: vec![],
        }
    }

    fn mail(notes: &[(&str, Note)]) -> String {
        let parcels = notes.iter().map(|(name, note)| Parcel {
            name: (*name).to_owned(),
            bytes: serde_json::to_vec(note).unwrap().into(),
        });
        let batch = Batch { key: "0".repeat(32), parcels: parcels.collect() };
        let to = ["soc@example.org".to_owned()];
        let envelope = Envelope { from: "keyhound@example.org", to: &to, now: Timestamp(1), remark: None };
        String::from_utf8(compose(&envelope, &batch)).unwrap()
    }

    fn header<'a>(mail: &'a str, name: &str) -> Option<&'a str> {
        mail.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[test]
    fn the_same_event_has_the_same_name_and_revisions_stand_together() {
        let first = mail(&[("a.0", note("x", "y"))]);
        assert_eq!(header(&first, "Message-ID"), Some("<a.0@example.org>"));
        assert_eq!(header(&first, "References"), None);
        let next = mail(&[("a.2", note("x", "y"))]);
        assert_eq!(header(&next, "Message-ID"), Some("<a.2@example.org>"));
        assert_eq!(header(&next, "In-Reply-To"), Some("<a.0@example.org>"));
        let both = mail(&[("a.0", note("x", "y")), ("b.1", note("z", "y"))]);
        assert_eq!(
            header(&both, "Message-ID"),
            Some("<digest.00000000000000000000000000000000@example.org>")
        );
        assert_eq!(header(&both, "Date"), Some("Thu, 01 Jan 1970 00:00:00 +0000"));
        assert!(both.contains("X-Keyhound-Events: a.0,\r\n b.1\r\n"), "{both}");
    }

    #[test]
    fn subjects_are_read_as_they_were_meant() {
        let coded = |text: &str| words(text);
        assert_eq!(coded("[keyhound] HIGH: x"), "[keyhound] HIGH: x");
        assert_eq!(coded("ünï"), format!("=?utf-8?B?{}?=", STANDARD.encode("ünï")));
        assert_eq!(coded("=?utf-8?B?eA==?="), format!("=?utf-8?B?{}?=", STANDARD.encode("=?utf-8?B?eA==?=")));
        let long = "ü".repeat(100);
        let decoded: String = words(&long)
            .split("\r\n ")
            .map(|word| {
                assert!(word.len() <= 75, "{word}");
                let coded = word.strip_prefix("=?utf-8?B?").unwrap().strip_suffix("?=").unwrap();
                String::from_utf8(STANDARD.decode(coded).unwrap()).unwrap()
            })
            .collect();
        assert_eq!(decoded, long);
    }

    proptest! {
        /// Whatever stands in a log: the same headers, no line that is too long or ends the mail, nothing that HTML obeys.
        #[test]
        fn no_text_from_outside_gets_out_of_its_place(title in "\\PC{0,80}|[\r\n.:a-zA-Z<>& ]{0,80}", text in any::<String>()) {
            let text = mail(&[("a.0", note(&title, &text))]);
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> =
                head.split("\r\n").filter(|line| !line.starts_with(' ')).map(|line| line.split(':').next().unwrap()).collect();
            prop_assert_eq!(names, ["From", "To", "Date", "Subject", "Message-ID", "Importance", "Auto-Submitted",
                "X-Auto-Response-Suppress", "X-Keyhound-Events", "MIME-Version", "Content-Type"]);
            prop_assert!(text.split("\r\n").all(|line| line.len() <= 100 && !line.starts_with('.') && !line.contains(['\r', '\n'])));
            prop_assert_eq!(body.matches("--=_0").count(), 3);
            let page = body.split("text/html").nth(1).unwrap().split("\r\n\r\n").nth(1).unwrap();
            let page: String = page.split("\r\n").take_while(|line| !line.starts_with("--")).collect();
            let page = String::from_utf8(STANDARD.decode(page).unwrap()).unwrap();
            prop_assert_eq!(page.matches('<').count(), 22);
        }
    }
}
