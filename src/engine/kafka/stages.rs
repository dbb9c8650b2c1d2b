//! Which topics there are, and what becomes of the records of each.
//!
//! Where the partitions of the input follow from the API key, one cell does everything. Where they do not, there are
//! three kinds: one for each partition of the input, which only decodes; one for each partition of the topic in which
//! halves of requests meet; and one for each partition of the topic in which all records of a key are together.

use crate::config::KafkaPlan;
use crate::source::kafka::{Place, Topics};
use std::sync::Arc;

/// What becomes of the records of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Everything: they are decoded, joined and judged.
    Whole,
    /// They are decoded and passed on.
    Input,
    /// Halves of requests are brought together and passed on.
    Halves,
    /// They are judged.
    Keys,
}

impl Stage {
    /// The name in messages and in saved state.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Whole => "input keyed by API key",
            Self::Input => "input that is repartitioned",
            Self::Halves => "halves of requests",
            Self::Keys => "records by key",
        }
    }
}

/// A partition from which records come.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Origin {
    /// Its topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

/// Where one record stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The partition.
    pub origin: Origin,
    /// Its position there.
    pub offset: i64,
}

/// All topics that are read, with their partitions: those with records first, then those of our own.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Their names.
    pub topics: Topics,
    names: Vec<Arc<str>>,
    partitions: Vec<usize>,
    inputs: usize,
    changelogs: Vec<Arc<str>>,
    /// The topic in which partitions tell each other what is usual among their keys.
    pub fleet: Arc<str>,
    /// The topic in which they tell each other how far they have come.
    pub progress: Arc<str>,
}

impl Layout {
    /// The topics of a plan, each with as many partitions as it has.
    pub fn new(plan: &KafkaPlan, partitions: Vec<usize>) -> Self {
        let topics: Vec<String> = plan.read_topics();
        Self {
            names: topics.iter().map(|name| name.as_str().into()).collect(),
            changelogs: topics.iter().map(|name| plan.changelog(name).into()).collect(),
            topics: Topics { names: topics.into(), inputs: plan.topics.len() },
            partitions,
            inputs: plan.topics.len(),
            fleet: plan.fleet_topic().into(),
            progress: plan.progress_topic().into(),
        }
    }

    /// Whether records are passed on to topics of our own.
    fn is_staged(&self) -> bool {
        self.names.len() > self.inputs
    }

    /// What becomes of the records of a partition.
    pub fn stage(&self, place: Place) -> Stage {
        match usize::from(place.topic).checked_sub(self.inputs) {
            None if self.is_staged() => Stage::Input,
            None => Stage::Whole,
            Some(0) => Stage::Keys,
            Some(_) => Stage::Halves,
        }
    }

    /// The name of a partition.
    pub fn origin(&self, place: Place) -> Origin {
        let topic = self.names.get(usize::from(place.topic));
        Origin { topic: topic.cloned().unwrap_or_else(|| "".into()), partition: place.partition }
    }

    /// The name of the topic that keeps the state of a partition.
    pub fn changelog(&self, place: Place) -> Arc<str> {
        self.changelogs.get(usize::from(place.topic)).cloned().unwrap_or_else(|| "".into())
    }

    /// How many partitions a topic has.
    pub fn partitions(&self, topic: u16) -> usize {
        self.partitions.get(usize::from(topic)).copied().unwrap_or(1).max(1)
    }

    /// From where records of a stage come.
    pub fn origins(&self, stage: Stage) -> Vec<Origin> {
        let inputs = 0..self.inputs;
        let halves = self.inputs + 1..self.names.len();
        match stage {
            Stage::Whole | Stage::Input => Vec::new(),
            Stage::Halves => self.all(inputs).collect(),
            Stage::Keys => self.all(inputs).chain(self.all(halves)).collect(),
        }
    }

    /// To where records of a stage are passed on: the partitions by key, and those for halves.
    pub fn targets(&self, stage: Stage) -> (Vec<Origin>, Vec<Origin>) {
        let keys = self.inputs..self.inputs + 1;
        let halves = self.inputs + 1..self.names.len();
        match stage {
            Stage::Whole | Stage::Keys => (Vec::new(), Vec::new()),
            Stage::Input => (self.all(keys).collect(), self.all(halves).collect()),
            Stage::Halves => (self.all(keys).collect(), Vec::new()),
        }
    }

    fn all(&self, topics: std::ops::Range<usize>) -> impl Iterator<Item = Origin> {
        topics.flat_map(move |topic| {
            let topic = u16::try_from(topic).unwrap_or(u16::MAX);
            let partitions = i32::try_from(self.partitions(topic)).unwrap_or(i32::MAX);
            (0..partitions).map(move |partition| self.origin(Place { topic, partition }))
        })
    }
}
