//! Records by HTTP, as shippers post them: a server that reads bodies, and a desk that has them decoded, puts them into the
//! spool, answers and hands them on.
//!
//! ```text
//! connection → body → (decompressed) → desk: frame → decode → spool, forced to disk → answer → feed
//! round of a source → page  ↗                                            (a page's answer: the next may be asked for)
//! ```
//!
//! Memory is bounded by `queue_bytes_max`, the spool by `spool_bytes_max`: where they are full, requests wait and are then
//! told to come again. Nothing that was answered with success is dropped.

mod answer;
mod body;
mod desk;
mod probing;
mod pulling;
mod reception;
mod server;
mod socket;
mod spool;
mod token;
mod traffic;
mod way;

pub use desk::Backlog;
pub use probing::{PROBED, ProbingError};
pub use reception::Reception;
pub use socket::ListenError;
pub use traffic::{Outcome, Traffic};

use crate::config::{ListenConfig, ListenPlan};
use desk::Work;
use server::Door;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use token::Tokens;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A place to listen at, taken, where nobody is answered yet.
pub struct Listener {
    plan: Arc<ListenPlan>,
    socket: TcpListener,
    /// The address, in messages.
    name: String,
    tls: Option<TlsAcceptor>,
}

/// Whether it can be listened as planned, without doing so.
pub fn check(plan: &ListenPlan) -> Result<(), ListenError> {
    socket::tls(plan).map(|_| ())
}

impl Listener {
    /// Takes the place.
    pub fn bind(plan: &Arc<ListenPlan>) -> Result<Self, ListenError> {
        let tls = socket::tls(plan)?;
        let socket = socket::open(plan)?;
        let name = socket.local_addr().map_or_else(|_| plan.at.to_string(), |address| address.to_string());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let who = if plan.token_file.is_some() { "with a token" } else { "from this machine" };
        tracing::info!("usage records are taken {who} on {scheme}://{name}/");
        if plan.token_file.is_some()
            && tls.is_none()
            && socket.local_addr().is_ok_and(|at| !at.ip().is_loopback())
        {
            tracing::warn!(
                "listen {name}: tokens come in the clear; set `listen.cert_file` and `listen.key_file`, or let something before \
                 keyhound encrypt"
            );
        }
        Ok(Self { plan: Arc::clone(plan), socket, name, tls })
    }

    /// Begins to answer, with what the desk says of a body.
    fn serve(
        self,
        desk: mpsc::Sender<Work>,
        limits: ListenConfig,
        traffic: Arc<Traffic>,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = stop.clone();
        let Self { plan, name, tls, socket } = self;
        thread::Builder::new().name("listen".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let tokens = plan.token_file.clone().map(|path| Tokens::of(path, stop.clone()));
                match tokio::net::TcpListener::from_std(socket) {
                    Ok(listener) => {
                        server::serve(Door { name, limits, tokens, tls, desk, traffic, stop }, listener)
                            .await;
                    }
                    Err(error) => tracing::error!("listen {name}: {error}"),
                }
            });
        })?;
        Ok(())
    }
}
