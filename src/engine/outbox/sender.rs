//! Takes alerts out of the outbox and posts them, in order, until they are taken.

use super::Entry;
use super::complaint::Complaint;
use super::disk::Delivered;
use super::traffic::{Attempt, Traffic};
use crate::config::PostPlan;
use crate::encode::Visible;
use crate::engine::clock::{Arrival, now};
use crate::fault::step;
use crate::sink::http::{Answer, HttpSink};
use crate::sink::retry::{Backoff, retry_after};
use hyper::body::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// After a stop, how long what waits is still tried.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// At the end of the inputs, how long a receiver that takes nothing is tried if what waits is kept on disk.
const END_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause near the end.
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of one request, unless a single alert has more.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Posts what the outbox holds.
pub struct Sender {
    sink: HttpSink,
    entries: mpsc::Receiver<Entry>,
    /// What is to be posted next, in order.
    queue: VecDeque<Entry>,
    /// No more will come.
    is_last: bool,
    delivered: Option<Delivered>,
    backoff: Backoff,
    batch_max: usize,
    /// Fewer than `batch_max` while the receiver finds requests too large.
    batch: usize,
    stop: CancellationToken,
    traffic: Arc<Traffic>,
    /// When something was taken, or the last came.
    progress: Arrival,
    complaint: Complaint,
}

impl Sender {
    pub(super) fn new(
        plan: &PostPlan,
        sink: HttpSink,
        entries: mpsc::Receiver<Entry>,
        queue: VecDeque<Entry>,
        delivered: Option<Delivered>,
        stop: &CancellationToken,
        traffic: &Arc<Traffic>,
    ) -> Self {
        let seed = ahash::RandomState::new().hash_one(0_u8);
        Self {
            sink,
            entries,
            queue,
            is_last: false,
            delivered,
            backoff: Backoff::new(plan.retry_max, seed),
            batch_max: plan.batch_alerts_max,
            batch: plan.batch_alerts_max,
            stop: stop.clone(),
            traffic: Arc::clone(traffic),
            progress: Arrival::now(),
            complaint: Complaint::default(),
        }
    }

    /// Posts until everything is taken and nothing more comes, or it is time to give up.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_WITHIN).await;
        };
        tokio::select! {
            () = self.deliver() => {}
            () = too_late => {}
        }
    }

    async fn deliver(&mut self) {
        loop {
            while let Ok(entry) = self.entries.try_recv() {
                self.queue.push_back(entry);
            }
            if self.queue.is_empty() {
                match self.entries.recv().await {
                    Some(entry) => self.queue.push_back(entry),
                    None => return,
                }
                continue;
            }
            let count = self.count();
            let (lines, key) = batch(self.queue.iter().take(count));
            let attempt = self.sink.clone().post(lines, key);
            let answer = self.meanwhile(attempt).await;
            self.traffic.attempt(Attempt::from(&answer));
            if answer == Answer::Taken {
                self.taken(count);
            } else {
                self.failed(&answer);
                if self.gives_up() {
                    return;
                }
                self.pause(&answer, count).await;
            }
        }
    }

    /// How many go into one request.
    fn count(&self) -> usize {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.line().len();
            bytes <= BATCH_BYTES_MAX
        };
        self.queue.iter().take(self.batch).take_while(fits).count().max(1)
    }

    /// Does something while entries still come: they are not to wait where they hold up others.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                entry = self.entries.recv(), if !self.is_last => {
                    if entry.is_none() {
                        (self.is_last, self.progress) = (true, Arrival::now());
                    }
                    self.queue.extend(entry);
                }
            }
        }
    }

    fn taken(&mut self, count: usize) {
        step("outbox_posted");
        for entry in self.queue.drain(..count) {
            self.traffic.take(entry.number, entry.bytes());
        }
        if let Some(delivered) = &mut self.delivered {
            delivered.write(self.traffic.taken());
        }
        step("outbox_delivered");
        self.backoff.reset();
        self.batch = (self.batch * 2).min(self.batch_max);
        self.progress = Arrival::now();
        if self.complaint.taken() {
            tracing::info!("{} takes alerts again", Visible(&self.sink.origin()));
        }
    }

    /// Says what is wrong: when it begins, when it is something else, and again while it lasts.
    fn failed(&mut self, answer: &Answer) {
        if !self.complaint.failed(answer) {
            return;
        }
        let (origin, waiting) = (self.sink.origin(), self.traffic.entries());
        let what = what(answer);
        let text = format!("{origin} {what}; {waiting} alerts wait and none is dropped");
        if matches!(answer, Answer::Refused(_) | Answer::NoToken(_)) {
            tracing::error!("{}", Visible(&text));
        } else {
            tracing::warn!("{}", Visible(&text));
        }
    }

    /// Whether what is left can be left: it is on disk, the inputs are at their end, and nothing is taken.
    fn gives_up(&self) -> bool {
        self.delivered.is_some() && self.is_last && self.progress.elapsed() >= END_WITHIN
    }

    async fn pause(&mut self, answer: &Answer, count: usize) {
        let pause = match answer {
            Answer::Refused(413) if count > 1 => {
                self.batch = count / 2;
                Duration::ZERO
            }
            Answer::Refused(_) | Answer::NoToken(_) => self.backoff.slowly(),
            Answer::Later(_, Some(after)) => match retry_after(after, now()) {
                Some(pause) => self.backoff.asked(pause),
                None => self.backoff.longer(),
            },
            _ => self.backoff.longer(),
        };
        let stop = self.stop.clone();
        let is_stopped = stop.is_cancelled();
        let is_near = is_stopped || self.is_last && self.delivered.is_some();
        let pause = if is_near { pause.min(LAST_PAUSE) } else { pause };
        self.meanwhile(async {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled(), if !is_stopped => {}
            }
        })
        .await;
    }
}

/// The body of a request, and a key that is the same for the same alerts in the same revisions.
fn batch<'a>(entries: impl Iterator<Item = &'a Entry>) -> (Bytes, String) {
    let mut hasher = blake3::Hasher::new();
    let mut lines = Vec::new();
    for entry in entries {
        hasher.update(entry.name());
        lines.extend_from_slice(entry.line());
    }
    let mut key = hasher.finalize().to_hex().to_string();
    key.truncate(32);
    (lines.into(), key)
}

fn what(answer: &Answer) -> String {
    match answer {
        Answer::Taken => "takes alerts".to_owned(),
        Answer::Later(status, _) => format!("answers {status} and is tried again"),
        Answer::Refused(status @ 300..=399) => format!(
            "answers {status}, a redirect, which is not followed: `post.url` has to be where it leads; tried again slowly"
        ),
        Answer::Refused(status @ (401 | 403)) => format!(
            "answers {status}: the token is missing or wrong (`post.token_file` is read again with each attempt); tried again slowly"
        ),
        Answer::Refused(status) => {
            format!("answers {status}: somebody has to mend the address or the receiver; tried again slowly")
        }
        Answer::NoToken(why) => {
            format!("needs a token, and `post.token_file` cannot be used: {why}; tried again slowly")
        }
        Answer::Unreachable(why) => format!("cannot be reached and is tried again: {why}"),
        Answer::TimedOut => "has not answered within `post.timeout_ms` and is tried again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, line: &str) -> Entry {
        Entry { number: 0, text: format!("{name}\n{line}\n").into(), _room: None }
    }

    #[test]
    fn a_key_is_made_of_names_and_revisions() {
        let (lines, key) = batch([entry("a.0", "{1}"), entry("b.2", "{2}")].iter());
        assert_eq!((&lines[..], key.len()), (&b"{1}\n{2}\n"[..], 32));
        let of = |names: [&str; 2]| batch(names.map(|name| entry(name, "{}")).iter()).1;
        assert_eq!(of(["a.0", "b.2"]), key);
        for others in [["a.0", "b.3"], ["b.2", "a.0"], ["a.1", "b.2"]] {
            assert_ne!(of(others), key);
        }
    }
}
