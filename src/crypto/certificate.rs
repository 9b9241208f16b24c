//! X.509 certificates: what they say, without judging it.
//!
//! Input: DER. Output: [`Certificate`].
//!
//! | part | source |
//! |---|---|
//! | structure, dates, names, extensions | RFC 5280 §4.1, §4.2 |
//! | no extension twice | RFC 5280 §4.2 |
//! | OIDC issuer, extensions 1.3.6.1.4.1.57264.1.1 (raw text) and .1.8 (DER text) | Fulcio `oid-info.md` |
//! | other name 1.3.6.1.4.1.57264.1.7 | Fulcio `oid-info.md` |
//!
//! Not checked here: signatures, validity, usage (`verify::certificate`, `trust`).

use const_oid::ObjectIdentifier;
use der::asn1::OctetStringRef;
use der::{Decode, Encode};
use jiff::Timestamp;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::der_slice;
use super::key::{HashAlgorithm, KeyFault, PublicKey};

/// Largest certificate that is read, in bytes. Fulcio's stay below 2 KiB.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// `id-kp-codeSigning`, RFC 5280 §4.2.1.12.
pub const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
/// `id-kp-timeStamping`, RFC 5280 §4.2.1.12.
pub const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// `anyExtendedKeyUsage`, RFC 5280 §4.2.1.12.
pub const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// Embedded SCT list, RFC 6962 §3.3.
pub const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const FULCIO_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
const FULCIO_ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
const FULCIO_OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// A parsed certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// All of it.
    pub der: Vec<u8>,
    /// The part that the issuer signed, exactly as encoded.
    pub tbs: Vec<u8>,
    /// Issuer name, DER.
    pub issuer: Vec<u8>,
    /// Subject name, DER.
    pub subject: Vec<u8>,
    /// `SubjectPublicKeyInfo`, DER.
    pub spki: Vec<u8>,
    /// First valid second.
    pub not_before: Timestamp,
    /// Last valid second.
    pub not_after: Timestamp,
    /// `basicConstraints.cA`.
    pub is_ca: bool,
    /// `basicConstraints.pathLenConstraint`.
    pub path_length: Option<u8>,
    /// Whether `keyUsage`, if there, allows signing certificates.
    pub may_sign_certificates: bool,
    /// `extendedKeyUsage`, if there.
    pub usages: Option<Vec<ObjectIdentifier>>,
    /// Whether `extendedKeyUsage` is marked critical.
    pub usages_critical: bool,
    /// Serial number, DER content octets.
    pub serial: Vec<u8>,
    /// `subjectKeyIdentifier`, if there.
    pub key_identifier: Option<Vec<u8>>,
    /// Subject alternative names in the order of the certificate.
    pub names: Vec<SubjectName>,
    /// The OIDC issuer in the older extension, .1.1: the one that policy-controller reads.
    pub oidc_issuer: Option<String>,
    /// The OIDC issuer in the newer extension, .1.8: the one that bundle clients prefer.
    pub oidc_issuer_v2: Option<String>,
    /// Fulcio's extensions, number and text.
    fulcio: Vec<(u32, String)>,
    /// The embedded SCT list, unwrapped from its octet string.
    pub sct_list: Option<Vec<u8>>,
    signature_algorithm: ObjectIdentifier,
    signature: Vec<u8>,
}

/// A subject alternative name. Compared as bytes, rendered escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectName {
    /// `dNSName`.
    Dns(String),
    /// `rfc822Name`.
    Email(String),
    /// `iPAddress`, as text.
    Ip(String),
    /// `uniformResourceIdentifier`.
    Uri(String),
    /// Fulcio's user name in an `otherName`.
    Other(String),
}

impl SubjectName {
    /// The name, whatever its kind.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Dns(text) | Self::Email(text) | Self::Ip(text) | Self::Uri(text) | Self::Other(text) => {
                text
            }
        }
    }

    /// The order in which policy-controller lists names: DNS, email, IP, URI, other.
    fn rank(&self) -> u8 {
        match self {
            Self::Dns(_) => 0,
            Self::Email(_) => 1,
            Self::Ip(_) => 2,
            Self::Uri(_) => 3,
            Self::Other(_) => 4,
        }
    }
}

/// Why bytes are not a usable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable certificate: {reason}")]
pub struct CertificateFault {
    /// What is wrong.
    pub reason: String,
}

fn fault(reason: impl std::fmt::Display) -> CertificateFault {
    CertificateFault { reason: reason.to_string() }
}

impl Certificate {
    /// Reads a DER certificate.
    ///
    /// # Errors
    /// [`CertificateFault`] naming the part.
    pub fn from_der(bytes: &[u8]) -> Result<Self, CertificateFault> {
        if bytes.len() > MAX_CERTIFICATE {
            return Err(fault(format!("{} bytes, the limit is {MAX_CERTIFICATE}", bytes.len())));
        }
        let parsed = x509_cert::Certificate::from_der(bytes).map_err(fault)?;
        let tbs = der_slice::first(bytes)
            .and_then(|(outer, _)| der_slice::first(outer.content))
            .map(|(tbs, _)| tbs.whole.to_vec())
            .ok_or_else(|| fault("no signed part"))?;
        let info = &parsed.tbs_certificate;
        if info.signature != parsed.signature_algorithm {
            return Err(fault("the two statements of the signature algorithm differ"));
        }
        let mut out = Self {
            der: bytes.to_vec(),
            tbs,
            issuer: info.issuer.to_der().map_err(fault)?,
            subject: info.subject.to_der().map_err(fault)?,
            spki: info.subject_public_key_info.to_der().map_err(fault)?,
            not_before: moment(&info.validity.not_before)?,
            not_after: moment(&info.validity.not_after)?,
            is_ca: false,
            path_length: None,
            may_sign_certificates: true,
            usages: None,
            usages_critical: false,
            serial: info.serial_number.as_bytes().to_vec(),
            key_identifier: None,
            names: Vec::new(),
            oidc_issuer: None,
            oidc_issuer_v2: None,
            fulcio: Vec::new(),
            sct_list: None,
            signature_algorithm: parsed.signature_algorithm.oid,
            signature: parsed
                .signature
                .as_bytes()
                .ok_or_else(|| fault("signature is not a whole number of bytes"))?
                .to_vec(),
        };
        out.read_extensions(info.extensions.as_deref().unwrap_or_default())?;
        Ok(out)
    }

    fn read_extensions(&mut self, extensions: &[x509_cert::ext::Extension]) -> Result<(), CertificateFault> {
        let mut seen = std::collections::HashSet::new();
        for extension in extensions {
            if !seen.insert(extension.extn_id) {
                return Err(fault(format!("extension {} stands twice", extension.extn_id)));
            }
            let value = extension.extn_value.as_bytes();
            if let Some(number) = fulcio_number(extension.extn_id) {
                // The first six are raw text, the later ones DER strings.
                let text = if number <= 6 {
                    String::from_utf8(value.to_vec()).ok()
                } else {
                    String::from_der(value).ok()
                };
                self.fulcio.extend(text.map(|text| (number, text)));
            }
            match extension.extn_id {
                BASIC_CONSTRAINTS => {
                    let constraints = BasicConstraints::from_der(value).map_err(fault)?;
                    self.is_ca = constraints.ca;
                    self.path_length = constraints.path_len_constraint;
                }
                KEY_USAGE => {
                    self.may_sign_certificates = KeyUsage::from_der(value).map_err(fault)?.key_cert_sign();
                }
                SUBJECT_KEY_ID => {
                    self.key_identifier =
                        Some(OctetStringRef::from_der(value).map_err(fault)?.as_bytes().to_vec());
                }
                EXTENDED_KEY_USAGE => {
                    self.usages_critical = extension.critical;
                    self.usages = Some(ExtendedKeyUsage::from_der(value).map_err(fault)?.0);
                }
                SUBJECT_ALT_NAME => {
                    let names = SubjectAltName::from_der(value).map_err(fault)?;
                    self.names = names.0.iter().map(subject_name).collect::<Result<Vec<_>, _>>()?;
                    self.names.retain(|name| !name.as_str().is_empty());
                }
                FULCIO_ISSUER => {
                    self.oidc_issuer = Some(String::from_utf8(value.to_vec()).map_err(fault)?);
                }
                FULCIO_ISSUER_V2 => self.oidc_issuer_v2 = Some(String::from_der(value).map_err(fault)?),
                SCT_LIST => {
                    self.sct_list = Some(OctetStringRef::from_der(value).map_err(fault)?.as_bytes().to_vec());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The certificate's key.
    ///
    /// # Errors
    /// [`KeyFault`] for kinds that cannot be used.
    pub fn key(&self) -> Result<PublicKey, KeyFault> {
        PublicKey::from_spki(&self.spki)
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`.
    pub fn key_id(&self) -> [u8; 32] {
        super::sha256(&self.spki)
    }

    /// Names in the order in which policy-controller lists them.
    pub fn ordered_names(&self) -> Vec<&SubjectName> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|name| name.rank());
        names
    }

    /// The Fulcio extension `.1.<number>` under 1.3.6.1.4.1.57264, as text: raw for 1 to 6, DER for the later ones.
    pub fn fulcio(&self, number: u32) -> Option<&str> {
        self.fulcio.iter().find(|(known, _)| *known == number).map(|(_, text)| text.as_str())
    }

    /// Every Fulcio extension that holds text, by number.
    pub fn fulcio_extensions(&self) -> &[(u32, String)] {
        &self.fulcio
    }

    /// Whether `issuer` signed this certificate, names included.
    #[must_use]
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        let hash = match self.signature_algorithm.to_string().as_str() {
            "1.2.840.10045.4.3.2" | "1.2.840.113549.1.1.11" | "1.3.101.112" => HashAlgorithm::Sha256,
            "1.2.840.10045.4.3.3" | "1.2.840.113549.1.1.12" => HashAlgorithm::Sha384,
            "1.2.840.10045.4.3.4" | "1.2.840.113549.1.1.13" => HashAlgorithm::Sha512,
            _ => return false,
        };
        self.issuer == issuer.subject
            && issuer.key().is_ok_and(|key| key.verifies(hash, &self.tbs, &self.signature))
    }
}

/// N of 1.3.6.1.4.1.57264.1.N; every N that Fulcio has fits into one octet.
fn fulcio_number(id: ObjectIdentifier) -> Option<u32> {
    const ARC: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];
    match id.as_bytes().strip_prefix(ARC) {
        Some([number @ 0..=0x7f]) => Some(u32::from(*number)),
        _ => None,
    }
}

fn moment(time: &x509_cert::time::Time) -> Result<Timestamp, CertificateFault> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(fault)?;
    Timestamp::from_second(seconds).map_err(fault)
}

fn subject_name(name: &GeneralName) -> Result<SubjectName, CertificateFault> {
    Ok(match name {
        GeneralName::DnsName(text) => SubjectName::Dns(text.to_string()),
        GeneralName::Rfc822Name(text) => SubjectName::Email(text.to_string()),
        GeneralName::UniformResourceIdentifier(text) => SubjectName::Uri(text.to_string()),
        GeneralName::IpAddress(bytes) => SubjectName::Ip(ip(bytes.as_bytes())?),
        GeneralName::OtherName(other) if other.type_id == FULCIO_OTHER_NAME => {
            SubjectName::Other(other.value.decode_as::<String>().map_err(fault)?)
        }
        // Kept as empty and dropped by the caller: a kind of name that no identity can be compared with.
        _ => SubjectName::Other(String::new()),
    })
}

fn ip(bytes: &[u8]) -> Result<String, CertificateFault> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ok(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes)
        .map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
        .map_err(|_| fault("IP address of neither 4 nor 16 bytes"))
}
