//! The ways to the places of a map: what is asked of every name that a record has. They are shared with the layouts of
//! records that have been read.

use super::{Field, Fields, Str, Unit, same};
use std::sync::Arc;

/// One step of the way to a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) members: Vec<Step>,
    /// The last member with each mark, where there are members at all.
    marked: Vec<usize>,
    /// Every element of a list, every other member of an object.
    pub(super) any: Option<Arc<Node>>,
    /// The JSON inside a text.
    pub(super) inside: Option<Arc<Node>>,
    pub(super) leaf: Option<Leaf>,
}

/// The way to the member of an object that has this name.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) name: Box<[u8]>,
    pub(super) node: Arc<Node>,
    /// The member before it with the same mark.
    before: usize,
}

/// The place of no member.
const NOWHERE: usize = usize::MAX;
/// How many marks there are.
const MARKS: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub(super) field: Field,
    pub(super) unit: Unit,
    /// Its place in the list of places: smaller is better.
    pub(super) rank: u16,
    /// Of several values at this place the last counts: of a name that stands twice, as everywhere in JSON. Of the
    /// elements of a list it is the first.
    pub(super) is_last: bool,
    /// A nought here may mean that nobody counted: any other number is better.
    pub(super) is_vague: bool,
}

/// A number below [`MARKS`] that tells most names apart.
#[inline]
fn mark(name: &[u8]) -> usize {
    let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
    (name.len() * 7 + usize::from(first) * 3 + usize::from(last)) % MARKS
}

/// Names by their place in a list.
pub(in crate::decode) struct Names(Node);

impl Names {
    /// Those of this list.
    pub(in crate::decode) fn of<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> Self {
        let mut node = Node::default();
        names.into_iter().for_each(|name| {
            node.add(name);
        });
        Self(node)
    }

    /// The place of this name.
    #[inline]
    pub(in crate::decode) fn place(&self, name: &[u8]) -> Option<usize> {
        self.0.place(name)
    }
}

impl Node {
    pub(super) fn step(&mut self, name: &str) -> &mut Self {
        match name {
            "*" => Arc::make_mut(self.any.get_or_insert_default()),
            "@json" => Arc::make_mut(self.inside.get_or_insert_default()),
            _ => {
                let at = self.members.iter().position(|step| *step.name == *name.as_bytes());
                let at = at.unwrap_or_else(|| self.add(name.as_bytes()));
                Arc::make_mut(&mut self.members[at].node)
            }
        }
    }

    /// Changes every leaf from here on.
    pub(super) fn each_leaf(&mut self, change: fn(&mut Leaf)) {
        self.leaf.iter_mut().for_each(change);
        let below = self.members.iter_mut().map(|step| &mut step.node);
        let below = below.chain(self.any.as_mut()).chain(self.inside.as_mut());
        below.for_each(|node| Arc::make_mut(node).each_leaf(change));
    }

    fn add(&mut self, name: &[u8]) -> usize {
        self.marked.resize(MARKS, NOWHERE);
        let at = self.members.len();
        let before = std::mem::replace(&mut self.marked[mark(name)], at);
        self.members.push(Step { name: name.into(), node: Arc::default(), before });
        at
    }

    /// These fields and those of every leaf below.
    pub(super) fn add_fields(&self, fields: Fields) -> Fields {
        let fields = self.leaf.iter().fold(fields, |fields, leaf| fields.with(leaf.field));
        let below = self.members.iter().map(|step| &*step.node);
        let below = below.chain(self.any.as_deref()).chain(self.inside.as_deref());
        below.fold(fields, |fields, node| node.add_fields(fields))
    }

    #[inline]
    pub(super) fn member(&self, name: Str<'_>) -> Option<&Arc<Self>> {
        name.as_plain().and_then(|plain| self.named(plain)).or(self.any.as_ref())
    }

    /// Whether it leads into an object.
    pub(super) fn leads_into_objects(&self) -> bool {
        !self.members.is_empty() || self.any.is_some()
    }

    #[inline]
    pub(super) fn named(&self, name: &[u8]) -> Option<&Arc<Self>> {
        self.place(name).and_then(|at| self.members.get(at)).map(|step| &step.node)
    }

    /// The place of the member of this name.
    #[inline]
    fn place(&self, name: &[u8]) -> Option<usize> {
        let mut at = *self.marked.get(mark(name))?;
        while let Some(step) = self.members.get(at) {
            if same(&step.name, name) {
                return Some(at);
            }
            at = step.before;
        }
        None
    }
}
