//! DSSE envelopes and the bytes that their signatures cover.
//!
//! Input: envelope JSON. Output: [`Envelope`] with the payload decoded.
//!
//! | rule | source |
//! |---|---|
//! | members `payloadType`, `payload`, `signatures[].sig`, `signatures[].keyid` | DSSE protocol v1, JSON serialisation |
//! | base64 strict | ours: the protocol also allows the URL alphabet, no Sigstore client writes it |
//! | pre-authentication encoding | DSSE protocol v1, PAE |
//! | payload type `application/vnd.in-toto+json` | what policy-controller and the bundle format accept |

use sealock_trust_root::json::{self, Spelling};
use serde::Deserialize;

use super::{EvidenceFault, encoding, limits};

/// The only payload type that is read.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A DSSE envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `payloadType`.
    pub payload_type: String,
    /// `payload`, decoded.
    pub payload: Vec<u8>,
    /// `signatures[].sig`, decoded, in order.
    pub signatures: Vec<Vec<u8>>,
    /// The envelope as it lies in a classic layer; empty in a bundle, where it has no bytes of its own.
    pub raw: Vec<u8>,
}

/// The JSON form, shared by classic layers and bundles.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw {
    payload_type: String,
    payload: String,
    signatures: Vec<RawSignature>,
}

#[derive(Deserialize)]
struct RawSignature {
    sig: String,
}

impl Envelope {
    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EvidenceFault`] naming the envelope's part.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceFault> {
        let raw: Raw =
            json::parse(bytes, Spelling::Folded).map_err(|e| EvidenceFault::malformed("DSSE envelope", e))?;
        Ok(Self { raw: bytes.to_vec(), ..Self::from_raw(&raw)? })
    }

    pub(super) fn from_raw(raw: &Raw) -> Result<Self, EvidenceFault> {
        if raw.payload_type != IN_TOTO {
            return Err(EvidenceFault::Unsupported {
                part: "DSSE payload type",
                found: raw.payload_type.chars().take(200).collect(),
            });
        }
        EvidenceFault::limit("DSSE signatures", raw.signatures.len(), limits::ENVELOPE_SIGNATURES)?;
        if raw.signatures.is_empty() {
            return Err(EvidenceFault::Missing { part: "DSSE signature" });
        }
        let mut signatures = Vec::new();
        for signature in &raw.signatures {
            signatures.push(encoding::base64("DSSE signature", &signature.sig)?);
        }
        Ok(Self {
            payload_type: raw.payload_type.clone(),
            payload: encoding::base64("DSSE payload", &raw.payload)?,
            signatures,
            raw: Vec::new(),
        })
    }

    /// The bytes that every signature of this envelope covers.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + self.payload_type.len() + 48);
        out.extend_from_slice(b"DSSEv1 ");
        for part in [self.payload_type.as_bytes(), &self.payload] {
            out.extend_from_slice(part.len().to_string().as_bytes());
            out.push(b' ');
            out.extend_from_slice(part);
            out.push(b' ');
        }
        out.pop();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_of_the_protocol_example() {
        let envelope = Envelope {
            payload_type: "http://example.com/HelloWorld".into(),
            payload: b"hello world".to_vec(),
            signatures: vec![],
            raw: vec![],
        };
        assert_eq!(envelope.signed_bytes(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
