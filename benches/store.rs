//! A large store: the whole process of one cold `sealock verify`, and lookups in the catalogue.
//!
//! `cargo bench --bench store`; `README.md` beside it says what is measured and which variables change it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs
)]

#[path = "../tests/corpus/mod.rs"]
mod corpus;
mod measure;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corpus::Row;
use measure::{median, process};
use rusqlite::{Connection, params};
use sealock::store::{Source, Store};
use sealock_testkit::{Image, Layer, Layout, Subject};

/// Images of one bundle while the store is filled.
const BUNDLE: u64 = 5_000;
const RUNS: usize = 60;
const LOOKUPS: u64 = 2_000;

fn main() {
    let Some(rows) = corpus::signatures() else { return };
    let row = rows.iter().find(|row| row.image.starts_with("ghcr.io/chainguard-images/")).unwrap();
    let images = number("SEALOCK_BENCH_IMAGES", 100_000);
    let folder = std::env::var_os("SEALOCK_BENCH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-store"), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();

    let store = filled(&folder.join(format!("store-{images}")), images, row);
    cold(&folder, &store, row);
    lookups("the store's catalogue", &store, images);

    let rows = number("SEALOCK_BENCH_CATALOGUE", 1_000_000);
    if rows > 0 {
        let large = catalogue_alone(&folder.join(format!("catalogue-{rows}")), rows);
        lookups("a catalogue without contents", &large, rows);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn sealock(arguments: &[&str]) -> Command {
    let mut command = Command::new(process::sealock());
    command.args(arguments).env_clear();
    command
}

fn repository(number: u64) -> String {
    format!("registry-{}.example.com/team-{}/application-{number}", number % 7, number % 97)
}

/// Where the genuine image lies: its name without the digest.
fn own_repository(row: &Row) -> &str {
    row.image.split('@').next().unwrap()
}

/// A layer as genuine ones are, for another image: of the right size and shape, never judged.
fn layer(row: &Row, repository: &str, digest: &str) -> Layer {
    Layer {
        media_type: "application/vnd.dev.cosign.simplesigning.v1+json".to_owned(),
        blob: sealock_testkit::signer::simple_signing(repository, digest, &sealock_testkit::json::object([]))
            .into_bytes(),
        annotations: annotations(row),
    }
}

fn annotations(row: &Row) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("dev.cosignproject.cosign/signature".to_owned(), row.signature.clone()),
        ("dev.sigstore.cosign/certificate".to_owned(), row.certificate_pem.clone()),
        ("dev.sigstore.cosign/bundle".to_owned(), row.bundle.to_string()),
    ])
}

/// A store of `images` small signed images and the genuine signature, made once by `sealock import`.
fn filled(store: &Path, images: u64, row: &Row) -> PathBuf {
    let done = store.with_extension("done");
    if done.exists() {
        return store.to_owned();
    }
    let _ = std::fs::remove_dir_all(store);
    let start = Instant::now();
    let place = store.to_str().unwrap();
    process::milliseconds(&mut sealock(&["store", "init", "--store", place]));
    let archive = store.with_extension("tar");
    let mut first = 0;
    while first < images {
        let mut layout = Layout::new();
        for number in first..images.min(first + BUNDLE) {
            let repository = repository(number);
            let image = Image::new(&repository, &format!("image {number}"));
            let signature = layer(row, &repository, &image.digest());
            layout = layout.image(&format!("{repository}:v1"), &image).signature(&image, &signature);
        }
        layout.write_archive(&archive);
        let took =
            process::milliseconds(&mut sealock(&["import", "--store", place, archive.to_str().unwrap()]));
        first += BUNDLE;
        println!("  {} images held; this import took {:.1} s", first.min(images), took / 1e3);
    }
    let repository = own_repository(row);
    let genuine = Layer {
        blob: STANDARD.decode(&row.payload_b64).unwrap(),
        ..layer(row, repository, &row.manifest_digest)
    };
    let subject = Subject::absent(repository, &row.manifest_digest);
    Layout::new().signature(subject, &genuine).write_archive(&archive);
    process::milliseconds(&mut sealock(&["import", "--store", place, archive.to_str().unwrap()]));
    std::fs::remove_file(&archive).unwrap();
    std::fs::write(&done, "").unwrap();
    println!("store of {images} images made in {:.0} s", start.elapsed().as_secs_f64());
    store.to_owned()
}

/// A policy as people write it, for the genuine signature.
fn policy(folder: &Path, row: &Row) -> PathBuf {
    let path = folder.join("policy.yaml");
    let repository = own_repository(row);
    std::fs::write(
        &path,
        format!(
            "apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: images-are-signed
spec:
  images:
    - glob: {repository}**
  authorities:
    - keyless:
        url: https://fulcio.sigstore.dev
        identities:
          - issuer: {}
            subject: {}
      ctlog:
        url: https://rekor.sigstore.dev
",
            row.issuer, row.identity
        ),
    )
    .unwrap();
    path
}

/// The whole process, from fork to exit, with the files in the page cache.
fn cold(folder: &Path, store: &Path, row: &Row) {
    let policy = policy(folder, row);
    let image = format!("{}@{}", own_repository(row), row.manifest_digest);
    let arguments =
        ["verify", "--store", store.to_str().unwrap(), "--policy", policy.to_str().unwrap(), &image];
    let [mut verify, mut version] = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        version.push(process::milliseconds(&mut sealock(&["version"])));
        verify.push(process::milliseconds(&mut sealock(&arguments)));
    }
    let peak = process::peak_kib(&mut sealock(&arguments));
    println!("\none cold `sealock verify`, keyless, from fork to exit (median of {RUNS} runs)");
    println!("  {:<58} {:>9.2} ms", "sealock version (what any process costs)", median(&version));
    println!("  {:<58} {:>9.2} ms", "sealock verify", median(&verify));
    println!("  {:<58} {:>9.1} MiB", "peak resident memory", mebi(peak * 1024));
}

fn mebi(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap()) / 1024.0
}

/// Lookups in a catalogue that holds `images` images made by [`repository`].
fn lookups(title: &str, place: &Path, images: u64) {
    let store = Store::open(place).unwrap();
    let mut times = [Vec::new(), Vec::new()];
    let mut state = 1_u64;
    for round in 0..LOOKUPS {
        // A linear congruence is enough to jump about.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let repository = repository((state >> 33) % images);
        let start = Instant::now();
        let found = store.resolve(&repository, "v1").unwrap();
        let resolved = start.elapsed();
        let start = Instant::now();
        let attachments = store.attachments(&repository, &found.digest).unwrap();
        let attached = start.elapsed();
        assert_eq!(attachments.len(), 1, "{repository}");
        if round >= LOOKUPS / 10 {
            times[0].push(resolved.as_secs_f64() * 1e6);
            times[1].push(attached.as_secs_f64() * 1e6);
        }
    }
    let file = std::fs::metadata(place.join("catalog.sqlite")).unwrap().len();
    println!("\n{title}, {images} images, each with a signature (median of {} lookups)", times[0].len());
    println!("  {:<58} {:>9.1} us", "name to digest", median(&times[0]));
    println!("  {:<58} {:>9.1} us", "digest to what is attached", median(&times[1]));
    println!("  {:<58} {:>9} bytes an image", "catalog.sqlite", file / images);
}

/// A store of nothing but a catalogue, with the rows that an import of `images` signed images would leave.
fn catalogue_alone(store: &Path, images: u64) -> PathBuf {
    let done = store.with_extension("done");
    if done.exists() {
        return store.to_owned();
    }
    let _ = std::fs::remove_dir_all(store);
    let start = Instant::now();
    process::milliseconds(&mut sealock(&["store", "init", "--store", store.to_str().unwrap()]));
    let mut connection = Connection::open(store.join("catalog.sqlite")).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;").unwrap();
    let digest = |kind: &str, number: u64| sealock::crypto::sha256(format!("{kind} {number}").as_bytes());
    // As imports do it: some thousand images a time, each time in the order of the digests.
    let mut first = 0;
    while first < images {
        let numbers = first..images.min(first + BUNDLE);
        first += BUNDLE;
        let mut blobs = Vec::new();
        let mut manifests = Vec::new();
        let mut names = Vec::new();
        for number in numbers {
            let (image, signature) = (digest("manifest", number), digest("signature", number));
            blobs.extend([
                (image, 480),
                (signature, 6_500),
                (digest("config", number), 210),
                (digest("layer", number), 2_048),
                (digest("payload", number), 260),
                (digest("signature-config", number), 230),
            ]);
            manifests.extend([image, signature]);
            let repository = repository(number);
            names.push((repository.clone(), "v1".to_owned(), image));
            names.push((repository, format!("sha256-{}.sig", hex::encode(image)), signature));
        }
        blobs.sort_unstable();
        manifests.sort_unstable();
        names.sort_unstable();
        let transaction = connection.transaction().unwrap();
        {
            let mut insert = transaction.prepare("INSERT INTO blob (digest, size) VALUES (?1, ?2)").unwrap();
            for (digest, size) in &blobs {
                insert.execute(params![digest, size]).unwrap();
            }
            let mut insert =
                transaction.prepare("INSERT INTO manifest (digest, kind) VALUES (?1, 0)").unwrap();
            for digest in &manifests {
                insert.execute(params![digest]).unwrap();
            }
            let mut insert = transaction
                .prepare("INSERT INTO name (repository, tag, digest) VALUES (?1, ?2, ?3)")
                .unwrap();
            for (repository, tag, digest) in &names {
                insert.execute(params![repository, tag, digest]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    drop(connection);
    std::fs::write(&done, "").unwrap();
    println!("catalogue of {images} images made in {:.0} s", start.elapsed().as_secs_f64());
    store.to_owned()
}
