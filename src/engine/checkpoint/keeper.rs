//! Writes checkpoints behind the back of the egress: while one is forced to disk, records go on.

use super::{Checkpoint, Length, Origin, Pace, Store};
use crate::engine::clock::{Arrival, now};
use crate::fault::{Mistake, planted, step};
use crate::sink::is_full;
use crate::time::Timestamp;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Writes checkpoints.
pub struct Keeper {
    origin: Origin,
    pace: Pace,
    stalled: Arc<AtomicBool>,
    state: State,
}

enum State {
    Idle(Box<Store>),
    Writing(JoinHandle<Made>),
    /// It failed, which has been told.
    Failed,
}

type Made = io::Result<(Box<Store>, Kept)>;

/// What a checkpoint took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// How long.
    pub took: Duration,
    /// Its bytes.
    pub bytes: u64,
    /// When it was on disk.
    pub at: Timestamp,
}

impl Keeper {
    /// Writes into `store` what comes from `origin`; `stalled` says whether there is room.
    pub fn new(store: Store, origin: Origin, pace: Pace, stalled: &Arc<AtomicBool>) -> Self {
        Self { origin, pace, stalled: Arc::clone(stalled), state: State::Idle(Box::new(store)) }
    }

    /// Waits until the checkpoint that is being written is on disk; what it took, if there was one.
    pub async fn settle(&mut self) -> io::Result<Option<Kept>> {
        let State::Writing(task) = &mut self.state else { return Ok(None) };
        let made = task.await.map_err(io::Error::other).flatten();
        match made {
            Ok((store, kept)) => {
                self.state = State::Idle(store);
                Ok(Some(kept))
            }
            Err(error) => {
                self.state = State::Failed;
                Err(error)
            }
        }
    }

    /// Starts writing a checkpoint, after the one before is on disk. The outputs are forced to disk before it is, so
    /// that it never knows of more than there is.
    pub async fn keep(&mut self, saved: Checkpoint, outputs: Vec<Arc<File>>) -> io::Result<Option<Kept>> {
        let settled = self.settle().await?;
        let State::Idle(mut store) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(io::Error::other("no checkpoint can be written"));
        };
        let checkpoint = Checkpoint { origin: self.origin.clone(), ..saved };
        let (stalled, pace) = (Arc::clone(&self.stalled), self.pace.clone());
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            let began = Arrival::now();
            // A file that could not be forced to disk once may have lost what it held: it is not tried again.
            if !planted(Mistake::AcknowledgedBeforeFsync) {
                outputs.iter().try_for_each(|output| output.sync_data())?;
            }
            step("outputs_forced");
            let bytes = write(&mut store, &checkpoint, &stalled)?;
            let kept = Kept { took: began.elapsed(), bytes, at: now() };
            // Whoever asks for the next one must not have to wait until somebody looks at this one.
            pace.made(kept.took);
            Ok((store, kept))
        }));
        Ok(settled)
    }
}

/// Writes a checkpoint as soon as there is room for it.
fn write(store: &mut Store, checkpoint: &Checkpoint, stalled: &AtomicBool) -> io::Result<u64> {
    const FULL_FOR: Duration = Duration::from_millis(500);
    loop {
        match store.write(checkpoint) {
            Ok(bytes) => {
                stalled.store(false, Ordering::Relaxed);
                return Ok(bytes);
            }
            Err(error) if is_full(&error) => {
                if !stalled.swap(true, Ordering::Relaxed) {
                    let dir = store.dir().display();
                    tracing::error!("{dir}: the disk is full; reading stops soon if there is no room");
                }
                std::thread::sleep(FULL_FOR);
            }
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("{}: {error}", store.dir().display())));
            }
        }
    }
}

/// How long a file is, for a checkpoint.
pub fn length((file, bytes): (crate::source::FileId, u64)) -> Length {
    Length { file, bytes }
}
