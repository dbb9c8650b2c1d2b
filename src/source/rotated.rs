//! Where a followed file has gone since another process read it, and which files came after it.

use super::follow::{Followed, is_absent, regular};
use super::{FileId, FilePlace, Seal, file_id};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file that `place` is in, from there on, and after it all that took its name since, oldest first; `None` where it
/// is not to be found under `path` or a name that begins like it (`app.log`, `app.log.1`, `app.log-20261122`).
pub(super) fn find(path: &Path, place: &FilePlace) -> io::Result<Option<(Seal, VecDeque<Followed>)>> {
    if let Some(mut file) = open(path)?
        && let Some(seal) = place.find_in(&mut file, false)?
    {
        return Followed::at(file, place).map(|found| Some((seal, VecDeque::from([found]))));
    }
    let mut kin = kin(path)?;
    kin.sort();
    let Some((seal, at)) = position(&kin, place)? else { return Ok(None) };
    let (read_before, later) = (&kin[at], &kin[at + 1..]);
    let mut found = VecDeque::new();
    let mut files: Vec<FileId> = Vec::new();
    for (is_first, sibling) in [(true, read_before)].into_iter().chain(later.iter().map(|kin| (false, kin))) {
        let Some(file) = open(&sibling.path)? else { continue };
        files.push(file_id(&file.metadata()?));
        found.push_back(if is_first { Followed::at(file, place)? } else { Followed::new(file)? });
    }
    if let Some(file) = open(path)?
        && !files.contains(&file_id(&file.metadata()?))
    {
        found.push_back(Followed::new(file)?);
    }
    Ok(Some((seal, found)))
}

/// A file with a name that rotation may have given it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sibling {
    changed: SystemTime,
    path: PathBuf,
}

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
    Ok(paths.filter_map(sibling).collect())
}

fn position(kin: &[Sibling], place: &FilePlace) -> io::Result<Option<(Seal, usize)>> {
    for (at, sibling) in kin.iter().enumerate() {
        if let Some(mut file) = open(&sibling.path)?
            && let Some(seal) = place.find_in(&mut file, false)?
        {
            return Ok(Some((seal, at)));
        }
    }
    Ok(None)
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match regular(path).and_then(|()| File::open(path)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
