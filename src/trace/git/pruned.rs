//! Trees with nothing in them but the files that matter. Trees that say the same are one, so that two commits in which
//! nothing that matters differs have the same number, and every tree of the repository is read once.

use gix::ObjectId;
use gix::objs::{Find, Kind, TreeRefIter};
use hashbrown::HashMap;
use std::rc::Rc;

/// Folders in folders that are followed.
const DEPTH_MAX: usize = 512;

/// The number of a pruned tree; 0 is the empty one.
pub(super) type Node = u32;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Child {
    /// A file that matters, by its number.
    File(u32),
    Folder(Node),
}

type Names = Rc<[(Rc<[u8]>, Child)]>;

/// All pruned trees.
pub(super) struct Pruned {
    /// The files that matter.
    files: HashMap<ObjectId, u32>,
    nodes: Vec<Names>,
    by_names: HashMap<Names, Node>,
    by_tree: HashMap<ObjectId, Node>,
    /// Which files stand in some tree.
    pub(super) seen: Vec<bool>,
    /// Trees that could not be read.
    pub(super) troubles: Vec<String>,
}

impl Pruned {
    /// Trees in which these files matter, by their numbers.
    pub(super) fn new(files: HashMap<ObjectId, u32>) -> Self {
        let empty: Names = Rc::from([]);
        let seen = vec![false; files.len()];
        let by_names = HashMap::from([(Rc::clone(&empty), 0)]);
        Self { files, nodes: vec![empty], by_names, by_tree: HashMap::new(), seen, troubles: Vec::new() }
    }

    /// The number of a tree.
    pub(super) fn tree(&mut self, objects: &dyn Find, id: ObjectId) -> Node {
        self.prune(objects, id, 0)
    }

    fn prune(&mut self, objects: &dyn Find, id: ObjectId, depth: usize) -> Node {
        if let Some(node) = self.by_tree.get(&id) {
            return *node;
        }
        let mut buffer = Vec::new();
        let mut names: Vec<(Rc<[u8]>, Child)> = Vec::new();
        match objects.try_find(&id, &mut buffer) {
            Ok(Some(tree)) if tree.kind == Kind::Tree && depth < DEPTH_MAX => {
                for entry in TreeRefIter::from_bytes(tree.data, id.kind()) {
                    let Ok(entry) = entry else {
                        self.troubles.push(format!("tree {id} is damaged; it was read up to there"));
                        break;
                    };
                    let child = if entry.mode.is_tree() {
                        Some(self.prune(objects, entry.oid.to_owned(), depth + 1))
                            .filter(|node| *node > 0)
                            .map(Child::Folder)
                    } else {
                        self.files.get(entry.oid).map(|file| Child::File(*file))
                    };
                    if let Some(Child::File(file)) = child {
                        self.seen[file as usize] = true;
                    }
                    let name: &[u8] = entry.filename;
                    names.extend(child.map(|child| (Rc::from(name), child)));
                }
            }
            Ok(Some(_)) => self.troubles.push(format!("tree {id} is none, or too deep")),
            Ok(None) => self.troubles.push(format!("tree {id} is missing")),
            Err(error) => self.troubles.push(format!("tree {id} cannot be read: {error}")),
        }
        let node = self.intern(names);
        self.by_tree.insert(id, node);
        node
    }

    fn intern(&mut self, names: Vec<(Rc<[u8]>, Child)>) -> Node {
        let names: Names = names.into();
        if let Some(node) = self.by_names.get(&names) {
            return *node;
        }
        let node = Node::try_from(self.nodes.len()).unwrap_or(Node::MAX);
        self.nodes.push(Rc::clone(&names));
        self.by_names.insert(names, node);
        node
    }

    /// Hands over all files in a tree: path and number.
    pub(super) fn files(&self, node: Node, path: &mut Vec<u8>, found: &mut dyn FnMut(&[u8], u32)) {
        for (name, child) in self.nodes[node as usize].iter() {
            self.below(name, *child, path, found);
        }
    }

    fn below(&self, name: &[u8], child: Child, path: &mut Vec<u8>, found: &mut dyn FnMut(&[u8], u32)) {
        let length = path.len();
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        match child {
            Child::File(file) => found(path, file),
            Child::Folder(node) => self.files(node, path, found),
        }
        path.truncate(length);
    }

    /// Hands over the files of `a` that are not the same in `b`.
    pub(super) fn only_in(&self, a: Node, b: Node, path: &mut Vec<u8>, found: &mut dyn FnMut(&[u8], u32)) {
        if a == b {
            return;
        }
        for (name, child) in self.nodes[a as usize].iter() {
            match (*child, self.child(b, name)) {
                (child, Some(other)) if child == other => {}
                (Child::Folder(node), Some(Child::Folder(other))) => {
                    let length = path.len();
                    if length > 0 {
                        path.push(b'/');
                    }
                    path.extend_from_slice(name);
                    self.only_in(node, other, path, found);
                    path.truncate(length);
                }
                (child, _) => self.below(name, child, path, found),
            }
        }
    }

    fn child(&self, node: Node, name: &[u8]) -> Option<Child> {
        let names = &self.nodes[node as usize];
        // git sorts folders as if a slash stood behind them, so the order is not that of the names.
        names.iter().find(|(known, _)| **known == *name).map(|(_, child)| *child)
    }

    /// The file at a path.
    pub(super) fn lookup(&self, node: Node, path: &[u8]) -> Option<u32> {
        let mut node = node;
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        while let Some(part) = parts.next() {
            match self.child(node, part)? {
                Child::File(file) => return parts.peek().is_none().then_some(file),
                Child::Folder(inner) => node = inner,
            }
        }
        None
    }
}
