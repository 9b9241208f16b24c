//! Import and fsck of large layers, against plain loops over the same files on the same disk in the same run.
//!
//! `cargo bench --bench throughput`; `README.md` beside it says what is measured and which variables change it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs
)]

mod measure;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use measure::{median, process};
use sealock::crypto::Hasher;
use sealock_testkit::{Image, Layout};

/// Read and written at once, as the store does.
const CHUNK: usize = 1024 * 1024;
const LAYERS: usize = 4;
const ROUNDS: usize = 7;

fn main() {
    let mebibytes = std::env::var("SEALOCK_BENCH_MEBIBYTES").map_or(512, |text| text.parse().unwrap());
    let folder = std::env::var_os("SEALOCK_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
        .join("bench-throughput");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let layout = folder.join("layout");
    let layers = make(&layout, mebibytes);
    let archive = folder.join("layout.tar");
    tar(&layout, &archive);

    let (plain, store) = (folder.join("plain"), folder.join("store"));
    let place = store.to_str().unwrap();
    let (from, from_tar) = (layout.to_str().unwrap(), archive.to_str().unwrap());
    let [mut copy, mut import, mut import_tar, mut read, mut fsck] = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        copy.push(timed(|| copy_all(&layers, &plain)));
        fresh(&store);
        import.push(process::milliseconds(&mut sealock(&["import", "--store", place, from])));
        fresh(&store);
        import_tar.push(process::milliseconds(&mut sealock(&["import", "--store", place, from_tar])));
        read.push(timed(|| read_all(&layers)));
        fsck.push(process::milliseconds(&mut sealock(&["store", "fsck", "--store", place])));
    }
    fresh(&store);
    let import_peak = process::peak_kib(&mut sealock(&["import", "--store", place, from]));
    let fsck_peak = process::peak_kib(&mut sealock(&["store", "fsck", "--store", place]));
    fresh(&store);
    let tar_peak = process::peak_kib(&mut sealock(&["import", "--store", place, from_tar]));

    println!("\n{mebibytes} MiB in {LAYERS} layers (median of {ROUNDS} rounds, in turns)");
    let line = |what: &str, yardstick: &[f64], samples: &[f64], peak: Option<u64>| {
        let (base, middle) = (median(yardstick), median(samples));
        // Each round has its own ratio: the disk is not equally quick in all of them.
        let ratios: Vec<_> = yardstick.iter().zip(samples).map(|(base, own)| base / own * 100.0).collect();
        let peak = peak.map_or(String::new(), |kib| format!("  peak {} MiB", kib / 1024));
        println!(
            "  {what:<38} {middle:>7.0} ms {:>6.0} MiB/s {:>4.0} % by medians, {:>4.0} % median of rounds{peak}",
            f64::from(mebibytes) / middle * 1e3,
            base / middle * 100.0,
            median(&ratios),
        );
    };
    line("plain read, hash, write, fsync", &copy, &copy, None);
    line("sealock import DIR", &copy, &import, Some(import_peak));
    line("sealock import ARCHIVE", &copy, &import_tar, Some(tar_peak));
    line("plain read and hash", &read, &read, None);
    line("sealock store fsck", &read, &fsck, Some(fsck_peak));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn sealock(arguments: &[&str]) -> Command {
    let mut command = Command::new(process::sealock());
    command.args(arguments).env_clear();
    command
}

fn timed(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e3
}

fn fresh(store: &Path) {
    let _ = std::fs::remove_dir_all(store);
    process::milliseconds(&mut sealock(&["store", "init", "--store", store.to_str().unwrap()]));
}

/// A layout of one image with large layers; tells where the layers lie.
fn make(layout: &Path, mebibytes: u32) -> Vec<PathBuf> {
    let size = usize::try_from(mebibytes).unwrap() * 1024 * 1024 / LAYERS;
    let mut stream = sealock_testkit::keys::Stream::new(1, "layers");
    let layers: Vec<Vec<u8>> = (0..LAYERS).map(|_| stream.take(size)).collect();
    let image = Image::with_layers("registry.example.com/large", "linux/amd64", &layers);
    Layout::new().image("registry.example.com/large:v1", &image).write(layout);
    layers
        .iter()
        .map(|layer| layout.join("blobs/sha256").join(hex::encode(sealock::crypto::sha256(layer))))
        .collect()
}

/// Packs the layout; `tar` of the system is quicker than ours and takes no memory.
fn tar(layout: &Path, archive: &Path) {
    let done = Command::new("tar")
        .args(["--format=ustar", "-cf", archive.to_str().unwrap(), "-C", layout.to_str().unwrap()])
        .args(["oci-layout", "index.json", "blobs"])
        .status()
        .unwrap();
    assert!(done.success());
}

fn copy_all(layers: &[PathBuf], target: &Path) {
    let _ = std::fs::remove_dir_all(target);
    std::fs::create_dir_all(target).unwrap();
    for layer in layers {
        let mut out = File::create(target.join(layer.file_name().unwrap())).unwrap();
        through(layer, |chunk| out.write_all(chunk).unwrap());
        out.sync_all().unwrap();
    }
    File::open(target).unwrap().sync_all().unwrap();
}

fn read_all(layers: &[PathBuf]) {
    for layer in layers {
        through(layer, |_| ());
    }
}

fn through(layer: &Path, mut sink: impl FnMut(&[u8])) {
    let mut buffer = vec![0; CHUNK];
    let mut hasher = Hasher::sha256();
    let mut file = File::open(layer).unwrap();
    loop {
        let count = file.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        sink(&buffer[..count]);
    }
    let name = layer.file_name().unwrap().to_str().unwrap();
    assert_eq!(hex::encode(hasher.finish()), name);
}
