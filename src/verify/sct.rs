//! Step 7: a certificate transparency log promised to publish the certificate.
//!
//! | rule | source |
//! |---|---|
//! | list of SCTs in extension 1.3.6.1.4.1.11129.2.4.2, TLS encoding | RFC 6962 §3.3 |
//! | signature over version, type, time, issuer key hash, certificate without the list, extensions | RFC 6962 §3.2 |
//! | the log's key window holds the SCT's time | protobuf-specs `valid_for` |
//! | at least one SCT of a known log, and every SCT of a known log verifies | cosign asks the same of all of them |
//!
//! SCTs of unknown logs are set aside. The certificate without the list is cut out of the original encoding, never
//! encoded anew.

use jiff::Timestamp;

use super::Rejection;
use super::certificate::Chain;
use crate::crypto::certificate::SCT_LIST;
use crate::crypto::{Certificate, der_slice};
use crate::evidence::limits;
use crate::log::head::tls_hash;
use crate::trust::TrustView;

/// One SCT as encoded.
struct Sct<'c> {
    log_id: [u8; 32],
    milliseconds: u64,
    extensions: &'c [u8],
    hash: u8,
    signature_algorithm: u8,
    signature: &'c [u8],
}

pub(super) fn prove(chain: &Chain<'_>, view: &TrustView) -> Result<(), Rejection> {
    let none = |reason: &str| Rejection::NoSct { reason: reason.into() };
    let list = chain.leaf().sct_list.as_deref().ok_or_else(|| none("the certificate carries no SCT"))?;
    let scts = parse_list(list).ok_or_else(|| none("the certificate's SCT list is malformed"))?;
    if scts.len() > limits::SCTS {
        return Err(none("the certificate carries more SCTs than are read"));
    }
    let mut verified = false;
    let mut doubted = None;
    let mut precertificate = None;
    for sct in &scts {
        if view.ct_logs(sct.log_id).next().is_none() {
            continue;
        }
        let tbs = match &precertificate {
            Some(tbs) => tbs,
            None => precertificate.insert(
                without_list(&chain.leaf().tbs)
                    .ok_or_else(|| none("the certificate cannot be taken apart"))?,
            ),
        };
        by_known_log(sct, chain, tbs, view)?;
        if view.doubts(&sct.log_id) {
            doubted = view.ct_logs(sct.log_id).next().map(|log| log.entry.base_url.clone());
            continue;
        }
        verified = true;
    }
    if let Some(log) = doubted.filter(|_| !verified) {
        return Err(Rejection::LogDoubted { log });
    }
    if verified {
        Ok(())
    } else {
        Err(none("no SCT of the certificate is of a CT log that the trust root knows"))
    }
}

/// Key ids of the CT logs that a certificate names, unverified.
pub(super) fn promised_by(certificate: &Certificate) -> Vec<[u8; 32]> {
    let scts = certificate.sct_list.as_deref().and_then(parse_list).unwrap_or_default();
    scts.iter().take(limits::SCTS).map(|sct| sct.log_id).collect()
}

fn by_known_log(sct: &Sct<'_>, chain: &Chain<'_>, tbs: &[u8], view: &TrustView) -> Result<(), Rejection> {
    let bad = |reason: &str| Rejection::BadSct { reason: reason.into() };
    let time = i64::try_from(sct.milliseconds)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .ok_or_else(|| bad("its time is out of range"))?;
    let message =
        signed_bytes(sct, chain.issuer_key_id(), tbs).ok_or_else(|| bad("the certificate is too large"))?;
    let mut nearest = bad("its signature is wrong");
    for log in view.ct_logs(sct.log_id) {
        if !log.entry.window.contains(time) {
            nearest = bad("the CT log's key does not count at its time");
            continue;
        }
        let Some(hash) = tls_hash(sct.hash, sct.signature_algorithm, log.key.algorithm()) else {
            nearest = bad("its signature algorithm is not the key's");
            continue;
        };
        if log.key.verifies(hash, &message, sct.signature) {
            return Ok(());
        }
    }
    Err(nearest)
}

/// What the log signed: RFC 6962 §3.2 `digitally-signed struct` with a `precert_entry`.
fn signed_bytes(sct: &Sct<'_>, issuer_key_id: [u8; 32], tbs: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0, 0]; // v1, certificate_timestamp
    out.extend_from_slice(&sct.milliseconds.to_be_bytes());
    out.extend_from_slice(&[0, 1]); // precert_entry
    out.extend_from_slice(&issuer_key_id);
    let length = u32::try_from(tbs.len()).ok().filter(|n| *n < 1 << 24)?;
    out.extend_from_slice(length.to_be_bytes().get(1..)?);
    out.extend_from_slice(tbs);
    out.extend_from_slice(&u16::try_from(sct.extensions.len()).ok()?.to_be_bytes());
    out.extend_from_slice(sct.extensions);
    Some(out)
}

/// `TBSCertificate` with the SCT list's extension cut out, everything else byte for byte.
fn without_list(tbs: &[u8]) -> Option<Vec<u8>> {
    let (outer, _) = der_slice::first(tbs)?;
    let oid = SCT_LIST.as_bytes();
    let mut fields = Vec::new();
    for field in der_slice::all(outer.content)? {
        if field.tag != 0xa3 {
            fields.extend_from_slice(field.whole);
            continue;
        }
        let (sequence, _) = der_slice::first(field.content)?;
        let mut kept = Vec::new();
        for extension in der_slice::all(sequence.content)? {
            let (id, _) = der_slice::first(extension.content)?;
            if id.content != oid {
                kept.extend_from_slice(extension.whole);
            }
        }
        fields.extend_from_slice(&der_slice::wrap(0xa3, &der_slice::wrap(0x30, &kept)));
    }
    Some(der_slice::wrap(0x30, &fields))
}

/// RFC 6962 §3.3 `SignedCertificateTimestampList`.
fn parse_list(bytes: &[u8]) -> Option<Vec<Sct<'_>>> {
    let (mut rest, after) = vector(bytes)?;
    if !after.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (one, after) = vector(rest)?;
        out.push(parse_sct(one)?);
        rest = after;
    }
    Some(out)
}

fn parse_sct(bytes: &[u8]) -> Option<Sct<'_>> {
    let (&version, rest) = bytes.split_first()?;
    let (log_id, rest) = rest.split_first_chunk::<32>()?;
    let (milliseconds, rest) = rest.split_first_chunk::<8>()?;
    let (extensions, rest) = vector(rest)?;
    let (&[hash, signature_algorithm], rest) = rest.split_first_chunk::<2>()?;
    let (signature, rest) = vector(rest)?;
    (version == 0 && rest.is_empty()).then_some(Sct {
        log_id: *log_id,
        milliseconds: u64::from_be_bytes(*milliseconds),
        extensions,
        hash,
        signature_algorithm,
        signature,
    })
}

/// TLS `opaque <0..2^16-1>`: content and what follows.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
