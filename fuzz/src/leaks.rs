//! Keys in whatever bytes: files, archives, streams. Nothing that is found or noted shows a key, a planted one is found in every
//! form that is promised, and what is read from memory gives what a reader gives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyhound::key::KeyNamer;
use keyhound::trace::member::{self, Budget, Item};
use keyhound::trace::{Matcher, Query};
use std::sync::OnceLock;

/// What may be unpacked of one input: bombs are what fuzzers make first.
const UNPACKED_MAX: u64 = 8 << 20;
const MEMBERS_MAX: u64 = 200;
/// As many characters of a key in a row may show; four of its end do on purpose.
const SHOWN_MAX: usize = 8;

/// In a row of its form, as the documentation promises that keys are found.
const FORMS: [fn(&str) -> Vec<u8>; 6] = [
    |key| key.as_bytes().to_vec(),
    |key| STANDARD.encode(key).into_bytes(),
    |key| key.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes(),
    |key| format!("\"{}\" + \"{}\"", &key[..11], &key[11..]).into_bytes(),
    |key| key.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    |key| key.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>().into_bytes(),
];

/// A key that nobody has.
fn key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| format!("sk-or-v1-{}", "9f86d081884c7d65".repeat(4)))
}

fn matchers() -> &'static [Matcher; 2] {
    static MATCHERS: OnceLock<[Matcher; 2]> = OnceLock::new();
    MATCHERS.get_or_init(|| {
        let of = |query| Matcher::new(query, KeyNamer::new("")).expect("the patterns are sound");
        [of(Query::Patterns), of(Query::Keys(vec![key().as_bytes().to_vec()]))]
    })
}

/// Everything in some bytes, as a reader gives them and from memory.
fn search(matcher: &Matcher, named: bool, bytes: &[u8]) -> Vec<Item> {
    let budget = || Budget::of(UNPACKED_MAX, MEMBERS_MAX);
    let (mut read, mut held) = (Vec::new(), Vec::new());
    let (mut noted_read, mut noted_held) = (Vec::new(), Vec::new());
    let told =
        member::search(matcher, &mut &bytes[..], &mut budget(), &mut |item| read.push(item), &mut |note| {
            noted_read.push(note)
        });
    assert!(told.is_ok(), "bytes in memory can be read: {told:?}");
    member::search_bytes(matcher, bytes, &mut budget(), &mut |item| held.push(item), &mut |note| {
        noted_held.push(note);
    });
    assert_eq!((&read, &noted_read), (&held, &noted_held));
    // What people are shown of it. Of what only looks like a key it is replaced where it is written.
    let shown = if named { &noted_read[..] } else { &[] };
    for text in shown.iter().chain(read.iter().filter(|_| named).map(|item| &item.member)) {
        assert!(!shows(&matcher.conceal(text)), "{text}");
    }
    for item in &read {
        assert!(item.found.hit.hint.chars().count() <= 7, "{}", item.found.hit.hint);
        assert!(item.found.line > 0);
    }
    read
}

/// Whether a text has the planted key, whole: names of members come from outside, and may have parts of it.
fn shows(text: &str) -> bool {
    text.contains(&key()[..key().len() - SHOWN_MAX])
}

/// The first two bytes choose the form of the key and where in the rest it is planted; the rest is searched as it is, too.
pub fn check(data: &[u8]) {
    let Some(([form, at], rest)) = data.split_first_chunk() else { return };
    let [open, named] = matchers();
    search(open, false, rest);
    search(named, true, rest);
    // In front stands a space, so it is no archive; in memory that is read, nothing else stands beside the key.
    let at = usize::from(*at) * rest.len() / 256;
    let (before, after) = rest.split_at(at);
    let planted = FORMS[usize::from(*form) % FORMS.len()](key());
    // Wide characters are told by their neighbours, and quotes and escapes belong to whoever opened them.
    let text = [b" \n", before, b"\n\n\n", &planted, b"\n\n\n", after].concat();
    if text.get(257..262) == Some(b"ustar") {
        return;
    }
    let found = search(named, true, &text);
    if usize::from(*form) % FORMS.len() < 3 {
        let range = before.len()..before.len() + planted.len() + 8;
        let is_there =
            |item: &Item| range.contains(&usize::try_from(item.found.offset).unwrap_or(usize::MAX));
        assert!(found.iter().any(is_there), "planted at {at} in form {form} and not found: {found:?}");
    }
}
