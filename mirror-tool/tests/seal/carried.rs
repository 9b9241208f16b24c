//! Trust roots and policies from `mirror.yaml`: pulled, kept, sealed, taken in, in force on the far side.

use std::path::Path;

use jiff::Timestamp;
use sealock_testkit::registry::Reply;
use sealock_testkit::tuf::{Role, TufRepository, TufServer};
use sealock_testkit::{Image, Sigstore, sha256_digest, sha256_hex};
use serde_json::Value;

use crate::gap::{Gap, Run};

const YEAR: i64 = 365 * 24 * 3600;

const POLICY: &str = "# kept as it is\napiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: demo}\nspec: {images: [{glob: '**'}], authorities: [{static: {action: pass}}]}\n";

/// A private repository that is fresh now.
fn repository() -> TufRepository {
    let mut repository = TufRepository::with_trusted_root(1, &Sigstore::new(1).trusted_root().json());
    for role in Role::ALL {
        repository.set_expiry(role, Timestamp::now().as_second() + YEAR);
    }
    repository.publish_root();
    repository.publish();
    repository
}

/// A gap with a TUF server and an image on its near side.
struct Carried {
    gap: Gap,
    server: TufServer,
    image: Image,
}

impl Carried {
    fn new(repository: &TufRepository) -> Option<Self> {
        let gap = Gap::new()?;
        let server = TufServer::of(&repository.published());
        let image = Image::new(&format!("{}/demo/app", server.host()), "carried");
        server.registry().image("1", &image);
        std::fs::write(gap.path("first.json"), repository.first_root()).unwrap();
        std::fs::write(gap.path("demo.yaml"), POLICY).unwrap();
        let carried = Self { gap, server, image };
        carried.write("");
        Some(carried)
    }

    /// Writes `mirror.yaml`, with `more` in the entry of the trust root.
    fn write(&self, more: &str) {
        let text = format!(
            "apiVersion: sealock.dev/v1\nkind: Mirror\nimages: [{{name: '{}:1'}}]\npolicies: [demo.yaml]\n\
             trustRoots:\n- {{name: private, url: '{}', root: first.json{more}}}\n",
            self.image.repository,
            self.server.url()
        );
        std::fs::write(self.gap.path("mirror.yaml"), text).unwrap();
    }

    fn run(&self, verb: &str, more: &[&str]) -> Run {
        let (store, host) = (self.gap.path("low"), self.server.host());
        self.gap.mirror(&[&[verb, "--store", &store, "--plain-http", &host], more].concat())
    }

    fn pull(&self, more: &[&str]) -> Run {
        self.run("pull", &[&["-f", &self.gap.path("mirror.yaml")], more].concat())
    }

    /// Pins the first root on the far side.
    fn pin(&self, repository: &TufRepository) {
        let (high, folder) = (self.gap.path("high"), self.gap.path("published"));
        let root = repository.first_root();
        let digest = sha256_hex(&root);
        repository.published().write(&folder);
        let first = self.gap.path("first.json");
        let update = ["trust", "update", "--store", &high, "--name", "private", "--root", &first];
        self.gap.sealock(&[&update[..], &["--sha256", &digest, &folder]].concat()).ok();
    }

    fn in_force(&self, store: &str) -> Value {
        let store = self.gap.path(store);
        let show = ["trust", "show", "--store", &store, "--name", "private", "-o", "json"];
        let mut root = self.gap.sealock(&show).json()["trustRoot"].take();
        // Counts from the moment of asking.
        for role in root["freshness"].as_array_mut().unwrap() {
            role.as_object_mut().unwrap().remove("pastExpirySeconds").unwrap();
        }
        root
    }

    fn holds_image(&self) -> bool {
        let hex = self.image.digest().replace("sha256:", "blobs/sha256/");
        Path::new(&self.gap.path("low")).join(hex).exists()
    }
}

#[test]
fn a_new_root_crosses_the_gap() {
    let mut repository = repository();
    let Some(carried) = Carried::new(&repository) else { return };
    let gap = &carried.gap;
    carried.pin(&repository);
    let report = carried.pull(&["-o", "json"]).ok().json();
    let root = &report["trustRoots"][0];
    assert_eq!((&root["name"], &root["fate"]), (&"private".into(), &"mirrored".into()), "{report}");
    assert_eq!(root["roles"]["root"]["version"], 1);
    // The pinned root is not asked for; the next one is, and is not there.
    assert_eq!(root["newFiles"].as_array().unwrap().len(), carried.server.asked().len(), "{report}");
    assert!(carried.server.asked().contains(&"2.root.json".to_owned()));
    assert_eq!(report["policies"][0]["digest"], sha256_digest(POLICY.as_bytes()));
    // Nothing is named on the way: what is kept is carried.
    gap.seal("t1", &[]).ok();
    let report = gap.import("t1", &["-o", "json"]).ok().json();
    let brought = &report["seal"]["brought"];
    assert!(brought["trust/private"].as_str().unwrap().contains("root 1"), "{report}");
    assert_eq!(brought["policies/demo.yaml"], sha256_digest(POLICY.as_bytes()));
    let before = carried.in_force("high");

    // Between two pulls the repository gets another root, other keys for the timestamp, another trusted root.
    repository.rotate_key(Role::Root, 0);
    repository.rotate_key(Role::Timestamp, 0);
    repository.publish_next_root();
    let trusted = Sigstore::new(2).trusted_root().json();
    repository.set_target("trusted_root.json", trusted.as_bytes());
    carried.server.publish(&repository.publish_next());
    let said = carried.pull(&[]).ok().data;
    assert!(
        said.contains("trust root private from http://")
            && said.contains("kept, ")
            && said.contains("root 2"),
        "{said}"
    );
    gap.seal("t2", &[]).ok();
    gap.import("t2", &[]).ok();
    let after = carried.in_force("high");
    assert_ne!(before, after);
    assert_eq!(after["digest"], sha256_digest(trusted.as_bytes()), "{after}");
    assert_eq!(after, carried.in_force("low"), "both sides trust the same");
    gap.fsck("high");
    gap.fsck("low");

    // Sealed again it is the same, and so for another store.
    let again = gap.seal("t3", &["--format", "json"]).ok().json();
    assert_eq!(again["again"], true, "{again}");
    assert!(std::fs::read(gap.path("t2")).unwrap() == std::fs::read(gap.path("t3")).unwrap());
}

#[test]
fn what_is_given_stands_in_for_what_is_kept() {
    let mut repository = repository();
    let Some(carried) = Carried::new(&repository) else { return };
    let gap = &carried.gap;
    carried.pull(&[]).ok();
    repository.publish_timestamp().write(gap.path("newer"));
    std::fs::create_dir(gap.path("other")).unwrap();
    std::fs::write(gap.path("other/demo.yaml"), "# another\n").unwrap();
    let newer = format!("private={}", gap.path("newer"));
    gap.seal("t1", &["--trust", &newer, "--policy", &gap.path("other/demo.yaml")]).ok();
    let report = gap.import("t1", &["-o", "json"]).ok().json();
    assert!(report["seal"]["brought"]["trust/private"].as_str().unwrap().contains("timestamp 2"), "{report}");
    assert_eq!(report["seal"]["brought"]["policies/demo.yaml"], sha256_digest(b"# another\n"));
    gap.seal("t2", &["--no-trust", "private", "--no-policy", "demo.yaml"]).ok();
    let report = gap.import("t2", &["-o", "json"]).ok().json();
    assert_eq!(report["seal"]["brought"], serde_json::json!({"operators": "1"}), "{report}");
    // A slip in a name is no reason to carry everything.
    assert_eq!(gap.seal("t3", &["--no-trust", "privat"]).status, 2);
    assert_eq!(gap.seal("t3", &["--no-policy", "demo.yml"]).status, 2);
}

/// Images come in whatever becomes of a repository; the exit status says that something is open, or was refused.
#[test]
fn images_do_not_wait_for_trust_roots() {
    let mut repository = repository();
    let Some(carried) = Carried::new(&repository) else { return };
    carried.server.answer("timestamp.json", Reply::status(403));
    let run = carried.pull(&["-o", "json"]);
    assert_eq!(run.status, 3, "{run:?}");
    let report = run.json();
    let root = &report["trustRoots"][0];
    assert_eq!((&root["fate"], &root["code"]), (&"unknown".into(), &"trust/repository-unreadable".into()));
    assert!(carried.holds_image());
    // It may be waited for, if that was said.
    carried.write(", optional: true");
    let said = carried.pull(&[]).ok().data;
    assert!(said.contains("unknown") && said.contains("optional"), "{said}");
    // Refused is refused.
    let good = repository.publish_next();
    carried.server.publish(&good.clone().with_metadata_altered(Role::Snapshot));
    let run = carried.pull(&["-o", "json"]);
    assert_eq!((run.status, &run.json()["trustRoots"][0]["fate"]), (1, &"refused".into()), "{run:?}");
    carried.server.publish(&good);
    carried.pull(&[]).ok();
    let old = self::repository().published();
    carried.server.publish(&old);
    let run = carried.pull(&[]);
    assert!(run.status == 1 && run.data.contains("[trust/rollback]"), "{run:?}");
    // What was kept is what is sealed.
    carried.gap.seal("t1", &["--format", "json"]).ok();
}

#[test]
fn tuf_frozen_at_pull() {
    let mut repository = repository();
    repository.set_expiry(Role::Timestamp, Timestamp::now().as_second() - 1);
    repository.publish_timestamp();
    let Some(carried) = Carried::new(&repository) else { return };
    // Kept, and said; never sealed, unless it is left out by name.
    let run = carried.pull(&[]).ok();
    assert!(run.data.contains("note: its timestamp expired at"), "{run:?}");
    let report = carried.pull(&["-o", "json"]).ok().json();
    assert_eq!(report["trustRoots"][0]["expired"], serde_json::json!(["timestamp"]));
    carried.gap.seal("t1", &[]).refused("seal/trust-stale");
    carried.gap.seal("t1", &["--no-trust", "private"]).ok();
    repository.set_expiry(Role::Timestamp, Timestamp::now().as_second() + YEAR);
    carried.server.publish(&repository.publish_timestamp());
    carried.pull(&[]).ok();
    carried.gap.seal("t2", &[]).ok();
}

/// The public-good repository of the corpus over loopback: kept whole with a note, and refused by `seal` as stale.
#[test]
fn the_public_good_repository_is_kept_and_not_sealed() {
    let corpus = std::env::var_os("SEALOCK_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        std::path::PathBuf::from,
    );
    let archive = corpus.join("trust-roots/tuf-production.tar.gz");
    if !archive.exists() {
        println!("skipped: no corpus at {}", corpus.display());
        return;
    }
    let Some(gap) = Gap::new() else { return };
    let unpacked = gap.path("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let tar = std::process::Command::new("tar").arg("xzf").arg(&archive).args(["-C", &unpacked]).status();
    assert!(tar.unwrap().success());
    let server = TufServer::start();
    let mut files = std::collections::BTreeMap::new();
    let root = Path::new(&unpacked).join("tuf-production");
    for folder in ["metadata", "targets", "targets/registry.npmjs.org"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
                let name = name.strip_prefix("metadata/").unwrap_or(&name).to_owned();
                files.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    server.publish_files(&files);
    std::fs::write(gap.path("16.root.json"), &files["16.root.json"]).unwrap();
    let text = format!(
        "apiVersion: sealock.dev/v1\nkind: Mirror\ntrustRoots: [{{url: '{}', root: 16.root.json}}]\n",
        server.url()
    );
    std::fs::write(gap.path("mirror.yaml"), text).unwrap();
    let (store, file) = (gap.path("low"), gap.path("mirror.yaml"));
    let run = gap.mirror(&["pull", "--store", &store, "--plain-http", &server.host(), "-f", &file]).ok();
    assert!(run.data.contains("trust root default") && run.data.contains("17 files, 17 new"), "{run:?}");
    assert!(run.data.contains("note: its timestamp expired at 2026-08-28"), "{run:?}");
    let kept = sealock_mirror::trust_root::kept::read(Path::new(&store), "default").unwrap().unwrap();
    assert!(kept.files.iter().all(|(name, bytes)| files.get(name) == Some(bytes)));
    assert_eq!(kept.root, None, "it is the root of the program");
    gap.seal("t1", &[]).refused("seal/trust-stale");
    gap.seal("t1", &["--no-trust", "default"]).ok();
}

#[test]
fn a_plan_names_what_is_carried() {
    let repository = repository();
    let Some(carried) = Carried::new(&repository) else { return };
    let file = carried.gap.path("mirror.yaml");
    let plan = carried.run("plan", &["-f", &file]).ok();
    assert_eq!(carried.server.asked(), Vec::<String>::new(), "a plan asks no repository");
    assert_eq!(plan.data, carried.run("plan", &["-f", &file]).ok().data);
    let planned = plan.json();
    let root = &planned["trustRoots"][0];
    assert_eq!((&root["name"], &root["url"]), (&"private".into(), &carried.server.url().into()));
    assert_eq!(root["rootDigest"], sha256_digest(&repository.first_root()));
    assert!(root["asks"][0].as_str().unwrap().starts_with("2.root.json"), "{root}");
    assert_eq!(planned["policies"][0]["text"], POLICY);
    // The plan is all that is needed: the files that it was made of may be gone.
    let path = carried.gap.path("plan.json");
    std::fs::write(&path, &plan.data).unwrap();
    for gone in ["first.json", "demo.yaml", "mirror.yaml"] {
        std::fs::remove_file(carried.gap.path(gone)).unwrap();
    }
    let report = carried.run("pull", &["--plan", &path, "-o", "json"]).ok().json();
    assert_eq!(report["trustRoots"][0]["fate"], "mirrored", "{report}");
    assert_eq!(report["policies"][0]["name"], "demo.yaml");
    assert_eq!(report["images"][0]["verdict"], "allow", "its policies judge what arrives: {report}");
    carried.gap.seal("t1", &[]).ok();
    // A plan whose root or policy was exchanged is none.
    for (from, to) in [("kept as it is", "kept as it was"), ("@anna", "@eve"), ("private", "Private")] {
        std::fs::write(&path, plan.data.replace(from, to)).unwrap();
        assert_eq!(carried.run("pull", &["--plan", &path]).status, 2, "{from}");
    }
}

#[test]
fn policies_are_kept_as_they_are() {
    let Some(carried) = Carried::new(&repository()) else { return };
    let kept = Path::new(&carried.gap.path("low")).join("policies/demo.yaml");
    let dry = carried.pull(&["--dry-run", "-o", "json"]).ok().json();
    assert_eq!((&dry["policies"][0]["new"], kept.exists()), (&true.into(), false));
    carried.pull(&[]).ok();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), POLICY);
    assert_eq!(carried.pull(&["-o", "json"]).ok().json()["policies"][0]["new"], false);
    let changed = POLICY.replace("kept", "changed");
    std::fs::write(carried.gap.path("demo.yaml"), &changed).unwrap();
    assert_eq!(carried.pull(&["-o", "json"]).ok().json()["policies"][0]["new"], true);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), changed);
    // A policy that is none stops the run before anything is kept.
    std::fs::write(carried.gap.path("demo.yaml"), "kind: Nothing\n").unwrap();
    assert_eq!(carried.pull(&[]).status, 2);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), changed);
    // What a killed run left half-written is no policy.
    std::fs::write(kept.with_file_name(".part.file"), "half").unwrap();
    carried.gap.seal("t1", &[]).ok();
    let report = carried.gap.import("t1", &["-o", "json"]).ok().json();
    assert_eq!(report["seal"]["brought"]["policies/demo.yaml"], sha256_digest(changed.as_bytes()));
}
