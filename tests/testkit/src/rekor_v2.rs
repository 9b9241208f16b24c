//! Rekor v2: a log of tiles that proves inclusion and nothing else. It gives no promise and no time, its checkpoints are
//! signed under its own host, and witnesses may sign them too.
//!
//! What it appends is a [`LogEntry`] as of version 1, with an empty promise and no integrated time. The log's id is the
//! hash of its verifier key: for Ed25519 of origin, newline, type and key (C2SP signed-note), for ECDSA of the key alone.

use std::sync::Mutex;

use crate::calendar::Time;
use crate::json::{Json, object};
use crate::keys::{Algorithm, Hash, SigningKey, Stream};
use crate::rekor::{LogEntry, Proof};
use crate::{base64, merkle};

/// Type of Ed25519 keys in the ids of signed notes.
const NOTE_ED25519: u8 = 1;
/// Type of the keys of witnesses: `cosignature/v1`.
const COSIGNATURE: u8 = 4;

/// A log. Entries are appended through a shared reference, as in [`crate::rekor::Rekor`].
#[derive(Debug)]
pub struct RekorV2 {
    /// Signs checkpoints.
    pub key: SigningKey,
    /// Host name: the origin of checkpoints.
    pub host: String,
    /// Who signs each of its checkpoints as well, and at which time.
    pub witnesses: Vec<(Witness, Time)>,
    leaves: Mutex<Vec<merkle::Node>>,
    entries: Mutex<Vec<LogEntry>>,
}

/// Somebody who has seen a log grow and signs what they saw (C2SP tlog-cosignature).
#[derive(Clone, Debug)]
pub struct Witness {
    /// Name of the key, as it stands on the signature line.
    pub name: String,
    /// An Ed25519 key.
    pub key: SigningKey,
}

/// Who a v2 entry says has signed.
#[derive(Clone, Copy, Debug)]
pub enum Verifier<'a> {
    /// A certificate, DER.
    Certificate(&'a [u8]),
    /// A key, DER.
    Key(&'a [u8]),
}

impl RekorV2 {
    /// A log with a key of that kind (Ed25519, or ECDSA on P-256) and a few entries of others in it.
    pub fn new(seed: u64, host: &str, algorithm: Algorithm) -> RekorV2 {
        let mut log = RekorV2::empty(seed, host, algorithm);
        let mut stream = Stream::new(seed, &format!("rekor-v2/{host}"));
        log.leaves = Mutex::new((0..5).map(|_| merkle::leaf(&stream.take(64))).collect());
        log
    }

    /// A log with nothing in it: its first entry has index 0 in a tree of size 1, whose proof is empty.
    pub fn empty(seed: u64, host: &str, algorithm: Algorithm) -> RekorV2 {
        RekorV2 {
            key: SigningKey::derive(seed, &format!("rekor-v2/{host}"), algorithm),
            host: host.to_owned(),
            witnesses: Vec::new(),
            leaves: Mutex::default(),
            entries: Mutex::default(),
        }
    }

    /// With a witness that signs every checkpoint at a time of its own.
    #[must_use]
    pub fn witnessed_by(mut self, witness: &Witness, time: Time) -> RekorV2 {
        self.witnesses.push((witness.clone(), time));
        self
    }

    /// `baseUrl` in the trusted root.
    pub fn base_url(&self) -> String {
        format!("https://{}", self.host)
    }

    /// The id under which entries and the trusted root name it.
    pub fn log_id(&self) -> [u8; 32] {
        note_id(&self.host, &self.key)
    }

    /// Appends a body and proves its inclusion.
    pub fn append(&self, kind: &str, version: &str, body: &Json) -> LogEntry {
        self.append_bytes(kind, version, body.canonical().into_bytes())
    }

    /// As [`RekorV2::append`] for bytes that need not be canonical, nor JSON.
    pub fn append_bytes(&self, kind: &str, version: &str, body: Vec<u8>) -> LogEntry {
        let mut leaves = self.leaves.lock().unwrap();
        leaves.push(merkle::leaf(&body));
        let (index, size) = (leaves.len() - 1, leaves.len());
        let root = merkle::root(&leaves);
        let entry = LogEntry {
            kind: kind.to_owned(),
            version: version.to_owned(),
            body,
            integrated_time: 0,
            log_id: self.log_id(),
            log_index: i64::try_from(index).unwrap(),
            set: Vec::new(),
            proof: Proof {
                index: i64::try_from(index).unwrap(),
                tree_size: i64::try_from(size).unwrap(),
                root,
                hashes: merkle::inclusion(&leaves, index),
                checkpoint: self.checkpoint(size, &root),
            },
        };
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

    /// A checkpoint of this log over any size and root, with its witnesses' signatures.
    pub fn checkpoint(&self, size: usize, root: &merkle::Node) -> String {
        self.checkpoint_as(&self.host, size, root)
    }

    /// The same under another origin: signed by this log's key, for a log of another name.
    pub fn checkpoint_as(&self, origin: &str, size: usize, root: &merkle::Node) -> String {
        let text = format!("{origin}\n{size}\n{}\n", base64(root));
        let hint = note_id(origin, &self.key);
        let mut note = format!("{text}\n{}", line(origin, &hint[..4], &self.sign(&text)));
        for (witness, time) in &self.witnesses {
            note.push_str(&witness.cosign(&text, *time));
        }
        note
    }

    /// Its signature over the text of a note.
    pub fn sign(&self, text: &str) -> Vec<u8> {
        self.key.sign(text.as_bytes(), self.key.usual_hash())
    }

    /// Logs the entry again under another name of this log, with that name's id and checkpoint: a log that serves
    /// two names with one key.
    #[must_use]
    pub fn under_another_name(&self, entry: &LogEntry, origin: &str) -> LogEntry {
        let mut entry = entry.clone();
        let size = usize::try_from(entry.proof.tree_size).unwrap();
        entry.proof.checkpoint = self.checkpoint_as(origin, size, &entry.proof.root);
        entry
    }
}

impl Witness {
    /// A witness with a key of its own.
    pub fn new(seed: u64, name: &str) -> Witness {
        Witness {
            name: name.to_owned(),
            key: SigningKey::derive(seed, &format!("witness/{name}"), Algorithm::Ed25519),
        }
    }

    /// Four bytes that tell which key made a signature.
    pub fn key_hint(&self) -> [u8; 4] {
        let digest = Hash::Sha256.digest(&named_key(&self.name, COSIGNATURE, &raw_key(&self.key)));
        digest[..4].try_into().unwrap()
    }

    /// Its verifier key as text: name, hint and key (C2SP signed-note).
    pub fn vkey(&self) -> String {
        let mut key = vec![COSIGNATURE];
        key.extend(raw_key(&self.key));
        format!("{}+{}+{}", self.name, hex::encode(self.key_hint()), base64(&key))
    }

    /// The signature line over a checkpoint's text as it stood at `time`.
    pub fn cosign(&self, text: &str, time: Time) -> String {
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        let mut signature = u64::try_from(time).unwrap().to_be_bytes().to_vec();
        signature.extend(self.key.sign(message.as_bytes(), Hash::Sha256));
        line(&self.name, &self.key_hint(), &signature)
    }
}

/// A signature line of a note.
pub fn line(name: &str, hint: &[u8], signature: &[u8]) -> String {
    let bytes: Vec<u8> = hint.iter().chain(signature).copied().collect();
    format!("\u{2014} {name} {}\n", base64(&bytes))
}

/// The last 32 bytes of the DER of an Ed25519 key are the key.
fn raw_key(key: &SigningKey) -> Vec<u8> {
    let der = key.public_der();
    der[der.len() - 32..].to_vec()
}

fn named_key(name: &str, kind: u8, key: &[u8]) -> Vec<u8> {
    let mut out = format!("{name}\n").into_bytes();
    out.push(kind);
    out.extend_from_slice(key);
    out
}

fn note_id(name: &str, key: &SigningKey) -> [u8; 32] {
    match key.algorithm() {
        Algorithm::Ed25519 => {
            Hash::Sha256.digest(&named_key(name, NOTE_ED25519, &raw_key(key))).try_into().unwrap()
        }
        _ => key.key_id(),
    }
}

impl Verifier<'_> {
    fn json(self, key_details: &str) -> Json {
        let (member, bytes) = match self {
            Verifier::Certificate(der) => ("x509Certificate", der),
            Verifier::Key(der) => ("publicKey", der),
        };
        object([("keyDetails", key_details.into()), (member, object([("rawBytes", base64(bytes).into())]))])
    }
}

/// Body of `hashedrekord` 0.0.2: a hash (of a payload, or of an envelope's encoding), a signature over it, the signer.
pub fn hashedrekord(
    hash: Hash,
    digest: &[u8],
    signature: &[u8],
    verifier: Verifier<'_>,
    key_details: &str,
) -> Json {
    body(
        "hashedrekord",
        "hashedRekordV002",
        object([
            ("data", object([("algorithm", hash.bundle_name().into()), ("digest", base64(digest).into())])),
            ("signature", signed(signature, verifier, key_details)),
        ]),
    )
}

/// Body of `dsse` 0.0.2: the hash of an envelope's payload, its one signature, the signer.
pub fn dsse(payload: &[u8], signature: &[u8], verifier: Verifier<'_>, key_details: &str) -> Json {
    body(
        "dsse",
        "dsseV002",
        object([
            (
                "payloadHash",
                object([
                    ("algorithm", Hash::Sha256.bundle_name().into()),
                    ("digest", base64(&Hash::Sha256.digest(payload)).into()),
                ]),
            ),
            ("signatures", Json::Array(vec![signed(signature, verifier, key_details)])),
        ]),
    )
}

fn body(kind: &str, member: &str, spec: Json) -> Json {
    object([("apiVersion", "0.0.2".into()), ("kind", kind.into()), ("spec", object([(member, spec)]))])
}

fn signed(signature: &[u8], verifier: Verifier<'_>, key_details: &str) -> Json {
    object([("content", base64(signature).into()), ("verifier", verifier.json(key_details))])
}
