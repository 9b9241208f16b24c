//! The verifier never dials: every verdict is given under a filter that kills on `socket(2)` and `connect(2)`, and in
//! a network namespace without an interface that is up. And only the rooms that must touch the system can.
//!
//! `$SEALOCK_BIN` names another binary than the one built for the tests: `.ci/boundary` gives the one that is shipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests read the project's own sources and write into temporary folders"
)]

mod corpus;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealock_testkit::{Layer, Layout, Subject};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boundary/filter.py");
/// The signal of a system call that a filter forbids.
const SIGSYS: i32 = 31;
const WORKFLOW: &str =
    "https://github.com/chainguard-images/images/.github/workflows/release.yaml@refs/heads/main";

fn binary() -> PathBuf {
    std::env::var_os("SEALOCK_BIN").map_or_else(|| env!("CARGO_BIN_EXE_sealock").into(), PathBuf::from)
}

/// Runs a program behind `wall`, a command that takes another one.
fn behind(wall: &[&str], program: &Path, arguments: &[&str], directory: &Path) -> Output {
    let mut words: Vec<&str> = wall.to_vec();
    words.push(program.to_str().unwrap());
    words.extend(arguments);
    Command::new(words[0])
        .args(&words[1..])
        .current_dir(directory)
        .env_remove("SEALOCK_STORE")
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}", words[0]))
}

/// What a run came to: exit status and standard output.
type Answer = (Option<i32>, String);

/// Every kind of verdict over the committed example and, where the corpus is, over the guide's genuine signatures.
fn answers(wall: &[&str]) -> BTreeMap<String, Answer> {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = BTreeMap::new();
    let mut ask = |label: &str, arguments: &[&str]| {
        let output = behind(wall, &binary(), arguments, folder.path());
        assert_eq!(output.status.signal(), None, "{label}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        // A new store has a new id each time.
        let text = if label.ends_with("init") { String::new() } else { text };
        answers.insert(label.to_owned(), (output.status.code(), text));
    };

    let example = |rest: &str| format!("{ROOT}/examples/quickstart/{rest}");
    let (root, policy) = (example("trusted_root.json"), example("policy.yaml"));
    let signed = format!("oci:{}:registry.example.com/demo/app:1.0", example("layout"));
    let unsigned = format!("oci:{}:registry.example.com/demo/unsigned:1.0", example("layout"));
    let at = ["--at", "2026-01-01T00:00:00Z"];
    let with_policy = [&["verify", "--trust-root", &root, "--policy", &policy], at.as_slice()].concat();
    ask("example signed", &[with_policy.as_slice(), &[&signed]].concat());
    ask("example unsigned", &[with_policy.as_slice(), &[&unsigned]].concat());
    ask("example without policy", &[&["verify", "--trust-root", &root], at.as_slice(), &[&signed]].concat());
    ask(
        "example under the wrong root",
        &[&["verify", "--policy", &policy], at.as_slice(), &[&signed]].concat(),
    );
    ask("example inspect", &["inspect", &signed]);
    ask("example tree", &["tree", &signed]);
    ask("store init", &["store", "init", "--store", "made"]);
    ask("store import", &["import", "--store", "made", &example("layout")]);
    ask("store ls", &["store", "ls", "--store", "made"]);
    ask(
        "store signed",
        &[with_policy.as_slice(), &["--store", "made", "registry.example.com/demo/app:1.0"]].concat(),
    );

    if let Some(images) = write_guide(folder.path()) {
        ask("guide init", &["store", "init", "--store", "guide"]);
        ask("guide import", &["import", "--store", "guide", "layout"]);
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        for (label, policy) in [("own", Some("own.yaml")), ("other", Some("other.yaml")), ("none", None)] {
            let mut words = [&["verify", "--store", "guide"], at.as_slice()].concat();
            words.extend(policy.iter().flat_map(|policy| ["--policy", policy]));
            words.extend(&images);
            ask(&format!("guide {label}"), &words);
        }
    }
    answers
}

/// The guide's genuine signatures as a layout, and its policy twice: as it is, and with another branch.
fn write_guide(folder: &Path) -> Option<Vec<String>> {
    let mut layout = Layout::new();
    let mut images = Vec::new();
    for row in corpus::signatures()?.into_iter().filter(|row| row.identity == WORKFLOW) {
        let (signed_as, _) = row.image.split_once('@').unwrap_or((&row.image, ""));
        let repository = signed_as.replace("ghcr.io/chainguard-images", "cgr.dev/chainguard");
        images.push(format!("{repository}@{}", row.manifest_digest));
        let layer = Layer {
            media_type: "application/vnd.dev.cosign.simplesigning.v1+json".to_owned(),
            blob: STANDARD.decode(&row.payload_b64).unwrap(),
            annotations: BTreeMap::from([
                ("dev.cosignproject.cosign/signature".to_owned(), row.signature),
                ("dev.sigstore.cosign/certificate".to_owned(), row.certificate_pem),
                ("dev.sigstore.cosign/bundle".to_owned(), row.bundle.to_string()),
            ]),
        };
        layout = layout.signature(Subject::absent(&repository, &row.manifest_digest), &layer);
    }
    images.sort();
    images.dedup();
    assert!(images.len() > 20, "the guide's signatures are in the corpus");
    layout.write(folder.join("layout"));
    std::fs::write(folder.join("own.yaml"), guide(WORKFLOW)).unwrap();
    std::fs::write(folder.join("other.yaml"), guide(&WORKFLOW.replace("/main", "/other"))).unwrap();
    Some(images)
}

fn guide(subject: &str) -> String {
    format!(
        "apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: chainguard-images-are-signed
spec:
  images:
    - glob: cgr.dev/chainguard/**
  authorities:
    - keyless:
        url: https://fulcio.sigstore.dev
        identities:
          - issuer: https://token.actions.githubusercontent.com
            subject: {subject}
      ctlog:
        url: https://rekor.sigstore.dev
"
    )
}

/// The answers themselves are right, so that two equal lists of failures never pass.
fn assert_right(answers: &BTreeMap<String, Answer>) {
    for (label, status) in [
        ("example signed", 0),
        ("example unsigned", 3),
        ("example without policy", 1),
        ("example under the wrong root", 1),
        ("example inspect", 0),
        ("example tree", 0),
        ("store init", 0),
        ("store import", 0),
        ("store ls", 0),
        ("store signed", 0),
    ] {
        assert_eq!(answers[label].0, Some(status), "{label}: {}", answers[label].1);
    }
    if answers.contains_key("guide init") {
        for (label, status) in [("init", 0), ("import", 0), ("own", 0), ("other", 1), ("none", 1)] {
            let answer = &answers[&format!("guide {label}")];
            assert_eq!(answer.0, Some(status), "guide {label}: {}", answer.1);
        }
    }
}

#[test]
fn every_verdict_under_a_filter_that_kills_on_dialling() {
    let wall = ["python3", FILTER];
    let here = Path::new(ROOT);
    // The filter kills, and it kills for this reason only.
    for door in [
        "import socket; socket.socket()",
        "import ctypes; ctypes.CDLL(None).connect(-1, None, 0)",
        "import ctypes; ctypes.CDLL(None).syscall(425, 1, None)",
    ] {
        let killed = behind(&wall, Path::new("python3"), &["-c", door], here);
        assert_eq!(killed.status.signal(), Some(SIGSYS), "{door}: {killed:?}");
    }
    let spared = behind(&wall, Path::new("python3"), &["-c", "print('spared')"], here);
    assert_eq!((spared.status.code(), spared.stdout.as_slice()), (Some(0), b"spared\n".as_slice()));

    let walled = answers(&wall);
    assert_right(&walled);
    assert_eq!(walled, answers(&[]));
}

#[test]
fn every_verdict_in_a_namespace_without_an_interface() {
    let here = Path::new(ROOT);
    let walls: [&[&str]; 2] = [&["unshare", "--net", "--"], &["unshare", "--net", "--map-root-user", "--"]];
    let Some(wall) =
        walls.into_iter().find(|wall| behind(wall, Path::new("true"), &[], here).status.success())
    else {
        println!("skipped: this user may not make a network namespace");
        return;
    };
    // Outside, even the loopback interface answers; inside, nothing does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dial = format!(
        "import socket; socket.create_connection(('127.0.0.1', {}), 5)",
        listener.local_addr().unwrap().port()
    );
    let python = Path::new("python3");
    assert!(behind(&["env"], python, &["-c", &dial], here).status.success(), "a connection outside");
    assert!(!behind(wall, python, &["-c", &dial], here).status.success(), "no connection inside");
    let routes = behind(wall, Path::new("cat"), &["/proc/net/route"], here);
    let routes = String::from_utf8(routes.stdout).unwrap();
    assert!(routes.lines().count() <= 1, "a heading at most, and no route: {routes}");

    let walled = answers(wall);
    assert_right(&walled);
    assert_eq!(walled, answers(&[]));
}

/// Files below a folder of the project whose names end in `.rs`, by path relative to the project.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![Path::new(ROOT).join(folder)];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// Rooms that may call the methods that `clippy.toml` forbids, each with one allow at its door.
const ROOMS_WITH_A_DOOR: [&str; 3] = ["src/cli/mod.rs", "src/store/mod.rs", "trust-root/src/disk/mod.rs"];

#[test]
fn only_these_rooms_touch_the_system() {
    let all = sources("src").into_iter().chain(sources("trust-root/src"));
    let doors: Vec<String> =
        all.filter(|(_, text)| text.contains("disallowed_methods")).map(|(name, _)| name).collect();
    assert_eq!(doors, ROOMS_WITH_A_DOOR);
    for door in &doors {
        let text = std::fs::read_to_string(Path::new(ROOT).join(door)).unwrap();
        assert_eq!(text.matches("disallowed_methods").count(), 1, "{door}: one allow");
        let (before, line) = text.split_once("#![allow(clippy::disallowed_methods").unwrap();
        let reasoned = before.lines().last().is_some_and(|l| l.starts_with("// Reason:"));
        assert!(reasoned || line.starts_with(", reason = \""), "{door}: the allow gives its reason");
    }
}

#[test]
fn pure_rooms_name_nothing_impure() {
    const PURE: [&str; 9] =
        ["crypto", "decision", "evidence", "image", "policy", "report", "seal", "trust", "verify"];
    const IMPURE: [&str; 16] = [
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "UnixListener",
        "ToSocketAddrs",
        "std::env",
        "std::process",
        "std::os",
        "std::thread",
        "SystemTime",
        "Instant",
        "Timestamp::now",
        "tokio::",
        "rusqlite",
    ];
    let mut read = 0;
    for room in PURE {
        for (name, text) in sources(&format!("src/{room}")) {
            // Unit tests stand at the end of a file.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for word in IMPURE {
                    assert!(!line.contains(word), "{name}: {line}");
                }
            }
            read += 1;
        }
    }
    assert!(read > 30, "the rooms were read");
    let door = &sources("src/store")["src/store/files.rs"];
    assert!(IMPURE.iter().any(|word| door.contains(word)), "the words are those that real code uses");
}
