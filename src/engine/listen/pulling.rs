//! Asks a source at its cadence, and brings what it tells to the desk: a page is asked for when the one before is on disk.

use super::desk::Verdict;
use super::way::{Lines, Way};
use crate::config::SourcePlan;
use crate::encode::Visible;
use crate::engine::clock::{Arrival, now};
use crate::net::trust::TrustError;
use crate::pull::{Cursor, Health, Parcel, Round};
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// A source that is to be asked.
pub struct Pulling {
    plan: Arc<SourcePlan>,
    round: Round,
    /// How it gets on.
    pub health: Arc<Health>,
    stop: CancellationToken,
}

impl Pulling {
    /// Makes ready; opens no connection.
    pub fn new(plan: &Arc<SourcePlan>) -> Result<Self, TrustError> {
        let health = Arc::new(Health::new(&plan.name, plan.endpoint_names()));
        let stop = CancellationToken::new();
        let round = Round::new(plan, Cursor::default(), &health, &stop)?;
        Ok(Self { plan: Arc::clone(plan), round, health, stop })
    }

    /// What it is called.
    pub fn name(&self) -> &Arc<str> {
        &self.plan.name
    }
}

/// Begins to ask, on a thread of its own, as soon as it is known how far an earlier run came.
pub fn start(source: Pulling, cursor: oneshot::Receiver<Cursor>, way: Way) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("pull".to_owned()).spawn(move || {
        runtime.block_on(async move {
            if let Ok(cursor) = cursor.await {
                ask(source, cursor, &way).await;
            }
        });
    })?;
    Ok(())
}

/// Asks, round after round, until a stop.
async fn ask(source: Pulling, cursor: Cursor, way: &Way) {
    let Pulling { plan, mut round, health, stop: told } = source;
    round.resume(cursor);
    tracing::info!(
        "{}: asking {} every {} seconds for {}",
        plan.place,
        plan.shown(),
        plan.every.as_secs(),
        plan.endpoint_names().collect::<Vec<_>>().join(", ")
    );
    let mut take = async |parcel: Parcel| {
        let endpoint = parcel.endpoint.clone();
        let Parcel { lines, steps, .. } = parcel;
        let name = format!("of {}/{endpoint}", plan.name);
        let verdict = way.bring(Lines { bytes: lines, name, lane: plan.name.to_string(), steps }).await?;
        complain(&plan, &health, &endpoint, &verdict);
        Ok(())
    };
    loop {
        let (started, at) = (Arrival::now(), now());
        let done = tokio::select! {
            done = round.run(at.minus(plan.backfill), at, &mut take) => done,
            // What is under way is broken off; what was brought is on disk, or comes again.
            () = way.stop.cancelled() => return told.cancel(),
        };
        if done.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(plan.every.saturating_sub(started.elapsed())) => {}
            () = way.stop.cancelled() => return,
        }
    }
}

/// Says what could not be read of a page, once for an endpoint.
fn complain(plan: &SourcePlan, health: &Health, endpoint: &str, verdict: &Verdict) {
    let Some(known) = health.endpoints.iter().find(|known| known.name == endpoint) else { return };
    if verdict.rejected == 0 || known.reject(verdict.rejected) > 0 {
        return;
    }
    let first = verdict.rejects.first().map_or_else(String::new, |(line, reject)| {
        let field = if reject.field.is_empty() { String::new() } else { format!("`{}` ", reject.field) };
        format!("; row {line}: {field}{}", reject.message)
    });
    let told = format!(
        "{}: {endpoint}: {} of {} rows cannot be read{first} (has the provider changed them? further ones are only counted)",
        plan.place,
        verdict.rejected,
        verdict.rejected + verdict.records
    );
    tracing::warn!("{}", Visible(&told));
}
