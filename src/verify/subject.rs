//! Step 1: the evidence is of the wanted kind and about exactly this digest.

use super::{Purpose, Rejection, Subject};
use crate::crypto::HashAlgorithm;
use crate::evidence::statement::Statement;
use crate::evidence::{Content, Evidence};
use crate::image::Digest;

/// Predicate type of an image signature in a bundle, as cosign 3 writes it.
pub const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// Evidence that is about the image judged: proof of step 1.
pub(super) struct Bound<'e> {
    evidence: &'e Evidence,
    signed: Signed<'e>,
}

/// What signatures cover.
pub(super) enum Signed<'e> {
    /// These bytes.
    Bytes(&'e [u8]),
    /// These bytes, put together.
    Encoded(Vec<u8>),
    /// Bytes of which only this digest is known.
    Digest(HashAlgorithm, &'e [u8]),
}

impl Signed<'_> {
    /// The bytes, where they are known.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Encoded(bytes) => Some(bytes),
            Self::Digest(..) => None,
        }
    }

    /// Their digest, where it can be told.
    pub(super) fn digest(&self, hash: HashAlgorithm) -> Option<Vec<u8>> {
        match self {
            Self::Digest(known, digest) => (*known == hash).then(|| digest.to_vec()),
            _ => self.bytes().map(|bytes| hash.digest(bytes)),
        }
    }
}

impl<'e> Bound<'e> {
    pub(super) fn evidence(&self) -> &'e Evidence {
        self.evidence
    }

    /// What the signature is over.
    pub(super) fn signed(&self) -> &Signed<'e> {
        &self.signed
    }
}

pub(super) fn bind<'e>(
    evidence: &'e Evidence,
    subject: Subject<'e>,
    purpose: Purpose,
) -> Result<Bound<'e>, Rejection> {
    let signed = match (&evidence.content, subject) {
        (Content::SimpleSigning { payload, claim, .. }, subject) => {
            if purpose != Purpose::ImageSignature {
                return Err(Rejection::WrongKind {
                    found: "an image signature".into(),
                    wanted: purpose.wanted(),
                });
            }
            if claim.digest != *subject.digest() {
                return Err(Rejection::SubjectDiffers {
                    claimed: claim.digest.to_string(),
                    image: subject.digest().to_string(),
                });
            }
            Signed::Bytes(payload)
        }
        (Content::Envelope { envelope, statement }, subject) => {
            kind_of_statement(statement, purpose)?;
            if !statement.names(subject.digest()) {
                let image = subject.digest().to_string();
                return Err(Rejection::SubjectDiffers { claimed: subjects(statement), image });
            }
            Signed::Encoded(envelope.signed_bytes())
        }
        (Content::Message { digest, .. }, Subject::Artifact { digest: judged, bytes }) => {
            message(digest.as_ref(), judged, bytes)?
        }
        // A bare signature over an artifact says nothing about what it means; only a file is proven by it.
        (Content::Message { .. }, Subject::Image(_)) => {
            return Err(Rejection::WrongKind {
                found: "a bare artifact signature".into(),
                wanted: "a signed statement about the image",
            });
        }
    };
    Ok(Bound { evidence, signed })
}

/// A message signature covers the artifact; the digest beside it is a hint that must agree.
fn message<'e>(
    hint: Option<&(String, Vec<u8>)>,
    judged: &'e Digest,
    bytes: Option<&'e [u8]>,
) -> Result<Signed<'e>, Rejection> {
    let differs = |claimed: String| Rejection::SubjectDiffers { claimed, image: judged.to_string() };
    if let Some((name, digest)) = hint {
        let hash = HashAlgorithm::named(name)
            .ok_or_else(|| differs(format!("a digest by {name:?}, which is not supported")))?;
        let actual = match bytes {
            Some(bytes) => Some(hash.digest(bytes)),
            None => (judged.hash() == hash).then(|| judged.bytes().to_vec()),
        };
        // Where only another digest is known, the signature itself decides.
        if actual.is_some_and(|actual| actual != *digest) {
            return Err(differs(format!("{}:{}", hash.name(), hex::encode(digest))));
        }
    }
    Ok(bytes.map_or_else(|| Signed::Digest(judged.hash(), judged.bytes()), Signed::Bytes))
}

/// A statement is an image signature exactly if its predicate type says so.
fn kind_of_statement(statement: &Statement, purpose: Purpose) -> Result<(), Rejection> {
    let is_signature = statement.predicate_type == COSIGN_SIGN;
    match purpose {
        Purpose::ImageSignature if !is_signature => Err(Rejection::WrongKind {
            found: format!("an attestation of type {:?}", statement.predicate_type),
            wanted: "an image signature",
        }),
        _ => Ok(()),
    }
}

fn subjects(statement: &Statement) -> String {
    let mut digests =
        statement.subject.iter().flat_map(|s| s.digest.iter().map(|(alg, hex)| format!("{alg}:{hex}")));
    let shown: Vec<_> = digests.by_ref().take(3).collect();
    let more = digests.count();
    match (shown.is_empty(), more) {
        (true, _) => "nothing".into(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}
