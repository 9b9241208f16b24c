//! The search for one piece of evidence that proves what is wanted.
//!
//! Input: what is [`Wanted`], of what, and everything that was gathered. Output: the proof, and in the authority's
//! result every piece that was looked at.
//!
//! | rule | why |
//! |---|---|
//! | pieces in digest order, claims compared before signatures are checked | a flood costs its author, not us |
//! | at most [`limits::CANDIDATES`] are verified in full; past that nobody knows | a flood is not a denial |
//! | unreadable pieces leave the question open unless another piece proves | what cannot be read may be what is wanted |
//! | of several failures the one that came furthest is told | it is what a person can mend |
//!
//! What a piece merely claims decides nothing: whatever passes the filter is verified, and the proven identity is
//! compared again.

use super::model::{AuthorityResult, EvidenceResult, Identity, Strength, Verdict};
use super::{Finding, codes};
use crate::crypto::Certificate;
use crate::evidence::{self, Content, Evidence, Gathered, Kind, Piece, State, limits};
use crate::image::Digest;
use crate::policy::identity::{Identity as Accepted, IdentityMatch};
use crate::trust::TrustView;
use crate::verify::{
    self, Demand, LogDemand, Purpose, Rejection, SignerDemand, StampDemand, Subject, Verified, VerifiedSigner,
};

/// What one piece of evidence must be.
pub(super) struct Wanted<'a> {
    /// Forms that count.
    pub kinds: &'static [Kind],
    /// Whether classic evidence counts that was found by its subject instead of a tag.
    pub classic_by_subject: bool,
    /// Whether bundles before 0.3 count.
    pub old_bundles: bool,
    /// Signature or attestation.
    pub purpose: Purpose,
    /// Who must have signed.
    pub signer: SignerDemand<'a>,
    /// Which log must vouch.
    pub log: LogDemand<'a>,
    /// Whose timestamps count, and whether one is needed.
    pub stamp: StampDemand<'a>,
    /// The root that it rests on, for the report.
    pub root: Option<&'a TrustView>,
    /// Identities of which the certificate must carry one.
    pub identities: Option<&'a [Accepted]>,
    /// Fulcio extensions that the certificate must carry, by number, with these values.
    pub claims: &'a [(u32, String)],
    /// Annotations that the signed payload must carry, with these values.
    pub annotations: &'a [(String, String)],
    /// Predicate type of the statement.
    pub predicate_type: Option<&'a str>,
    /// Whether a chain may stand where the form has one certificate.
    pub allow_chain: bool,
}

impl Wanted<'_> {
    /// Why one of the roots that this rests on is too old to decide.
    pub fn too_old(&self) -> Option<&Finding> {
        let keyless = match self.signer {
            SignerDemand::Keyless { view, .. } => view.age_fault(),
            SignerDemand::Key { .. } => None,
        };
        let log = match self.log {
            LogDemand::Required(view) | LogDemand::Optional(view) => view.age_fault(),
            LogDemand::None => None,
        };
        let stamp = match self.stamp {
            StampDemand::Required(view) => view.age_fault(),
            StampDemand::Optional(_) | StampDemand::None => None,
        };
        keyless.or(log).or(stamp)
    }

    fn looks_at(&self, piece: &Piece) -> bool {
        let classic_by_subject = piece.by_subject && piece.kind != Kind::Bundle;
        self.kinds.contains(&piece.kind) && (self.classic_by_subject || !classic_by_subject)
    }

    fn kind_names(&self) -> String {
        self.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
    }

    /// Whether the piece claims to be what is wanted; else how near it comes, and how it misses. Nothing of it is
    /// verified: a miss ranks below every failure of a piece whose signature held, else planted ones would hide it.
    fn claimed(
        &self,
        subject: Subject<'_>,
        evidence: &Evidence,
        certificate: Option<&Certificate>,
    ) -> Result<(), (u8, Box<Finding>)> {
        let miss = |rank, finding| Err((rank, Box::new(finding)));
        if let (Some(wanted), Content::Envelope { statement, .. }) = (self.predicate_type, &evidence.content)
            && statement.predicate_type != wanted
        {
            let finding = Finding::error(&codes::PREDICATE_DIFFERS, "an attestation of another type")
                .with_facts(wanted, statement.predicate_type.as_str());
            return miss(41, finding);
        }
        if evidence.form.before_0_3 && !self.old_bundles {
            let text = "the bundle is of a version before 0.3, which policies do not look at";
            return miss(40, Finding::error(&codes::FORMAT_DIFFERS, text));
        }
        if evidence.form.chain_unexpected && !self.allow_chain {
            let text = "the bundle carries a certificate chain where its version has one certificate";
            return miss(42, Finding::error(&codes::CHAIN_NOT_ALLOWED, text));
        }
        if let (Some(identities), Some(certificate)) = (self.identities, certificate)
            && let Err(finding) = accepted(identities, certificate, evidence.kind)
        {
            return Err((45, finding));
        }
        for (number, wanted) in self.claims {
            let found = certificate.and_then(|c| c.fulcio(*number));
            if found != Some(wanted) {
                let text = format!("certificate extension 1.3.6.1.4.1.57264.1.{number} differs");
                let finding = Finding::error(&codes::CLAIM_DIFFERS, text);
                return miss(46, finding.with_facts(wanted.as_str(), found.unwrap_or("nothing")));
            }
        }
        for (name, wanted) in self.annotations {
            let found = match &evidence.content {
                Content::SimpleSigning { claim, .. } => claim.annotations.get(name).map(String::as_str),
                // cosign 3 writes annotations beside the subject of its statement.
                Content::Envelope { statement, .. } => statement.annotation(subject.digest(), name),
                Content::Message { .. } => None,
            };
            if found != Some(wanted.as_str()) {
                let finding =
                    Finding::error(&codes::CLAIM_DIFFERS, format!("signed annotation {name:?} differs"));
                return miss(46, finding.with_facts(wanted.as_str(), found.unwrap_or("nothing")));
            }
        }
        Ok(())
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

/// Tries every piece that may count, cheapest reasons first, until one proves what is wanted.
pub(super) fn search(
    wanted: &Wanted<'_>,
    subject: Subject<'_>,
    gathered: &Gathered,
    result: &mut AuthorityResult,
) -> Option<Verified> {
    let demand = Demand {
        subject,
        purpose: wanted.purpose,
        signer: wanted.signer,
        log: wanted.log,
        stamp: wanted.stamp,
    };
    let mut nearest = None;
    let mut open = None;
    let mut budget = limits::CANDIDATES;
    for piece in gathered.pieces.iter().filter(|piece| wanted.looks_at(piece)) {
        let kind = piece.kind;
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
        // The cheap filter: what does not even claim to be wanted costs no signature check.
        if let Err((rank, finding)) = wanted.claimed(subject, evidence, certificate.as_ref()) {
            Nearest::offer(&mut nearest, rank, || *finding);
            let identity = certificate.as_ref().and_then(|c| certificate_identity(c, kind));
            result.evidence.push(judged(evidence, identity, "failed"));
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
            Ok(proof) if wanted.identities.is_none_or(|identities| proven_accepted(identities, &proof)) => {
                entry.verdict = "passed";
                entry.signed_at = proof.signed_at();
                entry.strength = Some(strength(&proof, wanted));
                result.evidence.push(entry);
                result.verdict = Verdict::Allow;
                return Some(proof);
            }
            Ok(_) => {
                // Cannot happen while proof and claim read the same certificate; if it ever does, it denies.
                result.evidence.push(entry);
            }
            Err(rejection @ Rejection::LogDoubted { .. }) => {
                open = Some(rejected(&rejection));
                entry.verdict = "undecided";
                result.evidence.push(entry);
            }
            Err(rejection) => {
                Nearest::offer(&mut nearest, 10 * rejection.rank(), || rejected(&rejection));
                result.evidence.push(entry);
            }
        }
    }
    conclude(wanted, gathered, nearest, open, result);
    None
}

/// No piece passed: denied if something was there and failed, else undecided.
fn conclude(
    wanted: &Wanted<'_>,
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
    let other = gathered.pieces.iter().find(|piece| !wanted.looks_at(piece));
    if let Some(other) = other {
        result.verdict = Verdict::Deny;
        result.findings.push(
            Finding::error(
                &codes::FORMAT_DIFFERS,
                format!("no {} is attached, but a {}", wanted.kind_names(), other.kind.name()),
            )
            .with_facts(wanted.kind_names(), other.kind.name()),
        );
        return;
    }
    if gathered.present.iter().any(|kind| wanted.kinds.contains(kind)) {
        result.verdict = Verdict::Deny;
        result.findings.push(Finding::error(
            &evidence::codes::MALFORMED,
            "a signature manifest is attached that holds no signature",
        ));
        return;
    }
    let none = match wanted.purpose {
        Purpose::Attestation => "no matching attestations",
        Purpose::ImageSignature | Purpose::Artifact => "no signatures found",
    };
    // Every form that would count must be proven absent.
    let absent = !wanted.kinds.is_empty() && wanted.kinds.iter().all(|kind| gathered.absent.contains(kind));
    let (verdict, code) = if absent {
        (Verdict::Deny, &evidence::codes::ABSENT)
    } else {
        (Verdict::Undecided, &evidence::codes::NOT_MIRRORED)
    };
    result.verdict = verdict;
    result.findings.push(Finding::error(code, none));
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
fn accepted(wanted: &[Accepted], certificate: &Certificate, kind: Kind) -> Result<(), Box<Finding>> {
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

fn proven_accepted(wanted: &[Accepted], proof: &Verified) -> bool {
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

fn strength(proof: &Verified, wanted: &Wanted<'_>) -> Strength {
    let (authority, key) = match proof.signer() {
        VerifiedSigner::Certificate { authority, .. } => (Some(authority.clone()), None),
        VerifiedSigner::Key { key_id } => (None, Some(hex::encode(key_id))),
    };
    Strength {
        log: proof.log().name(),
        log_key: proof.log_key().map(hex::encode),
        time: proof.time(),
        root: wanted.root.map(|root| root.name().to_owned()),
        authority,
        key,
        reference: proof.reference().map(str::to_owned),
    }
}
