//! `sealock-mirror pull`, with all evidence, beside `skopeo sync` of the same images from one registry, in turns in one run.
//!
//! `cargo bench -p sealock-mirror --bench mirror`; `README.md` beside it says what is measured and which variables change it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs
)]

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sealock_testkit::evidence::Layer;
use sealock_testkit::layout::evidence_manifest;
use sealock_testkit::{Identity, Image, Random, Sigstore, sha256_hex};

const IMAGES: u32 = 50;
const LAYERS: usize = 3;
/// Bytes of an ordinary layer.
const LAYER: usize = 2 * 1024 * 1024;
const ROUNDS: usize = 5;

/// What one run cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall: f64,
    processor: f64,
    peak_mib: f64,
    requests: f64,
}

/// Debian's `docker-registry`, on a folder that is filled beforehand.
struct Registry {
    child: Child,
    host: String,
    log: PathBuf,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    fn start(folder: &Path) -> Option<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let (file, log) = (folder.join("config.yml"), folder.join("access.log"));
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            folder.join("registry").display()
        );
        std::fs::write(&file, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let registry = Self { child, host: format!("127.0.0.1:{port}"), log };
        for _ in 0..200 {
            if TcpStream::connect(&registry.host).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not listen");
    }

    /// Requests so far, by its access log.
    fn requests(&self) -> u32 {
        let log = std::fs::read_to_string(&self.log).unwrap();
        u32::try_from(log.lines().filter(|line| line.contains("HTTP/1.1\"")).count()).unwrap()
    }
}

/// The registry's own folders, as it would have written them.
struct Tree(PathBuf);

impl Tree {
    fn blob(&self, bytes: &[u8]) -> String {
        let hex = sha256_hex(bytes);
        let folder = self.0.join("blobs/sha256").join(&hex[..2]).join(&hex);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("data"), bytes).unwrap();
        hex
    }

    fn link(&self, place: &str, hex: &str) {
        let folder = self.0.join("repositories").join(place);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("link"), format!("sha256:{hex}")).unwrap();
    }

    fn put(&self, repository: &str, tag: &str, manifest: &[u8], blobs: &[&[u8]]) {
        for blob in blobs {
            let hex = self.blob(blob);
            self.link(&format!("{repository}/_layers/sha256/{hex}"), &hex);
        }
        let hex = self.blob(manifest);
        self.link(&format!("{repository}/_manifests/revisions/sha256/{hex}"), &hex);
        self.link(&format!("{repository}/_manifests/tags/{tag}/current"), &hex);
        self.link(&format!("{repository}/_manifests/tags/{tag}/index/sha256/{hex}"), &hex);
    }

    fn evidence(&self, repository: &str, tag: &str, layer: &Layer) {
        let (manifest, config) = evidence_manifest(std::slice::from_ref(layer));
        self.put(repository, tag, &manifest, &[&config, &layer.blob]);
    }
}

fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    for eight in bytes.chunks_mut(8) {
        let number = u64::try_from(random.below(1 << 64)).unwrap().to_le_bytes();
        eight.copy_from_slice(&number[..eight.len()]);
    }
    bytes
}

/// Images with a signature and an attestation each; the first has one large layer.
fn fill(folder: &Path, mebibytes: usize) {
    let tree = Tree(folder.join("registry/docker/registry/v2"));
    let sigstore = Sigstore::new(7);
    let signer = sigstore.keyless(&Identity::example());
    let mut random = Random(20_261_124);
    for n in 0..IMAGES {
        let repository = format!("bench/image-{n}");
        let name = format!("registry.example.com/{repository}");
        let length = |layer| if n == 0 && layer == 0 { mebibytes << 20 } else { LAYER };
        let layers: Vec<_> = (0..LAYERS).map(|layer| noise(&mut random, length(layer))).collect();
        let image = Image::with_layers(&name, "linux/amd64", &layers);
        let blobs: Vec<&[u8]> = image.blobs.iter().map(Vec::as_slice).collect();
        tree.put(&repository, "1", &image.manifest, &blobs);
        let stem = image.digest().replace(':', "-");
        tree.evidence(&repository, &format!("{stem}.sig"), &signer.image(&name, &image.digest()).layer());
        let statement =
            signer.statement("v1", &name, &image.digest(), "https://slsa.dev/provenance/v1", "{}");
        tree.evidence(&repository, &format!("{stem}.att"), &statement.layer());
    }
}

/// Runs a program and follows it in `/proc`: a process that has ended still shows its processor time until it is waited for.
fn cost(registry: &Registry, command: &mut Command) -> Cost {
    let before = registry.requests();
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
    let mut peak = 0.0;
    let ticks = loop {
        let status = read("status");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = kib.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
        let stat = read("stat");
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        if fields.first() == Some(&"Z") {
            break fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = start.elapsed().as_secs_f64();
    assert!(child.wait().unwrap().success(), "{command:?}");
    // Linux counts processor time in hundredths of a second.
    let requests = f64::from(registry.requests() - before) / f64::from(IMAGES);
    Cost { wall, processor: ticks / 100.0, peak_mib: peak / 1024.0, requests }
}

fn median(costs: &[Cost], of: fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<_> = costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let number = |name: &str, or: usize| std::env::var(name).map_or(or, |text| text.parse().unwrap());
    let (mebibytes, rounds) =
        (number("SEALOCK_BENCH_MEBIBYTES", 300), number("SEALOCK_BENCH_ROUNDS", ROUNDS));
    let folder = std::env::var_os("SEALOCK_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
        .join("bench-mirror");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    if Command::new("skopeo").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: no skopeo on this machine");
        return;
    }
    fill(&folder, mebibytes);
    let Some(registry) = Registry::start(&folder) else {
        println!("skipped: no docker-registry on this machine");
        return;
    };
    let names: Vec<_> = (0..IMAGES).map(|n| format!("{}/bench/image-{n}:1", registry.host)).collect();
    let list = folder.join("images.yaml");
    let lines: Vec<_> = (0..IMAGES).map(|n| format!("    bench/image-{n}: ['1']\n")).collect();
    std::fs::write(&list, format!("{}:\n  tls-verify: false\n  images:\n{}", registry.host, lines.concat()))
        .unwrap();
    let (store, copies) = (folder.join("store"), folder.join("copies"));
    let pull = || {
        let program = std::env::var_os("SEALOCK_MIRROR_BIN")
            .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sealock-mirror")), PathBuf::from);
        let mut command = Command::new(program);
        command
            .args(["pull", "--no-progress", "--plain-http", &registry.host, "--store"])
            .arg(&store)
            .args(&names);
        command
    };
    let sync = || {
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "sync", "--all", "--src", "yaml", "--dest", "dir", "--scoped"]);
        command.arg(&list).arg(&copies);
        command
    };
    let fresh = |place: &Path| drop(std::fs::remove_dir_all(place));
    // `skopeo sync` refuses a folder that is there: it has no second run.
    let [mut pulled, mut synced, mut pulled_again] = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        fresh(&copies);
        std::fs::create_dir_all(&copies).unwrap();
        synced.push(cost(&registry, &mut sync()));
        fresh(&store);
        pulled.push(cost(&registry, &mut pull()));
        pulled_again.push(cost(&registry, &mut pull()));
    }
    println!(
        "\n{IMAGES} images, {LAYERS} layers each, one of them of {mebibytes} MiB; medians of {rounds} rounds"
    );
    println!("  {:<52} {:>8} {:>10} {:>10} {:>15}", "", "wall s", "CPU s", "peak MiB", "requests/image");
    for (what, costs) in [
        ("skopeo sync, images alone", &synced),
        ("sealock-mirror pull, with two pieces of evidence each", &pulled),
        ("sealock-mirror pull once more, nothing new", &pulled_again),
    ] {
        println!(
            "  {what:<52} {:>8.2} {:>10.2} {:>10.1} {:>15.1}",
            median(costs, |c| c.wall),
            median(costs, |c| c.processor),
            median(costs, |c| c.peak_mib),
            median(costs, |c| c.requests),
        );
    }
    let ratio = median(&pulled, |c| c.wall) / median(&synced, |c| c.wall);
    println!("  wall time, pull / sync: {ratio:.2}");
}
