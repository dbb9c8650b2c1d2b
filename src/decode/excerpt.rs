//! A stretch of input that is to be shown, with as much around it as it takes to recognise the secrets in it.

use crate::normalise::Redactor;
use std::ops::Range;

/// Bytes kept before what is shown: longer than any secret, half of which matches no pattern.
const BEFORE: usize = 8192;
/// Bytes kept after it: as many as it takes for a pattern to match the start of any secret, private keys on one line
/// and tokens with many claims among them.
const AFTER: usize = 4096;

/// Part of an input, as written. May hold secrets until it is cleaned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excerpt {
    text: Vec<u8>,
    shown: Range<usize>,
    max: usize,
}

impl Excerpt {
    /// At most `max` bytes of `text` from `start` on, no character cut.
    pub fn new(text: &[u8], start: usize, max: usize) -> Self {
        let start = start.min(text.len());
        let last = start.saturating_add(max).min(text.len());
        let end = (start..=last).rev().find(|at| is_boundary(text, *at)).unwrap_or(start);
        let from = start.saturating_sub(BEFORE);
        let to = end.saturating_add(AFTER).min(text.len());
        Self { text: text[from..to].to_vec(), shown: start - from..end - from, max }
    }

    /// What may be shown of it.
    pub fn clean(&self, redactor: &Redactor) -> String {
        redactor.clean_stray_part(&self.text, self.shown.clone(), self.max)
    }
}

/// Whether no character of `text` lies across `at`.
fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Plan;

    #[test]
    fn no_part_of_a_secret_is_shown_wherever_it_is_cut() {
        let redactor = &Plan::default_plan().unwrap().rulebook.redactor;
        let secret = "sk-proj-EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0T3BlbkFJEXAMPLE0EXAMPLE0EXAMPLE0";
        let text = format!("{}before {secret} after{}", "x".repeat(9000), "y".repeat(9000));
        for start in 8990..9120 {
            for max in [24, 200] {
                let shown = Excerpt::new(text.as_bytes(), start, max).clean(redactor);
                assert!(!shown.contains("EXAMPLE") && !shown.contains("sk-"), "{start} {shown}");
                assert!(shown.len() <= max, "{start} {shown}");
            }
        }
    }

    #[test]
    fn places_outside_are_empty() {
        let redactor = &Plan::default_plan().unwrap().rulebook.redactor;
        for (start, max, shown) in
            [(0, 3, "abc"), (2, 7, "c"), (3, 9, ""), (7, 9, ""), (0, usize::MAX, "abc"), (0, 2, "ab")]
        {
            assert_eq!(Excerpt::new(b"abc", start, max).clean(redactor), shown, "{start} {max}");
        }
        assert_eq!(Excerpt::new("a€".as_bytes(), 0, 3).clean(redactor), "a");
    }
}
