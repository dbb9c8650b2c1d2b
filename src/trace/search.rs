//! The search of repositories with their history, of folders and of files.

use super::files::{self, Listing};
use super::finding::{Findings, Place, PlaceKind, Troubles};
use super::git::{OpenError, Options, Repository};
use super::member::{self, Budget};
use super::{Matcher, Report};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Files of a repository that are read in another way, or that hold nothing but names of objects.
const NOT_ITS_OWN: &[&str] = &["objects", "modules", "index", "worktrees", "rr-cache", "fsmonitor--daemon"];

/// What is to be searched, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Repositories, folders and files.
    pub paths: Vec<PathBuf>,
    /// Whether the history of repositories is searched.
    pub history: bool,
    /// Whether files in working trees are.
    pub files: bool,
    /// How.
    pub options: Options,
}

/// What could not even be begun.
#[derive(Debug, Error)]
pub enum TraceError {
    /// A path that is not there or cannot be opened.
    #[error("{path}: {error}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// Something that looks like a repository and is none.
    #[error("{path}: not a repository that can be read: {error}")]
    Repository {
        /// The path.
        path: String,
        /// Why.
        error: OpenError,
    },
}

/// A search under way.
struct Trace<'a> {
    matcher: &'a Matcher,
    request: &'a Request,
    findings: Findings,
    troubles: Troubles,
    report: Report,
    /// Repositories that were searched, by what no other way to them is called.
    known: BTreeSet<PathBuf>,
}

/// Searches everything that is asked for.
pub fn trace(
    matcher: &Matcher,
    request: &Request,
    input: Option<&mut dyn Read>,
) -> Result<Report, TraceError> {
    let (findings, troubles, report, known) = Default::default();
    let mut trace = Trace { matcher, request, findings, troubles, report, known };
    for path in &request.paths {
        trace.path(path)?;
    }
    if let Some(input) = input {
        trace.input(input)?;
    }
    let Trace { findings, troubles, mut report, .. } = trace;
    (report.findings, report.unsure) = findings.ordered(matcher, request.options.min);
    report.troubles = troubles.all().cloned().collect();
    report.remotes.sort();
    report.remotes.dedup();
    Ok(report)
}

impl Trace<'_> {
    fn path(&mut self, path: &Path) -> Result<(), TraceError> {
        let failed = |error| TraceError::Path { path: path.display().to_string(), error };
        let data = std::fs::metadata(path).map_err(failed)?;
        if !data.is_dir() {
            // Opened here so that what cannot be read is an error and no remark.
            File::open(path).map_err(failed)?;
            self.files(PlaceKind::File, Path::new(""), &[path.to_path_buf()]);
            return Ok(());
        }
        let is_root = self.repository(path)?;
        let is_repository = is_root || self.above(path)?;
        let is_bare = is_root && !path.join(".git").exists();
        if (self.request.files || !is_repository) && !is_bare {
            let kind = if is_repository { PlaceKind::WorkingTree } else { PlaceKind::File };
            let listing = Listing::of(path, &[], &mut self.troubles);
            self.files(kind, path, &listing.files);
            for inner in &listing.repositories {
                if let Err(error) = self.repository(inner) {
                    self.troubles.add(error.to_string());
                }
            }
        }
        Ok(())
    }

    /// Searches the history of a repository and its own files; false if there is none.
    fn repository(&mut self, path: &Path) -> Result<bool, TraceError> {
        let Some(opened) = Repository::open(path) else { return Ok(false) };
        let failed = |error| TraceError::Repository { path: path.display().to_string(), error };
        let repository = opened.map_err(failed)?;
        // A submodule is found below the repository that it is in, and below the folder of that.
        if !self.request.history || !self.known.insert(repository.identity()) {
            return Ok(true);
        }
        let own = Listing::of(&repository.folder(), NOT_ITS_OWN, &mut self.troubles);
        self.files(PlaceKind::RepositoryFile, path, &own.files);
        for submodule in repository.submodules() {
            if let Err(error) = self.repository(&submodule) {
                self.troubles.add(error.to_string());
            }
        }
        let summary =
            repository.search(self.matcher, self.request.options, &mut self.findings, &mut self.troubles);
        self.report.repositories += 1;
        self.report.commits += summary.commits;
        self.report.objects += summary.objects;
        self.report.bytes += summary.bytes;
        self.report.unreachable += summary.unreachable;
        self.report.remotes.extend(summary.remotes);
        Ok(true)
    }

    /// The same of the repository in which the folder you are in lies, as git looks for it: upwards.
    fn above(&mut self, path: &Path) -> Result<bool, TraceError> {
        if path != Path::new(".") {
            return Ok(false);
        }
        let Ok(here) = path.canonicalize() else { return Ok(false) };
        let above = here.ancestors().skip(1).find(|folder| folder.join(".git").exists());
        above.map_or(Ok(false), |folder| self.repository(folder))
    }

    fn files(&mut self, kind: PlaceKind, within: &Path, files: &[PathBuf]) {
        let threads = self.request.options.threads;
        let (findings, troubles) = (&mut self.findings, &mut self.troubles);
        self.report.bytes += files::search(self.matcher, (kind, within), files, threads, findings, troubles);
        self.report.files += files.len() as u64;
    }

    fn input(&mut self, input: &mut dyn Read) -> Result<(), TraceError> {
        let (findings, troubles) = (&mut self.findings, &mut self.troubles);
        let mut found = |item: member::Item| {
            let at = (item.found.line, item.found.offset, item.found.hit.form);
            findings
                .add(&item.found.hit, Place::of_file(PlaceKind::Input, "", item.member, at.0, at.1, at.2));
        };
        let mut note = |text: String| troubles.add(format!("standard input: {text}"));
        member::search(self.matcher, input, &mut Budget::default(), &mut found, &mut note)
            .map_err(|error| TraceError::Path { path: "standard input".to_owned(), error })
    }
}
