//! The journal of systemd, read through its own `journalctl`: entries have cursors, by which reading goes on.

use super::{Next, Place, Source, SourceError, read_some};
use bytes::BytesMut;
use std::io;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The journal, followed.
pub struct JournalSource {
    arguments: Vec<String>,
    /// Where to go on.
    cursor: Option<String>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    output: ChildStdout,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl JournalSource {
    /// What `journalctl` shows with these arguments and what comes after it, from `place` on.
    pub fn new(arguments: &[String], place: Option<Place>) -> Self {
        let cursor = match place {
            Some(Place::Journal { cursor }) => Some(cursor),
            _ => None,
        };
        Self { arguments: arguments.to_vec(), cursor, running: None }
    }

    fn start(&self) -> io::Result<Running> {
        let mut command = Command::new("journalctl");
        command.args(&self.arguments).args(["--output=json", "--all", "--follow", "--no-tail", "--quiet"]);
        command.args(self.cursor.as_ref().map(|cursor| format!("--after-cursor={cursor}")));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Running { child, output })
    }

    fn fail(error: io::Error) -> SourceError {
        let error = match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(error.kind(), "there is no `journalctl` on the path"),
            _ => error,
        };
        SourceError::Io { name: "journal".to_owned(), error }
    }
}

impl Source for JournalSource {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn place(&self) -> Option<Place> {
        self.cursor.clone().map(|cursor| Place::Journal { cursor })
    }

    fn read(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Next, SourceError> {
        if self.running.is_none() {
            self.running = Some(self.start().map_err(Self::fail)?);
        }
        let Some(running) = &mut self.running else { return Ok(Next::End) };
        if read_some(&mut running.output, buffer, max).map_err(Self::fail)? == 0 {
            let status = running.child.wait().map_err(Self::fail)?;
            let message = format!("`journalctl` ended ({status}); what it said is above");
            return Err(Self::fail(io::Error::other(message)));
        }
        if let Some(cursor) = last_cursor(buffer) {
            self.cursor = Some(cursor);
        }
        Ok(Next::Bytes)
    }
}

/// The cursor of the last whole entry.
fn last_cursor(lines: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"__CURSOR\"";
    let end = memchr::memrchr(b'\n', lines)?;
    let start = memchr::memrchr(b'\n', &lines[..end]).map_or(0, |at| at + 1);
    let line = &lines[start..end];
    let value = &line[memchr::memmem::rfind(line, NAME)? + NAME.len()..];
    // Cursors have no quotes and nothing escaped in them.
    let value = value.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let cursor = &value[..memchr::memchr(b'"', value)?];
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"=;".contains(byte);
    (!cursor.is_empty() && cursor.iter().all(is_plain)).then(|| String::from_utf8_lossy(cursor).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_that_of_the_last_whole_entry() {
        let one = "{\"__CURSOR\":\"s=1;i=2\",\"MESSAGE\":\"\\\"__CURSOR\\\":\\\"s=0\\\"\"}\n";
        let two = "{ \"MESSAGE\" : \"x\", \"__CURSOR\" : \"s=1;i=3\" }\n";
        let cursor = |text: &str| last_cursor(text.as_bytes());
        assert_eq!(cursor(one).as_deref(), Some("s=1;i=2"));
        assert_eq!(cursor(&format!("{one}{two}")).as_deref(), Some("s=1;i=3"));
        assert_eq!(cursor(&format!("{one}{}", &two[..30])).as_deref(), Some("s=1;i=2"));
        assert_eq!(cursor("no entry\n"), None);
        assert_eq!(cursor(&two[..30]), None);
    }
}
