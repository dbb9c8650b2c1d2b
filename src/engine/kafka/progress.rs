//! The topic in which partitions tell each other how far they have come: of each the latest word.
//!
//! Whoever reads a partition of the input has to know how far all others are, whatever else the process reads. It is told
//! in the transaction that passes records on. So when it is heard, these stand in the topics between the stages before
//! everything that is read because of it.

use super::bulletin::Bulletin;
use super::client::Clients;
use super::floor::Limit;
use super::parcel::Progress;
use super::stages::{Layout, Origin, Stage};
use crate::config::KafkaPlan;
use rdkafka::error::KafkaResult;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How far a partition has come is told to so many minutes, so that little is written while records are read as they come.
pub const TOLD_MINUTES: i64 = 15;

/// What is told of how far a partition has come.
pub fn rounded(progress: Progress) -> Progress {
    let minute = progress.minute.div_euclid(TOLD_MINUTES).saturating_mul(TOLD_MINUTES);
    Progress { minute, ..progress }
}

/// Of the partitions that are read, how far each has come as far as it is known.
pub struct Known(BTreeMap<Origin, Progress>);

impl Known {
    /// Nothing is known yet.
    pub fn new(layout: &Layout) -> Self {
        Self(layout.origins(Stage::Keys).into_iter().map(|origin| (origin, Progress::NONE)).collect())
    }

    /// Takes note of what one has told. A topic that is no longer read holds nobody back.
    pub fn hear(&mut self, origin: &Origin, progress: Progress) {
        if let Some(known) = self.0.get_mut(origin) {
            *known = progress;
        }
    }

    /// How far one has come; none where it has told nothing.
    pub fn of(&self, origin: &Origin) -> Progress {
        self.0.get(origin).copied().unwrap_or(Progress::NONE)
    }

    /// Up to where one may be read.
    pub fn limit(&self, origin: &Origin) -> Option<Limit> {
        let others = self.0.iter().filter(|(other, _)| *other != origin);
        Limit::of(self.of(origin), others.map(|(_, progress)| *progress))
    }
}

/// Hears how far partitions have come.
pub struct ProgressLog {
    bulletin: Bulletin,
    /// What has been heard.
    pub known: Known,
}

impl ProgressLog {
    /// Nothing is heard yet.
    pub fn new(clients: &Arc<Clients>, plan: &KafkaPlan, layout: &Layout) -> KafkaResult<Self> {
        let bulletin = Bulletin::new(clients, plan.progress_topic())?;
        Ok(Self { bulletin, known: Known::new(layout) })
    }

    /// Hears everything that has been told so far.
    pub fn catch_up(&mut self, stop: &CancellationToken) {
        let Self { bulletin, known } = self;
        bulletin.catch_up(stop, |origin, progress| known.hear(&origin, progress));
    }

    /// Whether there was anything new.
    pub fn hear(&mut self) -> bool {
        let Self { bulletin, known } = self;
        let mut is_news = false;
        bulletin.hear(|origin, progress| {
            known.hear(&origin, progress);
            is_news = true;
        });
        is_news
    }
}
