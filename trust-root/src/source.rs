//! Where TUF metadata is read from.
//!
//! Input: a name in a published repository (`timestamp.json`, `16.root.json`, `targets/<hash>.name`). Output:
//! found, absent or unreadable: three answers, never two.
//!
//! | rule | source |
//! |---|---|
//! | names are relative, without empty, `.` or `..` parts | GHSA-fcv2-xgw5-pqxf, CVE-2026-6968: target names that leave the folder |
//! | a limit goes with every read | DESIGN rule 9 |
//!
//! Not checked here: anything about the bytes.
//!
//! Attacks considered: an unreadable newer root passing for an absent one, which would freeze the client.

use std::collections::BTreeMap;
use std::fmt;

/// An answer about one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The whole content.
    Found(Vec<u8>),
    /// Nothing of that name exists.
    Absent,
    /// Something exists, or may exist, but cannot be read; why, in words.
    Unreadable(String),
}

/// A published TUF repository.
pub trait RepositorySource: fmt::Debug + Send + Sync {
    /// Reads `name`, at most `limit` bytes; more is [`Answer::Unreadable`].
    fn read(&self, name: &str, limit: u64) -> Answer;
}

/// A repository in memory.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemorySource {
    /// An empty repository.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.into(), bytes.into());
    }

    /// Takes a file out.
    pub fn remove(&mut self, name: &str) -> Option<Vec<u8>> {
        self.files.remove(name)
    }

    /// The bytes of a file.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

impl RepositorySource for MemorySource {
    fn read(&self, name: &str, limit: u64) -> Answer {
        match self.files.get(name) {
            None => Answer::Absent,
            Some(bytes) if bytes.len() as u64 > limit => {
                Answer::Unreadable(format!("{} bytes, at most {limit} are read", bytes.len()))
            }
            Some(bytes) => Answer::Found(bytes.clone()),
        }
    }
}

/// Whether `name` stays inside its folder on every system.
pub(crate) fn is_plain(name: &str) -> bool {
    name.len() <= 1024
        && name.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.len() <= 255
                && !part.bytes().any(|b| b == 0 || b == b'\\')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names() {
        for good in ["timestamp.json", "targets/a/b.json", "1.a%2Fb.json", "..a"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "/x", "a//b", "../x", "targets/../../x", "a/./b", "a\\b", "a\0", "a/"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }

    #[test]
    fn three_answers() {
        let mut source = MemorySource::new();
        source.insert("a", *b"1234");
        assert_eq!(source.read("a", 4), Answer::Found(b"1234".to_vec()));
        assert!(matches!(source.read("a", 3), Answer::Unreadable(_)));
        assert_eq!(source.read("b", 4), Answer::Absent);
    }
}
