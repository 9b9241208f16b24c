//! Two stores with a gap between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealock_testkit::{Algorithm, Image, Index, Layout, SigningKey, Sigstore};
use serde_json::Value;

use crate::hands::Hand;

pub const REPOSITORY: &str = "registry.example.com/demo/app";

/// The verifier's program.
pub fn verifier() -> Option<PathBuf> {
    let given = std::env::var_os("SEALOCK_BIN").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_BIN_EXE_sealock-mirror")).with_file_name("sealock");
    let found = given.unwrap_or_else(beside);
    if found.is_file() {
        return Some(found);
    }
    println!("skipped: no verifier at {} (cargo build -p sealock, or SEALOCK_BIN)", found.display());
    None
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub data: String,
    pub notes: String,
}

impl Run {
    /// That it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{self:?}");
        self
    }

    /// That it refused with `code`.
    #[track_caller]
    pub fn refused(self, code: &str) -> Self {
        assert_ne!(self.status, 0, "{self:?}");
        assert!(self.notes.contains(&format!("[{code}]")), "wanted {code}: {self:?}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

pub fn run(program: &Path, args: &[&str]) -> Run {
    let output = Command::new(program).args(args).output().unwrap();
    Run {
        status: output.status.code().unwrap_or(-1),
        data: String::from_utf8(output.stdout).unwrap(),
        notes: String::from_utf8(output.stderr).unwrap(),
    }
}

pub struct Gap {
    folder: tempfile::TempDir,
    program: PathBuf,
    pub hands: Vec<Hand>,
    /// Id of the store on the far side.
    pub id: String,
    /// Key that checks its receipts.
    pub receipt_key: String,
}

impl Gap {
    /// Two empty stores; one operator, who seals for the far one.
    pub fn new() -> Option<Self> {
        Self::with(vec![Hand::new("olga")], 1)
    }

    pub fn with(hands: Vec<Hand>, threshold: u32) -> Option<Self> {
        let program = verifier()?;
        // In memory where that is possible: nothing here depends on what a power failure leaves.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let mut gap =
            Self { folder: folder.unwrap(), program, hands, id: String::new(), receipt_key: String::new() };
        let mut args = vec!["operators".to_owned(), "init".to_owned()];
        for hand in &gap.hands {
            std::fs::write(gap.path(hand.name), hand.pem()).unwrap();
            args.extend(["--key".to_owned(), format!("{0}={1}", hand.name, gap.path(hand.name))]);
        }
        args.extend(["--threshold".to_owned(), threshold.to_string()]);
        args.extend(["-o".to_owned(), gap.path("operators.json")]);
        gap.mirror(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok();
        gap.sealock(&["store", "init", "--store", &gap.path("low")]).ok();
        (gap.id, gap.receipt_key) = gap.found("high");
        Some(gap)
    }

    /// Makes a store on the far side, with the operators pinned; its id and receipt key.
    pub fn found(&self, name: &str) -> (String, String) {
        let operators = self.path("operators.json");
        let made =
            self.sealock(&["store", "init", "--store", &self.path(name), "--operators", &operators]).ok();
        let key = made.notes.lines().find_map(|l| l.strip_prefix("its receipts are checked with "));
        (made.data.trim().to_owned(), key.unwrap().to_owned())
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn sealock(&self, args: &[&str]) -> Run {
        run(&self.program, args)
    }

    #[allow(clippy::unused_self, reason = "reads like its other half")]
    pub fn mirror(&self, args: &[&str]) -> Run {
        run(Path::new(env!("CARGO_BIN_EXE_sealock-mirror")), args)
    }

    /// Takes a layout into the store on the near side.
    pub fn mirror_in(&self, layout: &Layout) {
        let path = self.path("layout");
        let _ = std::fs::remove_dir_all(&path);
        layout.write(&path);
        self.sealock(&["import", "--store", &self.path("low"), &path]).ok();
    }

    /// Seals for the far store, signed by the first operator.
    pub fn seal(&self, name: &str, more: &[&str]) -> Run {
        self.seal_for(&self.id, name, more)
    }

    pub fn seal_for(&self, audience: &str, name: &str, more: &[&str]) -> Run {
        let (store, operators) = (self.path("low"), self.path("operators.json"));
        let (key, output) = (self.path(self.hands[0].name), self.path(name));
        let mut args = vec!["seal", "--store", &store, "--audience", audience, "--operators", &operators];
        args.extend(["--key", &key, "-o", &output]);
        args.extend(more);
        self.mirror(&args)
    }

    /// Takes a transfer into the far store.
    pub fn import(&self, name: &str, more: &[&str]) -> Run {
        self.import_to("high", name, more)
    }

    pub fn import_to(&self, store: &str, name: &str, more: &[&str]) -> Run {
        let (store, path) = (self.path(store), self.path(name));
        let mut args = vec!["import", "--store", &store];
        args.extend(more);
        args.push(&path);
        self.sealock(&args)
    }

    /// What the store lists: name, or digest for the nameless → digest and status.
    pub fn list(&self, store: &str) -> BTreeMap<String, (String, String)> {
        let listed =
            self.sealock(&["store", "ls", "--all", "-o", "json", "--store", &self.path(store)]).ok().json();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let entries = listed["entries"].as_array().unwrap().clone();
        entries
            .iter()
            .map(|e| {
                let name = if e["name"].is_null() { text(&e["digest"]) } else { text(&e["name"]) };
                (name, (text(&e["digest"]), text(&e["status"])))
            })
            .collect()
    }

    /// Every content of a store, by digest, with the hash of its bytes.
    pub fn blobs(&self, store: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(Path::new(&self.path(store)).join("blobs/sha256")).unwrap() {
            let entry = entry.unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            found.insert(entry.file_name().into_string().unwrap(), sealock_testkit::sha256_hex(&bytes));
        }
        found
    }

    #[track_caller]
    pub fn fsck(&self, store: &str) {
        let report = self.sealock(&["store", "fsck", "-o", "json", "--store", &self.path(store)]);
        assert_eq!(report.json()["clean"], true, "{report:?}");
    }
}

/// An index of two signed images, one with a layer of more than a megabyte, and a referrer.
pub fn bundle(seed: u64, tag: &str) -> (Layout, Index, SigningKey) {
    let sigstore = Sigstore::new(7);
    let key = sigstore.key("k", Algorithm::P256);
    let layer = vec![u8::try_from(seed).unwrap(); (1 << 20) + 1];
    let children = [
        Image::with_layers(REPOSITORY, "linux/amd64", &[layer]),
        Image::for_platform(REPOSITORY, &format!("arm {seed}"), "linux/arm64"),
    ];
    let index = Index::new(REPOSITORY, &children);
    let signed = sigstore.keyed(&key).image(REPOSITORY, &index.digest()).layer();
    let layout = Layout::new()
        .index(&format!("{REPOSITORY}:{tag}"), &index)
        .signature(&index, &signed)
        .signature(&children[0], &sigstore.sign_keyed(&key, &children[0]))
        .referrer(&children[1], &sigstore.keyed(&key).image_statement(&children[1].digest()));
    (layout, index, key)
}
