//! What was found for one image in one place, readable or not.

use super::{Evidence, EvidenceFault, Kind};
use crate::image::Digest;

/// Where evidence is looked for: policy-controller's `source` moves it away from the image's own repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Canonical repository.
    pub repository: String,
    /// What stands before `sha256-<hex>.sig`.
    pub tag_prefix: String,
}

/// One piece as it came out of the store.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Digest of the blob, or of its manifest where the blob was not reached.
    pub digest: Digest,
    /// Form, from where it was found.
    pub kind: Kind,
    /// Found by its subject instead of a tag: policy-controller looks for classic evidence by tag alone.
    pub by_subject: bool,
    /// The evidence, or why there is none.
    pub state: State,
}

/// Readable, malformed, or not there although it is listed: three answers.
#[derive(Clone, Debug)]
pub enum State {
    /// Parsed.
    Read(Box<Evidence>),
    /// Read, and not evidence.
    Malformed(EvidenceFault),
    /// Listed, and missing, damaged or too large: nobody can say what it was.
    Unreadable(String),
}

/// Everything found in one place.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Pieces in digest order.
    pub pieces: Vec<Piece>,
    /// Kinds for which something hangs on the image, even if it carries no piece.
    pub present: Vec<Kind>,
    /// Kinds that an accepted ledger proves to be absent.
    pub absent: Vec<Kind>,
    /// Why the question could not be answered at all.
    pub fault: Option<String>,
}

impl Gathered {
    /// Pieces of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(move |piece| piece.kind == kind)
    }
}
