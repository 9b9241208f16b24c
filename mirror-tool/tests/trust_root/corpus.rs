//! Real repositories over loopback: the public-good one, and every case that python-tuf judged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealock_mirror::pull::commit::Fate;
use sealock_mirror::trust_root::keep::Wanted;
use serde_json::Value;

use crate::keeping::{Keeping, NAME, now};
use crate::{Shop, below, serve};

fn place() -> Option<PathBuf> {
    let corpus = std::env::var_os("SEALOCK_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"), PathBuf::from);
    if corpus.is_dir() {
        return Some(corpus);
    }
    eprintln!("skipped: no corpus at {}", corpus.display());
    None
}

/// As published: metadata at the root, targets below `targets/`.
fn published(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = below(folder).into_iter();
    files.map(|(name, bytes)| (name.strip_prefix("metadata/").unwrap_or(&name).to_owned(), bytes)).collect()
}

fn production(corpus: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let archive = corpus.join("trust-roots/tuf-production.tar.gz");
    let tar = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(tar.success());
    published(&folder.path().join("tuf-production"))
}

#[test]
fn the_public_good_repository() {
    let Some(corpus) = place() else { return };
    let files = production(&corpus);
    let shop = Shop::new(sealock_trust_root::embedded::TUF_ROOT.to_vec());
    serve(&shop.registry, &files);
    let run = shop.run();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let taken = below(&shop.taken());
    assert!(taken.keys().any(|name| name.ends_with(".trusted_root.json")));
    for (name, bytes) in &taken {
        assert_eq!(Some(bytes), files.get(name), "{name}");
    }
}

/// Every file from the pinned root on, byte for byte, with all delegations and targets.
#[test]
fn the_public_good_repository_is_kept_whole() {
    let Some(corpus) = place() else { return };
    let files = production(&corpus);
    let keeping = Keeping::new(files["1.root.json"].clone());
    keeping.server.publish_files(&files);
    let wanted = Wanted { root: None, ..keeping.wanted() };
    let report = keeping.keep_as(&wanted);
    assert_eq!(report.fate, Fate::Mirrored, "{report:?}");
    let kept = keeping.files();
    let older = |name: &str| {
        name.strip_suffix(".root.json").and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n < 16)
    };
    let expected: BTreeMap<_, _> = files.into_iter().filter(|(name, _)| !older(name)).collect();
    assert_eq!(kept.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(kept == expected, "byte for byte");
    assert!(kept.keys().any(|name| name.starts_with("targets/registry.npmjs.org/")));
    // By November its timestamp and a delegation have ended. It is kept, and that is said.
    assert_eq!(report.expired, ["timestamp", "delegation registry.npmjs.org"], "{report:?}");
    assert_eq!(report.roles["root"].version, 16);
    for name in expected.keys().filter(|name| *name != "16.root.json") {
        assert_eq!(keeping.server.count(name), 1, "{name} is asked for once");
    }
}

/// What `pull` keeps and `seal` finds fresh is what python-tuf accepts: python-tuf refuses what has expired at once.
#[test]
fn cases_over_loopback_as_python_tuf_judges_them() {
    let Some(corpus) = place() else { return };
    let folder = corpus.join("private-sigstore/trust/tuf");
    let cases = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        let steps: Vec<_> =
            case["update_from"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
        let first = published(&folder.join(steps[0]))["1.root.json"].clone();
        let keeping = Keeping::new(first);
        let mut report = None;
        for (at, step) in steps.iter().enumerate() {
            keeping.server.publish_files(&published(&folder.join(step)));
            let now = keeping.keep();
            assert!(at + 1 == steps.len() || now.fate == Fate::Mirrored, "{id}: {step}: {now:?}");
            report = Some(now);
        }
        let report = report.unwrap();
        let fresh = report.roles.values().all(|role| role.expires > now());
        let accepts = report.fate == Fate::Mirrored && fresh;
        let python = case["python_tuf"].as_str().unwrap();
        assert_eq!(accepts, python.starts_with("accept"), "{id}: {python}: {report:?}");
        assert_ne!(report.fate, Fate::Unknown, "{id}: every file can be read: {report:?}");
        *(if accepts { &mut accepted } else { &mut refused }) += 1;
    }
    assert!(accepted >= 5 && refused >= 10, "{accepted} accepted, {refused} refused, under {NAME}");
}
