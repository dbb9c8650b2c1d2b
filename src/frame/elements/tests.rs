//! Lists over the limit, and what comes of their elements however the bytes come.

use crate::frame::document::tests::{frames_of, pretty};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The frames of an input with a limit of 60 bytes, and how many were over it; the same in pieces of any size.
fn frames(input: &str) -> (Vec<(usize, String)>, u32) {
    frames_within(60, input)
}

/// The same with another limit.
fn frames_within(bytes_max: usize, input: &str) -> (Vec<(usize, String)>, u32) {
    let whole = frames_of(input.as_bytes(), &[input.len()], bytes_max);
    for size in [1, 2, 3, 7, bytes_max - 1, bytes_max, bytes_max + 1, bytes_max + 2, 100] {
        assert_eq!(frames_of(input.as_bytes(), &[size], bytes_max), whole, "{input} in pieces of {size}");
    }
    whole
}

#[track_caller]
fn check(input: &str, expected: &[(usize, &str)], oversize: u32) {
    let expected: Vec<_> = expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
    assert_eq!(frames(input), (expected, oversize), "{input}");
}

const A: &str = r#"{"a":"111111"}"#;
const B: &str = r#"{"b":"2222222222222"}"#;

#[test]
fn elements_are_given_out_in_their_envelope() {
    check(
        &format!("{{\"Records\":[{A},{B},{B},{A}]}}\n{A}\n"),
        &[(1, &format!("{{\"Records\":[{A},{B}]}}")), (1, &format!("{{\"Records\":[{B},{A}]}}")), (2, A)],
        0,
    );
    check(&format!("[{B}, {B} ,\n{B}\n,{A}]"), &[(2, &format!("[{B},{B}]")), (3, &format!("[{B},{A}]"))], 0);
    check(
        &format!("{{\n\"Records\": [\n  {B},\n  {B},\n  {B}\n]\n}}\n{A}\n"),
        &[(5, &format!("{{\"Records\":[{B},{B}]}}")), (7, &format!("{{\"Records\":[{B}]}}")), (8, A)],
        0,
    );
}

#[test]
fn what_stands_beside_the_list_is_kept() {
    check(
        &format!("{{\"object\":\"list\",\"data\":[{B},{B},{A}],\"has_more\":true}} {A}\n"),
        &[
            (1, &format!("{{\"object\":\"list\",\"data\":[{B}]}}")),
            (1, &format!("{{\"object\":\"list\",\"data\":[{B}]}}")),
            (1, &format!("{{\"object\":\"list\",\"data\":[{A}]}}")),
            (1, "{\"object\":\"list\",\"data\":[],\"has_more\":true}"),
            (1, A),
        ],
        0,
    );
    // What is too long behind it is told.
    let long = "x".repeat(60);
    check(
        &format!("{{\"Records\":[{A}],\"region\":\"{long}\"}}\n{A}\n"),
        &[(1, &format!("{{\"Records\":[{A}]}}")), (2, A)],
        1,
    );
}

#[test]
fn an_element_that_is_too_long_or_broken_costs_itself() {
    let long = format!("{{\"c\":\"{}\"}}", "x".repeat(60));
    for break_ in ["", "\n"] {
        let (frames, oversize) = frames(&format!("[{A},{break_}{long},{break_}{B},{break_}{long}]\n{A}\n"));
        let texts: Vec<_> = frames.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!((texts, oversize), (vec![&*format!("[{A}]"), &*format!("[{B}]"), A], 2));
    }
    check(
        &format!("[{A},{{\"b\" 2}},{A},,{B},{A},]\n"),
        &[
            (1, &format!("[{A}]")),
            (1, "[{\"b\" 2}]"),
            (1, &format!("[{A}]")),
            (1, "[,]"),
            (1, &format!("[{B},{A}]")),
        ],
        0,
    );
}

#[test]
fn of_a_list_without_an_end_the_elements_are_kept_and_the_tear_is_told() {
    for (torn, rest) in [
        (",{\"c\":", "{\"Records\":[{\"c\":"),
        (",{\"c\":\"", "{\"Records\":[{\"c\":\""),
        (",", "{\"Records\":["),
        ("", "{\"Records\":["),
    ] {
        let (frames, oversize) = frames(&format!("{{\"Records\":[{A},{B},{A}{torn}\nplain\n"));
        let texts: Vec<_> = frames.iter().map(|(_, text)| text.as_str()).collect();
        let (first, second) = (format!("{{\"Records\":[{A},{B}]}}"), format!("{{\"Records\":[{A}]}}"));
        assert_eq!((texts, oversize), (vec![&*first, &*second, rest, "plain"], 0), "{torn}");
    }
    check(
        &format!("[{B},{B},{B},{A}}}, {A}]\n{A}\n"),
        &[
            (1, &format!("[{B},{B}]")),
            (1, &format!("[{B},{A}]")),
            (1, "["),
            (1, &format!("}}, {A}]")),
            (2, A),
        ],
        0,
    );
}

#[test]
fn what_is_no_list_of_records_stays_one_reject() {
    let numbers = "1,".repeat(60);
    for text in [
        format!("[{numbers}1]"),
        format!("{{\"other\":[{B},{B},{B}]}}"),
        format!("{{\"logEvents\":[{B},{B}],\"messageType\":\"DATA_MESSAGE\"}}"),
        format!("{{\"requestId\":\"{}\",\"records\":[{B},{B},{B}]}}", "x".repeat(30)),
        format!("{{\"Records\":{{\"a\":[{B},{B},{B}]}}}}"),
    ] {
        check(&format!("{text}\n{A}\n"), &[(2, A)], 1);
    }
}

#[test]
fn an_element_over_the_limit_that_is_a_list_itself_is_taken_apart() {
    const START: &str = r#"{"start_time":1,"end_time":2,"results":["#;
    const R: &str = r#"{"r":"33333333333333333333"}"#;
    #[track_caller]
    fn check(input: &str, expected: &[&str], oversize: u32) {
        let (found, counted) = frames_within(100, input);
        let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!((texts, counted), (expected.to_vec(), oversize), "{input}");
    }
    let bucket = |results: &[&str]| format!("{START}{}]}}", results.join(","));
    let (four, two, one) = (bucket(&[R; 4]), &*bucket(&[R; 2]), &*bucket(&[R]));
    // In a page, alone, in a list, and in pages of a list.
    for (before, behind) in [("{\"data\":[", "]}"), ("", ""), ("[", "]"), ("[{\"data\":[", "]}]")] {
        check(&format!("{before}{four}{behind}\n{A}\n"), &[two, two, A], 0);
    }
    let page = format!("{{\"data\":[{A}]}}");
    let rest = "{\"data\":[],\"more\":1}";
    check(
        &format!("{{\"data\":[{A}, {four} ,{A},{four}],\"more\":1}}\n{A}\n"),
        &[&page, two, two, &page, two, two, rest, A],
        0,
    );
    // A result that is too long costs itself, and so does a bucket of which no times are known.
    let long = format!("{{\"c\":\"{}\"}}", "x".repeat(100));
    check(&format!("{{\"data\":[{},{A}]}}\n", bucket(&[R, &long, R])), &[one, one, &page], 1);
    check(&format!("{{\"data\":[{{\"results\":[{R},{R},{R},{R}]}},{A}]}}\n"), &[&page], 1);
    // Of one that does not end, the results are kept and the tear is told.
    let torn = format!("{START}{{\"a\"");
    check(&format!("{{\"data\":[{START}{R},{R},{R},{{\"a\"\n"), &[two, one, &torn], 0);
}

fn records() -> impl Strategy<Value = Vec<Value>> {
    let record = ("[a-z\"\\\\\n,\\[{}\\] ]{0,40}", any::<i32>(), prop::collection::vec("[a-z]{0,6}", 0..4));
    prop::collection::vec(
        record.prop_map(|(text, number, list)| json!({"t": text, "n": number, "l": list})),
        1..12,
    )
}

proptest! {
    #[test]
    fn every_element_within_the_limit_is_given_out_once_and_in_order(
        records in records(),
        name in prop::option::of(prop_oneof![Just("Records"), Just("data")]),
        indent in prop::option::of(0_usize..4),
        bytes_max in 40_usize..200,
        sizes in prop::collection::vec(1_usize..80, 1..5),
    ) {
        let document = name.map_or_else(|| json!(records), |name| json!({name: records}));
        let compact = document.to_string();
        let input = match indent {
            Some(indent) => pretty(&document, &b"    "[..indent]),
            None => compact.clone(),
        };
        let input = format!("{input}\n{{\"z\":1}}\n");
        let (found, oversize) = frames_of(input.as_bytes(), &[input.len()], bytes_max);
        prop_assert_eq!(frames_of(input.as_bytes(), &sizes, bytes_max), (found.clone(), oversize));

        let around = name.map_or(2, |name| name.len() + 7);
        let fits = |record: &&Value| compact.len() <= bytes_max || record.to_string().len() + around <= bytes_max;
        let expected: Vec<Value> = records.iter().filter(fits).cloned().collect();
        let mut elements = Vec::new();
        let (last, parts) = found.split_last().unwrap();
        for (_, part) in parts {
            prop_assert!(part.len() <= bytes_max);
            let part: Value = serde_json::from_str(part).unwrap();
            let list = name.map_or(&part, |name| &part[name]);
            elements.extend(list.as_array().unwrap().iter().cloned());
        }
        prop_assert_eq!(last, &(input.lines().count(), "{\"z\":1}".to_owned()));
        prop_assert_eq!(&elements, &expected);
        prop_assert_eq!(oversize as usize, records.len() - expected.len());
    }
}
