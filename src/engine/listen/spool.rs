//! What was answered and is in no checkpoint yet, on disk: files that are only appended to, in a folder of their own beside
//! the checkpoints. An entry is a body that has become records: on disk there is no key, and after a crash nothing is
//! decoded again. It is forced to disk before its answer; a file goes when checkpoints know of all of it.

use super::super::checkpoint::LAYOUT;
use crate::encode::Visible;
use crate::fault::step;
use crate::pull::{Cursors, Step};
use crate::record::Batch;
use crate::save::{Reader, Writer};
use crate::sink::{force_name, replace};
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// From how many bytes on a file is followed by the next.
const SEGMENT_BYTES: u64 = 8 << 20;
/// The form of entries, beside that of records.
const FORM: u32 = 2;
/// The file that says how far sources were pulled.
const CURSORS: &str = "cursors";
/// Length, number and checksum.
const FRONT: usize = 4 + 8 + 8;

/// A body that has become records.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Its number: those of one spool rise by one.
    pub number: u64,
    /// What it is called in messages.
    pub name: String,
    /// The source that it was pulled from; empty where it was posted.
    pub source: String,
    /// How that source's cursor moves with it.
    pub steps: Vec<Step>,
    /// Its records and rejects, in order.
    pub batches: Vec<Batch>,
}

impl Entry {
    /// As bytes, with what tells whether they are whole.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.put(&self.name);
        out.put(&self.source);
        out.put(&self.steps);
        out.put(&self.batches.len());
        for batch in &self.batches {
            out.put(batch);
            // A batch that waits for others is saved when its rejects have been told; here they have not.
            out.put(&batch.rejects);
        }
        let text = out.into_bytes();
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(FRONT + text.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&checksum(self.number, &text));
        bytes.extend_from_slice(&text);
        bytes
    }

    fn unpack(number: u64, text: &[u8]) -> Option<Self> {
        let mut saved = Reader::new(text);
        let (name, source): (String, String) = (saved.take().ok()?, saved.take().ok()?);
        let (steps, count): (Vec<Step>, usize) = (saved.take().ok()?, saved.take().ok()?);
        let mut batches = Vec::new();
        for _ in 0..count {
            let mut batch: Batch = saved.take().ok()?;
            batch.rejects = saved.take().ok()?;
            batches.push(batch);
        }
        saved.is_empty().then_some(Self { number, name, source, steps, batches })
    }
}

fn checksum(number: u64, text: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes()).update(text);
    let mut sum = [0; 8];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    sum
}

/// The next entry of what is left of a file: its number and text, and what follows. `None` where it is not whole.
fn split(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (length, number) = (u32::from_le_bytes(*length), u64::from_le_bytes(*number));
    let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    (checksum(number, text) == *sum).then_some((number, text, rest))
}

/// The spool.
pub struct Spool {
    dir: PathBuf,
    head: String,
    /// The first number and the bytes of each file, oldest first.
    files: VecDeque<(u64, u64)>,
    current: Option<File>,
    /// The number of the next entry.
    next: u64,
}

impl Spool {
    /// Opens or makes the spool in this folder.
    pub fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        force_name(dir)?;
        let head = format!("keyhound posted {LAYOUT}.{FORM}\n");
        let mut spool = Self { dir: dir.to_owned(), head, files: VecDeque::new(), current: None, next: 1 };
        let mut firsts = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let first = name.to_str().and_then(|name| name.strip_prefix("segment-")).map(str::parse::<u64>);
            firsts.extend(first.and_then(Result::ok));
        }
        firsts.sort_unstable();
        for first in firsts {
            let bytes = fs::metadata(spool.path(first))?.len();
            spool.files.push_back((first, bytes));
        }
        Ok(spool)
    }

    /// How far sources were pulled, as far as that was kept apart.
    pub fn cursors(&self) -> io::Result<Cursors> {
        let path = self.dir.join(CURSORS);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Cursors::default()),
            read => read?,
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!(
                "{}: {error}: it says how far sources were pulled; without it they are pulled from their beginning, and what \
                 was read since then may count twice. Move it away if that is meant",
                path.display()
            );
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    /// Keeps how far sources were pulled.
    pub fn keep(&self, cursors: &Cursors) -> io::Result<()> {
        if cursors.sources.is_empty() {
            return Ok(());
        }
        step("cursors_due");
        replace(&self.dir.join(CURSORS), &serde_json::to_vec(cursors)?)?;
        step("cursors_kept");
        Ok(())
    }

    /// Goes on behind what a checkpoint knows.
    pub fn skip(&mut self, taken: u64) {
        self.next = self.next.max(taken + 1);
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("segment-{first:020}"))
    }

    /// The folder.
    pub fn name(&self) -> String {
        self.dir.display().to_string()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    /// The number of the next entry.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Hands out what an earlier run has left, in order, as long as `take` wants it: what a checkpoint knows of, too. What a crash left of an entry that was
    /// not answered is cut off; damage anywhere else is told.
    pub fn replay(&mut self, take: &mut dyn FnMut(Entry) -> bool) -> io::Result<()> {
        for at in 0..self.files.len() {
            let (first, _) = self.files[at];
            let path = self.path(first);
            let bytes = fs::read(&path)?;
            let Some(mut rest) = bytes.strip_prefix(self.head.as_bytes()) else {
                if bytes.starts_with(b"keyhound posted ") && bytes.contains(&b'\n') {
                    let message = format!(
                        "{}: of another version of keyhound; run that one with --listen until it is stopped, or move it away \
                         (then what was posted and is in no checkpoint is lost)",
                        path.display()
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                self.cut(at, 0, bytes.len())?;
                continue;
            };
            while let Some((number, text, after)) = split(rest) {
                let entry = Entry::unpack(number, text).filter(|entry| entry.number >= self.next);
                rest = after;
                let Some(entry) = entry else { continue };
                self.next = entry.number + 1;
                if !take(entry) {
                    return Ok(());
                }
            }
            self.cut(at, bytes.len() - rest.len(), rest.len())?;
        }
        Ok(())
    }

    /// Cuts a file off where it is no longer whole.
    fn cut(&mut self, at: usize, whole: usize, damaged: usize) -> io::Result<()> {
        let (first, _) = self.files[at];
        if damaged == 0 {
            return Ok(());
        }
        let path = self.path(first);
        let shown = path.display().to_string();
        if at + 1 < self.files.len() {
            tracing::error!(
                "{}: damaged from byte {whole} on ({damaged} bytes): what was posted there is lost",
                Visible(&shown)
            );
        } else {
            tracing::info!(
                "{}: the last {damaged} bytes are no whole entry: they were not answered, and whoever sent them sends them again",
                Visible(&shown)
            );
        }
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(whole as u64)?;
        file.sync_all()?;
        self.files[at].1 = whole as u64;
        Ok(())
    }

    /// Appends packed entries that begin with the number `first`, `count` of them, and forces them to disk. After an error
    /// nothing of them is there, or the spool is not to be used any more: then [`Spool::undo`] fails as well.
    pub fn append(&mut self, first: u64, count: u64, bytes: &[u8]) -> io::Result<()> {
        let is_full = self.files.back().is_some_and(|(_, bytes)| *bytes >= SEGMENT_BYTES);
        if self.current.is_none() || is_full {
            self.begin(first)?;
        }
        let Some(file) = &mut self.current else { return Ok(()) };
        file.write_all(bytes)?;
        step("posted_written");
        file.sync_data()?;
        step("posted_forced");
        if let Some((_, length)) = self.files.back_mut() {
            *length += bytes.len() as u64;
        }
        self.next = first + count;
        Ok(())
    }

    fn begin(&mut self, first: u64) -> io::Result<()> {
        let path = self.path(first);
        let mut options = OpenOptions::new();
        let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(self.head.as_bytes())?;
        force_name(&path)?;
        // What a crash has left may have been a file without an entry.
        while self.files.back().is_some_and(|(known, _)| *known >= first) {
            self.files.pop_back();
        }
        self.files.push_back((first, self.head.len() as u64));
        self.current = Some(file);
        Ok(())
    }

    /// Whether everything of the oldest file is in a checkpoint: all up to the number `taken`.
    pub fn ends_by(&self, taken: u64) -> bool {
        let Some((first, _)) = self.files.front() else { return false };
        let end = self.files.get(1).map_or(self.next, |(second, _)| *second);
        end <= taken + 1 && *first <= taken
    }

    /// After a full disk: takes away what was written of entries that could not be.
    pub fn undo(&mut self) -> io::Result<()> {
        let Some((first, length)) = self.files.back().copied() else { return Ok(()) };
        if self.current.take().is_some() {
            let file = OpenOptions::new().append(true).open(self.path(first))?;
            file.set_len(length)?;
            self.current = Some(file);
        }
        Ok(())
    }

    /// Takes away files of which everything is in a checkpoint: all up to the number `taken`.
    pub fn remove(&mut self, taken: u64) -> io::Result<()> {
        while let Some((first, _)) = self.files.front().copied() {
            if !self.ends_by(taken) {
                return Ok(());
            }
            if self.files.len() == 1 {
                self.current = None;
            }
            fs::remove_file(self.path(first))?;
            self.files.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Reason, Reject};

    fn entry(number: u64) -> Entry {
        let mut batch = Batch::default();
        batch.lines = 2;
        batch.reject(Reject {
            reason: Reason::BadTime,
            field: "timestamp".into(),
            value: format!("yesterday {number}"),
            message: "not a time".into(),
            line: 1,
            frame: "{}".to_owned(),
        });
        let (name, batches) = (format!("request {number}"), vec![batch, Batch::default()]);
        Entry { number, name, source: "s".to_owned(), steps: Vec::new(), batches }
    }

    fn put(spool: &mut Spool, numbers: std::ops::Range<u64>) {
        let bytes: Vec<u8> = numbers.clone().flat_map(|number| entry(number).pack()).collect();
        spool.append(numbers.start, numbers.end - numbers.start, &bytes).unwrap();
    }

    fn left(dir: &Path, taken: u64) -> (Vec<Entry>, u64) {
        let mut spool = Spool::open(dir).unwrap();
        let mut left = Vec::new();
        spool
            .replay(&mut |entry| {
                left.extend(Some(entry).filter(|entry| entry.number > taken));
                true
            })
            .unwrap();
        spool.skip(taken);
        (left, spool.next())
    }

    #[test]
    fn what_was_put_in_is_found_again_until_a_checkpoint_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        put(&mut spool, 1..3);
        put(&mut spool, 3..4);
        assert_eq!(left(dir.path(), 0), ((1..4).map(entry).collect(), 4));
        assert_eq!(left(dir.path(), 2), (vec![entry(3)], 4));
        assert_eq!(left(dir.path(), 3), (vec![], 4));
        spool.remove(2).unwrap();
        assert_eq!(left(dir.path(), 2).0.len(), 1, "a file of which something is needed stays");
        spool.remove(3).unwrap();
        assert_eq!((spool.bytes(), fs::read_dir(dir.path()).unwrap().count()), (0, 0));
        put(&mut spool, 4..5);
        assert_eq!(left(dir.path(), 3), (vec![entry(4)], 5));
        // A spool that is gone: numbers go on behind what a checkpoint knows.
        let other = tempfile::tempdir().unwrap();
        assert_eq!(left(other.path(), 9), (vec![], 10));
    }

    #[test]
    fn whatever_a_crash_leaves_of_the_last_entry_the_others_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        put(&mut spool, 1..3);
        let path = spool.path(1);
        let whole = fs::read(&path).unwrap();
        let length = entry(2).pack().len();
        for end in whole.len() - length..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(left(dir.path(), 0), (vec![entry(1)], 2), "cut at {end}");
            assert_eq!(fs::read(&path).unwrap().len(), whole.len() - length, "what is no entry is cut off");
        }
        for at in whole.len() - length..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert_eq!(left(dir.path(), 0).0, vec![entry(1)], "flipped at {at}");
        }
        fs::write(&path, &whole[..3]).unwrap();
        assert_eq!(left(dir.path(), 0), (vec![], 1));
        fs::write(&path, "keyhound posted 1\n").unwrap();
        let told = Spool::open(dir.path()).unwrap().replay(&mut |_| true).unwrap_err().to_string();
        assert!(told.contains("of another version"), "{told}");
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_what_it_did_not_take() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        put(&mut spool, 1..2);
        // What a write that was cut short leaves.
        spool.current.as_mut().unwrap().write_all(&entry(2).pack()[..9]).unwrap();
        spool.undo().unwrap();
        put(&mut spool, 2..3);
        assert_eq!(left(dir.path(), 0), (vec![entry(1), entry(2)], 3));
    }
}
