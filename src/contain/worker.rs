//! Does what the rules say, one incident after the other, and writes down each step before the next.

use super::action::{Change, Provider, Standing};
use super::book::{Book, Known};
use super::caller::{Caller, Fault, Reply, Signed};
use super::deed::{About, Deed, Reason, Step};
use super::finder::{Finder, Found};
use super::journal::{Journal, JournalError};
use super::message::message;
use super::pattern::is_any;
use super::tally::{Outcome, Tally};
use super::words;
use crate::config::{ContainPlan, RulePlan};
use crate::encode::Visible;
use crate::engine::clock::now;
use crate::key::KeyNamer;
use crate::net::retry::{Backoff, retry_after};
use crate::net::trust::TrustError;
use crate::normalise::Redactor;
use crate::sink::Room;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a worker goes by.
pub struct Tools {
    /// The policy.
    pub plan: Arc<ContainPlan>,
    /// How keys are fingerprinted.
    pub namer: KeyNamer,
    /// Takes secrets out of what others say.
    pub redactor: Redactor,
    /// Where each step is written down.
    pub journal: Journal,
    /// What it says so far.
    pub book: Book,
    /// What is counted.
    pub tally: Arc<Tally>,
    /// Room on the disk of the journal.
    pub room: Room,
    /// Told that there is something new in the journal.
    pub news: Arc<Notify>,
    /// Asks for an end.
    pub stop: CancellationToken,
}

/// Does what the rules say.
pub struct Worker {
    tools: Tools,
    callers: Vec<Caller>,
    heard: mpsc::Receiver<About>,
    is_closed: bool,
    jobs: Vec<Job>,
}

/// An incident for which rules are still to be gone through.
struct Job {
    about: About,
    /// The rule that is next.
    next: usize,
    /// How often it was tried, since when, and when again.
    tries: u32,
    since: Instant,
    due: Instant,
    backoff: Backoff,
    /// Whether enough is done, and would be.
    is_done: bool,
    would_be: bool,
}

/// What follows from one attempt at a rule.
enum Turn {
    /// It is done, or would be.
    Settled,
    /// It is not to be done, or cannot be.
    Next,
    /// It failed, and may go well later.
    Failed(Fault),
}

impl Worker {
    /// Makes ready; opens no connection. What an earlier run has left open is gone on with.
    pub fn new(tools: Tools, heard: mpsc::Receiver<About>) -> Result<Self, TrustError> {
        let callers =
            tools.plan.rules.iter().map(|rule| Caller::new(rule, &tools.stop)).collect::<Result<_, _>>()?;
        let mut worker = Self { callers, heard, is_closed: false, jobs: Vec::new(), tools };
        for about in worker.tools.book.open() {
            worker.hear(about);
        }
        Ok(worker)
    }

    /// Works until it is stopped, or nobody tells of incidents any more and all is done.
    pub async fn run(mut self) -> Result<(), JournalError> {
        while !(self.is_closed && self.jobs.is_empty()) {
            self.tools.tally.set_waiting(self.jobs.len());
            let spent = self.tools.book.spent(now(), false);
            self.tools.tally.set_left(self.tools.plan.per_day.saturating_sub(spent));
            let due = self.jobs.iter().enumerate().min_by_key(|(_, job)| job.due);
            let (number, due) = due.map_or((0, None), |(number, job)| (number, Some(job.due)));
            tokio::select! {
                biased;
                () = self.tools.stop.cancelled() => break,
                heard = self.heard.recv(), if !self.is_closed => match heard {
                    Some(about) => self.hear(about),
                    None => self.is_closed = true,
                },
                () = until(due) => {
                    let job = self.jobs.swap_remove(number);
                    self.go_on(job).await?;
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, about: About) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.about.incident == about.incident) {
            job.about = about;
            return;
        }
        let now = Instant::now();
        let seed = ahash::RandomState::new().hash_one(0_u8);
        self.jobs.push(Job {
            about,
            next: 0,
            tries: 0,
            since: now,
            due: now,
            backoff: Backoff::new(Duration::ZERO, seed),
            is_done: false,
            would_be: false,
        });
    }

    /// Goes through the rules for an incident, as far as it can for now.
    async fn go_on(&mut self, mut job: Job) -> Result<(), JournalError> {
        while let Some(rule) = self.tools.plan.rules.get(job.next).cloned() {
            let is_over = job.is_done || rule.is_dry && job.would_be;
            if is_over || !rule.wants(&job.about) {
                job.pass();
                continue;
            }
            match self.attempt(&rule, job.next, &job.about).await? {
                Turn::Next => job.pass(),
                Turn::Settled => {
                    let flag = if rule.is_dry { &mut job.would_be } else { &mut job.is_done };
                    *flag |= !rule.goes_on;
                    job.pass();
                }
                // The next run will see what came of it.
                Turn::Failed(_) if self.tools.stop.is_cancelled() => return Ok(()),
                Turn::Failed(fault) => {
                    if let Some(due) = job.pause(&rule, &fault) {
                        job.due = due;
                        self.jobs.push(job);
                        return Ok(());
                    }
                    self.fail(&rule, &job, &fault).await?;
                    job.pass();
                }
            }
        }
        Ok(())
    }

    /// Tries a rule once.
    async fn attempt(
        &mut self,
        rule: &Arc<RulePlan>,
        number: usize,
        about: &About,
    ) -> Result<Turn, JournalError> {
        let known = self.tools.book.find(&about.incident, &rule.name);
        if known.is_some_and(Known::is_settled) {
            return Ok(Turn::Settled);
        }
        let intended = known.filter(|known| known.is_pending()).and_then(|known| known.intended.clone());
        let is_late = now().0.saturating_sub(about.at.0) > self.tools.plan.recent;
        if let Some(reason) = self.refusal(rule, about, is_late, intended.is_some()) {
            return self.refuse(rule, about, reason, "").await;
        }
        let finder =
            Finder { plan: &self.tools.plan, namer: &self.tools.namer, rule, caller: &self.callers[number] };
        let found = match finder.find(about).await {
            Ok(Some(found)) => found,
            // It was deleted before that could be written down.
            Ok(None) if rule.action.change == Change::Delete && intended.is_some() => Found::gone(),
            Ok(None) => return self.refuse(rule, about, Reason::UnknownKey, "").await,
            Err(fault) => return Ok(Turn::Failed(fault)),
        };
        if is_any(&self.tools.plan.protect, [found.id.as_str(), &found.standing.name]) {
            return self.refuse(rule, about, Reason::Protected, &found.id).await;
        }
        let deed = |step, words| self.deed(rule, about, step, words).of(&found);
        if found.is_gone || rule.action.is_in_force(&found.standing, rule.limit) {
            let deed = match &intended {
                Some(intended) => Deed {
                    before: intended.before.clone(),
                    is_revocation: rule.action.change != Change::Limit,
                    ..deed(Step::Done, words::found_done(rule))
                },
                None => deed(Step::Already, words::already(rule)),
            };
            self.record(deed).await?;
            return Ok(Turn::Settled);
        }
        if is_late {
            let deed = deed(Step::Lapsed, words::lapsed(rule));
            self.record(deed).await?;
            return Ok(Turn::Next);
        }
        if rule.is_dry {
            let deed = deed(Step::Would, words::would(rule, about));
            self.record(deed).await?;
            return Ok(Turn::Settled);
        }
        if intended.is_none() {
            let deed = deed(Step::Intended, words::intended(rule, about));
            self.record(deed).await?;
        }
        let before = intended.and_then(|intended| intended.before).unwrap_or_else(|| found.standing.clone());
        self.act(rule, number, about, &Found { standing: before, ..found }).await
    }

    /// Why something is not to be done, before anybody is asked.
    fn refusal(&self, rule: &RulePlan, about: &About, is_late: bool, is_again: bool) -> Option<Reason> {
        let key = about.key.to_string();
        if is_any(&self.tools.plan.protect, [&*about.hint, &*about.alias, &key, &about.incident]) {
            return Some(Reason::Protected);
        }
        if is_again {
            return None;
        }
        if is_late {
            return Some(Reason::Stale);
        }
        let id = super::deed::deed_id(&about.incident, &rule.name);
        let is_spent = self.tools.book.spent(now(), rule.is_dry) >= self.tools.plan.per_day;
        (is_spent && !self.tools.book.is_counted(&id, now())).then_some(Reason::Budget)
    }

    /// Does it, and looks whether it is done.
    async fn act(
        &mut self,
        rule: &Arc<RulePlan>,
        number: usize,
        about: &About,
        found: &Found,
    ) -> Result<Turn, JournalError> {
        let action = rule.action;
        let mut call = action.act(&found.id, rule.limit);
        let id = super::deed::deed_id(&about.incident, &rule.name);
        let signed =
            (action.provider == Provider::Webhook).then(|| Signed { idempotency_key: &id, now: now() });
        if signed.is_some() {
            call.body = Some(message(rule, about, &id, "contain"));
        }
        let is_webhook = signed.is_some();
        crate::fault::step("contain_ask");
        let reply = match self.callers[number].ask(&call, signed).await {
            Ok(reply) => reply,
            // It is gone, which was what was wanted.
            Err(Fault::Status { code: 404, .. }) if action.change == Change::Delete => {
                Reply { status: 404, date: None, body: serde_json::json!({ "deleted": true }) }
            }
            Err(fault) => return Ok(Turn::Failed(fault)),
        };
        crate::fault::step("contain_answered");
        if !is_webhook && !self.is_in_force(rule, number, found, &reply).await? {
            return Ok(Turn::Failed(Fault::Unexpected(words::not_in_force(reply.status))));
        }
        let done = self.deed(rule, about, Step::Done, words::done(rule, about, reply.status)).of(found);
        let done = Deed {
            answer: Some(reply.status),
            answered_at: reply.date,
            is_revocation: matches!(action.change, Change::Off | Change::Delete),
            ..done
        };
        self.record(done).await?;
        Ok(Turn::Settled)
    }

    /// Whether the answer says that it is done, or else the provider when asked.
    async fn is_in_force(
        &self,
        rule: &RulePlan,
        number: usize,
        found: &Found,
        reply: &Reply,
    ) -> Result<bool, JournalError> {
        let says = |body: &serde_json::Value| {
            rule.action.standing(body).is_ok_and(|standing| rule.action.is_in_force(&standing, rule.limit))
        };
        if says(&reply.body) {
            return Ok(true);
        }
        let Some(call) = rule.action.ask(&found.id) else { return Ok(false) };
        Ok(match self.callers[number].ask(&call, None).await {
            Ok(reply) => says(&reply.body),
            Err(Fault::Status { code: 404, .. }) => rule.action.change == Change::Delete,
            Err(_) => false,
        })
    }

    async fn refuse(
        &mut self,
        rule: &RulePlan,
        about: &About,
        reason: Reason,
        id: &str,
    ) -> Result<Turn, JournalError> {
        let known = self.tools.book.find(&about.incident, &rule.name);
        // It is told once, not with each revision of the incident.
        if known.is_none_or(|known| known.last.refusal != Some(reason)) {
            let words = words::refused(rule, about, reason, &self.tools.plan);
            let deed = self.deed(rule, about, Step::Refused, words);
            self.record(Deed { refusal: Some(reason), provider_key: id.to_owned(), ..deed }).await?;
        }
        Ok(Turn::Next)
    }

    async fn fail(&mut self, rule: &RulePlan, job: &Job, fault: &Fault) -> Result<(), JournalError> {
        let deed =
            self.deed(rule, &job.about, Step::Failed, words::failed(rule, &job.about, fault, job.tries));
        self.record(Deed { answer: fault.status(), ..deed }).await
    }

    fn deed(&self, rule: &RulePlan, about: &About, step: Step, words: String) -> Deed {
        let deed = Deed::new(about, (&rule.name, rule.action.name), step, now(), words);
        let limit = (rule.action.change == Change::Limit).then_some(rule.limit);
        Deed { is_dry: rule.is_dry, limit, revision: self.tools.book.revision(&deed.id), ..deed }
    }

    /// Writes a step down, forced to disk, and tells it.
    async fn record(&mut self, mut deed: Deed) -> Result<(), JournalError> {
        deed.description = self.tools.redactor.clean(deed.description.as_bytes());
        if let Some(before) = &mut deed.before {
            before.name = self.tools.redactor.clean(before.name.as_bytes());
        }
        self.tools.journal.append(&deed, &self.tools.room).await?;
        self.tools.book.take(&deed);
        let outcome = match deed.step {
            Step::Done => Some(Outcome::Done),
            Step::Would => Some(Outcome::Would),
            Step::Already => Some(Outcome::Already),
            Step::Failed | Step::Lapsed => Some(Outcome::Failed),
            Step::Refused => Some(Outcome::Refused),
            _ => None,
        };
        if let Some(outcome) = outcome {
            self.tools.tally.add(&deed.rule, outcome);
        }
        let told = format!("containment, incident {}: {}", deed.about.incident, deed.description);
        match deed.step {
            Step::Failed | Step::Lapsed => tracing::error!("{}", Visible(&told)),
            _ => tracing::warn!("{}", Visible(&told)),
        }
        self.tools.news.notify_one();
        Ok(())
    }
}

impl Deed {
    /// The same, with what was found of the key.
    fn of(self, found: &Found) -> Self {
        let is_known = found.standing != Standing::default();
        Self { provider_key: found.id.clone(), before: is_known.then(|| found.standing.clone()), ..self }
    }
}

impl RulePlan {
    /// Whether it is about an incident like this.
    pub fn wants(&self, about: &About) -> bool {
        let key = about.key.to_string();
        about.class == self.class
            && about.score >= self.score_min
            && about.severity >= self.severity_min
            && (self.keys.is_empty() || is_any(&self.keys, [&*about.hint, &*about.alias, &key]))
    }
}

impl Job {
    /// Goes on to the next rule.
    fn pass(&mut self) {
        self.next += 1;
        (self.tries, self.since) = (0, Instant::now());
    }

    /// When to try again what has failed, if that makes sense.
    fn pause(&mut self, rule: &RulePlan, fault: &Fault) -> Option<Instant> {
        if self.tries == 0 {
            self.backoff = Backoff::new(rule.retry_max, ahash::RandomState::new().hash_one(0_u8));
        }
        self.tries += 1;
        let asked_for = match fault {
            Fault::Status { retry_after: Some(text), .. } => retry_after(text, now()),
            _ => None,
        };
        let pause = match asked_for {
            Some(pause) => self.backoff.asked(pause),
            None => self.backoff.longer(),
        };
        let is_late = self.since.elapsed().saturating_add(pause) > rule.total;
        let again = fault.may_pass() && self.tries < rule.attempts_max && !is_late;
        again.then(|| Instant::now() + pause)
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
