//! Consistency proofs out of tiles.
//!
//! A tile of level `L` holds up to 256 hashes of complete subtrees of `256^L` leaves (C2SP tlog-tiles); the rightmost
//! one of a level is partial and says so in its path. A proof is a list of subtree hashes (RFC 6962 §2.1.2); each is
//! folded from the hashes of tiles.
//!
//! Not here: whether the proof holds (`sealock::log::growth`): tiles are not signed, only what they add up to.

use std::collections::{BTreeMap, BTreeSet};

use sigstore_merkle::hash_children;
use sigstore_types::Sha256Hash;

/// Hashes in a full tile.
const WIDTH: u64 = 256;
/// Bytes of a hash.
const HASH: usize = 32;

/// Where a tile is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// Level; a step is eight levels of the tree.
    pub level: u8,
    /// Place in its level.
    pub index: u64,
    /// Hashes in it, up to 256.
    pub width: u64,
}

impl Tile {
    /// `tile/<level>/<index>[.p/<width>]`, the index in groups of three digits.
    pub fn path(&self) -> String {
        let mut index = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            index = format!("x{:03}/{index}", rest % 1000);
            rest /= 1000;
        }
        let partial = if self.width < WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("tile/{}/{index}{partial}", self.level)
    }

    /// Most bytes that it has.
    pub fn bytes(&self) -> u64 {
        self.width * HASH as u64
    }
}

/// Leaves `start..end`.
type Range = (u64, u64);

/// Largest power of two below `count`, which is at least two.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The subtrees whose hashes make the proof from `old` to `new` leaves, in order.
fn subtrees(old: u64, new: u64) -> Vec<Range> {
    let mut found = Vec::new();
    if old == 0 || old >= new {
        return found;
    }
    let (mut start, mut end, mut old, mut whole) = (0, new, old, true);
    // From the root down; the proof is written from the leaves up.
    while old != end - start {
        let left = split(end - start);
        if old <= left {
            found.push((start + left, end));
            end = start + left;
        } else {
            found.push((start, start + left));
            start += left;
            old -= left;
            whole = false;
        }
    }
    if !whole {
        found.push((start, end));
    }
    found.reverse();
    found
}

/// Complete subtrees that `range` falls into: level of the tree and place in it, from left to right.
fn complete((start, end): Range, into: &mut Vec<(u32, u64)>) {
    let count = end - start;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        into.push((level, start >> level));
        return;
    }
    let left = split(count);
    complete((start, start + left), into);
    complete((start + left, end), into);
}

/// The tile that holds the hashes below node `index` of `level` in a tree of `size` leaves, and where they are in it.
fn tile(level: u32, index: u64, size: u64) -> Option<(Tile, std::ops::Range<u64>)> {
    let (tile_level, below) = (level / 8, level % 8);
    let first = index.checked_shl(below)?;
    let (at, from) = (first / WIDTH, first % WIDTH);
    let all = size.checked_shr(8 * tile_level)?;
    let width = all.checked_sub(at * WIDTH)?.min(WIDTH);
    let to = from + (1 << below);
    (to <= width).then_some((Tile { level: u8::try_from(tile_level).ok()?, index: at, width }, from..to))
}

/// The tiles that the proof from `old` to `new` leaves is made of.
pub fn needed(old: u64, new: u64) -> BTreeSet<Tile> {
    let mut nodes = Vec::new();
    for range in subtrees(old, new) {
        complete(range, &mut nodes);
    }
    nodes.into_iter().filter_map(|(level, index)| Some(tile(level, index, new)?.0)).collect()
}

fn fold(hashes: &[Sha256Hash]) -> Option<Sha256Hash> {
    match hashes {
        [] => None,
        [only] => Some(*only),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            Some(hash_children(&fold(left)?, &fold(right)?))
        }
    }
}

/// The proof from `old` to `new` leaves. Nothing where a tile is missing or too short.
pub fn proof(old: u64, new: u64, tiles: &BTreeMap<Tile, Vec<u8>>) -> Option<Vec<[u8; 32]>> {
    let node = |level: u32, index: u64| -> Option<Sha256Hash> {
        let (place, range) = tile(level, index, new)?;
        let bytes = tiles.get(&place)?;
        let from = usize::try_from(range.start).ok()?.checked_mul(HASH)?;
        let to = usize::try_from(range.end).ok()?.checked_mul(HASH)?;
        let hashes = bytes.get(from..to)?.chunks_exact(HASH).filter_map(|b| b.try_into().ok());
        fold(&hashes.map(Sha256Hash::new).collect::<Vec<_>>())
    };
    let hash = |range: Range| -> Option<[u8; 32]> {
        let mut nodes = Vec::new();
        complete(range, &mut nodes);
        let mut nodes = nodes.into_iter().rev();
        let (level, index) = nodes.next()?;
        // From the right, as the definition nests.
        let folded = nodes.try_fold(node(level, index)?, |right, (level, index)| {
            Some(hash_children(&node(level, index)?, &right))
        })?;
        Some(*folded.as_bytes())
    };
    subtrees(old, new).into_iter().map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let path = |level, index, width| Tile { level, index, width }.path();
        assert_eq!(path(0, 0, 256), "tile/0/000");
        assert_eq!(path(1, 1_234_067, 256), "tile/1/x001/x234/067");
        assert_eq!(path(2, 5, 17), "tile/2/005.p/17");
    }

    /// Against the plain recursive definition, over trees that need one and two levels of tiles.
    #[test]
    fn proofs_out_of_tiles_are_those_of_the_definition() {
        use sealock_testkit::merkle;
        let all: Vec<[u8; 32]> = (0..70_000_u32).map(|n| merkle::leaf(&n.to_be_bytes())).collect();
        for (old, new) in [
            (1, 2),
            (2, 3),
            (3, 7),
            (4, 8),
            (6, 8),
            (7, 8),
            (17, 111),
            (255, 257),
            (256, 512),
            (256, 513),
            (300, 70_000),
            (65_536, 70_000),
            (65_537, 69_999),
            (1, 65_536),
            (69_999, 70_000),
        ] {
            let leaves = &all[..new];
            let tiles: BTreeMap<Tile, Vec<u8>> = needed(old as u64, new as u64)
                .into_iter()
                .map(|tile| {
                    let span = 256_usize.pow(u32::from(tile.level));
                    let first = usize::try_from(tile.index).unwrap() * 256;
                    let hashes = (first..first + usize::try_from(tile.width).unwrap())
                        .flat_map(|at| merkle::root(&leaves[at * span..(at + 1) * span]));
                    (tile, hashes.collect())
                })
                .collect();
            let found = proof(old as u64, new as u64, &tiles).unwrap();
            assert_eq!(found, merkle::consistency(leaves, old), "{old} {new}");
            if let Some((tile, _)) = tiles.first_key_value() {
                let mut less = tiles.clone();
                less.remove(tile);
                assert_eq!(proof(old as u64, new as u64, &less), None);
                let mut short = tiles.clone();
                for bytes in short.values_mut() {
                    bytes.truncate(16);
                }
                assert_eq!(proof(old as u64, new as u64, &short), None);
            }
        }
        assert!(needed(0, 5).is_empty() && needed(5, 5).is_empty() && needed(6, 5).is_empty());
    }
}
