//! What the logs of clouds have in common: paths that name a resource in their last part, errors that bear the
//! number of another protocol, and JSON in a text at one place and as it is at the next.

use super::draft::{self, Draft, Read};
use super::field::Field;
use crate::json::{Str, Value};
use crate::money::NanoUsd;

/// Places of members of an object that also comes as JSON in a text, in the order of `members`.
pub(super) fn either_way(object: &str, members: &[(&str, Field)]) -> Vec<(String, Field)> {
    let ways = |(name, field): &(&str, Field)| {
        [(format!("/{object}/{name}"), *field), (format!("/{object}/@json/{name}"), *field)]
    };
    members.iter().flat_map(ways).collect()
}

/// The bytes of a text without escapes; empty for anything else.
pub(super) fn plain(value: Option<Value<'_>>) -> &[u8] {
    match value {
        Some(Value::Str(text)) => text.as_plain().unwrap_or_default(),
        _ => b"",
    }
}

/// The text of a value, if there is one.
pub(super) fn text<'a>(field: &'static str, value: Option<Value<'a>>) -> Read<Str<'a>> {
    value.map_or(Ok(Str::default()), |value| draft::text(field, value))
}

/// What follows the last slash of a path.
pub(super) fn last_part(path: Str<'_>) -> Str<'_> {
    let last = path.as_plain().and_then(|path| path.rsplit(|&byte| byte == b'/').next());
    last.map_or(path, Str::plain)
}

/// What follows the part of this name in a path: the `x` of `…/name/x/…`.
pub(super) fn part_after<'a>(path: Str<'a>, name: &str) -> Str<'a> {
    let mut parts = path.as_plain().unwrap_or_default().split(|&byte| byte == b'/');
    let found = parts.find(|part| part.eq_ignore_ascii_case(name.as_bytes())).and_then(|_| parts.next());
    found.map_or(Str::default(), Str::plain)
}

/// Whether a text holds this word, in any case.
pub(super) fn mentions(text: &[u8], word: &str) -> bool {
    let [first, ..] = word.as_bytes() else { return true };
    let begins = memchr::memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text);
    let mut words = begins.filter_map(|at| text[at..].get(..word.len()));
    words.any(|found| found.eq_ignore_ascii_case(word.as_bytes()))
}

/// What was refused costs nothing, whatever the other half of the record says: none may come.
pub(super) fn free_if_refused(draft: &mut Draft<'_>) {
    if draft.status >= 400 && draft.status != draft::HUNG_UP {
        (draft.cost, draft.zero_is_meant) = (Some(NanoUsd::ZERO), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths() {
        for (path, last, after) in [
            ("/subscriptions/1/accounts/pilot", "pilot", "pilot"),
            ("/SUBSCRIPTIONS/1/ACCOUNTS/PILOT/", "", "PILOT"),
            ("pilot", "pilot", ""),
            ("/accounts", "accounts", ""),
            ("", "", ""),
        ] {
            let path = Str::plain(path.as_bytes());
            assert_eq!(last_part(path), Str::plain(last.as_bytes()));
            assert_eq!(part_after(path, "accounts"), Str::plain(after.as_bytes()));
        }
    }
}
