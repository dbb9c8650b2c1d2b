//! The end of posting: what is still delivered then, and what is said of the rest.

use super::sender::Sender;
use super::traffic::Traffic;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A sender at work, or none.
pub struct Sending(Option<JoinHandle<()>>);

impl Sending {
    /// Starts it.
    pub fn start(sender: Option<Sender>) -> Self {
        Self(sender.map(|sender| tokio::spawn(sender.run())))
    }

    /// Waits until everything is delivered or it is time to give up; the outbox has to be gone before.
    pub async fn end(self) {
        if let Some(task) = self.0 {
            // One that has died has delivered nothing more, which is told by what is left.
            let _ = task.await;
        }
    }
}

/// What is left in an outbox.
#[derive(Clone)]
pub struct Left {
    traffic: Option<Arc<Traffic>>,
    is_kept: bool,
}

impl Left {
    /// What is left of `traffic`, which is also on disk if it `is_kept`.
    pub fn new(traffic: Option<Arc<Traffic>>, is_kept: bool) -> Self {
        Self { traffic, is_kept }
    }

    /// Tells what is left, and counts what is lost with this process.
    pub fn tell(&self) -> u64 {
        let count = self.traffic.as_ref().map_or(0, |traffic| traffic.entries());
        if count > 0 && self.is_kept {
            tracing::warn!(
                "{count} alerts could not be posted yet; the next run with this --state goes on with them"
            );
            return 0;
        }
        count
    }
}
