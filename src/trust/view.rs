//! [`TrustView`]: a trusted root with everything proven that does not depend on the evidence.

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use sealock_trust_root::root::{Authority, LogKey, RootFinding, TrustedRoot, Window};

use crate::crypto::PublicKey;
use crate::crypto::certificate::{ANY_USAGE, CODE_SIGNING, Certificate};
use crate::decision::Finding;

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
    timestamp_authorities: Vec<Authority>,
    findings: Vec<RootFinding>,
    too_old: Option<Finding>,
}

impl TrustView {
    /// Proves what can be proven of `root`; what cannot is left out with a finding.
    pub fn build(name: impl Into<String>, root: &TrustedRoot) -> Self {
        let mut findings = root.findings.clone();
        let mut issuers = Vec::new();
        for (index, authority) in root.certificate_authorities.iter().enumerate() {
            let part = format!("certificateAuthorities[{index}]");
            prove(authority, &part, &mut issuers, &mut findings);
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
            timestamp_authorities: root.timestamp_authorities.clone(),
            findings,
            too_old: None,
        }
    }

    /// The same root, known to be older than the limit set for it: it decides nothing any more.
    #[must_use]
    pub fn too_old(mut self, finding: Finding) -> Self {
        self.too_old = Some(finding);
        self
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

    /// Whether any transparency log is known.
    pub fn has_logs(&self) -> bool {
        !self.logs.is_empty()
    }

    /// CT logs whose key hashes to `key_id` (RFC 6962 §3.2).
    pub fn ct_logs(&self, key_id: [u8; 32]) -> impl Iterator<Item = &Log> {
        self.ct_logs.iter().filter(move |log| log.entry.key_id == key_id)
    }

    /// Timestamp authorities.
    pub fn timestamp_authorities(&self) -> &[Authority] {
        &self.timestamp_authorities
    }
}

/// Adds every certificate of `authority` that may issue, walking from the anchor down.
fn prove(authority: &Authority, part: &str, issuers: &mut Vec<Issuer>, findings: &mut Vec<RootFinding>) {
    let mut above: Option<Certificate> = None;
    let mut window = authority.window;
    for (index, der) in authority.chain.iter().enumerate().rev() {
        let mut refuse = |reason: String| {
            findings.push(RootFinding {
                part: format!("{part}.certChain.certificates[{index}]"),
                reason,
                kept: false,
            });
        };
        let certificate = match Certificate::from_der(der) {
            Ok(certificate) => certificate,
            Err(e) => return refuse(e.to_string()),
        };
        if let Some(parent) = &above
            && !certificate.is_signed_by(parent)
        {
            return refuse("is not signed by the certificate that follows it".into());
        }
        if let Err(reason) = may_issue(&certificate, index) {
            return refuse(reason);
        }
        window = meet(window, certificate.not_before, certificate.not_after);
        let anchor = match webpki::anchor_from_trusted_cert(&CertificateDer::from(der.as_slice())) {
            Ok(anchor) => anchor.to_owned(),
            Err(e) => return refuse(e.to_string()),
        };
        issuers.push(Issuer {
            authority: authority.uri.clone(),
            subject: certificate.subject.clone(),
            key_id: certificate.key_id(),
            window,
            anchor,
        });
        above = Some(certificate);
    }
}

/// Whether a certificate with `below` certificates under it in its chain may issue signing certificates.
fn may_issue(certificate: &Certificate, below: usize) -> Result<(), String> {
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
        Some(usages) if !usages.contains(&CODE_SIGNING) && !usages.contains(&ANY_USAGE) => {
            Err("is not for code signing (extendedKeyUsage)".into())
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
