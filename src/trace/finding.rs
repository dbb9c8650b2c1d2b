//! What is told of one leaked key: once for each key, with all its places.

use super::forms::Form;
use super::judge::{Confidence, Verdict};
use super::matcher::{Hit, Matcher};
use super::remote::Remote;
use crate::key::KeyId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A commit, as it is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CommitInfo {
    /// Its name.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// When it was written, in RFC 3339.
    pub date: String,
    /// When it was committed, in seconds since 1970.
    #[serde(skip)]
    pub seconds: i64,
}

/// What kind of place it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// A file in the history of a repository.
    History,
    /// The message, author or other text of a commit.
    CommitMessage,
    /// The text of a tag.
    Tag,
    /// A note on a commit.
    Note,
    /// A stash.
    Stash,
    /// Only the log of a ref still knows it.
    Reflog,
    /// Added, but never committed.
    Staged,
    /// In the object database, but nothing leads there any more.
    Unreachable,
    /// A file of the repository itself, such as its configuration or a hook.
    RepositoryFile,
    /// A file of a working tree.
    WorkingTree,
    /// Another file.
    File,
    /// Standard input.
    Input,
}

impl PlaceKind {
    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::CommitMessage => "commit message",
            Self::Tag => "tag",
            Self::Note => "note",
            Self::Stash => "stash",
            Self::Reflog => "reflog only",
            Self::Staged => "staged",
            Self::Unreachable => "unreachable object",
            Self::RepositoryFile => "file of the repository itself",
            Self::WorkingTree => "working tree",
            Self::File => "file",
            Self::Input => "standard input",
        }
    }
}

/// A place where a key stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Place {
    /// What kind of place it is.
    pub kind: PlaceKind,
    /// The repository or folder.
    pub within: String,
    /// The file, and the member of an archive behind `!`.
    pub path: String,
    /// The line, from one on.
    pub line: u64,
    /// The byte, from nought on.
    pub offset: u64,
    /// In which form.
    pub form: Form,
    /// The object in git.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The first commit that had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<CommitInfo>,
    /// Commits that added it, if there are several.
    #[serde(skip_serializing_if = "is_one")]
    pub times_added: usize,
    /// The last commit that removed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<CommitInfo>,
    /// Whether the commit at HEAD still has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_head: Option<bool>,
    /// Branches, tags and other refs from which it can be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<String>,
    /// How many there are; a hundred are named.
    #[serde(skip_serializing_if = "is_none")]
    pub refs_total: usize,
    /// Those of them that still show it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shown_by: Vec<String>,
    /// Remotes that have it, as far as is known here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pushed_to: Vec<Remote>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(count: &usize) -> bool {
    *count < 2
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

impl Place {
    /// A place that git knows nothing of.
    pub fn of_file(kind: PlaceKind, within: &str, path: String, line: u64, offset: u64, form: Form) -> Self {
        Self {
            kind,
            within: within.to_owned(),
            path,
            line,
            offset,
            form,
            object: None,
            added: None,
            times_added: 0,
            removed: None,
            at_head: None,
            refs: Vec::new(),
            refs_total: 0,
            shown_by: Vec::new(),
            pushed_to: Vec::new(),
        }
    }

    fn order(&self) -> impl Ord + '_ {
        let since = self.added.as_ref().map_or(i64::MAX, |commit| commit.seconds);
        (self.kind, since, &self.within, &self.path, self.offset)
    }
}

/// One leaked key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its fingerprint.
    pub id: KeyId,
    /// Its last four characters, if it is long.
    pub hint: String,
    /// By which pattern it was found.
    pub pattern: Option<usize>,
    /// Its type.
    pub kind: usize,
    /// How sure it is, and why.
    pub verdict: Verdict,
    /// Where it stands.
    pub places: Vec<Place>,
}

impl Finding {
    /// When it was first committed.
    pub fn since(&self) -> Option<&CommitInfo> {
        self.places
            .iter()
            .filter_map(|place| place.added.as_ref())
            .min_by_key(|commit| (commit.seconds, &commit.id))
    }
}

/// All leaked keys, by their fingerprints.
#[derive(Debug, Default)]
pub struct Findings {
    by_id: BTreeMap<KeyId, Finding>,
    /// Keys that are too unsure to be followed.
    unsure: BTreeSet<KeyId>,
}

impl Findings {
    /// Adds a place where a key stands.
    pub fn add(&mut self, hit: &Hit, place: Place) {
        let finding = self.by_id.entry(hit.id).or_insert_with(|| Finding {
            id: hit.id,
            hint: hit.hint.clone(),
            pattern: hit.pattern,
            kind: hit.kind,
            verdict: hit.verdict,
            places: Vec::new(),
        });
        // The same key may be told for sure in one place and not in another.
        if (hit.verdict.confidence, std::cmp::Reverse(hit.pattern))
            > (finding.verdict.confidence, std::cmp::Reverse(finding.pattern))
        {
            (finding.verdict, finding.pattern, finding.kind) = (hit.verdict, hit.pattern, hit.kind);
        }
        finding.places.push(place);
    }

    /// Adds keys that are too unsure to be followed.
    pub fn add_unsure(&mut self, ids: BTreeSet<KeyId>) {
        self.unsure.extend(ids);
    }

    /// Whether a key has been found.
    pub fn has(&self, id: KeyId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Findings that are at least so sure, the most urgent first; and how many are not.
    pub fn ordered(self, matcher: &Matcher, min: Confidence) -> (Vec<Finding>, usize) {
        let (mut sure, rest): (Vec<Finding>, Vec<Finding>) =
            self.by_id.into_values().partition(|finding| finding.verdict.confidence >= min);
        let mut unsure = self.unsure;
        unsure.extend(rest.iter().map(|finding| finding.id));
        for finding in &sure {
            unsure.remove(&finding.id);
        }
        for finding in &mut sure {
            finding.places.sort_by(|a, b| a.order().cmp(&b.order()));
            finding.places.dedup();
        }
        sure.sort_by_cached_key(|finding| {
            let since = finding.since().map_or(i64::MAX, |commit| commit.seconds);
            (matcher.kinds().get(finding.kind).priority, since, finding.id)
        });
        (sure, unsure.len())
    }
}

/// What could not be searched, each once.
#[derive(Debug, Default)]
pub struct Troubles(BTreeSet<String>);

impl Troubles {
    /// Adds one.
    pub fn add(&mut self, text: impl Into<String>) {
        self.0.insert(text.into());
    }

    /// All of them, in order.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &String> {
        self.0.iter()
    }
}
