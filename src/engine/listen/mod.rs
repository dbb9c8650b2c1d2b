//! Records by HTTP, as shippers post them: a server that reads bodies, and a desk that has them decoded, puts them into the
//! spool, answers and hands them on.
//!
//! ```text
//! connection → body → (decompressed) → desk: frame → decode → spool, forced to disk → answer → feed
//! ```
//!
//! Memory is bounded by `queue_bytes_max`, the spool by `spool_bytes_max`: where they are full, requests wait and are then
//! told to come again. Nothing that was answered with success is dropped.

mod answer;
mod body;
mod desk;
mod server;
mod socket;
mod spool;
mod token;
mod traffic;

pub use desk::Backlog;
pub use socket::ListenError;
pub use traffic::{Outcome, Traffic};

use super::intake::{Decoders, Delivery};
use crate::config::ListenPlan;
use crate::sink::Room;
use desk::Desk;
use server::Door;
use spool::Spool;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use token::Tokens;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Batches on their way from the desk to the feed.
const AHEAD: usize = 4;

/// A place to listen at, taken, where nobody is answered yet.
pub struct Listener {
    plan: Arc<ListenPlan>,
    socket: TcpListener,
    /// The address, in messages.
    name: String,
    tls: Option<TlsAcceptor>,
    /// Where the spool is, if there is one.
    folder: Option<PathBuf>,
    room: Room,
    /// What passes through.
    pub traffic: Arc<Traffic>,
}

/// Whether it can be listened as planned, without doing so.
pub fn check(plan: &ListenPlan) -> Result<(), ListenError> {
    socket::tls(plan).map(|_| ())
}

impl Listener {
    /// Takes the place. With a folder for the spool, what is answered is on disk.
    pub fn bind(plan: &Arc<ListenPlan>, folder: Option<PathBuf>, room: Room) -> Result<Self, ListenError> {
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
        let traffic = Arc::new(Traffic::new(&plan.limits));
        Ok(Self { plan: Arc::clone(plan), socket, name, tls, folder, room, traffic })
    }

    /// Begins to answer. `taken` is the number up to which a checkpoint knows what was answered.
    pub fn start(
        self,
        decoders: &Decoders,
        taken: u64,
        stop: &CancellationToken,
    ) -> io::Result<(Backlog, mpsc::Receiver<Delivery>)> {
        let limits = self.plan.limits.clone();
        let spool = self.folder.as_deref().map(|folder| Spool::open(folder, taken)).transpose()?;
        let (desk, work) = mpsc::channel(limits.connections_max as usize + 1);
        let (queue, deliveries) = mpsc::channel(AHEAD);
        let backlog = Backlog::new(taken, desk.downgrade());
        let clerk = Desk {
            work,
            spool_bytes_max: if spool.is_some() { limits.spool_bytes_max } else { 0 },
            spool,
            backlog: backlog.clone(),
            room: self.room,
            decoders: decoders.clone(),
            queue,
            traffic: Arc::clone(&self.traffic),
            stop: stop.clone(),
            number: taken,
        };
        thread::Builder::new().name("desk".to_owned()).spawn(move || clerk.run())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, traffic) = (stop.clone(), self.traffic);
        let (plan, name, tls, socket) = (self.plan, self.name, self.tls, self.socket);
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
        Ok((backlog, deliveries))
    }
}
