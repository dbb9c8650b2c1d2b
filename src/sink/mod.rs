//! Where encoded events go. Encoding and carrying are two things: a sink takes bytes.

use std::io;
use std::path::Path;
use tokio::fs::{File, OpenOptions};
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

/// A file that is appended to: what an earlier run has written stays.
pub struct FileSink(File);

impl FileSink {
    /// Opens or makes the file, readable by its owner only if it is made.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        options.open(path).await.map(Self)
    }
}

impl Sink for FileSink {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.write_all(lines).await?;
        self.0.flush().await
    }
}

/// A sink of either kind.
pub enum AnySink {
    /// Standard output.
    Stdout(StdoutSink),
    /// A file.
    File(FileSink),
}

impl Sink for AnySink {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(sink) => sink.write(lines).await,
            Self::File(sink) => sink.write(lines).await,
        }
    }
}
