//! Everything that comes without a place to read it again from: what is posted, and what is pulled. It goes over one desk
//! into one spool, so that a checkpoint knows of all of it by one number.

use super::desk::{Backlog, Desk};
use super::probing::{self, PROBED, Probing, ProbingError};
use super::pulling::{self, Pulling};
use super::spool::Spool;
use super::way::Way;
use super::{Listener, Traffic};
use crate::config::{ListenConfig, ProbePlan, SourcePlan};
use crate::engine::intake::{Decoders, Delivery};
use crate::net::trust::TrustError;
use crate::normalise::Rulebook;
use crate::probe;
use crate::pull::{Cursors, Health};
use crate::sink::Room;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Batches on their way from the desk to the feed.
const AHEAD: usize = 4;

/// Who posts, and who is asked, before anything comes.
pub struct Reception {
    listener: Option<Listener>,
    sources: Vec<Pulling>,
    probing: Option<Probing>,
    limits: ListenConfig,
    /// Where the spool is, if there is one.
    folder: Option<PathBuf>,
    room: Room,
    traffic: Arc<Traffic>,
}

impl Reception {
    /// Makes ready; nobody is answered or asked yet. With a folder for the spool, what has come is on disk.
    pub fn new(limits: &ListenConfig, folder: Option<PathBuf>, room: Room) -> Self {
        let traffic = Arc::new(Traffic::new(limits));
        Self {
            listener: None,
            sources: Vec::new(),
            probing: None,
            limits: limits.clone(),
            folder,
            room,
            traffic,
        }
    }

    /// Takes what is posted there, too.
    #[must_use]
    pub fn with_listener(self, listener: Option<Listener>) -> Self {
        Self { listener, ..self }
    }

    /// Asks these, too.
    pub fn with_sources(mut self, plans: &[Arc<SourcePlan>]) -> Result<Self, (Arc<str>, TrustError)> {
        for plan in plans {
            let source = Pulling::new(plan).map_err(|error| (Arc::clone(&plan.name), error))?;
            self.sources.push(source);
        }
        Ok(self)
    }

    /// Sends these canary prompts, too; what they remember is kept in the folder of the state, if there is one.
    pub fn with_probes(
        mut self,
        plans: &[Arc<ProbePlan>],
        rules: &Arc<Rulebook>,
        dir: Option<&Path>,
    ) -> Result<Self, ProbingError> {
        if !plans.is_empty() {
            self.probing = Some(Probing::new(plans, rules, dir)?);
        }
        Ok(self)
    }

    /// Whether canary prompts are sent.
    pub fn probes(&self) -> bool {
        self.probing.is_some()
    }

    /// Whether nothing comes but what canary prompts say, which is no input.
    pub fn only_probes(&self) -> bool {
        self.listener.is_none() && self.sources.is_empty()
    }

    /// How canary prompts get on, if any are sent.
    pub fn probe_health(&self) -> Option<Arc<probe::Health>> {
        self.probing.as_ref().map(|probing| Arc::clone(&probing.health))
    }

    /// Whether anybody posts.
    pub fn listens(&self) -> bool {
        self.listener.is_some()
    }

    /// The names of those who are asked.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sources.iter().map(Pulling::name)
    }

    /// How those get on who are asked.
    pub fn healths(&self) -> Vec<Arc<Health>> {
        self.sources.iter().map(|source| Arc::clone(&source.health)).collect()
    }

    /// What passes through.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Begins to answer and to ask. `taken` is the number up to which a checkpoint knows what has come.
    pub fn start(
        self,
        decoders: &Decoders,
        taken: u64,
        stop: &CancellationToken,
    ) -> io::Result<(Backlog, mpsc::Receiver<Delivery>)> {
        let spool = self.folder.as_deref().map(Spool::open).transpose()?;
        let (desk, work) = mpsc::channel(self.limits.connections_max as usize + 1);
        let (queue, deliveries) = mpsc::channel(AHEAD);
        let backlog = Backlog::new(taken, desk.downgrade());
        let probed = self.probing.is_some().then(|| PROBED.to_owned());
        let lanes = self.sources.iter().map(|source| source.name().to_string()).chain(probed).collect();
        let way = Way {
            desk: desk.clone(),
            traffic: Arc::clone(&self.traffic),
            room_max: self.limits.queue_bytes_max,
            stop: stop.clone(),
        };
        let mut ready = Vec::new();
        for source in self.sources {
            let (resume, cursor) = tokio::sync::oneshot::channel();
            ready.push((source.name().to_string(), resume));
            pulling::start(source, cursor, way.clone())?;
        }
        if let Some(probing) = self.probing {
            let (resume, is_ready) = tokio::sync::oneshot::channel();
            ready.push((PROBED.to_owned(), resume));
            probing::start(probing, is_ready, way)?;
        }
        let clerk = Desk {
            work,
            spool_bytes_max: if spool.is_some() { self.limits.spool_bytes_max } else { 0 },
            spool,
            backlog: backlog.clone(),
            room: self.room,
            decoders: decoders.clone(),
            queue,
            traffic: Arc::clone(&self.traffic),
            stop: stop.clone(),
            number: taken,
            lanes,
            cursors: Cursors::default(),
            is_known: true,
            ready,
        };
        thread::Builder::new().name("desk".to_owned()).spawn(move || clerk.run())?;
        if let Some(listener) = self.listener {
            listener.serve(desk, self.limits, self.traffic, stop)?;
        }
        Ok((backlog, deliveries))
    }
}
