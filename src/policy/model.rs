//! The validated policy: what is left when every field has been read, checked and understood.
//!
//! Values of these types exist only for documents without an error. Their meaning is policy-controller's:
//! all matching policies must hold (AND), within one policy any authority suffices (OR).

use crate::crypto::{HashAlgorithm, PublicKey};

/// Where something stands in a document: file as named by the user, line and column from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// File name as given, `-` for standard input.
    pub file: String,
    /// Line from 1.
    pub line: u64,
    /// Column from 1, in characters.
    pub column: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One `ClusterImagePolicy`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `metadata.name`.
    pub name: String,
    /// Where the document starts.
    pub position: Position,
    /// Version of the API that it was written for; the fields are the same in both.
    pub api_version: ApiVersion,
    /// `spec.images[].glob`.
    pub images: Vec<super::glob::Glob>,
    /// `spec.mode`.
    pub mode: Mode,
    /// `spec.authorities`, at least one.
    pub authorities: Vec<Authority>,
}

/// Version of a policy's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ApiVersion {
    /// `policy.sigstore.dev/v1alpha1`, which clusters store.
    V1Alpha1,
    /// `policy.sigstore.dev/v1beta1`; upstream's conversion loses a `ctlog` without `url`, this reader does not.
    #[default]
    V1Beta1,
}

impl ApiVersion {
    /// As written after the slash.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1Alpha1 => "v1alpha1",
            Self::V1Beta1 => "v1beta1",
        }
    }
}

/// What a failing policy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Deny.
    #[default]
    Enforce,
    /// Warn, and never weaken another policy that enforces.
    Warn,
}

/// Who may vouch for an image, and how it must be proven.
#[derive(Clone, Debug)]
pub struct Authority {
    /// `name`, or `authority-<index>`.
    pub name: String,
    /// Exactly one of `keyless`, `key`, `static`.
    pub kind: AuthorityKind,
    /// `ctlog`, where it stands in the document, even if empty.
    pub ctlog: Option<Ctlog>,
    /// `signatureFormat: bundle`.
    pub bundle_format: bool,
    /// `rfc3161timestamp.trustRootRef`: whose timestamp authorities must vouch for the time.
    pub timestamp_root: Option<String>,
    /// `attestations`: each must be proven; without any, the image's signature is asked for.
    pub attestations: Vec<AttestationRef>,
    /// `source`: where the signatures are instead of beside the image; at most one.
    pub sources: Vec<SourceRef>,
}

/// The three kinds of authority.
#[derive(Clone, Debug)]
pub enum AuthorityKind {
    /// A certificate of a Fulcio instance for one of these identities.
    Keyless {
        /// At least one; any may match.
        identities: Vec<super::identity::Identity>,
        /// `trustRootRef`: the name of a trust root; absent means the public-good one.
        trust_root_ref: Option<String>,
        /// `insecureIgnoreSCT`.
        insecure_ignore_sct: bool,
    },
    /// A public key.
    Key {
        /// The first PEM block of `data`.
        key: PublicKey,
        /// `hashAlgorithm`, SHA-256 unless given.
        hash: HashAlgorithm,
    },
    /// A fixed answer.
    Static {
        /// `action: pass`.
        pass: bool,
        /// `message`, used when it fails.
        message: String,
    },
}

/// The transparency log that an authority demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ctlog {
    /// `url`: never contacted; its presence alone has a meaning.
    pub url: Option<String>,
    /// `trustRootRef`: whose log keys count.
    pub trust_root_ref: Option<String>,
}

/// An attestation that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationRef {
    /// `name`.
    pub name: String,
    /// `predicateType`, shorthands written out.
    pub predicate_type: String,
}

/// Another place for signatures.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SourceRef {
    /// `oci`: the repository that holds them; absent means the image's own.
    pub oci: Option<String>,
    /// `tagPrefix`: stands before `sha256-<hex>.sig` and `.att`.
    pub tag_prefix: Option<String>,
}
