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

use super::model::{AuthorityResult, EvidenceResult, Identity, Strength, Verdict};
use super::{Finding, Question, Severity, codes};
use crate::crypto::Certificate;
use crate::evidence::{self, Evidence, Gathered, Kind, State, limits};
use crate::image::Digest;
use crate::policy::identity::{Identity as Wanted, IdentityMatch};
use crate::policy::model::ApiVersion;
use crate::policy::{Authority, AuthorityKind, Policy};
use crate::trust::TrustView;
use crate::verify::{self, Demand, LogDemand, Purpose, Rejection, SignerDemand, Verified, VerifiedSigner};

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
    let demands = match demands(policy.api_version, authority, question) {
        Ok(demands) => demands,
        Err(missing) => {
            result.verdict = Verdict::Undecided;
            result.findings.push(
                Finding::error(&codes::ROOT_MISSING, format!("trust root {missing:?} was not given"))
                    .with_facts(missing, "no trust root of that name"),
            );
            return result;
        }
    };
    if let Some(finding) = demands.too_old() {
        result.verdict = Verdict::Undecided;
        result.findings.push(finding.clone());
        return result;
    }
    let Ok(image) = &question.digest else {
        // The decision already says that the name does not resolve.
        result.verdict = Verdict::Undecided;
        return result;
    };
    let nothing = Gathered::default();
    let gathered = question.evidence.get(&super::place(authority, question.reference)).unwrap_or(&nothing);
    search(authority, &demands, image, gathered, question, &mut result);
    result
}

/// What the authority asks of each piece of evidence.
struct Demands<'a> {
    signer: SignerDemand<'a>,
    log: LogDemand<'a>,
    root: Option<&'a TrustView>,
    wanted: Option<&'a [Wanted]>,
}

impl Demands<'_> {
    /// Why one of the roots that this rests on is too old to decide.
    fn too_old(&self) -> Option<&Finding> {
        let keyless = match self.signer {
            SignerDemand::Keyless { view, .. } => view.age_fault(),
            SignerDemand::Key { .. } => None,
        };
        let log = match self.log {
            LogDemand::Required(view) | LogDemand::Optional(view) => view.age_fault(),
            LogDemand::None => None,
        };
        keyless.or(log)
    }
}

fn demands<'a>(
    version: ApiVersion,
    authority: &'a Authority,
    question: &Question<'a>,
) -> Result<Demands<'a>, String> {
    let root = |name: &Option<String>| match name {
        None => Ok(&question.roots.default),
        Some(name) => question.roots.named.get(name).ok_or_else(|| name.clone()),
    };
    let ctlog = authority.ctlog.as_ref();
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
            Ok(Demands {
                signer: SignerDemand::Keyless { view, sct: !insecure_ignore_sct },
                log,
                root: Some(view),
                wanted: Some(identities),
            })
        }
        AuthorityKind::Key { key, hash } => {
            let log_root = match ctlog {
                Some(ctlog) if ctlog.trust_root_ref.is_some() => Some(root(&ctlog.trust_root_ref)?),
                Some(ctlog) if ctlog.url.is_some() => Some(&question.roots.default),
                _ => None,
            };
            Ok(Demands {
                signer: SignerDemand::Key { key, hash: *hash },
                log: log_root.map_or(LogDemand::None, LogDemand::Required),
                root: log_root,
                wanted: None,
            })
        }
        // Answered before; a static authority demands nothing of evidence.
        AuthorityKind::Static { .. } => Err(String::new()),
    }
}

/// The nearest miss so far: the failure that came furthest.
struct Nearest {
    rank: u8,
    finding: Finding,
}

impl Nearest {
    fn offer(slot: &mut Option<Self>, rank: u8, finding: impl FnOnce() -> Finding) {
        if slot.as_ref().is_none_or(|nearest| nearest.rank < rank) {
            *slot = Some(Self { rank, finding: finding() });
        }
    }
}

fn search(
    authority: &Authority,
    demands: &Demands<'_>,
    image: &Digest,
    gathered: &Gathered,
    question: &Question<'_>,
    result: &mut AuthorityResult,
) {
    let kind = if authority.bundle_format { Kind::Bundle } else { Kind::ClassicSignature };
    let demand = Demand { image, purpose: Purpose::ImageSignature, signer: demands.signer, log: demands.log };
    let mut nearest = None;
    let mut open = None;
    let mut budget = limits::CANDIDATES;
    for piece in gathered.of(kind) {
        let evidence = match &piece.state {
            State::Read(evidence) => evidence,
            State::Malformed(reason) => {
                Nearest::offer(&mut nearest, 0, || {
                    Finding::error(&evidence::codes::MALFORMED, format!("{}: {reason}", piece.digest))
                });
                result.evidence.push(unread(piece.digest, kind, "failed"));
                continue;
            }
            State::Unreadable(reason) => {
                open = Some(Finding::error(&evidence::codes::UNREADABLE, reason.clone()));
                result.evidence.push(unread(piece.digest, kind, "undecided"));
                continue;
            }
        };
        let certificate = verify::claimed(evidence);
        // The cheap filter: whoever does not even claim a wanted identity costs no signature check.
        if let Some(wanted) = demands.wanted
            && let Some(certificate) = &certificate
            && let Err(finding) = accepted(wanted, certificate, kind)
        {
            Nearest::offer(&mut nearest, 100, || *finding);
            result.evidence.push(judged(evidence, certificate_identity(certificate, kind), "failed"));
            continue;
        }
        if budget == 0 {
            open = Some(Finding::error(
                &evidence::codes::BUDGET,
                format!(
                    "{} pieces of evidence were verified without success, the rest was not",
                    limits::CANDIDATES
                ),
            ));
            break;
        }
        budget -= 1;
        let (account, outcome) = verify::verify(evidence, &demand);
        let identity = certificate.as_ref().and_then(|c| certificate_identity(c, kind));
        let mut entry = judged(evidence, identity, "failed");
        entry.checks = account.checks().collect();
        match outcome {
            Ok(proof) if demands.wanted.is_none_or(|wanted| proven_accepted(wanted, &proof)) => {
                entry.verdict = "passed";
                entry.signed_at = proof.signed_at();
                entry.strength = Some(strength(&proof, demands));
                result.evidence.push(entry);
                result.verdict = Verdict::Allow;
                result.findings.extend(renamed(&proof, question));
                return;
            }
            Ok(_) => {
                // Cannot happen while proof and claim read the same certificate; if it ever does, it denies.
                result.evidence.push(entry);
            }
            Err(rejection) => {
                Nearest::offer(&mut nearest, rejection.rank(), || rejected(&rejection));
                result.evidence.push(entry);
            }
        }
    }
    conclude(kind, gathered, nearest, open, result);
}

/// No piece passed: denied if something was there and failed, else undecided.
fn conclude(
    kind: Kind,
    gathered: &Gathered,
    nearest: Option<Nearest>,
    open: Option<Finding>,
    result: &mut AuthorityResult,
) {
    let fault = gathered.fault.as_ref().map(|f| Finding::error(&evidence::codes::UNREADABLE, f.clone()));
    if let Some(nearest) = nearest {
        result.findings.push(nearest.finding);
    }
    if let Some(finding) = fault.or(open) {
        result.verdict = Verdict::Undecided;
        result.findings.push(finding);
        return;
    }
    if !result.findings.is_empty() {
        result.verdict = Verdict::Deny;
        return;
    }
    let other = gathered.pieces.iter().find(|piece| piece.kind != kind);
    if let Some(other) = other {
        result.verdict = Verdict::Deny;
        result.findings.push(
            Finding::error(
                &codes::FORMAT_DIFFERS,
                format!("no {} is attached, but a {}", kind.name(), other.kind.name()),
            )
            .with_facts(kind.name(), other.kind.name()),
        );
        return;
    }
    if gathered.present.contains(&kind) {
        result.verdict = Verdict::Deny;
        result.findings.push(Finding::error(
            &evidence::codes::MALFORMED,
            "a signature manifest is attached that holds no signature",
        ));
        return;
    }
    if gathered.absent.contains(&kind) {
        result.verdict = Verdict::Deny;
        result.findings.push(Finding::error(&evidence::codes::ABSENT, "no signatures found"));
        return;
    }
    result.verdict = Verdict::Undecided;
    result.findings.push(Finding::error(&evidence::codes::NOT_MIRRORED, "no signatures found"));
}

fn rejected(rejection: &Rejection) -> Finding {
    let finding = Finding::error(rejection.code(), rejection.to_string());
    match rejection {
        Rejection::SubjectDiffers { claimed, image } => finding.with_facts(image.as_str(), claimed.as_str()),
        Rejection::WrongKind { found, wanted } => finding.with_facts(*wanted, found.as_str()),
        Rejection::NotValidThen { time, not_before, not_after } => {
            finding.with_facts(format!("{not_before} to {not_after}"), time.to_string())
        }
        _ => finding,
    }
}

/// Whether a certificate carries one of the wanted identities, or the nearest miss.
fn accepted(wanted: &[Wanted], certificate: &Certificate, kind: Kind) -> Result<(), Box<Finding>> {
    let subjects: Vec<String> =
        certificate.ordered_names().into_iter().map(|n| n.as_str().to_owned()).collect();
    let issuer = verify::issuer(certificate, kind);
    let rank = |outcome: &IdentityMatch| match outcome {
        IdentityMatch::Match => 3,
        IdentityMatch::SubjectDiffers { .. } => 2,
        IdentityMatch::IssuerDiffers { .. } => 1,
        IdentityMatch::Both => 0,
    };
    let compared = wanted.iter().map(|identity| (identity, identity.compare(issuer, &subjects)));
    // The first of several that are equally near, in the order of the document.
    let nearest = compared.reduce(|best, next| if rank(&next.1) > rank(&best.1) { next } else { best });
    let Some((identity, outcome)) = nearest else {
        return Err(Box::new(Finding::error(&codes::IDENTITY_DIFFERS, "the authority accepts no identity")));
    };
    let difference = match outcome {
        IdentityMatch::Match => return Ok(()),
        IdentityMatch::SubjectDiffers { at, .. } => {
            format!("the issuer matches, the subject differs at byte {at}")
        }
        IdentityMatch::IssuerDiffers { at, .. } => {
            format!("the subject matches, the issuer differs at byte {at}")
        }
        IdentityMatch::Both => "issuer and subject differ".to_owned(),
    };
    let expected =
        format!("{}, {}", identity.issuer.describe("issuer"), identity.subject.describe("subject"));
    let shown: Vec<_> = subjects.iter().map(|subject| format!("{subject:?}")).collect();
    let found = format!("issuer {:?}, subject {}", issuer.unwrap_or(""), shown.join(" or "));
    let finding =
        Finding::error(&codes::IDENTITY_DIFFERS, format!("signed by another identity: {difference}"));
    Err(Box::new(finding.with_facts(expected, found)))
}

fn proven_accepted(wanted: &[Wanted], proof: &Verified) -> bool {
    match proof.signer() {
        VerifiedSigner::Certificate { issuer, subjects, .. } => {
            wanted.iter().any(|identity| identity.matches(issuer.as_deref(), subjects))
        }
        VerifiedSigner::Key { .. } => false,
    }
}

fn certificate_identity(certificate: &Certificate, kind: Kind) -> Option<Identity> {
    Some(Identity {
        issuer: verify::issuer(certificate, kind).unwrap_or_default().to_owned(),
        subject: certificate.ordered_names().first()?.as_str().to_owned(),
    })
}

fn unread(digest: Digest, kind: Kind, verdict: &'static str) -> EvidenceResult {
    EvidenceResult {
        digest,
        kind,
        verdict,
        identity: None,
        signed_at: None,
        checks: Vec::new(),
        strength: None,
    }
}

fn judged(evidence: &Evidence, identity: Option<Identity>, verdict: &'static str) -> EvidenceResult {
    EvidenceResult { identity, ..unread(evidence.digest, evidence.kind, verdict) }
}

fn strength(proof: &Verified, demands: &Demands<'_>) -> Strength {
    let (authority, key) = match proof.signer() {
        VerifiedSigner::Certificate { authority, .. } => (Some(authority.clone()), None),
        VerifiedSigner::Key { key_id } => (None, Some(hex::encode(key_id))),
    };
    Strength {
        log: proof.log().name(),
        log_key: proof.log_key().map(hex::encode),
        time: proof.time(),
        root: demands.root.map(|root| root.name().to_owned()),
        authority,
        key,
        reference: proof.reference().map(str::to_owned),
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
