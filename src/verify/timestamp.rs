//! RFC 3161 timestamps, by the root's own timestamp authorities.
//!
//! Input: a response or bare token, DER. Output: the time in it, if an authority of the root vouches.
//!
//! | rule | source |
//! |---|---|
//! | status granted, content type `id-ct-TSTInfo`, one signer | RFC 3161 §2.4.2, §2.2 |
//! | imprint over the signature's bytes, SHA-256, 384 or 512 | RFC 3161 §2.4.2; bundle specification |
//! | signed attributes with content type and message digest of the content | RFC 5652 §5.3, §5.6 |
//! | `signingCertificate`, where it is there, names the signer | RFC 5816, RFC 2634 §5.4 |
//! | the signer is the authority's own leaf, never one that the token brings under another name | ours, CVE-2026-39984 |
//! | `genTime` (not `signingTime`) inside the leaf's, its issuers' and the authority's dates | ours: upstream compares `signingTime` |
//!
//! A stamp that no authority of the root made is set aside; one that verifies gives a time that counts. The chain of
//! each authority was proven with the trust view; here one signature is checked.
//!
//! Attacks considered: a leaf forged into the bag of certificates, a token of another signature, attributes that say
//! something else than the content, a retired authority.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::signature::SignedBy;
use crate::crypto::{HashAlgorithm, der_slice, sha256};
use crate::evidence::{Content, Kind};
use crate::trust::TrustView;
use crate::trust::view::Stamper;

/// Times of stamps that verified.
pub(super) struct Stamps {
    times: Vec<Timestamp>,
    aside: Vec<String>,
}

impl Stamps {
    pub(super) fn none() -> Self {
        Self { times: Vec::new(), aside: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    pub(super) fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.times.iter().copied()
    }

    /// Why each stamp that is there was set aside.
    pub(super) fn aside(&self) -> &[String] {
        &self.aside
    }
}

pub(super) fn prove(signed: &SignedBy<'_>, view: &TrustView) -> Stamps {
    let evidence = signed.evidence();
    let mut out = Stamps::none();
    // cosign stamps the whole layer of a classic attestation, else the signature.
    let stamped = match (&evidence.content, evidence.kind) {
        (Content::Envelope { envelope, .. }, Kind::ClassicAttestation) => envelope.raw.as_slice(),
        _ => signed.signature(),
    };
    for stamp in &evidence.timestamps {
        match by_some_authority(stamp, stamped, view) {
            Ok(time) => out.times.push(time),
            Err(reason) => out.aside.push(reason.to_owned()),
        }
    }
    out
}

fn by_some_authority(stamp: &[u8], stamped: &[u8], view: &TrustView) -> Result<Timestamp, &'static str> {
    let token = Token::parse(stamp).ok_or("a timestamp that is malformed")?;
    if token.imprint_hash.digest(stamped) != token.imprint {
        return Err("a timestamp over something else");
    }
    let mut reason = "a timestamp of an authority that is not in the root";
    for stamper in view.stampers().iter().filter(|stamper| token.names(stamper)) {
        if !token.is_signed_by(stamper) {
            reason = "a timestamp whose signature is wrong";
        } else if !stamper.window.contains(token.time) {
            reason = "a timestamp from a time at which its authority does not count";
        } else {
            return Ok(token.time);
        }
    }
    Err(reason)
}

/// What stands in a timestamp token.
struct Token<'t> {
    /// `TSTInfo`, as encoded.
    content: &'t [u8],
    imprint_hash: HashAlgorithm,
    imprint: &'t [u8],
    time: Timestamp,
    /// `IssuerAndSerialNumber` or `[0]` key identifier.
    signer: der_slice::Element<'t>,
    digest_hash: HashAlgorithm,
    /// Content of the signed attributes.
    attributes: &'t [u8],
    signature: &'t [u8],
}

const ID_SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const ID_TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const ID_CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const ID_MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const ID_SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const GENERALIZED_TIME: u8 = 0x18;

/// The elements of a constructed element of this tag.
fn inside(element: der_slice::Element<'_>, tag: u8) -> Option<Vec<der_slice::Element<'_>>> {
    (element.tag == tag).then(|| der_slice::all(element.content)).flatten()
}

/// The only element of `bytes`.
fn whole(bytes: &[u8]) -> Option<der_slice::Element<'_>> {
    der_slice::first(bytes).filter(|(_, rest)| rest.is_empty()).map(|(element, _)| element)
}

fn hash_named(algorithm: der_slice::Element<'_>) -> Option<HashAlgorithm> {
    let parts = inside(algorithm, SEQUENCE)?;
    match parts.first().filter(|id| id.tag == OID)?.content {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01] => Some(HashAlgorithm::Sha256),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02] => Some(HashAlgorithm::Sha384),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03] => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}

impl<'t> Token<'t> {
    fn parse(stamp: &'t [u8]) -> Option<Self> {
        let outer = whole(stamp)?;
        let parts = inside(outer, SEQUENCE)?;
        // A response holds a status and the token; the token alone begins with an object identifier.
        let content_info = match parts.as_slice() {
            [status, token] if status.tag == SEQUENCE => {
                let status = inside(*status, SEQUENCE)?;
                let granted =
                    status.first().is_some_and(|s| s.tag == INTEGER && matches!(s.content, [0 | 1]));
                granted.then(|| inside(*token, SEQUENCE)).flatten()?
            }
            _ => parts,
        };
        let [id, explicit] = content_info.as_slice() else { return None };
        if id.tag != OID || id.content != ID_SIGNED_DATA || explicit.tag != 0xa0 {
            return None;
        }
        let signed_data = inside(whole(explicit.content)?, SEQUENCE)?;
        let [_version, _hashes, encapsulated, ..] = signed_data.as_slice() else { return None };
        let encapsulated = inside(*encapsulated, SEQUENCE)?;
        let [id, explicit] = encapsulated.as_slice() else { return None };
        if id.tag != OID || id.content != ID_TST_INFO || explicit.tag != 0xa0 {
            return None;
        }
        let content = whole(explicit.content).filter(|e| e.tag == OCTET_STRING)?.content;
        let signers = inside(*signed_data.last()?, SET)?;
        let [signer_info] = signers.as_slice() else { return None };
        let fields = inside(*signer_info, SEQUENCE)?;
        let [version, signer, digest, attributes, _algorithm, signature, ..] = fields.as_slice() else {
            return None;
        };
        if version.tag != INTEGER || attributes.tag != 0xa0 || signature.tag != OCTET_STRING {
            return None;
        }
        let (imprint_hash, imprint, time) = tst_info(content)?;
        Some(Self {
            content,
            imprint_hash,
            imprint,
            time,
            signer: *signer,
            digest_hash: hash_named(*digest)?,
            attributes: attributes.content,
            signature: signature.content,
        })
    }

    /// Whether the token says that this authority's leaf signed it.
    fn names(&self, stamper: &Stamper) -> bool {
        if self.signer.tag == 0x80 {
            return stamper.leaf.key_identifier.as_deref() == Some(self.signer.content);
        }
        inside(self.signer, SEQUENCE).is_some_and(|parts| {
            matches!(parts.as_slice(), [issuer, serial]
                if issuer.whole == stamper.leaf.issuer && serial.tag == INTEGER && serial.content == stamper.leaf.serial)
        })
    }

    fn is_signed_by(&self, stamper: &Stamper) -> bool {
        // What is signed are the attributes as a SET (RFC 5652 §5.4), and they must speak of this content.
        let signed = der_slice::wrap(SET, self.attributes);
        self.attributes_fit(stamper).unwrap_or(false)
            && stamper.key.verifies(self.digest_hash, &signed, self.signature)
    }

    fn attributes_fit(&self, stamper: &Stamper) -> Option<bool> {
        let (mut kind, mut digest) = (false, false);
        for attribute in der_slice::all(self.attributes)? {
            let parts = inside(attribute, SEQUENCE)?;
            let [id, values] = parts.as_slice() else { return None };
            let values = inside(*values, SET)?;
            let [value] = values.as_slice() else { return None };
            match id.content {
                ID_CONTENT_TYPE if !kind => kind = value.tag == OID && value.content == ID_TST_INFO,
                ID_MESSAGE_DIGEST if !digest => {
                    digest =
                        value.tag == OCTET_STRING && value.content == self.digest_hash.digest(self.content);
                }
                ID_CONTENT_TYPE | ID_MESSAGE_DIGEST => return Some(false),
                ID_SIGNING_CERTIFICATE_V2 if !names_certificate(*value, &stamper.leaf.der)? => {
                    return Some(false);
                }
                _ => {}
            }
        }
        Some(kind && digest)
    }
}

/// `SigningCertificateV2`: the first entry is the hash of the signer's certificate, SHA-256 unless it says otherwise.
fn names_certificate(value: der_slice::Element<'_>, certificate: &[u8]) -> Option<bool> {
    let list = inside(value, SEQUENCE)?;
    let entries = inside(*list.first()?, SEQUENCE)?;
    let entry = inside(*entries.first()?, SEQUENCE)?;
    match entry.as_slice() {
        [hash, ..] if hash.tag == OCTET_STRING => Some(hash.content == sha256(certificate)),
        [algorithm, hash, ..] if hash.tag == OCTET_STRING => {
            Some(hash.content == hash_named(*algorithm)?.digest(certificate))
        }
        _ => None,
    }
}

/// Imprint and time of a `TSTInfo`.
fn tst_info(content: &[u8]) -> Option<(HashAlgorithm, &[u8], Timestamp)> {
    let fields = inside(whole(content)?, SEQUENCE)?;
    let [version, _policy, imprint, _serial, time, ..] = fields.as_slice() else { return None };
    if version.tag != INTEGER || version.content != [1] {
        return None;
    }
    let imprint = inside(*imprint, SEQUENCE)?;
    let [algorithm, digest] = imprint.as_slice() else { return None };
    let digest = Some(digest).filter(|d| d.tag == OCTET_STRING)?.content;
    let time = Some(time).filter(|t| t.tag == GENERALIZED_TIME)?.content;
    Some((hash_named(*algorithm)?, digest, generalized_time(std::str::from_utf8(time).ok()?)?))
}

/// `YYYYMMDDhhmmss[.f…]Z` (RFC 3161 §2.4.2).
fn generalized_time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if seconds.len() != 14 || !is_number(seconds) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let part = |at: std::ops::Range<usize>| seconds.get(at)?.parse::<i8>().ok();
    let year = seconds.get(0..4)?.parse::<i16>().ok()?;
    let nanoseconds = format!("{fraction:0<9}").parse::<i32>().ok()?;
    DateTime::new(year, part(4..6)?, part(6..8)?, part(8..10)?, part(10..12)?, part(12..14)?, nanoseconds)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::generalized_time;

    #[test]
    fn times_have_one_form() {
        assert_eq!(generalized_time("20261124163000Z").unwrap().to_string(), "2026-11-24T16:30:00Z");
        assert_eq!(generalized_time("20261124163000.25Z").unwrap().to_string(), "2026-11-24T16:30:00.25Z");
        for bad in [
            "20261124163000",
            "2026112416300Z",
            "20261124163000+0100",
            "20261324163000Z",
            "20261124163000.Z",
            "+026112416300Z",
        ] {
            assert_eq!(generalized_time(bad), None, "{bad}");
        }
    }
}
