//! Structure and trust → proof. One public door: [`verify`].
//!
//! Input: one parsed piece of [`Evidence`], the image's digest, and what is demanded of it ([`Demand`]): by whom it
//! must be signed, which log must vouch, under which roots. Output: an [`Account`] of every check, and either
//! [`Verified`], which nothing else can make, or the [`Rejection`].
//!
//! | step | rule | source |
//! |---|---|---|
//! | subject | the signed claim names exactly this digest | containers/image simple signing; in-toto statement |
//! | signature | made over the signed bytes by the certificate's or the given key | cosign `SIGNATURE_SPEC`; DSSE PAE |
//! | log-entry | promise over the canonical entry, or inclusion proof under a signed checkpoint, by a log of the root | Rekor OpenAPI; RFC 8785; RFC 6962 §2.1.1; C2SP signed-note |
//! | log-binding | the entry's body holds this content's hash, this signature and this certificate or key | Rekor types `hashedrekord`, `dsse`, `intoto` |
//! | timestamp | stamp over the signature by an authority of the root | RFC 3161 |
//! | time | at least one proven time; every proven time must fit what follows | Sigstore client specification §3 |
//! | certificate-chain | issued for code signing by an authority of the root, valid at every proven time | RFC 5280 §6.1 |
//! | sct | an embedded promise by a CT log of the root | RFC 6962 §3.2, §3.3 |
//!
//! Each step's output is the next one's argument, so no step can be left out or moved: they are private types with
//! one constructor each. An entry or stamp that cannot be verified under the root is set aside, one that verifies
//! never is, and demands are counted after that. Every time that is proven is used, also where none is demanded.
//!
//! Not checked here: whether the proven identity is a wanted one (`decision`), the wall clock (nobody: signatures
//! are judged at their proven time).
//!
//! Attacks considered: parts borrowed from other signatures (CVE-2022-23649, CVE-2026-22703), an attestation passed
//! off as a signature (CVE-2022-35929), expired issuers (GHSA-wfqv-66vq-46rm), retired log keys
//! (GHSA-wqqc-jjcq-vfxm), one log counted twice (GHSA-9vcr-p3rj-q5q6), times without a promise.

mod certificate;
pub mod codes;
mod entry;
mod log;
mod rejection;
mod sct;
mod signature;
mod subject;
mod time;
mod timestamp;

use jiff::Timestamp;

use crate::crypto::{Certificate, HashAlgorithm, PublicKey};
use crate::evidence::{Content, Evidence, Kind, LogEntry, Signer};
use crate::image::Digest;
use crate::trust::TrustView;
use crate::trust::view::Log;

pub use rejection::Rejection;

/// What a piece of evidence must prove.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// What is judged.
    pub subject: Subject<'a>,
    /// What kind of statement is wanted.
    pub purpose: Purpose,
    /// Who must have signed.
    pub signer: SignerDemand<'a>,
    /// Which log must vouch.
    pub log: LogDemand<'a>,
    /// Whose timestamps count, and whether one is needed.
    pub stamp: StampDemand<'a>,
}

/// Whose timestamps count, and whether one is needed.
#[derive(Clone, Copy, Debug)]
pub enum StampDemand<'a> {
    /// Those of this root; none is needed.
    Optional(&'a TrustView),
    /// Those of this root; one is needed.
    Required(&'a TrustView),
    /// None is looked at: a key does not expire.
    None,
}

/// What is judged. A verdict is about exactly this digest.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A manifest.
    Image(&'a Digest),
    /// A file.
    Artifact {
        /// Its digest.
        digest: &'a Digest,
        /// Its bytes, where they are at hand: some signatures cover the bytes or another digest of them.
        bytes: Option<&'a [u8]>,
    },
}

impl<'a> Subject<'a> {
    /// The digest.
    pub fn digest(&self) -> &'a Digest {
        match self {
            Self::Image(digest) | Self::Artifact { digest, .. } => digest,
        }
    }
}

/// What kind of statement is wanted. One never counts as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A signature of the image itself.
    ImageSignature,
    /// An attestation about the subject.
    Attestation,
    /// Whatever vouches for a file: a signature of it, or a statement about it.
    Artifact,
}

impl Purpose {
    fn wanted(self) -> &'static str {
        match self {
            Self::ImageSignature => "an image signature",
            Self::Attestation => "an attestation",
            Self::Artifact => "a signature of a file",
        }
    }
}

/// Who must have signed.
#[derive(Clone, Copy, Debug)]
pub enum SignerDemand<'a> {
    /// The holder of a certificate issued under this root. Whose identity it is stands in the proof.
    Keyless {
        /// The root.
        view: &'a TrustView,
        /// Whether a CT log must have promised the certificate.
        sct: bool,
    },
    /// The holder of this key.
    Key {
        /// The key.
        key: &'a PublicKey,
        /// The hash that signatures with it are made over.
        hash: KeyHash,
    },
}

/// The hash that signatures with a given key are made over. Ed25519 needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHash {
    /// This one: `hashAlgorithm` of a policy.
    As(HashAlgorithm),
    /// The one that the evidence names, else the one that the key's size asks for, else SHA-256.
    Own,
}

/// Which log must vouch.
#[derive(Clone, Copy, Debug)]
pub enum LogDemand<'a> {
    /// An entry in a log of this root.
    Required(&'a TrustView),
    /// None; entries in logs of this root still give the time.
    Optional(&'a TrustView),
    /// None, and no time is needed.
    None,
}

/// Outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// Nobody asked for it.
    NotRequired,
    /// An earlier check failed.
    NotReached,
}

impl Outcome {
    /// As in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotRequired => "not-required",
            Self::NotReached => "not-reached",
        }
    }
}

/// The checks, in order.
pub const CHECKS: [&str; 8] =
    ["subject", "signature", "timestamp", "log-entry", "log-binding", "time", "certificate-chain", "sct"];

/// What was checked and how it came out, whatever the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    outcomes: [Outcome; CHECKS.len()],
}

impl Account {
    fn new() -> Self {
        Self { outcomes: [Outcome::NotReached; CHECKS.len()] }
    }

    /// Every check with its outcome, in order.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, Outcome)> + '_ {
        CHECKS.into_iter().zip(self.outcomes)
    }

    fn set(&mut self, check: &'static str, outcome: Outcome) {
        for (name, slot) in CHECKS.into_iter().zip(&mut self.outcomes) {
            if name == check {
                *slot = outcome;
            }
        }
    }

    /// Records how a step came out and passes it on.
    fn step<T>(&mut self, check: &'static str, result: Result<T, Rejection>) -> Result<T, Rejection> {
        self.set(check, if result.is_ok() { Outcome::Passed } else { Outcome::Failed });
        result
    }
}

/// How strongly a log vouches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogStrength {
    /// No log was asked, or none known vouches.
    None,
    /// The log promised to include the entry (SET).
    Promise,
    /// The entry is proven to be in the log.
    Inclusion,
    /// So it is, and witnesses saw the log as it was shown here.
    Witnessed,
}

impl LogStrength {
    /// As in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Promise => "promise",
            Self::Inclusion => "inclusion",
            Self::Witnessed => "inclusion+witness",
        }
    }
}

/// Who is proven to have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifiedSigner {
    /// The holder of a certificate.
    Certificate {
        /// OIDC issuer.
        issuer: Option<String>,
        /// Subject alternative names, in policy-controller's order.
        subjects: Vec<String>,
        /// The authority that issued it.
        authority: String,
    },
    /// The holder of the key asked for.
    Key {
        /// SHA-256 of its `SubjectPublicKeyInfo`.
        key_id: [u8; 32],
    },
}

/// Proof that a piece of evidence is what was demanded. Only [`verify`] makes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    evidence: Digest,
    kind: Kind,
    signer: VerifiedSigner,
    signed_at: Option<Timestamp>,
    log: LogStrength,
    log_key: Option<[u8; 32]>,
    log_time: bool,
    stamped: bool,
    reference: Option<String>,
}

impl Verified {
    /// The blob that proves it.
    pub fn evidence(&self) -> &Digest {
        &self.evidence
    }

    /// Its form.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Who signed.
    pub fn signer(&self) -> &VerifiedSigner {
        &self.signer
    }

    /// The earliest proven time of signing; absent where no time was needed.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.signed_at
    }

    /// How strongly a log vouches.
    pub fn log(&self) -> LogStrength {
        self.log
    }

    /// SHA-256 of the key of the log that vouched.
    pub fn log_key(&self) -> Option<[u8; 32]> {
        self.log_key
    }

    /// Where the time comes from: `log`, `tsa`, `both` or `none`.
    pub fn time(&self) -> &'static str {
        match (self.log_time, self.stamped) {
            (true, true) => "both",
            (true, false) => "log",
            (false, true) => "tsa",
            (false, false) => "none",
        }
    }

    /// The name that the image had when it was signed, where the payload says so.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }
}

/// The identity that a piece of evidence claims, unverified: for filtering and for nearest misses only.
pub fn claimed(evidence: &Evidence) -> Option<Certificate> {
    match &evidence.signer {
        Signer::Certificate { leaf, .. } => Certificate::from_der(leaf).ok(),
        Signer::Key { .. } => None,
    }
}

/// The OIDC issuer as readers of this kind of evidence take it: classic layers by the older extension alone, as
/// policy-controller; bundles by the newer one where it is there, as the bundle clients.
pub fn issuer(certificate: &Certificate, kind: Kind) -> Option<&str> {
    let newer = certificate.oidc_issuer_v2.as_deref().filter(|_| kind == Kind::Bundle);
    newer.or(certificate.oidc_issuer.as_deref())
}

/// Key ids (SHA-256) of the CT logs that a certificate names, unverified: for asking those logs.
pub fn promised_by(certificate: &Certificate) -> Vec<[u8; 32]> {
    sct::promised_by(certificate)
}

/// Whether `log` made the promise that `entry` carries: for asking that log about it. It proves nothing else.
pub fn is_promised(entry: &LogEntry, log: &Log) -> bool {
    entry.promise.as_ref().is_some_and(|promise| log::promised(entry, promise, log).is_ok())
}

/// Verifies one piece of evidence against one demand.
pub fn verify(evidence: &Evidence, demand: &Demand<'_>) -> (Account, Result<Verified, Rejection>) {
    let mut account = Account::new();
    let result = steps(evidence, demand, &mut account);
    (account, result)
}

fn steps(evidence: &Evidence, demand: &Demand<'_>, account: &mut Account) -> Result<Verified, Rejection> {
    let bound = account.step("subject", subject::bind(evidence, demand.subject, demand.purpose))?;
    let (signed, leaf) = match demand.signer {
        SignerDemand::Keyless { .. } => {
            let result = certificate::leaf(evidence)
                .and_then(|leaf| Ok((signature::by_certificate(bound, &leaf)?, Some(leaf))));
            account.step("signature", result)?
        }
        SignerDemand::Key { key, hash } => {
            let result = signature::by_key(bound, key, hash);
            account.step("signature", result.map(|signed| (signed, None)))?
        }
    };
    // A key does not expire, so it needs no time; a certificate always does.
    let (log_view, required) = match demand.log {
        LogDemand::Required(view) => (Some(view), true),
        LogDemand::Optional(view) => (leaf.is_some().then_some(view), false),
        LogDemand::None => (None, false),
    };
    let stamps = match demand.stamp {
        StampDemand::Optional(view) | StampDemand::Required(view) => timestamp::prove(&signed, view),
        StampDemand::None => timestamp::Stamps::none(),
    };
    account.set("timestamp", if stamps.is_empty() { Outcome::NotRequired } else { Outcome::Passed });
    if let (StampDemand::Required(view), true) = (demand.stamp, stamps.is_empty()) {
        let missing = Rejection::NoStamp { root: view.name().to_owned(), aside: stamps.aside().to_vec() };
        return account.step("timestamp", Err(missing));
    }
    let entries = match log_view {
        None => {
            account.set("log-entry", Outcome::NotRequired);
            account.set("log-binding", Outcome::NotRequired);
            log::Entries::none()
        }
        Some(view) => {
            let found = log::prove(&signed, view, &stamps);
            let found = account.step("log-entry", found)?;
            let bound = entry::bind(&signed, found);
            let bound = account.step("log-binding", bound)?;
            if bound.is_empty() {
                let outcome = if required { Outcome::Failed } else { Outcome::NotRequired };
                account.set("log-entry", outcome);
                account.set("log-binding", if required { Outcome::NotReached } else { Outcome::NotRequired });
                if required {
                    return Err(bound.why_empty());
                }
            }
            bound
        }
    };
    let (log, log_key) = (entries.strength(), entries.log_key());
    let (log_time, stamped) = (entries.has_time(), !stamps.is_empty());
    let (vouched_by, signed_at) =
        if let (SignerDemand::Keyless { view, sct }, Some(leaf)) = (demand.signer, leaf) {
            let times = time::gather(&entries, &stamps);
            // Times of a log that shows two histories are none, and nothing else is known: that is no denial.
            let times = times.map_err(|e| entries.doubted().unwrap_or(e));
            let times = account.step("time", times)?;
            let chain = account.step("certificate-chain", certificate::chain(&leaf, view, &times))?;
            if sct {
                account.step("sct", sct::prove(&chain, view))?;
            } else {
                account.set("sct", Outcome::NotRequired);
            }
            let subjects = leaf.ordered_names().into_iter().map(|n| n.as_str().to_owned()).collect();
            let authority = chain.authority().to_owned();
            let issuer = issuer(&leaf, evidence.kind).map(str::to_owned);
            (VerifiedSigner::Certificate { issuer, subjects, authority }, Some(times.earliest()))
        } else {
            for check in ["time", "certificate-chain", "sct"] {
                account.set(check, Outcome::NotRequired);
            }
            // It needs no time; what is proven all the same is told.
            let earliest = entries.times().chain(stamps.times()).min();
            (VerifiedSigner::Key { key_id: signed.key_id() }, earliest)
        };
    let reference = match &evidence.content {
        Content::SimpleSigning { claim, .. } => claim.reference.clone(),
        _ => None,
    };
    Ok(Verified {
        evidence: evidence.digest,
        kind: evidence.kind,
        signer: vouched_by,
        signed_at,
        log,
        log_key,
        log_time,
        stamped,
        reference,
    })
}
