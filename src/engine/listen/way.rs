//! How what nobody posts comes to the desk all the same: pages that were pulled, and what canary prompts say.

use super::desk::{Body, Verdict, Work};
use super::traffic::Traffic;
use crate::engine::clock::Arrival;
use crate::pull::{Over, Step};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// The way to the desk.
#[derive(Clone)]
pub struct Way {
    /// The desk.
    pub desk: mpsc::Sender<Work>,
    /// Where there has to be room.
    pub traffic: Arc<Traffic>,
    /// More than all the room nobody takes.
    pub room_max: u32,
    /// Asks for a stop.
    pub stop: CancellationToken,
}

/// What is brought.
pub struct Lines {
    /// Its text.
    pub bytes: Vec<u8>,
    /// What it is called, behind its number.
    pub name: String,
    /// The lane that it comes on.
    pub lane: String,
    /// How the cursor of a source moves with it.
    pub steps: Vec<Step>,
}

impl Way {
    /// Brings something to the desk; when it is answered, it is on disk.
    pub async fn bring(&self, lines: Lines) -> Result<Verdict, Over> {
        let Lines { bytes, name, lane, steps } = lines;
        let share = u32::try_from(bytes.len().max(1)).unwrap_or(u32::MAX).min(self.room_max);
        let room = tokio::select! {
            room = Arc::clone(&self.traffic.queue).acquire_many_owned(share) => room.map_err(|_| Over)?,
            () = self.stop.cancelled() => return Err(Over),
        };
        let (answer, verdict) = oneshot::channel();
        let body =
            Body { bytes: bytes.into(), name, source: lane, steps, arrived: Arrival::now(), room, answer };
        self.desk.send(Work::Body(Box::new(body))).await.map_err(|_| Over)?;
        verdict.await.map_err(|_| Over)
    }
}
