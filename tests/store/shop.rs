//! A store in a temporary folder, and the program to use it with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealock_testkit::Layout;
use serde_json::Value;

/// What a run of the program came to.
pub struct Run {
    pub status: i32,
    pub data: String,
    pub notes: String,
}

/// Runs `sealock` with `args`.
pub fn run(args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_sealock")).args(args).output().unwrap();
    Run {
        status: output.status.code().unwrap_or(-1),
        data: String::from_utf8(output.stdout).unwrap(),
        notes: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `sealock` with `args`, which must answer with JSON.
pub fn run_json(args: &[&str]) -> Value {
    let run = run(args);
    serde_json::from_str(&run.data).unwrap_or_else(|e| panic!("{e}: {}{}", run.data, run.notes))
}

/// A folder with room for a store and for bundles.
pub struct Shop {
    folder: tempfile::TempDir,
    pub id: String,
}

impl Shop {
    /// Without a store.
    pub fn empty() -> Self {
        // In memory where that is possible: nothing here depends on what a power failure leaves.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { folder: folder.unwrap(), id: String::new() }
    }

    /// With an empty store.
    pub fn new() -> Self {
        let mut shop = Self::empty();
        let made = run(&["store", "init", "--store", &shop.store()]);
        assert_eq!(made.status, 0, "{}", made.notes);
        made.data.trim().clone_into(&mut shop.id);
        shop
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The store's directory, as an argument.
    pub fn store(&self) -> String {
        self.path("store")
    }

    /// The store's directory.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The file of a digest.
    pub fn blob(&self, digest: &str) -> PathBuf {
        self.root().join("blobs").join(digest.replace(':', "/"))
    }

    fn bundle(&self, layout: &Layout) -> String {
        let path = self.path("imported");
        let _ = std::fs::remove_dir_all(&path);
        layout.write(&path);
        path
    }

    /// Imports a layout directory, which must go through, and gives the report.
    pub fn import(&self, layout: &Layout) -> Value {
        let report = run_json(&["import", "-o", "json", "--store", &self.store(), &self.bundle(layout)]);
        assert_eq!(report["committed"], true, "{report}");
        report
    }

    /// Exit status of importing a layout directory.
    pub fn import_status(&self, layout: &Layout) -> i32 {
        run(&["import", "--store", &self.store(), &self.bundle(layout)]).status
    }

    /// Imports a layout directory and gives all that was said.
    pub fn try_import(&self, layout: &Layout) -> Run {
        run(&["import", "--store", &self.store(), &self.bundle(layout)])
    }

    /// Imports an archive and gives all that was said.
    pub fn try_archive(&self, bytes: &[u8]) -> Run {
        let path = self.path("bundle.tar");
        std::fs::write(&path, bytes).unwrap();
        run(&["import", "--store", &self.store(), &path])
    }

    /// Imports an archive, which must go through.
    pub fn import_archive(&self, bytes: &[u8]) {
        let run = self.try_archive(bytes);
        assert_eq!(run.status, 0, "{}", run.notes);
    }
}

/// Every file below a folder with the digest of its content; locks and the catalogue's auxiliary files left out.
pub fn bytes_below(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name != "lock" && !name.ends_with("-wal") && !name.ends_with("-shm") {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path, sealock_testkit::sha256_digest(&bytes));
            }
        }
    }
    found
}

/// Writes over a file that is not writable.
pub fn overwrite(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}
