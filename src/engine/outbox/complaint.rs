//! What is said of a receiver that does not take alerts: enough, and not with each attempt.

use crate::engine::clock::Arrival;
use crate::sink::carrier::Answer;
use std::time::Duration;

/// How often a failure that lasts is told again.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Soon after another failure was told, so many have to follow one another to be told.
const IN_A_ROW: u32 = 3;

/// What was said so far.
#[derive(Default)]
pub struct Complaint {
    told: Option<(Answer, Arrival)>,
    failures: u32,
    /// It was told since something was last taken.
    is_open: bool,
}

impl Complaint {
    /// Whether this failure is to be told.
    pub fn failed(&mut self, answer: &Answer) -> bool {
        self.failures = self.failures.saturating_add(1);
        let is_told = match &self.told {
            Some((known, since)) if since.elapsed() < TOLD_EVERY => {
                if self.is_open {
                    !is_alike(known, answer)
                } else {
                    self.failures >= IN_A_ROW
                }
            }
            _ => true,
        };
        if is_told {
            self.told = Some((answer.clone(), Arrival::now()));
            self.is_open = true;
        }
        is_told
    }

    /// Whether it is to be told that something was taken.
    pub fn taken(&mut self) -> bool {
        self.failures = 0;
        std::mem::take(&mut self.is_open)
    }
}

/// Whether who has heard of one failure has heard of the other.
fn is_alike(known: &Answer, answer: &Answer) -> bool {
    match (known, answer) {
        (Answer::Part(_, known), answer) => is_alike(known, answer),
        (known, Answer::Part(_, answer)) => is_alike(known, answer),
        (Answer::Later(..), Answer::Later(..))
        | (Answer::Unreachable(_), Answer::Unreachable(_))
        | (Answer::Rationed { .. }, Answer::Rationed { .. }) => true,
        (Answer::Refused(known, _), Answer::Refused(status, _)) => known == status,
        (known, answer) => known == answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_when_it_begins_and_when_it_is_another() {
        let later = |status| Answer::Later(status, None);
        let mut complaint = Complaint::default();
        let refused = |status, words: &str| Answer::Refused(status, words.to_owned());
        let told = [later(500), later(503), refused(401, ""), refused(403, "a"), refused(403, "b")]
            .map(|answer| complaint.failed(&answer));
        assert_eq!(told, [true, false, true, true, false]);
        assert_eq!((complaint.taken(), complaint.taken()), (true, false));
    }

    #[test]
    fn one_that_comes_and_goes_is_told_once() {
        let mut complaint = Complaint::default();
        let mut told = 0;
        for _ in 0..10 {
            told += u32::from(complaint.failed(&Answer::TimedOut)) + u32::from(complaint.taken());
        }
        assert_eq!(told, 2);
        let told = [0; 4].map(|_| complaint.failed(&Answer::TimedOut));
        assert_eq!(told, [false, false, true, false], "unless it stays");
    }
}
