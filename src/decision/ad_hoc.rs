//! What is asked on the command line instead of in a policy: cosign's flags.
//!
//! Input: an [`AdHoc`] demand, and an image or a file with what was gathered for it. Output: a [`Decision`] with one
//! authority, so that everything that reads decisions reads these too.
//!
//! | flags | demand | source |
//! |---|---|---|
//! | none of the `insecure` ones | a log entry under the trust root, an SCT for certificates, a proven time | cosign `verify`, `verify-blob` |
//! | `--insecure-ignore-tlog` | no log entry; a certificate still needs a proven time | cosign; rule of trust 7 |
//! | `--use-signed-timestamps` | a timestamp of an authority of the trust root | cosign |
//! | `--type` | an attestation of this predicate type instead of a signature | cosign `verify-attestation` |
//! | without a format asked for | classic evidence and bundles both count | ours: cosign looks at one of them |

use super::authority;
use super::model::{AuthorityResult, Decision, PolicyResult, Verdict};
use super::search::{Wanted, search};
use super::{Finding, Question, codes};
use crate::crypto::PublicKey;
use crate::evidence::{Gathered, Kind};
use crate::image::Digest;
use crate::policy::Mode;
use crate::policy::identity::Identity;
use crate::trust::TrustView;
use crate::verify::{KeyHash, LogDemand, Purpose, SignerDemand, StampDemand, Subject};

// Reason: each is a switch of its own, as on the command line.
#[allow(clippy::struct_excessive_bools)]
/// A demand made on the command line.
#[derive(Clone, Debug)]
pub struct AdHoc {
    /// Who must have signed.
    pub signer: AdHocSigner,
    /// Fulcio extensions by number, with the values that they must have.
    pub claims: Vec<(u32, String)>,
    /// Signed annotations with the values that they must have.
    pub annotations: Vec<(String, String)>,
    /// Ask for an attestation of this predicate type.
    pub predicate_type: Option<String>,
    /// A timestamp must be there.
    pub require_timestamp: bool,
    /// No log entry need be there.
    pub ignore_log: bool,
    /// No SCT need be there.
    pub ignore_sct: bool,
    /// A chain may stand where a bundle has one certificate.
    pub allow_chain: bool,
}

/// Who must have signed.
#[derive(Clone, Debug)]
pub enum AdHocSigner {
    /// One of these identities.
    Keyless(Vec<Identity>),
    /// The holder of this key.
    Key(Box<PublicKey>),
}

impl AdHoc {
    fn wanted<'a>(&'a self, view: &'a TrustView, kinds: &'static [Kind], purpose: Purpose) -> Wanted<'a> {
        let (signer, identities) = match &self.signer {
            AdHocSigner::Keyless(identities) => {
                (SignerDemand::Keyless { view, sct: !self.ignore_sct }, Some(identities.as_slice()))
            }
            AdHocSigner::Key(key) => (SignerDemand::Key { key, hash: KeyHash::Own }, None),
        };
        let log = match (self.ignore_log, &self.signer) {
            (false, _) => LogDemand::Required(view),
            (true, AdHocSigner::Keyless(_)) => LogDemand::Optional(view),
            (true, AdHocSigner::Key(_)) => LogDemand::None,
        };
        let stamp =
            if self.require_timestamp { StampDemand::Required(view) } else { StampDemand::Optional(view) };
        Wanted {
            kinds,
            classic_by_subject: true,
            old_bundles: true,
            purpose,
            signer,
            log,
            stamp,
            root: Some(view),
            identities,
            claims: &self.claims,
            annotations: &self.annotations,
            predicate_type: self.predicate_type.as_deref(),
            allow_chain: self.allow_chain,
        }
    }
}

/// Decides about one image by what is asked on the command line; the question's policies are not looked at.
pub fn decide_ad_hoc(question: &Question<'_>, ad_hoc: &AdHoc, gathered: &Gathered) -> Decision {
    let (kinds, purpose): (&[Kind], _) = if ad_hoc.predicate_type.is_some() {
        (&[Kind::ClassicAttestation, Kind::Bundle], Purpose::Attestation)
    } else {
        (&[Kind::ClassicSignature, Kind::Bundle], Purpose::ImageSignature)
    };
    let mut result = empty();
    authority::find(&ad_hoc.wanted(&question.roots.default, kinds, purpose), gathered, question, &mut result);
    let mut decision = conclude(question.written, question.digest.as_ref().ok(), result);
    if let Err(reason) = &question.digest {
        decision.findings.push(Finding::error(&codes::NOT_HELD, reason.clone()));
    }
    decision
}

/// Decides about a file by its bundle.
pub fn decide_artifact(
    written: &str,
    digest: &Digest,
    bytes: Option<&[u8]>,
    ad_hoc: &AdHoc,
    gathered: &Gathered,
    view: &TrustView,
) -> Decision {
    let purpose = if ad_hoc.predicate_type.is_some() { Purpose::Attestation } else { Purpose::Artifact };
    let wanted = ad_hoc.wanted(view, &[Kind::Bundle], purpose);
    let mut result = empty();
    if let Some(finding) = wanted.too_old() {
        result.verdict = Verdict::Undecided;
        result.findings.push(finding.clone());
    } else {
        search(&wanted, Subject::Artifact { digest, bytes }, gathered, &mut result);
    }
    conclude(written, Some(digest), result)
}

fn empty() -> AuthorityResult {
    AuthorityResult {
        name: "command-line".to_owned(),
        verdict: Verdict::Deny,
        evidence: Vec::new(),
        findings: Vec::new(),
    }
}

fn conclude(written: &str, digest: Option<&Digest>, result: AuthorityResult) -> Decision {
    let verdict = result.verdict;
    Decision {
        image: written.to_owned(),
        digest: digest.copied(),
        verdict,
        policies: vec![PolicyResult {
            name: "command-line".to_owned(),
            mode: Mode::Enforce,
            verdict,
            authorities: vec![result],
            findings: Vec::new(),
        }],
        findings: Vec::new(),
    }
}
