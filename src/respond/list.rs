//! A list of steps as a file: Markdown with boxes, which people may edit as long as the numbers stay.

use crate::time::{Stamp, parse};
use std::fmt::Write;
use thiserror::Error;

/// How a step is told that is done.
const DONE: &str = "  *done ";

/// A list that cannot be used, or a step that cannot be ticked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ListError {
    /// There are no boxes.
    #[error("holds no steps; a file that `keyhound respond start` wrote is expected")]
    NoList,
    /// No step has this number.
    #[error("has no step {number}; its steps are 1 to {last}")]
    NoStep {
        /// The number.
        number: usize,
        /// The last there is.
        last: usize,
    },
    /// It was ticked before.
    #[error("step {number} was done at {at} already")]
    Already {
        /// The number.
        number: usize,
        /// When.
        at: String,
    },
}

/// A step of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Its number.
    pub number: usize,
    /// What is to be done.
    pub text: String,
    /// When it was done, and by whom.
    pub done: Option<Done>,
    /// The line where it stands, and the last of what belongs to it.
    lines: [usize; 2],
}

/// A step that is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// When.
    pub at: Stamp,
    /// By whom; may be empty.
    pub by: String,
    /// What there is to say; may be empty.
    pub note: String,
}

/// The steps of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct List(pub Vec<Step>);

impl List {
    /// The steps of a text.
    pub fn read(text: &str) -> Result<Self, ListError> {
        let mut steps: Vec<Step> = Vec::new();
        for (line, written) in text.lines().enumerate() {
            if let Some(step) = head(written, line) {
                steps.push(step);
            } else if let Some(step) = steps.last_mut().filter(|_| written.starts_with("  ")) {
                step.lines[1] = line;
                step.done = written.strip_prefix(DONE).and_then(done).or(step.done.take());
            }
        }
        if steps.is_empty() { Err(ListError::NoList) } else { Ok(Self(steps)) }
    }

    /// The text with a step ticked.
    pub fn tick(text: &str, number: usize, done: &Done) -> Result<String, ListError> {
        let Self(steps) = Self::read(text)?;
        let last = steps.iter().map(|step| step.number).max().unwrap_or(0);
        let step =
            steps.iter().find(|step| step.number == number).ok_or(ListError::NoStep { number, last })?;
        if let Some(before) = &step.done {
            return Err(ListError::Already { number, at: before.at.to_string() });
        }
        let mut ticked = String::with_capacity(text.len() + 100);
        for (line, written) in text.lines().enumerate() {
            let written = if line == step.lines[0] {
                written.replacen("- [ ]", "- [x]", 1)
            } else {
                written.to_owned()
            };
            ticked.push_str(&written);
            ticked.push('\n');
            if line == step.lines[1] {
                let by = if done.by.is_empty() {
                    String::new()
                } else {
                    format!(" by {}", one_line(&done.by).replace(':', " "))
                };
                let note =
                    if done.note.is_empty() { String::new() } else { format!(": {}", one_line(&done.note)) };
                let _ = writeln!(ticked, "{DONE}{}{by}{note}*", done.at);
            }
        }
        Ok(ticked)
    }

    /// The steps that are done, in the order of time.
    pub fn timeline(&self) -> Vec<(&Step, &Done)> {
        let mut done: Vec<_> = self.0.iter().filter_map(|step| Some((step, step.done.as_ref()?))).collect();
        done.sort_by_key(|(step, done)| (done.at.at, step.number));
        done
    }
}

/// A line that begins a step.
fn head(line: &str, at: usize) -> Option<Step> {
    let rest = line.strip_prefix("- [")?;
    let (mark, rest) = rest.split_at_checked(1)?;
    let rest = rest.strip_prefix("] ")?;
    let (number, text) = rest.split_once(". ")?;
    let number = number.parse().ok()?;
    matches!(mark, " " | "x" | "X").then(|| Step {
        number,
        text: text.to_owned(),
        done: None,
        lines: [at, at],
    })
}

/// What follows the mark of a step that is done.
fn done(rest: &str) -> Option<Done> {
    let rest = rest.strip_suffix('*')?;
    let (at, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_unsigned = at.ends_with(':');
    let at = parse(at.trim_end_matches(':').as_bytes()).ok()?;
    let (by, note) = match rest.strip_prefix("by ").filter(|_| !is_unsigned) {
        Some(rest) => rest.split_once(": ").unwrap_or((rest, "")),
        None => ("", rest),
    };
    Some(Done { at, by: by.to_owned(), note: note.to_owned() })
}

/// In one line, so that it ends where it ends.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).collect::<Vec<_>>().join(" ").replace('*', "∗")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::{Facts, Guide};
    use proptest::prelude::*;

    fn list() -> String {
        let guide = Guide::builtin().unwrap();
        guide.checklist(&Facts::default(), guide.provider("openai"))
    }

    fn at(text: &str) -> Stamp {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_step_is_ticked_once_and_told_in_order_of_time() {
        let text = list();
        let first = Done {
            at: at("2026-06-01T10:05:00Z"),
            by: "anna".to_owned(),
            note: "all: *hosts*\nmoved".to_owned(),
        };
        let second = Done { at: at("2026-06-01T10:01:00Z"), by: String::new(), note: String::new() };
        let ticked = List::tick(&List::tick(&text, 3, &first).unwrap(), 1, &second).unwrap();
        let read = List::read(&ticked).unwrap();
        let told: Vec<_> =
            read.timeline().into_iter().map(|(step, done)| (step.number, done.clone())).collect();
        let noted = Done { note: "all: ∗hosts∗ moved".to_owned(), ..first };
        assert_eq!(told, [(1, second), (3, noted)]);
        assert!(ticked.contains("- [x] 3. ") && ticked.contains("- [ ] 4. "));
        let again = List::tick(&ticked, 3, &told[0].1);
        assert_eq!(again, Err(ListError::Already { number: 3, at: "2026-06-01T10:05:00Z".to_owned() }));
        assert_eq!(List::tick(&ticked, 99, &told[0].1), Err(ListError::NoStep { number: 99, last: 23 }));
        assert_eq!(List::read("# nothing\n"), Err(ListError::NoList));
    }

    proptest! {
        #[test]
        fn whatever_is_noted_only_its_step_changes(number in 1_usize..=23, by in "[a-z ]{0,9}", note in any::<String>()) {
            let (text, by) = (list(), by.trim().to_owned());
            let done = Done { at: at("2026-06-01T10:05:00Z"), by, note };
            let ticked = List::tick(&text, number, &done).unwrap();
            let (before, after) = (List::read(&text).unwrap(), List::read(&ticked).unwrap());
            prop_assert_eq!(before.0.len(), after.0.len());
            for (before, after) in before.0.iter().zip(&after.0) {
                prop_assert_eq!(&before.text, &after.text);
                prop_assert_eq!(after.done.is_some(), after.number == number);
            }
        }
    }
}
