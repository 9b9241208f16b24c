//! One authority against everything that was found.
//!
//! Which log must vouch (policy-controller behaviour §2.5, read offline: a client that upstream would need to ask a
//! log means that the entry must have come along):
//!
//! | authority | `ctlog` | a log entry is |
//! |---|---|---|
//! | key | absent, or without url and root | not required |
//! | key | url | required, in a log of the root in force |
//! | key, keyless | `trustRootRef` | required, in a log of that root |
//! | keyless without `trustRootRef` | absent, url | required, in a log of the root in force |
//! | keyless with `trustRootRef` | absent | not required; still the time must be proven |
//! | keyless | present, without url and root (v1alpha1) | not required; still the time must be proven |
//!
//! With `rfc3161timestamp.trustRootRef` a timestamp by an authority of that root is required. It stands in for the log
//! where no `ctlog` is named; where one is, both are required (upstream switches the log off and lets a missing timestamp
//! pass). With `signatureFormat: bundle` the log is that of the keyless root, required unless a timestamp is, and all
//! references must name the same root, as upstream.
//!
//! v1beta1 forgets an empty `ctlog` and, upstream, one that only has a `trustRootRef`; the first is harmless and
//! kept, the second would switch the log off and is not copied.

use super::model::{AuthorityResult, Verdict};
use super::search::{Wanted, search};
use super::{Finding, Question, Severity, codes};
use crate::evidence::{Gathered, Kind};
use crate::policy::model::ApiVersion;
use crate::policy::{Authority, AuthorityKind, Policy};
use crate::verify::{KeyHash, LogDemand, Purpose, SignerDemand, StampDemand, Subject, Verified};

/// Judges one authority.
pub(super) fn judge(policy: &Policy, authority: &Authority, question: &Question<'_>) -> AuthorityResult {
    let mut result = AuthorityResult {
        name: authority.name.clone(),
        verdict: Verdict::Deny,
        evidence: Vec::new(),
        findings: Vec::new(),
    };
    if let AuthorityKind::Static { pass, message } = &authority.kind {
        if *pass {
            result.verdict = Verdict::Allow;
        } else {
            let text = format!("disallowed by static policy: {message}");
            result.findings.push(Finding::error(&codes::STATIC_FAIL, text));
        }
        return result;
    }
    let mut wanted = match wanted(policy.api_version, authority, question) {
        Ok(wanted) => wanted,
        Err(Unmet::Together(text)) => {
            result.findings.push(Finding::error(&codes::REFERENCES_DIFFER, text));
            return result;
        }
        Err(Unmet::Root(missing)) => {
            result.verdict = Verdict::Undecided;
            result.findings.push(
                Finding::error(&codes::ROOT_MISSING, format!("trust root {missing:?} was not given"))
                    .with_facts(missing, "no trust root of that name"),
            );
            return result;
        }
    };
    let nothing = Gathered::default();
    let gathered = question.evidence.get(&super::place(authority, question.reference)).unwrap_or(&nothing);
    if authority.attestations.is_empty() {
        find(&wanted, gathered, question, &mut result);
        return result;
    }
    // Each attestation must be proven; the worst of them is the authority's answer.
    wanted.kinds = if authority.bundle_format { &[Kind::Bundle] } else { &[Kind::ClassicAttestation] };
    wanted.purpose = Purpose::Attestation;
    let mut worst = Verdict::Allow;
    for attestation in &authority.attestations {
        wanted.predicate_type = Some(&attestation.predicate_type);
        result.verdict = Verdict::Deny;
        find(&wanted, gathered, question, &mut result);
        worst = worst.max(result.verdict);
    }
    result.verdict = worst;
    result
}

/// Why an authority cannot be judged.
enum Unmet {
    /// A trust root of this name was not given.
    Root(String),
    /// References that must be the same are not.
    Together(&'static str),
}

/// Searches what was gathered for what is wanted of the image.
pub(super) fn find(
    wanted: &Wanted<'_>,
    gathered: &Gathered,
    question: &Question<'_>,
    result: &mut AuthorityResult,
) {
    if let Some(finding) = wanted.too_old() {
        result.verdict = Verdict::Undecided;
        result.findings.push(finding.clone());
        return;
    }
    let Ok(image) = &question.digest else {
        // The decision already says that the name does not resolve.
        result.verdict = Verdict::Undecided;
        return;
    };
    if let Some(proof) = search(wanted, Subject::Image(image), gathered, result) {
        result.findings.extend(renamed(&proof, question));
    }
}

fn wanted<'a>(
    version: ApiVersion,
    authority: &'a Authority,
    question: &Question<'a>,
) -> Result<Wanted<'a>, Unmet> {
    let root = |name: &Option<String>| match name {
        None => Ok(&question.roots.default),
        Some(name) => question.roots.named.get(name).ok_or_else(|| Unmet::Root(name.clone())),
    };
    let ctlog = authority.ctlog.as_ref();
    let kinds: &[Kind] = if authority.bundle_format { &[Kind::Bundle] } else { &[Kind::ClassicSignature] };
    let base = |signer, log, stamp, root, identities| Wanted {
        kinds,
        classic_by_subject: false,
        old_bundles: false,
        purpose: Purpose::ImageSignature,
        signer,
        log,
        stamp,
        root,
        identities,
        claims: &[],
        annotations: &[],
        predicate_type: None,
        allow_chain: false,
    };
    match &authority.kind {
        AuthorityKind::Keyless { identities, trust_root_ref, insecure_ignore_sct } => {
            let view = root(trust_root_ref)?;
            if authority.bundle_format {
                same_references(authority, trust_root_ref.as_ref())?;
            }
            let stamp = match &authority.timestamp_root {
                Some(_) => StampDemand::Required(root(&authority.timestamp_root)?),
                None => StampDemand::Optional(view),
            };
            let log = match ctlog {
                Some(ctlog) if ctlog.trust_root_ref.is_some() => {
                    LogDemand::Required(root(&ctlog.trust_root_ref)?)
                }
                Some(ctlog) if ctlog.url.is_some() => LogDemand::Required(&question.roots.default),
                Some(_) if version == ApiVersion::V1Alpha1 => LogDemand::Optional(view),
                // A timestamp that is demanded stands in for the log, unless the log is demanded too.
                _ if authority.timestamp_root.is_some() => LogDemand::Optional(view),
                _ if trust_root_ref.is_none() || authority.bundle_format => LogDemand::Required(view),
                _ => LogDemand::Optional(view),
            };
            let signer = SignerDemand::Keyless { view, sct: !insecure_ignore_sct };
            Ok(base(signer, log, stamp, Some(view), Some(identities.as_slice())))
        }
        AuthorityKind::Key { key, hash } => {
            let log_root = match ctlog {
                Some(ctlog) if ctlog.trust_root_ref.is_some() => Some(root(&ctlog.trust_root_ref)?),
                Some(ctlog) if ctlog.url.is_some() => Some(&question.roots.default),
                _ => None,
            };
            let signer = SignerDemand::Key { key, hash: KeyHash::As(*hash) };
            let log = log_root.map_or(LogDemand::None, LogDemand::Required);
            let stamp = match &authority.timestamp_root {
                Some(_) => StampDemand::Required(root(&authority.timestamp_root)?),
                None => StampDemand::None,
            };
            Ok(base(signer, log, stamp, log_root, None))
        }
        // Answered before; a static authority demands nothing of evidence.
        AuthorityKind::Static { .. } => Err(Unmet::Root(String::new())),
    }
}

/// In a bundle everything rests on one root (behaviour §2.7).
fn same_references(authority: &Authority, keyless: Option<&String>) -> Result<(), Unmet> {
    let ctlog = authority.ctlog.as_ref().and_then(|ctlog| ctlog.trust_root_ref.as_ref());
    if authority.timestamp_root.is_some() && authority.timestamp_root.as_ref() != keyless {
        return Err(Unmet::Together(
            "when using the new bundle format, the trustRootRef for the TSA must be the same as the trustRootRef for the Keyless authority",
        ));
    }
    if ctlog.is_some() && ctlog != keyless {
        return Err(Unmet::Together(
            "when using the new bundle format, the trustRootRef for the TLog must be the same as the trustRootRef for the Keyless authority",
        ));
    }
    Ok(())
}

/// One identity often signs many images: say so where the signed name is another one.
fn renamed(proof: &Verified, question: &Question<'_>) -> Option<Finding> {
    let signed = proof.reference()?;
    let judged = question.reference.repository();
    let same = crate::image::Reference::parse(signed).is_ok_and(|r| r.repository() == judged);
    (!same && !signed.is_empty()).then(|| {
        Finding::new(&codes::REFERENCE_DIFFERS, Severity::Note, "signed for another name")
            .with_facts(judged, signed)
    })
}
