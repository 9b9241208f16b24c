//! A transfer that is looked at where it lies, without being taken in.
//!
//! Input: a transfer on a medium. Output: a [`crate::store::Source`] of what it carries, as a layout is one. Nobody's
//! signature is judged, so its names are merely claimed.
//!
//! | rule | why |
//! |---|---|
//! | entries stand where the statement and the snapshot say; no header of an archive is parsed | `seal::container` |
//! | documents hash to what the statement binds, content to its digest, on every read | DESIGN §4 rule 1 |
//! | content that the receiver acknowledged is not here, and that is said apart from missing | `docs/formats/seal.md` |
//!
//! Not here: taking in ([`super::Transfer`]), signatures.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::accepted::{self, refused};
use super::media::Media;
use crate::image::Digest;
use crate::seal::statement::Segments;
use crate::seal::{Header, Snapshot, codes, container, snapshot};
use crate::store::graph::Contents;
use crate::store::layout::Layout;
use crate::store::{SourceFault, StoreFault, index};

/// A transfer as a layout.
pub type CarriedTransfer = Layout<Carried>;

/// Content of a transfer.
#[derive(Debug)]
pub struct Carried {
    rest: Rest,
    /// Where each content begins behind the head, and its size.
    places: BTreeMap<Digest, (u64, u64)>,
    omitted: BTreeSet<Digest>,
}

/// What stands behind the head.
#[derive(Debug)]
struct Rest {
    media: Media,
    segments: Segments,
    place: String,
}

impl Rest {
    fn read_at(&self, mut from: u64, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let end = from.saturating_add(size);
        while from < end {
            let at = usize::try_from(from / self.segments.size.max(1)).unwrap_or(usize::MAX);
            let (start, length) = self.segments.span(at);
            let file = self.media.segment(at, start).map_err(|fault| io::Error::other(fault.to_string()))?;
            let Some(mut file) = file.filter(|_| length > 0) else {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("segment {} is not here", at + 1),
                ));
            };
            let inside = from - start;
            file.seek(SeekFrom::Current(i64::try_from(inside).map_err(io::Error::other)?))?;
            let most = (length - inside).min(end - from);
            let n = file.take(most).read_to_end(&mut bytes)? as u64;
            if n == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends early"));
            }
            from += n;
        }
        Ok(bytes)
    }
}

impl CarriedTransfer {
    /// Opens the transfer at `path`: the file, its first segment, or the base of its segments.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where it is no sound transfer, [`StoreFault::Io`] where it cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreFault> {
        let place = path.display().to_string();
        let Some(media) = Media::carried(path) else {
            return Err(StoreFault::refused(&codes::MALFORMED, place, "it does not begin like a transfer"));
        };
        let fault = |e: &crate::seal::SealFault| refused(path, e);
        let statement = Header::parse(&media.head()?).and_then(|h| h.unverified()).map_err(|e| fault(&e))?;
        let rest = Rest { media, segments: statement.segments.clone(), place: place.clone() };
        let document = |name: &str, limit: u64| {
            let wrong =
                |reason: &str| StoreFault::refused(&codes::LAYOUT, name.to_owned(), reason.to_owned());
            let before = statement.contents.iter().take_while(|(other, _)| *other != name);
            let start: u64 = before.map(|(_, content)| container::entry_length(content.size)).sum();
            let content =
                statement.contents.get(name).ok_or_else(|| wrong("the seal binds no such document"))?;
            if content.size > limit {
                return Err(wrong("it is larger than is read"));
            }
            let bytes = rest
                .read_at(start + container::BLOCK, content.size)
                .map_err(|source| StoreFault::Io { what: "reading", path: path.to_owned(), source })?;
            if content.matches(&bytes) {
                Ok(bytes)
            } else {
                Err(wrong("it is not the document that was sealed"))
            }
        };
        let snapshot = document(container::SNAPSHOT, snapshot::MAX_SNAPSHOT)?;
        let snapshot = Snapshot::parse(&snapshot).map_err(|e| fault(&e))?;
        let entries = index::parse(&document(container::INDEX, accepted::MAX_DOCUMENT)?, None)?;
        let mut places = BTreeMap::new();
        let mut start = statement.documents_end();
        for (digest, size) in snapshot.carried() {
            places.insert(*digest, (start.saturating_add(container::BLOCK), size));
            start = start.saturating_add(container::entry_length(size));
        }
        Ok(Self::new(path, entries, Carried { rest, places, omitted: snapshot.omitted }))
    }

    /// Content that belongs to it and is not in it, because its receiver acknowledged it.
    pub fn omitted(&self) -> &BTreeSet<Digest> {
        &self.contents().omitted
    }
}

impl Contents for Carried {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        Ok(self.places.get(digest).map(|(_, size)| *size))
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        let (what, place) = (digest.to_string(), self.rest.place.clone());
        let Some((from, size)) = self.places.get(digest).copied() else {
            return Err(SourceFault::NotHeld { what, place });
        };
        if size > limit {
            return Err(SourceFault::TooLarge { what, place, size, limit });
        }
        match self.rest.read_at(from, size) {
            Ok(bytes) if digest.matches(&bytes) => Ok(bytes),
            Ok(_) => {
                let reason = "its bytes hash to something else".to_owned();
                Err(SourceFault::Damaged { what, place, reason })
            }
            Err(source) => Err(SourceFault::Unreadable { what, place, source }),
        }
    }

    fn all(&self) -> Result<Vec<(Digest, u64)>, StoreFault> {
        Ok(self.places.iter().map(|(digest, (_, size))| (*digest, *size)).collect())
    }
}
