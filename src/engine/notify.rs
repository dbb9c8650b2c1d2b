//! What a service manager is told (`sd_notify`): that the run is ready, alive, stopping, and how it gets on.
//!
//! The watchdog is fed by the task that moves records. It does not depend on whether anything moves: a receiver that takes
//! no alerts is no reason to be killed.

use super::clock;
use super::totals::Totals;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the status is told where nobody watches.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// While history is read, so much time is asked for again and again.
const EXTEND_BY: Duration = Duration::from_secs(60);

/// The way to the service manager.
pub struct Manager {
    socket: UnixDatagram,
    /// How often it wants to hear that the run is alive, if it does.
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that started this process, if it wants to be told anything; it says so in the environment.
    pub fn of_environment() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        let text = |name| std::env::var_os(name)?.into_string().ok();
        let number = |name| text(name)?.parse::<u64>().ok();
        let is_meant = text("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_meant);
        match connect(&name) {
            Ok(socket) => Some(Self { socket, watchdog: watchdog.map(Duration::from_micros) }),
            Err(error) => {
                tracing::warn!("NOTIFY_SOCKET: {error}; the service manager is told nothing");
                None
            }
        }
    }

    /// Tells it how the run gets on until it stops.
    pub async fn serve(self, mut totals: watch::Receiver<Arc<Totals>>, stop: CancellationToken) {
        // Twice as often as it must.
        let every = self.watchdog.map_or(STATUS_EVERY, |within| (within / 2).min(STATUS_EVERY));
        let mut is_ready = false;
        loop {
            let status = status(&totals.borrow_and_update());
            if is_ready {
                self.tell(&format!("WATCHDOG=1\nSTATUS={status}"));
            } else if totals.borrow().ready {
                is_ready = true;
                self.tell(&format!("READY=1\nWATCHDOG=1\nSTATUS={status}"));
            } else {
                self.tell(&format!("EXTEND_TIMEOUT_USEC={}\nSTATUS={status}", EXTEND_BY.as_micros()));
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(every) => {}
                () = ready(&mut totals), if !is_ready => {}
            }
        }
        self.tell("STOPPING=1\nSTATUS=stopping: what has been read is still being written");
    }

    fn tell(&self, state: &str) {
        // Whoever does not listen does not want to know.
        let _ = self.socket.send(state.as_bytes());
    }
}

/// Waits until everything is ready; for ever where nothing more comes.
async fn ready(totals: &mut watch::Receiver<Arc<Totals>>) {
    if totals.wait_for(|totals| totals.ready).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn connect(name: &std::ffi::OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address(name)?)?;
    Ok(socket)
}

/// The address of a socket, which begins with `@` where it is in no folder.
fn address(name: &std::ffi::OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}

/// One line for `systemctl status`.
fn status(totals: &Totals) -> String {
    if !totals.ready {
        return format!("reading history: {} records", totals.read());
    }
    let alerts: u64 = totals.alerts.as_flattened().as_flattened().iter().sum();
    let lag = totals.latest.map_or_else(String::new, |latest| {
        let behind = clock::now().0.saturating_sub(latest.0) / 1_000_000_000;
        format!("; the newest is of {behind} s ago")
    });
    format!("{} records of {} keys, {alerts} alerts{lag}", totals.read(), totals.gauges.keys)
}
