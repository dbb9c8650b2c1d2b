//! `/` and `/api/v1`: a look inside a run. Read-only, on a thread of its own, from what is shown anyway: whoever asks often
//! or slowly takes nothing from those who work.

mod answer;
pub mod forms;
mod inside;
mod page;
pub mod status;

pub use inside::Inside;

use super::board::Glass;
use super::failed::RunError;
use super::http;
use super::totals::Totals;
use crate::config::ApiPlan;
use answer::Desk;
use hyper::Request;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Serves until it is dropped.
pub struct Served(#[allow(dead_code, reason = "what is dropped ends the thread")] DropGuard);

/// Serves where that is planned.
pub fn serve(
    plan: Option<&ApiPlan>,
    glass: Option<Glass>,
    totals: &watch::Receiver<Arc<Totals>>,
) -> Result<Option<Served>, RunError> {
    let (Some(plan), Some(glass)) = (plan, glass) else { return Ok(None) };
    let Some(address) = plan.listen else { return Ok(None) };
    let listener = listen(address)?;
    let desk = Desk::new(plan, glass, totals.clone());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Start)?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let work = move || {
        runtime.block_on(async {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            let answer = move |request: Request<Incoming>| desk.clone().answer(request);
            tokio::select! {
                () = http::accept(listener, "api", answer) => {}
                () = stopped.cancelled() => {}
            }
        });
    };
    thread::Builder::new().name("api".to_owned()).spawn(work).map_err(RunError::Start)?;
    Ok(Some(Served(stop.drop_guard())))
}

fn listen(address: SocketAddr) -> Result<std::net::TcpListener, RunError> {
    super::memory::started_at();
    let told = |error| RunError::Listen { what: "api", address, error };
    let listener = std::net::TcpListener::bind(address).map_err(told)?;
    listener.set_nonblocking(true).map_err(told)?;
    // With port 0 the system chooses one: tell which.
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!("a look inside at http://{address}/ and http://{address}/api/v1");
    Ok(listener)
}
