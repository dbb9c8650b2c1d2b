//! Markdown for people in a chat: what happened, to which key, what it cost, what to do.

use super::table::Encoding;
use super::view::{View, shown};
use crate::shard::Event;
use std::fmt::Write;

pub(super) const ENCODING: Encoding = Encoding {
    name: "markdown",
    summary: "Markdown for people, a few lines each and an empty one between",
    media_type: "text/markdown; charset=utf-8",
    is_json: false,
    write,
};

fn write(event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(text, "**{}** {}", escaped(&headline(&view)), escaped(view.title));
    let _ = writeln!(text, "{}", escaped(view.description));
    for (name, value) in facts(&view) {
        let _ = writeln!(text, "- {name}: {}", escaped(&value));
    }
    if !view.is_over {
        for (number, step) in (1..).zip(view.next_steps) {
            let _ = writeln!(text, "{number}. {}", escaped(step));
        }
    }
    text.push('\n');
    out.extend_from_slice(text.as_bytes());
}

/// `CRITICAL incident, open`: the first words, by which people decide whether to read on.
pub fn headline(view: &View<'_>) -> String {
    format!("{} {}, {}", view.severity.label().to_uppercase(), view.event, view.status)
}

/// What a person wants to know besides the sentence, by name.
pub fn facts(view: &View<'_>) -> Vec<(&'static str, String)> {
    let requests = view.requests.map_or(String::new(), |count| count.to_string());
    let mut addresses: Vec<&str> = view.source_ips.iter().take(ADDRESSES_MAX).copied().collect();
    if view.source_ips.len() > ADDRESSES_MAX {
        addresses.push("…");
    }
    let theft = view.theft.get(..8).unwrap_or_default();
    let others =
        if view.is_shared { format!("he is new at some, too (theft {theft})") } else { String::new() };
    let facts = [
        ("key", view.key()),
        ("cost", format!("${:.2}", view.cost_usd)),
        ("requests", requests),
        ("from", addresses.join(", ")),
        ("since", view.first.to_string()),
        ("reason", view.reason.to_owned()),
        ("other keys", others),
        ("id", format!("{} ({})", view.id, view.rule)),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Addresses that a message names.
const ADDRESSES_MAX: usize = 5;

/// A text in which nothing acts and nothing is taken for Markdown or a link: a backslash stands before what would be.
pub fn escaped(text: &str) -> String {
    let text = shown(text);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let before = &text[..at];
        let is_mark = match c {
            '-' | '+' | '=' => before.is_empty(),
            // A list with numbers begins so.
            ')' => is_number(before),
            '.' => is_number(before) || before.to_ascii_lowercase().ends_with("www"),
            ':' => chars.peek().is_some_and(|(_, next)| *next == '/'),
            c => MARKS.contains(c),
        };
        if is_mark {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What is a mark wherever it stands.
const MARKS: &str = "\\`*_[]<>~|&#!@$";

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::examples::{events, unshown, with_texts, written};
    use crate::encode::is_invisible;
    use proptest::prelude::*;

    /// What a reader of Markdown makes of a line without marks: the escapes of CommonMark taken off.
    fn read(line: &str) -> String {
        let mut out = String::new();
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            assert!(!MARKS.contains(c) || c == '\\', "a bare mark in {line}");
            out.push(if c == '\\' { chars.next().unwrap() } else { c });
        }
        out
    }

    #[test]
    fn only_marks_are_escaped() {
        for (text, told) in [
            ("it's 3.5 (a-b), https://h/ and WWW.h", "it's 3.5 (a-b), https\\://h/ and WWW\\.h"),
            ("- no list", "\\- no list"),
            ("12. no list", "12\\. no list"),
            ("[x](y) **b** <!z>", "\\[x\\](y) \\*\\*b\\*\\* \\<\\!z\\>"),
            ("a\nb\\", "a\\\\nb\\\\\\\\"),
        ] {
            assert_eq!(escaped(text), told);
        }
    }

    #[test]
    fn steps_are_told_while_there_is_something_to_do() {
        for event in events() {
            let text = written(write, &event);
            let view = View::of(&event).unwrap();
            assert_eq!(text.contains("\n1. "), !view.is_over, "{text}");
            assert!(text.contains("\n- key: ") && text.ends_with("\n\n"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn hostile_texts_are_texts(text in any::<String>(), alias in "[ -~*_`@<>\n]{1,30}") {
            for event in with_texts(&text, &alias) {
                let told = written(write, &event);
                prop_assert!(!told.chars().any(|c| is_invisible(c) && c != '\n'));
                let mut lines = told.lines();
                prop_assert_eq!(unshown(&read(lines.nth(1).unwrap())), text.clone());
                let key = lines.next().unwrap().strip_prefix("- key: ").unwrap().to_owned();
                prop_assert_eq!(unshown(&read(&key)), format!("...3f9c ({alias})"));
            }
        }
    }
}
