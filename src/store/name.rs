//! Full names in bundles, and the tags that cosign and the distribution specification give to evidence.

use crate::image::{Digest, Reference};

use super::Channel;

/// A full name: `repository` is canonical, with its host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    /// As `index.docker.io/library/alpine`.
    pub repository: String,
    /// As `3.20`.
    pub tag: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

/// Reads `host/repository:tag`. A name without a host is none, because nobody can tell which registry it means;
/// one without a tag, or with a digest, is none either.
pub(super) fn full(text: &str) -> Option<Name> {
    let (host, _) = text.split_once('/')?;
    let (_, tag) = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    if !(host == "localhost" || host.contains(['.', ':'])) {
        return None;
    }
    let reference = Reference::parse(text).ok()?;
    if reference.digest().is_some() || reference.tag() != Some(tag) {
        return None;
    }
    let name = Name { repository: reference.repository().to_owned(), tag: tag.to_owned() };
    // What is written to `index.json` must be read back as the same name.
    let again = Reference::parse(&name.to_string()).ok()?;
    (again.repository() == name.repository && again.tag() == Some(tag)).then_some(name)
}

/// What a tag says about another digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagKind {
    /// `sha256-<hex>.sig`, `.att` or `.sbom`.
    Evidence(EvidenceTag, Digest),
    /// `sha256-<hex>`: an index of referrers (OCI distribution-spec 1.1, "Referrers Tag Schema").
    Fallback(Digest),
    /// Any other tag.
    Plain,
}

/// The three classic kinds of evidence tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EvidenceTag {
    /// `.sig`
    Signature,
    /// `.att`
    Attestation,
    /// `.sbom`
    Sbom,
}

impl EvidenceTag {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Signature, Self::Attestation, Self::Sbom];

    /// The ending of the tag.
    fn suffix(self) -> &'static str {
        match self {
            Self::Signature => "sig",
            Self::Attestation => "att",
            Self::Sbom => "sbom",
        }
    }

    /// The channel that it stands for.
    pub(super) fn channel(self) -> Channel {
        match self {
            Self::Signature => Channel::SignatureTag,
            Self::Attestation => Channel::AttestationTag,
            Self::Sbom => Channel::SbomTag,
        }
    }

    /// The tag of evidence about `subject`.
    pub(super) fn tag(self, subject: &Digest) -> String {
        format!("{}.{}", fallback_tag(subject), self.suffix())
    }
}

/// The tag of the referrers index of `subject`.
pub(super) fn fallback_tag(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm(), subject.hex())
}

/// Reads what a tag says.
pub(super) fn kind(tag: &str) -> TagKind {
    let (stem, suffix) = tag.split_once('.').map_or((tag, None), |(stem, suffix)| (stem, Some(suffix)));
    let subject = stem.split_once('-').and_then(|(alg, hex)| format!("{alg}:{hex}").parse::<Digest>().ok());
    match (subject, suffix) {
        (Some(subject), None) => TagKind::Fallback(subject),
        (Some(subject), Some(suffix)) => EvidenceTag::ALL
            .into_iter()
            .find(|e| e.suffix() == suffix)
            .map_or(TagKind::Plain, |e| TagKind::Evidence(e, subject)),
        (None, _) => TagKind::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_names() {
        for (text, canonical) in [
            ("cgr.dev/chainguard/php:latest", "cgr.dev/chainguard/php:latest"),
            ("docker.io/alpine:3", "index.docker.io/library/alpine:3"),
            ("docker.io/acme/tiny:1.0", "index.docker.io/acme/tiny:1.0"),
            ("localhost:5000/aa:b", "localhost:5000/aa:b"),
            ("localhost/aa:b", "localhost/aa:b"),
        ] {
            assert_eq!(full(text).unwrap().to_string(), canonical);
        }
        for text in [
            "latest",
            "a/b:c",
            "host.example/a",
            "host.example/aa:../b",
            "host.example/A:1",
            "host.example/aa:1@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
            "host.example/aa: ",
            "host.example/a\u{0}a:1",
            "",
            "/",
        ] {
            assert_eq!(full(text), None, "{text:?}");
        }
    }

    #[test]
    fn tags_about_digests() {
        let digest = Digest::sha256(b"x");
        assert_eq!(kind(&fallback_tag(&digest)), TagKind::Fallback(digest));
        for evidence in EvidenceTag::ALL {
            assert_eq!(kind(&evidence.tag(&digest)), TagKind::Evidence(evidence, digest));
        }
        assert_eq!(kind("sha256-00.sig"), TagKind::Plain);
        assert_eq!(kind(&format!("{}.zip", fallback_tag(&digest))), TagKind::Plain);
        assert_eq!(kind("v1.0"), TagKind::Plain);
    }
}
