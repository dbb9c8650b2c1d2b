//! Whose a request is that was refused because there were too many, where nobody is told apart by address or client.
//!
//! Of such a refusal nothing is known but its time, and it looks like nobody's. It is his who makes so many: whoever of late
//! sent what was served.

use crate::incident::{HABITS, OWNER};
use crate::time::{MINUTE, Timestamp};
use std::collections::VecDeque;

/// How many of the last served requests are looked at, and how old they may be.
const RECENT_MAX: usize = 20;
const RECENT: i64 = 10 * MINUTE;
/// Too many requests.
const TOO_MANY: u16 = 429;

/// The last requests that were served: when, and whose.
#[derive(Default)]
pub(super) struct Recent(VecDeque<(Timestamp, u32)>);

impl Recent {
    /// Whose a request is which this is taken for: another than the owner's if it was refused for the number of them, and
    /// more than three in ten of the last that were served are suspect.
    pub fn whose(&mut self, at: Timestamp, status: u16, taken: u32) -> u32 {
        if status < 400 {
            if self.0.len() == RECENT_MAX {
                self.0.pop_front();
            }
            self.0.push_back((at, taken));
        }
        if status != TOO_MANY || taken != OWNER {
            return taken;
        }
        let from = at.minus(RECENT);
        let near = || self.0.iter().filter(|(at, _)| *at >= from);
        let suspect = || near().filter(|(_, whose)| *whose >= HABITS);
        let is_his = 10 * suspect().count() > 3 * near().count();
        suspect().next_back().filter(|_| is_his).map_or(taken, |(_, whose)| *whose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_too_many_is_his_who_sends_what_is_served() {
        let his = HABITS | 1;
        let mut recent = Recent::default();
        let mut whose = |at, status, taken| recent.whose(Timestamp(at * MINUTE), status, taken);
        assert_eq!(whose(0, 429, OWNER), OWNER, "of nobody else is anything known");
        for (at, taken) in [(1, OWNER), (2, OWNER), (3, his)] {
            assert_eq!(whose(at, 200, taken), taken);
        }
        assert_eq!(whose(3, 429, OWNER), his, "one of three");
        assert_eq!(whose(3, 503, OWNER), OWNER, "refused for another reason");
        assert_eq!(whose(4, 200, OWNER), OWNER);
        assert_eq!(whose(4, 429, OWNER), OWNER, "one of four");
        assert_eq!(whose(5, 200, his), his);
        assert_eq!(whose(5, 429, OWNER), his);
        assert_eq!(whose(16, 429, OWNER), OWNER, "too long ago");
    }
}
