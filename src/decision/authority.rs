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
    let wanted = match wanted(policy.api_version, authority, question) {
        Ok(wanted) => wanted,
        Err(missing) => {
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
    find(&wanted, gathered, question, &mut result);
    result
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
) -> Result<Wanted<'a>, String> {
    let root = |name: &Option<String>| match name {
        None => Ok(&question.roots.default),
        Some(name) => question.roots.named.get(name).ok_or_else(|| name.clone()),
    };
    let ctlog = authority.ctlog.as_ref();
    let kinds: &[Kind] = if authority.bundle_format { &[Kind::Bundle] } else { &[Kind::ClassicSignature] };
    let base = |signer, log, stamp, root, identities| Wanted {
        kinds,
        classic_by_subject: false,
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
            let log = match ctlog {
                Some(ctlog) if ctlog.trust_root_ref.is_some() => {
                    LogDemand::Required(root(&ctlog.trust_root_ref)?)
                }
                Some(ctlog) if ctlog.url.is_some() => LogDemand::Required(&question.roots.default),
                Some(_) if version == ApiVersion::V1Alpha1 => LogDemand::Optional(view),
                _ if trust_root_ref.is_none() => LogDemand::Required(view),
                _ => LogDemand::Optional(view),
            };
            let signer = SignerDemand::Keyless { view, sct: !insecure_ignore_sct };
            Ok(base(signer, log, StampDemand::Optional(view), Some(view), Some(identities.as_slice())))
        }
        AuthorityKind::Key { key, hash } => {
            let log_root = match ctlog {
                Some(ctlog) if ctlog.trust_root_ref.is_some() => Some(root(&ctlog.trust_root_ref)?),
                Some(ctlog) if ctlog.url.is_some() => Some(&question.roots.default),
                _ => None,
            };
            let signer = SignerDemand::Key { key, hash: KeyHash::As(*hash) };
            let log = log_root.map_or(LogDemand::None, LogDemand::Required);
            Ok(base(signer, log, StampDemand::None, log_root, None))
        }
        // Answered before; a static authority demands nothing of evidence.
        AuthorityKind::Static { .. } => Err(String::new()),
    }
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
