//! Records on their way from one stage to the next: what stands in the topics between them.
//!
//! A parcel holds records of one partition for one partition, with where each of them stood at first and how far the
//! partition they come from has come; one without records only tells that. No text in a record holds a key.

use super::stages::Origin;
use crate::record::Batch;
use crate::save::{Reader, Unreadable, Writer};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The form of what is written; another one is not read.
pub(super) const FORM: u32 = 1;

/// How far a partition has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The minute of event time that it has reached; `i64::MIN` before its first record.
    pub minute: i64,
    /// It has been quiet for long, and holds nobody back.
    pub is_idle: bool,
}

impl Progress {
    /// That of which nothing is known.
    pub const NONE: Self = Self { minute: i64::MIN, is_idle: false };
}

/// Records of one partition for another.
#[derive(Clone, PartialEq, Debug)]
pub struct Parcel {
    /// The partition from which they come.
    pub origin: Origin,
    /// How far it had come when they were written.
    pub progress: Progress,
    /// The partitions in which they stood at first.
    pub sources: Vec<Origin>,
    /// Which of these, and the position there, by line.
    pub spots: Vec<(u32, i64)>,
    /// The records.
    pub batch: Batch,
}

/// A message that is no parcel to go on with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParcelError {
    /// Not of this form.
    #[error(
        "it was written by keyhound {0} in a form that this one does not know: let that version read the topic to its \
         end, or choose another `kafka.changelog_prefix`"
    )]
    Form(String),
    /// Not what it should be.
    #[error("it was not written by keyhound, or is damaged: nobody else may write to this topic")]
    Unreadable(#[from] Unreadable),
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    form: u32,
    version: &'a str,
    origin: (&'a str, i32),
    progress: Progress,
    #[serde(borrow)]
    sources: Vec<(&'a str, i32)>,
    spots: Cow<'a, [(u32, i64)]>,
    batch: Cow<'a, Batch>,
}

impl Parcel {
    /// As bytes.
    pub fn write(
        origin: &Origin,
        progress: Progress,
        sources: &[Origin],
        spots: &[(u32, i64)],
        batch: &Batch,
    ) -> Vec<u8> {
        let written = Written {
            form: FORM,
            version: env!("CARGO_PKG_VERSION"),
            origin: (&origin.topic, origin.partition),
            progress,
            sources: sources.iter().map(|source| (&*source.topic, source.partition)).collect(),
            spots: spots.into(),
            batch: Cow::Borrowed(batch),
        };
        let mut value = Writer::default();
        value.put(&written);
        value.into_bytes()
    }

    /// From bytes, all of them.
    pub fn read(value: &[u8]) -> Result<Self, ParcelError> {
        let (form, version) = Reader::new(value).take::<(u32, &str)>()?;
        if form != FORM {
            return Err(ParcelError::Form(version.to_owned()));
        }
        let mut reader = Reader::new(value);
        let Written { origin, progress, sources, spots, batch, .. } = reader.take()?;
        let named = |(topic, partition): (&str, i32)| Origin { topic: topic.into(), partition };
        let parcel = Self {
            origin: named(origin),
            progress,
            sources: sources.into_iter().map(named).collect(),
            spots: spots.into_owned(),
            batch: batch.into_owned(),
        };
        if reader.is_empty() && parcel.is_sound() { Ok(parcel) } else { Err(Unreadable.into()) }
    }

    /// Whether everything that is pointed at is there.
    fn is_sound(&self) -> bool {
        let is_known = |(source, _): &(u32, i64)| self.sources.get(*source as usize).is_some();
        let has_spot = |line: u32| self.spots.get(line as usize).is_some();
        self.spots.iter().all(is_known) && self.batch.records.iter().all(|record| has_spot(record.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel() -> Parcel {
        let origin = Origin { topic: "usage".into(), partition: 2 };
        Parcel {
            origin: origin.clone(),
            progress: Progress { minute: 29_000_000, is_idle: true },
            sources: vec![origin],
            spots: vec![(0, 17)],
            batch: Batch::default(),
        }
    }

    fn bytes(parcel: &Parcel) -> Vec<u8> {
        Parcel::write(&parcel.origin, parcel.progress, &parcel.sources, &parcel.spots, &parcel.batch)
    }

    #[test]
    fn what_is_written_is_read_and_nothing_less() {
        let parcel = parcel();
        let written = bytes(&parcel);
        assert_eq!(Parcel::read(&written).as_ref(), Ok(&parcel));
        for length in 0..written.len() {
            assert!(Parcel::read(&written[..length]).is_err(), "{length}");
        }
        assert!(Parcel::read(&[written, vec![0]].concat()).is_err(), "more than there should be");
    }

    #[test]
    fn another_form_is_refused_by_the_name_of_its_writer() {
        let mut value = Writer::default();
        value.put(&(FORM + 1, "9.0.0"));
        let error = Parcel::read(&value.into_bytes()).unwrap_err();
        assert!(error.to_string().contains("keyhound 9.0.0"), "{error}");
    }

    #[test]
    fn what_points_at_nothing_is_refused() {
        let mut odd = parcel();
        odd.spots = vec![(1, 17)];
        assert!(Parcel::read(&bytes(&odd)).is_err());
    }
}
