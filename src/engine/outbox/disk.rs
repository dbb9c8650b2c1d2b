//! An outbox on disk: files that are only appended to, in a folder of its own beside the checkpoints, and how far they were
//! delivered. Entries are forced to disk before a checkpoint that knows of them; a file goes when all of it is delivered.

use super::segment::{HEAD, Placed, pack, parse};
use crate::encode::Visible;
use crate::fault::step;
use crate::sink::{Room, force_name, is_full};
use hyper::body::Bytes;
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// From how many bytes on a file is followed by the next.
const SEGMENT_BYTES: u64 = 1 << 20;

/// An outbox on disk.
pub struct Disk {
    dir: PathBuf,
    /// The number of the first entry of each file, oldest first.
    firsts: VecDeque<u64>,
    current: Option<Current>,
    /// Files that were written to since the last checkpoint, and their names.
    unforced: Vec<(Arc<File>, String)>,
    delivered: Delivered,
}

struct Current {
    file: Arc<File>,
    name: String,
    length: u64,
}

/// What an earlier run has left.
#[derive(Debug, Default)]
pub struct Found {
    /// Entries that are still to be delivered: numbers and texts.
    pub entries: Vec<(u64, Bytes)>,
    /// The number of the next entry.
    pub next: u64,
}

/// What a checkpoint knows of an outbox.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// How many entries had been put in; `None` if there was no outbox then.
    pub next: Option<u64>,
    /// Whether what came later is made again: so it is where all inputs can be read again.
    pub repeats: bool,
}

impl Known {
    /// The number from which on entries are made again.
    fn cut(self) -> Option<u64> {
        self.repeats.then_some(self.next.unwrap_or(0))
    }
}

/// One file of an outbox.
struct Segment {
    path: PathBuf,
    first: u64,
    bytes: Bytes,
    entries: Vec<Placed>,
    damaged: Vec<Range<usize>>,
}

impl Disk {
    /// Opens or makes the outbox in this folder, and reads what is still to be delivered.
    pub fn open(dir: &Path, known: Known) -> io::Result<(Self, Found)> {
        let dir = dir.to_owned();
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let (delivered, taken) = Delivered::open(&dir)?;
        let mut segments = read(&dir)?;
        let next = resume(&mut segments, known)?;
        let promised = known.next.unwrap_or(next).min(next);
        if taken.is_none() && segments.is_empty() && promised > 0 {
            tracing::error!(
                "{}: the outbox is gone; if it held alerts, they stand in the usual output only",
                Visible(&dir.display().to_string())
            );
        }
        // Without a word of how far it was delivered, the files that are left say it.
        let oldest = segments.first().map_or(promised, |segment| segment.first);
        let taken = taken.unwrap_or(oldest).min(next);
        let entries = waiting_in(&segments, taken);
        tell_missing(&dir, &entries, taken..promised);
        delivered.write_forced(taken)?;
        let firsts = segments.iter().map(|segment| segment.first).collect();
        let mut disk = Self { dir, firsts, current: None, unforced: Vec::new(), delivered };
        if entries.is_empty() {
            disk.remove_all();
        }
        force_name(&disk.dir.join("delivered"))?;
        force_name(&disk.dir)?;
        Ok((disk, Found { entries, next }))
    }

    /// Where the sender notes how far it has come.
    pub fn delivered(&self) -> Delivered {
        self.delivered.clone()
    }

    /// Appends an entry; waits for room on a full disk.
    pub async fn append(&mut self, number: u64, text: &[u8], room: &Room) -> io::Result<()> {
        if self.current.as_ref().is_none_or(|current| current.length >= SEGMENT_BYTES) {
            self.begin(number, room).await?;
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        current.append(&pack(number, text), room).await?;
        step("outbox_written");
        Ok(())
    }

    async fn begin(&mut self, first: u64, room: &Room) -> io::Result<()> {
        let path = self.path(first);
        let name = path.display().to_string();
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        let file = loop {
            match options.open(&path) {
                Err(error) if is_full(&error) => room.wait(&name).await,
                opened => break Arc::new(opened?),
            }
        };
        let mut current = Current { file: Arc::clone(&file), name: name.clone(), length: 0 };
        current.append(HEAD, room).await?;
        force_name(&path)?;
        step("outbox_begun");
        self.firsts.push_back(first);
        self.unforced.push((file, name));
        self.current = Some(current);
        Ok(())
    }

    /// Takes away files of which everything before `taken` is all; what cannot be taken away is only in the way.
    pub fn remove(&mut self, taken: u64) {
        while self.firsts.get(1).is_some_and(|second| *second <= taken) {
            self.remove_oldest();
        }
    }

    fn remove_all(&mut self) {
        while !self.firsts.is_empty() {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        let Some(first) = self.firsts.pop_front() else { return };
        let path = self.path(first);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(
                "{}: delivered, and cannot be removed: {error}",
                Visible(&path.display().to_string())
            );
        }
        step("outbox_removed");
    }

    /// Files that have to be forced to disk before a checkpoint may know of what was put in, and their names.
    pub fn unforced(&mut self) -> Vec<(Arc<File>, String)> {
        let mut files = std::mem::take(&mut self.unforced);
        let current = self.current.as_ref();
        self.unforced.extend(current.map(|current| (Arc::clone(&current.file), current.name.clone())));
        files.dedup_by(|(a, _), (b, _)| Arc::ptr_eq(a, b));
        files
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("segment-{first:020}"))
    }
}

impl Current {
    async fn append(&mut self, mut bytes: &[u8], room: &Room) -> io::Result<()> {
        while !bytes.is_empty() {
            match (&*self.file).write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.length += count as u64;
                    bytes = &bytes[count..];
                    room.some();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) => room.wait(&self.name).await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// How far an outbox was delivered, in sixteen bytes. Should they be lost, some is delivered once more.
#[derive(Clone)]
pub struct Delivered(Arc<File>);

impl Delivered {
    fn open(dir: &Path) -> io::Result<(Self, Option<u64>)> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let file = options.open(dir.join("delivered"))?;
        let mut bytes = [0; 16];
        let is_whole = file.read_exact_at(&mut bytes, 0).is_ok();
        let number = bytes.first_chunk().map_or(0, |number| u64::from_le_bytes(*number));
        let taken = (is_whole && Self::bytes(number) == bytes).then_some(number);
        Ok((Self(Arc::new(file)), taken))
    }

    fn bytes(number: u64) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..].copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..8]);
        bytes
    }

    /// All entries before `number` are delivered.
    pub fn write(&self, number: u64) {
        if let Err(error) = self.0.write_all_at(&Self::bytes(number), 0) {
            tracing::warn!("what was delivered cannot be noted and may be delivered again: {error}");
        }
    }

    /// The same, forced to disk: numbers are used again after a crash, and an older note would hide what has them now.
    fn write_forced(&self, number: u64) -> io::Result<()> {
        self.0.write_all_at(&Self::bytes(number), 0)?;
        self.0.sync_all()
    }
}

/// All files of an outbox, oldest first.
fn read(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let first = name.to_str().and_then(|name| name.strip_prefix("segment-")).map(str::parse);
        let Some(Ok(first)) = first else { continue };
        let path = dir.join(name);
        let bytes = Bytes::from(fs::read(&path)?);
        let parsed = parse(&bytes, first);
        if parsed.is_other {
            let message = format!(
                "{}: of another version of keyhound; let that one deliver it, or move it away",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        segments.push(Segment { path, first, bytes, entries: parsed.entries, damaged: parsed.damaged });
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// Takes away what is made again and what a crash left of an entry, and tells what else is damaged. The next number.
fn resume(segments: &mut Vec<Segment>, known: Known) -> io::Result<u64> {
    let mut end = known.cut();
    for segment in segments.iter_mut().rev() {
        // What a later file begins with is not in an earlier one, or was made again.
        segment.cut(end)?;
        end = Some(end.map_or(segment.first, |end| end.min(segment.first)));
    }
    segments.retain(|segment| !segment.entries.is_empty());
    let last = segments.iter().filter_map(|segment| segment.entries.last()).next_back();
    let after = last.map_or(0, |entry| entry.number + 1);
    Ok(known.cut().unwrap_or_else(|| after.max(known.next.unwrap_or(0))))
}

impl Segment {
    /// Takes away entries from the number `end` on, and what stands behind the last one.
    fn cut(&mut self, end: Option<u64>) -> io::Result<()> {
        let remade = self.entries.iter().find(|entry| end.is_some_and(|end| entry.number >= end));
        let remade = remade.map_or(self.bytes.len(), |entry| entry.at.start);
        self.entries.retain(|entry| entry.at.start < remade);
        self.damaged.retain(|damaged| damaged.start < remade);
        self.tell_damage();
        let Some(last) = self.entries.last() else { return fs::remove_file(&self.path) };
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(last.at.end as u64)?;
        // Entries that no checkpoint knows of may have stayed in memory, and the next one will.
        file.sync_all()
    }

    fn tell_damage(&self) {
        for damaged in &self.damaged {
            tracing::error!(
                "{}: damaged from byte {} to {}; what is whole around it is delivered",
                Visible(&self.path.display().to_string()),
                damaged.start,
                damaged.end
            );
        }
    }
}

fn waiting_in(segments: &[Segment], taken: u64) -> Vec<(u64, Bytes)> {
    let all = segments.iter().flat_map(|segment| segment.entries.iter().map(move |entry| (segment, entry)));
    let waiting = all.filter(|(_, entry)| entry.number >= taken);
    // Copied, so that a few entries do not keep all that stood around them.
    waiting
        .map(|(segment, entry)| (entry.number, Bytes::copy_from_slice(&segment.bytes[entry.text.clone()])))
        .collect()
}

/// Tells of entries that a checkpoint knows of and that are neither delivered nor there.
fn tell_missing(dir: &Path, entries: &[(u64, Bytes)], promised: Range<u64>) {
    let there = entries.iter().filter(|(number, _)| promised.contains(number)).count() as u64;
    let missing = promised.end.saturating_sub(promised.start).saturating_sub(there);
    if missing > 0 {
        tracing::error!(
            "{}: {missing} alerts that were to be delivered are damaged or gone; they stand in the usual output",
            Visible(&dir.display().to_string())
        );
    }
}

/// How many alerts wait in an outbox that nothing is taken out of.
pub fn waiting(dir: &Path) -> usize {
    let Ok(segments) = read(dir) else { return 0 };
    let taken = Delivered::open(dir).ok().and_then(|(_, taken)| taken);
    waiting_in(&segments, taken.unwrap_or(0)).len()
}

#[cfg(test)]
mod tests;
