//! Another configuration while a run goes on: read and checked as a whole, then put in force between two records, or not
//! at all. Asked for by SIGHUP, or through a socket that answers (`keyhound reload`).

use super::clock;
use super::totals::Reloads;
use crate::config::{Config, Plan, changed, is_in, read_text};
use crate::encode::Visible;
use crate::shard::ShardSettings;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// What is said through the socket.
const ASK: &str = "reload\n";
/// How long somebody who has connected may take to say it.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// Where a run listens that systemd has started as `keyhound.service`.
pub const CONTROL: &str = "/run/keyhound/control";

/// Settings that may change while a run goes on: these tables, or single settings of them.
const LIVE: &[&str] = &[
    "baseline",
    "detectors",
    "incidents.false_per_week",
    "incidents.habits_threshold_nats",
    "incidents.quiet_hours",
    "incidents.threshold_nats",
    "key",
    "watch_list",
];

/// Where configurations come from, and who may ask for another.
#[derive(Clone, Debug, Default)]
pub struct Reload {
    /// The file, and what it held when the run began.
    pub config: Option<(PathBuf, Box<Config>)>,
    /// The socket.
    pub control: Option<PathBuf>,
    /// Whether SIGHUP asks for it. Of a terminal it says that nobody is there any more.
    pub by_signal: bool,
}

/// Why nobody can be listened to.
#[derive(Debug, Error)]
#[error("--control: {path}: {error}", path = path.display())]
pub struct ControlError {
    path: PathBuf,
    error: io::Error,
}

/// A configuration that is to be in force from now on.
pub struct Change {
    settings: Arc<ShardSettings>,
    watch_list_files: Vec<PathBuf>,
    done: oneshot::Sender<()>,
}

impl Change {
    /// These settings, and where it is told that they are in force.
    pub fn new(
        settings: Arc<ShardSettings>,
        watch_list_files: Vec<PathBuf>,
    ) -> (Self, oneshot::Receiver<()>) {
        let (done, in_force) = oneshot::channel();
        (Self { settings, watch_list_files, done }, in_force)
    }

    /// What shards go by.
    pub fn settings(&self) -> &Arc<ShardSettings> {
        &self.settings
    }

    /// The files of watch lists.
    pub fn watch_list_files(&self) -> &[PathBuf] {
        &self.watch_list_files
    }

    /// It is in force.
    pub fn done(self) {
        // Whoever asked may have gone.
        let _ = self.done.send(());
    }
}

/// Reads configurations anew.
pub struct Reloader {
    path: PathBuf,
    known: Box<Config>,
    /// What stays as it was at the beginning.
    shard: Arc<ShardSettings>,
    changes: mpsc::Sender<Change>,
    reloads: Reloads,
}

impl Reload {
    /// Starts listening. Changes come to whoever has the receiver; there is none where nobody can ask.
    pub fn start(
        self,
        plan: &Plan,
        reloads: &Reloads,
    ) -> Result<Option<mpsc::Receiver<Change>>, ControlError> {
        let Some((path, known)) = self.config else { return Ok(None) };
        reloads.loaded(clock::now());
        let listener = self.control.as_deref().map(listen).transpose()?;
        let hangup = if self.by_signal { signal(SignalKind::hangup()).ok() } else { None };
        if listener.is_none() && hangup.is_none() {
            return Ok(None);
        }
        let (changes, receiver) = mpsc::channel(1);
        let (shard, reloads) = (Arc::clone(&plan.shard), reloads.clone());
        tokio::spawn(serve(Reloader { path, known, shard, changes, reloads }, hangup, listener));
        Ok(Some(receiver))
    }
}

/// Listens at a path, which another run must not. What one has left that was killed is taken away.
fn listen(path: &Path) -> Result<UnixListener, ControlError> {
    let failed = |error| ControlError { path: path.to_owned(), error };
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(failed(io::Error::new(io::ErrorKind::AddrInUse, "another keyhound listens there")));
    }
    let is_socket = |path: &Path| {
        use std::os::unix::fs::FileTypeExt;
        std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
    };
    if is_socket(path) {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    // Whoever may write to it may have the configuration read again, no more; still, that is for its owner.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

async fn serve(
    mut reloader: Reloader,
    mut hangup: Option<tokio::signal::unix::Signal>,
    listener: Option<UnixListener>,
) {
    loop {
        tokio::select! {
            () = hung_up(&mut hangup) => { let _ = reloader.reload().await; }
            stream = accepted(listener.as_ref()) => {
                // One after the other: they would ask for the same.
                let asked = tokio::time::timeout(ASK_WITHIN, asks(stream)).await.ok().flatten();
                if let Some(mut stream) = asked {
                    let answer = match reloader.reload().await {
                        Ok(told) => format!("ok: {told}\n"),
                        Err(told) => format!("error: {told}\n"),
                    };
                    let _ = tokio::time::timeout(ASK_WITHIN, stream.write_all(answer.as_bytes())).await;
                }
            }
        }
    }
}

async fn hung_up(hangup: &mut Option<tokio::signal::unix::Signal>) {
    match hangup {
        Some(hangup) => _ = hangup.recv().await,
        None => std::future::pending().await,
    }
}

async fn accepted(listener: Option<&UnixListener>) -> UnixStream {
    loop {
        let Some(listener) = listener else { return std::future::pending().await };
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, say: others may be closed soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The connection, once it has asked for a reload.
async fn asks(mut stream: UnixStream) -> Option<UnixStream> {
    let mut asked = [0; ASK.len()];
    stream.read_exact(&mut asked).await.ok()?;
    (asked == ASK.as_bytes()).then_some(stream)
}

impl Reloader {
    /// Reads the configuration and puts it in force; what has changed, or why everything stays as it was.
    async fn reload(&mut self) -> Result<String, String> {
        let done = self.try_reload().await;
        match &done {
            Ok(told) => {
                self.reloads.loaded(clock::now());
                tracing::info!("configuration: {}", Visible(told));
            }
            Err(told) => {
                self.reloads.failed();
                tracing::error!("{}; the configuration stays as it was", Visible(told));
            }
        }
        done
    }

    async fn try_reload(&mut self) -> Result<String, String> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || load(&path)).await;
        let (config, plan) = read.map_err(|error| error.to_string()).flatten()?;
        let changed = changed(&self.known, &config);
        if let Some(setting) = changed.iter().find(|setting| !is_live(setting)) {
            return Err(format!("`{setting}` cannot be changed while keyhound runs: restart it"));
        }
        let Plan { shard, watch_list_files, .. } = plan;
        let settings = self.settings(shard).ok_or("the configuration is in use")?;
        let (change, in_force) = Change::new(Arc::new(settings), watch_list_files);
        let ending = |_| "the run is ending".to_owned();
        self.changes.send(change).await.map_err(|_| "the run is ending".to_owned())?;
        in_force.await.map_err(ending)?;
        self.known = config;
        Ok(match &changed[..] {
            [] => "nothing has changed".to_owned(),
            changed => format!("in force from now on: {}", changed.join(", ")),
        })
    }

    /// What shards go by from now on: what cannot change is what they have.
    fn settings(&self, new: Arc<ShardSettings>) -> Option<ShardSettings> {
        let mut settings = Arc::into_inner(new)?;
        settings.networks = Arc::clone(&self.shard.networks);
        settings.witnessed = self.shard.witnessed.clone();
        settings.is_paced = self.shard.is_paced;
        if let Some(incidents) = &mut settings.incidents {
            incidents.networks = Arc::clone(&self.shard.networks);
        }
        Some(settings)
    }
}

fn load(path: &Path) -> Result<(Box<Config>, Plan), String> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|error| format!("{name}: {error}"))?;
    let config = Config::parse(&name, &text).map_err(|error| error.to_string())?;
    let plan = Plan::new(&config, &name, &text).map_err(|error| error.to_string())?;
    Ok((Box::new(config), plan))
}

/// Whether a setting may change while a run goes on.
fn is_live(setting: &str) -> bool {
    is_in(setting, LIVE)
}

/// Asks the run that listens at `path` to read its configuration again; what it says.
pub fn ask(path: &Path) -> io::Result<Result<String, String>> {
    use std::io::{Read, Write};
    /// More than any answer: names of all settings.
    const ANSWER_BYTES_MAX: u64 = 64 << 10;
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.write_all(ASK.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let answer = answer.trim_end();
    match (answer.strip_prefix("ok: "), answer.strip_prefix("error: ")) {
        (Some(told), _) => Ok(Ok(told.to_owned())),
        (_, Some(told)) => Ok(Err(told.to_owned())),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the run ended before it answered")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("c", text).unwrap()
    }

    #[test]
    fn what_differs_is_named_by_its_place() {
        let one = config("[detectors.volume_spike]\nsigma = 3.0\n[limits]\njoin_entries_max = 5\n");
        let other = config(
            "timezone = \"Europe/Prague\"\n[detectors.volume_spike]\nsigma = 4.0\n[[key]]\nkey = \"a\"\n",
        );
        assert_eq!(
            changed(&one, &other),
            ["detectors.volume_spike.sigma", "key", "limits.join_entries_max", "timezone"]
        );
        assert!(changed(&one, &one).is_empty());
    }

    #[test]
    fn every_setting_is_live_or_needs_a_restart() {
        for (setting, live) in [
            ("detectors.volume_spike.sigma", true),
            ("detectors.silence", true),
            ("key", true),
            ("watch_list.files", true),
            ("baseline.rebuild_days", true),
            ("incidents.quiet_hours", true),
            ("incidents.enabled", false),
            ("keys", false),
            ("timezone", false),
            ("limits.state_bytes_max", false),
            ("post.url", false),
            ("sources.openai.url", false),
            ("kafka.topics", false),
        ] {
            assert_eq!(is_live(setting), live, "{setting}");
        }
        // A name that is no setting would never be found out.
        let schema = Config::schema();
        for live in LIVE {
            let mut parts = live.split('.');
            let table = parts.next().and_then(|name| schema.get(name)).unwrap();
            assert!(parts.all(|part| table.get(part).is_some()), "{live}");
        }
    }
}
