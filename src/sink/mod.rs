//! Where encoded events go. Encoding and carrying are two things: a sink takes bytes.
//!
//! The usual output is written to as it comes ([`Sink`]). All others stand in a table ([`kind::ALL`]) and are carried to from
//! an outbox, as often as it takes ([`carrier::Carrier`]).

mod active;
mod alertmanager;
pub mod carrier;
mod discord;
mod elasticsearch;
mod email;
mod file;
pub mod http;
pub mod kind;
mod lines;
mod message;
mod otlp;
mod pagerduty;
#[cfg(feature = "kafka")]
pub mod kafka;
mod room;
mod rotating;
mod slack;
mod splunk_hec;
mod syslog;
mod teams;
mod telegram;

pub use file::{FileSink, Resumed, force_name, replace};
pub use room::{FULL_FOR, Room, Rooms, is_full};

use std::io;
use std::path::Path;
use tokio::io::{AsyncWriteExt, Stdout};

/// Something that carries encoded events away.
pub trait Sink: Send {
    /// Hands over whole lines. When it returns, they are on their way as far as this sink promises.
    fn write(&mut self, lines: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}

/// Standard output.
pub struct StdoutSink(Stdout);

impl StdoutSink {
    /// Standard output of this process.
    pub fn new() -> Self {
        Self(tokio::io::stdout())
    }
}

impl Default for StdoutSink {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for StdoutSink {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.write_all(lines).await?;
        self.0.flush().await
    }
}

/// A pipe or a device with a name.
pub struct PipeSink(tokio::fs::File);

impl PipeSink {
    /// Opens it; waits for a reader where it has none.
    pub async fn open(path: &Path) -> io::Result<Self> {
        tokio::fs::OpenOptions::new().append(true).open(path).await.map(Self)
    }
}

impl Sink for PipeSink {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.write_all(lines).await?;
        self.0.flush().await
    }
}

/// A sink of any kind.
pub enum AnySink {
    /// A pipe or a device with a name.
    Pipe(PipeSink),
    /// Standard output.
    Stdout(StdoutSink),
    /// A file.
    File(FileSink),
    /// Nothing is carried anywhere.
    Nothing,
}

impl AnySink {
    /// The file, where it is one.
    pub fn file(&mut self) -> Option<&mut FileSink> {
        match self {
            Self::File(sink) => Some(sink),
            Self::Pipe(_) | Self::Stdout(_) | Self::Nothing => None,
        }
    }
}

impl Sink for AnySink {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Pipe(sink) => sink.write(lines).await,
            Self::Stdout(sink) => sink.write(lines).await,
            Self::File(sink) => sink.write(lines).await,
            Self::Nothing => Ok(()),
        }
    }
}
