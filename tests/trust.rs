//! `sealock trust`, as a person runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
// Reason: tests read their data from files and say what they skip.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sealock_testkit::tuf::{Role, TufRepository};
use sealock_trust_root::embedded;
use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let place = std::env::var_os("SEALOCK_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus")),
        PathBuf::from,
    );
    if place.is_dir() {
        return Some(place);
    }
    eprintln!("skipped: no corpus at {}", place.display());
    None
}

/// `sealock trust` in a folder of its own, without anything of the environment.
fn sealock(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealock"))
        .arg("trust")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .output()
        .unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {} {}", text(&output.stdout), text(&output.stderr)))
}

fn codes(value: &Value) -> Vec<String> {
    value["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

fn root_text() -> &'static str {
    std::str::from_utf8(embedded::TRUSTED_ROOT).unwrap()
}

/// A private repository on disk with its first root beside it.
struct Private {
    dir: tempfile::TempDir,
    repository: TufRepository,
    sha256: String,
}

impl Private {
    fn new() -> Self {
        let repository = TufRepository::with_trusted_root(5, root_text());
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("root.json"), repository.first_root()).unwrap();
        let sha256 = repository.first_root_digest();
        let private = Self { dir, repository, sha256 };
        private.write();
        private
    }

    fn write(&self) {
        let _ = std::fs::remove_dir_all(self.dir.path().join("tuf"));
        self.repository.published().write(self.dir.path().join("tuf"));
    }

    fn update(&self, more: &[&str]) -> Output {
        let mut args = vec![
            "update",
            "--name",
            "private",
            "--root",
            "root.json",
            "--sha256",
            &self.sha256,
            "tuf",
            "-o",
            "json",
        ];
        args.extend(more);
        sealock(self.dir.path(), &args)
    }
}

#[test]
fn show_without_a_store_is_the_embedded_root() {
    let dir = tempfile::tempdir().unwrap();
    let output = sealock(dir.path(), &["show", "-o", "json", "--at", "2026-11-23T12:00:00Z"]);
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    let value = answer(&output);
    assert_eq!(value["trustRoot"]["origin"]["kind"], "embedded");
    assert_eq!(value["trustRoot"]["digest"], format!("sha256:{}", embedded::TRUSTED_ROOT_SHA256));
    assert_eq!(value["hypothetical"], true);
    let root = &value["trustRoot"]["freshness"][0];
    assert_eq!((root["role"].as_str().unwrap(), root["version"].as_u64().unwrap()), ("root", 16));
    assert_eq!(
        (root["expires"].as_str(), root["judgement"].as_str()),
        (Some("2027-04-22T19:27:31Z"), Some("fresh"))
    );
    assert_eq!(value["transparencyLogs"].as_array().unwrap().len(), 2);
    assert!(codes(&value).is_empty());
    let human = text(&sealock(dir.path(), &["show", "--at", "2026-11-23T12:00:00Z"]).stdout);
    assert!(human.contains("role          root 16, expires 2027-04-22T19:27:31Z, 150 days left"), "{human}");
    // Nothing was written.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn ages_are_judged_by_limits() {
    let dir = tempfile::tempdir().unwrap();
    let at = |time: &str, more: &[&str]| {
        let mut args = vec!["show", "-o", "json", "--at", time];
        args.extend(more);
        let output = sealock(dir.path(), &args);
        (
            status(&output),
            answer(&output)["trustRoot"]["freshness"][0]["judgement"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(at("2027-05-01T00:00:00Z", &[]), (0, "within-limit".into()));
    assert_eq!(at("2027-07-21T19:27:31Z", &[]), (3, "beyond-limit".into()));
    assert_eq!(at("2027-05-01T00:00:00Z", &["--freshness", "root=1d:deny"]), (3, "beyond-limit".into()));
    assert_eq!(at("2027-05-01T00:00:00Z", &["--freshness", "root=1d:warn"]), (0, "beyond-limit".into()));
    assert_eq!(at("2040-01-01T00:00:00Z", &["--freshness", "all=0d:note"]), (0, "beyond-limit".into()));
    let wrong = sealock(dir.path(), &["show", "--freshness", "root=soon"]);
    assert_eq!(status(&wrong), 2);
}

#[test]
fn production_repository_is_taken_in() {
    let Some(corpus) = corpus() else { return };
    let dir = tempfile::tempdir().unwrap();
    let tar = corpus.join("trust-roots/tuf-production.tar.gz");
    assert!(Command::new("tar").arg("-xzf").arg(tar).arg("-C").arg(dir.path()).status().unwrap().success());
    // Whatever day the tests run on, the age of this copy is not what is tested here.
    let limits = ["--freshness", "all=0d:note"];
    let update = |more: &[&str]| {
        sealock(dir.path(), &[&["update", "--store", "s", "tuf-production", "-o", "json"], more].concat())
    };
    let output = update(&limits);
    assert_eq!(status(&output), 0, "{}{}", text(&output.stdout), text(&output.stderr));
    let value = answer(&output);
    let changes: Vec<_> = value["changes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert!(changes.contains(&"timestamp: none -> 762, expires 2026-08-28T19:25:56Z"), "{changes:?}");
    assert!(
        !changes.iter().any(|c| c.starts_with("trusted root")),
        "the embedded one is the same: {changes:?}"
    );
    assert!(codes(&value).contains(&"trust/role-expired".to_owned()));
    // Again: nothing new.
    assert_eq!(answer(&update(&limits))["changes"].as_array().unwrap().len(), 0);
    // With TUF's own rule it is too old, and that is no denial but nothing decided.
    assert_eq!(status(&update(&["--freshness", "timestamp=0d:deny"])), 3);
    let shown =
        answer(&sealock(dir.path(), &[&["show", "--store", "s", "-o", "json"][..], &limits].concat()));
    assert_eq!(shown["trustRoot"]["origin"]["kind"], "tuf");
    assert_eq!(shown["trustRoot"]["freshness"].as_array().unwrap().len(), 5);

    // Withholding root 16 is harmless here: it came with the program, not from this repository.
    let metadata = dir.path().join("tuf-production/metadata");
    std::fs::remove_file(metadata.join("16.root.json")).unwrap();
    assert_eq!(status(&update(&limits)), 0);
    // An unreadable file is not an absent one.
    std::fs::create_dir(metadata.join("17.root.json")).unwrap();
    let output = update(&limits);
    assert_eq!(
        (status(&output), codes(&answer(&output))),
        (3, vec!["trust/repository-unreadable".to_owned()])
    );
    std::fs::remove_dir(metadata.join("17.root.json")).unwrap();
    std::os::unix::fs::symlink("15.root.json", metadata.join("17.root.json")).unwrap();
    assert_eq!(status(&update(&limits)), 3);
}

#[test]
fn rollback_has_its_own_code_and_changes_nothing() {
    let mut private = Private::new();
    private.repository.publish_next();
    private.write();
    let output = private.update(&[]);
    assert_eq!(status(&output), 0, "{}", text(&output.stdout));
    let kept = std::fs::read(private.dir.path().join(".local/share/sealock/store/trust/roots/private.json"))
        .unwrap();

    private.repository.roll_back(Role::Targets, 1);
    private.write();
    let output = private.update(&[]);
    let value = answer(&output);
    assert_eq!((status(&output), codes(&value)), (1, vec!["trust/rollback".to_owned()]));
    assert_eq!(value["findings"][0]["expected"], "at least version 2");
    assert_eq!(value["findings"][0]["found"], "version 1");
    let store = private.dir.path().join(".local/share/sealock/store/trust");
    assert_eq!(std::fs::read(store.join("roots/private.json")).unwrap(), kept);
    assert_eq!(text(&std::fs::read(store.join("history.jsonl")).unwrap()).lines().count(), 1);
}

#[test]
fn root_withheld_and_rotation_reported() {
    let mut private = Private::new();
    assert_eq!(status(&private.update(&[])), 0);
    private.repository.rotate_key(Role::Timestamp, 0);
    private.repository.publish_next_root();
    private.repository.publish_next();
    private.write();
    let output = private.update(&[]);
    assert_eq!(status(&output), 0);
    assert!(codes(&answer(&output)).contains(&"trust/floor-reset".to_owned()));
    let whole = private.repository.published();
    std::fs::remove_dir_all(private.dir.path().join("tuf")).unwrap();
    whole.without_root(2).write(private.dir.path().join("tuf"));
    let output = private.update(&[]);
    assert_eq!((status(&output), codes(&answer(&output))), (1, vec!["trust/root-withheld".to_owned()]));
}

#[test]
fn a_private_root_needs_its_digest_and_keeps_it() {
    let private = Private::new();
    let dir = private.dir.path();
    // Without a first root of its own it does not chain from the embedded one.
    let output = sealock(dir, &["update", "--name", "private", "tuf", "-o", "json"]);
    assert_eq!((status(&output), codes(&answer(&output))), (1, vec!["trust/repository-invalid".to_owned()]));
    let wrong = "0".repeat(64);
    let output = sealock(
        dir,
        &["update", "--name", "private", "--root", "root.json", "--sha256", &wrong, "tuf", "-o", "json"],
    );
    assert_eq!((status(&output), codes(&answer(&output))), (1, vec!["trust/digest-mismatch".to_owned()]));
    assert_eq!(status(&sealock(dir, &["update", "--root", "root.json", "tuf"])), 2);
    assert_eq!(status(&sealock(dir, &["update", "no-such-folder"])), 2);
    assert_eq!(status(&sealock(dir, &["update", "."])), 2);

    assert_eq!(status(&private.update(&[])), 0);
    // From now on the name knows its first root.
    assert_eq!(status(&sealock(dir, &["update", "--name", "private", "tuf"])), 0);
    let other = TufRepository::with_trusted_root(6, root_text());
    std::fs::write(dir.join("other.json"), other.first_root()).unwrap();
    let digest = other.first_root_digest();
    let output = sealock(
        dir,
        &["update", "--name", "private", "--root", "other.json", "--sha256", &digest, "tuf", "-o", "json"],
    );
    assert_eq!((status(&output), codes(&answer(&output))), (2, vec!["trust/pinned-otherwise".to_owned()]));
}

#[test]
fn adopt_by_digest() {
    let dir = tempfile::tempdir().unwrap();
    let edited = root_text().replace("https://rekor.sigstore.dev", "https://rekor.example.com/\\u001b[31m");
    std::fs::write(dir.path().join("root.json"), &edited).unwrap();
    let digest = hex_digest(edited.as_bytes());
    let adopt = |sha256: &str, more: &[&str]| {
        sealock(dir.path(), &[&["adopt", "root.json", "--sha256", sha256, "-o", "json"], more].concat())
    };
    assert_eq!(status(&adopt("abc", &[])), 2);
    assert_eq!(status(&adopt(&digest.to_uppercase(), &[])), 2);
    let output = adopt(embedded::TRUSTED_ROOT_SHA256, &[]);
    assert_eq!((status(&output), codes(&answer(&output))), (1, vec!["trust/digest-mismatch".to_owned()]));
    assert_eq!(
        answer(&sealock(dir.path(), &["show", "-o", "json"]))["trustRoot"]["origin"]["kind"],
        "embedded"
    );

    let output = adopt(&format!("sha256:{digest}"), &["--name", "mine"]);
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    assert_eq!(
        answer(&sealock(dir.path(), &["show", "-o", "json"]))["trustRoot"]["origin"]["kind"],
        "embedded"
    );
    let shown = answer(&sealock(dir.path(), &["show", "--name", "mine", "-o", "json"]));
    assert_eq!(shown["trustRoot"]["digest"], format!("sha256:{digest}"));
    assert_eq!(status(&adopt(&digest, &[])), 0);
    let human = text(&sealock(dir.path(), &["show"]).stdout);
    assert!(human.contains("adopted by its digest") && human.contains("\\u{1b}[31m"), "{human}");
    let output = sealock(dir.path(), &["show", "--name", "other", "-o", "json"]);
    assert_eq!((status(&output), codes(&answer(&output))), (2, vec!["trust/unknown-name".to_owned()]));

    let history = answer(&sealock(dir.path(), &["history", "-o", "json"]));
    let names: Vec<_> =
        history["entries"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["mine", "default"]);
    assert!(text(&sealock(dir.path(), &["history"]).stdout).starts_with("1 20"));

    std::fs::write(dir.path().join("no.json"), "{}").unwrap();
    let output = sealock(dir.path(), &["adopt", "no.json", "--sha256", &hex_digest(b"{}"), "-o", "json"]);
    assert_eq!((status(&output), codes(&answer(&output))), (1, vec!["trust/root-document".to_owned()]));
}

#[test]
fn githubs_root_is_adopted_not_updated() {
    let Some(corpus) = corpus() else { return };
    let private = Private::new();
    let root = std::fs::read(corpus.join("trust-roots/roots/github-9.root.json")).unwrap();
    std::fs::write(private.dir.path().join("github.json"), &root).unwrap();
    let digest = hex_digest(&root);
    let output = sealock(
        private.dir.path(),
        &["update", "--name", "github", "--root", "github.json", "--sha256", &digest, "tuf", "-o", "json"],
    );
    let value = answer(&output);
    assert_eq!((status(&output), codes(&value)), (1, vec!["trust/key-ids".to_owned()]));
    assert!(value["findings"][0]["remedy"].as_str().unwrap().contains("sealock trust adopt"));
    let file = corpus.join("trust-roots/trusted_root.github.json");
    let digest = hex_digest(&std::fs::read(&file).unwrap());
    let output = sealock(
        private.dir.path(),
        &["adopt", file.to_str().unwrap(), "--sha256", &digest, "--name", "github"],
    );
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
}

#[test]
fn a_state_that_cannot_be_read_decides_nothing() {
    let private = Private::new();
    assert_eq!(status(&private.update(&[])), 0);
    let record = private.dir.path().join(".local/share/sealock/store/trust/roots/private.json");
    let whole = std::fs::read_to_string(&record).unwrap();
    let show = || sealock(private.dir.path(), &["show", "--name", "private", "-o", "json"]);
    std::fs::write(&record, &whole[..whole.len() / 2]).unwrap();
    assert_eq!((status(&show()), codes(&answer(&show()))), (3, vec!["trust/state-damaged".to_owned()]));
    assert_eq!(status(&private.update(&[])), 3);
    let emptied = {
        let mut value: Value = serde_json::from_str(&whole).unwrap();
        value["floor"] = "{}".into();
        value.to_string()
    };
    std::fs::write(&record, emptied).unwrap();
    assert_eq!((status(&show()), codes(&answer(&show()))), (3, vec!["trust/unreadable-floor".to_owned()]));
    assert_eq!(status(&private.update(&[])), 3);
    std::fs::write(&record, &whole).unwrap();
    let objects = record.parent().unwrap().parent().unwrap().join("objects");
    std::fs::write(objects.join(embedded::TRUSTED_ROOT_SHA256), "{}").unwrap();
    assert_eq!((status(&show()), codes(&answer(&show()))), (1, vec!["trust/not-authentic".to_owned()]));
}

#[test]
fn show_a_named_file_or_repository() {
    let Some(corpus) = corpus() else { return };
    let dir = tempfile::tempdir().unwrap();
    let show =
        |path: &Path| sealock(dir.path(), &["show", "-o", "json", "--trusted-root", path.to_str().unwrap()]);
    let staging = answer(&show(&corpus.join("trust-roots/trusted_root.staging.json")));
    assert_eq!(staging["trustRoot"]["origin"]["kind"], "file");
    assert_eq!(staging["transparencyLogs"].as_array().unwrap().len(), 5);
    assert_eq!(status(&show(&dir.path().join("absent.json"))), 2);
    let tar = corpus.join("trust-roots/tuf-production.tar.gz");
    assert!(Command::new("tar").arg("-xzf").arg(tar).arg("-C").arg(dir.path()).status().unwrap().success());
    let production = answer(&show(&dir.path().join("tuf-production")));
    assert_eq!(production["trustRoot"]["origin"]["kind"], "directory");
    assert_eq!(production["trustRoot"]["freshness"][1]["version"], 762);
}

#[test]
fn lint_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let edited = root_text().replace("MCowBQYDK2VwAyEAt8rlp1knGwjfbcXAYPYAkn0XiLz1x8O4t0YkEhie244=", "AAAA");
    assert_ne!(edited, root_text());
    std::fs::write(dir.path().join("root.json"), edited).unwrap();
    let output = sealock(dir.path(), &["show", "-o", "json", "--trust-root", "root.json"]);
    let value = answer(&output);
    assert_eq!((status(&output), codes(&value)), (0, vec!["trust/part-unusable".to_owned()]));
    assert_eq!(value["transparencyLogs"].as_array().unwrap().len(), 1);
}

/// Killed at any moment: what is in force is whole, the floor holds, and the history is sound.
#[test]
fn update_survives_kills() {
    let mut private = Private::new();
    let dir = private.dir.path().to_owned();
    let store = dir.join(".local/share/sealock/store/trust");
    let mut newest = 0;
    for round in 0..60_u64 {
        private.repository.publish_next();
        private.write();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealock"))
            .args(["trust", "update", "tuf", "--name", "private", "--root", "root.json", "--sha256"])
            .arg(&private.sha256)
            .current_dir(&dir)
            .env_clear()
            .env("HOME", &dir)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_micros(round * 997 % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();
        if !store.join("roots/private.json").exists() {
            continue;
        }
        let shown = sealock(&dir, &["show", "--name", "private", "-o", "json"]);
        assert_eq!(status(&shown), 0, "{}", text(&shown.stdout));
        let version = answer(&shown)["trustRoot"]["freshness"][1]["version"].as_u64().unwrap();
        assert!(version >= newest, "{version} after {newest}");
        newest = version;
        assert_eq!(status(&sealock(&dir, &["history"])), 0);
    }
    assert_eq!(status(&private.update(&[])), 0);
    let history = answer(&sealock(&dir, &["history", "-o", "json"]));
    assert_eq!(history["torn"], false);
    let record = std::fs::read(store.join("roots/private.json")).unwrap();
    assert_eq!(history["entries"].as_array().unwrap().last().unwrap()["record"], hex_digest(&record));
    for folder in ["roots", "objects"] {
        for entry in std::fs::read_dir(store.join(folder)).unwrap() {
            assert!(!entry.unwrap().file_name().to_string_lossy().starts_with(".part-"));
        }
    }
}

#[test]
fn remaining_refusals_have_their_codes() {
    let mut private = Private::new();
    let code = |output: &Output| (status(output), codes(&answer(output)));

    // No folder for temporary files.
    let output = Command::new(env!("CARGO_BIN_EXE_sealock"))
        .args([
            "trust",
            "update",
            "tuf",
            "-o",
            "json",
            "--name",
            "private",
            "--root",
            "root.json",
            "--sha256",
        ])
        .arg(&private.sha256)
        .current_dir(private.dir.path())
        .env_clear()
        .env("HOME", private.dir.path())
        .env("TMPDIR", private.dir.path().join("absent"))
        .output()
        .unwrap();
    assert_eq!(code(&output), (3, vec!["trust/system".to_owned()]));

    // A repository of something else.
    private.repository.targets.clear();
    private.repository.publish_next();
    private.write();
    assert_eq!(code(&private.update(&[])), (1, vec!["trust/no-trusted-root".to_owned()]));

    // Endless roots.
    private.repository = TufRepository::with_trusted_root(5, root_text());
    for _ in 0..1030 {
        private.repository.publish_next_root();
    }
    private.write();
    assert_eq!(code(&private.update(&[])), (1, vec!["trust/limit-exceeded".to_owned()]));

    // A root long past its limit.
    let output = sealock(private.dir.path(), &["show", "--at", "2030-01-01T00:00:00Z", "-o", "json"]);
    assert_eq!(code(&output), (3, vec!["trust/root-expired".to_owned()]));

    // A log that stands twice.
    let mut value: Value = serde_json::from_str(root_text()).unwrap();
    let log = value["tlogs"][0].clone();
    value["tlogs"].as_array_mut().unwrap().push(log);
    std::fs::write(private.dir.path().join("twice.json"), value.to_string()).unwrap();
    let output = sealock(private.dir.path(), &["show", "--trust-root", "twice.json", "-o", "json"]);
    assert_eq!(code(&output), (0, vec!["trust/part-remarkable".to_owned()]));

    // A folder where a file belongs.
    let roots = private.dir.path().join(".local/share/sealock/store/trust/roots");
    std::fs::create_dir_all(roots.join("other.json")).unwrap();
    let output = sealock(private.dir.path(), &["show", "--name", "other", "-o", "json"]);
    assert_eq!(code(&output), (3, vec!["trust/state-unreadable".to_owned()]));
}

#[test]
fn roots_for_verdicts() {
    use sealock::cli::trust::{trust_root_given, trust_root_in_force, trust_root_named};
    let private = Private::new();
    assert_eq!(status(&private.update(&["--store", "s"])), 0);
    let store = private.dir.path().join("s");
    assert_eq!(trust_root_in_force(None).unwrap().roles.len(), 1);
    assert_eq!(trust_root_in_force(Some(&store)).unwrap().roles.len(), 1);
    assert_eq!(trust_root_named(&store, "private").unwrap().roles.len(), 5);
    assert!(trust_root_named(&store, "absent").is_err());
    let file = private.dir.path().join("a=b.json");
    std::fs::write(&file, root_text()).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(trust_root_given(path).unwrap().0, None);
    assert_eq!(trust_root_given(&format!("mine={path}")).unwrap().0.as_deref(), Some("mine"));
    // A repository that does not chain from the embedded root is none.
    assert!(trust_root_given(private.dir.path().join("tuf").to_str().unwrap()).is_err());
}

#[test]
fn codes_are_named_and_documented() {
    for code in sealock::trust::codes::ALL {
        assert!(code.name.starts_with("trust/"), "{}", code.name);
        assert!(
            code.name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'/' | b'-')),
            "{}",
            code.name
        );
        assert!(!code.meaning.is_empty() && !code.remedy.is_empty());
    }
}

fn hex_digest(bytes: &[u8]) -> String {
    hex::encode(sealock::crypto::sha256(bytes))
}
