//! The end of delivering: what is still delivered then, and what is said of the rest.

use super::sender::Sender;
use super::traffic::Traffic;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The senders at work.
pub struct Sending(Vec<JoinHandle<()>>);

impl Sending {
    /// Starts them.
    pub fn start(senders: Vec<Sender>) -> Self {
        Self(senders.into_iter().map(|sender| tokio::spawn(sender.run())).collect())
    }

    /// Waits until everything is delivered or it is time to give up; the outboxes have to be gone before.
    pub async fn end(self) {
        for task in self.0 {
            // One that has died has delivered nothing more, which is told by what is left.
            let _ = task.await;
        }
    }
}

/// What is left in all outboxes.
#[derive(Clone)]
pub struct Left {
    sinks: Vec<(Arc<str>, Arc<Traffic>)>,
    is_kept: bool,
}

impl Left {
    /// What is left for these sinks, which is also on disk if it `is_kept`.
    pub fn new(sinks: Vec<(Arc<str>, Arc<Traffic>)>, is_kept: bool) -> Self {
        Self { sinks, is_kept }
    }

    /// Tells what is left, and counts what is lost with this process.
    pub fn tell(&self) -> u64 {
        let left = self.sinks.iter().map(|(name, traffic)| (name, traffic.entries()));
        let left: Vec<_> = left.filter(|(_, count)| *count > 0).collect();
        for (name, count) in &left {
            if self.is_kept {
                tracing::warn!(
                    "{count} alerts could not be delivered to sink `{name}` yet; the next run with this --state goes on with them"
                );
            } else {
                tracing::error!("{count} alerts could not be delivered to sink `{name}`");
            }
        }
        if self.is_kept { 0 } else { left.iter().map(|(_, count)| count).sum() }
    }
}
