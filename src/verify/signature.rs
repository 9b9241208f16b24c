//! Step 2: the signature is one of the signed bytes, by the certificate's key or by the key asked for.

use super::certificate::Leaf;
use super::subject::{Bound, Signed};
use super::{KeyHash, Rejection};
use crate::crypto::{HashAlgorithm, KeyAlgorithm, PublicKey};
use crate::evidence::{Content, Evidence};

/// Evidence whose signature verifies: proof of step 2.
pub(super) struct SignedBy<'e> {
    bound: Bound<'e>,
    signature: &'e [u8],
    verifier: Verifier,
}

/// What a log entry must name as its verifier.
pub(super) enum Verifier {
    /// The certificate, DER.
    Certificate(Vec<u8>),
    /// The key.
    Key(PublicKey),
}

impl<'e> SignedBy<'e> {
    pub(super) fn evidence(&self) -> &'e Evidence {
        self.bound.evidence()
    }

    /// What was signed.
    pub(super) fn signed(&self) -> &Signed<'e> {
        self.bound.signed()
    }

    /// The one signature that verified.
    pub(super) fn signature(&self) -> &'e [u8] {
        self.signature
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// SHA-256 of the verifying key's `SubjectPublicKeyInfo`, of the certificate for certificates.
    pub(super) fn key_id(&self) -> [u8; 32] {
        match &self.verifier {
            Verifier::Certificate(der) => crate::crypto::sha256(der),
            Verifier::Key(key) => crate::crypto::sha256(key.spki()),
        }
    }
}

pub(super) fn by_certificate<'e>(bound: Bound<'e>, leaf: &Leaf) -> Result<SignedBy<'e>, Rejection> {
    let key = leaf.key().map_err(|e| Rejection::BadCertificate { reason: e.to_string() })?;
    // cosign hashes with SHA-256 whatever the curve; newer clients hash as the curve asks. Both are sound.
    let signature = find(&bound, &key, KeyHash::Own, "certificate's key")?;
    Ok(SignedBy { bound, signature, verifier: Verifier::Certificate(leaf.der.clone()) })
}

pub(super) fn by_key<'e>(
    bound: Bound<'e>,
    key: &PublicKey,
    hash: KeyHash,
) -> Result<SignedBy<'e>, Rejection> {
    let signature = find(&bound, key, hash, "given key")?;
    Ok(SignedBy { bound, signature, verifier: Verifier::Key(key.clone()) })
}

/// The first signature that verifies. Only envelopes can carry several.
fn find<'e>(
    bound: &Bound<'e>,
    key: &PublicKey,
    hash: KeyHash,
    by: &'static str,
) -> Result<&'e [u8], Rejection> {
    let one;
    let candidates: &[Vec<u8>] = match &bound.evidence().content {
        Content::SimpleSigning { signature, .. } | Content::Message { signature, .. } => {
            one = std::slice::from_ref(signature);
            one
        }
        Content::Envelope { envelope, .. } => &envelope.signatures,
    };
    let hashes = match (hash, &bound.evidence().content) {
        (KeyHash::As(hash), _) => vec![hash],
        // A message says which hash it was signed over.
        (KeyHash::Own, Content::Message { digest: Some((name, _)), .. }) => {
            HashAlgorithm::named(name).into_iter().collect()
        }
        (KeyHash::Own, _) if key.own_hash() == HashAlgorithm::Sha256 => vec![HashAlgorithm::Sha256],
        (KeyHash::Own, _) => vec![key.own_hash(), HashAlgorithm::Sha256],
    };
    candidates
        .iter()
        .map(Vec::as_slice)
        .find(|signature| verifies(bound.signed(), key, &hashes, signature))
        .ok_or(Rejection::BadSignature { by })
}

fn verifies(signed: &Signed<'_>, key: &PublicKey, hashes: &[HashAlgorithm], signature: &[u8]) -> bool {
    match signed.bytes() {
        Some(bytes) if key.algorithm() == KeyAlgorithm::Ed25519 => {
            key.verifies(HashAlgorithm::Sha512, bytes, signature) || key.verifies_ed25519ph(bytes, signature)
        }
        Some(bytes) => hashes.iter().any(|hash| key.verifies(*hash, bytes, signature)),
        None => hashes.iter().any(|hash| {
            signed.digest(*hash).is_some_and(|digest| key.verifies_digest(*hash, &digest, signature))
        }),
    }
}
