//! Step 1: the evidence is of the wanted kind and about exactly this digest.

use super::{Purpose, Rejection};
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

/// The bytes that signatures cover.
enum Signed<'e> {
    Bytes(&'e [u8]),
    Encoded(Vec<u8>),
}

impl<'e> Bound<'e> {
    pub(super) fn evidence(&self) -> &'e Evidence {
        self.evidence
    }

    /// What the signature is over.
    pub(super) fn signed_bytes(&self) -> &[u8] {
        match &self.signed {
            Signed::Bytes(bytes) => bytes,
            Signed::Encoded(bytes) => bytes,
        }
    }
}

pub(super) fn bind<'e>(
    evidence: &'e Evidence,
    image: &Digest,
    purpose: Purpose,
) -> Result<Bound<'e>, Rejection> {
    let signed = match &evidence.content {
        Content::SimpleSigning { payload, claim, .. } => {
            if purpose != Purpose::ImageSignature {
                return Err(Rejection::WrongKind {
                    found: "an image signature".into(),
                    wanted: "an attestation",
                });
            }
            if claim.digest != *image {
                return Err(Rejection::SubjectDiffers {
                    claimed: claim.digest.to_string(),
                    image: image.to_string(),
                });
            }
            Signed::Bytes(payload)
        }
        Content::Envelope { envelope, statement } => {
            kind_of_statement(statement, purpose)?;
            if !statement.names(image) {
                return Err(Rejection::SubjectDiffers {
                    claimed: subjects(statement),
                    image: image.to_string(),
                });
            }
            Signed::Encoded(envelope.signed_bytes())
        }
        // A bare signature over an artifact says nothing about what it means; only a file is proven by it.
        Content::Message { .. } => {
            return Err(Rejection::WrongKind {
                found: "a bare artifact signature".into(),
                wanted: "a signed statement about the image",
            });
        }
    };
    Ok(Bound { evidence, signed })
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
