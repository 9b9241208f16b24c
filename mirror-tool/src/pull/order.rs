//! What a run is asked to bring.

use std::collections::BTreeSet;

use sealock::image::manifest::Platform;
use sealock::image::{Digest, Manifest, Reference};
use serde::{Deserialize, Serialize};

use crate::registry::Repository;

/// Kinds of evidence that a source can be required to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A signature of the image.
    Signature,
    /// An attestation.
    Attestation,
    /// A bill of materials.
    Sbom,
}

impl Evidence {
    /// As written in `mirror.yaml`.
    ///
    /// # Errors
    /// The text, where it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "signature" => Ok(Self::Signature),
            "attestation" => Ok(Self::Attestation),
            "sbom" => Ok(Self::Sbom),
            other => Err(format!("{other:?} is no kind of evidence: signature, attestation or sbom")),
        }
    }

    /// What a referrer is, by what it says about itself; whether that is true is judged elsewhere.
    pub fn claimed(manifest: &Manifest) -> Option<Self> {
        let predicate =
            manifest.annotations.get("dev.sigstore.bundle.predicateType").map_or("", String::as_str);
        let content = manifest.annotations.get("dev.sigstore.bundle.content").map_or("", String::as_str);
        let artifact = manifest.artifact_type.as_deref().unwrap_or_default();
        let bom = |text: &str| text.contains("spdx") || text.contains("cyclonedx");
        if bom(predicate) || bom(artifact) {
            Some(Self::Sbom)
        } else if content == "message-signature" || predicate == "https://sigstore.dev/cosign/sign/v1" {
            Some(Self::Signature)
        } else if content == "dsse-envelope" {
            Some(Self::Attestation)
        } else {
            None
        }
    }

    /// As written in `mirror.yaml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
            Self::Sbom => "sbom",
        }
    }
}

/// An image to bring.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub reference: Reference,
    /// What the name stood for when the plan was made; the name is not resolved again.
    pub pinned: Option<Digest>,
    /// `os/architecture[/variant]`; empty means all.
    pub platforms: Vec<String>,
    /// Evidence without which the image is not brought.
    pub required: BTreeSet<Evidence>,
}

impl Wanted {
    /// The digest that is wanted, where it is known before anybody is asked.
    pub fn digest(&self) -> Option<&Digest> {
        self.pinned.as_ref().or_else(|| self.reference.digest())
    }

    /// Whether a child of an index is wanted. Without a platform, or with `unknown/unknown` (attached attestations of
    /// other tools), it always is.
    pub fn wants(&self, platform: Option<&Platform>) -> bool {
        let Some(platform) = platform.filter(|p| p.os != "unknown" && !p.os.is_empty()) else { return true };
        if self.platforms.is_empty() {
            return true;
        }
        let short = format!("{}/{}", platform.os, platform.architecture);
        let long = platform.variant.as_ref().map(|variant| format!("{short}/{variant}"));
        self.platforms.iter().any(|wanted| *wanted == short || Some(wanted) == long.as_ref())
    }
}

/// Another place where policies say that signatures are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePlace {
    /// The repository; without one, that of the image.
    pub repository: Option<Repository>,
    /// Stands before `sha256-<hex>.sig`.
    pub prefix: String,
}

/// A question that may stay open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// Name of the question, or a pattern of names with `*` for any text.
    pub pattern: String,
    /// Why.
    pub reason: String,
}

impl Waiver {
    /// Reads `QUESTION=REASON`.
    ///
    /// # Errors
    /// What is missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((pattern, reason)) if !pattern.is_empty() && !reason.trim().is_empty() => {
                Ok(Self { pattern: pattern.to_owned(), reason: reason.trim().to_owned() })
            }
            _ => Err(
                "a waiver is QUESTION=REASON, as HOST/REPOSITORY@DIGEST#CHANNEL=why; * stands for any text"
                    .to_owned(),
            ),
        }
    }

    /// Whether it is about the question of that name.
    pub fn covers(&self, question: &str) -> bool {
        wildcard(&self.pattern, question)
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for any text.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for piece in pieces {
        if let Some(before) = last.replace(piece) {
            match rest.find(before) {
                Some(at) => rest = rest.get(at + before.len()..).unwrap_or_default(),
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

/// All that a run is asked to bring.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Images, in the order given.
    pub images: Vec<Wanted>,
    /// Places that the given policies name.
    pub places: Vec<SourcePlace>,
    /// Questions that may stay open.
    pub waivers: Vec<Waiver>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waivers() {
        let covers = |pattern: &str, question: &str| {
            Waiver { pattern: pattern.into(), reason: "r".into() }.covers(question)
        };
        let question = "ghcr.io/a/b@sha256:00#referrers";
        for pattern in [question, "*", "ghcr.io/*#referrers", "*#referrers", "ghcr.io/*@*#ref*", "ghcr.io/*"]
        {
            assert!(covers(pattern, question), "{pattern}");
        }
        for pattern in ["ghcr.io/a/b", "ghcr.io/*#signature-tag", "*#referrer", "x*", "", "*z*"] {
            assert!(!covers(pattern, question), "{pattern}");
        }
        assert!(Waiver::parse("a=").is_err() && Waiver::parse("=b").is_err() && Waiver::parse("a").is_err());
        assert_eq!(Waiver::parse("a=b=c").unwrap().reason, "b=c");
    }

    #[test]
    fn platforms() {
        let mut wanted = Wanted {
            reference: Reference::parse("a.example/bb").unwrap(),
            pinned: None,
            platforms: vec!["linux/arm64".into(), "linux/arm/v7".into()],
            required: BTreeSet::new(),
        };
        let platform = |os: &str, architecture: &str, variant: Option<&str>| Platform {
            os: os.into(),
            architecture: architecture.into(),
            variant: variant.map(str::to_owned),
        };
        assert!(wanted.wants(Some(&platform("linux", "arm64", Some("v8")))));
        assert!(wanted.wants(Some(&platform("linux", "arm", Some("v7")))));
        assert!(!wanted.wants(Some(&platform("linux", "arm", Some("v6")))));
        assert!(!wanted.wants(Some(&platform("linux", "amd64", None))));
        assert!(wanted.wants(Some(&platform("unknown", "unknown", None))) && wanted.wants(None));
        wanted.platforms.clear();
        assert!(wanted.wants(Some(&platform("windows", "amd64", None))));
    }
}
