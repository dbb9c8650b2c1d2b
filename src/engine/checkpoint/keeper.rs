//! Writes checkpoints behind the back of the egress: while one is forced to disk, records go on.

use super::{Checkpoint, Length, Origin, Pace, Store};
use crate::engine::clock::{Arrival, now};
use crate::fault::{Mistake, planted, step};
use crate::sink::{FULL_FOR, Room, is_full};
use crate::time::Timestamp;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Writes checkpoints.
pub struct Keeper {
    origin: Origin,
    pace: Pace,
    room: Arc<Room>,
    state: State,
}

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {error}")]
pub struct Unkept {
    /// What could not be written.
    pub name: String,
    /// What the system says.
    pub error: io::Error,
}

enum State {
    Idle(Box<Store>),
    Writing(JoinHandle<Made>),
    /// It failed, which has been told.
    Failed,
}

type Made = Result<(Box<Store>, Kept), Unkept>;

/// What a checkpoint took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// How long, without waiting for room.
    pub took: Duration,
    /// Its bytes.
    pub bytes: u64,
    /// When it was on disk.
    pub at: Timestamp,
}

impl Keeper {
    /// Writes into `store` what comes from `origin`.
    pub fn new(store: Store, origin: Origin, pace: Pace, room: Room) -> Self {
        Self { origin, pace, room: Arc::new(room), state: State::Idle(Box::new(store)) }
    }

    /// Whether a checkpoint that is being written waits for room.
    pub fn waits_for_room(&self) -> bool {
        self.room.is_full()
    }

    /// Waits until the checkpoint that is being written is on disk, and tells what it took; for ever, if there is none.
    pub async fn made(&mut self) -> Result<Kept, Unkept> {
        let State::Writing(task) = &mut self.state else { return std::future::pending().await };
        let died = |error| Unkept { name: "state".to_owned(), error: io::Error::other(error) };
        let (store, kept) = match task.await.map_err(died).flatten() {
            Ok(made) => made,
            Err(error) => {
                self.state = State::Failed;
                return Err(error);
            }
        };
        self.state = State::Idle(store);
        Ok(kept)
    }

    /// Waits until the checkpoint that is being written is on disk; what it took, if there was one.
    pub async fn settle(&mut self) -> Result<Option<Kept>, Unkept> {
        match &self.state {
            State::Writing(_) => self.made().await.map(Some),
            State::Idle(_) | State::Failed => Ok(None),
        }
    }

    /// Starts writing a checkpoint, after the one before is on disk. The outputs are forced to disk before it is, so
    /// that it never knows of more than there is.
    pub async fn keep(
        &mut self,
        saved: Checkpoint,
        outputs: Vec<(Arc<File>, String)>,
    ) -> Result<Option<Kept>, Unkept> {
        let settled = self.settle().await?;
        let State::Idle(mut store) = std::mem::replace(&mut self.state, State::Failed) else {
            let error = io::Error::other("no checkpoint can be written");
            return Err(Unkept { name: "state".to_owned(), error });
        };
        let checkpoint = Checkpoint { origin: self.origin.clone(), ..saved };
        let (room, pace) = (Arc::clone(&self.room), self.pace.clone());
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            let began = Arrival::now();
            if !planted(Mistake::AcknowledgedBeforeFsync) {
                outputs.iter().try_for_each(|(file, name)| force(file, name))?;
            }
            step("outputs_forced");
            let forcing = began.elapsed();
            let (bytes, writing) = write(&mut store, &checkpoint, &room)?;
            let kept = Kept { took: forcing + writing, bytes, at: now() };
            // Whoever asks for the next one must not have to wait until somebody looks at this one.
            pace.made(kept.took);
            Ok((store, kept))
        }));
        Ok(settled)
    }
}

/// Forces an output to disk. One that could not be forced once may have lost what it held, full disk or not: it is not
/// tried again.
fn force(file: &File, name: &str) -> Result<(), Unkept> {
    file.sync_data().map_err(|error| {
        let message = format!("what was written cannot be forced to disk, and may be lost: {error}");
        Unkept { name: name.to_owned(), error: io::Error::new(error.kind(), message) }
    })
}

/// Writes a checkpoint as soon as there is room for it; its bytes, and what it took once there was.
fn write(store: &mut Store, checkpoint: &Checkpoint, room: &Room) -> Result<(u64, Duration), Unkept> {
    let name = store.dir().display().to_string();
    loop {
        let began = Arrival::now();
        match store.write(checkpoint) {
            Ok(bytes) => {
                room.some();
                return Ok((bytes, began.elapsed()));
            }
            Err(error) if is_full(&error) => {
                room.none(&name);
                std::thread::sleep(FULL_FOR);
            }
            Err(error) => return Err(Unkept { name, error }),
        }
    }
}

/// How long a file is, for a checkpoint.
pub fn length((file, bytes): (crate::source::FileId, u64)) -> Length {
    Length { file, bytes }
}
