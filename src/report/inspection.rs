//! Evidence without judgement: what each piece says of itself, every line marked unverified.
//!
//! Input: what was gathered for one image. Output: JSON, and the same as text. Nothing here is proven, not even that
//! the parts of one piece belong together.

use std::fmt::Write;

use serde_json::{Value, json};

use super::text::escape;
use crate::crypto::{Certificate, sha256};
use crate::evidence::{Content, Evidence, Gathered, LogEntry, Piece, Signer, State};
use crate::image::Digest;

/// The schema's name.
pub const SCHEMA: &str = "sealock.dev/inspection/v1";

/// What was found for one image, as a document.
pub fn document(image: &str, digest: &Digest, gathered: &[(String, Gathered)]) -> Value {
    let pieces: Vec<Value> = gathered
        .iter()
        .flat_map(|(place, found)| found.pieces.iter().map(move |piece| describe(place, piece)))
        .collect();
    let faults: Vec<&String> = gathered.iter().filter_map(|(_, found)| found.fault.as_ref()).collect();
    json!({
        "schema": SCHEMA,
        "verified": false,
        "image": image,
        "digest": digest,
        "evidence": pieces,
        "faults": faults,
    })
}

fn describe(place: &str, piece: &Piece) -> Value {
    let mut value = match &piece.state {
        State::Read(evidence) => evidence_value(evidence),
        State::Malformed(reason) => json!({ "malformed": reason.to_string() }),
        State::Unreadable(reason) => json!({ "unreadable": reason }),
    };
    if let Some(map) = value.as_object_mut() {
        map.insert("blob".into(), json!(piece.digest));
        map.insert("kind".into(), json!(piece.kind.name()));
        map.insert("repository".into(), json!(place));
    }
    value
}

fn evidence_value(evidence: &Evidence) -> Value {
    json!({
        "claims": match &evidence.content {
            Content::SimpleSigning { claim, .. } => json!({
                "digest": claim.digest,
                "reference": claim.reference,
                "type": claim.claim_type,
                "annotations": claim.annotations,
            }),
            Content::Envelope { statement, envelope } => json!({
                "predicateType": statement.predicate_type,
                "statementType": statement.statement_type,
                "subjects": statement.subject.iter()
                    .map(|s| json!({ "name": s.name, "digest": s.digest }))
                    .collect::<Vec<_>>(),
                "signatures": envelope.signatures.len(),
                "payloadBytes": envelope.payload.len(),
            }),
            Content::Message { digest, .. } => json!({
                "messageDigest": digest.as_ref().map(|(algorithm, bytes)| json!({ algorithm: hex::encode(bytes) })),
            }),
        },
        "signer": match &evidence.signer {
            Signer::Certificate { leaf, chain } => certificate(leaf, chain.len()),
            Signer::Key { hint } => json!({ "key": hint }),
        },
        "logEntries": evidence.entries.iter().map(log_entry).collect::<Vec<_>>(),
        "timestamps": evidence.timestamps.len(),
    })
}

fn certificate(leaf: &[u8], chain: usize) -> Value {
    match Certificate::from_der(leaf) {
        Err(e) => json!({ "certificate": e.to_string() }),
        Ok(certificate) => json!({
            "issuer": certificate.oidc_issuer.as_ref().or(certificate.oidc_issuer_v2.as_ref()),
            "subjects": certificate.ordered_names().iter().map(|n| n.as_str()).collect::<Vec<_>>(),
            "notBefore": certificate.not_before.to_string(),
            "notAfter": certificate.not_after.to_string(),
            "sha256": hex::encode(sha256(leaf)),
            "extensions": extensions(&certificate),
            "certificateTransparency": certificate.sct_list.is_some(),
            "chainCertificates": chain,
        }),
    }
}

/// Fulcio's extensions by the names of its `oid-info.md`.
fn extensions(certificate: &Certificate) -> Value {
    let named = certificate.fulcio_extensions().iter().map(|(number, text)| {
        let name = match number {
            1 => "issuer",
            2 => "githubWorkflowTrigger",
            3 => "githubWorkflowSha",
            4 => "githubWorkflowName",
            5 => "githubWorkflowRepository",
            6 => "githubWorkflowRef",
            8 => "issuerV2",
            9 => "buildSignerUri",
            10 => "buildSignerDigest",
            11 => "runnerEnvironment",
            12 => "sourceRepositoryUri",
            13 => "sourceRepositoryDigest",
            14 => "sourceRepositoryRef",
            15 => "sourceRepositoryIdentifier",
            16 => "sourceRepositoryOwnerUri",
            17 => "sourceRepositoryOwnerIdentifier",
            18 => "buildConfigUri",
            19 => "buildConfigDigest",
            20 => "buildTrigger",
            21 => "runInvocationUri",
            22 => "sourceRepositoryVisibilityAtSigning",
            23 => "deploymentEnvironment",
            24 => "tokenSubject",
            _ => return (format!("1.3.6.1.4.1.57264.1.{number}"), json!(text)),
        };
        (name.to_owned(), json!(text))
    });
    Value::Object(named.collect())
}

fn log_entry(entry: &LogEntry) -> Value {
    json!({
        "logId": hex::encode(&entry.log_id),
        "logIndex": entry.log_index,
        "integratedTime": entry.integrated_time.map(|t| t.to_string()),
        "kind": entry_kind(entry),
        "promise": entry.promise.is_some(),
        "inclusionProof": entry.proof.is_some(),
    })
}

fn entry_kind(entry: &LogEntry) -> Option<String> {
    let body: Value = serde_json::from_slice(&entry.body).ok()?;
    Some(format!("{} {}", body.get("kind")?.as_str()?, body.get("apiVersion")?.as_str()?))
}

/// The document as text, one fact a line, each line marked.
pub fn text(document: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, "", document);
    out
}

fn write_value(out: &mut String, path: &str, value: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let separator = if path.is_empty() { "" } else { "." };
                write_value(out, &format!("{path}{separator}{}", escape(key)), value);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                write_value(out, &format!("{path}[{index}]"), item);
            }
        }
        Value::Null => {}
        // Writing into a string cannot fail.
        Value::String(text) => drop(writeln!(out, "unverified  {path}: {}", escape(text))),
        other => drop(writeln!(out, "unverified  {path}: {other}")),
    }
}
