//! Step 2: the signature is one of the signed bytes, by the certificate's key or by the key asked for.

use super::Rejection;
use super::certificate::Leaf;
use super::subject::Bound;
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

    pub(super) fn signed_bytes(&self) -> &[u8] {
        self.bound.signed_bytes()
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
    let hashes = match key.algorithm() {
        KeyAlgorithm::EcdsaP384 => vec![HashAlgorithm::Sha256, HashAlgorithm::Sha384],
        KeyAlgorithm::EcdsaP521 => vec![HashAlgorithm::Sha256, HashAlgorithm::Sha512],
        _ => vec![HashAlgorithm::Sha256],
    };
    let signature = find(&bound, &key, &hashes, "certificate's key")?;
    Ok(SignedBy { bound, signature, verifier: Verifier::Certificate(leaf.der.clone()) })
}

pub(super) fn by_key<'e>(
    bound: Bound<'e>,
    key: &PublicKey,
    hash: HashAlgorithm,
) -> Result<SignedBy<'e>, Rejection> {
    let signature = find(&bound, key, &[hash], "given key")?;
    Ok(SignedBy { bound, signature, verifier: Verifier::Key(key.clone()) })
}

/// The first signature that verifies. Only envelopes can carry several.
fn find<'e>(
    bound: &Bound<'e>,
    key: &PublicKey,
    hashes: &[HashAlgorithm],
    by: &'static str,
) -> Result<&'e [u8], Rejection> {
    let candidates: Vec<&'e [u8]> = match &bound.evidence().content {
        Content::SimpleSigning { signature, .. } | Content::Message { signature, .. } => vec![signature],
        Content::Envelope { envelope, .. } => envelope.signatures.iter().map(Vec::as_slice).collect(),
    };
    candidates
        .into_iter()
        .find(|signature| hashes.iter().any(|hash| key.verifies(*hash, bound.signed_bytes(), signature)))
        .ok_or(Rejection::BadSignature { by })
}
