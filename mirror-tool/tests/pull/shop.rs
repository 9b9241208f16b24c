//! A registry on loopback, a store, and the program between them.

use super::*;

pub const APP: &str = "demo/app";

pub const POLICY: &str = r#"apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: demo
spec:
  images:
    - glob: "**"
  authorities:
    - name: release
      keyless:
        identities:
          - issuerRegExp: ".*"
            subjectRegExp: ".*"
"#;

pub struct Run {
    pub status: i32,
    pub data: String,
    pub notes: String,
}

impl Run {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {}{}", self.data, self.notes))
    }
}

pub struct Shop {
    pub folder: tempfile::TempDir,
    pub registry: Registry,
    pub sigstore: Sigstore,
}

impl Shop {
    pub fn with(options: Options) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let shop =
            Self { folder: folder.unwrap(), registry: Registry::with(options), sigstore: Sigstore::new(7) };
        std::fs::write(shop.path("policy.yaml"), POLICY).unwrap();
        std::fs::write(shop.path("root.json"), shop.sigstore.trusted_root().json()).unwrap();
        shop
    }

    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealock-mirror"));
        command
            .arg(verb)
            .args(["--plain-http", &self.registry.host()])
            .args(more)
            .env("SEALOCK_STORE", self.path("store"))
            .env("DOCKER_CONFIG", self.path("docker"))
            .env_remove("HTTP_PROXY")
            .env_remove("HTTPS_PROXY");
        command
    }

    pub fn run(&self, verb: &str, more: &[&str]) -> Run {
        let output = self.command(verb, more).output().unwrap();
        Run {
            status: output.status.code().unwrap_or(-1),
            data: String::from_utf8(output.stdout).unwrap(),
            notes: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn pull(&self, more: &[&str]) -> Run {
        self.run("pull", &[&["-o", "json"], more].concat())
    }

    pub fn name(&self, path: &str, tag: &str) -> String {
        format!("{}/{path}:{tag}", self.registry.host())
    }

    pub fn store(&self) -> Store {
        Store::open(&self.path("store")).unwrap()
    }

    pub fn image(&self, text: &str) -> Image {
        Image::new(&format!("{}/{APP}", self.registry.host()), text)
    }

    /// What the policy says about an image, with the registry or the store as the place of evidence.
    pub fn verdict(&self, name: &str) -> Verdict {
        let store = self.store();
        let reference = Reference::parse(name).unwrap();
        let digest = store.resolve(reference.repository(), reference.tag().unwrap()).unwrap().digest;
        let input = sealock::policy::Input { file: "p".into(), bytes: POLICY.into(), from_directory: false };
        let policies = sealock::policy::load(&[input]).policies;
        let root = TrustedRoot::from_json(self.sigstore.trusted_root().json().as_bytes()).unwrap();
        let roots = Roots { default: TrustView::build("t", &root), named: std::collections::BTreeMap::new() };
        judge(&store, name, &reference, digest, &policies, &roots).verdict
    }

    pub fn clean(&self) {
        let report = fsck(&self.path("store")).unwrap();
        let bad: Vec<_> = report
            .findings
            .iter()
            .filter(|f| f.finding.severity == sealock::decision::Severity::Error)
            .collect();
        assert!(bad.is_empty(), "{bad:?}");
    }

    pub fn ledgers(&self) -> Vec<Value> {
        let Ok(folder) = std::fs::read_dir(self.path("store/snapshots")) else { return Vec::new() };
        let mut paths: Vec<_> = folder.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|p| serde_json::from_slice(&std::fs::read(p).unwrap()).unwrap()).collect()
    }

    /// A signed image with every kind of evidence on an index and on its child; the digests that must arrive.
    pub fn everything(&self) -> (Index, Vec<String>) {
        let repository = format!("{}/{APP}", self.registry.host());
        let child = |platform: &str| Image::for_platform(&repository, platform, platform);
        let index = Index::new(&repository, &[child("linux/amd64"), child("linux/arm64")]);
        self.registry.index("1.0", &index);
        let signer = self.sigstore.keyless(&Identity::example());
        let mut digests = vec![index.digest()];
        let signature = signer.image(&repository, &index.digest()).layer();
        let attestation = signer
            .statement("v1", &repository, &index.digest(), "https://slsa.dev/provenance/v1", "{}")
            .layer();
        let tag = self.registry.layers(&index, ".sig", &[signature]);
        digests.push(tag.clone());
        digests.push(self.registry.layers(&index, ".att", std::slice::from_ref(&attestation)));
        digests.push(self.registry.layers(&index, ".sbom", &[attestation]));
        digests.push(self.registry.referrer(&index, &signer.image_statement(&index.digest())));
        for child in &index.children {
            digests.push(child.digest());
            digests.push(self.registry.referrer(child, &signer.image_statement(&child.digest())));
        }
        digests.push(self.registry.fallback(&index));
        // Evidence about evidence: a bundle about the signature's manifest.
        let on_signature = sealock_testkit::Subject::absent(&repository, &tag);
        digests.push(self.registry.referrer_bytes(&on_signature, b"bundle about a signature", None));
        (index, digests)
    }
}

pub fn states(report: &Value) -> Vec<(String, String)> {
    let questions = report["images"][0]["questions"].as_array().unwrap();
    let text = |q: &Value, m: &str| q[m].as_str().unwrap().to_owned();
    questions.iter().map(|q| (text(q, "channel"), text(q, "state"))).collect()
}
