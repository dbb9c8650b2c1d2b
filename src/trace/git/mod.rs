//! A git repository with all its history, read from its files: no other program is started, nothing is written, no hook,
//! filter, pager or credential helper is asked, and of configuration only what lies in the repository is read.

mod alternates;
mod history;
mod objects;
mod places;
mod pruned;
mod refs;

use super::finding::{Findings, Troubles};
use super::judge::Confidence;
use super::matcher::Matcher;
use super::remote::Remote;
use crate::key::KeyId;
use alternates::Alternates;
use gix::ObjectId;
use gix::odb::pack::cache::lru::MemoryCappedHashmap;
use history::History;
use objects::{Objects, Sighting};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Memory for objects that deltas are made from, while trees and commits are read.
const CACHE_BYTES: usize = 128 << 20;

/// How a repository is searched.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that read objects.
    pub threads: usize,
    /// Keys that are less sure are not followed through history.
    pub min: Confidence,
    /// Whether objects are told to which nothing leads.
    pub unreachable: bool,
}

/// What was read of a repository.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Commits to which something leads.
    pub commits: u64,
    /// Objects that were searched.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Keys in objects to which nothing leads, that were not told.
    pub unreachable: usize,
    /// The remotes.
    pub remotes: Vec<Remote>,
}

/// A repository that was opened.
pub struct Repository {
    repo: gix::Repository,
    name: String,
    /// Where its objects lie.
    objects: Alternates,
}

/// A repository that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// What it borrows from cannot be followed.
    #[error("{0}; correct that file, or take the line out")]
    Alternates(String),
    /// Something else.
    #[error(transparent)]
    Git(Box<gix::Error>),
}

impl Repository {
    /// Opens the repository in a folder, or the bare one that a folder is; nothing if it is none.
    pub fn open(path: &Path) -> Option<Result<Self, OpenError>> {
        let is_one =
            path.join(".git").exists() || (path.join("HEAD").is_file() && path.join("objects").is_dir());
        is_one.then(|| {
            let objects = alternates::objects_of(path).map(|folder| Alternates::of(&folder));
            let objects = objects.unwrap_or_default();
            if let Some(why) = objects.refused {
                return Err(OpenError::Alternates(why));
            }
            let repo = gix::open_opts(path, gix::open::Options::isolated());
            let repo = repo.map_err(|error| OpenError::Git(Box::new(error)))?;
            let name = alternates::plain(path).display().to_string();
            Ok(Self { repo, name, objects })
        })
    }

    /// Where its own files lie.
    pub fn folder(&self) -> PathBuf {
        alternates::plain(self.repo.common_dir())
    }

    /// What no other way to it is called: a submodule has two.
    pub fn identity(&self) -> PathBuf {
        alternates::real(self.repo.git_dir())
    }

    /// The repositories of its submodules.
    pub fn submodules(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut todo = vec![(self.folder().join("modules"), 0)];
        while let Some((folder, depth)) = todo.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for path in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                let path = path.path();
                if path.join("HEAD").is_file() && path.join("objects").is_dir() {
                    found.push(path);
                } else if depth < 8 {
                    todo.push((path, depth + 1));
                }
            }
        }
        found.sort();
        found
    }

    /// Searches it all.
    pub fn search(
        mut self,
        matcher: &Matcher,
        options: Options,
        findings: &mut Findings,
        troubles: &mut Troubles,
    ) -> Summary {
        self.repo.objects.set_pack_cache(|| Box::new(MemoryCappedHashmap::new(CACHE_BYTES)));
        self.repo.objects.ignore_replacements = true;
        let name = self.name.clone();
        let shallow = self.limits(troubles);
        for trouble in &self.objects.troubles {
            troubles.add(format!("{name}: {trouble}"));
        }
        let scanned =
            Objects::list(&self.objects.folders, self.repo.object_hash()).search(matcher, options.threads);
        for trouble in &scanned.troubles {
            troubles.add(format!("{name}: {trouble}"));
        }
        let sightings = worth(scanned.sightings, options.min, findings);
        let mut own = Vec::new();
        let tips = refs::tips(&self.repo, &mut own);
        let history = History::read(&self.repo.objects, tips, shallow);
        let remotes = refs::remotes(&self.repo);
        let mut summary = Summary {
            commits: history.commits.len() as u64,
            objects: scanned.objects,
            bytes: scanned.bytes,
            unreachable: 0,
            remotes: remotes.clone(),
        };
        own.extend(history.troubles.iter().cloned());
        if !sightings.is_empty() {
            let map = places::Map { repo: &self.repo, name: &name, history, remotes, sightings };
            let (unreachable, more) = map.tell(options, findings);
            summary.unreachable = unreachable;
            own.extend(more);
        }
        for trouble in own {
            troubles.add(format!("{name}: {trouble}"));
        }
        summary
    }

    /// Says why not all of history is here, and gives the commits whose parents were left out.
    fn limits(&self, troubles: &mut Troubles) -> Vec<ObjectId> {
        let name = &self.name;
        let shallow: Vec<ObjectId> = self
            .repo
            .shallow_commits()
            .ok()
            .flatten()
            .map(|all| all.iter().copied().collect())
            .unwrap_or_default();
        if !shallow.is_empty() {
            troubles.add(format!(
                "{name}: the clone is shallow: what was before {} of its commits is not here",
                shallow.len()
            ));
        }
        if self.folder().join("info/grafts").exists() {
            troubles.add(format!("{name}: info/grafts is not followed: history is read as it was written"));
        }
        if self.repo.config_snapshot().string("extensions.partialClone").is_some() {
            troubles.add(format!("{name}: the clone is partial: files that were never fetched are not here"));
        }
        shallow
    }
}

/// What is sure enough to be followed through history; of the rest only how many keys there are is kept.
fn worth(sightings: Vec<Sighting>, min: Confidence, findings: &mut Findings) -> Vec<Sighting> {
    let mut best: BTreeMap<KeyId, Confidence> = BTreeMap::new();
    for sighting in &sightings {
        let hit = &sighting.item.found.hit;
        let known = best.entry(hit.id).or_insert(hit.verdict.confidence);
        *known = (*known).max(hit.verdict.confidence);
    }
    let unsure: BTreeSet<KeyId> = best.iter().filter(|(_, best)| **best < min).map(|(id, _)| *id).collect();
    let (worth, rest): (Vec<_>, Vec<_>) =
        sightings.into_iter().partition(|sighting| !unsure.contains(&sighting.item.found.hit.id));
    drop(rest);
    findings.add_unsure(unsure);
    worth
}
