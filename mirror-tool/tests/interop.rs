//! With other people's programs: real cosign signs, real registries serve, the far side has no network, and what was pushed
//! inside is accepted by real cosign as it was outside. skopeo, umoci and crane read what we wrote.
//!
//! `.ci/full interop` builds what comes from Go modules. Where a program is not on the machine, a test says so and returns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests start programs and say what they skip"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use sealock_testkit::{Image, Index, Layout};

#[allow(dead_code, reason = "each test target uses its part")]
#[path = "seal/gap.rs"]
mod gap;
#[allow(dead_code, reason = "each test target uses its part")]
#[path = "../../tests/seal/hands.rs"]
mod hands;
#[path = "interop/server.rs"]
mod server;

use gap::{Gap, Run};
use server::{Kind, Server, tool};

const PREDICATE: &str = "https://registry.example.com/checked/v1";
const IMAGES: [&str; 4] = ["demo/classic", "demo/bundle", "demo/both", "demo/bare"];

/// Questions to cosign and what it answers: what is asked, path, key, whether it is accepted.
const QUESTIONS: [(&str, &str, &str, bool); 13] = [
    ("classic signature", "demo/classic", "ours", true),
    ("classic signature", "demo/classic", "theirs", false),
    ("classic signature", "demo/both", "ours", true),
    ("classic signature", "demo/bundle", "ours", false),
    ("classic signature", "demo/bare", "ours", false),
    ("bundle", "demo/bundle", "ours", true),
    ("bundle", "demo/bundle", "theirs", false),
    ("bundle", "demo/both", "ours", true),
    ("bundle", "demo/bare", "ours", false),
    ("bundle attestation", "demo/bundle", "ours", true),
    ("bundle attestation", "demo/bundle", "theirs", false),
    ("classic attestation", "demo/both", "ours", true),
    ("classic attestation", "demo/bare", "ours", false),
];

/// The programs, a folder, and two stores with a gap between them.
struct Workshop {
    gap: Gap,
    cosign: PathBuf,
    skopeo: PathBuf,
}

impl Workshop {
    fn new() -> Option<Self> {
        let workshop = Self { gap: Gap::new()?, cosign: tool("cosign")?, skopeo: tool("skopeo")? };
        for key in ["ours", "theirs"] {
            workshop.cosign(&["generate-key-pair", "--output-key-prefix", &workshop.gap.path(key)]).ok();
        }
        std::fs::write(workshop.gap.path("predicate.json"), r#"{"checked":true}"#).unwrap();
        Some(workshop)
    }

    /// A program that finds nothing of this machine's user.
    fn run(&self, program: &Path, args: &[&str]) -> Run {
        let home = self.gap.path("home");
        let output = Command::new(program)
            .args(args)
            .env("HOME", &home)
            .env("DOCKER_CONFIG", &home)
            .env("COSIGN_PASSWORD", "")
            .env_remove("HTTP_PROXY")
            .env_remove("HTTPS_PROXY")
            .output()
            .unwrap();
        Run {
            status: output.status.code().unwrap_or(-1),
            data: String::from_utf8_lossy(&output.stdout).into_owned(),
            notes: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn cosign(&self, args: &[&str]) -> Run {
        self.run(&self.cosign, args)
    }

    /// Indexes of two images, and an image, pushed with skopeo.
    fn fill(&self, server: &Server) {
        let name = |path: &str| format!("{}/{path}", server.host);
        let index = |path: &str| {
            let layer = |n: u8| path.as_bytes().iter().chain(&[n]).copied().cycle().take(300_000).collect();
            let children = [("linux/amd64", 1), ("linux/arm64", 2)]
                .map(|(platform, n)| Image::with_layers(&name(path), platform, &[layer(n)]));
            Index::new(&name(path), &children)
        };
        let mut layout = Layout::new()
            .image(&format!("{}:1", name("demo/bundle")), &Image::new(&name("demo/bundle"), "b"));
        for path in ["demo/classic", "demo/both", "demo/bare"] {
            layout = layout.index(&format!("{}:1", name(path)), &index(path));
        }
        let folder = self.gap.path("sources");
        layout.write(&folder);
        for path in IMAGES {
            let (from, to) = (format!("oci:{folder}:{}:1", name(path)), format!("docker://{}:1", name(path)));
            let flags =
                ["--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false"];
            self.run(&self.skopeo, &[&flags[..], &[&from, &to]].concat()).ok();
        }
    }

    /// Signs what [`QUESTIONS`] asks about, as cosign does by a key and without a log.
    fn sign(&self, server: &Server) {
        let (key, predicate) = (self.gap.path("ours.key"), self.gap.path("predicate.json"));
        let flags = ["-y", "--key", &key, "--tlog-upload=false", "--use-signing-config=false"];
        let attest = ["--predicate", &predicate, "--type", PREDICATE];
        for (verb, classic, path) in [
            ("sign", true, "demo/classic"),
            ("sign", false, "demo/bundle"),
            ("attest", false, "demo/bundle"),
            ("sign", true, "demo/both"),
            ("sign", false, "demo/both"),
            ("attest", true, "demo/both"),
        ] {
            let image = format!("{}/{path}@{}", server.host, digest(server, path));
            let mut args = vec![verb];
            args.extend(flags);
            args.extend(["--new-bundle-format=false"].iter().filter(|_| classic));
            args.extend(attest.iter().filter(|_| verb == "attest"));
            // Children are signed too: evidence hangs on them as well.
            args.extend(["--recursive"].iter().filter(|_| verb == "sign" && path != "demo/bundle"));
            args.push(&image);
            self.cosign(&args).ok();
        }
    }

    /// Whether cosign accepts.
    fn accepts(&self, what: &str, image: &str, key: &str) -> Run {
        let key = self.gap.path(&format!("{key}.pub"));
        let mut args = vec![if what.ends_with("attestation") { "verify-attestation" } else { "verify" }];
        args.extend(["--key", &key, "--insecure-ignore-tlog"]);
        args.extend(["--type", PREDICATE].iter().filter(|_| what.ends_with("attestation")));
        args.extend(["--new-bundle-format=false"].iter().filter(|_| what.starts_with("classic")));
        args.push(image);
        self.cosign(&args)
    }

    /// Asks cosign everything about the images below `prefix`.
    fn ask_cosign(&self, server: &Server, prefix: &str) {
        for (what, path, key, accepted) in QUESTIONS {
            let path = format!("{prefix}{path}");
            let image = format!("{}/{path}@{}", server.host, digest(server, &path));
            let run = self.accepts(what, &image, key);
            assert_eq!(run.status == 0, accepted, "{what} of {path} by {key}: {run:?}");
        }
    }

    /// Runs the verifier on a host that has no interface.
    fn inside(&self, args: &[&str]) -> Run {
        let wall = [&["--net"][..], &["--net", "--map-root-user"]]
            .into_iter()
            .find(|wall| self.run(Path::new("unshare"), &[*wall, &["true"]].concat()).status == 0)
            .expect("a namespace without an interface");
        let program = self.gap.program().to_str().unwrap();
        self.run(Path::new("unshare"), &[wall, &["--", program], args].concat())
    }

    /// From the registry into the store inside: pull, seal in segments, import, all questions asked there.
    fn carry(&self, server: &Server) {
        let low = self.gap.path("low");
        let names = IMAGES.map(|path| format!("{}/{path}:1", server.host));
        let mut args =
            vec!["pull", "--store", &low, "-o", "json", "--no-progress", "--plain-http", &server.host];
        args.extend(names.iter().map(String::as_str));
        let report = self.gap.mirror(&args).ok().json();
        for image in report["images"].as_array().unwrap() {
            assert!(image["refused"].as_array().is_none_or(Vec::is_empty), "{image}");
        }
        let sealed = self.gap.seal("t", &["--segment-size", "200K", "--format", "json"]).ok().json();
        assert!(sealed["files"].as_array().unwrap().len() > 3, "{sealed}");
        let high = self.gap.path("high");
        self.inside(&["import", "--store", &high, &self.gap.path("t.000")]).ok();
        self.gap.fsck("high");
        for (what, path, key, accepted) in QUESTIONS {
            let key = self.gap.path(&format!("{key}.pub"));
            let image = format!("{}/{path}:1", server.host);
            let mut args = vec!["verify", "--store", &high, "--key", &key, "--insecure-ignore-tlog"];
            args.extend(["--type", PREDICATE].iter().filter(|_| what.ends_with("attestation")));
            args.extend([image.as_str()]);
            let run = self.inside(&args);
            // Without a format asked for, either kind of signature counts.
            let accepted = accepted || (what, path) == ("classic signature", "demo/bundle");
            assert_eq!(run.status, i32::from(!accepted), "{what} of {path} by {key}: {run:?}");
        }
    }

    /// From the store inside to a registry inside: all of it, byte for byte, and cosign says the same.
    fn deliver(&self, from: &Server, kind: Kind) {
        let Some(to) = Server::start(kind) else { return };
        let (high, target) = (self.gap.path("high"), format!("{}/enclave", to.host));
        self.gap.mirror(&["push", "--store", &high, "--plain-http", &to.host, "--no-progress", &target]).ok();
        for path in IMAGES {
            let inside = format!("enclave/{path}");
            let (sent, arrived) = (from.holdings(path), to.holdings(&inside));
            assert!(sent.len() > if path == "demo/bare" { 4 } else { 6 }, "{path}: {}", sent.len());
            let lists = from.tags(path).into_iter().filter(|tag| is_list(tag));
            let lists: Vec<_> = lists.map(|tag| digest_of(from, path, &tag)).collect();
            for (digest, bytes) in &sent {
                // The list that stands in for the referrers API need not be where there is one.
                if kind == Kind::Referrers && lists.contains(digest) {
                    continue;
                }
                assert!(arrived.get(digest) == Some(bytes), "{path}: {digest} to {kind:?}");
            }
            for tag in from.tags(path).into_iter().filter(|tag| !is_list(tag)) {
                assert_eq!(digest_of(&to, &inside, &tag), digest_of(from, path, &tag), "{path}:{tag}");
            }
        }
        self.ask_cosign(&to, "enclave/");
        // Once more changes nothing.
        let again =
            self.gap.mirror(&["push", "--store", &high, "--plain-http", &to.host, "-o", "json", &target]);
        assert_eq!(again.ok().json()["sent"]["blobs"].as_u64().unwrap_or(0), 0);
    }

    fn round_trip(&self, kind: Kind) {
        let Some(outside) = Server::start(kind) else { return };
        self.fill(&outside);
        self.sign(&outside);
        self.ask_cosign(&outside, "");
        self.carry(&outside);
        for inside in [Kind::Referrers, Kind::Fallback] {
            self.deliver(&outside, inside);
        }
    }
}

/// Whether a tag is the list that stands in for the referrers API.
fn is_list(tag: &str) -> bool {
    tag.strip_prefix("sha256-").is_some_and(|rest| rest.len() == 64)
}

fn digest_of(server: &Server, path: &str, tag: &str) -> String {
    let bytes = server.manifest(path, tag).unwrap_or_else(|| panic!("no {path}:{tag}"));
    sealock_testkit::sha256_digest(&bytes)
}

fn digest(server: &Server, path: &str) -> String {
    digest_of(server, path, "1")
}

/// skopeo, umoci and crane see in a store, and in a transfer that was unpacked, what the registry had.
#[test]
fn others_read_the_store_and_the_transfer() {
    let Some(workshop) = Workshop::new() else { return };
    let (Some(umoci), Some(crane)) = (tool("umoci"), tool("crane")) else { return };
    let (Some(outside), Some(copies)) = (Server::start(Kind::Fallback), Server::start(Kind::Referrers))
    else {
        return;
    };
    workshop.fill(&outside);
    workshop.sign(&outside);
    workshop.carry(&outside);
    workshop.gap.seal("whole", &["--fresh"]).ok();
    let unpacked = workshop.gap.path("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let tar = ["-x", "-C", &unpacked, "-f", &workshop.gap.path("whole")];
    workshop.run(Path::new("tar"), &tar).ok();
    let names: Vec<(&str, String)> =
        IMAGES.iter().flat_map(|path| outside.tags(path).into_iter().map(|tag| (*path, tag))).collect();
    assert!(names.iter().any(|(_, tag)| is_list(tag)));
    assert!(
        names.iter().any(|(_, tag)| tag.contains(".sig"))
            && names.iter().any(|(_, tag)| tag.contains(".att"))
    );
    for (n, layout) in [workshop.gap.path("high"), unpacked].iter().enumerate() {
        let listed = workshop.run(&umoci, &["ls", "--layout", layout]).ok().data;
        for (path, tag) in &names {
            let name = format!("{}/{path}:{tag}", outside.host);
            let raw = ["--insecure-policy", "inspect", "--raw", &format!("oci:{layout}:{name}")];
            let raw = workshop.run(&workshop.skopeo, &raw).ok().data;
            assert_eq!(raw.as_bytes(), outside.manifest(path, tag).unwrap(), "{name} as skopeo reads it");
            assert!(listed.lines().any(|line| line == name), "{name} as umoci lists it: {listed}");
            // skopeo 1.9 does not copy an index whose entries have an `artifactType` as it stands.
            if is_list(tag) {
                continue;
            }
            let to = format!("{}/skopeo-{n}/{path}:{tag}", copies.host);
            let flags =
                ["--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false"];
            let places = [format!("oci:{layout}:{name}"), format!("docker://{to}")];
            workshop.run(&workshop.skopeo, &[&flags[..], &[&places[0], &places[1]]].concat()).ok();
            assert_eq!(
                digest_of(&copies, &format!("skopeo-{n}/{path}"), tag),
                digest_of(&outside, path, tag),
                "{name} as skopeo copies it"
            );
        }
        // What skopeo copied, crane finds sound and cosign accepts. (`--fast`: our layers are no tar archives.)
        for path in IMAGES {
            let image = format!("{}/skopeo-{n}/{path}", copies.host);
            workshop.run(&crane, &["validate", "--fast", "--remote", &format!("{image}:1")]).ok();
        }
        let copied = format!("{}/skopeo-{n}/demo/both@{}", copies.host, digest(&outside, "demo/both"));
        assert_eq!(workshop.accepts("classic attestation", &copied, "ours").status, 0);
        // crane takes the whole layout as one index, every manifest of it.
        let all = format!("{}/crane-{n}:all", copies.host);
        workshop.run(&crane, &["push", "--index", layout, &all]).ok();
        let index = workshop.run(&crane, &["manifest", &all]).ok().json();
        for (path, tag) in &names {
            let digest = digest_of(&outside, path, tag);
            assert!(index["manifests"].as_array().unwrap().iter().any(|m| m["digest"] == digest));
            let image = format!("{}/crane-{n}@{digest}", copies.host);
            let raw = workshop.run(&crane, &["manifest", &image]).ok().data;
            assert_eq!(
                raw.as_bytes(),
                outside.manifest(path, tag).unwrap(),
                "{path}:{tag} as crane copies it"
            );
        }
    }
}

#[test]
fn from_a_registry_with_referrers() {
    let Some(workshop) = Workshop::new() else { return };
    workshop.round_trip(Kind::Referrers);
}

#[test]
fn from_a_registry_without_referrers() {
    let Some(workshop) = Workshop::new() else { return };
    workshop.round_trip(Kind::Fallback);
}
