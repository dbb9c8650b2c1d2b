//! Says of most texts that no literal is in them, without looking for each.
//!
//! Identifiers of requests are searched for secrets one by one, for none comes again. They are random, so of any three
//! characters in a row hardly ever three are those that a literal begins with: a table of 65,536 bits tells.

/// Characters of a literal that are asked for.
const WIDTH: usize = 3;
/// Bits of a place in the table.
const BITS: u32 = 16;
/// The latest three characters.
const LATEST: u32 = (1 << 24) - 1;

/// Which texts may hold one of some literals, in any case of ASCII letters.
#[derive(Clone, Debug)]
pub(super) struct Glance {
    /// Whether a literal begins with three characters of this place.
    begins: Box<[u64]>,
    /// The lowest bits of characters with which shorter literals end.
    ends: u32,
    /// Every text may hold the empty literal.
    always: bool,
}

impl Glance {
    /// For these literals.
    pub(super) fn new<'a>(literals: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut glance = Self { begins: vec![0; 1 << (BITS - 6)].into(), ends: 0, always: false };
        for literal in literals {
            match (literal.get(..WIDTH), literal.last()) {
                (Some(start), _) => {
                    let place = place(start.iter().fold(0, |latest, byte| step(latest, *byte)));
                    glance.begins[place >> 6] |= 1 << (place & 63);
                }
                (None, Some(last)) => glance.ends |= 1 << (last & 31),
                (None, None) => glance.always = true,
            }
        }
        glance
    }

    /// Whether a literal may be in the text; where it says no, none is.
    pub(super) fn may_hold(&self, text: &[u8]) -> bool {
        let mut latest = 0;
        // The first two places are of fewer characters, and may say yes for nothing.
        self.always
            || text.iter().any(|byte| {
                latest = step(latest, *byte);
                let place = place(latest);
                let begins = self.begins.get(place >> 6).map_or(0, |bits| bits >> (place & 63));
                (begins | u64::from(self.ends >> (byte & 31))) & 1 != 0
            })
    }
}

/// The latest characters after one more. Capitals are like small letters, and a few other characters like others.
fn step(latest: u32, byte: u8) -> u32 {
    (latest << 8 | u32::from(byte | 0x20)) & LATEST
}

/// Their place in the table.
fn place(latest: u32) -> usize {
    (latest.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::super::{BUILTIN, parse_patterns};
    use super::Glance;
    use proptest::prelude::*;

    fn builtin() -> Vec<String> {
        parse_patterns(BUILTIN).unwrap().into_iter().flat_map(|pattern| pattern.prefix).collect()
    }

    fn glance(literals: &[String]) -> Glance {
        Glance::new(literals.iter().map(String::as_bytes))
    }

    #[test]
    fn identifiers_of_requests_need_no_search() {
        let glance = glance(&builtin());
        let is_searched = |number: u32| {
            let hash = blake3::hash(&number.to_le_bytes()).to_hex();
            let text = format!(
                "{}-{}-4{}-a{}-{}",
                &hash[..8],
                &hash[8..12],
                &hash[13..16],
                &hash[17..20],
                &hash[20..32]
            );
            glance.may_hold(text.as_bytes())
        };
        let searched = (0..10_000).filter(|number| is_searched(*number)).count();
        assert!((1..2_000).contains(&searched), "{searched} of 10,000");
    }

    #[test]
    fn the_empty_literal_is_in_every_text() {
        assert!(glance(&[String::new()]).may_hold(b""));
        assert!(!glance(&[]).may_hold(b"sk-proj-"));
    }

    proptest! {
        #[test]
        fn what_holds_a_literal_is_never_passed_over(
            start in "[ -~\u{e9}]{0,12}",
            end in "[ -~\u{e9}]{0,12}",
            which in any::<prop::sample::Index>(),
            cases in any::<u64>(),
            own in prop::collection::vec("[ -~]{1,5}", 0..4),
        ) {
            let literals = [builtin(), own].concat();
            let literal: String = which.get(&literals).chars().enumerate().map(|(at, letter)| {
                if cases >> (at % 64) & 1 == 1 { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
            }).collect();
            let text = [start, literal, end].concat();
            prop_assert!(glance(&literals).may_hold(text.as_bytes()));
        }
    }
}
