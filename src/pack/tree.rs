//! One hash over many, of which each can be proved to be among them: a Merkle tree as in RFC 6962, built while they pass.

use sha2::{Digest, Sha256};

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// SHA-256 of several pieces, one behind the other.
pub(super) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The tree of the leaves so far: one hash for each bit of their number.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// Roots of whole trees, the largest first, with how many leaves each has.
    whole: Vec<(u64, Hash)>,
    /// Leaves.
    pub leaves: u64,
}

impl Tree {
    /// One more leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.leaves += 1;
        let (mut size, mut hash) = (1, leaf);
        while let Some((before, left)) = self.whole.last().copied().filter(|(before, _)| *before == size) {
            self.whole.pop();
            (size, hash) = (before * 2, node(&left, &hash));
        }
        self.whole.push((size, hash));
    }

    /// The root; of no leaves, the hash of nothing.
    pub fn root(&self) -> Hash {
        let hashes = self.whole.iter().rev().map(|(_, hash)| *hash);
        hashes.reduce(|right, left| node(&left, &right)).unwrap_or_else(|| sha256(&[]))
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 6962 says it.
    fn plain(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            many => {
                let half = many.len().next_power_of_two() / 2;
                let (left, right) = many.split_at(half);
                node(&plain(left), &plain(right))
            }
        }
    }

    #[test]
    fn built_while_they_pass_it_is_the_same_tree() {
        let leaves: Vec<Hash> = (0_u8..70).map(|number| sha256(&[&[0, number]])).collect();
        let mut tree = Tree::default();
        for count in 0..leaves.len() {
            assert_eq!(tree.root(), plain(&leaves[..count]), "{count}");
            tree.push(leaves[count]);
        }
    }
}
