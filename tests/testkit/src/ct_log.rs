//! The certificate transparency log: signed certificate timestamps over precertificates (RFC 6962 §3.2, §3.3).

use crate::calendar::Time;
use crate::keys::{Algorithm, Hash, SigningKey};
use crate::{base64, merkle};

/// A log that promises to include what it is shown.
#[derive(Clone, Debug)]
pub struct CtLog {
    /// Signs the timestamps.
    pub key: SigningKey,
    /// `baseUrl` in the trusted root.
    pub base_url: String,
}

/// A signed certificate timestamp, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sct {
    /// SHA-256 of the log's public key.
    pub log_id: [u8; 32],
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// Opaque extensions, usually none.
    pub extensions: Vec<u8>,
    /// DER signature.
    pub signature: Vec<u8>,
}

impl CtLog {
    /// A log with a P-256 key.
    pub fn new(seed: u64, base_url: &str) -> CtLog {
        CtLog {
            key: SigningKey::derive(seed, &format!("ct/{base_url}"), Algorithm::P256),
            base_url: base_url.to_owned(),
        }
    }

    /// Stamps a certificate, given as its signed part without the SCT list, and the hash of its issuer's key.
    pub fn stamp(&self, issuer_key_hash: &[u8; 32], tbs: &[u8], time: Time) -> Sct {
        self.stamp_with(issuer_key_hash, tbs, time, &[])
    }

    /// The same with extensions in the promise, which the signature covers.
    pub fn stamp_with(&self, issuer_key_hash: &[u8; 32], tbs: &[u8], time: Time, extensions: &[u8]) -> Sct {
        let timestamp = u64::try_from(time).unwrap() * 1000 + 250;
        let mut signed = vec![0, 0];
        signed.extend_from_slice(&timestamp.to_be_bytes());
        signed.extend_from_slice(&1_u16.to_be_bytes());
        signed.extend_from_slice(issuer_key_hash);
        signed.extend_from_slice(&u32::try_from(tbs.len()).unwrap().to_be_bytes()[1..]);
        signed.extend_from_slice(tbs);
        signed.extend(vector16(extensions));
        Sct {
            log_id: self.key.key_id(),
            timestamp,
            extensions: extensions.to_vec(),
            signature: self.key.sign(&signed, Hash::Sha256),
        }
    }
}

impl CtLog {
    /// What `get-sth` answers for a tree of `size` leaves with that root (RFC 6962 §3.5, §4.3).
    pub fn tree_head(&self, size: usize, root: &merkle::Node, time: Time) -> String {
        let timestamp = u64::try_from(time).unwrap() * 1000;
        let mut signed = vec![0, 1];
        signed.extend_from_slice(&timestamp.to_be_bytes());
        signed.extend_from_slice(&u64::try_from(size).unwrap().to_be_bytes());
        signed.extend_from_slice(root);
        let mut signature = vec![4, 3];
        signature.extend(vector16(&self.key.sign(&signed, Hash::Sha256)));
        format!(
            r#"{{"tree_size":{size},"timestamp":{timestamp},"sha256_root_hash":"{}","tree_head_signature":"{}"}}"#,
            base64(root),
            base64(&signature)
        )
    }
}

impl Sct {
    /// As the TLS structure says: version 1, log, time, extensions, ECDSA with SHA-256.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0];
        out.extend_from_slice(&self.log_id);
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend(vector16(&self.extensions));
        out.extend_from_slice(&[4, 3]);
        out.extend(vector16(&self.signature));
        out
    }
}

/// `SignedCertificateTimestampList`.
pub fn sct_list(scts: &[Sct]) -> Vec<u8> {
    let items: Vec<u8> = scts.iter().flat_map(|sct| vector16(&sct.encode())).collect();
    vector16(&items)
}

fn vector16(content: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(content);
    out
}
