//! Sends canary prompts at their cadence, and brings what they say to the desk: that one is going to be sent, before it is,
//! and what came of it. All of them share a thread, on which they wait side by side.

use super::way::{Lines, Way};
use crate::config::ProbePlan;
use crate::encode::Visible;
use crate::engine::clock::now;
use crate::net::retry::retry_after;
use crate::net::trust::TrustError;
use crate::normalise::Rulebook;
use crate::probe::{BookError, Fault, Health, Kept, Line, Plea, Probe, Verdict};
use crate::pull::{Cursor, Over};
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// The lane of all that canary prompts say. No source is called so.
pub const PROBED: &str = "probed:";
/// The share of its cadence by which a probe is asked sooner or later, so that they do not all go at one time.
const JITTER: u32 = 20;
/// How long the first prompts of a run may wait.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Canary prompts cannot be sent.
#[derive(Debug, Error)]
pub enum ProbingError {
    /// Nobody could be believed.
    #[error("probe `{0}`: {1}")]
    Trust(Arc<str>, TrustError),
    /// What is remembered of them cannot be had.
    #[error(transparent)]
    Book(#[from] BookError),
    /// Nothing can be counted, which is a mistake of ours.
    #[error("metrics of probes: {0}")]
    Health(#[from] prometheus::Error),
}

/// Those who are to be asked.
pub struct Probing {
    probes: Vec<Probe>,
    kept: Kept,
    /// How they get on.
    pub health: Arc<Health>,
}

impl Probing {
    /// Makes ready; opens no connection. What they remember is kept in the folder, if there is one.
    pub fn new(
        plans: &[Arc<ProbePlan>],
        rules: &Arc<Rulebook>,
        dir: Option<&Path>,
    ) -> Result<Self, ProbingError> {
        let told = |plan: &Arc<ProbePlan>, error| ProbingError::Trust(Arc::clone(&plan.name), error);
        let probes = plans.iter().map(|plan| Probe::new(plan, rules).map_err(|error| told(plan, error)));
        let health = Health::new(plans.iter().map(|plan| (Arc::clone(&plan.name), plan.cap)))?;
        Ok(Self {
            probes: probes.collect::<Result<_, _>>()?,
            kept: Kept::open(dir)?,
            health: Arc::new(health),
        })
    }
}

/// Begins to ask, on a thread of its own, as soon as everything is handed on that an earlier run has left.
pub fn start(probing: Probing, ready: oneshot::Receiver<Cursor>, way: Way) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("probe".to_owned()).spawn(move || {
        let all = LocalSet::new();
        let Probing { probes, kept, health } = probing;
        let kept = Rc::new(RefCell::new(kept));
        all.block_on(&runtime, async move {
            if ready.await.is_err() {
                return;
            }
            let mut asking = Vec::new();
            for (number, probe) in probes.into_iter().enumerate() {
                let one = Asking {
                    number,
                    probe,
                    kept: Rc::clone(&kept),
                    health: Arc::clone(&health),
                    way: way.clone(),
                    failures: 0,
                };
                asking.push(tokio::task::spawn_local(one.run()));
            }
            for one in asking {
                // One that has died has said so.
                let _ = one.await;
            }
        });
    })?;
    Ok(())
}

/// One of them.
struct Asking {
    number: usize,
    probe: Probe,
    kept: Rc<RefCell<Kept>>,
    health: Arc<Health>,
    way: Way,
    /// How many prompts in a row have failed.
    failures: u32,
}

impl Asking {
    /// Asks, again and again, until a stop.
    async fn run(mut self) {
        let plan = Arc::clone(&self.probe.plan);
        tracing::info!(
            "{}: asking {} for {} every {} seconds",
            plan.place,
            plan.shown(),
            Visible(&plan.model),
            plan.every.as_secs()
        );
        let mut pause = self.first_pause();
        let stop = self.way.stop.clone();
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            pause = tokio::select! {
                pause = self.once() => match pause {
                    Ok(pause) => pause,
                    Err(Over) => return,
                },
                // What is under way is broken off: that nothing came of it says nothing.
                () = stop.cancelled() => return,
            };
        }
    }

    /// A run that goes on asks when the one before would have.
    fn first_pause(&self) -> Duration {
        let plan = &self.probe.plan;
        let soon = FIRST_WITHIN.min(plan.every / 10).mul_f64(share(self.number));
        let asked = self.kept.borrow_mut().page(&plan.name).asked();
        let since = asked.map(|asked| u64::try_from(now().0.saturating_sub(asked.0)).unwrap_or(0));
        since.map_or(soon, |since| plan.every.saturating_sub(Duration::from_nanos(since)).max(soon))
    }

    /// Asks once; how long to wait for the next time.
    async fn once(&mut self) -> Result<Duration, Over> {
        let (plan, at) = (Arc::clone(&self.probe.plan), now());
        let mut page = self.kept.borrow_mut().page(&plan.name).clone();
        let plea = self.probe.begin(&mut page, at);
        let spent = page.spent(at);
        self.keep(&page);
        let marker = match plea {
            Ok(Plea::Ask(marker)) => marker,
            Ok(Plea::Hold(is_news)) => {
                self.health.hold(self.number, spent);
                if is_news {
                    tracing::warn!(
                        "{}: not asked any more today (UTC): ${:.6} was spent, and another answer may cost more than \
                         `cost_cap_usd_per_day` leaves",
                        plan.place,
                        spent.usd()
                    );
                }
                return Ok(self.later(plan.every));
            }
            Err(error) => {
                tracing::error!("{}: {error}", plan.place);
                return Ok(self.later(plan.every));
            }
        };
        self.say(&Line::asked(&plan, &marker, at)).await?;
        let verdict = self.probe.ask(&mut page, marker).await;
        self.keep(&page);
        self.health.note(self.number, &verdict);
        self.say(&Line::told(&plan, &verdict)).await?;
        Ok(self.judge(&plan, &verdict))
    }

    /// Tells whoever reads the log what has changed, and says how long to wait.
    fn judge(&mut self, plan: &ProbePlan, verdict: &Verdict) -> Duration {
        if !verdict.outcome.is_failure() {
            if std::mem::take(&mut self.failures) > 0 {
                tracing::info!("{}: well again", plan.place);
            }
            return self.later(plan.every);
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            tracing::warn!("{}: {}", plan.place, Visible(&verdict.words()));
        }
        // Soon at first, so that it is known whether it passes; then less and less often, up to its cadence.
        let doubled = plan.recheck.saturating_mul(1 << (self.failures - 1).min(16));
        let asked_for = match &verdict.reply.fault {
            Some(Fault::Status { retry_after: Some(text), .. }) => retry_after(text, now()),
            _ => None,
        };
        doubled.max(asked_for.unwrap_or_default()).min(plan.every)
    }

    fn later(&self, every: Duration) -> Duration {
        // Evenly from a twentieth sooner to a twentieth later.
        let jitter = every / JITTER;
        every.saturating_sub(jitter) + (jitter * 2).mul_f64(share(self.number))
    }

    /// That it cannot be kept does not end the run: the cap of the day then holds for this run alone.
    fn keep(&self, page: &crate::probe::Page) {
        let mut kept = self.kept.borrow_mut();
        *kept.page(&self.probe.plan.name) = page.clone();
        if let Err(error) = kept.save() {
            tracing::error!("{error}");
        }
    }

    async fn say(&self, line: &Line<'_>) -> Result<(), Over> {
        let mut bytes = Vec::new();
        line.write(&mut bytes);
        let name = format!("of probe {}", self.probe.plan.name);
        self.way.bring(Lines { bytes, name, lane: PROBED.to_owned(), steps: Vec::new() }).await.map(|_| ())
    }
}

/// Somewhere from nought to one, another each time and for each.
fn share(number: usize) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    #[allow(clippy::cast_precision_loss, reason = "what is lost is not needed")]
    let share = RandomState::new().hash_one(number) as f64 / u64::MAX as f64;
    share.clamp(0.0, 1.0)
}
