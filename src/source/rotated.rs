//! Where a followed file has gone since another process read it, and which files came after it.

use super::follow::{Followed, is_absent, regular};
use super::{Decompressor, FilePlace, Seal, file_id};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files that took a name one after the other, oldest first.
pub(super) type Chain = VecDeque<Followed>;

/// The file that `place` is in, from there on, and after it all that took its name since, with the seal of what was
/// held; without a seal, where that file was cut off and is read from its start. `None` where it is not to be found
/// under `path` or a name that begins like it (`app.log`, `app.log.1`, `app.log-20261122`).
pub(super) fn find(path: &Path, place: &FilePlace) -> io::Result<Option<(Option<Seal>, Chain)>> {
    // Opened before the others are looked for: what is renamed in between is among them.
    let followed = open(path)?;
    let kin = kin(path)?;
    let mut meant = None;
    for (at, sibling) in kin.iter().enumerate() {
        if let Some(file) = open(&sibling.path)? {
            consider(&mut meant, Candidate::of(file, at, place, place.may_have_copy(sibling.changed))?);
        }
    }
    if let Some(file) = &followed {
        consider(&mut meant, Candidate::of(file.try_clone()?, kin.len(), place, true)?);
    }
    let Some(Candidate { file, at, seal, .. }) = meant else { return Ok(None) };
    let first = if seal.is_some() { Followed::at(file, place)? } else { Followed::new(file)? };
    let later = later(kin.get(at + 1..).unwrap_or_default(), followed, &first.file)?;
    Ok(Some((seal, [first].into_iter().chain(later).collect())))
}

/// A file that may be the one that is meant.
struct Candidate {
    file: File,
    /// Its place among the files of the log.
    at: usize,
    seal: Option<Seal>,
    same_number: bool,
}

impl Candidate {
    /// `may_be_copy` is not so of older files of the log: they may begin with the same header.
    fn of(mut file: File, at: usize, place: &FilePlace, may_be_copy: bool) -> io::Result<Self> {
        let same_number = file_id(&file.metadata()?) == place.mark.id();
        let seal = if same_number || may_be_copy { place.find_in(&mut file, false)? } else { None };
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file, at, seal, same_number })
    }

    fn rank(&self) -> (bool, bool) {
        (self.seal.is_some(), self.same_number)
    }
}

/// What is in a file tells more than its number, and that more than its name. What is neither is not considered.
fn consider(meant: &mut Option<Candidate>, candidate: Candidate) {
    let rank = candidate.rank();
    if rank > meant.as_ref().map_or((false, false), Candidate::rank) {
        *meant = Some(candidate);
    }
}

/// The files that took the name `path` since `newest` had it, which may be there no more.
pub(super) fn since(path: &Path, newest: &Followed) -> io::Result<Chain> {
    // Opened before the others are looked for: what is renamed in between is among them.
    let followed = open(path)?;
    let metadata = newest.file.metadata()?;
    let (id, changed) = (file_id(&metadata), metadata.modified()?);
    let kin = kin(path)?;
    let is_newest = |kin: &Sibling| std::fs::metadata(&kin.path).is_ok_and(|found| file_id(&found) == id);
    let at = kin.iter().position(is_newest).map(|at| at + 1);
    let after = at.unwrap_or_else(|| kin.partition_point(|kin| kin.changed <= changed));
    later(&kin[after..], followed, &newest.file)
}

/// Files that came after `first`, the last of them `followed`. Packed ones among the others and copies of `first` are not.
fn later(kin: &[Sibling], followed: Option<File>, first: &File) -> io::Result<Chain> {
    let mut files = vec![file_id(&first.metadata()?)];
    let mut found = Chain::new();
    for sibling in kin {
        let Some(mut file) = open(&sibling.path)? else { continue };
        let id = file_id(&file.metadata()?);
        if !files.contains(&id) && !is_copy(&file, first)? && !is_packed(&mut file)? {
            file.seek(SeekFrom::Start(0))?;
            files.push(id);
            found.push_back(Followed::new(file)?);
        }
    }
    if let Some(file) = followed
        && !files.contains(&file_id(&file.metadata()?))
    {
        found.push_back(Followed::new(file)?);
    }
    Ok(found)
}

/// Whether all that is in `file` is also in `first`, as in a copy that was made of it.
fn is_copy(file: &File, first: &File) -> io::Result<bool> {
    const PIECE: usize = 64 << 10;
    let length = file.metadata()?.len();
    if length > first.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < length {
        let piece = PIECE.min(usize::try_from(length - at).unwrap_or(PIECE));
        file.read_exact_at(&mut one[..piece], at)?;
        first.read_exact_at(&mut other[..piece], at)?;
        if one[..piece] != other[..piece] {
            return Ok(false);
        }
        at += piece as u64;
    }
    Ok(true)
}

fn is_packed(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    Ok(Decompressor::new(file).map_or(true, |reader| reader.is_compressed()))
}

/// A file with a name that rotation may have given it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sibling {
    changed: SystemTime,
    path: PathBuf,
}

/// The files with such names, in the order in which they were written to last.
fn kin(path: &Path) -> io::Result<Vec<Sibling>> {
    let Some(name) = path.file_name() else { return Ok(Vec::new()) };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_kin = |other: &Path| {
        let other = other.file_name().unwrap_or_default().as_encoded_bytes();
        let rest = other.strip_prefix(name.as_encoded_bytes());
        rest.is_some_and(|rest| matches!(rest.first(), Some(b'.' | b'-' | b'_')))
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_kin(path));
    let sibling = |path: PathBuf| {
        let changed = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok()?;
        Some(Sibling { changed, path })
    };
    let mut kin: Vec<Sibling> = paths.filter_map(sibling).collect();
    kin.sort();
    Ok(kin)
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match regular(path).and_then(|()| File::open(path)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
