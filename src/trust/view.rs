//! [`TrustView`]: a trusted root with everything proven that does not depend on the evidence.

use std::collections::BTreeSet;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use sealock_trust_root::root::{Authority, LogKey, RootFinding, TrustedRoot, Window};

use crate::crypto::PublicKey;
use crate::crypto::certificate::{ANY_USAGE, CODE_SIGNING, Certificate, TIME_STAMPING};
use crate::decision::Finding;
use crate::log::Witnesses;
use crate::log::head::LogKind;

/// A certificate that may issue signing certificates, with the time for which its own chain is proven.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `uri` of the authority.
    pub authority: String,
    /// Its subject, DER.
    pub subject: Vec<u8>,
    /// SHA-256 of its `SubjectPublicKeyInfo`, which CT logs bind into their promises (RFC 6962 §3.2).
    pub key_id: [u8; 32],
    /// When all certificates from here to the anchor and the authority itself count.
    pub window: Window,
    pub(crate) anchor: TrustAnchor<'static>,
}

/// A timestamp authority's leaf with the time for which its chain is proven.
#[derive(Clone, Debug)]
pub struct Stamper {
    /// `uri` of the authority.
    pub authority: String,
    /// The certificate that signs stamps.
    pub leaf: Certificate,
    /// Its key.
    pub key: PublicKey,
    /// When it, its issuers and the authority count.
    pub window: Window,
}

/// A log's key, ready to check signatures.
#[derive(Clone, Debug)]
pub struct Log {
    /// As in the root file.
    pub entry: LogKey,
    /// The key.
    pub key: PublicKey,
}

/// A trusted root, proven as far as it can be without evidence.
#[derive(Clone, Debug)]
pub struct TrustView {
    name: String,
    digest: [u8; 32],
    issuers: Vec<Issuer>,
    logs: Vec<Log>,
    ct_logs: Vec<Log>,
    stampers: Vec<Stamper>,
    findings: Vec<RootFinding>,
    too_old: Option<Finding>,
    doubted: BTreeSet<[u8; 32]>,
    witnesses: Witnesses,
}

impl TrustView {
    /// Proves what can be proven of `root`; what cannot is left out with a finding.
    pub fn build(name: impl Into<String>, root: &TrustedRoot) -> Self {
        let mut findings = root.findings.clone();
        let mut issuers = Vec::new();
        for (index, authority) in root.certificate_authorities.iter().enumerate() {
            let part = format!("certificateAuthorities[{index}]");
            issuers.extend(proven(authority, &part, CODE_SIGNING, &mut findings).0);
        }
        let mut stampers = Vec::new();
        for (index, authority) in root.timestamp_authorities.iter().enumerate() {
            let part = format!("timestampAuthorities[{index}]");
            stampers.extend(proven(authority, &part, TIME_STAMPING, &mut findings).1);
        }
        let mut keys = |part: &str, entries: &[LogKey]| {
            let mut out = Vec::new();
            for (index, entry) in entries.iter().enumerate() {
                match PublicKey::from_spki(&entry.spki) {
                    Ok(key) => out.push(Log { entry: entry.clone(), key }),
                    Err(e) => {
                        findings.push(RootFinding {
                            part: format!("{part}[{index}]"),
                            reason: e.to_string(),
                            kept: false,
                        });
                    }
                }
            }
            out
        };
        let logs = keys("tlogs", &root.transparency_logs);
        let ct_logs = keys("ctlogs", &root.ct_logs);
        Self {
            name: name.into(),
            digest: root.digest,
            issuers,
            logs,
            ct_logs,
            stampers,
            findings,
            too_old: None,
            doubted: BTreeSet::new(),
            witnesses: Witnesses::default(),
        }
    }

    /// The same root, known to be older than the limit set for it: it decides nothing any more.
    #[must_use]
    pub fn too_old(mut self, finding: Finding) -> Self {
        self.too_old = Some(finding);
        self
    }

    /// The same root, where these witnesses say which heads of logs others saw too.
    #[must_use]
    pub fn witnessed_by(mut self, witnesses: &Witnesses) -> Self {
        self.witnesses = witnesses.clone();
        self
    }

    /// Who says which heads of logs others saw too.
    pub fn witnesses(&self) -> &Witnesses {
        &self.witnesses
    }

    /// The same root, where logs with these key ids (SHA-256) have shown two histories: they decide nothing any more.
    #[must_use]
    pub fn doubting(mut self, key_ids: &BTreeSet<[u8; 32]>) -> Self {
        self.doubted.extend(key_ids);
        self
    }

    /// Whether the log with this key id has shown two histories.
    pub fn doubts(&self, key_id: &[u8; 32]) -> bool {
        self.doubted.contains(key_id)
    }

    /// Why the root is too old to decide, if it is.
    pub fn age_fault(&self) -> Option<&Finding> {
        self.too_old.as_ref()
    }

    /// What the root is called where it was configured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the file it was read from.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Parts that are not used, and why.
    pub fn findings(&self) -> &[RootFinding] {
        &self.findings
    }

    /// Certificates that may issue.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// Transparency logs whose id is `log_id`, as Rekor v1 (hash of the key) or v2 (as declared) forms it.
    pub fn logs(&self, log_id: &[u8]) -> impl Iterator<Item = &Log> {
        self.logs.iter().filter(move |log| log.entry.key_id == log_id || log.entry.log_id == log_id)
    }

    /// The logs of one kind with this key.
    pub fn logs_of(&self, kind: LogKind, key_id: [u8; 32]) -> impl Iterator<Item = &Log> {
        let logs = if kind == LogKind::Ct { &self.ct_logs } else { &self.logs };
        logs.iter().filter(move |log| log.entry.key_id == key_id)
    }

    /// Whether any transparency log is known.
    pub fn has_logs(&self) -> bool {
        !self.logs.is_empty()
    }

    /// CT logs whose key hashes to `key_id` (RFC 6962 §3.2).
    pub fn ct_logs(&self, key_id: [u8; 32]) -> impl Iterator<Item = &Log> {
        self.ct_logs.iter().filter(move |log| log.entry.key_id == key_id)
    }

    /// Timestamp authorities.
    pub fn stampers(&self) -> &[Stamper] {
        &self.stampers
    }
}

/// The certificates of `authority` that may issue for `usage`, walking from the anchor down, and the leaf below them if
/// it stamps times.
fn proven(
    authority: &Authority,
    part: &str,
    usage: ObjectIdentifier,
    findings: &mut Vec<RootFinding>,
) -> (Vec<Issuer>, Option<Stamper>) {
    let mut issuers = Vec::new();
    let mut above: Option<Certificate> = None;
    let mut window = authority.window;
    for (index, der) in authority.chain.iter().enumerate().rev() {
        let step = Certificate::from_der(der).map_err(|e| e.to_string()).and_then(|certificate| {
            if above.as_ref().is_some_and(|parent| !certificate.is_signed_by(parent)) {
                return Err("is not signed by the certificate that follows it".into());
            }
            window = meet(window, certificate.not_before, certificate.not_after);
            if usage == TIME_STAMPING && index == 0 && !certificate.is_ca {
                return stamper(authority, certificate, window).map(Some);
            }
            // Certificates below this one that issue themselves: all but a leaf that stamps.
            let below = if usage == TIME_STAMPING { index.saturating_sub(1) } else { index };
            may_issue(&certificate, below, usage)?;
            let anchor = webpki::anchor_from_trusted_cert(&CertificateDer::from(der.as_slice()))
                .map_err(|e| e.to_string())?
                .to_owned();
            issuers.push(Issuer {
                authority: authority.uri.clone(),
                subject: certificate.subject.clone(),
                key_id: certificate.key_id(),
                window,
                anchor,
            });
            above = Some(certificate);
            Ok(None)
        });
        match step {
            Ok(None) => {}
            Ok(Some(stamper)) => return (issuers, Some(stamper)),
            Err(reason) => {
                let part = format!("{part}.certChain.certificates[{index}]");
                findings.push(RootFinding { part, reason, kept: false });
                break;
            }
        }
    }
    (issuers, None)
}

/// The leaf of a timestamp authority: for stamping times, critically, and for nothing else (RFC 3161 §2.3).
fn stamper(authority: &Authority, leaf: Certificate, window: Window) -> Result<Stamper, String> {
    if leaf.usages.as_deref() != Some(&[TIME_STAMPING]) || !leaf.usages_critical {
        return Err("is not, critically, for time stamping and nothing else (extendedKeyUsage)".into());
    }
    let key = leaf.key().map_err(|e| e.to_string())?;
    Ok(Stamper { authority: authority.uri.clone(), leaf, key, window })
}

/// Whether a certificate with `below` issuing certificates under it in its chain may issue for `usage`.
fn may_issue(certificate: &Certificate, below: usize, usage: ObjectIdentifier) -> Result<(), String> {
    if !certificate.is_ca {
        return Err("is no certificate authority (basicConstraints)".into());
    }
    if !certificate.may_sign_certificates {
        return Err("may not sign certificates (keyUsage)".into());
    }
    // Path length counts intermediates below this one; leaves do not count (RFC 5280 §4.2.1.9).
    if certificate.path_length.is_some_and(|limit| below > usize::from(limit)) {
        return Err(format!("allows fewer than {below} certificates below it (pathLenConstraint)"));
    }
    match &certificate.usages {
        Some(usages) if !usages.contains(&usage) && !usages.contains(&ANY_USAGE) => {
            let wanted = if usage == CODE_SIGNING { "code signing" } else { "time stamping" };
            Err(format!("is not for {wanted} (extendedKeyUsage)"))
        }
        _ => Ok(()),
    }
}

/// The part of `window` that lies between two dates.
fn meet(window: Window, not_before: Timestamp, not_after: Timestamp) -> Window {
    Window {
        start: Some(window.start.map_or(not_before, |start| start.max(not_before))),
        end: Some(window.end.map_or(not_after, |end| end.min(not_after))),
    }
}
