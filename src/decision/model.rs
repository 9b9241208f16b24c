//! What a decision consists of. Made by [`super::decide`], rendered by `report`.

use jiff::Timestamp;

use super::Finding;
use crate::evidence::Kind;
use crate::image::Digest;
use crate::policy::Mode;
use crate::verify::Outcome;

/// The four verdicts, in the order in which one outweighs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything demanded is proven.
    Allow,
    /// Allowed, because what failed only warns.
    Warn,
    /// Something needed to answer is missing or unreadable. Denies at admission.
    Undecided,
    /// Something demanded does not hold.
    Deny,
}

impl Verdict {
    /// As in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Undecided => "undecided",
            Self::Deny => "deny",
        }
    }
}

/// The decision about one image, with its whole reasoning.
#[derive(Clone, Debug)]
pub struct Decision {
    /// As the user wrote it.
    pub image: String,
    /// What the verdict is about; absent when the name did not resolve.
    pub digest: Option<Digest>,
    /// The verdict.
    pub verdict: Verdict,
    /// Every policy that applied.
    pub policies: Vec<PolicyResult>,
    /// Findings about the image as a whole.
    pub findings: Vec<Finding>,
}

/// How one policy came out.
#[derive(Clone, Debug)]
pub struct PolicyResult {
    /// `metadata.name`.
    pub name: String,
    /// `spec.mode`.
    pub mode: Mode,
    /// Its verdict.
    pub verdict: Verdict,
    /// Every authority, in the order of the document.
    pub authorities: Vec<AuthorityResult>,
    /// Findings about the policy as a whole.
    pub findings: Vec<Finding>,
}

/// How one authority came out.
#[derive(Clone, Debug)]
pub struct AuthorityResult {
    /// `name`.
    pub name: String,
    /// Its verdict: allow, deny or undecided.
    pub verdict: Verdict,
    /// The evidence that was judged, in digest order.
    pub evidence: Vec<EvidenceResult>,
    /// Why it did not hold, or what is worth knowing although it did.
    pub findings: Vec<Finding>,
}

/// How one piece of evidence came out.
#[derive(Clone, Debug)]
pub struct EvidenceResult {
    /// Digest of the blob.
    pub digest: Digest,
    /// Form.
    pub kind: Kind,
    /// `passed`, `failed` or `undecided`.
    pub verdict: &'static str,
    /// Who signed, where a certificate says so. Proven only if the verdict is `passed`.
    pub identity: Option<Identity>,
    /// Proven time of signing.
    pub signed_at: Option<Timestamp>,
    /// Every check with its outcome.
    pub checks: Vec<(&'static str, Outcome)>,
    /// How strong the yes is.
    pub strength: Option<Strength>,
}

/// Issuer and subject of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// OIDC issuer.
    pub issuer: String,
    /// First subject, in policy-controller's order.
    pub subject: String,
}

/// How strong a yes is, and who vouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strength {
    /// `inclusion`, `promise` or `none`.
    pub log: &'static str,
    /// SHA-256 of the vouching log's key, hex.
    pub log_key: Option<String>,
    /// `log`, `tsa`, `both` or `none`.
    pub time: &'static str,
    /// Trust root that it rests on; absent for keys without a log.
    pub root: Option<String>,
    /// Issuing authority, for certificates.
    pub authority: Option<String>,
    /// SHA-256 of the key's `SubjectPublicKeyInfo`, hex, for keys.
    pub key: Option<String>,
    /// The name that was signed (`docker-reference`).
    pub reference: Option<String>,
}
