//! Takes alerts out of an outbox and has them carried, in order, until they are taken.

use super::Entry;
use super::complaint::Complaint;
use super::disk::Delivered;
use super::traffic::{Attempt, Traffic};
use crate::config::SinkPlan;
use crate::encode::Visible;
use crate::engine::clock::{Arrival, now};
use crate::fault::step;
use crate::net::retry::{Backoff, retry_after};
use crate::sink::carrier::{Answer, Batch, Carrier, Parcel};
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

/// Has carried what the outbox holds.
pub struct Sender {
    plan: Arc<SinkPlan>,
    carrier: Box<dyn Carrier>,
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
        plan: &Arc<SinkPlan>,
        carrier: Box<dyn Carrier>,
        entries: mpsc::Receiver<Entry>,
        queue: VecDeque<Entry>,
        delivered: Option<Delivered>,
        stop: &CancellationToken,
        traffic: &Arc<Traffic>,
    ) -> Self {
        let seed = ahash::RandomState::new().hash_one(0_u8);
        Self {
            plan: Arc::clone(plan),
            carrier,
            entries,
            queue,
            is_last: false,
            delivered,
            backoff: Backoff::new(plan.retry_max, seed),
            batch_max: plan.batch_max,
            batch: plan.batch_max,
            stop: stop.clone(),
            traffic: Arc::clone(traffic),
            progress: Arrival::now(),
            complaint: Complaint::default(),
        }
    }

    /// Carries until everything is taken and nothing more comes, or it is time to give up.
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
            self.remind().await;
            if self.queue.is_empty() {
                match self.next().await {
                    Some(Some(entry)) => self.queue.push_back(entry),
                    Some(None) => return,
                    None => {}
                }
                continue;
            }
            let count = self.count();
            let batch = batch(self.queue.iter().take(count));
            let answer = self.carry(&batch).await;
            self.traffic.attempt(Attempt::from(&answer));
            let (taken, answer) = match answer {
                Answer::Taken => (count, None),
                Answer::Part(taken, answer) => (taken, Some(*answer)),
                answer => (0, Some(answer)),
            };
            if taken > 0 {
                self.taken(taken);
            }
            match answer {
                None => self.well(),
                Some(answer) => {
                    self.failed(&answer);
                    if self.gives_up() {
                        return;
                    }
                    self.pause(&answer, count - taken).await;
                }
            }
        }
    }

    /// What comes next, where nothing waits; nothing if it is time to remind the receiver of something first.
    async fn next(&mut self) -> Option<Option<Entry>> {
        let reminds_every = self.carrier.reminds_every();
        let due = async {
            match reminds_every {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            entry = self.entries.recv() => Some(entry),
            () = due => None,
        }
    }

    /// An attempt, while entries still come: they are not to wait where they hold up others.
    async fn carry(&mut self, batch: &Batch) -> Answer {
        let Self { carrier, entries, queue, is_last, progress, .. } = self;
        meanwhile(carrier.carry(batch, now()), entries, queue, (is_last, progress)).await
    }

    async fn remind(&mut self) {
        let answer = {
            let Self { carrier, entries, queue, is_last, progress, .. } = self;
            match carrier.remind(now()) {
                Some(reminding) => Some(meanwhile(reminding, entries, queue, (is_last, progress)).await),
                None => None,
            }
        };
        if let Some(answer) = answer {
            self.traffic.attempt(Attempt::from(&answer));
            if answer == Answer::Taken { self.well() } else { self.failed(&answer) }
        }
        self.traffic.set_reminded(self.carrier.reminded());
    }

    /// How many go into one request.
    fn count(&self) -> usize {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.bytes();
            bytes <= BATCH_BYTES_MAX
        };
        self.queue.iter().take(self.batch).take_while(fits).count().max(1)
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
        self.progress = Arrival::now();
        self.traffic.set_reminded(self.carrier.reminded());
    }

    /// All that was tried went well.
    fn well(&mut self) {
        self.backoff.reset();
        self.batch = (self.batch * 2).min(self.batch_max);
        if self.complaint.taken() {
            tracing::info!("{} takes alerts again", Visible(&self.receiver()));
        }
    }

    /// Who it is, for people.
    fn receiver(&self) -> String {
        format!("sink `{}` ({})", self.plan.name, self.plan.shown())
    }

    /// Says what is wrong: when it begins, when it is something else, and again while it lasts.
    fn failed(&mut self, answer: &Answer) {
        if !self.complaint.failed(answer) {
            return;
        }
        let (receiver, waiting) = (self.receiver(), self.traffic.entries());
        let what = meaning(answer, &self.plan.place);
        let is_lasting = matches!(answer, Answer::Refused(..) | Answer::NoSecret(..));
        let slowly = if is_lasting { " slowly" } else { "" };
        let text =
            format!("{receiver} {what}; tried again{slowly}; {waiting} alerts wait and none is dropped");
        if is_lasting {
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
            Answer::Refused(413, _) if count > 1 => {
                self.batch = count / 2;
                Duration::ZERO
            }
            Answer::Refused(..) | Answer::NoSecret(..) => self.backoff.slowly(),
            Answer::Later(_, Some(after)) => match retry_after(after, now()) {
                Some(pause) => self.backoff.asked(pause),
                None => self.backoff.longer(),
            },
            Answer::Rationed { seconds, .. } => self.backoff.asked(Duration::from_secs(*seconds)),
            _ => self.backoff.longer(),
        };
        let stop = self.stop.clone();
        let is_stopped = stop.is_cancelled();
        let is_near = is_stopped || self.is_last && self.delivered.is_some();
        let pause = if is_near { pause.min(LAST_PAUSE) } else { pause };
        let rest = async {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled(), if !is_stopped => {}
            }
        };
        let Self { entries, queue, is_last, progress, .. } = self;
        meanwhile(rest, entries, queue, (is_last, progress)).await;
    }
}

/// Does something while entries still come.
async fn meanwhile<T>(
    work: impl Future<Output = T>,
    entries: &mut mpsc::Receiver<Entry>,
    queue: &mut VecDeque<Entry>,
    (is_last, progress): (&mut bool, &mut Arrival),
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            entry = entries.recv(), if !*is_last => {
                if entry.is_none() {
                    (*is_last, *progress) = (true, Arrival::now());
                }
                queue.extend(entry);
            }
        }
    }
}

/// What goes together, with a key that is the same for the same alerts in the same revisions.
fn batch<'a>(entries: impl Iterator<Item = &'a Entry>) -> Batch {
    let mut hasher = blake3::Hasher::new();
    let mut parcels = Vec::new();
    for entry in entries {
        hasher.update(entry.name());
        let name = String::from_utf8_lossy(entry.name().trim_ascii_end()).into_owned();
        parcels.push(Parcel { name, bytes: entry.payload() });
    }
    let mut key = hasher.finalize().to_hex().to_string();
    key.truncate(32);
    Batch { key, parcels }
}

/// What a failure means, and what to do about it; `place` is the sink's in the configuration.
pub fn meaning(answer: &Answer, place: &str) -> String {
    let told = |words: &str| if words.is_empty() { String::new() } else { format!(" (`{words}`)") };
    match answer {
        Answer::Taken => "takes alerts".to_owned(),
        Answer::Part(_, answer) => meaning(answer, place),
        Answer::Later(status, _) => format!("answers {status}"),
        Answer::Refused(status @ 300..=399, _) => format!(
            "answers {status}, a redirect, which is not followed: the address of `{place}` has to be where it leads"
        ),
        Answer::Refused(status @ (401 | 403), words) => format!(
            "answers {status}{}: the token is missing or wrong (`{place}.token_file` is read again with each attempt)",
            told(words)
        ),
        Answer::Refused(status @ (530 | 534 | 535), words) => format!(
            "answers {status}{}: it wants another name, password or encryption (`{place}.username`, `password_file`, \
             `encryption`)",
            told(words)
        ),
        Answer::Rationed { per_hour, seconds } => format!(
            "has had its {per_hour} mails of an hour (`{place}.mails_per_hour_max`); what comes within {seconds} s waits and goes \
             together"
        ),
        Answer::Refused(status, words) => {
            format!("answers {status}{}: somebody has to mend the address or the receiver", told(words))
        }
        Answer::Unacknowledged => {
            format!("has received alerts and not acknowledged them within `{place}.ack_timeout_ms`")
        }
        Answer::NoSecret(setting, why) => {
            format!("needs a secret, and `{place}.{setting}` cannot be used: {why}")
        }
        Answer::Unreachable(why) => format!("cannot be reached: {why}"),
        Answer::TimedOut => format!("has not answered within `{place}.timeout_ms`"),
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
        let Batch { parcels, key } = batch([entry("a.0", "{1}"), entry("b.2", "{2}")].iter());
        let told = parcels.iter().map(|parcel| (parcel.name.as_str(), &parcel.bytes[..]));
        assert_eq!(told.collect::<Vec<_>>(), [("a.0", &b"{1}\n"[..]), ("b.2", b"{2}\n")]);
        assert_eq!(key.len(), 32);
        let of = |names: [&str; 2]| batch(names.map(|name| entry(name, "{}")).iter()).key;
        assert_eq!(of(["a.0", "b.2"]), key);
        for others in [["a.0", "b.3"], ["b.2", "a.0"], ["a.1", "b.2"]] {
            assert_ne!(of(others), key);
        }
    }
}
