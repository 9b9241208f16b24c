//! Reading `trusted_root.json` into a [`TrustedRoot`].
//!
//! Input: foreign bytes. Output: the usable parts, and one [`RootFinding`] for every part that is left out or
//! deserves a look. One unsupported or broken part never makes the rest unusable.
//!
//! | rule | source |
//! |---|---|
//! | at most [`MAX_BYTES`]; at most [`MAX_INSTANCES`] of one kind, [`MAX_CHAIN`] certificates in one chain | ours: the largest known root has 30 KiB, 14 instances, chains of 3 |
//! | strict JSON; both spellings of one member, or one member twice, refused | [`crate::json`] |
//! | media type of version 0.1 or 0.2, in either notation | protobuf-specs, `TrustedRoot.media_type` |
//! | base64 in the standard alphabet, padded | protobuf JSON mapping, and DESIGN rule 10 |
//! | kind of key from the key itself | `keys.rs` |
//! | `logId.keyId` raw, or 64 ASCII hex digits, which some tools write | policy-controller PR 1968 |
//! | windows in RFC 3339, both ends inclusive | protobuf-specs, `common.v1.TimeRange` |
//! | tree hash SHA-256 | RFC 6962 §2.1 |
//! | a chain holds at least one certificate; each of a CA is a CA, and of a TSA all but a first one that is for time stamping | RFC 5280 §4.2.1.9, RFC 3161 §2.3 |
//! | extended key usage of each CA certificate, where it has one, fits | RFC 5280 §4.2.1.12, CA/B usage of nested EKU |
//!
//! Not checked here: dates of certificates, which count at the proven time of each signature (`verify`), and
//! signatures inside chains (likewise). Who vouches for the document: [`crate::tuf`] or the person who named it.
//!
//! Attacks considered: a root that two readers understand differently; one poisoned part that disables the
//! rest; an anchor that is no CA; endless documents.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use der::Decode;
use der::asn1::ObjectIdentifier;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage};

use crate::json::{self, ParseFault, Spelling};
use crate::root::{Authority, LogKey, RootFinding, TrustedRoot, Window};
use crate::{crypto, keys};

/// Largest `trusted_root.json` that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Most logs, or authorities, of one kind.
pub const MAX_INSTANCES: usize = 256;

/// Most certificates in one chain.
pub const MAX_CHAIN: usize = 10;

const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// Why a whole document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootFault {
    /// Larger than [`MAX_BYTES`].
    #[error("{size} bytes, at most {MAX_BYTES} are read")]
    TooLarge {
        /// Bytes given.
        size: usize,
    },
    /// Not strict JSON, or of another shape.
    #[error(transparent)]
    Json(#[from] ParseFault),
    /// Another kind of document.
    #[error("media type {found:?} is not that of a trusted root")]
    MediaType {
        /// As written; empty where absent.
        found: String,
    },
    /// More instances than [`MAX_INSTANCES`].
    #[error("{count} entries in {part}, at most {MAX_INSTANCES} are read")]
    TooMany {
        /// Member name.
        part: &'static str,
        /// Entries found.
        count: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(alias = "media_type")]
    media_type: Option<String>,
    tlogs: Option<Vec<Value>>,
    #[serde(alias = "certificate_authorities")]
    certificate_authorities: Option<Vec<Value>>,
    ctlogs: Option<Vec<Value>>,
    #[serde(alias = "timestamp_authorities")]
    timestamp_authorities: Option<Vec<Value>>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEntry {
    #[serde(alias = "base_url")]
    base_url: Option<String>,
    #[serde(alias = "hash_algorithm")]
    hash_algorithm: Option<Value>,
    #[serde(alias = "public_key")]
    public_key: Option<Key>,
    #[serde(rename = "logId", alias = "log_id")]
    id: Option<LogId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    #[serde(alias = "raw_bytes")]
    raw_bytes: Option<String>,
    #[serde(alias = "valid_for")]
    valid_for: Option<Range>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    #[serde(alias = "key_id")]
    key_id: Option<String>,
}

#[derive(Deserialize)]
struct Range {
    start: Option<String>,
    end: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issuer {
    uri: Option<String>,
    #[serde(alias = "cert_chain")]
    cert_chain: Option<Chain>,
    #[serde(alias = "valid_for")]
    valid_for: Option<Range>,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Option<Vec<CertificateEntry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CertificateEntry {
    #[serde(alias = "raw_bytes")]
    raw_bytes: Option<String>,
}

/// What a chain is for.
#[derive(Clone, Copy)]
enum Purpose {
    CodeSigning,
    TimeStamping,
}

impl TrustedRoot {
    /// Reads a `trusted_root.json`.
    ///
    /// # Errors
    /// [`RootFault`] when the document as a whole cannot be read. A part that cannot be used is no error: it is
    /// left out, and stands in [`TrustedRoot::findings`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, RootFault> {
        if bytes.len() > MAX_BYTES {
            return Err(RootFault::TooLarge { size: bytes.len() });
        }
        let document: Document = json::parse(bytes, Spelling::Folded)?;
        let media_type = document.media_type.unwrap_or_default();
        if !MEDIA_TYPES.contains(&media_type.as_str()) {
            return Err(RootFault::MediaType { found: media_type });
        }
        let mut findings = Findings::default();
        for name in document.unknown.keys() {
            findings.keep(name, "unknown member; it is not used");
        }
        let transparency_logs = logs("tlogs", document.tlogs, &mut findings)?;
        let ct_logs = logs("ctlogs", document.ctlogs, &mut findings)?;
        let certificate_authorities = authorities(
            "certificateAuthorities",
            document.certificate_authorities,
            Purpose::CodeSigning,
            &mut findings,
        )?;
        let timestamp_authorities = authorities(
            "timestampAuthorities",
            document.timestamp_authorities,
            Purpose::TimeStamping,
            &mut findings,
        )?;
        Ok(Self {
            digest: crypto::sha256(bytes),
            certificate_authorities,
            transparency_logs,
            ct_logs,
            timestamp_authorities,
            findings: findings.0,
        })
    }
}

#[derive(Default)]
struct Findings(Vec<RootFinding>);

impl Findings {
    fn drop(&mut self, part: &str, reason: impl Into<String>) {
        self.0.push(RootFinding { part: part.to_owned(), reason: reason.into(), kept: false });
    }

    fn keep(&mut self, part: &str, reason: impl Into<String>) {
        self.0.push(RootFinding { part: part.to_owned(), reason: reason.into(), kept: true });
    }
}

fn entries(part: &'static str, list: Option<Vec<Value>>) -> Result<Vec<Value>, RootFault> {
    let list = list.unwrap_or_default();
    if list.len() > MAX_INSTANCES {
        return Err(RootFault::TooMany { part, count: list.len() });
    }
    Ok(list)
}

fn logs(
    kind: &'static str,
    list: Option<Vec<Value>>,
    findings: &mut Findings,
) -> Result<Vec<LogKey>, RootFault> {
    let mut out = Vec::new();
    let mut seen: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for (index, value) in entries(kind, list)?.into_iter().enumerate() {
        let part = format!("{kind}[{index}]");
        match log(value, &part, findings) {
            Ok(log) => {
                if let Some(first) = seen.get(&log.log_id) {
                    findings.keep(&part, format!("has the log id of {first}"));
                } else if !log.log_id.is_empty() {
                    seen.insert(log.log_id.clone(), part);
                }
                out.push(log);
            }
            Err(reason) => findings.drop(&part, reason),
        }
    }
    Ok(out)
}

fn log(value: Value, part: &str, findings: &mut Findings) -> Result<LogKey, String> {
    let log: LogEntry = serde_json::from_value(value).map_err(|e| e.to_string())?;
    match &log.hash_algorithm {
        // Number 1 is SHA2_256 in the enumeration; protobuf JSON allows both.
        Some(Value::String(name)) if name == "SHA2_256" => {}
        Some(Value::Number(number)) if number.as_u64() == Some(1) => {}
        None | Some(Value::Null) => findings.keep(part, "no hashAlgorithm; SHA2_256 is assumed"),
        Some(other) => return Err(format!("unsupported hashAlgorithm {other}")),
    }
    let key = log.public_key.ok_or("no publicKey")?;
    let raw = decode(key.raw_bytes.as_deref().unwrap_or_default())?;
    let (spki, algorithm) = keys::read(&raw)?;
    let window = window(key.valid_for.as_ref())?;
    note_window(window, part, findings);
    let declared = log.id.and_then(|id| id.key_id).unwrap_or_default();
    let log_id = normal_log_id(decode(&declared).map_err(|e| format!("logId: {e}"))?);
    match log_id.len() {
        32 => {}
        0 => findings.keep(part, "no logId"),
        other => findings.keep(part, format!("logId of {other} bytes, 32 are usual")),
    }
    Ok(LogKey {
        base_url: log.base_url.unwrap_or_default(),
        log_id,
        key_id: crypto::sha256(&spki),
        spki,
        algorithm,
        window,
    })
}

/// Some tools wrote the hex text of a log id where its bytes belong.
fn normal_log_id(declared: Vec<u8>) -> Vec<u8> {
    if declared.len() == 64
        && let Ok(raw) = hex::decode(&declared)
    {
        return raw;
    }
    declared
}

fn authorities(
    kind: &'static str,
    list: Option<Vec<Value>>,
    purpose: Purpose,
    findings: &mut Findings,
) -> Result<Vec<Authority>, RootFault> {
    let mut out = Vec::new();
    for (index, value) in entries(kind, list)?.into_iter().enumerate() {
        let part = format!("{kind}[{index}]");
        match authority(value, purpose) {
            Ok(authority) => {
                note_window(authority.window, &part, findings);
                if out.contains(&authority) {
                    findings.keep(&part, "stands twice");
                }
                out.push(authority);
            }
            Err(reason) => findings.drop(&part, reason),
        }
    }
    Ok(out)
}

fn authority(value: Value, purpose: Purpose) -> Result<Authority, String> {
    let issuer: Issuer = serde_json::from_value(value).map_err(|e| e.to_string())?;
    let certificates = issuer.cert_chain.and_then(|c| c.certificates).unwrap_or_default();
    if certificates.is_empty() {
        return Err("empty certificate chain".to_owned());
    }
    if certificates.len() > MAX_CHAIN {
        return Err(format!("chain of {} certificates, at most {MAX_CHAIN} are read", certificates.len()));
    }
    let alone = certificates.len() == 1;
    let mut chain = Vec::new();
    for (index, entry) in certificates.iter().enumerate() {
        let name = format!("certificate {index}");
        let der = decode(entry.raw_bytes.as_deref().unwrap_or_default())
            .map_err(|reason| format!("{name}: {reason}"))?;
        let certificate = Certificate::from_der(&der).map_err(|e| format!("{name}: {e}"))?;
        check_certificate(&certificate, purpose, index, alone)
            .map_err(|reason| format!("{name} {reason}"))?;
        chain.push(der);
    }
    Ok(Authority { uri: issuer.uri.unwrap_or_default(), chain, window: window(issuer.valid_for.as_ref())? })
}

fn check_certificate(
    certificate: &Certificate,
    purpose: Purpose,
    index: usize,
    alone: bool,
) -> Result<(), String> {
    let tbs = &certificate.tbs_certificate;
    let usage = tbs.get::<ExtendedKeyUsage>().map_err(|e| format!("has a malformed extension: {e}"))?;
    let wanted = match purpose {
        Purpose::CodeSigning => CODE_SIGNING,
        Purpose::TimeStamping => TIME_STAMPING,
    };
    let usages = usage.as_ref().map(|(_, usages)| usages.0.as_slice());
    if usages.is_some_and(|list| !list.contains(&wanted) && !list.contains(&ANY_USAGE)) {
        return Err("is for another use (extended key usage)".to_owned());
    }
    let constraints = tbs.get::<BasicConstraints>().map_err(|e| format!("has a malformed extension: {e}"))?;
    let is_ca = constraints.is_some_and(|(_, c)| c.ca);
    match purpose {
        // The first certificate of a TSA signs the stamps itself, and must be for nothing but that.
        Purpose::TimeStamping if index == 0 && !(alone && is_ca) => {
            if usages == Some(&[TIME_STAMPING]) {
                Ok(())
            } else {
                Err("signs time stamps but is not for that alone (extended key usage)".to_owned())
            }
        }
        _ if is_ca => Ok(()),
        _ => Err("is not a CA certificate (basic constraints)".to_owned()),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|e| format!("not base64: {e}"))
}

fn window(range: Option<&Range>) -> Result<Window, String> {
    let Some(range) = range else { return Ok(Window::default()) };
    Ok(Window {
        start: range.start.as_deref().map(instant).transpose()?,
        end: range.end.as_deref().map(instant).transpose()?,
    })
}

fn note_window(window: Window, part: &str, findings: &mut Findings) {
    if let (Some(start), Some(end)) = (window.start, window.end)
        && end < start
    {
        findings.keep(part, "its window ends before it starts, so nothing counts");
    }
}

/// RFC 3339 §5.6 and no other notation: `2021-03-07T03:20:29.5Z`.
fn instant(text: &str) -> Result<Timestamp, String> {
    let refuse = || format!("{text:?} is not a time in RFC 3339");
    let shape = |at: usize, b: u8| match at {
        4 | 7 => b == b'-',
        10 => b == b'T',
        13 | 16 => b == b':',
        0..19 => b.is_ascii_digit(),
        _ => b.is_ascii_digit() || matches!(b, b'.' | b'Z' | b'+' | b'-' | b':'),
    };
    if text.len() < 20 || !text.bytes().enumerate().all(|(at, b)| shape(at, b)) {
        return Err(refuse());
    }
    text.parse().map_err(|_| refuse())
}
