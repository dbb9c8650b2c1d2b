//! The journal of systemd, read through its own `journalctl`: entries have cursors, by which reading goes on.

use super::{Next, Place, Source, SourceError, read_some};
use crate::json::{Reader, Value};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::io;
use std::process::{Child, ChildStdout, Command, Stdio};

/// So much of an entry is looked through for its cursor, which `journalctl` writes among the first members.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// The journal, followed.
pub struct JournalSource {
    arguments: Vec<String>,
    /// Where to go on.
    cursor: Option<String>,
    entries: Entries,
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
        Self { arguments: arguments.to_vec(), cursor, entries: Entries::default(), running: None }
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
        let cursor = self.entries.last().or(self.cursor.as_deref())?.to_owned();
        Some(Place::Journal { cursor })
    }

    fn before(&self, _: Place, bytes: u64) -> Option<Place> {
        let cursor = self.entries.ending_before(bytes)?.to_owned();
        Some(Place::Journal { cursor })
    }

    fn read(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Next, SourceError> {
        if self.running.is_none() {
            self.running = Some(self.start().map_err(Self::fail)?);
        }
        let Some(running) = &mut self.running else { return Ok(Next::End) };
        let left = buffer.len();
        if read_some(&mut running.output, buffer, max).map_err(Self::fail)? == 0 {
            let status = running.child.wait().map_err(Self::fail)?;
            let message = format!("`journalctl` ended ({status}); what it said is above");
            return Err(Self::fail(io::Error::other(message)));
        }
        self.entries.forget(left as u64);
        self.entries.note(&buffer[left..]);
        Ok(Next::Bytes)
    }
}

/// Where entries end in what has been read: framing parts it as it likes, and each part needs a cursor of its own.
#[derive(Debug, Default)]
struct Entries {
    /// Bytes so far.
    read: u64,
    /// The start of an entry whose end has not come.
    begun: Vec<u8>,
    /// Where entries end that may not have been framed yet, and their cursors.
    ends: VecDeque<(u64, Option<String>)>,
}

impl Entries {
    /// Takes what has been read.
    fn note(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.read += line.len() as u64;
            let is_whole = line.ends_with(b"\n");
            if is_whole && self.begun.is_empty() {
                self.ends.push_back((self.read, cursor(line)));
                continue;
            }
            let room = ENTRY_BYTES_MAX.saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&line[..line.len().min(room)]);
            if is_whole {
                self.ends.push_back((self.read, cursor(&self.begun)));
                self.begun.clear();
            }
        }
    }

    /// Drops what is framed: all but the last `left` bytes.
    fn forget(&mut self, left: u64) {
        let framed = self.read - left;
        while self.ends.front().is_some_and(|(end, _)| *end <= framed) {
            self.ends.pop_front();
        }
    }

    /// The cursor of the last entry that has one.
    fn last(&self) -> Option<&str> {
        self.ends.iter().rev().find_map(|(_, cursor)| cursor.as_deref())
    }

    /// The cursor of the entry that ends before the last `left` bytes, if one does.
    fn ending_before(&self, left: u64) -> Option<&str> {
        let at = self.ends.binary_search_by_key(&(self.read - left), |(end, _)| *end).ok()?;
        self.ends.get(at)?.1.as_deref()
    }
}

/// The cursor of an entry, of which the end may be missing.
fn cursor(entry: &[u8]) -> Option<String> {
    let mut reader = Reader::new(entry);
    reader.enter_object();
    let mut scratch = Vec::new();
    while let Some(name) = reader.key() {
        if name.resolve(&mut scratch) == b"__CURSOR" {
            let Some(Value::Str(cursor)) = reader.value() else { return None };
            let cursor = std::str::from_utf8(cursor.resolve(&mut scratch)).ok()?;
            return (!cursor.is_empty()).then(|| cursor.to_owned());
        }
        reader.skip();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_a_member_of_the_entry() {
        let of = |text: &str| cursor(text.as_bytes());
        let one = r#"{"__CURSOR":"s=1;i=2","MESSAGE":"\"__CURSOR\":\"s=0\""}"#;
        assert_eq!(of(one).as_deref(), Some("s=1;i=2"));
        for value in [r#""__CURSOR""#, r#"{"__CURSOR":"s=0"}"#, r#"["__CURSOR","s=0"]"#] {
            let behind = format!(r#"{{ "MESSAGE" : {value}, "__CURSOR" : "s=1;i=3" }}"#);
            assert_eq!(of(&behind).as_deref(), Some("s=1;i=3"), "{value}");
            let before = format!(r#"{{"__CURSOR":"s=1;i=4","MESSAGE":{value}}}"#);
            assert_eq!(of(&before).as_deref(), Some("s=1;i=4"), "{value}");
            assert_eq!(of(&format!(r#"{{"MESSAGE":{value}}}"#)), None);
        }
        assert_eq!(of(r#"{"__CURSOR":"s=1;i=5","MESSAGE":"cut o"#).as_deref(), Some("s=1;i=5"));
        assert_eq!((of("no entry"), of(r#"{"__CURSOR":["s=0"]}"#), of("")), (None, None, None));
    }

    #[test]
    fn every_end_of_an_entry_is_a_place_and_nothing_else_is() {
        let lines =
            [r#"{"__CURSOR":"a"}"#, r#"{"MESSAGE":"x","__CURSOR":"b"}"#, "none", r#"{"__CURSOR":"c"}"#];
        let text = lines.join("\n") + "\n{\"__CURSOR\":\"d";
        let known = |at: usize| match at {
            17 => Some("a"),
            48 => Some("b"),
            70 => Some("c"),
            _ => None,
        };
        for size in 1..=text.len() {
            let mut entries = Entries::default();
            for piece in text.as_bytes().chunks(size) {
                entries.note(piece);
            }
            for at in 0..=text.len() {
                assert_eq!(entries.ending_before((text.len() - at) as u64), known(at), "{at} by {size}");
            }
            assert_eq!(entries.last(), Some("c"));
            entries.forget((text.len() - 48) as u64);
            assert_eq!((entries.ends.len(), entries.ending_before((text.len() - 70) as u64)), (2, Some("c")));
        }
    }
}
