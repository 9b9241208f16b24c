//! The decision document, `sealock.dev/decision/v1`.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Report, RoleNote};
use crate::decision::{AuthorityResult, Decision, EvidenceResult, Finding, PolicyResult};
use crate::policy::Mode;

/// The schema's name.
pub const SCHEMA: &str = "sealock.dev/decision/v1";

/// The whole document, one line.
pub fn render(report: &Report<'_>) -> String {
    let mut document = json!({
        "schema": SCHEMA,
        "evaluatedAt": report.evaluated_at.to_string(),
        "trustRoot": {
            "name": report.trust_root.name,
            "digest": report.trust_root.digest,
            "freshness": report.trust_root.freshness.iter().map(role).collect::<Vec<_>>(),
        },
        "decisions": report.decisions.iter().map(decision).collect::<Vec<_>>(),
    });
    if report.hypothetical
        && let Some(map) = document.as_object_mut()
    {
        map.insert("hypothetical".into(), Value::Bool(true));
    }
    if !report.failures.is_empty()
        && let Some(map) = document.as_object_mut()
    {
        let failures = report.failures.iter();
        let failures = failures.map(|(image, message)| json!({"image": image, "message": message}));
        map.insert("failures".into(), failures.collect());
    }
    format!("{document}\n")
}

fn role(note: &RoleNote) -> Value {
    json!({
        "role": note.role,
        "version": note.version,
        "expires": note.expires.to_string(),
        "finding": note.finding.as_ref().map(finding),
    })
}

fn decision(decision: &Decision) -> Value {
    json!({
        "image": decision.image,
        "digest": decision.digest,
        "verdict": decision.verdict.name(),
        "policies": decision.policies.iter().map(policy).collect::<Vec<_>>(),
        "findings": decision.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn policy(policy: &PolicyResult) -> Value {
    json!({
        "name": policy.name,
        "mode": match policy.mode { Mode::Enforce => "enforce", Mode::Warn => "warn" },
        "verdict": policy.verdict.name(),
        "authorities": policy.authorities.iter().map(authority).collect::<Vec<_>>(),
        "findings": policy.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn authority(authority: &AuthorityResult) -> Value {
    json!({
        "name": authority.name,
        "verdict": authority.verdict.name(),
        "evidence": authority.evidence.iter().map(evidence).collect::<Vec<_>>(),
        "findings": authority.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn evidence(evidence: &EvidenceResult) -> Value {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Strength<'s> {
        log: &'s str,
        #[serde(skip_serializing_if = "Option::is_none")]
        log_key: Option<&'s str>,
        time: &'s str,
        #[serde(skip_serializing_if = "Option::is_none")]
        root: Option<&'s str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        authority: Option<&'s str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'s str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reference: Option<&'s str>,
    }
    let strength = evidence.strength.as_ref().map(|s| Strength {
        log: s.log,
        log_key: s.log_key.as_deref(),
        time: s.time,
        root: s.root.as_deref(),
        authority: s.authority.as_deref(),
        key: s.key.as_deref(),
        reference: s.reference.as_deref(),
    });
    json!({
        "digest": evidence.digest,
        "kind": evidence.kind.name(),
        "verdict": evidence.verdict,
        "identity": evidence.identity.as_ref().map(|i| json!({"issuer": i.issuer, "subject": i.subject})),
        "signedAt": evidence.signed_at.map(|t| t.to_string()),
        "checks": evidence.checks.iter()
            .map(|(check, outcome)| json!({"check": check, "result": outcome.name()}))
            .collect::<Vec<_>>(),
        "strength": strength,
    })
}

/// A finding as in every document of ours.
pub fn finding(finding: &Finding) -> Value {
    serde_json::to_value(finding).unwrap_or(Value::Null)
}
