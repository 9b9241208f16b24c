//! Every layout of the corpus (those of a private Sigstore, and those behind policy-controller's verdicts) in a registry,
//! then `pull`, `seal`, `import` into a store that pins the operators, and judged there as where it lies.
//!
//! `SEALOCK_LAYOUT_ROWS=all` asks every row; without it every seventh, and the first of each layout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests read the corpus and say what they skip"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use sealock_testkit::registry::{Options, Registry};
use serde_json::Value;

#[path = "corpus_layouts/answers.rs"]
mod answers;
#[path = "../../tests/corpus/cosign.rs"]
mod cosign;
#[allow(dead_code, reason = "each test target uses its part")]
#[path = "seal/gap.rs"]
mod gap;
#[allow(dead_code, reason = "each test target uses its part")]
#[path = "../../tests/seal/hands.rs"]
mod hands;
#[path = "corpus_layouts/layouts.rs"]
mod layouts;
#[path = "corpus_layouts/rows.rs"]
mod rows;

use answers::{Answer, AsItLies};
use gap::{Gap, Run};
use layouts::CorpusLayout;
use rows::Row;

/// Rows whose answer differs on purpose, each with the reason. In all others nothing may differ but that the ledger proves
/// to be absent what a layout can only not have.
const EXCEPTIONS: [(&str, Answering, &str); 1] = [(
    "bundle/source-ignored",
    Answering::Referrers,
    "a referrer without a fallback list hangs on its digest in every repository, so `source` finds it as upstream does",
)];

const ELSEWHERE: &str = "apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: elsewhere}
spec:
  images: [{glob: registry.example.com/keyed/**}]
  authorities:
  - keyless: {identities: [{issuerRegExp: .*, subjectRegExp: .*}]}
    source: [{oci: registry.example.com/keyed/src-sigs}]
";

/// How the registry tells what refers to a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answering {
    /// By the fallback tags that the layouts hold.
    Fallbacks,
    /// By the referrers API; fallback tags are left only on digests that it has no manifest of.
    Referrers,
}

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("SEALOCK_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    println!("skipped: no corpus at {} and SEALOCK_CORPUS is not set", folder.display());
    None
}

/// Layouts by name, and the rows about them. The names of the two sets do not meet.
struct Cases {
    layouts: BTreeMap<String, CorpusLayout>,
    rows: Vec<Row>,
}

impl Cases {
    fn new(corpus: &Path) -> Self {
        let mut layouts = CorpusLayout::all(&corpus.join("private-sigstore/layouts"));
        let behind = CorpusLayout::all(&corpus.join("verdicts/layouts"));
        assert_eq!((layouts.len(), behind.len()), (98, 5), "layouts");
        layouts.extend(behind);
        let mut rows = rows::private(corpus);
        rows.extend(rows::verdicts(corpus));
        assert!(rows.len() > 1200, "{} rows", rows.len());
        Self { layouts, rows }
    }

    fn layout(&self, row: &Row) -> &CorpusLayout {
        &self.layouts[&row.layout]
    }

    /// The rows to ask.
    fn asked(&self) -> Vec<&Row> {
        let all = std::env::var("SEALOCK_LAYOUT_ROWS").is_ok_and(|rows| rows == "all");
        let mut met = BTreeSet::new();
        let excepted = |row: &Row| EXCEPTIONS.iter().any(|(id, ..)| *id == row.id);
        let rows = self.rows.iter().enumerate();
        rows.filter(|(at, row)| all || at % 7 == 0 || met.insert(&row.layout) || excepted(row))
            .map(|(_, row)| row)
            .collect()
    }
}

/// Pulls names from the registry that stands in for every host that the layouts name.
fn pull(gap: &Gap, registry: &Registry, more: &[&str], names: &[String]) -> Run {
    let (store, host) = (gap.path("low"), registry.host());
    let mut args = vec![
        "pull",
        "--store",
        &store,
        "-o",
        "json",
        "--no-progress",
        "--log-proofs",
        "never",
        "--plain-http",
        &host,
    ];
    let mirrors = ["registry.example.com", "cgr.dev", "docker.io"].map(|name| format!("{name}={host}"));
    args.extend(mirrors.iter().flat_map(|mirror| ["--registry-mirror", mirror]));
    args.extend(more);
    args.extend(names.iter().map(String::as_str));
    gap.mirror(&args)
}

/// Everything that was pulled is in, and nothing was refused on the way.
#[track_caller]
fn complete(run: Run) {
    let report = run.ok().json();
    for image in report["images"].as_array().unwrap() {
        assert_eq!(image["fate"], "mirrored", "{image}");
        assert!(image["refused"].as_array().is_none_or(Vec::is_empty), "{image}");
        let questions = image["questions"].as_array().unwrap();
        assert!(questions.iter().all(|q| q["state"] == "found" || q["state"] == "absent"), "{image}");
    }
}

/// From the registry to a store inside the gap.
fn carry(gap: &Gap, cases: &Cases, registry: &Registry, answering: Answering) {
    let names: Vec<String> = cases.layouts.values().flat_map(|layout| layout.wanted(answering)).collect();
    assert!(names.len() > 400, "{} names", names.len());
    complete(pull(gap, registry, &[], &names));
    // Where a policy looks in another place, `pull` is told the policy and looks there too.
    let mut elsewhere: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in &cases.rows {
        if let Some(policy) = row.looks_elsewhere() {
            elsewhere.entry(policy).or_default().insert(row.image.clone());
        }
    }
    assert!(elsewhere.len() >= 5, "{elsewhere:?}");
    // One repository of signatures that no row at hand looks into.
    let policy = gap.path("elsewhere.yaml");
    std::fs::write(&policy, ELSEWHERE).unwrap();
    elsewhere.entry(&policy).or_default().insert("registry.example.com/keyed/src:1.0".to_owned());
    for (policy, images) in elsewhere {
        let images: Vec<_> = images.into_iter().collect();
        complete(pull(gap, registry, &["--policy", policy], &images));
    }
    gap.seal("t", &["--segment-size", "1M"]).ok();
    gap.import("t.000", &[]).ok();
    gap.fsck("high");
}

/// Asks the rows on both sides; says how many were asked and which differ, with both answers.
fn compare(gap: &Gap, cases: &Cases, rows: &[&Row]) -> BTreeMap<String, [Answer; 2]> {
    let before = AsItLies::new(gap);
    let next = AtomicUsize::new(0);
    let ask = || {
        let mut differing = Vec::new();
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let lying = before.ask(row, cases.layout(row));
            let carried = answers::ask(gap, row, &gap.path("high"), &row.image);
            if !lying.is_kept_by(&carried) {
                differing.push((row.id.clone(), [lying, carried]));
            }
        }
        differing
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(ask)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

fn every_layout_is_carried_and_judged_as_before(answering: Answering) {
    let Some(corpus) = corpus() else { return };
    let Some(gap) = Gap::new() else { return };
    let cases = Cases::new(&corpus);
    let referrers = answering == Answering::Referrers;
    let registry = Registry::with(Options { referrers, ..Options::default() });
    for layout in cases.layouts.values() {
        layout.put(&registry, answering);
    }
    carry(&gap, &cases, &registry, answering);

    let arrived = gap.blobs("high");
    let mut contents = 0;
    let mut lost = Vec::new();
    for (name, layout) in &cases.layouts {
        let replaced = layout.replaced(answering);
        for blob in layout.blobs().difference(&replaced) {
            contents += 1;
            if arrived.get(blob) != Some(blob) {
                lost.push(format!("{name}: {blob}"));
            }
        }
    }
    assert!(lost.is_empty(), "not there, or not byte for byte: {lost:#?}");
    let asked = cases.asked();
    let differing = compare(&gap, &cases, &asked);
    for (id, [lying, carried]) in &differing {
        println!("{id}\n  where it lies: {lying}\n  carried:       {carried}");
    }
    println!("{answering:?}: {contents} contents, {} of {} rows asked", asked.len(), cases.rows.len());
    let excused = EXCEPTIONS.iter().filter(|(_, when, _)| *when == answering).map(|(id, ..)| *id);
    assert_eq!(differing.keys().map(String::as_str).collect::<BTreeSet<_>>(), excused.collect());
}

#[test]
fn every_layout_from_a_registry_with_fallback_tags() {
    every_layout_is_carried_and_judged_as_before(Answering::Fallbacks);
}

#[test]
fn every_layout_from_a_registry_with_referrers() {
    every_layout_is_carried_and_judged_as_before(Answering::Referrers);
}

/// What the comparison is worth: evidence that is missing in the registry changes answers, and never to a yes.
#[test]
fn evidence_left_behind_changes_the_answer() {
    let Some(corpus) = corpus() else { return };
    let Some(gap) = Gap::new() else { return };
    let mut cases = Cases::new(&corpus);
    let registry = Registry::with(Options { referrers: false, ..Options::default() });
    let bare = ["classic-email", "bundle-a-v2-t1", "mixed"];
    cases.layouts.retain(|name, _| bare.contains(&name.as_str()));
    let mut names = Vec::new();
    for layout in cases.layouts.values() {
        layout.put_bare(&registry);
        names.extend(layout.wanted(Answering::Fallbacks));
    }
    complete(pull(&gap, &registry, &[], &names));
    gap.seal("t", &[]).ok();
    gap.import("t", &[]).ok();
    let rows: Vec<&Row> = cases.rows.iter().filter(|row| bare.contains(&row.layout.as_str())).collect();
    let differing = compare(&gap, &cases, &rows);
    assert_eq!(differing.len(), rows.len(), "every row was decided by evidence");
    let verdict = |answer: &Answer| answer.document["verdict"].clone();
    assert!(differing.values().any(|[lying, _]| verdict(lying) == "allow"));
    for (id, [_, carried]) in &differing {
        assert_eq!(verdict(carried), Value::from("deny"), "{id}: the ledger proves that there is none");
    }
}
