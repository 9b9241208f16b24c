//! `sealock-mirror trust-root`: a TUF repository on loopback is taken over byte for byte, or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests look into folders")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use sealock_testkit::registry::{Registry, Reply};
use sealock_testkit::tuf::Published;
use sealock_testkit::{Sigstore, TufRepository};
use sealock_trust_root::disk::DirectorySource;
use sealock_trust_root::tuf::load;

#[path = "trust_root/attacks.rs"]
mod attacks;
#[path = "trust_root/corpus.rs"]
mod corpus;
#[path = "trust_root/keeping.rs"]
mod keeping;
#[path = "trust_root/kills.rs"]
mod kills;
mod world;

fn serve(registry: &Registry, files: &BTreeMap<String, Vec<u8>>) {
    registry.clear_script();
    for (name, bytes) in files {
        registry.script(&format!("GET /tuf/{name}"), Reply::content("application/json", bytes));
    }
}

struct Shop {
    registry: Registry,
    folder: tempfile::TempDir,
    first: Vec<u8>,
}

impl Shop {
    fn new(first: Vec<u8>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("first.json"), &first).unwrap();
        Self { registry: Registry::start(), folder, first }
    }

    fn taken(&self) -> PathBuf {
        self.folder.path().join("taken")
    }

    fn run(&self) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sealock-mirror"))
            .arg("trust-root")
            .arg("--root")
            .arg(self.folder.path().join("first.json"))
            .arg("-o")
            .arg(self.taken())
            .args(["--plain-http", &self.registry.host()])
            .arg(format!("http://{}/tuf", self.registry.host()))
            .env_remove("HTTP_PROXY")
            .output()
            .unwrap()
    }
}

fn below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn minted() -> (Published, Vec<u8>) {
    let root = Sigstore::new(3).trusted_root().json();
    let mut repository = TufRepository::with_trusted_root(3, &root);
    let first = repository.first_root();
    repository.publish_next_root();
    repository.publish_next_root();
    (repository.publish(), first)
}

#[test]
fn taken_over_byte_for_byte() {
    let (published, first) = minted();
    let shop = Shop::new(first);
    serve(&shop.registry, &published.files);
    let run = shop.run();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let taken = below(&shop.taken());
    for (name, bytes) in &taken {
        assert_eq!(Some(bytes), published.files.get(name), "{name}");
    }
    for root in ["1.root.json", "2.root.json", "3.root.json", "timestamp.json"] {
        assert!(taken.contains_key(root), "{root} is among {:?}", taken.keys());
    }
    // The far side goes the whole way again from what was taken.
    let source: Arc<dyn sealock_trust_root::source::RepositorySource> =
        Arc::new(DirectorySource::open(&shop.taken()).unwrap());
    let loaded = load(&source, &shop.first, None).unwrap();
    assert_eq!(loaded.roles.iter().find(|r| r.role.to_string() == "root").unwrap().version, 3);
    // A second run finds the same.
    assert!(shop.run().status.success());
    assert_eq!(below(&shop.taken()), taken);
}

#[test]
fn what_cannot_be_read_or_does_not_verify_is_not_taken() {
    let (published, first) = minted();
    let shop = Shop::new(first);
    let status = |what: &str, expected: i32| {
        let run = shop.run();
        assert_eq!(run.status.code(), Some(expected), "{what}: {}", String::from_utf8_lossy(&run.stderr));
        assert!(!shop.taken().exists(), "{what}: nothing is written");
    };
    // A newer root that cannot be read is not one that does not exist.
    serve(&shop.registry, &published.files);
    shop.registry.script("GET /tuf/4.root.json", Reply::error(403, "DENIED"));
    status("root withheld", 3);
    serve(&shop.registry, &published.clone().with_target_altered("trusted_root.json").files);
    let run = shop.run();
    assert!(matches!(run.status.code(), Some(1 | 3)), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(!shop.taken().exists());
    serve(&shop.registry, &published.truncated("timestamp.json").files);
    let run = shop.run();
    assert!(matches!(run.status.code(), Some(1 | 3)), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(!shop.taken().exists());
}
