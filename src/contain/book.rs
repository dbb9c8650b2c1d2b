//! What a journal says so far: what was done for which incident, and how much within 24 hours.

use super::deed::{About, Deed, Step, deed_id};
use crate::time::{DAY, Timestamp};
use std::collections::BTreeMap;

/// What is known of a rule for an incident.
#[derive(Clone, Debug)]
pub struct Known {
    /// The last step.
    pub last: Deed,
    /// The last one that says that it is about to be done, with what was found before.
    pub intended: Option<Deed>,
    /// Whether it was undone, or was to be.
    pub is_undone: bool,
}

impl Known {
    /// Whether nothing is to be done any more: it was done, or somebody has undone it.
    pub fn is_settled(&self) -> bool {
        self.is_undone || matches!(self.last.step, Step::Done | Step::Would | Step::Already)
    }

    /// Whether nobody knows what came of it.
    pub fn is_pending(&self) -> bool {
        !self.is_undone && self.last.step == Step::Intended
    }
}

/// What a journal says so far.
#[derive(Debug, Default)]
pub struct Book {
    deeds: BTreeMap<String, Known>,
    /// Incidents that were noticed, and whether anything followed.
    noticed: BTreeMap<String, (About, bool)>,
    /// Since when something was about to be done, or would have been; by ids.
    days: BTreeMap<String, (Timestamp, bool)>,
}

impl Book {
    /// What these steps say, in their order.
    pub fn of<'a>(deeds: impl IntoIterator<Item = &'a Deed>) -> Self {
        let mut book = Self::default();
        deeds.into_iter().for_each(|deed| book.take(deed));
        book
    }

    /// Takes a step.
    pub fn take(&mut self, deed: &Deed) {
        let incident = &deed.about.incident;
        if deed.step == Step::Noticed {
            self.noticed.entry(incident.clone()).or_insert_with(|| (deed.about.clone(), false));
            return;
        }
        if let Some((_, is_followed)) = self.noticed.get_mut(incident) {
            *is_followed = true;
        }
        if deed.step == Step::Intended || deed.step == Step::Would {
            self.days.entry(deed.id.clone()).or_insert((deed.at, deed.is_dry));
        }
        let known = self.deeds.entry(deed.id.clone());
        let known = known.or_insert_with(|| Known { last: deed.clone(), intended: None, is_undone: false });
        known.last = deed.clone();
        match deed.step {
            Step::Intended => (known.intended, known.is_undone) = (Some(deed.clone()), false),
            Step::UndoIntended | Step::Undone => known.is_undone = true,
            _ => {}
        }
    }

    /// What is known of a rule for an incident.
    pub fn find(&self, incident: &str, rule: &str) -> Option<&Known> {
        self.deeds.get(&deed_id(incident, rule))
    }

    /// Everything, by ids.
    pub fn all(&self) -> impl Iterator<Item = &Known> {
        self.deeds.values()
    }

    /// Whether an incident was noticed.
    pub fn has_noticed(&self, incident: &str) -> bool {
        self.noticed.contains_key(incident)
    }

    /// Incidents for which something may still be to be done: nothing followed, or nobody knows what came of it.
    pub fn open(&self) -> Vec<About> {
        let unanswered =
            self.noticed.values().filter(|(_, is_followed)| !is_followed).map(|(about, _)| about);
        let pending = self.deeds.values().filter(|known| known.is_pending()).map(|known| &known.last.about);
        let mut open: Vec<About> = unanswered.chain(pending).cloned().collect();
        open.sort_by(|one, other| (one.at, &one.incident).cmp(&(other.at, &other.incident)));
        open.dedup_by(|one, other| one.incident == other.incident);
        open
    }

    /// The number of the next step of a rule for an incident.
    pub fn revision(&self, id: &str) -> u32 {
        self.deeds.get(id).map_or(0, |known| known.last.revision.saturating_add(1))
    }

    /// Whether a rule for an incident counts among those of 24 hours already.
    pub fn is_counted(&self, id: &str, now: Timestamp) -> bool {
        self.days.get(id).is_some_and(|(at, _)| now.0.saturating_sub(at.0) < DAY)
    }

    /// How much was done within 24 hours, or would have been: each rule for each incident counts.
    pub fn spent(&self, now: Timestamp, is_dry: bool) -> usize {
        let is_recent = |at: Timestamp| now.0.saturating_sub(at.0) < DAY;
        self.days.values().filter(|(at, dry)| *dry == is_dry && is_recent(*at)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::deed::tests::about;
    use super::*;
    use crate::time::SECOND;

    fn deed(incident: &str, rule: &str, step: Step, at: i64) -> Deed {
        Deed::new(&about(incident), (rule, "x"), step, Timestamp(at * SECOND), String::new())
    }

    #[test]
    fn what_was_begun_is_open_until_it_is_known_what_came_of_it() {
        let mut book = Book::default();
        let open = |book: &Book| book.open().into_iter().map(|about| about.incident).collect::<Vec<_>>();
        book.take(&deed("a", "", Step::Noticed, 1));
        book.take(&deed("b", "", Step::Noticed, 1));
        assert_eq!(open(&book), ["a", "b"]);
        book.take(&deed("a", "r", Step::Intended, 2));
        book.take(&deed("b", "r", Step::Refused, 2));
        assert_eq!(open(&book), ["a"]);
        assert!(book.find("a", "r").unwrap().is_pending());
        book.take(&deed("a", "r", Step::Done, 3));
        assert!(open(&book).is_empty() && book.find("a", "r").unwrap().is_settled());
        book.take(&deed("a", "r", Step::UndoIntended, 4));
        book.take(&deed("a", "r", Step::UndoFailed, 5));
        assert!(book.find("a", "r").unwrap().is_settled(), "nobody wants it any more");
    }

    #[test]
    fn a_rule_for_an_incident_counts_once_in_24_hours() {
        let mut book = Book::default();
        for (incident, at) in [("a", 0), ("a", 50), ("b", 100)] {
            book.take(&deed(incident, "r", Step::Intended, at));
        }
        book.take(&Deed { is_dry: true, ..deed("c", "r", Step::Would, 100) });
        book.take(&deed("d", "r", Step::Refused, 100));
        let spent = |seconds: i64, dry| book.spent(Timestamp(seconds * SECOND), dry);
        assert_eq!((spent(100, false), spent(100, true)), (2, 1));
        assert_eq!((spent(86_400, false), spent(86_500, false)), (1, 0));
        assert_eq!(spent(-10_000, false), 2, "a clock that was put back opens no door");
    }
}
