//! Rekor v1: entries, signed entry timestamps, inclusion proofs and checkpoints.

use std::sync::Mutex;

use crate::calendar::Time;
use crate::json::{Json, object};
use crate::keys::Algorithm;
use crate::keys::{Hash, SigningKey, Stream};
use crate::{base64, merkle};

/// A log. Entries are appended through a shared reference, so that one Sigstore can serve many signers.
#[derive(Debug)]
pub struct Rekor {
    /// Signs entry timestamps and checkpoints.
    pub key: SigningKey,
    /// Host name: the origin of checkpoints.
    pub host: String,
    /// Number of the tree, in the origin of checkpoints.
    pub tree_id: u64,
    leaves: Mutex<Vec<merkle::Node>>,
    entries: Mutex<Vec<LogEntry>>,
}

/// An entry with everything that proves it. All fields may be changed; nothing is kept in step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// `hashedrekord`, `dsse` or `intoto`.
    pub kind: String,
    /// Version of the kind.
    pub version: String,
    /// The canonical body.
    pub body: Vec<u8>,
    /// Time of inclusion as the log says.
    pub integrated_time: Time,
    /// SHA-256 of the log's public key.
    pub log_id: [u8; 32],
    /// Place in the log.
    pub log_index: i64,
    /// The signed entry timestamp: the log's promise.
    pub set: Vec<u8>,
    /// The proof of inclusion.
    pub proof: Proof,
}

/// An inclusion proof with its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Place in the tree.
    pub index: i64,
    /// Size of the tree.
    pub tree_size: i64,
    /// Root of the tree.
    pub root: merkle::Node,
    /// Audit path, from the leaf upwards.
    pub hashes: Vec<merkle::Node>,
    /// The signed note over size and root.
    pub checkpoint: String,
}

impl Rekor {
    /// A log with a P-256 key and a few entries of others in it.
    pub fn new(seed: u64, host: &str) -> Rekor {
        let mut stream = Stream::new(seed, &format!("rekor/{host}"));
        let leaves = (0..5).map(|_| merkle::leaf(&stream.take(64))).collect();
        Rekor {
            key: SigningKey::derive(seed, &format!("rekor/{host}"), Algorithm::P256),
            host: host.to_owned(),
            tree_id: 1_193_050_959_000_000_000 + seed % 1_000_000_000,
            leaves: Mutex::new(leaves),
            entries: Mutex::default(),
        }
    }

    /// `baseUrl` in the trusted root.
    pub fn base_url(&self) -> String {
        format!("https://{}", self.host)
    }

    /// Appends a body, and proves and promises its inclusion.
    pub fn append(&self, kind: &str, version: &str, body: &Json, integrated_time: Time) -> LogEntry {
        self.append_bytes(kind, version, body.canonical().into_bytes(), integrated_time)
    }

    /// As [`Rekor::append`] for bytes that need not be canonical, nor JSON.
    pub fn append_bytes(&self, kind: &str, version: &str, body: Vec<u8>, integrated_time: Time) -> LogEntry {
        let (index, proof) = {
            let mut leaves = self.leaves.lock().unwrap();
            leaves.push(merkle::leaf(&body));
            let index = leaves.len() - 1;
            let root = merkle::root(&leaves);
            let proof = Proof {
                index: i64::try_from(index).unwrap(),
                tree_size: i64::try_from(leaves.len()).unwrap(),
                root,
                hashes: merkle::inclusion(&leaves, index),
                checkpoint: self.checkpoint(leaves.len(), &root),
            };
            (i64::try_from(index).unwrap(), proof)
        };
        let mut entry = LogEntry {
            kind: kind.to_owned(),
            version: version.to_owned(),
            body,
            integrated_time,
            log_id: self.key.key_id(),
            log_index: index,
            set: Vec::new(),
            proof,
        };
        entry.promise(&self.key);
        self.entries.lock().unwrap().push(entry.clone());
        entry
    }

    /// Every entry that was appended, as it was then.
    pub fn entries(&self) -> Vec<LogEntry> {
        self.entries.lock().unwrap().clone()
    }

    /// Leaf hashes, in order.
    pub fn leaves(&self) -> Vec<merkle::Node> {
        self.leaves.lock().unwrap().clone()
    }

    /// How many entries it has.
    pub fn size(&self) -> usize {
        self.leaves.lock().unwrap().len()
    }

    /// The checkpoint that it signed, or would have signed, when it had `size` entries.
    pub fn checkpoint_at(&self, size: usize) -> String {
        let root = merkle::root(&self.leaves.lock().unwrap()[..size]);
        self.checkpoint(size, &root)
    }

    /// Proof that its first `from` entries begin its first `to` ones.
    pub fn consistency(&self, from: usize, to: usize) -> Vec<merkle::Node> {
        let leaves = self.leaves.lock().unwrap();
        if from == 0 { Vec::new() } else { merkle::consistency(&leaves[..to], from) }
    }

    /// Proof that the entry at `index` is among the first `size` ones.
    pub fn inclusion(&self, index: usize, size: usize) -> Vec<merkle::Node> {
        merkle::inclusion(&self.leaves.lock().unwrap()[..size], index)
    }

    /// A checkpoint signed by this log over any size and root.
    pub fn checkpoint(&self, size: usize, root: &merkle::Node) -> String {
        let text = format!("{} - {}\n{size}\n{}\n", self.host, self.tree_id, base64(root));
        signed_note(&text, &self.host, &self.key)
    }
}

/// A note with one signature: the text, an empty line, an em dash, the name, and the key hint before the signature.
pub fn signed_note(text: &str, name: &str, key: &SigningKey) -> String {
    let mut line = key.key_id()[..4].to_vec();
    line.extend(key.sign(text.as_bytes(), Hash::Sha256));
    format!("{text}\n\u{2014} {name} {}\n", base64(&line))
}

impl LogEntry {
    /// What the entry timestamp signs: RFC 8785 of body, time, log and index.
    pub fn promised(&self) -> String {
        self.payload().canonical()
    }

    /// Signs the entry as it is now.
    pub fn promise(&mut self, key: &SigningKey) {
        self.set = key.sign(self.promised().as_bytes(), Hash::Sha256);
    }

    fn payload(&self) -> Json {
        object([
            ("body", base64(&self.body).into()),
            ("integratedTime", self.integrated_time.into()),
            ("logIndex", self.log_index.into()),
            ("logID", hex::encode(self.log_id).into()),
        ])
    }

    /// The JSON of cosign's `bundle` annotation.
    pub fn annotation(&self) -> Json {
        object([("SignedEntryTimestamp", base64(&self.set).into()), ("Payload", self.payload())])
    }

    /// The JSON of an entry in a Sigstore bundle. Zero and empty members are left out, as protobuf JSON does.
    pub fn bundle(&self) -> Json {
        let mut members = Vec::new();
        if self.log_index != 0 {
            members.push(("logIndex", Json::Text(self.log_index.to_string())));
        }
        members.push(("logId", object([("keyId", base64(&self.log_id).into())])));
        members.push((
            "kindVersion",
            object([("kind", self.kind.as_str().into()), ("version", self.version.as_str().into())]),
        ));
        if self.integrated_time != 0 {
            members.push(("integratedTime", self.integrated_time.to_string().into()));
        }
        if !self.set.is_empty() {
            members.push(("inclusionPromise", object([("signedEntryTimestamp", base64(&self.set).into())])));
        }
        if !self.proof.checkpoint.is_empty() {
            members.push(("inclusionProof", self.proof.bundle()));
        }
        members.push(("canonicalizedBody", base64(&self.body).into()));
        Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl Proof {
    fn bundle(&self) -> Json {
        let mut members = Vec::new();
        if self.index != 0 {
            members.push(("logIndex".to_owned(), Json::Text(self.index.to_string())));
        }
        members.push(("rootHash".to_owned(), base64(&self.root).into()));
        members.push(("treeSize".to_owned(), Json::Text(self.tree_size.to_string())));
        if !self.hashes.is_empty() {
            let hashes = self.hashes.iter().map(|hash| Json::Text(base64(hash))).collect();
            members.push(("hashes".to_owned(), Json::Array(hashes)));
        }
        members.push(("checkpoint".to_owned(), object([("envelope", self.checkpoint.as_str().into())])));
        Json::Object(members)
    }
}

/// Body of `hashedrekord` 0.0.1: a hash, a signature over it, and the PEM of certificate or key.
pub fn hashedrekord(hash: Hash, digest: &[u8], signature: &[u8], verifier_pem: &str) -> Json {
    object([
        ("apiVersion", "0.0.1".into()),
        ("kind", "hashedrekord".into()),
        (
            "spec",
            object([
                (
                    "data",
                    object([(
                        "hash",
                        object([
                            ("algorithm", hash.lower_name().into()),
                            ("value", hex::encode(digest).into()),
                        ]),
                    )]),
                ),
                (
                    "signature",
                    object([
                        ("content", base64(signature).into()),
                        ("publicKey", object([("content", base64(verifier_pem.as_bytes()).into())])),
                    ]),
                ),
            ]),
        ),
    ])
}

fn sha256_object(bytes: &[u8]) -> Json {
    object([("algorithm", "sha256".into()), ("value", crate::sha256_hex(bytes).into())])
}

/// Body of `dsse` 0.0.1: hashes of envelope and payload, and each signature with its PEM.
pub fn dsse(envelope: &[u8], payload: &[u8], signature: &[u8], verifier_pem: &str) -> Json {
    object([
        ("apiVersion", "0.0.1".into()),
        ("kind", "dsse".into()),
        (
            "spec",
            object([
                ("envelopeHash", sha256_object(envelope)),
                ("payloadHash", sha256_object(payload)),
                (
                    "signatures",
                    Json::Array(vec![object([
                        ("signature", base64(signature).into()),
                        ("verifier", base64(verifier_pem.as_bytes()).into()),
                    ])]),
                ),
            ]),
        ),
    ])
}

/// Body of `intoto` 0.0.1: hashes of envelope and payload, and one PEM. It does not hold the signature.
pub fn intoto_v1(envelope: &[u8], payload: &[u8], verifier_pem: &str) -> Json {
    object([
        ("apiVersion", "0.0.1".into()),
        ("kind", "intoto".into()),
        (
            "spec",
            object([
                (
                    "content",
                    object([("hash", sha256_object(envelope)), ("payloadHash", sha256_object(payload))]),
                ),
                ("publicKey", base64(verifier_pem.as_bytes()).into()),
            ]),
        ),
    ])
}

/// Body of `intoto` 0.0.2: the envelope without its payload (the signature encoded twice), and both hashes.
///
/// Clients disagree over which bytes the envelope's hash is taken; here it is the envelope as [`crate::Signed`] writes it.
pub fn intoto_v2(
    envelope: &[u8],
    payload: &[u8],
    payload_type: &str,
    signature: &[u8],
    verifier_pem: &str,
) -> Json {
    let inner = object([
        ("payloadType", payload_type.into()),
        (
            "signatures",
            Json::Array(vec![object([
                ("publicKey", base64(verifier_pem.as_bytes()).into()),
                ("sig", base64(base64(signature).as_bytes()).into()),
            ])]),
        ),
    ]);
    object([
        ("apiVersion", "0.0.2".into()),
        ("kind", "intoto".into()),
        (
            "spec",
            object([(
                "content",
                object([
                    ("envelope", inner),
                    ("hash", sha256_object(envelope)),
                    ("payloadHash", sha256_object(payload)),
                ]),
            )]),
        ),
    ])
}
