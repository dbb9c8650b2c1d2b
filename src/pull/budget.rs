//! How many requests may go within an hour.

use super::fault::Fault;
use crate::time::{MINUTE, SECOND, Timestamp};
use std::collections::VecDeque;

const HOUR: i64 = 60 * MINUTE;

/// When the requests of the last hour went.
#[derive(Clone, Debug)]
pub struct Budget {
    per_hour: u32,
    gone: VecDeque<Timestamp>,
}

impl Budget {
    /// So many an hour; nought for any number.
    pub fn new(per_hour: u32) -> Self {
        Self { per_hour, gone: VecDeque::new() }
    }

    /// Takes one, if there is one left.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Fault> {
        if self.per_hour == 0 {
            return Ok(());
        }
        // A clock that was put back must not close the door for longer than that.
        self.gone.retain(|at| (0..HOUR).contains(&now.0.saturating_sub(at.0)));
        match self.gone.front() {
            Some(oldest) if self.gone.len() >= self.per_hour as usize => {
                let wait = HOUR - now.0.saturating_sub(oldest.0);
                let seconds = u64::try_from(wait / SECOND).unwrap_or(0) + 1;
                Err(Fault::Budget { per_hour: self.per_hour, seconds })
            }
            _ => {
                self.gone.push_back(now);
                Ok(())
            }
        }
    }

    /// How many are left, where they are counted.
    pub fn left(&self) -> Option<u64> {
        (self.per_hour > 0).then(|| u64::from(self.per_hour).saturating_sub(self.gone.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_later_there_is_room_again() {
        let mut budget = Budget::new(2);
        let at = |seconds: i64| Timestamp(seconds * SECOND);
        assert!(budget.take(at(0)).is_ok() && budget.take(at(10)).is_ok());
        assert_eq!(budget.take(at(20)), Err(Fault::Budget { per_hour: 2, seconds: 3581 }));
        assert_eq!(budget.left(), Some(0));
        assert!(budget.take(at(3600)).is_ok() && budget.take(at(3601)).is_err());
        assert!(Budget::new(0).take(at(0)).is_ok());
    }
}
