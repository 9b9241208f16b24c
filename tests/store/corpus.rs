//! Every layout of the corpus is imported, is clean, is listed, and gives the same answers from everywhere.

use std::path::{Path, PathBuf};

use sealock::image::Digest;
use sealock::store::{Channel, LayoutDirectory, Source, Store, fsck};

use crate::shop::{Shop, run, run_json};

/// The corpus' folder; nothing, and a remark, where it is absent.
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("SEALOCK_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus")),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    let () = eprintln!("skipped: no corpus in {}", folder.display());
    None
}

/// Every folder below `folder` that holds an `oci-layout`.
fn layouts(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("oci-layout").is_file() {
        found.push(folder.to_owned());
        return;
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            layouts(&path, found);
        }
    }
}

#[test]
fn every_layout_is_imported_clean_and_listed() {
    let Some(corpus) = corpus() else { return };
    let mut found = Vec::new();
    for part in
        ["verdicts/layouts", "private-sigstore", "cosign-v3-layouts", "oci-layouts", "admission-vectors"]
    {
        layouts(&corpus.join(part), &mut found);
    }
    assert!(found.len() > 90, "{}", found.len());
    // All into one store as well: they must not get into each other's way.
    let all = Shop::new();
    for layout in found {
        let bundle = layout.to_str().unwrap();
        let shop = Shop::new();
        for store in [shop.store(), all.store()] {
            let imported = run(&["import", "--store", &store, bundle]);
            assert_eq!(imported.status, 0, "{bundle}: {}", imported.notes);
        }
        let check = fsck(&shop.root()).unwrap();
        assert!(check.clean && check.findings.is_empty(), "{bundle}: {check:?}");
        let listed = run_json(&["store", "ls", "-o", "json", "--store", &shop.store()]);
        let listed = listed["entries"].as_array().unwrap().clone();
        let raw = std::fs::read(layout.join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&raw).unwrap();
        let directory = LayoutDirectory::open(&layout).unwrap();
        let store = Store::open(&shop.root()).unwrap();
        for entry in index["manifests"].as_array().unwrap() {
            let digest = entry["digest"].as_str().unwrap();
            let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str();
            assert!(
                listed.iter().any(|l| l["digest"] == digest && name.is_none_or(|n| l["name"] == n)),
                "{bundle}: {digest} {name:?}"
            );
            let repository = name.and_then(|n| n.rsplit_once(':')).map_or("", |(repository, _)| repository);
            let digest: Digest = digest.parse().unwrap();
            assert_eq!(
                store.attachments(repository, &digest).unwrap(),
                directory.attachments(repository, &digest).unwrap(),
                "{bundle}"
            );
        }
    }
    assert!(fsck(&all.root()).unwrap().clean);
}

#[test]
fn evidence_of_the_corpus_is_found() {
    let Some(corpus) = corpus() else { return };
    let channels = |layout: &str, repository: &str, digest: &str| -> Vec<Channel> {
        let directory = LayoutDirectory::open(&corpus.join(layout)).unwrap();
        let found = directory.attachments(repository, &digest.parse().unwrap()).unwrap();
        found.into_iter().map(|a| a.channel).collect()
    };
    // `cosign save`: bundles as loose blobs, classic evidence without names.
    let saved = std::fs::read_to_string(corpus.join("private-sigstore/saved/cases.jsonl")).unwrap();
    let mut cases = 0;
    for line in saved.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let layout = case["saved"].as_str().unwrap();
        let digest = case["image"].as_str().unwrap().rsplit_once('@').unwrap().1;
        let found = channels(&format!("private-sigstore/{layout}"), "any.example/x", digest);
        assert!(!found.is_empty(), "{case}");
        cases += 1;
    }
    assert!(cases > 0);
    // The index is not signed, only one of its children is.
    let child = "sha256:468e616d599f9ffb309962e3ebb9c2ef67c9b97fee7449375a18a580ced1d71c";
    let index = "sha256:c3a6e0eae3b5359d92880d7c84d6dec619d614d5e93489001210533509aaebad";
    let app = |digest| channels("cosign-v3-layouts/child-only-keyed", "registry.example/acme/app-c", digest);
    assert_eq!(app(child), [Channel::Referrer]);
    assert!(app(index).is_empty());
}
