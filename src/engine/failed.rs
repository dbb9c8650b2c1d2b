//! Why a run could not be finished.

use super::checkpoint::StoreError;
use super::egress::EgressError;
use super::listen::{ListenError, ProbingError};
use super::reload::ControlError;
use crate::contain::JournalError;
use crate::net::trust::TrustError;
use crate::sink::carrier::SinkError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// After a signal, how long what is under way may take to be written.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Why a run could not be finished.
#[derive(Debug, Error)]
pub enum RunError {
    /// The address for metrics or the API cannot be used.
    #[error("{what}: cannot listen on {address}: {error}")]
    Listen {
        /// What it is for.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// An output cannot be opened.
    #[error("{path}: {error}", path = path.display())]
    Open {
        /// The output.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What is written would be read again, and what follows from that written again.
    #[error("{path}: cannot be read and written to by one run", path = path.display())]
    OwnInput {
        /// The input that is an output.
        path: PathBuf,
    },
    /// Nobody can post records.
    #[error(transparent)]
    Posting(#[from] ListenError),
    /// A source cannot be asked.
    #[error("source `{name}`: {error}")]
    Source {
        /// Its name.
        name: Arc<str>,
        /// Why not.
        error: TrustError,
    },
    /// Whom to believe that is to contain is not known.
    #[error(transparent)]
    Containment(TrustError),
    /// What was done cannot be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Canary prompts cannot be sent.
    #[error(transparent)]
    Probing(#[from] ProbingError),
    /// Nobody can ask for another configuration.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Threads or signal handlers cannot be set up.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// An output cannot be written.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The folder of checkpoints cannot be used.
    #[error(transparent)]
    State(#[from] StoreError),
    /// Kafka, or what stands in it, does not let the run go on.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] super::kafka::KafkaError),
    /// A sink cannot be made ready.
    #[error("sink `{name}`: {error}")]
    Sink {
        /// Its name.
        name: String,
        /// Why not.
        error: SinkError,
    },
    /// What waits for a sink is written in another form than it has now.
    #[error(
        "sink `{name}`: {count} alerts of earlier runs wait for it as `{other}`, and now it is `{form}`; have them delivered as they are first, or give the new one another name"
    )]
    OtherForm {
        /// Its name.
        name: String,
        /// How many.
        count: usize,
        /// Their form.
        other: String,
        /// The sink's.
        form: String,
    },
    /// Alerts that were in memory only could not be delivered.
    #[error(
        "{count} alerts could not be delivered before the end, and without --state they are lost to their receivers"
    )]
    Undelivered {
        /// How many.
        count: u64,
    },
    /// After a signal, not everything could be written in time.
    #[error("stopped, but not everything could be written within {} seconds", DRAIN_WITHIN.as_secs())]
    Drain,
    /// A second signal ended the run at once.
    #[error("stopped at once by a second signal")]
    Killed,
}
