//! Inputs of all kinds, and what is framed of them however their bytes come.

use super::*;
use crate::frame::Framer;
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What is framed of an input that comes in pieces of these sizes: frames that are not empty, by line, and how
/// many were over the limit.
pub(in crate::frame) fn frames_of(
    input: &[u8],
    sizes: &[usize],
    bytes_max: usize,
) -> (Vec<(usize, String)>, u32) {
    let mut framer = Framer::new(bytes_max);
    let mut buffer = BytesMut::new();
    let (mut found, mut oversize, mut number) = (Vec::new(), 0, 0);
    let mut take = |block: Block| {
        oversize += block.oversize;
        for line in block.lines() {
            number += 1;
            let (long, pieces): (Vec<_>, Vec<_>) =
                line.split(|&byte| byte == 0).partition(|piece| piece.len() > bytes_max);
            oversize += u32::try_from(long.len()).unwrap();
            let pieces = pieces.into_iter().filter(|piece| !piece.trim_ascii().is_empty());
            found.extend(pieces.map(|piece| (number, String::from_utf8_lossy(piece).trim().to_owned())));
        }
        number -= usize::from(block.is_open());
    };
    let mut rest = input;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| *size).clamp(1, rest.len());
        buffer.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        while let Some(block) = framer.next(&mut buffer) {
            take(block);
        }
    }
    while let Some(block) = framer.finish(&mut buffer) {
        take(block);
    }
    (found, oversize)
}

/// The frames of an input with their lines; the same whatever the sizes of the pieces.
fn frames(input: &str) -> Vec<(usize, String)> {
    let whole = frames_of(input.as_bytes(), &[input.len()], 1000);
    for sizes in [&[1][..], &[3, 7], &[20]] {
        assert_eq!(frames_of(input.as_bytes(), sizes, 1000), whole, "{input}");
    }
    assert_eq!(whole.1, 0);
    whole.0
}

#[track_caller]
fn check(input: &str, expected: &[(usize, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
    assert_eq!(frames(input), expected, "{input}");
}

#[test]
fn a_document_stands_on_the_line_on_which_it_ends() {
    check("{\n  \"a\": [\n    1,\n    2\n  ]\n}\n{\"b\":1}\n", &[(6, r#"{"a":[1,2]}"#), (7, r#"{"b":1}"#)]);
    check("[\n{\"a\":1},\n{\"a\":2}\n]\n", &[(4, r#"[{"a":1},{"a":2}]"#)]);
    check("{\"b\":1}\n{ \"a\":\n\n1 }\n", &[(1, r#"{"b":1}"#), (4, r#"{"a":1}"#)]);
    check("{\"a\": {\"b\": 1}\r\n, \"c\": 2}\r\nplain\r\n", &[(2, r#"{"a":{"b":1},"c":2}"#), (3, "plain")]);
    check("\u{feff}{\r\n\"a\":1\r\n}", &[(3, r#"{"a":1}"#)]);
    check("[{\n  \"a\": 1\n},\n{\n  \"a\": 2\n}]\n", &[(6, r#"[{"a":1},{"a":2}]"#)]);
    check(
        "{\"data\":[\n{\"a\":1},\n{\"a\":2}\n],\"more\":false}\n",
        &[(4, r#"{"data":[{"a":1},{"a":2}],"more":false}"#)],
    );
}

#[test]
fn documents_may_follow_one_another_without_a_line_feed() {
    check(
        "{\n\"a\":1\n}{\n\"a\":2\n}  {\n\"a\":3\n}",
        &[(3, r#"{"a":1}"#), (5, r#"{"a":2}"#), (7, r#"{"a":3}"#)],
    );
    check(
        "{\"a\":1}{\"a\": 2} \t{\"a\":3}\n{\"b\":1}\n",
        &[(1, r#"{"a":1}"#), (1, r#"{"a": 2}"#), (1, r#"{"a":3}"#), (2, r#"{"b":1}"#)],
    );
    check("{\"a\":1}{\"a\":2}{\n\"a\":3}\n", &[(1, r#"{"a":1}"#), (1, r#"{"a":2}"#), (2, r#"{"a":3}"#)]);
    check("{\"a\":\"} {\"}\n{\"a\":\"}{\"} x\n", &[(1, r#"{"a":"} {"}"#), (2, r#"{"a":"}{"} x"#)]);
    check("{\"a\":1}{\"a\":", &[(1, r#"{"a":1}"#), (1, r#"{"a":"#)]);
    check("{\"a\":1}{\"a\":\"x\n{\"b\":1}\n", &[(1, r#"{"a":1}"#), (1, r#"{"a":"x"#), (2, r#"{"b":1}"#)]);
}

#[test]
fn last_commas_are_dropped() {
    check("{\n  \"a\": [1, 2, ],\n  \"b\": \", }\",\n}\n", &[(4, r#"{"a":[1,2],"b":", }"}"#)]);
    // On one line they are told of, as ever.
    check("{\"a\":1,}\n", &[(1, r#"{"a":1,}"#)]);
}

#[test]
fn a_torn_document_costs_only_itself() {
    let whole = "{\n  \"c\": 3\n}\n";
    for (torn, frame, line) in [
        ("{\n  \"a\": 1,\n", r#"{"a":1"#, 2),
        ("{\n  \"a\": [\n    {\"b\": 1},\n", r#"{"a":[{"b":1}"#, 3),
        ("{\n  \"a\":\n", r#"{"a":"#, 2),
        ("{\n  \"a\": \"x\n", r#"{  "a": "x"#, 2),
        ("{\n  \"a\": 1\n", r#"{"a":1"#, 2),
        ("{\n", "{", 1),
        ("{\"a\":1,\n", r#"{"a":1,"#, 1),
        ("{\"a\":\n", r#"{"a":"#, 1),
        ("{\"a\":{\"b\":1}\n", r#"{"a":{"b":1}"#, 1),
        ("[\n  {\n    \"a\": 1\n  },\n", r#"[{"a":1}"#, 4),
        ("[\n  1,\n  2}\n", "[1  2}", 3),
    ] {
        let end = torn.matches('\n').count() + 3;
        check(&format!("{torn}{whole}"), &[(line, frame), (end, r#"{"c":3}"#)]);
        check(&format!("{torn}{{\"c\":3}}\n"), &[(line, frame), (end - 2, r#"{"c":3}"#)]);
        check(&format!("{torn}plain text\n"), &[(line, frame), (end - 2, "plain text")]);
        check(torn, &[(line, frame)]);
    }
}

#[test]
fn a_torn_document_stands_on_its_last_line_that_is_not_blank() {
    check("{\"a\":[1]\n\n \nplain\n", &[(1, r#"{"a":[1]"#), (4, "plain")]);
    check("{\n\"a\":[1]\n\n \n}\nplain\n", &[(5, r#"{"a":[1]}"#), (6, "plain")]);
    check("{\n\"a\":[1]\n\n \n{}\n", &[(2, r#"{"a":[1]"#), (5, "{}")]);
}

#[test]
fn a_stray_bracket_swallows_nothing() {
    for bracket in ["{", "[", "  {", "[ "] {
        for line in [
            "plain text",
            "{\"c\":3}",
            "2026-06-02T09:15:00Z stdout F {\"c\":3}",
            "Jun  2 09:15:00 host app: {}",
            "<13>{}",
            "\"x\" y",
            "level=info",
        ] {
            let text = format!("{line}\n{line}\n{bracket}\n{line}\n{line}\n");
            let expected = [(1, line), (2, line), (3, bracket.trim()), (4, line), (5, line)];
            // What may be a list is one to the first line that shows that it is none.
            let found = frames(&text);
            let texts = |frames: &[(usize, &str)]| {
                frames.iter().map(|(_, text)| (*text).to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(
                found.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>(),
                texts(&expected),
                "{text}"
            );
        }
    }
}

#[test]
fn zeros_end_a_document() {
    check("{\n  \"a\": 1,\n  \"b\0\0\0{\n  \"c\": 3\n}\n", &[(3, r#"{"a":1  "b"#), (5, r#"{"c":3}"#)]);
    check("{\"a\":\"b\0\0{\n  \"c\": 3\n}\n", &[(1, r#"{"a":"b"#), (3, r#"{"c":3}"#)]);
    check("{\"a\":1}\0{\"a\":2}{\"a\":3}\n", &[(1, r#"{"a":1}"#), (1, r#"{"a":2}"#), (1, r#"{"a":3}"#)]);
}

#[test]
fn a_document_over_the_limit_is_one_reject_and_the_next_is_found() {
    let (lines, record) = ("  \"a\": 12345678,\n".repeat(20), "{\"c\":3}");
    let (list, longest) = ("1,".repeat(60), "x".repeat(200));
    for (input, expected) in [
        (format!("{{\n{lines}  \"b\": 1\n}}\n{{\n  \"c\": 3\n}}\n"), (1, 0, 1)),
        (format!("{{\n{lines}{record}\n"), (1, 0, 1)),
        (format!("{{\"a\":[{list}1]}}{record}"), (1, 0, 1)),
        (format!("{record} {{\"a\":[{list}1]}} {record}  {record}\n"), (3, 0, 1)),
        (format!("{}\n{record}\n", record.repeat(100)), (101, 0, 0)),
        (format!("{}{{\"d\":\n", record.repeat(100)), (100, 1, 0)),
        (format!("{{\n  \"a\": \"{longest}\",\n  \"b\": 1\n}}\n{{\n  \"c\": 3\n}}\n"), (1, 0, 1)),
        (format!("{{\n  \"a\": 1, \"b\": \"{longest}\" }} {record} {record}x\n{record}\n"), (2, 1, 1)),
        (format!("{record}{{\n  \"b\":\n\"{longest}\", {longest}\n{record}\n"), (2, 0, 1)),
    ] {
        let seen = |sizes: &[usize]| {
            let (frames, oversize) = frames_of(input.as_bytes(), sizes, 100);
            let whole = frames.iter().filter(|(_, text)| text == r#"{"c":3}"#).count();
            (whole, frames.len() - whole, oversize)
        };
        assert_eq!(seen(&[input.len()]), expected, "{input}");
        for sizes in [&[1][..], &[7, 30], &[150], &[101], &[99]] {
            assert_eq!(seen(sizes), expected, "{input} in {sizes:?}");
        }
    }
}

/// JSON values as records hold them, and worse.
fn documents() -> impl Strategy<Value = Vec<Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 4.0)),
        "[ -~\\n\\t]{0,6}".prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ -~]{0,4}", inner, 0..4).prop_map(|members| json!(members)),
        ]
    });
    let document =
        prop::collection::btree_map("[ -~]{0,4}", tree.clone(), 0..5).prop_map(|members| json!(members));
    prop::collection::vec(
        prop_oneof![4 => document, 1 => prop::collection::vec(tree, 0..4).prop_map(Value::from)],
        0..6,
    )
}

pub(in crate::frame) fn pretty(document: &Value, indent: &[u8]) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent);
    serde::Serialize::serialize(document, &mut serde_json::Serializer::with_formatter(&mut out, formatter))
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_cut_from_a_line_over_the_limit_is_no_piece_of_a_container_line() {
    let line = "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"t1\"}";
    let piece = "{\"log\":\"{}\",\"stream\":\"stdout\",\"time\":\"t2\"}";
    let input = format!("{line}\n{piece}{piece}{piece}\n{line}\n");
    let (whole, _) = frames_of(input.as_bytes(), &[input.len()], 100);
    let texts: Vec<_> = whole.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, [line, piece, piece, piece, line]);
    let (other, _) = frames_of(input.as_bytes(), &[16], 100);
    assert_eq!(other.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), texts);
}

#[test]
fn documents_between_counted_messages_are_one_text_over_the_limit() {
    let input = format!("6 <1>one{}\n6 <1>two", "{\"a\": \"text\"}".repeat(10));
    for size in [input.len(), 16, 3] {
        let (found, oversize) = frames_of(input.as_bytes(), &[size], 100);
        let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!((texts, oversize), (vec!["<1>one", "<1>two"], 1), "in pieces of {size}");
    }
    // It ends the document before it, and not one behind it.
    let input = format!("6 <1>one{{\n{}\n\"b\": 1}}\n6 <1>two\n{{\n\"c\": 1}}\n", "x".repeat(120));
    let whole = frames_of(input.as_bytes(), &[input.len()], 100);
    for size in [16, 3] {
        let found = frames_of(input.as_bytes(), &[size], 100);
        let texts =
            |frames: &[(usize, String)]| frames.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
        assert_eq!((texts(&found.0), found.1), (texts(&whole.0), 1), "in pieces of {size}");
    }
}

proptest! {
    #[test]
    fn printing_over_several_lines_changes_nothing(
        documents in documents(),
        indent in 0_usize..5,
        are_mixed in any::<bool>(),
        is_parted in any::<bool>(),
        sizes in prop::collection::vec(1_usize..60, 1..5),
    ) {
        let mut input = String::new();
        for (number, document) in documents.iter().enumerate() {
            let is_compact = are_mixed && number % 2 == 1;
            input += &if is_compact { document.to_string() } else { pretty(document, &b"    "[..indent]) };
            let are_objects = document.is_object() && documents.get(number + 1).is_some_and(Value::is_object);
            if is_parted || !are_objects {
                input += "\n";
            }
        }
        let expected: Vec<String> = documents.iter().map(Value::to_string).collect();
        for sizes in [&[input.len()][..], &sizes] {
            let (frames, oversize) = frames_of(input.as_bytes(), sizes, 1 << 20);
            // A document that has no line feeds in it is as it was printed.
            let compact = |text: &String| serde_json::from_str::<Value>(text).unwrap().to_string();
            let found: Vec<String> = frames.iter().map(|(_, text)| compact(text)).collect();
            prop_assert_eq!((&found, oversize), (&expected, 0));
        }
    }

    #[test]
    fn counting_brackets_says_of_no_open_document_that_it_ends(
        pieces in prop::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just("\""), Just("\\"), Just(","), Just("\n"), Just("\0"), Just("1"),
            Just("\"a\":"), Just("{}"), Just("\x7f"), Just("a text that is longer than others "),
        ], 0..60),
    ) {
        let text = ["{", &pieces.concat()].concat();
        let step = Tracker::default().read(text.as_bytes(), &mut |_| {});
        prop_assert_eq!(is_open(text.as_bytes()), opens(text.as_bytes()) && step == Step::Inside, "{}", text);
    }

    #[test]
    fn the_way_the_bytes_come_does_not_matter(
        pieces in prop::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just("\""), Just("\\"), Just(","), Just(":"), Just("\n"), Just(" "),
            Just("\0"), Just("1"), Just("a"), Just("{\"a\":"), Just("\n  "), Just("\"b\": 2"), Just("{}"), Just("\r\n"),
        ], 0..60),
        sizes in prop::collection::vec(1_usize..20, 1..5),
        bytes_max in 8_usize..64,
    ) {
        let input = pieces.concat();
        let whole = frames_of(input.as_bytes(), &[input.len().max(1)], bytes_max);
        prop_assert_eq!(frames_of(input.as_bytes(), &sizes, bytes_max), whole);
    }
}
