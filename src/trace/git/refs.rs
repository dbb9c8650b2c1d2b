//! Everything in a repository that keeps commits alive: branches, tags, what was fetched, stashes, notes, other refs, the
//! heads of worktrees, and what logs of refs and interrupted merges still know.

use crate::trace::remote::Remote;
use gix::ObjectId;
use std::fs;
use std::path::{Path, PathBuf};

/// What a tip is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum TipKind {
    Head,
    Branch,
    Tag,
    Remote,
    Stash,
    Notes,
    Other,
    /// Known only to the log of a ref, or to a file such as `ORIG_HEAD`.
    Log,
}

/// From where history is read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Tip {
    pub kind: TipKind,
    /// Without `refs/heads/` and the like.
    pub name: String,
    pub id: ObjectId,
}

/// Files in which git keeps commits that belong to no ref.
const LOOSE_HEADS: &[&str] = &[
    "ORIG_HEAD",
    "FETCH_HEAD",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "AUTO_MERGE",
];
/// Logs of refs above this are read up to here.
const LOG_MAX: u64 = 256 << 20;

/// All tips, the more telling ones first.
pub(super) fn tips(repo: &gix::Repository, troubles: &mut Vec<String>) -> Vec<Tip> {
    let mut tips = Vec::new();
    if let Ok(id) = repo.head_id() {
        tips.push(Tip { kind: TipKind::Head, name: "HEAD".to_owned(), id: id.detach() });
    }
    if let Err(error) = add_refs(repo, &mut tips, troubles) {
        troubles.push(format!("refs cannot be read: {error}"));
    }
    let hash = repo.object_hash();
    for folder in state_folders(repo) {
        let mut ids = Vec::new();
        for name in LOOSE_HEADS.iter().chain(&["HEAD"]) {
            ids_of(&folder.join(name), hash, &mut ids);
        }
        logs(&folder.join("logs"), hash, &mut ids, 0);
        // All stashes but the last are known to a log alone.
        let mut stashes = Vec::new();
        ids_of(&folder.join("logs/refs/stash"), hash, &mut stashes);
        tips.extend(stashes.into_iter().map(|id| Tip { kind: TipKind::Stash, name: "stash".to_owned(), id }));
        ids.sort();
        ids.dedup();
        tips.extend(ids.into_iter().map(|id| Tip { kind: TipKind::Log, name: "log".to_owned(), id }));
    }
    tips.sort();
    tips.dedup();
    tips
}

fn add_refs(repo: &gix::Repository, tips: &mut Vec<Tip>, troubles: &mut Vec<String>) -> gix::Result<()> {
    // What symbolic refs stand for is a ref itself; tags are read on the way to what they are on.
    for reference in repo.references()?.all()? {
        let reference = match reference {
            Ok(reference) => reference,
            Err(error) => {
                troubles.push(format!("a ref cannot be read: {error}"));
                continue;
            }
        };
        let full = String::from_utf8_lossy(reference.name().as_bstr()).into_owned();
        let Some(id) = reference.try_id() else { continue };
        let (kind, name) = kind(&full);
        tips.push(Tip { kind, name: name.to_owned(), id: id.detach() });
    }
    Ok(())
}

fn kind(full: &str) -> (TipKind, &str) {
    let kinds =
        [("refs/heads/", TipKind::Branch), ("refs/tags/", TipKind::Tag), ("refs/remotes/", TipKind::Remote)];
    for (prefix, kind) in kinds {
        if let Some(name) = full.strip_prefix(prefix) {
            return (kind, name);
        }
    }
    match full {
        "refs/stash" => (TipKind::Stash, "stash"),
        _ if full.starts_with("refs/notes/") => (TipKind::Notes, &full["refs/".len()..]),
        _ => (TipKind::Other, full),
    }
}

/// The folder of the repository and those of its worktrees.
pub(super) fn state_folders(repo: &gix::Repository) -> Vec<PathBuf> {
    let common = repo.common_dir().to_path_buf();
    let mut folders = vec![common.clone()];
    if let Ok(entries) = fs::read_dir(common.join("worktrees")) {
        let mut more: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        more.sort();
        folders.extend(more);
    }
    folders
}

fn logs(folder: &Path, hash: gix::hash::Kind, ids: &mut Vec<ObjectId>, depth: usize) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < 64 => logs(&entry.path(), hash, ids, depth + 1),
            Ok(kind) if kind.is_file() => ids_of(&entry.path(), hash, ids),
            _ => {}
        }
    }
}

/// The object names at the beginning of the lines of a file.
fn ids_of(path: &Path, hash: gix::hash::Kind, ids: &mut Vec<ObjectId>) {
    use std::io::Read;
    let mut text = Vec::new();
    // To open a pipe would wait for ever.
    if !path.is_file() {
        return;
    }
    let Ok(file) = fs::File::open(path) else { return };
    if file.take(LOG_MAX).read_to_end(&mut text).is_err() {
        return;
    }
    for line in text.split(|byte| *byte == b'\n') {
        for word in line.split(u8::is_ascii_whitespace).take(2) {
            ids.extend(ObjectId::from_hex(word).ok().filter(|id| id.kind() == hash && !id.is_null()));
        }
    }
}

/// The remotes that the repository's own configuration names.
pub(super) fn remotes(repo: &gix::Repository) -> Vec<Remote> {
    let config = repo.config_snapshot();
    let mut remotes = Vec::new();
    for section in config.plumbing().sections_by_name("remote").into_iter().flatten() {
        let Some(name) = section.header().subsection_name() else { continue };
        for key in ["url", "pushurl"] {
            for url in section.values(key) {
                remotes.push(Remote::new(&name.to_string(), &url.to_string()));
            }
        }
    }
    remotes.sort();
    remotes.dedup();
    remotes
}
