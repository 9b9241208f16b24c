//! A published repository: files, and what an attacker can do to them without any key.

use std::collections::BTreeMap;
use std::path::Path;

use super::Role;
use crate::layout::write_files;

/// Files by their path below the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// `1.root.json`, `timestamp.json`, `1.snapshot.json`, `targets/<sha256>.trusted_root.json` and so on.
    pub files: BTreeMap<String, Vec<u8>>,
    pub(super) target_paths: BTreeMap<String, String>,
}

impl Published {
    /// Writes the files below a directory, which is made where it does not exist.
    pub fn write(&self, directory: impl AsRef<Path>) {
        write_files(directory.as_ref(), &self.files);
    }

    /// The path of the newest file of a target.
    pub fn target_path(&self, name: &str) -> String {
        self.target_paths[name].clone()
    }

    /// The path of the newest file of a role.
    pub fn newest(&self, role: Role) -> String {
        if role == Role::Timestamp {
            return "timestamp.json".to_owned();
        }
        let suffix = format!(".{}.json", role.name());
        let version = self
            .files
            .keys()
            .filter_map(|path| path.strip_suffix(&suffix)?.parse::<i64>().ok())
            .max()
            .unwrap();
        format!("{version}{suffix}")
    }

    /// Without a file.
    #[must_use]
    pub fn without(mut self, path: &str) -> Published {
        assert!(self.files.remove(path).is_some(), "{path} is not published");
        self
    }

    /// With a file of any content.
    #[must_use]
    pub fn with(mut self, path: &str, bytes: &[u8]) -> Published {
        self.files.insert(path.to_owned(), bytes.to_vec());
        self
    }

    /// One root withheld; a chain with a gap.
    #[must_use]
    pub fn without_root(self, version: i64) -> Published {
        self.without(&format!("{version}.root.json"))
    }

    /// Every root after a version withheld, so that revoked keys seem to count.
    #[must_use]
    pub fn without_roots_after(mut self, version: i64) -> Published {
        self.files.retain(|path, _| {
            path.strip_suffix(".root.json")
                .and_then(|number| number.parse::<i64>().ok())
                .is_none_or(|found| found <= version)
        });
        self
    }

    /// One file cut to half its length.
    #[must_use]
    pub fn truncated(mut self, path: &str) -> Published {
        let bytes = self.files.get_mut(path).unwrap();
        bytes.truncate(bytes.len() / 2);
        self
    }

    /// One byte of a target differs; its length does not.
    #[must_use]
    pub fn with_target_altered(mut self, name: &str) -> Published {
        let path = self.target_path(name);
        *self.files.get_mut(&path).unwrap().last_mut().unwrap() ^= 1;
        self
    }

    /// A target one byte longer.
    #[must_use]
    pub fn with_target_longer(mut self, name: &str) -> Published {
        let path = self.target_path(name);
        self.files.get_mut(&path).unwrap().push(b' ');
        self
    }

    /// The newest metadata of a role says another expiry than was signed: one digit of the year is raised.
    #[must_use]
    pub fn with_metadata_altered(mut self, role: Role) -> Published {
        let path = self.newest(role);
        let text = String::from_utf8(self.files[&path].clone()).unwrap();
        let altered = text.replacen("\"expires\": \"20", "\"expires\": \"21", 1);
        assert_ne!(text, altered);
        self.files.insert(path, altered.into_bytes());
        self
    }

    /// The timestamp of another publication over the files of this one: mix and match.
    #[must_use]
    pub fn with_timestamp_of(self, other: &Published) -> Published {
        self.with("timestamp.json", &other.files["timestamp.json"])
    }

    /// Only the first root and what the newest metadata needs: no history.
    #[must_use]
    pub fn without_history(mut self) -> Published {
        let kept: Vec<String> = Role::ALL.iter().map(|role| self.newest(*role)).collect();
        self.files.retain(|path, _| {
            path.ends_with(".root.json") || path.starts_with("targets/") || kept.contains(path)
        });
        self
    }
}
