//! One round: what is there of all endpoints of a source, the oldest first, handed on page by page.

use super::asker::Asker;
use super::budget::Budget;
use super::cursor::{Cursor, Reach, Step, end_of};
use super::describe::Endpoint;
use super::fault::{Fault, PullError};
use super::health::{EndpointHealth, Health, Outcome};
use super::page::{self, Page, Row};
use super::request::{Place, Question};
use super::window::Span;
use crate::config::SourcePlan;
use crate::engine::clock::{Arrival, now};
use crate::net::retry::{Backoff, retry_after};
use crate::net::trust::TrustError;
use crate::time::{MINUTE, Timestamp};
use hyper::Uri;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Pages of one window, at most: more is no window but a mistake.
const PAGES_MAX: u64 = 100_000;
/// Rows of an endpoint for each of which another one is asked, at most.
const PARENTS_MAX: usize = 100_000;
/// From how many seconds on it is told that clocks are apart.
const SKEW_SECONDS: i64 = 60;
/// How far a cursor moves over stretches without rows before that is kept, too.
const KEEP_EVERY: i64 = 60 * MINUTE;

/// Rows of one page.
pub struct Parcel {
    /// The endpoint that they come from.
    pub endpoint: String,
    /// One a line.
    pub lines: Vec<u8>,
    /// How the cursor moves with them.
    pub steps: Vec<Step>,
}

/// Nobody takes any more.
pub struct Over;

/// What ends a window.
enum Cut {
    /// It could not be read.
    Failed(Box<PullError>),
    /// Nobody takes any more.
    Over,
}

/// Pulls one source, round by round.
pub struct Round {
    plan: Arc<SourcePlan>,
    asker: Asker,
    budget: Budget,
    backoff: Backoff,
    cursor: Cursor,
    /// Steps that have not been handed on: of stretches without rows, and of ends of windows.
    pending: Vec<Step>,
    /// How far each endpoint was when that was handed on last.
    kept: Vec<i64>,
    /// By the number of an endpoint, what others are asked for.
    parents: BTreeMap<usize, BTreeSet<String>>,
    health: Arc<Health>,
    stop: CancellationToken,
}

impl Round {
    /// Makes ready to go on behind `cursor`; opens no connection.
    pub fn new(
        plan: &Arc<SourcePlan>,
        cursor: Cursor,
        health: &Arc<Health>,
        stop: &CancellationToken,
    ) -> Result<Self, TrustError> {
        let seed = ahash::RandomState::new().hash_one(0_u8);
        Ok(Self {
            asker: Asker::new(plan)?,
            budget: Budget::new(plan.requests_per_hour_max),
            backoff: Backoff::new(plan.retry_max, seed),
            cursor,
            pending: Vec::new(),
            kept: vec![i64::MIN; plan.endpoints.len()],
            parents: BTreeMap::new(),
            plan: Arc::clone(plan),
            health: Arc::clone(health),
            stop: stop.clone(),
        })
    }

    /// Goes on behind where an earlier process came to.
    pub fn resume(&mut self, cursor: Cursor) {
        self.cursor = cursor;
    }

    /// Pulls what there is up to `end`, of what was never pulled from `first` on. An endpoint that fails is left where it is,
    /// the others go on; the failures are told.
    pub async fn run(
        &mut self,
        first: Timestamp,
        end: Timestamp,
        take: &mut impl AsyncFnMut(Parcel) -> Result<(), Over>,
    ) -> Result<Vec<PullError>, Over> {
        let plan = Arc::clone(&self.plan);
        let times = plan.times;
        let width = plan.width.as_deref().unwrap_or_default();
        for endpoint in &plan.endpoints {
            let name = &plan.description.endpoint[*endpoint].name;
            let known = self.cursor.endpoints.remove(name);
            let reach =
                known.map_or_else(|| Reach::new(width, times.floor(first)), |reach| reach.in_width(width));
            self.cursor.endpoints.insert(name.clone(), reach);
        }
        let end = times.end(end);
        let begin = |reach: &Reach| times.begin(Timestamp(reach.done), Timestamp(reach.first), end);
        let mut at: Vec<Option<Timestamp>> =
            (0..plan.endpoints.len()).map(|number| self.reach(number).map(begin)).collect();
        let mut failed = Vec::new();
        // The oldest first: of two endpoints that tell of one key none is days ahead of the other.
        while let Some((number, from)) = oldest(&at) {
            let Some(span) = times.next(from, end) else {
                at[number] = None;
                self.caught_up(number);
                continue;
            };
            match self.window(number, span, take).await {
                Ok(()) => at[number] = Some(span.to),
                Err(Cut::Over) => return Err(Over),
                Err(Cut::Failed(error)) => {
                    at[number] = None;
                    let is_over = matches!(error.fault, Fault::Stopped);
                    self.fail(number, &error);
                    // What is asked for each of its rows cannot be asked.
                    for other in self.children(number) {
                        at[other] = None;
                        self.fail(other, &error);
                    }
                    failed.push(*error);
                    if is_over {
                        return Ok(failed);
                    }
                }
            }
        }
        Ok(failed)
    }

    fn name(&self, number: usize) -> &str {
        &self.endpoint(number).name
    }

    fn endpoint(&self, number: usize) -> &Endpoint {
        &self.plan.description.endpoint[self.plan.endpoints[number]]
    }

    /// The endpoints that are asked for each row of this one.
    fn children(&self, number: usize) -> Vec<usize> {
        let name = self.name(number);
        (0..self.plan.endpoints.len()).filter(|other| self.endpoint(*other).each == name).collect()
    }

    fn reach(&self, number: usize) -> Option<&Reach> {
        self.cursor.endpoints.get(self.name(number))
    }

    fn health(&self, number: usize) -> Option<&EndpointHealth> {
        self.health.endpoints.get(number)
    }

    fn caught_up(&self, number: usize) {
        let Some(health) = self.health(number) else { return };
        health.succeed(now());
        if health.set_failing(false) {
            tracing::info!("{}: {} can be read again", self.plan.place, health.name);
        }
    }

    /// What is wrong is told when it begins; how long it lasts is in the metrics.
    fn fail(&self, number: usize, error: &PullError) {
        let Some(health) = self.health(number) else { return };
        if matches!(error.fault, Fault::Stopped) {
            return;
        }
        if health.set_failing(true) {
            tracing::error!("{error}; it is tried again with the next round");
        }
    }

    /// Pulls a window to its last page, of each row of another endpoint where it is asked for those.
    async fn window(
        &mut self,
        number: usize,
        span: Span,
        take: &mut impl AsyncFnMut(Parcel) -> Result<(), Over>,
    ) -> Result<(), Cut> {
        let each = &self.endpoint(number).each;
        if each.is_empty() {
            if !self.children(number).is_empty() {
                self.parents.insert(number, BTreeSet::new());
            }
            self.pages(number, span, None, take).await?;
        } else {
            let other = (0..number).find(|other| self.name(*other) == each);
            let parents = other.and_then(|other| self.parents.get(&other)).cloned().unwrap_or_default();
            for parent in parents {
                self.pages(number, span, Some(&parent), take).await?;
            }
        }
        self.end_window(number, span, take).await.map_err(|Over| Cut::Over)
    }

    async fn pages(
        &mut self,
        number: usize,
        span: Span,
        parent: Option<&str>,
        take: &mut impl AsyncFnMut(Parcel) -> Result<(), Over>,
    ) -> Result<(), Cut> {
        let plan = Arc::clone(&self.plan);
        let endpoint = &plan.description.endpoint[plan.endpoints[number]];
        let width = plan.width.as_ref().and_then(|name| plan.description.width.get(name));
        let (base, description) = (&plan.base, &plan.description);
        let width = width.map(|width| &width.query);
        let question = Question { base, description, endpoint, width, span, parent };
        let mut place = Place::First;
        for page in 1.. {
            let failed = |(fault, attempts): (Fault, u32)| {
                let whose = parent.map_or_else(String::new, |parent| format!(" of {parent}"));
                let (source_name, endpoint) = (Arc::clone(&plan.name), format!("{}{whose}", endpoint.name));
                Cut::Failed(Box::new(PullError { source_name, endpoint, span, page, attempts, fault }))
            };
            if page > PAGES_MAX {
                return Err(failed((Fault::Pages(PAGES_MAX), 1)));
            }
            let url = question.address(&place).map_err(|fault| failed((fault, 1)))?;
            let mut read = self.ask(number, &url, &place).await.map_err(failed)?;
            if let Some(parent) = parent {
                read.rows = read.rows.into_iter().map(|row| row.of(&endpoint.each_as, parent)).collect();
            }
            self.remember(number, &read.rows);
            self.hand_on(number, span, &read, take).await.map_err(|Over| Cut::Over)?;
            let Some(next) = read.next else { break };
            place = next;
        }
        Ok(())
    }

    /// Keeps what other endpoints are asked for.
    fn remember(&mut self, number: usize, rows: &[Row]) {
        let ids: Vec<&str> =
            self.children(number).into_iter().map(|other| self.endpoint(other).each_id.as_str()).collect();
        let found: Vec<String> =
            ids.iter().flat_map(|id| rows.iter().filter_map(|row| row.text(id))).collect();
        let Some(known) = self.parents.get_mut(&number) else { return };
        let room = PARENTS_MAX.saturating_sub(known.len());
        if found.len() > room {
            tracing::warn!(
                "{}: more than {PARENTS_MAX} rows; of the others nothing further is asked",
                self.plan.place
            );
        }
        known.extend(found.into_iter().take(room));
    }

    /// Asks for a page until it is there, it makes no sense any more, or it has taken too long.
    async fn ask(&mut self, number: usize, url: &Uri, place: &Place) -> Result<Page, (Fault, u32)> {
        let started = Arrival::now();
        let health = Arc::clone(&self.health);
        let (none_status, is_single) = (self.endpoint(number).none_status, self.endpoint(number).single);
        for attempt in 1.. {
            let asked = match self.attempt(url).await {
                Ok(body) if is_single => page::read_single(&body),
                Ok(body) => page::read(&self.plan.description, place, &body),
                Err(Fault::Status { code, .. }) if code == none_status => {
                    Ok(page::nothing(self.name(number)))
                }
                Err(fault) => Err(fault),
            };
            let outcome = asked.as_ref().map_or_else(Outcome::of, |_| Some(Outcome::Ok));
            if let (Some(outcome), Some(endpoint)) = (outcome, health.endpoints.get(number)) {
                endpoint.count(outcome);
            }
            let fault = match asked {
                Ok(page) => {
                    self.backoff.reset();
                    return Ok(page);
                }
                Err(fault) => fault,
            };
            let asked_for = match &fault {
                Fault::Status { retry_after: Some(text), .. } => retry_after(text, now()),
                _ => None,
            };
            let pause = match asked_for {
                Some(pause) => self.backoff.asked(pause),
                None => self.backoff.longer(),
            };
            let is_late = started.elapsed().saturating_add(pause) > self.plan.total;
            if !fault.may_pass() || attempt >= self.plan.attempts_max || is_late {
                return Err((fault, attempt));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return Err((Fault::Stopped, attempt)),
            }
        }
        Err((Fault::Stopped, 0))
    }

    async fn attempt(&mut self, url: &Uri) -> Result<Vec<u8>, Fault> {
        let taken = self.budget.take(now());
        self.health.set_left(self.budget.left());
        taken?;
        let key = self.asker.key().await?;
        let stop = self.stop.clone();
        let reply = tokio::select! {
            reply = self.asker.get(url, key.as_deref()) => reply?,
            () = stop.cancelled() => return Err(Fault::Stopped),
        };
        if let Some(date) = reply.date {
            let ours = now();
            let before = self.health.set_clock(date, ours);
            let ahead = self.health.skew_seconds();
            if ahead.abs() >= SKEW_SECONDS && before.abs() < SKEW_SECONDS {
                tracing::warn!(
                    "{}: the clock of {} is {ahead} seconds ahead of ours; what is asked for is what ours says",
                    self.plan.place,
                    self.plan.shown()
                );
            }
        }
        Ok(reply.body)
    }

    /// Hands on the rows of a page that were not handed on before.
    async fn hand_on(
        &mut self,
        number: usize,
        span: Span,
        page: &Page,
        take: &mut impl AsyncFnMut(Parcel) -> Result<(), Over>,
    ) -> Result<(), Over> {
        let name = self.name(number).to_owned();
        let Some(reach) = self.cursor.endpoints.get(&name) else { return Ok(()) };
        let (mut lines, mut ids) = (Vec::new(), BTreeSet::new());
        for row in &page.rows {
            // The same row twice on one page is the same row.
            if reach.has(row.id) || !ids.insert(row.id) {
                continue;
            }
            lines.extend_from_slice(&row.line);
            lines.push(b'\n');
        }
        // A window that was read before to its end tells again, or too late.
        let restated = if span.to.0 <= reach.done { ids.len() } else { 0 };
        if let Some(health) = self.health(number) {
            health.add(ids.len(), restated, page.rows.len() - ids.len());
        }
        if ids.is_empty() {
            return Ok(());
        }
        let step = Step {
            endpoint: name.clone(),
            width: reach.width.clone(),
            first: reach.first,
            chunk: self.plan.times.chunk(span.from),
            ids: ids.into_iter().collect(),
            done: None,
            keep: i64::MIN,
        };
        self.cursor.apply(&step);
        self.pending.push(step);
        self.give(name, lines, take).await
    }

    /// Everything up to the end of the window was read.
    async fn end_window(
        &mut self,
        number: usize,
        span: Span,
        take: &mut impl AsyncFnMut(Parcel) -> Result<(), Over>,
    ) -> Result<(), Over> {
        let name = self.name(number).to_owned();
        let Some(reach) = self.cursor.endpoints.get(&name) else { return Ok(()) };
        let step = end_of(&name, reach, &self.plan.times, span.to);
        let done = step.done.unwrap_or(i64::MIN);
        self.cursor.apply(&step);
        // Of the ends of one endpoint only the last matters.
        self.pending.retain(|before| before.endpoint != name || before.done.is_none());
        self.pending.push(step);
        if let Some(health) = self.health(number) {
            health.reach(Timestamp(done));
        }
        if done.saturating_sub(self.kept[number]) < KEEP_EVERY && self.kept[number] != i64::MIN {
            return Ok(());
        }
        self.kept[number] = done;
        self.give(name, Vec::new(), take).await
    }

    async fn give(
        &mut self,
        endpoint: String,
        lines: Vec<u8>,
        take: &mut impl AsyncFnMut(Parcel) -> Result<(), Over>,
    ) -> Result<(), Over> {
        let steps = std::mem::take(&mut self.pending);
        take(Parcel { endpoint, lines, steps }).await
    }
}

/// The endpoint whose next window begins first.
fn oldest(at: &[Option<Timestamp>]) -> Option<(usize, Timestamp)> {
    let waiting = at.iter().enumerate().filter_map(|(number, at)| at.map(|at| (number, at)));
    waiting.min_by_key(|(number, at)| (*at, *number))
}
