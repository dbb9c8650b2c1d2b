//! `--shadow`: a second configuration judges the same records in shards of its own. What it tells goes nowhere; in what it
//! differs from what the run tells is written down and counted.

mod compare;
mod line;

pub use compare::{KINDS, Relation, Side, Tally};

use super::checkpoint::{Length, ShadowState};
use super::egress::EgressError;
use super::shards::Report;
use super::state::State;
use crate::config::Plan;
use crate::encode::Visible;
use crate::save::{Reader, Unreadable, Writer};
use crate::shard::{Gauges, Output};
use crate::sink::{AnySink, Sink};
use bytes::Bytes;
use compare::Comparison;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What is tried beside the run.
pub struct ShadowOptions {
    /// The second configuration, of which only what shards go by is used.
    pub plan: Plan,
    /// What it is called in messages.
    pub name: String,
    /// Where differences are appended to.
    pub out: Option<PathBuf>,
}

/// What there is to show of a shadow.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShadowTotals {
    /// What both tell.
    pub tally: Tally,
    /// What its shards hold.
    pub gauges: Gauges,
    /// It still judges.
    pub is_running: bool,
}

/// A shadow, as the egress has it.
pub struct Shadow {
    name: String,
    /// One answer to each move from each of its shards; none any more once one of them has died.
    reports: Vec<mpsc::Receiver<Report>>,
    comparison: Comparison,
    out: Option<(AnySink, String)>,
    totals: ShadowTotals,
    /// What its shards have saved for the checkpoint that is being made.
    saved: Vec<Bytes>,
}

/// What an earlier run has left of a shadow.
#[derive(Default)]
pub struct Past {
    /// What its shards remembered.
    pub shards: Arc<[Bytes]>,
    /// What was compared.
    pub left: Option<Left>,
    /// It learns from a history first.
    pub learning: bool,
    /// The run goes on from a checkpoint.
    pub is_resumed: bool,
}

impl Past {
    /// What `state` has of it, where one is wanted.
    pub fn of(wanted: Option<&ShadowOptions>, state: &State, learning: bool) -> Self {
        let is_resumed = state.earlier.is_some();
        let Some(ShadowOptions { name, .. }) = wanted else { return Self::default() };
        let (mut shards, mut left) = (Vec::new(), None);
        if let Some(saved) = state.take_shadow() {
            match Left::restore(&saved.report) {
                Ok(restored) => (shards, left) = (saved.shards, Some(restored)),
                Err(error) => tracing::error!("shadow {}: {error}; it starts anew", Visible(name)),
            }
        }
        if is_resumed && left.is_none() {
            tracing::warn!(
                "shadow {}: it begins now, while the run knows its keys from before: until it has learned as much, differences \
                 say little",
                Visible(name)
            );
        }
        Self { shards: shards.into(), left, learning, is_resumed }
    }
}

/// What an earlier run has left of the comparison.
pub struct Left {
    comparison: Comparison,
    /// How long the file of differences was.
    pub out: Option<Length>,
}

impl Left {
    /// From bytes.
    pub fn restore(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut saved = Reader::new(bytes);
        let out = saved.take()?;
        Ok(Self { comparison: Comparison::restore(&mut saved)?, out })
    }
}

impl Shadow {
    /// Hears what its shards report, and goes on from what is left of an earlier run.
    pub fn new(
        name: String,
        reports: Vec<mpsc::Receiver<Report>>,
        left: Option<Left>,
        out: Option<(AnySink, String)>,
    ) -> Self {
        let comparison = left.map(|left| left.comparison).unwrap_or_default();
        let totals = ShadowTotals { tally: comparison.tally(), is_running: true, ..ShadowTotals::default() };
        Self { name, reports, comparison, out, totals, saved: Vec::new() }
    }

    /// What there is to show.
    pub fn totals(&self) -> ShadowTotals {
        self.totals
    }

    /// What came of it, for people.
    pub fn summary(&self) -> String {
        line::summary(&self.name, &self.comparison)
    }

    /// Takes what its shards made of a move, of which the run tells `here`.
    pub async fn hear(&mut self, here: &[Output]) -> Result<(), EgressError> {
        if !self.totals.is_running {
            return Ok(());
        }
        let mut there = Vec::new();
        self.saved.clear();
        let mut gauges = Gauges::default();
        for report in &mut self.reports {
            let Some(report) = report.recv().await else {
                // What is only tried must not end what is relied on.
                tracing::error!(
                    "a thread of the shadow {} has died, which is a mistake of ours; please report it. The run goes on without it",
                    Visible(&self.name)
                );
                self.totals.is_running = false;
                self.reports.clear();
                return Ok(());
            };
            there.extend(report.outputs);
            gauges.add(report.gauges);
            self.saved.extend(report.saved);
        }
        there.sort_by_key(|told: &Output| told.order);
        let mut lines = Vec::new();
        self.comparison.hear(here, &there, &mut lines);
        self.totals = ShadowTotals { tally: self.comparison.tally(), gauges, is_running: true };
        match &mut self.out {
            Some((sink, name)) if !lines.is_empty() => {
                sink.write(&lines).await.map_err(|error| failed(name, error))
            }
            _ => Ok(()),
        }
    }

    /// What a checkpoint has to know; none of a shadow that has ended.
    pub fn state(&mut self) -> Option<ShadowState> {
        if !self.totals.is_running {
            return None;
        }
        let mut report = Writer::default();
        let file = self.out.as_mut().and_then(|(sink, _)| sink.file());
        report.put(&file.map(|file| super::checkpoint::length(file.length())));
        self.comparison.save(&mut report);
        Some(ShadowState { shards: std::mem::take(&mut self.saved), report: report.into_bytes() })
    }

    /// The file of differences, where there is one.
    pub fn out(&mut self) -> Option<&mut AnySink> {
        self.out.as_mut().map(|(sink, _)| sink)
    }

    /// The inputs are complete: what they do not lead to is taken away again.
    pub fn finish(&mut self) -> Result<(), EgressError> {
        let Some((sink, name)) = &mut self.out else { return Ok(()) };
        let Some(file) = sink.file() else { return Ok(()) };
        file.finish().map_err(|error| failed(name, error))
    }
}

/// Whoever read the differences has gone: the run has not.
fn failed(name: &str, error: io::Error) -> EgressError {
    EgressError::Io { name: name.to_owned(), error }
}
