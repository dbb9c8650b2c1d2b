//! One sink as long as this process delivers to it.

use crate::config::SinkPlan;
use crate::engine::failed::RunError;
use crate::engine::outbox::{Outbox, Traffic, cost};
use crate::fault::{Mistake, planted};
use crate::sink::carrier::Carrier;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What carries to a sink.
pub fn carrier(plan: &Arc<SinkPlan>) -> Result<Box<dyn Carrier>, RunError> {
    (plan.kind.open)(plan, None).map_err(|error| RunError::Sink { name: plan.name.clone(), error })
}

/// Deliveries to a sink, from a position of its topic on.
pub struct Round {
    outbox: Option<Outbox>,
    sending: JoinHandle<()>,
    plan: Arc<SinkPlan>,
    traffic: Arc<Traffic>,
    stop: CancellationToken,
    /// Positions of what waits, in order.
    waiting: VecDeque<i64>,
    /// How many were taken by the receiver.
    taken: u64,
    /// What is to be read next.
    pub next: i64,
    /// Nothing is read until there is room.
    is_held: bool,
    /// The seek after which messages are to be fetched.
    sought: u64,
}

impl Round {
    /// Begins to deliver what stands from `next` on.
    pub fn begin(
        plan: &Arc<SinkPlan>,
        carrier: Box<dyn Carrier>,
        traffic: &Arc<Traffic>,
        next: i64,
        runtime: &Handle,
    ) -> Self {
        traffic.begin();
        let stop = CancellationToken::new();
        let (outbox, sender) = Outbox::passing(plan, carrier, &stop, traffic);
        Self {
            outbox: Some(outbox),
            sending: runtime.spawn(sender.run()),
            plan: Arc::clone(plan),
            traffic: Arc::clone(traffic),
            stop,
            waiting: VecDeque::new(),
            taken: 0,
            next,
            is_held: false,
            sought: 0,
        }
    }

    /// The sink.
    pub fn plan(&self) -> &SinkPlan {
        &self.plan
    }

    /// Whether what was fetched after this seek is what is to come next.
    pub const fn listens(&self, seek: u64) -> bool {
        !self.is_held && seek >= self.sought
    }

    /// Whether there is room for this; one that is larger than all the room has it alone.
    pub fn has_room(&self, text: &[u8]) -> bool {
        self.waiting.is_empty() || self.traffic.bytes() + cost(text) as u64 <= self.traffic.bytes_max()
    }

    /// Puts in what stands at a position.
    pub async fn put(&mut self, position: i64, text: &[u8]) {
        if let Some(outbox) = &mut self.outbox {
            // Only whoever has been told to stop carries nothing any more, and then all of it is read again.
            let _ = outbox.push(text.to_vec()).await;
            self.waiting.push_back(position);
            self.next = position + 1;
        }
    }

    /// Reads nothing for now.
    pub fn hold(&mut self) {
        self.is_held = true;
        self.traffic.set_full(true);
    }

    /// Whether nothing is read.
    pub const fn is_held(&self) -> bool {
        self.is_held
    }

    /// Whether there is room again for some more.
    pub fn may_go_on(&self) -> bool {
        self.is_held && self.traffic.bytes() <= self.traffic.bytes_max() / 2
    }

    /// Reads on, at this position, after this seek.
    pub fn go_on(&mut self, seek: u64, next: i64) {
        (self.is_held, self.sought, self.next) = (false, seek, next);
        self.traffic.set_full(false);
    }

    /// So many messages stand behind what has been read.
    pub fn behind(&self, count: i64) {
        self.traffic.set_behind(count.max(0).unsigned_abs());
    }

    /// Behind what the receiver has taken since this was asked last; nothing where that is nothing.
    pub fn news(&mut self) -> Option<i64> {
        let taken = self.traffic.taken();
        let count = usize::try_from(taken.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        let count = if planted(Mistake::NotedBeforeDelivered) { usize::MAX } else { count };
        self.taken = self.taken.max(taken);
        let last = self.waiting.drain(..count.min(self.waiting.len())).next_back()?;
        Some(last + 1)
    }

    /// Ends it: what waits is still tried for a moment, unless somebody else delivers it already.
    pub async fn end(&mut self, at_once: bool) {
        self.outbox = None;
        self.stop.cancel();
        if at_once {
            self.sending.abort();
        }
        // One that has died has delivered nothing more.
        let _ = (&mut self.sending).await;
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.sending.abort();
        self.traffic.begin();
    }
}
