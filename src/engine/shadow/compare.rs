//! What two configurations say of the same records, held against each other: a function of what both tell, in the order of
//! the records, whatever steps it came in.

use super::line;
use crate::detect::Severity;
use crate::encode::View;
use crate::save::{Reader, Unreadable, Writer};
use crate::shard::{Event, Output};
use crate::time::Stamp;
use ahash::RandomState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Alerts and incidents that are remembered: those that are open, and those in which both differ.
const SUBJECTS_MAX: usize = 50_000;

/// How both stand to an alert or incident.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Relation {
    /// Both tell it, and say the same of it.
    Same,
    /// Only the configuration of the run tells it.
    OnlyHere,
    /// Only the shadow tells it.
    OnlyThere,
    /// Both tell it, and say different things.
    Differs,
}

impl Relation {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Same, Self::OnlyHere, Self::OnlyThere, Self::Differs];

    /// Its name in lines and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::OnlyHere => "only_here",
            Self::OnlyThere => "only_there",
            Self::Differs => "differs",
        }
    }
}

/// Whose word it is: that of the run's configuration, or the shadow's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The configuration of the run.
    Here,
    /// The shadow.
    There,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Here, Self::There];

    /// Its name in lines and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::There => "there",
        }
    }
}

/// What is told, in metrics.
pub const KINDS: [&str; 2] = ["alert", "incident"];

/// What one side says now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Face {
    pub revision: u32,
    pub status: Box<str>,
    pub class: Box<str>,
    pub severity: Severity,
    pub is_over: bool,
}

/// An alert or incident that at least one of them tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Subject {
    pub event: Box<str>,
    pub rule: Box<str>,
    pub key_hint: Box<str>,
    pub key_alias: Box<str>,
    pub key_id: Box<str>,
    pub first: Stamp,
    /// What each side says, the run's configuration first.
    pub faces: [Option<Face>; 2],
}

/// What one side says that is news when it changes: severity, status, class.
type Said = (Severity, Box<str>, Box<str>);

/// What whoever reads along has to hear of again.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Look {
    pub relation: Relation,
    /// In what they differ.
    pub fields: Vec<&'static str>,
    said: [Option<Said>; 2],
}

/// What there is to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// What was told for the first time, by side and then by kind.
    pub told: [[u64; KINDS.len()]; Side::ALL.len()],
    /// How both stand now to everything that was told, by relation.
    pub relations: [u64; Relation::ALL.len()],
    /// Differences that are counted where they stood last, because too many came after them.
    pub forgotten: u64,
}

/// What two configurations say of the same records.
#[derive(Default)]
pub struct Comparison {
    subjects: HashMap<String, (u64, Subject), RandomState>,
    /// Their ids, in the order in which they were first told.
    order: BTreeMap<u64, String>,
    next: u64,
    tally: Tally,
}

impl Subject {
    fn of(view: &View<'_>) -> Self {
        Self {
            event: view.event.into(),
            rule: view.rule.into(),
            key_hint: view.key_hint.into(),
            key_alias: view.key_alias.into(),
            key_id: view.key_id.as_str().into(),
            first: view.first,
            faces: [None, None],
        }
    }

    pub fn look(&self) -> Look {
        let mut fields = Vec::new();
        let relation = match &self.faces {
            [Some(here), Some(there)] => {
                let apart = [
                    ("severity", here.severity != there.severity),
                    ("class", here.class != there.class),
                    ("status", here.status != there.status),
                    // Each counts its own until nothing more is expected.
                    ("revision", here.is_over && there.is_over && here.revision != there.revision),
                ];
                fields.extend(apart.into_iter().filter(|(_, apart)| *apart).map(|(name, _)| name));
                if fields.is_empty() { Relation::Same } else { Relation::Differs }
            }
            [None, _] => Relation::OnlyThere,
            [_, None] => Relation::OnlyHere,
        };
        let said = self
            .faces
            .each_ref()
            .map(|face| face.as_ref().map(|face| (face.severity, face.status.clone(), face.class.clone())));
        Look { relation, fields, said }
    }

    fn is_over(&self) -> bool {
        self.faces.iter().all(|face| face.as_ref().is_some_and(|face| face.is_over))
    }
}

impl Comparison {
    /// Takes up what was saved.
    pub fn restore(saved: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let (tally, subjects): (Tally, Vec<(String, Subject)>) = saved.take()?;
        let mut comparison = Self { tally, ..Self::default() };
        for (id, subject) in subjects {
            comparison.insert(id, subject);
        }
        Ok(comparison)
    }

    /// Writes what has to be known to go on.
    pub fn save(&self, out: &mut Writer) {
        let known = |id: &String| Some((id.clone(), self.subjects.get(id)?.1.clone()));
        let subjects: Vec<(String, Subject)> = self.order.values().filter_map(known).collect();
        out.put(&(self.tally, subjects));
    }

    /// What there is to count.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Takes what both tell of one step, each in its order, and writes what they differ in.
    pub fn hear<'a>(&mut self, mut here: &'a [Output], mut there: &'a [Output], out: &mut Vec<u8>) {
        // What follows from one record belongs together, and steps end where it pleases the threads.
        while let Some(order) = [here.first(), there.first()].into_iter().flatten().map(|one| one.order).min()
        {
            let mut touched: Vec<(String, Option<Look>, &Event)> = Vec::new();
            for (side, told) in Side::ALL.into_iter().zip([&mut here, &mut there]) {
                let count = told.iter().take_while(|one| one.order == order).count();
                let (now, later) = told.split_at(count);
                *told = later;
                for output in now {
                    self.note(side, &output.event, &mut touched);
                }
            }
            for (id, before, event) in touched {
                self.judge(&id, before.as_ref(), event, out);
            }
        }
    }

    /// Takes one event; `touched` has how its subject looked before, and what was told of it last.
    fn note<'a>(
        &mut self,
        side: Side,
        event: &'a Event,
        touched: &mut Vec<(String, Option<Look>, &'a Event)>,
    ) {
        let Some(view) = View::of(event) else { return };
        let known = self.subjects.get(&view.id);
        match touched.iter_mut().find(|(id, ..)| *id == view.id) {
            Some((.., last)) => *last = event,
            None => touched.push((view.id.clone(), known.map(|(_, subject)| subject.look()), event)),
        }
        if known.is_none() {
            self.insert(view.id.clone(), Subject::of(&view));
        }
        let Some((_, subject)) = self.subjects.get_mut(&view.id) else { return };
        let face = &mut subject.faces[side as usize];
        if face.is_none() {
            self.tally.told[side as usize][usize::from(view.event == KINDS[1])] += 1;
        }
        *face = Some(Face {
            revision: view.revision,
            status: view.status.into(),
            class: view.class.label().into(),
            severity: view.severity,
            is_over: view.is_over,
        });
    }

    fn insert(&mut self, id: String, subject: Subject) {
        self.order.insert(self.next, id.clone());
        self.subjects.insert(id, (self.next, subject));
        self.next += 1;
    }

    fn judge(&mut self, id: &str, before: Option<&Look>, event: &Event, out: &mut Vec<u8>) {
        let Some((number, subject)) = self.subjects.get(id) else { return };
        let (number, after) = (*number, subject.look());
        if let Some(before) = before {
            self.tally.relations[before.relation as usize] -= 1;
        }
        self.tally.relations[after.relation as usize] += 1;
        let was_same = before.is_none_or(|before| before.relation == Relation::Same);
        let is_news = before != Some(&after) && !(was_same && after.relation == Relation::Same);
        if is_news {
            line::write(id, subject, &after, event, out);
        }
        if after.relation == Relation::Same && subject.is_over() {
            self.subjects.remove(id);
            self.order.remove(&number);
        }
        while self.order.len() > SUBJECTS_MAX {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            let gone = self.subjects.remove(&oldest);
            let differed = gone.is_some_and(|(_, subject)| subject.look().relation != Relation::Same);
            self.tally.forgotten += u64::from(differed);
        }
    }

    /// The differences there are, in the order in which they were first told.
    pub(super) fn differences(&self) -> impl Iterator<Item = (&Subject, Look)> {
        let known = self.order.values().filter_map(|id| self.subjects.get(id));
        let known = known.map(|(_, subject)| (subject, subject.look()));
        known.filter(|(_, look)| look.relation != Relation::Same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Alert, Status};
    use crate::key::KeyId;
    use crate::time::Timestamp;
    use serde_json::{Value, json};

    /// What one side tells: at which record, of which day (so another alert), with which severity, status and revision.
    type Told = (u32, i64, Severity, Status, u32);

    fn outputs(said: &[Told]) -> Vec<Output> {
        let output = |&(index, day, severity, status, revision): &Told| Output {
            order: (index, true, Timestamp::MIN, KeyId([0; 16])),
            event: Event::Alert(Alert {
                revision,
                status,
                severity,
                ..Alert::test(Timestamp(day * crate::time::DAY))
            }),
        };
        said.iter().map(output).collect()
    }

    fn lines(out: &[u8]) -> Vec<(String, Vec<String>)> {
        let texts = std::str::from_utf8(out).unwrap().lines();
        let values = texts.map(|line| serde_json::from_str::<Value>(line).unwrap());
        values
            .map(|value| {
                let fields = value["differs_in"].as_array().unwrap().iter();
                let fields = fields.map(|field| field.as_str().unwrap().to_owned()).collect();
                (value["difference"].as_str().unwrap().to_owned(), fields)
            })
            .collect()
    }

    fn told(here: &[Told], there: &[Told]) -> (Vec<(String, Vec<String>)>, [u64; 4]) {
        let mut comparison = Comparison::default();
        let mut out = Vec::new();
        comparison.hear(&outputs(here), &outputs(there), &mut out);
        (lines(&out), comparison.tally().relations)
    }

    fn line(difference: &str, fields: &[&str]) -> (String, Vec<String>) {
        (difference.to_owned(), fields.iter().map(|&field| field.to_owned()).collect())
    }

    use Severity::{High, Low};
    use Status::{Final, Open};

    #[test]
    fn what_both_say_at_once_is_no_difference() {
        assert_eq!(told(&[(1, 1, Low, Open, 0)], &[(1, 1, Low, Open, 0)]), (vec![], [1, 0, 0, 0]));
        // Revisions of their own until both are over.
        let here = [(1, 1, Low, Open, 0), (2, 1, Low, Open, 1), (9, 1, Low, Final, 2)];
        let there = [(1, 1, Low, Open, 0), (9, 1, Low, Final, 1)];
        assert_eq!(told(&here, &there), (vec![line("differs", &["revision"])], [0, 0, 0, 1]));
        assert_eq!(told(&here, &here), (vec![], [1, 0, 0, 0]));
    }

    #[test]
    fn each_change_of_a_difference_is_told_once() {
        let here = [(1, 1, Low, Open, 0), (5, 1, High, Open, 1), (9, 1, High, Final, 2)];
        let there = [(3, 1, Low, Open, 0), (7, 1, High, Open, 1), (9, 1, High, Final, 2)];
        let (lines, relations) = told(&here, &there);
        let expected =
            [line("only_here", &[]), line("same", &[]), line("differs", &["severity"]), line("same", &[])];
        assert_eq!((lines, relations), (expected.to_vec(), [1, 0, 0, 0]));
        let (lines, relations) =
            told(&[(1, 1, Low, Open, 0)], &[(1, 2, Low, Open, 0), (2, 2, High, Open, 1)]);
        let expected = [line("only_here", &[]), line("only_there", &[]), line("only_there", &[])];
        assert_eq!((lines, relations), (expected.to_vec(), [0, 1, 1, 0]));
    }

    #[test]
    fn what_is_saved_goes_on_and_says_the_same() {
        let here = [(1, 1, Low, Open, 0), (2, 2, Low, Open, 0), (9, 1, Low, Final, 1)];
        let there = [(3, 2, High, Open, 0), (9, 1, Low, Final, 0)];
        let (mut whole, mut once) = (Vec::new(), Comparison::default());
        once.hear(&outputs(&here), &outputs(&there), &mut whole);
        let (mut parts, mut first) = (Vec::new(), Comparison::default());
        first.hear(&outputs(&here[..2]), &outputs(&there[..0]), &mut parts);
        let mut saved = Writer::default();
        first.save(&mut saved);
        let mut second = Comparison::restore(&mut Reader::new(&saved.into_bytes())).unwrap();
        second.hear(&outputs(&here[2..]), &outputs(&there), &mut parts);
        assert_eq!(String::from_utf8(parts).unwrap(), String::from_utf8(whole).unwrap());
        assert_eq!(second.tally(), once.tally());
        assert_eq!(second.tally().told, [[2, 0], [2, 0]]);
        assert_eq!(json!(second.tally().relations), json!([0, 0, 0, 2]));
    }

    #[test]
    fn memory_has_a_limit_and_what_is_forgotten_stays_counted() {
        let mut comparison = Comparison::default();
        let count = i64::try_from(SUBJECTS_MAX).unwrap() + 3;
        let said: Vec<Told> =
            (0_u32..).zip(0..count).map(|(index, day)| (index, day, Low, Open, 0)).collect();
        comparison.hear(&outputs(&said), &[], &mut Vec::new());
        let tally = comparison.tally();
        assert_eq!((comparison.order.len(), comparison.subjects.len()), (SUBJECTS_MAX, SUBJECTS_MAX));
        assert_eq!((tally.relations[1], tally.forgotten), (SUBJECTS_MAX as u64 + 3, 3));
    }
}
