//! Which commits brought a key into a tree and which took it out, and what leads to them.

use super::pruned::{Node, Pruned};
use super::refs::{Tip, TipKind};
use gix::ObjectId;
use gix::objs::{CommitRefIter, Find, Kind, TagRefIter};
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// A commit, so much of it as is needed for all of them.
pub(super) struct Commit {
    pub(super) id: ObjectId,
    tree: ObjectId,
    /// By their numbers.
    parents: Vec<u32>,
    /// When it was committed.
    pub(super) seconds: i64,
}

/// All commits that tips lead to, parents first.
pub(super) struct History {
    pub(super) commits: Vec<Commit>,
    numbers: HashMap<ObjectId, u32>,
    /// Trees and files that refs point to without a commit, and by which ref.
    pub(super) bare: Vec<(Tip, ObjectId, Kind)>,
    /// Tags on the way to what they are on, and by which ref.
    pub(super) tags: BTreeMap<ObjectId, Vec<String>>,
    /// The tips that are commits, and which.
    pub(super) tips: Vec<(Tip, u32)>,
    pub(super) troubles: Vec<String>,
    /// Commits whose parents were left out when the repository was cloned.
    shallow: Vec<ObjectId>,
}

/// Takes what a commit changed: the commit, the path, the number of the secret, and whether it was added.
type Take<'a> = &'a mut dyn FnMut(u32, &[u8], u32, bool);

/// A commit that is being read.
struct Frame {
    id: ObjectId,
    tree: ObjectId,
    seconds: i64,
    parents: Vec<ObjectId>,
    next: usize,
}

impl History {
    pub(super) fn read(objects: &dyn Find, tips: Vec<Tip>, shallow: Vec<ObjectId>) -> Self {
        let mut history = Self {
            commits: Vec::new(),
            numbers: HashMap::new(),
            bare: Vec::new(),
            tags: BTreeMap::new(),
            tips: Vec::new(),
            troubles: Vec::new(),
            shallow,
        };
        let mut buffer = Vec::new();
        for tip in tips {
            history.add(objects, tip, &mut buffer);
        }
        history
    }

    fn add(&mut self, objects: &dyn Find, tip: Tip, buffer: &mut Vec<u8>) {
        let mut id = tip.id;
        // A tag may be on a tag.
        for _ in 0..16 {
            let kind = match objects.try_find(&id, buffer) {
                Ok(Some(data)) if data.kind == Kind::Tag => {
                    let Ok(target) = TagRefIter::from_bytes(data.data, id.kind()).target_id() else { break };
                    self.tags.entry(id).or_default().push(tip.name.clone());
                    id = target;
                    continue;
                }
                Ok(Some(data)) => data.kind,
                // What logs remember may be gone.
                _ if tip.kind == TipKind::Log => return,
                _ => break,
            };
            if kind == Kind::Commit {
                if let Some(number) = self.walk(objects, id, buffer) {
                    self.tips.push((tip, number));
                }
            } else {
                self.bare.push((tip, id, kind));
            }
            return;
        }
        self.troubles.push(format!("{} points to {id}, which cannot be read", tip.name));
    }

    /// Reads a commit and all before it, and gives its number.
    fn walk(&mut self, objects: &dyn Find, id: ObjectId, buffer: &mut Vec<u8>) -> Option<u32> {
        let mut stack: Vec<Frame> = Vec::new();
        let mut on_stack = hashbrown::HashSet::new();
        if !self.numbers.contains_key(&id) {
            stack.push(self.open(objects, id, buffer)?);
            on_stack.insert(id);
        }
        while let Some(frame) = stack.last_mut() {
            if let Some(parent) = frame.parents.get(frame.next).copied() {
                frame.next += 1;
                if !self.numbers.contains_key(&parent) && on_stack.insert(parent) {
                    stack.extend(self.open(objects, parent, buffer));
                }
                continue;
            }
            let Some(frame) = stack.pop() else { break };
            let parents =
                frame.parents.iter().filter_map(|parent| self.numbers.get(parent).copied()).collect();
            let number = u32::try_from(self.commits.len()).unwrap_or(u32::MAX);
            self.commits.push(Commit { id: frame.id, tree: frame.tree, parents, seconds: frame.seconds });
            self.numbers.insert(frame.id, number);
        }
        self.number(&id)
    }

    fn open(&mut self, objects: &dyn Find, id: ObjectId, buffer: &mut Vec<u8>) -> Option<Frame> {
        match objects.try_find(&id, buffer) {
            Ok(Some(data)) if data.kind == Kind::Commit => {
                let mut commit = CommitRefIter::from_bytes(data.data, id.kind());
                let Ok(tree) = commit.tree_id() else {
                    self.troubles.push(format!("commit {id} is damaged"));
                    return None;
                };
                let seconds = commit.committer().map_or(0, |committer| committer.seconds());
                let parents = if self.shallow.contains(&id) {
                    Vec::new()
                } else {
                    CommitRefIter::from_bytes(data.data, id.kind()).parent_ids().collect()
                };
                return Some(Frame { id, tree, seconds, parents, next: 0 });
            }
            Ok(Some(_)) => self.troubles.push(format!("commit {id} is none")),
            Ok(None) => self.troubles.push(format!("commit {id} is missing; history ends there")),
            Err(error) => self.troubles.push(format!("commit {id} cannot be read: {error}")),
        }
        None
    }

    /// The number of a commit.
    pub(super) fn number(&self, id: &ObjectId) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// The pruned tree of each commit.
    pub(super) fn roots(&self, objects: &dyn Find, pruned: &mut Pruned) -> Vec<Node> {
        self.commits.iter().map(|commit| pruned.tree(objects, commit.tree)).collect()
    }

    /// For each commit, which of `marked` it descends from: bits, so many words for each commit.
    pub(super) fn descent(&self, marked: &[u32]) -> Descent {
        let words = marked.len().div_ceil(64).max(1);
        let mut bits = vec![0_u64; words * self.commits.len()];
        for (bit, commit) in marked.iter().enumerate() {
            bits[*commit as usize * words + bit / 64] |= 1 << (bit % 64);
        }
        for (at, commit) in self.commits.iter().enumerate() {
            let (before, this) = bits.split_at_mut(at * words);
            for parent in &commit.parents {
                let from = *parent as usize * words;
                for (word, other) in this.iter_mut().take(words).zip(&before[from..from + words]) {
                    *word |= other;
                }
            }
        }
        Descent { words, bits }
    }

    /// Hands over what each commit changed.
    pub(super) fn changes(&self, roots: &[Node], pruned: &Pruned, secrets: &[Vec<u32>], found: Take<'_>) {
        for (at, commit) in self.commits.iter().enumerate() {
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            let root = roots[at];
            let parents: Vec<Node> = commit.parents.iter().map(|parent| roots[*parent as usize]).collect();
            let first = parents.first().copied().unwrap_or(0);
            if parents.contains(&root) && parents.iter().all(|parent| *parent == root)
                || (root == 0 && first == 0)
            {
                continue;
            }
            let has = |node: Node, path: &[u8], secret: u32| {
                pruned.lookup(node, path).is_some_and(|file| secrets[file as usize].contains(&secret))
            };
            let mut path = Vec::new();
            pruned.only_in(root, first, &mut path, &mut |path, file| {
                for secret in &secrets[file as usize] {
                    if !parents.iter().any(|parent| has(*parent, path, *secret)) {
                        found(number, path, *secret, true);
                    }
                }
            });
            pruned.only_in(first, root, &mut path, &mut |path, file| {
                for secret in &secrets[file as usize] {
                    // What one of two sides had removed before, a merge does not remove.
                    if !has(root, path, *secret) && parents.iter().all(|parent| has(*parent, path, *secret)) {
                        found(number, path, *secret, false);
                    }
                }
            });
        }
    }
}

/// Which commits descend from which.
pub(super) struct Descent {
    words: usize,
    bits: Vec<u64>,
}

impl Descent {
    /// Whether a commit descends from, or is, the marked one with this number.
    pub(super) fn is(&self, commit: u32, marked: usize) -> bool {
        self.bits[commit as usize * self.words + marked / 64] >> (marked % 64) & 1 == 1
    }
}
