//! The reader against `serde_json`, and against its own promises.

use super::*;
use proptest::prelude::*;

fn accepts(text: &[u8]) -> Result<(), Error> {
    let mut reader = Reader::new(text);
    reader.skip();
    reader.finish()
}

#[test]
fn takes_what_json_is_and_nothing_else() {
    for good in [
        r#"{"a": [1, -2.5e+3, true, false, null, "x\u00e9\n\ud83d\ude00"], "b": {}, "c": []}"#,
        "  [ [ ] , { } ]  ",
        "0",
        r#""\ud800""#,
    ] {
        assert_eq!(accepts(good.as_bytes()), Ok(()), "{good}");
    }
    for bad in [
        "",
        "{",
        "[1,]",
        "[,1]",
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        "{'a':1}",
        "01",
        "-",
        ".5",
        "1.",
        "1e",
        "+1",
        "NaN",
        "Infinity",
        "tru",
        "nul",
        "[1 2]",
        "{}{}",
        "1 2",
        "\"a",
        "\"\u{1}\"",
        r#""\q""#,
        r#""\u12g4""#,
        "]",
        "{]",
        "[}",
        "\0",
        "[1]]",
        r"{1:2}",
        "[1\0]",
    ] {
        assert!(accepts(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn plain_text_has_no_escapes_whatever_it_begins_with() {
    for (raw, text) in [("a\\n", "a\\n"), ("\"a", "a"), ("\"\"\\é", "\\é"), ("\"\"", "")] {
        assert_eq!(Str::plain(raw.as_bytes()).as_plain(), Some(text.as_bytes()), "{raw}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert_eq!(accepts(&nested(128)), Ok(()));
    assert!(accepts(&nested(129)).is_err());
    assert!(accepts(&vec![b'['; 1_000_000]).is_err());
}

#[test]
fn members_are_read_in_any_mixture_of_reading_and_skipping() {
    let text = br#"{"a": {"x": [1, {"y": 2}]}, "b": 7, "c\u0064": "e\/f"}"#;
    let mut reader = Reader::new(text);
    let mut scratch = Vec::new();
    assert!(reader.enter_object());
    assert_eq!(reader.key().and_then(Str::as_plain), Some(&b"a"[..]));
    assert_eq!(reader.value(), Some(Value::Object));
    assert_eq!(reader.raw(), br#"{"x": [1, {"y": 2}]}"#);
    reader.key();
    assert_eq!(reader.value(), Some(Value::Number(b"7")));
    let key = reader.key().unwrap();
    assert_eq!((key.as_plain(), key.resolve(&mut scratch)), (None, &b"cd"[..]));
    let Some(Value::Str(text)) = reader.value() else { panic!("a string") };
    assert_eq!(text.resolve(&mut scratch), b"e/f");
    assert_eq!(reader.key(), None);
    assert_eq!(reader.finish(), Ok(()));
}

/// JSON-shaped text, whole or with one byte changed.
fn jsonish() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| f.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        "[ -~]{0,8}".prop_map(|s| s),
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(" , "))),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(k, v)| format!("{}:{v}", serde_json::to_string(k).unwrap()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    (tree, any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(|(text, at, byte, change)| {
        let mut bytes = text.into_bytes();
        if change && !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// `serde_json` refuses lone surrogates (also when ignoring) and numbers beyond f64; we take both.
fn more_lenient(text: &str) -> bool {
    text.contains("\\u") || text.contains(['e', 'E'])
}

proptest! {
    /// What one reader has accepted, the next one passes over in the same way without checking it.
    #[test]
    fn what_is_sound_is_skipped_to_the_same_place(text in r#"[\[\]{}",:1 \\ntue]{0,40}"#) {
        let mut checking = Reader::new(text.as_bytes());
        checking.skip();
        if checking.error().is_ok() {
            let mut trusting = Reader::sound(text.as_bytes());
            trusting.skip();
            prop_assert_eq!(trusting.error(), Ok(()));
            prop_assert_eq!(trusting.position(), checking.position());
        }
        // Fast or step by step, a nested value is one or it is none.
        let start = text.len() - text.trim_start_matches([' ', '\n', '\t', '\r']).len();
        if matches!(text.as_bytes().get(start), Some(b'{' | b'[')) {
            let mut stepping = Reader::new(text.as_bytes());
            stepping.space();
            stepping.tell_what_is_wrong();
            let end = stepping.error().is_ok().then(|| stepping.position());
            prop_assert_eq!(nested_end(text.as_bytes(), start, 0), end);
        }
        // Whatever else it is, it ends.
        Reader::sound(text.as_bytes()).skip();
    }

    #[test]
    fn agrees_with_serde_json(bytes in jsonish()) {
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let theirs = serde_json::from_str::<serde_json::Value>(text);
            let ours = accepts(&bytes);
            if theirs.is_ok() || !more_lenient(text) {
                prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{} / {:?} / {:?}", text, ours, theirs);
            }
        }
    }

    #[test]
    fn strings_resolve_as_serde_json_resolves_them(text in any::<String>()) {
        let quoted = serde_json::to_string(&text).unwrap();
        let mut scratch = Vec::new();
        let mut reader = Reader::new(quoted.as_bytes());
        let Some(Value::Str(read)) = reader.value() else { panic!("a string") };
        prop_assert_eq!(read.resolve(&mut scratch), text.as_bytes());
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = accepts(&bytes);
    }
}
