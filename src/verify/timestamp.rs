//! RFC 3161 timestamps over the signature, by the root's own timestamp authorities.
//!
//! | rule | source |
//! |---|---|
//! | imprint over the signature's bytes | RFC 3161 §2.4.2; bundle specification |
//! | signed by the authority's leaf, chain up to the authority's own root | RFC 3161 §2.3, RFC 5652 §5.6 |
//! | genTime inside the authority's window | protobuf-specs `valid_for` |
//!
//! A stamp that no authority of the root made is set aside; one that verifies gives a time that counts.
//! Not read here: stamps of classic attestations, which cover the whole envelope.

use jiff::Timestamp;
use sigstore_types::{DerCertificate, SignatureBytes, TimeRange, TimestampToken, TsaAuthority};

use super::signature::SignedBy;
use crate::evidence::Kind;
use crate::trust::{Authority, TrustView};

/// Times of stamps that verified.
pub(super) struct Stamps(Vec<Timestamp>);

impl Stamps {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.0.iter().copied()
    }
}

pub(super) fn prove(signed: &SignedBy<'_>, view: &TrustView) -> Stamps {
    let evidence = signed.evidence();
    if evidence.kind == Kind::ClassicAttestation || evidence.timestamps.is_empty() {
        return Stamps::none();
    }
    let authorities: Vec<_> = view.timestamp_authorities().iter().filter_map(authority).collect();
    let signature = SignatureBytes::new(signed.signature().to_vec());
    let mut times = Vec::new();
    for token in &evidence.timestamps {
        let token = TimestampToken::new(token.clone());
        times.extend(authorities.iter().find_map(|authority| {
            sigstore_tsa::verify_timestamp_for_authority(&token, &signature, authority).ok()
        }));
    }
    Stamps(times)
}

/// The crate's form of an authority: leaf first, root last.
fn authority(authority: &Authority) -> Option<TsaAuthority> {
    let certificate = |der: &Vec<u8>| DerCertificate::new(der.clone());
    let (leaf, rest) = authority.chain.split_first()?;
    let (root, intermediates) = rest.split_last().unwrap_or((leaf, &[]));
    let window = authority.window.start.map(|start| TimeRange::new(start, authority.window.end));
    Some(TsaAuthority::new(
        certificate(leaf),
        intermediates.iter().map(certificate).collect(),
        certificate(root),
        // Without a start the window is open; an end alone cannot be expressed and refuses nothing it should not.
        window.or_else(|| authority.window.end.map(|end| TimeRange::new(Timestamp::MIN, Some(end)))),
    ))
}
