//! `trusted_root.json`: which keys and certificates are believed, and from when to when.
//!
//! Protobuf JSON as the public-good instance publishes it; every field can be changed before it is written.

use crate::authority::{Authority, Validity};
use crate::base64;
use crate::calendar::{BASE_TIME, Time, rfc3339};
use crate::ct_log::CtLog;
use crate::json::{Json, object};
use crate::rekor::Rekor;
use crate::rekor_v2::RekorV2;
use crate::tsa::Tsa;

/// When something is believed: from the start to the end, or open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// `validFor.start`.
    pub start: Time,
    /// `validFor.end`, both ends inclusive.
    pub end: Option<Time>,
}

impl Window {
    fn json(self) -> Json {
        let start = object([("start", rfc3339(self.start).into())]);
        match self.end {
            Some(end) => start.with("end", rfc3339(end).into()),
            None => start,
        }
    }
}

/// A log of either kind.
#[derive(Clone, Debug)]
pub struct TrustedLog {
    /// Where it is.
    pub base_url: String,
    /// `SubjectPublicKeyInfo`, DER.
    pub public_key: Vec<u8>,
    /// Kind of the key.
    pub key_details: String,
    /// When it is believed.
    pub window: Window,
    /// The id under which it is looked up: SHA-256 of the key, unless the test says otherwise.
    pub log_id: Vec<u8>,
}

/// A certificate authority.
#[derive(Clone, Debug)]
pub struct TrustedAuthority {
    /// `subject.organization`.
    pub organization: String,
    /// `subject.commonName`.
    pub common_name: String,
    /// Where it is.
    pub uri: String,
    /// Certificates from the issuing one up to the root, DER.
    pub certificates: Vec<Vec<u8>>,
    /// When it is believed.
    pub window: Window,
}

/// The whole document.
#[derive(Clone, Debug, Default)]
pub struct TrustedRoot {
    /// Rekor instances.
    pub tlogs: Vec<TrustedLog>,
    /// Fulcio instances.
    pub certificate_authorities: Vec<TrustedAuthority>,
    /// Certificate transparency logs.
    pub ctlogs: Vec<TrustedLog>,
    /// Timestamp authorities.
    pub timestamp_authorities: Vec<TrustedAuthority>,
}

impl TrustedRoot {
    /// One authority, one CT log and one Rekor, all believed from a moment on.
    pub fn new(authority: &Authority, ct_log: &CtLog, rekor: &Rekor, start: Time) -> TrustedRoot {
        let window = Window { start, end: None };
        TrustedRoot {
            tlogs: vec![TrustedLog {
                base_url: rekor.base_url(),
                public_key: rekor.key.public_der(),
                key_details: rekor.key.key_details().to_owned(),
                window,
                log_id: rekor.key.key_id().to_vec(),
            }],
            certificate_authorities: vec![TrustedAuthority {
                organization: authority.organization.clone(),
                common_name: "sigstore".to_owned(),
                uri: format!("https://fulcio.{}", authority.organization),
                certificates: vec![authority.intermediate.clone(), authority.root.clone()],
                window,
            }],
            ctlogs: vec![TrustedLog {
                base_url: ct_log.base_url.clone(),
                public_key: ct_log.key.public_der(),
                key_details: ct_log.key.key_details().to_owned(),
                window,
                log_id: ct_log.key.key_id().to_vec(),
            }],
            timestamp_authorities: Vec::new(),
        }
    }

    /// Everything of another root as well.
    #[must_use]
    pub fn with(mut self, other: TrustedRoot) -> TrustedRoot {
        self.tlogs.extend(other.tlogs);
        self.certificate_authorities.extend(other.certificate_authorities);
        self.ctlogs.extend(other.ctlogs);
        self.timestamp_authorities.extend(other.timestamp_authorities);
        self
    }

    /// A log of version 2 as well, believed from the first authority's start on.
    #[must_use]
    pub fn with_log_v2(mut self, log: &RekorV2) -> TrustedRoot {
        self.tlogs.push(TrustedLog {
            base_url: log.base_url(),
            public_key: log.key.public_der(),
            key_details: log.key.key_details().to_owned(),
            window: self.start(),
            log_id: log.log_id().to_vec(),
        });
        self
    }

    /// A timestamp authority as well, believed from the first authority's start on.
    #[must_use]
    pub fn with_tsa(mut self, tsa: &Tsa) -> TrustedRoot {
        self.timestamp_authorities.push(TrustedAuthority {
            organization: tsa.organization.clone(),
            common_name: "tsa".to_owned(),
            uri: tsa.uri(),
            certificates: vec![tsa.leaf.clone(), tsa.intermediate.clone(), tsa.root.clone()],
            window: self.start(),
        });
        self
    }

    fn start(&self) -> Window {
        let first = self.certificate_authorities.first().map(|one| one.window.start);
        Window { start: first.unwrap_or(Validity::around(BASE_TIME).from), end: None }
    }

    /// Sets the window of every timestamp authority.
    #[must_use]
    pub fn tsa_window(mut self, start: Time, end: Option<Time>) -> TrustedRoot {
        self.timestamp_authorities.iter_mut().for_each(|one| one.window = Window { start, end });
        self
    }

    /// Without timestamp authorities.
    #[must_use]
    pub fn without_tsa(mut self) -> TrustedRoot {
        self.timestamp_authorities.clear();
        self
    }

    /// Sets the window of every certificate authority.
    #[must_use]
    pub fn authority_window(mut self, start: Time, end: Option<Time>) -> TrustedRoot {
        self.certificate_authorities.iter_mut().for_each(|one| one.window = Window { start, end });
        self
    }

    /// Sets the window of every Rekor instance.
    #[must_use]
    pub fn rekor_window(mut self, start: Time, end: Option<Time>) -> TrustedRoot {
        self.tlogs.iter_mut().for_each(|one| one.window = Window { start, end });
        self
    }

    /// Sets the window of every CT log.
    #[must_use]
    pub fn ct_log_window(mut self, start: Time, end: Option<Time>) -> TrustedRoot {
        self.ctlogs.iter_mut().for_each(|one| one.window = Window { start, end });
        self
    }

    /// Without CT logs.
    #[must_use]
    pub fn without_ct_logs(mut self) -> TrustedRoot {
        self.ctlogs.clear();
        self
    }

    /// Without Rekor instances.
    #[must_use]
    pub fn without_rekor(mut self) -> TrustedRoot {
        self.tlogs.clear();
        self
    }

    /// The document as a value.
    pub fn value(&self) -> Json {
        object([
            ("mediaType", "application/vnd.dev.sigstore.trustedroot+json;version=0.1".into()),
            ("tlogs", Json::Array(self.tlogs.iter().map(TrustedLog::json).collect())),
            (
                "certificateAuthorities",
                Json::Array(self.certificate_authorities.iter().map(TrustedAuthority::json).collect()),
            ),
            ("ctlogs", Json::Array(self.ctlogs.iter().map(TrustedLog::json).collect())),
            (
                "timestampAuthorities",
                Json::Array(self.timestamp_authorities.iter().map(TrustedAuthority::json).collect()),
            ),
        ])
    }

    /// The document as text, indented.
    pub fn json(&self) -> String {
        self.value().pretty()
    }
}

impl TrustedLog {
    fn json(&self) -> Json {
        object([
            ("baseUrl", self.base_url.as_str().into()),
            ("hashAlgorithm", "SHA2_256".into()),
            (
                "publicKey",
                object([
                    ("rawBytes", base64(&self.public_key).into()),
                    ("keyDetails", self.key_details.as_str().into()),
                    ("validFor", self.window.json()),
                ]),
            ),
            ("logId", object([("keyId", base64(&self.log_id).into())])),
        ])
    }
}

impl TrustedAuthority {
    fn json(&self) -> Json {
        let certificates =
            self.certificates.iter().map(|der| object([("rawBytes", base64(der).into())])).collect();
        object([
            (
                "subject",
                object([
                    ("organization", self.organization.as_str().into()),
                    ("commonName", self.common_name.as_str().into()),
                ]),
            ),
            ("uri", self.uri.as_str().into()),
            ("certChain", object([("certificates", Json::Array(certificates))])),
            ("validFor", self.window.json()),
        ])
    }
}
