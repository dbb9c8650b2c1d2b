//! What stands between the egress and a receiver that may be slow or away: alerts that were given and not yet taken. Each
//! sink has one of its own.
//!
//! The egress puts alerts in, numbered from nought, and waits when there are too many, which stops the reading. The
//! sender takes them out in order and forgets them when the receiver has taken them. With `--state` they also stand on
//! disk: a checkpoint knows how many were put in by then, and those that came later are made again by the run that goes
//! on from it.

mod complaint;
mod disk;
mod forms;
mod segment;
mod sender;
mod sending;
mod traffic;

pub use disk::{Disk, Found, Known, waiting};
pub use forms::Forms;
pub use sender::{Sender, meaning};
pub use sending::{Left, Sending};
pub use traffic::{Attempt, Traffic};

use crate::config::SinkPlan;
use crate::shard::Event;
use crate::sink::Room;
use crate::sink::carrier::Carrier;
use hyper::body::Bytes;
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Entries on their way to the sender, which takes them at once.
const ON_THE_WAY: usize = 256;
/// What an entry costs besides its text, in memory and on disk.
const ENTRY_BYTES: usize = 128;

/// An alert that waits.
#[derive(Debug)]
pub struct Entry {
    /// Counted from nought over all runs with one state.
    number: u64,
    /// `id.revision`, a line break, and the alert as it is carried.
    text: Bytes,
    /// Its share of the room.
    _room: Option<OwnedSemaphorePermit>,
}

impl Entry {
    /// `id.revision`, with the line break.
    fn name(&self) -> &[u8] {
        &self.text[..self.start()]
    }

    /// The alert as it is carried.
    fn payload(&self) -> Bytes {
        self.text.slice(self.start()..)
    }

    fn start(&self) -> usize {
        payload_at(&self.text)
    }

    fn bytes(&self) -> usize {
        cost(&self.text)
    }
}

/// An event as the text of an entry of a sink; nothing where it does not go there.
pub fn text(plan: &SinkPlan, event: &Event) -> Option<Vec<u8>> {
    if !plan.route.takes(event) {
        return None;
    }
    let mut text = format!("{}\n", event.name()).into_bytes();
    (plan.kind.write)(plan, event, &mut text);
    Some(text)
}

/// Where in a text that begins which is carried: behind its name, which has a line.
pub fn payload_at(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).map_or(0, |at| at + 1)
}

/// What a text costs in memory and on disk.
pub fn cost(text: &[u8]) -> usize {
    text.len() + ENTRY_BYTES
}

/// Where alerts are put in.
pub struct Outbox {
    plan: Arc<SinkPlan>,
    entries: mpsc::Sender<Entry>,
    room: Arc<Semaphore>,
    next: u64,
    disk: Option<Disk>,
    stop: CancellationToken,
    traffic: Arc<Traffic>,
    /// Room on the disk.
    disk_room: Room,
}

/// The sender has gone while alerts still come.
#[derive(Debug, thiserror::Error)]
#[error("nobody carries what is to be delivered")]
struct Gone;

impl Outbox {
    /// An outbox and its sender. What an earlier run has left goes first.
    pub fn new(
        plan: &Arc<SinkPlan>,
        carrier: Box<dyn Carrier>,
        kept: Option<(Disk, Found)>,
        stop: &CancellationToken,
        disk_room: Room,
    ) -> (Self, Sender) {
        let traffic = Arc::new(Traffic::new(plan.config.outbox_bytes_max));
        Self::made((plan, carrier), kept, stop, disk_room, traffic)
    }

    /// One in memory, of which something else keeps what it holds.
    #[cfg(feature = "kafka")]
    pub fn passing(
        plan: &Arc<SinkPlan>,
        carrier: Box<dyn Carrier>,
        stop: &CancellationToken,
        traffic: &Arc<Traffic>,
    ) -> (Self, Sender) {
        Self::made((plan, carrier), None, stop, crate::sink::Rooms::default().place(), Arc::clone(traffic))
    }

    fn made(
        (plan, carrier): (&Arc<SinkPlan>, Box<dyn Carrier>),
        kept: Option<(Disk, Found)>,
        stop: &CancellationToken,
        disk_room: Room,
        traffic: Arc<Traffic>,
    ) -> (Self, Sender) {
        let (entries, receiver) = mpsc::channel(ON_THE_WAY);
        let room = Arc::new(Semaphore::new(plan.config.outbox_bytes_max as usize));
        let (disk, found) = kept.map_or((None, Found::default()), |(disk, found)| (Some(disk), found));
        let left = found.entries.into_iter().map(|(number, text)| {
            // Where the limit was lowered meanwhile, what is over it has no share.
            let share = u32::try_from(cost(&text)).unwrap_or(u32::MAX);
            let room = Arc::clone(&room).try_acquire_many_owned(share).ok();
            traffic.put(cost(&text));
            Entry { number, text, _room: room }
        });
        let left = left.collect();
        let delivered = disk.as_ref().map(Disk::delivered);
        let sender = Sender::new(plan, carrier, receiver, left, delivered, stop, &traffic);
        let outbox = Self {
            plan: Arc::clone(plan),
            entries,
            room,
            next: found.next,
            disk,
            stop: stop.clone(),
            traffic,
            disk_room,
        };
        (outbox, sender)
    }

    /// The sink that it is of.
    pub fn plan(&self) -> &Arc<SinkPlan> {
        &self.plan
    }

    /// What passes through it.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Puts an event in, if it is one that goes there. Waits while there is no room, unless a stop was asked for: then what is under way must get to
    /// where it is kept.
    pub async fn put(&mut self, event: &Event) -> io::Result<()> {
        match text(&self.plan, event) {
            Some(text) => self.push(text).await,
            None => Ok(()),
        }
    }

    /// The same with what it is as a text.
    pub async fn push(&mut self, text: Vec<u8>) -> io::Result<()> {
        let room = self.room(cost(&text)).await;
        if let Some(disk) = &mut self.disk {
            disk.remove(self.traffic.taken());
            disk.append(self.next, &text, &self.disk_room).await?;
        }
        self.traffic.put(cost(&text));
        let entry = Entry { number: self.next, text: text.into(), _room: room };
        self.next += 1;
        match self.entries.send(entry).await {
            // After a stop it does not wait for ever: what it has not delivered is counted.
            Err(_) if !self.stop.is_cancelled() => Err(io::Error::other(Gone)),
            _ => Ok(()),
        }
    }

    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // An alert that is larger than all the room has it alone.
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.plan.config.outbox_bytes_max);
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(share) {
            return Some(room);
        }
        self.traffic.set_full(true);
        let room = tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(share) => room.ok(),
            () = self.stop.cancelled() => None,
        };
        self.traffic.set_full(false);
        room
    }

    /// What a checkpoint has to know: how many were put in, and the files that are to be forced to disk before.
    pub fn kept(&mut self) -> (Option<u64>, Vec<(Arc<File>, String)>) {
        match &mut self.disk {
            Some(disk) => {
                disk.remove(self.traffic.taken());
                (Some(self.next), disk.unforced())
            }
            None => (None, Vec::new()),
        }
    }
}
