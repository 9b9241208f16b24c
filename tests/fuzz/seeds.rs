//! Seeds of every target, minted by the testkit: honest ones, and one of each form that a parser knows.

use std::sync::OnceLock;

use sealock::evidence::{Evidence, bundle};
use sealock::image::Digest;
use sealock::seal::ReceiptKey;
use sealock_testkit::calendar::BASE_TIME;
use sealock_testkit::tsa::Token;
use sealock_testkit::{
    Algorithm, EnvelopeEntry, Identity, Layer, Layout, RekorV2, Sigstore, TrustedRoot, Tsa, Witness, tar,
};

/// The instance that all seeds are of.
pub struct World {
    pub sigstore: Sigstore,
    pub log: RekorV2,
    pub tsa: Tsa,
    pub digest: String,
}

impl World {
    pub fn get() -> &'static World {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| {
            let sigstore = Sigstore::with_p256_authority(4242);
            let witness = Witness::new(4242, "witness.example.com");
            World {
                log: RekorV2::new(4242, "log.example.com", Algorithm::Ed25519)
                    .witnessed_by(&witness, BASE_TIME),
                tsa: Tsa::with_key(4242, "stamps.example.com", Algorithm::P256),
                digest: sigstore.image("app").digest(),
                sigstore,
            }
        })
    }

    pub fn root(&self) -> TrustedRoot {
        self.sigstore.trusted_root().with_log_v2(&self.log).with_tsa(&self.tsa)
    }
}

fn signed() -> &'static sealock_testkit::Signed {
    static SIGNED: OnceLock<sealock_testkit::Signed> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let world = World::get();
        let signer = world.sigstore.keyless(&Identity::example()).logged_in_v2(&world.log);
        signer.stamped_by(&world.tsa).image_statement(&world.digest)
    })
}

/// Evidence that verifies, to be spoiled in one place.
pub fn evidence() -> Evidence {
    static EVIDENCE: OnceLock<Evidence> = OnceLock::new();
    let read = || {
        let text = signed().bundle();
        bundle::parse(Digest::sha256(text.as_bytes()), text.as_bytes()).expect("the seed")
    };
    EVIDENCE.get_or_init(read).clone()
}

/// An entry with that body which the instance's own log promised to include.
pub fn promised(body: &[u8]) -> sealock::evidence::LogEntry {
    let world = World::get();
    let mut entry = sealock_testkit::rekor::LogEntry {
        kind: String::new(),
        version: String::new(),
        body: body.to_vec(),
        integrated_time: BASE_TIME + 5,
        log_id: world.sigstore.rekor.key.key_id(),
        log_index: 1,
        set: Vec::new(),
        proof: sealock_testkit::rekor::Proof {
            index: 0,
            tree_size: 0,
            root: [0; 32],
            hashes: Vec::new(),
            checkpoint: String::new(),
        },
    };
    entry.promise(&world.sigstore.rekor.key);
    sealock::evidence::LogEntry {
        log_id: entry.log_id.to_vec(),
        log_index: 1,
        integrated_time: jiff::Timestamp::from_second(entry.integrated_time).ok(),
        kind_version: None,
        body: entry.body,
        promise: Some(entry.set),
        proof: None,
        fetched_proofs: Vec::new(),
    }
}

/// The key of some store.
pub fn receipt_key() -> &'static ReceiptKey {
    static KEY: OnceLock<ReceiptKey> = OnceLock::new();
    KEY.get_or_init(|| ReceiptKey::parse(&vkey("store", 1)).expect("a key"))
}

/// A note's verifier key in C2SP's form.
fn vkey(name: &str, seed: u64) -> String {
    let key = sealock_testkit::SigningKey::derive(seed, name, Algorithm::Ed25519).public_der();
    let key = [&[1], &key[key.len() - 32..]].concat();
    let id = sealock_testkit::sha256_hex(&[name.as_bytes(), b"\n", &key].concat());
    format!("{name}+{}+{}", &id[..8], sealock_testkit::base64(&key))
}

fn layer(layer: &Layer) -> Vec<u8> {
    let mut out = serde_json::to_vec(&layer.annotations).expect("JSON");
    out.push(b'\n');
    out.extend_from_slice(&layer.blob);
    out
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let world = World::get();
    let keyless = || world.sigstore.keyless(&Identity::example());
    let key = world.sigstore.key("release", Algorithm::P256);
    let statement = |entry| {
        let signer = keyless().envelope_entry(entry).classic().stamped_by(&world.tsa);
        signer.statement("v1", "app", &world.digest, "https://slsa.dev/provenance/v1", r#"{"a":[1]}"#)
    };
    let image = || keyless().stamped_by(&world.tsa).image("registry.example.com/app", &world.digest);
    match target {
        "classic-signature" => {
            let keyed = world.sigstore.keyed(&key).image("registry.example.com/app", &world.digest);
            vec![layer(&image().layer()), layer(&keyed.layer())]
        }
        "classic-attestation" => [EnvelopeEntry::Dsse, EnvelopeEntry::IntotoV1, EnvelopeEntry::IntotoV2]
            .map(|entry| layer(&statement(entry).layer()))
            .into(),
        "bundle" => vec![
            signed().bundle().into_bytes(),
            signed().older_bundle("0.2").into_bytes(),
            statement(EnvelopeEntry::IntotoV2).bundle().into_bytes(),
            keyless().payload(b"file".to_vec()).older_bundle("0.1").into_bytes(),
            world
                .sigstore
                .keyed(&key)
                .also_logged_in_v2(&world.log)
                .image_statement(&world.digest)
                .bundle()
                .into(),
        ],
        "envelope" => vec![signed().envelope(), statement(EnvelopeEntry::Dsse).envelope()],
        "statement" => vec![signed().content.payload().to_vec()],
        "simple-signing" => vec![image().content.payload().to_vec()],
        "certificate" => vec![
            signed().certificate.clone().expect("a certificate"),
            world.sigstore.authority.intermediate.clone(),
            world.tsa.leaf.clone(),
        ],
        "public-key" => Algorithm::ALL
            .iter()
            .filter(|algorithm| !matches!(algorithm, Algorithm::Rsa3072))
            .flat_map(|algorithm| {
                let key = world.sigstore.key("fuzz", *algorithm);
                [key.public_der(), key.public_pem().into_bytes()]
            })
            .collect(),
        "timestamp" => {
            let token = world.tsa.token(&signed().signature, BASE_TIME + 5);
            let by_key = Token { signer: world.tsa.key_identifier(), nonce: Some(7), ..token.clone() };
            vec![token.response(), token.bare(), by_key.response()]
        }
        "log-entry" => {
            let entries =
                [signed(), &statement(EnvelopeEntry::IntotoV1), &statement(EnvelopeEntry::IntotoV2)]
                    .map(|signed| signed.entry.clone().expect("an entry"));
            let documents = entries.iter().map(|entry| entry.bundle().compact().into_bytes());
            documents.chain(entries.iter().map(|entry| entry.body.clone())).collect()
        }
        "checkpoint" => vec![
            world.log.checkpoint(5, &[7; 32]).into_bytes(),
            world.sigstore.rekor.checkpoint_at(3).into_bytes(),
        ],
        other => documents(other),
    }
}

/// The seeds of a target that reads no evidence.
fn documents(target: &str) -> Vec<Vec<u8>> {
    let world = World::get();
    match target {
        "tree-head" => vec![world.sigstore.ct_log.tree_head(9, &[7; 32], BASE_TIME).into_bytes()],
        "log-history" => vec![history()],
        "log-state" => vec![state()],
        "manifest" => layout(),
        "reference" => [
            "alpine",
            "registry.example.com:5000/a/b:1.0",
            "docker.io/library/x@sha256:00",
            &format!("localhost/app:tag@{}", world.digest),
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "policy" => {
            vec![POLICY.as_bytes().to_vec(), ODD_POLICY.as_bytes().to_vec(), TRUST_ROOT.as_bytes().to_vec()]
        }
        "regexp" => [
            "^https://github\\.com/[^/]+/app$\nhttps://github.com/example/app",
            "(a|b)*?c{2,5}\\pL\naac",
            "[[:alpha:]]+(?i:x)\\b",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "glob" => [
            "registry.example.com/**/app*\nregistry.example.com/a/b/app:1",
            "*\nalpine",
            "ghcr.io/{a,b}/[c-e]?",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "seal-header" => vec![seal_header()],
        "seal-documents" => vec![
            br#"{"closure":{},"format":"sealock.dev/snapshot/v1","ledger":null,"omitted":[]}"#.to_vec(),
            br#"{"registry.example.com/app:1":"sha256:00"}"#.to_vec(),
            operators(),
            vkey("store", 1).into_bytes(),
            format!(
                "sealock.dev/receipt/v1\nstore\n{}\n1\n-\ncomplete\n\n\u{2014} store AAAA\n",
                world.digest
            )
            .into_bytes(),
        ],
        "trusted-root" => vec![world.root().json().into_bytes()],
        "archive" => {
            let image = world.sigstore.image("app");
            let layout = Layout::new().image("registry.example.com/app:1", &image);
            let members: Vec<tar::Member> =
                layout.files().iter().map(|(name, content)| tar::Member::file(name, content)).collect();
            let mut odd =
                vec![tar::Member::pax(&[("path", "oci-layout")]), tar::Member::gnu_long_name("index.json")];
            odd.extend(members.iter().cloned());
            vec![tar::archive(&members), tar::archive(&odd)]
        }
        other => panic!("no seeds for {other}"),
    }
}

/// The index of a layout and the manifests that it names.
fn layout() -> Vec<Vec<u8>> {
    let image = World::get().sigstore.image("app");
    let files = Layout::new().image("registry.example.com/app:1", &image).files();
    files.values().filter(|bytes| bytes.starts_with(b"{\"schemaVersion\"")).cloned().collect()
}

fn history() -> Vec<u8> {
    use sealock::log::{Head, History, growth::Link, head::LogKind};
    let world = World::get();
    let rekor = &world.sigstore.rekor;
    let root = sealock::trust::TrustedRoot::from_json(world.root().json().as_bytes()).expect("a root");
    let view = sealock::trust::TrustView::build("fuzz", &root);
    let log = view.logs_of(LogKind::Rekor, rekor.key.key_id()).next().expect("the log");
    let first = Head::parse(LogKind::Rekor, &rekor.checkpoint_at(2)).expect("a head");
    let mut history = History::new(first.signed_by(log).expect("signed").log());
    history.heads.push(Link { head: rekor.checkpoint_at(2), proof: Some(Vec::new()) });
    let proof = rekor.consistency(2, 5).iter().map(hex::encode).collect();
    history.heads.push(Link { head: rekor.checkpoint_at(5), proof: Some(proof) });
    history.render().expect("a history")
}

fn state() -> Vec<u8> {
    use sealock::log::{History, LogState, head::LogKind};
    let world = World::get();
    let root = sealock::trust::TrustedRoot::from_json(world.root().json().as_bytes()).expect("a root");
    let view = sealock::trust::TrustView::build("fuzz", &root);
    let log = view.logs_of(LogKind::Rekor, world.sigstore.rekor.key.key_id()).next().expect("the log");
    let mut state = LogState::default();
    state.take(&History::parse(&history()).expect("a history"), log).expect("taken");
    state.render().expect("a state")
}

/// The head of a transfer without signatures, which is as far as anything is read before it is believed.
fn seal_header() -> Vec<u8> {
    use sealock::seal::container::{self, FAT32};
    use sealock::seal::statement::{self, Content, Segments, Statement, Versioned};
    let names =
        [container::LAYOUT, container::INDEX, container::SNAPSHOT, container::OPERATORS, "refs/00.json"];
    let contents: std::collections::BTreeMap<_, _> =
        names.map(|name| (name.to_owned(), Content::of(name.as_bytes()))).into();
    let total = contents.values().map(|c| container::entry_length(c.size)).sum::<u64>() + container::END;
    let statement = Statement {
        audience: "store".to_owned(),
        base: None,
        contents,
        deny_list: None,
        exceptions: Vec::new(),
        expires: "2026-03-01T00:00:00Z".parse().expect("a time"),
        format: statement::FORMAT.to_owned(),
        journal: None,
        operators: Versioned { sha256: "0".repeat(64), version: 1 },
        origin: "low side".to_owned(),
        policies: std::collections::BTreeMap::new(),
        previous: None,
        sealed_at: "2026-01-01T00:00:00Z".parse().expect("a time"),
        segments: Segments { sha256: vec!["0".repeat(64)], size: FAT32, total },
        sequence: 1,
        trust: Vec::new(),
    };
    sealock::seal::Header::new(&statement).and_then(|header| header.render()).expect("a head")
}

/// Operators that nobody has signed yet.
fn operators() -> Vec<u8> {
    use sealock::seal::operators::{self, Document, Draft, Key, Role, Roles};
    let spki = sealock_testkit::SigningKey::derive(1, "operator", Algorithm::Ed25519).public_der();
    let id = sealock_testkit::sha256_hex(&spki);
    let role = Role { keys: [id.clone()].into(), threshold: 1 };
    let document = Document {
        expires: "2036-01-01T00:00:00Z".parse().expect("a time"),
        format: operators::FORMAT.to_owned(),
        keys: [(id, Key { name: "one".to_owned(), spki: sealock_testkit::base64(&spki) })].into(),
        roles: Roles {
            deny: role.clone(),
            operators: role.clone(),
            policy: role.clone(),
            recovery: None,
            seal: role,
        },
        version: 1,
    };
    Draft::first(&document).and_then(|draft| draft.render()).expect("operators")
}

const POLICY: &str = r"apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: app}
spec:
  mode: enforce
  images:
  - glob: 'registry.example.com/**'
  authorities:
  - name: keyless
    keyless:
      url: https://fulcio.example.com
      identities:
      - issuer: https://token.example.com
        subjectRegExp: ^https://github\.com/.*$
    ctlog: {url: https://rekor.example.com}
---
# nothing
...
---
apiVersion: policy.sigstore.dev/v1alpha1
kind: ClusterImagePolicy
metadata:
  name: static
spec:
  images: [{glob: '*'}, {glob: 'index.docker.io/**'}]
  authorities:
  - static: {action: pass}
";

/// What YAML has beside the plain forms, and keys and attestations in a policy.
const ODD_POLICY: &str = r"apiVersion: &v policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: odd, labels: {a: *v}}
spec:
  images: [{glob: 'a*'}]
  authorities:
  - key:
      hashAlgorithm: sha512
      data: |-
        -----BEGIN PUBLIC KEY-----
        AAAA
        -----END PUBLIC KEY-----
    attestations:
    - {name: vuln, predicateType: vuln, policy: {type: cue, data: 'x: 1'}}
---
&a {x: [*a, !!str 1, 0x10, ~, 2024-01-01], ? [k] : >-
  folded
  text
 }
";

const TRUST_ROOT: &str = r"apiVersion: policy.sigstore.dev/v1alpha1
kind: TrustRoot
metadata:
  name: own
spec:
  sigstoreKeys:
    certificateAuthorities:
    - subject: {organization: o, commonName: c}
      uri: https://fulcio.example.com
      certChain: AAAA
    tLogs:
    - baseURL: https://rekor.example.com
      hashAlgorithm: sha-256
      publicKey: AAAA
";
