//! Files: working trees, bundles, logs of pipelines, histories of shells, backups, dumps. Links are not followed, and what
//! is no file (pipes, devices) is not opened.

use super::finding::{Findings, Place, PlaceKind, Troubles};
use super::matcher::Matcher;
use super::member::{self, Budget, Item};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Folders in folders that are followed.
const DEPTH_MAX: usize = 256;

/// What lies in a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files, in order.
    pub files: Vec<PathBuf>,
    /// The folders of other repositories in it.
    pub repositories: Vec<PathBuf>,
}

impl Listing {
    /// Everything in a folder but what `skip` names at its top, and but the files of git itself.
    pub fn of(folder: &Path, skip: &[&str], troubles: &mut Troubles) -> Self {
        let mut listing = Self::default();
        listing.add(folder, skip, 0, troubles);
        listing
    }

    fn add(&mut self, folder: &Path, skip: &[&str], depth: usize, troubles: &mut Troubles) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) if depth < DEPTH_MAX => entries,
            Ok(_) => return troubles.add(format!("{}: too deep", folder.display())),
            Err(error) => return troubles.add(format!("{}: {error}", folder.display())),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default();
            if name == ".git" || (depth == 0 && skip.iter().any(|skipped| name == *skipped)) {
                continue;
            }
            match fs::symlink_metadata(&path) {
                Ok(data) if data.is_dir() => {
                    if path.join(".git").exists() {
                        self.repositories.push(path.clone());
                    }
                    self.add(&path, skip, depth + 1, troubles);
                }
                Ok(data) if data.is_file() => self.files.push(path),
                Ok(_) => {}
                Err(error) => troubles.add(format!("{}: {error}", path.display())),
            }
        }
    }
}

/// What one file gave.
#[derive(Default)]
struct Read {
    items: Vec<Item>,
    notes: Vec<String>,
}

/// Searches files, and says how many bytes they have.
pub fn search(
    matcher: &Matcher,
    (kind, within): (PlaceKind, &Path),
    files: &[PathBuf],
    threads: usize,
    findings: &mut Findings,
    troubles: &mut Troubles,
) -> u64 {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut all = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = files.get(at) else { return all };
            let read = read(matcher, path);
            if !read.items.is_empty() || !read.notes.is_empty() {
                all.push((at, read));
            }
        }
    };
    let mut all: Vec<(usize, Read)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, files.len().max(1))).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    });
    // Which thread was first is not to be seen.
    all.sort_by_key(|(at, _)| *at);
    let within_name = within.display().to_string();
    for (at, read) in all {
        let path = &files[at];
        let shown = path.strip_prefix(within).unwrap_or(path).display().to_string();
        for Item { member, found } in read.items {
            let path = if member.is_empty() { shown.clone() } else { format!("{shown}!{member}") };
            let place = Place::of_file(kind, &within_name, path, found.line, found.offset, found.hit.form);
            findings.add(&found.hit, place);
        }
        for note in read.notes {
            troubles.add(format!("{}: {note}", path.display()));
        }
    }
    files.iter().filter_map(|path| fs::metadata(path).ok()).map(|data| data.len()).sum()
}

fn read(matcher: &Matcher, path: &Path) -> Read {
    let mut read = Read::default();
    let Read { items, notes } = &mut read;
    let found = File::open(path).and_then(|file| {
        let mut budget = Budget::default();
        member::search_file(matcher, file, &mut budget, &mut |item| items.push(item), &mut |note| {
            notes.push(note);
        })
    });
    if let Err(error) = found {
        notes.push(error.to_string());
    }
    read
}
