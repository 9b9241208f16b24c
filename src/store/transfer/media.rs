//! How a transfer lies on a medium: one file, a row of segments, one segment alone, or our own copy of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::accepted::HEAD;
use crate::seal::statement::Segments;
use crate::seal::{container, header};
use crate::store::fault::During;
use crate::store::{StoreFault, archive};

/// How it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// One file.
    Whole(PathBuf),
    /// `BASE.000`, `BASE.001`, …
    Segments(PathBuf),
    /// One segment, by its number from 1.
    One(PathBuf, usize),
    /// A folder of our own quarantine.
    Quarantined(PathBuf),
}

fn number(path: &Path) -> Option<usize> {
    let ending = path.extension()?.to_str()?;
    (ending.len() >= 3 && ending.bytes().all(|b| b.is_ascii_digit())).then(|| ending.parse().ok())?
}

/// Where segment `number` of `base` lies.
pub fn segment(base: &Path, number: usize) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".{number:03}"));
    PathBuf::from(name)
}

fn begins_like_one(path: &Path) -> bool {
    let mut start = [0_u8; 512];
    let read = archive::open_file(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok());
    read && header::looks_like_transfer(&start)
}

impl Media {
    /// What `path` is, if it is a transfer. Proves nothing.
    pub(super) fn sniff(root: &Path, path: &Path) -> Option<Self> {
        if path.is_dir() {
            let own = path.canonicalize().ok()?;
            let all = root.join(super::quarantine::FOLDER).canonicalize().ok()?;
            return (own.parent() == Some(&all) && own.join(HEAD).is_file())
                .then_some(Self::Quarantined(own));
        }
        if !path.exists() && begins_like_one(&segment(path, 0)) {
            return Some(Self::Segments(path.to_owned()));
        }
        match number(path) {
            Some(0) if begins_like_one(path) => Some(Self::Segments(path.with_extension(""))),
            // Where nothing can wait in quarantine, such an ending means nothing.
            Some(at) if at > 0 && path.is_file() && super::requires_seal(root) => {
                Some(Self::One(path.to_owned(), at))
            }
            _ => begins_like_one(path).then(|| Self::Whole(path.to_owned())),
        }
    }

    /// What `path` is, if it is a transfer on a medium, whatever store it may be for. Proves nothing.
    pub(super) fn carried(path: &Path) -> Option<Self> {
        if !path.exists() && begins_like_one(&segment(path, 0)) {
            return Some(Self::Segments(path.to_owned()));
        }
        let begins = path.is_file() && begins_like_one(path);
        begins.then(|| match number(path) {
            Some(0) => Self::Segments(path.with_extension("")),
            _ => Self::Whole(path.to_owned()),
        })
    }

    /// The head, read once.
    pub(super) fn head(&self) -> Result<Vec<u8>, StoreFault> {
        let path = match self {
            Self::Whole(path) | Self::One(path, _) => path.clone(),
            Self::Segments(base) => segment(base, 0),
            Self::Quarantined(folder) => folder.join(HEAD),
        };
        let mut bytes = Vec::new();
        let limit = container::HEADER_LENGTH as u64 + u64::from(!matches!(self, Self::Whole(_)));
        archive::open_file(&path)?.take(limit).read_to_end(&mut bytes).during("reading", &path)?;
        Ok(bytes)
    }

    /// A reader of segment `at` (from 0), which begins at `start`; nothing where it is not on the medium.
    pub(super) fn segment(&self, at: usize, start: u64) -> Result<Option<File>, StoreFault> {
        let (path, from) = match self {
            Self::Whole(path) => (path.clone(), start + container::HEADER_LENGTH as u64),
            Self::Segments(base) => (segment(base, at + 1), 0),
            Self::One(path, number) if *number == at + 1 => (path.clone(), 0),
            Self::One(..) | Self::Quarantined(_) => return Ok(None),
        };
        if !path.exists() {
            return Ok(None);
        }
        let mut file = archive::open_file(&path)?;
        file.seek(SeekFrom::Start(from)).during("reading", &path)?;
        Ok(Some(file))
    }

    /// Whether anything lies behind what was sealed.
    pub(super) fn trailing(&self, segments: &Segments) -> Option<String> {
        let longer = |path: &Path, end: u64| {
            let found = std::fs::metadata(path).map_or(0, |m| m.len());
            (found > end).then(|| format!("{} goes on behind its end", path.display()))
        };
        match self {
            Self::Whole(path) => longer(path, container::HEADER_LENGTH as u64 + segments.total),
            Self::Segments(base) => {
                let count = segments.sha256.len();
                (0..count).find_map(|at| longer(&segment(base, at + 1), segments.span(at).1)).or_else(|| {
                    let more = segment(base, count + 1);
                    more.exists().then(|| format!("{} is no part of what was sealed", more.display()))
                })
            }
            Self::One(path, number) => longer(path, segments.span(number.saturating_sub(1)).1),
            Self::Quarantined(_) => None,
        }
    }
}
