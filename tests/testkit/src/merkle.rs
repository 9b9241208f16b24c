//! The Merkle tree of RFC 6962 §2, in the plain recursive form of the definition.

use sha2::{Digest as _, Sha256};

/// A node or leaf hash.
pub type Node = [u8; 32];

/// Hash of a leaf: SHA-256 of a zero byte and the data.
pub fn leaf(data: &[u8]) -> Node {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(data);
    hasher.finalize().into()
}

/// Hash of an inner node: SHA-256 of a one byte and both children.
pub fn inner(left: &Node, right: &Node) -> Node {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The largest power of two below `count`; `count` is at least two.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// Root of a tree over these leaf hashes.
pub fn root(leaves: &[Node]) -> Node {
    match leaves {
        [] => Sha256::digest([]).into(),
        [only] => *only,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            inner(&root(left), &root(right))
        }
    }
}

/// Audit path of the leaf at `index`, from the leaf upwards (RFC 6962 §2.1.1).
pub fn inclusion(leaves: &[Node], index: usize) -> Vec<Node> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if index < left.len() {
        let mut path = inclusion(left, index);
        path.push(root(right));
        path
    } else {
        let mut path = inclusion(right, index - left.len());
        path.push(root(left));
        path
    }
}

/// Proof that the tree of the first `old` leaves is a prefix of the whole (RFC 6962 §2.1.2).
pub fn consistency(leaves: &[Node], old: usize) -> Vec<Node> {
    subproof(leaves, old, true)
}

fn subproof(leaves: &[Node], old: usize, whole: bool) -> Vec<Node> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if old <= left.len() {
        let mut path = subproof(left, old, whole);
        path.push(root(right));
        path
    } else {
        let mut path = subproof(right, old - left.len(), false);
        path.push(root(left));
        path
    }
}
