//! A secret planted anywhere in a line, in any encoding, shows nowhere, not even in part.

use crate::decode::texts;
use crate::{block, rulebook, settings};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use keyhound::decode::Decoder;
use keyhound::normalise::redact::{BUILTIN, parse_patterns};
use keyhound::time::Timestamp;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// As many characters of a secret in a row may show; four of its end do on purpose.
const SHOWN_MAX: usize = 8;

/// An encoding, and how many of its characters make nine of the text.
type Encoding = (fn(&[u8]) -> String, usize);

const ENCODINGS: [Encoding; 6] = [
    (|text| String::from_utf8_lossy(text).into_owned(), SHOWN_MAX + 1),
    (|text| STANDARD_NO_PAD.encode(text), (SHOWN_MAX + 1) * 4 / 3),
    (|text| URL_SAFE_NO_PAD.encode(text), (SHOWN_MAX + 1) * 4 / 3),
    (|text| each(text, |byte| format!("%{byte:02X}")), (SHOWN_MAX + 1) * 3),
    (|text| each(text, |byte| format!("\\u{byte:04x}")), (SHOWN_MAX + 1) * 6),
    (|text| each(text, |byte| format!("{byte:02x}")), (SHOWN_MAX + 1) * 2),
];

fn each(text: &[u8], write: fn(&u8) -> String) -> String {
    text.iter().map(write).collect()
}

/// The first four bytes choose the secret, its encoding, and where in the rest it is planted.
pub fn check(data: &[u8]) {
    let Some(([a, b, c, d], text)) = data.split_first_chunk() else { return };
    let secrets = secrets();
    let choice = usize::from(u16::from_be_bytes([*a, *b]));
    let (encode, length) = ENCODINGS[choice / secrets.len() % ENCODINGS.len()];
    let secret = encode(secrets[choice % secrets.len()].as_bytes());
    let at = usize::from(u16::from_be_bytes([*c, *d])) % (text.len() + 1);
    let (before, after) = text.split_at(at);
    // Set apart, as secrets are: a word that only ends like one is none.
    let (before, after) = ([before, b" "].concat(), [b" ", after].concat());
    let planted = [&before, secret.as_bytes(), &after].concat();
    // What has part of the secret already is no place to look for it.
    let mut parts: BTreeSet<&[u8]> = secret.as_bytes().windows(length).collect();
    for part in before.windows(length).chain(after.windows(length)) {
        parts.remove(part);
    }
    let batch = Decoder::new(settings(None)).block(&block(&planted), Timestamp::MAX);
    let of_records = batch.records.iter().flat_map(|record| texts(record).map(|text| batch.text(text)));
    let of_rejects = batch.rejects.iter().flat_map(|reject| [&reject.value, &reject.frame, &*reject.message]);
    for text in of_records.chain(of_rejects) {
        let shows = text.as_bytes().windows(length).any(|part| parts.contains(part));
        assert!(!shows, "`{secret}` shows in: {text}");
    }
}

/// Texts that are secrets in themselves, whatever stands around them. Those of more than one line are left out:
/// a line is all that a decoder sees.
fn secrets() -> &'static [String] {
    static SECRETS: OnceLock<Vec<String>> = OnceLock::new();
    SECRETS.get_or_init(|| {
        let patterns = parse_patterns(BUILTIN).expect("the patterns are sound");
        let examples = patterns.into_iter().flat_map(|pattern| pattern.examples);
        let whole = |text: &String| {
            let clean = rulebook().redactor.clean(text.as_bytes());
            // Shorter ones are not told from chance when they are encoded.
            text.len() >= 16
                && clean.starts_with("[key:")
                && clean.ends_with(']')
                && !text.contains('\n')
        };
        examples.filter(whole).collect()
    })
}
