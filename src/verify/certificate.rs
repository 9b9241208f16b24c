//! Steps 2 and 6: the signing certificate, and the authority that issued it.
//!
//! | rule | source |
//! |---|---|
//! | path, dates and usage of the leaf | RFC 5280 §6.1, through webpki with the issuing certificate as anchor |
//! | issuing certificate proven up to the root, once per trust view | `trust::view` |
//! | leaf, issuers and authority valid at every proven time | Sigstore client specification §3.2 |

use std::ops::Deref;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::Rejection;
use super::time::Times;
use crate::crypto::Certificate;
use crate::evidence::{Evidence, Signer};
use crate::trust::{Issuer, TrustView};

/// `id-kp-codeSigning` without its tag and length, as webpki wants it.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// A signing certificate, parsed and not yet judged.
pub(super) struct Leaf(Certificate);

impl Deref for Leaf {
    type Target = Certificate;

    fn deref(&self) -> &Certificate {
        &self.0
    }
}

/// A signing certificate that an authority of the root issued, valid at every proven time: proof of step 6.
pub(super) struct Chain<'a> {
    leaf: &'a Leaf,
    issuer: &'a Issuer,
}

impl<'a> Chain<'a> {
    pub(super) fn leaf(&self) -> &'a Leaf {
        self.leaf
    }

    /// SHA-256 of the issuing key.
    pub(super) fn issuer_key_id(&self) -> [u8; 32] {
        self.issuer.key_id
    }

    pub(super) fn authority(&self) -> &'a str {
        &self.issuer.authority
    }
}

pub(super) fn leaf(evidence: &Evidence) -> Result<Leaf, Rejection> {
    match &evidence.signer {
        Signer::Key { .. } => Err(Rejection::NoCertificate),
        Signer::Certificate { leaf, .. } => Certificate::from_der(leaf)
            .map(Leaf)
            .map_err(|e| Rejection::BadCertificate { reason: e.to_string() }),
    }
}

pub(super) fn chain<'a>(leaf: &'a Leaf, view: &'a TrustView, times: &Times) -> Result<Chain<'a>, Rejection> {
    for &time in times.all() {
        if time < leaf.not_before || time > leaf.not_after {
            return Err(Rejection::NotValidThen {
                time,
                not_before: leaf.not_before,
                not_after: leaf.not_after,
            });
        }
    }
    let der = CertificateDer::from(leaf.der.as_slice());
    let end_entity = EndEntityCert::try_from(&der)
        .map_err(|e| Rejection::BadCertificate { reason: format!("not a usable certificate: {e}") })?;
    let mut nearest = Rejection::UnknownIssuer { root: view.name().to_owned(), reason: String::new() };
    for issuer in view.issuers().iter().filter(|issuer| issuer.subject == leaf.issuer) {
        if let Some(&time) = times.all().iter().find(|time| !issuer.window.contains(**time)) {
            nearest = Rejection::IssuerNotValidThen { authority: issuer.authority.clone(), time };
            continue;
        }
        // Dates were compared above for every time; the path itself does not change with the time.
        let path = end_entity.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            std::slice::from_ref(&issuer.anchor),
            &[],
            unix(times.earliest()),
            KeyUsage::required(CODE_SIGNING),
            None,
            None,
        );
        match path {
            Ok(_) => return Ok(Chain { leaf, issuer }),
            Err(e) => {
                nearest = Rejection::UnknownIssuer { root: view.name().to_owned(), reason: e.to_string() };
            }
        }
    }
    Err(nearest)
}

fn unix(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0)))
}
