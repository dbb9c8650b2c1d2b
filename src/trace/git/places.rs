//! Where in history a key stands that was found in an object: in which commits, under which names, and what leads there.

use super::Options;
use super::history::{Descent, History};
use super::objects::Sighting;
use super::pruned::{Node, Pruned};
use super::refs::{self, Tip, TipKind};
use crate::key::KeyId;
use crate::trace::finding::{CommitInfo, Findings, Place, PlaceKind};
use crate::trace::remote::Remote;
use gix::ObjectId;
use gix::objs::{CommitRefIter, Find, Kind};
use std::collections::{BTreeMap, BTreeSet};

/// Refs that are named for one place.
const REFS_MAX: usize = 100;
/// Commits whose descendants are found out at once.
const MARKED_MAX: usize = 256;

/// All that is needed to say where something stands.
pub(super) struct Map<'a> {
    pub(super) repo: &'a gix::Repository,
    pub(super) name: &'a str,
    pub(super) history: History,
    pub(super) remotes: Vec<Remote>,
    pub(super) sightings: Vec<Sighting>,
}

/// What happened to one key under one path.
#[derive(Default)]
struct Story {
    added: Vec<u32>,
    removed: Vec<u32>,
}

/// A place that has yet to be told what leads to it.
struct Draft {
    sighting: usize,
    place: Place,
    commit: u32,
}

/// The objects with keys in them, and the keys, by numbers.
struct Index {
    /// The sightings of each object.
    of_object: BTreeMap<ObjectId, Vec<usize>>,
    /// The files among them, by their numbers.
    files: Vec<ObjectId>,
    /// The keys in each of these files.
    secrets: Vec<Vec<u32>>,
    ids: Vec<KeyId>,
}

impl Index {
    fn new(sightings: &[Sighting]) -> Self {
        let ids: BTreeSet<KeyId> = sightings.iter().map(|sighting| sighting.item.found.hit.id).collect();
        let ids: Vec<KeyId> = ids.into_iter().collect();
        let mut of_object: BTreeMap<ObjectId, Vec<usize>> = BTreeMap::new();
        for (at, sighting) in sightings.iter().enumerate() {
            of_object.entry(sighting.object).or_default().push(at);
        }
        let files: Vec<ObjectId> = of_object
            .iter()
            .filter(|(_, all)| sightings[all[0]].kind == Kind::Blob)
            .map(|(id, _)| *id)
            .collect();
        let number = |at: &usize| {
            let at = ids.binary_search(&sightings[*at].item.found.hit.id).unwrap_or(0);
            u32::try_from(at).unwrap_or(u32::MAX)
        };
        let secrets = files.iter().map(|file| {
            let all: BTreeSet<u32> = of_object[file].iter().map(number).collect();
            all.into_iter().collect()
        });
        let secrets = secrets.collect();
        Self { of_object, files, secrets, ids }
    }

    /// The first sighting of a key in a file.
    fn sighting(&self, sightings: &[Sighting], file: u32, secret: u32) -> Option<usize> {
        let id = self.ids[secret as usize];
        let all = self.of_object.get(&self.files[file as usize])?;
        all.iter().copied().find(|at| sightings[*at].item.found.hit.id == id)
    }
}

impl Map<'_> {
    /// Adds all places to the findings. How many keys nothing leads to, and what could not be read.
    pub(super) fn tell(self, options: Options, findings: &mut Findings) -> (usize, Vec<String>) {
        let index = Index::new(&self.sightings);
        let numbers = index.files.iter().zip(0..).map(|(id, number)| (*id, number)).collect();
        let mut pruned = Pruned::new(numbers);
        let roots = self.history.roots(&self.repo.objects, &mut pruned);
        let mut drafts = self.drafts(&index, &pruned, &roots);
        let (texts, lost) = self.texts();
        drafts.extend(texts);
        self.lead(&mut drafts);
        for draft in drafts {
            findings.add(&self.sightings[draft.sighting].item.found.hit, draft.place);
        }
        self.without_commits(&index, &mut pruned, findings);
        self.staged(&index, &mut pruned, findings);
        let unseen = index.files.iter().zip(&pruned.seen).filter(|(_, seen)| !**seen).map(|(id, _)| *id);
        let lost: Vec<usize> = unseen.flat_map(|id| index.of_object[&id].clone()).chain(lost).collect();
        let mut untold = BTreeSet::new();
        for at in lost {
            let hit = &self.sightings[at].item.found.hit;
            if options.unreachable {
                findings.add(hit, self.place(at, PlaceKind::Unreachable, ""));
            } else if !findings.has(hit.id) {
                untold.insert(hit.id);
            }
        }
        (untold.len(), pruned.troubles)
    }

    /// The stories of keys in files.
    fn drafts(&self, index: &Index, pruned: &Pruned, roots: &[Node]) -> Vec<Draft> {
        let mut stories: BTreeMap<(Vec<u8>, u32), Story> = BTreeMap::new();
        self.history.changes(roots, pruned, &index.secrets, &mut |commit, path, secret, added| {
            let story = stories.entry((path.to_vec(), secret)).or_default();
            if added { story.added.push(commit) } else { story.removed.push(commit) }
        });
        let commits = &self.history.commits;
        let time = |commit: &u32| (commits[*commit as usize].seconds, *commit);
        let draft = |((path, secret), story): (&(Vec<u8>, u32), &Story)| {
            let commit = story.added.iter().copied().min_by_key(time)?;
            let file = pruned.lookup(roots[commit as usize], path)?;
            let sighting = index.sighting(&self.sightings, file, *secret)?;
            let mut place = self.place(sighting, PlaceKind::History, &String::from_utf8_lossy(path));
            place.added = Some(self.commit(commit));
            place.times_added = story.added.len();
            place.removed = story.removed.iter().copied().max_by_key(time).map(|commit| self.commit(commit));
            place.at_head = Some(false);
            for (tip, root) in self.tip_roots(roots) {
                let file = pruned.lookup(root, path);
                if file.is_some_and(|file| index.secrets[file as usize].contains(secret)) {
                    if tip.kind == TipKind::Head {
                        place.at_head = Some(true);
                    }
                    place.shown_by.extend(shown(tip));
                }
            }
            place.shown_by.dedup();
            place.shown_by.truncate(REFS_MAX);
            Some(Draft { sighting, place, commit })
        };
        stories.iter().filter_map(draft).collect()
    }

    fn tip_roots<'b>(&'b self, roots: &'b [Node]) -> impl Iterator<Item = (&'b Tip, Node)> {
        self.history.tips.iter().map(|(tip, commit)| (tip, roots[*commit as usize]))
    }

    /// Keys in the texts of commits and tags, and those among them that nothing leads to.
    fn texts(&self) -> (Vec<Draft>, Vec<usize>) {
        let (mut drafts, mut lost) = (Vec::new(), Vec::new());
        for (at, sighting) in self.sightings.iter().enumerate() {
            match sighting.kind {
                Kind::Commit => match self.history.number(&sighting.object) {
                    Some(commit) => {
                        let mut place = self.place(at, PlaceKind::CommitMessage, "");
                        place.added = Some(self.commit(commit));
                        drafts.push(Draft { sighting: at, place, commit });
                    }
                    None => lost.push(at),
                },
                Kind::Tag if !self.history.tags.contains_key(&sighting.object) => lost.push(at),
                _ => {}
            }
        }
        (drafts, lost)
    }

    /// Says of each draft which refs lead to it.
    fn lead(&self, drafts: &mut [Draft]) {
        let marked: BTreeSet<u32> = drafts.iter().map(|draft| draft.commit).collect();
        let marked: Vec<u32> = marked.into_iter().collect();
        for part in marked.chunks(MARKED_MAX) {
            let descent = self.history.descent(part);
            for draft in drafts.iter_mut() {
                if let Ok(at) = part.binary_search(&draft.commit) {
                    self.lead_one(draft, &descent, at);
                }
            }
        }
    }

    fn lead_one(&self, draft: &mut Draft, descent: &Descent, marked: usize) {
        let leads =
            self.history.tips.iter().filter(|(_, commit)| descent.is(*commit, marked)).map(|(tip, _)| tip);
        let tips: Vec<&Tip> = leads.collect();
        let has = |kinds: &[TipKind]| tips.iter().any(|tip| kinds.contains(&tip.kind));
        let place = &mut draft.place;
        let mut refs: Vec<String> = tips.iter().filter_map(|tip| shown(tip)).collect();
        refs.dedup();
        place.refs_total = refs.len();
        refs.truncate(REFS_MAX);
        place.refs = refs;
        if !has(&[TipKind::Head, TipKind::Branch, TipKind::Tag, TipKind::Remote, TipKind::Other]) {
            place.kind = if has(&[TipKind::Stash]) {
                PlaceKind::Stash
            } else if has(&[TipKind::Notes]) {
                PlaceKind::Note
            } else {
                PlaceKind::Reflog
            };
        }
        let names: BTreeSet<&str> = tips
            .iter()
            .filter(|tip| tip.kind == TipKind::Remote)
            .filter_map(|tip| self.remote_of(&tip.name))
            .collect();
        let known = self.remotes.iter().filter(|remote| names.contains(remote.name.as_str()));
        place.pushed_to = known.cloned().collect();
        let unknown =
            names.into_iter().filter(|name| !self.remotes.iter().any(|remote| remote.name == *name));
        place.pushed_to.extend(unknown.map(|name| Remote::new(name, "")));
    }

    /// The remote of a branch such as `origin/main`.
    fn remote_of<'b>(&'b self, branch: &'b str) -> Option<&'b str> {
        let known = self.remotes.iter().map(|remote| remote.name.as_str());
        let named = known.filter(|name| branch.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')));
        named.max_by_key(|name| name.len()).or_else(|| branch.split('/').next())
    }

    /// Places to which a ref leads without a commit, and the texts of tags.
    fn without_commits(&self, index: &Index, pruned: &mut Pruned, findings: &mut Findings) {
        let tell = |object: ObjectId, path: &str, refs: &[String], kind, findings: &mut Findings| {
            for at in index.of_object.get(&object).into_iter().flatten() {
                let mut place = self.place(*at, kind, path);
                place.refs = refs.to_vec();
                place.refs_total = refs.len();
                findings.add(&self.sightings[*at].item.found.hit, place);
            }
        };
        for (object, names) in &self.history.tags {
            tell(*object, "", names, PlaceKind::Tag, findings);
        }
        for (tip, object, kind) in &self.history.bare {
            let refs: Vec<String> = shown(tip).into_iter().collect();
            if *kind == Kind::Tree {
                let root = pruned.tree(&self.repo.objects, *object);
                pruned.files(root, &mut Vec::new(), &mut |path, file| {
                    let path = String::from_utf8_lossy(path);
                    tell(index.files[file as usize], &path, &refs, PlaceKind::History, findings);
                });
            } else {
                if let Ok(file) = index.files.binary_search(object) {
                    pruned.seen[file] = true;
                }
                tell(*object, "", &refs, PlaceKind::History, findings);
            }
        }
    }

    /// Files that were added and never committed.
    fn staged(&self, index: &Index, pruned: &mut Pruned, findings: &mut Findings) {
        for folder in refs::state_folders(self.repo) {
            let path = folder.join("index");
            if !path.is_file() {
                continue;
            }
            let file = gix::index::File::at(
                path,
                self.repo.object_hash(),
                true,
                gix::index::decode::Options::default(),
            );
            let Ok(file) = file else { continue };
            for entry in file.entries() {
                let Ok(number) = index.files.binary_search(&entry.id) else { continue };
                if std::mem::replace(&mut pruned.seen[number], true) {
                    continue;
                }
                let path = entry.path(&file).to_string();
                for at in &index.of_object[&entry.id] {
                    findings
                        .add(&self.sightings[*at].item.found.hit, self.place(*at, PlaceKind::Staged, &path));
                }
            }
        }
    }

    fn place(&self, sighting: usize, kind: PlaceKind, path: &str) -> Place {
        let Sighting { object, item, .. } = &self.sightings[sighting];
        let path = match (path, item.member.as_str()) {
            (path, "") => path.to_owned(),
            ("", member) => member.to_owned(),
            (path, member) => format!("{path}!{member}"),
        };
        let mut place =
            Place::of_file(kind, self.name, path, item.found.line, item.found.offset, item.found.hit.form);
        place.object = Some(object.to_string());
        place
    }

    fn commit(&self, number: u32) -> CommitInfo {
        let commit = &self.history.commits[number as usize];
        let (id, seconds) = (commit.id.to_string(), commit.seconds);
        let mut buffer = Vec::new();
        let data = self.repo.objects.try_find(&commit.id, &mut buffer).ok().flatten();
        let author =
            data.and_then(|data| CommitRefIter::from_bytes(data.data, commit.id.kind()).author().ok());
        let Some(author) = author else {
            return CommitInfo { id, author: String::new(), date: date(seconds, 0), seconds };
        };
        let time = author.time().unwrap_or_default();
        let author = format!("{} <{}>", author.name, author.email);
        CommitInfo { id, author, date: date(time.seconds, time.offset), seconds }
    }
}

/// A ref, as it is shown.
fn shown(tip: &Tip) -> Option<String> {
    match tip.kind {
        TipKind::Head | TipKind::Log => None,
        TipKind::Tag => Some(format!("tag {}", tip.name)),
        _ => Some(tip.name.clone()),
    }
}

/// RFC 3339, in the author's own zone.
fn date(seconds: i64, offset: i32) -> String {
    let offset = jiff::tz::Offset::from_seconds(offset).unwrap_or(jiff::tz::Offset::UTC);
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |time| time.to_zoned(offset.to_time_zone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    )
}
