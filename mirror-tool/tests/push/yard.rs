//! A registry outside, a store that was pulled from it, and a registry inside.

use super::*;
use crate::shop::{APP, Run, Shop};

pub struct Yard {
    pub shop: Shop,
    /// The registry inside.
    pub inside: Registry,
}

pub const OPEN: fn() -> Options = Options::default;

pub fn without_referrers() -> Options {
    Options { referrers: false, ..Options::default() }
}

impl Yard {
    pub fn with(outside: Options, inside: Options) -> Self {
        Self { shop: Shop::with(outside), inside: Registry::with(inside) }
    }

    pub fn new() -> Self {
        Self::with(OPEN(), OPEN())
    }

    /// Everything that [`Shop::everything`] makes, in the store.
    pub fn full(options: Options) -> (Self, Index, Vec<String>) {
        let yard = Self::with(OPEN(), options);
        let (index, digests) = yard.shop.everything();
        yard.pull("1.0");
        (yard, index, digests)
    }

    /// A signed image `1` in the store.
    pub fn signed() -> (Self, Image) {
        let yard = Self::new();
        let image = yard.image("1", "x");
        yard.pull("1");
        (yard, image)
    }

    /// Makes a signed image outside.
    pub fn image(&self, tag: &str, text: &str) -> Image {
        let image = self.shop.image(text);
        self.shop.registry.image(tag, &image);
        let signature = self.shop.sigstore.sign_keyless(&Identity::example(), &image);
        self.shop.registry.layers(&image, ".sig", &[signature]);
        image
    }

    pub fn pull(&self, tag: &str) {
        let run = self.shop.pull(&[&self.shop.name(APP, tag)]);
        assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    }

    pub fn command(&self, more: &[&str]) -> Command {
        let host = self.inside.host();
        self.shop.command("push", &[&["--plain-http", &host, "-o", "json"], more].concat())
    }

    pub fn run(&self, more: &[&str]) -> Run {
        let output = self.command(more).output().unwrap();
        Run {
            status: output.status.code().unwrap_or(-1),
            data: String::from_utf8(output.stdout).unwrap(),
            notes: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Pushes to the registry inside, below `in`.
    pub fn push(&self, more: &[&str]) -> Run {
        let target = format!("{}/in", self.inside.host());
        self.run(&[more, &[&target]].concat())
    }

    #[track_caller]
    pub fn pushed(&self, more: &[&str]) -> Value {
        let run = self.push(more);
        assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
        run.json()
    }

    /// Requests inside that write.
    pub fn writes(&self) -> Vec<String> {
        let requests = self.inside.requests();
        let writing = requests.iter().filter(|r| !matches!(r.method.as_str(), "GET" | "HEAD"));
        writing.map(|r| format!("{} {}", r.method, r.path)).collect()
    }

    /// Every tag inside leads to manifests and blobs that are there, and to bytes that hash to their names.
    pub fn complete(&self) {
        for (path, tag, digest) in self.inside.tags() {
            self.complete_from(&path, &digest, &tag);
        }
    }

    fn complete_from(&self, path: &str, digest: &str, tag: &str) {
        let bytes = self.inside.held(path, digest);
        let bytes = bytes.unwrap_or_else(|| panic!("{path}:{tag} leads to {digest}, which is not there"));
        assert_eq!(sealock_testkit::sha256_digest(&bytes), *digest);
        let Ok(manifest) = serde_json::from_slice::<Value>(&bytes) else { return };
        if manifest["schemaVersion"] != 2 {
            return;
        }
        let lists = ["layers", "manifests"].into_iter().filter_map(|m| manifest[m].as_array());
        let children = lists.flatten().chain(manifest.get("config"));
        for child in children {
            self.complete_from(path, child["digest"].as_str().unwrap(), tag);
        }
    }
}

/// What `pull` makes of a registry, as a verdict of the shop's policy.
pub fn verdict_from(shop: &Shop, registry: &Registry, path: &str, tag: &str, store: &str) -> Verdict {
    let name = format!("{}/{path}:{tag}", registry.host());
    let place = shop.path(store);
    let run = Command::new(env!("CARGO_BIN_EXE_sealock-mirror"))
        .args(["pull", "--plain-http", &registry.host(), "--store", place.to_str().unwrap(), &name])
        .env("DOCKER_CONFIG", shop.path("docker"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let store = Store::open(&place).unwrap();
    let reference = Reference::parse(&name).unwrap();
    let digest = store.resolve(reference.repository(), tag).unwrap().digest;
    let input =
        sealock::policy::Input { file: "p".into(), bytes: shop::POLICY.into(), from_directory: false };
    let policies = sealock::policy::load(&[input]).policies;
    let root = TrustedRoot::from_json(shop.sigstore.trusted_root().json().as_bytes()).unwrap();
    let roots = Roots { default: TrustView::build("t", &root), named: std::collections::BTreeMap::new() };
    judge(&store, &name, &reference, digest, &policies, &roots).verdict
}
