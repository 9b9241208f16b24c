//! `TrustRoot` documents: the keys and certificates that policies refer to by `trustRootRef`.
//!
//! Input: the mapping of a `TrustRoot` v1alpha1 document. Output: a [`TrustedRoot`].
//!
//! | rule | source |
//! |---|---|
//! | exactly one of `remote`, `repository`, `sigstoreKeys` | behaviour §1.5 |
//! | `sigstoreKeys` needs certificate or timestamp authorities, and every inner field | behaviour §1.5 |
//! | `certChain`, `publicKey` are base64 of PEM, and of nothing else | behaviour §1.5, `corpus/verdicts/private/root-text-after` |
//! | self-issued certificates are anchors, whatever their place; the others are intermediates of any of them | behaviour §2.4, `keyless/tr-chain-reversed`, `tr-intermediate-only` |
//! | no validity windows: everything counts from the beginning of time | behaviour §1.5 |
//! | a log is known by the hash of its key | RFC 6962 §3.2, Rekor |
//!
//! `remote` and `repository` are refused by name. Unlike upstream an Ed25519 log key does not spoil the rest.
//! Not checked here: dates and purposes of the certificates (`trust`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealock_trust_root::root::TrustedRoot;

use super::document::Report;
use super::fields::{Fields, Given};
use super::model::Position;
use super::yaml::Node;
use crate::crypto::{Certificate, PublicKey, pem, sha256};
use crate::trust::parts::Parts;

/// A `TrustRoot` document that can be used.
#[derive(Clone, Debug)]
pub struct TrustRootDocument {
    /// `metadata.name`, what `trustRootRef` says.
    pub name: String,
    /// Where the document starts.
    pub position: Position,
    /// What it holds.
    pub root: TrustedRoot,
}

/// Most entries of one list.
const MAX_ENTRIES: usize = 64;

const KINDS: [&str; 3] = ["remote", "repository", "sigstoreKeys"];
const KEYS: &[&str] = &["certificateAuthorities", "timestampAuthorities", "tLogs", "ctLogs"];
const AUTHORITY: &[&str] = &["subject", "uri", "certChain"];
const LOG: &[&str] = &["baseURL", "hashAlgorithm", "publicKey"];

/// Reads `spec`.
pub(super) fn spec(report: &mut Report<'_>, root: &Fields<'_>, document: &Node) -> Option<TrustedRoot> {
    let spec = root.object(report, "spec", "TrustRootSpec", &KINDS);
    let Given::Value(spec, _) = spec else {
        if !spec.is_set() {
            let paths = KINDS.map(|kind| format!("spec.{kind}"));
            report.invalid(document.mark, "expected exactly one, got neither", &paths);
        }
        return None;
    };
    let given: Vec<_> = KINDS.into_iter().filter(|kind| spec.node(kind).is_some()).collect();
    if given.len() != 1 {
        let found = if given.is_empty() { "neither" } else { "both" };
        let paths = KINDS.map(|kind| spec.at(kind));
        report.invalid(spec.mark, format!("expected exactly one, got {found}"), &paths);
        return None;
    }
    for kind in ["remote", "repository"] {
        if spec.node(kind).is_some() {
            let message = "is not supported yet: carry its trusted_root.json across and give it with `--trust-root NAME=FILE`";
            report.unsupported(spec.key_mark(kind), spec.at(kind), message);
            return None;
        }
    }
    let keys = spec.object(report, "sigstoreKeys", "SigstoreKeys", KEYS).value()?;
    sigstore_keys(report, &keys)
}

fn sigstore_keys(report: &mut Report<'_>, keys: &Fields<'_>) -> Option<TrustedRoot> {
    let issuing = authorities(report, keys, "certificateAuthorities");
    let stamping = authorities(report, keys, "timestampAuthorities");
    if issuing.is_none() && stamping.is_none() {
        let paths = [keys.at("certificateAuthority"), keys.at("timestampAuthorities")];
        report.invalid(keys.mark, "expected exactly one, got neither", &paths);
        return None;
    }
    let transparency_logs = logs(report, keys, "tLogs");
    let ct_logs = logs(report, keys, "ctLogs");
    let parts = Parts {
        issuing: issuing.unwrap_or_default(),
        stamping: stamping.unwrap_or_default(),
        logs: transparency_logs,
        ct_logs,
    };
    Some(parts.root(digest(keys)))
}

/// A name for what was read: the hash of the texts in it.
fn digest(keys: &Fields<'_>) -> [u8; 32] {
    let texts: Vec<String> = KEYS.iter().map(|name| format!("{:?}", keys.node(name))).collect();
    sha256(texts.join("\n").as_bytes())
}

type Chain = (String, Vec<Certificate>);

fn authorities(report: &mut Report<'_>, keys: &Fields<'_>, name: &str) -> Option<Vec<Chain>> {
    let entries = keys.objects(report, name, "CertificateAuthority", AUTHORITY).value()?;
    let mut out = Vec::new();
    for entry in entries.iter().flatten().take(MAX_ENTRIES) {
        let subject = entry.object(report, "subject", "DistinguishedName", &["organization", "commonName"]);
        if let Given::Value(subject, _) = &subject {
            required(report, subject, &["organization", "commonName"]);
        } else if !subject.is_set() {
            let paths = [entry.at("subject.organization"), entry.at("subject.commonName")];
            report.invalid(entry.mark, "missing field(s)", &paths);
        }
        required(report, entry, &["uri", "certChain"]);
        let uri = entry.text(report, "uri").value().unwrap_or_default().to_owned();
        if let Given::Value(text, _) = entry.text(report, "certChain").non_empty() {
            match certificates(text) {
                Ok(chain) => out.push((uri, chain)),
                Err(reason) => {
                    let mark = entry.key_mark("certChain");
                    report.invalid_because(
                        mark,
                        reason,
                        &entry.at("certChain"),
                        "certChain must be base64 of PEM certificates",
                    );
                }
            }
        }
    }
    too_many(report, keys, name, entries.len());
    Some(out)
}

fn logs(report: &mut Report<'_>, keys: &Fields<'_>, name: &str) -> Vec<(String, PublicKey)> {
    let Some(entries) = keys.objects(report, name, "TransparencyLogInstance", LOG).value() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for entry in entries.iter().flatten().take(MAX_ENTRIES) {
        required(report, entry, LOG);
        let base_url = entry.text(report, "baseURL").value().unwrap_or_default().to_owned();
        if let Given::Value(text, _) = entry.text(report, "publicKey").non_empty() {
            match log_key(text) {
                Ok(key) => out.push((base_url, key)),
                Err(reason) => {
                    let mark = entry.key_mark("publicKey");
                    report.invalid_because(
                        mark,
                        reason,
                        &entry.at("publicKey"),
                        "publicKey must be base64 of a PEM public key",
                    );
                }
            }
        }
    }
    too_many(report, keys, name, entries.len());
    out
}

fn too_many(report: &mut Report<'_>, keys: &Fields<'_>, name: &str, found: usize) {
    if found > MAX_ENTRIES {
        let message = format!("{found} entries, at most {MAX_ENTRIES} are read");
        report.unsupported(keys.key_mark(name), keys.at(name), message);
    }
}

fn required(report: &mut Report<'_>, fields: &Fields<'_>, names: &[&str]) {
    for name in names {
        if matches!(fields.text(report, name).non_empty(), Given::Absent) {
            report.invalid(fields.mark, "missing field(s)", &[fields.at(name)]);
        }
    }
}

fn decode(text: &str) -> Result<String, String> {
    let bytes = STANDARD.decode(text).map_err(|e| format!("illegal base64 data: {e}"))?;
    String::from_utf8(bytes).map_err(|_| "failed to decode PEM: it is not text".to_owned())
}

fn certificates(text: &str) -> Result<Vec<Certificate>, String> {
    let blocks =
        pem::only(&decode(text)?).map_err(|e| format!("failed to decode certificate chain PEM: {e}"))?;
    blocks
        .into_iter()
        .map(|(label, der)| match label.as_str() {
            "CERTIFICATE" => Certificate::from_der(&der).map_err(|e| e.to_string()),
            other => Err(format!("failed to decode certificate chain PEM: block type {other:?}")),
        })
        .collect()
}

fn log_key(text: &str) -> Result<PublicKey, String> {
    PublicKey::from_pem(&decode(text)?).map_err(|e| format!("failed to decode public key: {e}"))
}
