//! Containment in a run: the egress hands incidents over, a task does what the rules say, and what stands in its journal is
//! brought to the sinks.

use super::clock::now;
use super::egress::EgressError;
use super::failed::RunError;
use super::run::Options;
use super::totals::Totals;
use crate::config::ContainPlan;
use crate::contain::{About, Book, Deed, Journal, JournalError, Step, Tail, Tally, Tools, Worker, read};
use crate::incident::Phase;
use crate::shard::Event;
use crate::sink::Room;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// What the journal is called among the outboxes that a checkpoint knows; no sink can be called so.
pub(super) const NAME: &str = "[contain]";
/// Incidents on their way. One that finds no room comes again with its next revision.
const ON_THE_WAY: usize = 1024;
/// How often the journal is looked at, for others write to it, too (`keyhound contain undo`).
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Containment, as the egress has it.
pub(super) struct Containing {
    plan: Arc<ContainPlan>,
    journal: Journal,
    room: Room,
    /// What was noticed, among all else.
    book: Book,
    incidents: Option<mpsc::Sender<About>>,
    work: Option<JoinHandle<Result<(), JournalError>>>,
    news: Arc<Notify>,
    /// When the journal is looked at anyway.
    looks: Interval,
    tail: Tail,
    lost: u64,
}

impl Containing {
    /// Starts it, if there is a policy. What earlier runs have brought to the sinks ends at `told`.
    pub fn start(
        options: &Options,
        totals: &mut Totals,
        told: Option<u64>,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, RunError> {
        let (Some(plan), Some(state)) = (&options.contain, &options.state) else { return Ok(None) };
        let journal = Journal::open(state)?;
        let deeds = read(state)?;
        let tally = Tally::new(plan.rules.iter().map(|rule| (rule.name.clone(), rule.action.name)));
        let (incidents, heard) = mpsc::channel(ON_THE_WAY);
        let news = Arc::new(Notify::new());
        let tools = Tools {
            plan: Arc::clone(plan),
            namer: options.plan.rulebook.namer.clone(),
            redactor: options.plan.rulebook.redactor.clone(),
            journal: journal.clone(),
            book: Book::of(&deeds),
            tally: Arc::clone(&tally),
            room: totals.rooms.place(),
            news: Arc::clone(&news),
            stop: stop.clone(),
        };
        let worker = Worker::new(tools, heard).map_err(RunError::Containment)?;
        totals.contain = Some(tally);
        let length = std::fs::metadata(journal.path()).map_or(0, |found| found.len());
        let tail = Tail::new(journal.path(), told.unwrap_or(0).min(length));
        for rule in &plan.rules {
            tracing::info!("containment: {}", rule.summary());
        }
        Ok(Some(Self {
            plan: Arc::clone(plan),
            journal,
            room: totals.rooms.place(),
            book: Book::of(&deeds),
            incidents: Some(incidents),
            work: Some(tokio::spawn(worker.run())),
            news,
            looks: looks(),
            tail,
            lost: 0,
        }))
    }

    /// Hears of an incident. That it may call for something is on disk before a checkpoint says that it was told.
    pub async fn hear(&mut self, event: &Event) -> Result<(), EgressError> {
        let Event::Incident(incident) = event else { return Ok(()) };
        if !matches!(incident.phase, Phase::Open | Phase::Confirmed) {
            return Ok(());
        }
        let about = About::from(incident);
        if !self.plan.rules.iter().any(|rule| rule.wants(&about)) {
            return Ok(());
        }
        let is_recent = now().0.saturating_sub(about.at.0) <= self.plan.recent;
        if is_recent && !self.book.has_noticed(&about.incident) {
            let words = "this incident may call for containment".to_owned();
            let deed = Deed::new(&about, ("", ""), Step::Noticed, now(), words);
            self.journal.append(&deed, &self.room).await?;
            self.book.take(&deed);
        }
        if let Some(incidents) = &self.incidents
            && incidents.try_send(about).is_err()
        {
            self.lost += 1;
            if self.lost == 1 {
                tracing::error!("containment cannot keep up: incidents are passed over until they go on");
            }
        }
        Ok(())
    }

    /// Waits until there may be something new in the journal.
    pub async fn news(&mut self) -> Result<(), EgressError> {
        let Some(work) = &mut self.work else { return std::future::pending().await };
        tokio::select! {
            done = work => {
                self.work = None;
                done.map_err(|_| EgressError::Died)??;
            }
            () = self.news.notified() => {}
            _ = self.looks.tick() => {}
        }
        Ok(())
    }

    /// What is new in the journal and is to be told, from whoever wrote it.
    pub async fn untold(&mut self) -> Result<Vec<Event>, EgressError> {
        let mut events = Vec::new();
        loop {
            let mut tail = self.tail.clone();
            let read = tokio::task::spawn_blocking(move || tail.read().map(|deeds| (tail, deeds))).await;
            let failed = |error| JournalError { path: self.journal.path().to_owned(), error };
            let (tail, deeds) = read.map_err(io::Error::other).flatten().map_err(failed)?;
            self.tail = tail;
            let Some(deeds) = deeds else { return Ok(events) };
            let told = deeds.into_iter().filter(|deed| deed.step != Step::Noticed);
            events.extend(told.map(|deed| Event::Containment(Box::new(deed))));
        }
    }

    /// How far the journal has been brought to the sinks.
    pub fn told(&self) -> u64 {
        self.tail.at()
    }

    /// Nothing more comes: waits until all is done that was begun.
    pub async fn end(&mut self) -> Result<(), EgressError> {
        self.incidents = None;
        match self.work.take() {
            Some(work) => work.await.map_err(|_| EgressError::Died)?.map_err(EgressError::from),
            None => Ok(()),
        }
    }
}

fn looks() -> Interval {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

impl From<JournalError> for EgressError {
    fn from(JournalError { path, error }: JournalError) -> Self {
        Self::Io { name: path.display().to_string(), error }
    }
}
