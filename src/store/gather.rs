//! From a source to evidence: follows attachments to their layers and parses them.
//!
//! Input: a [`Source`], a place and the image's digest. Output: [`Gathered`]. Every blob is hashed by the source on
//! this read; a piece that cannot be read stays in the list as such, because it is not the same as none.

use std::collections::BTreeSet;

use crate::evidence::{EvidenceFault, Gathered, Kind, Piece, Place, State, bundle, classic, limits};
use crate::image::Digest;
use crate::image::manifest::{Content, Descriptor, MAX_MANIFEST, Manifest};

use super::source::{Channel, Source, SourceFault};

/// Everything that hangs on `subject` in `place`.
pub fn gather(source: &dyn Source, place: &Place, subject: &Digest) -> Gathered {
    let mut out = Gathered::default();
    if let Err(e) = attached(source, place, subject, &mut out) {
        out.fault = Some(e.to_string());
    }
    out.pieces.sort_by_key(|piece| (piece.digest, piece.kind));
    out
}

fn attached(
    source: &dyn Source,
    place: &Place,
    subject: &Digest,
    out: &mut Gathered,
) -> Result<(), SourceFault> {
    if !place.tag_prefix.is_empty() {
        // Only tags can carry a prefix; referrers hang on the digest itself.
        let stem = format!("{}{}-{}", place.tag_prefix, subject.algorithm(), subject.hex());
        for (suffix, kind) in [("sig", Kind::ClassicSignature), ("att", Kind::ClassicAttestation)] {
            match source.resolve(&place.repository, &format!("{stem}.{suffix}")) {
                Ok(found) => layers(source, &found.digest, "", subject, kind, 0, out),
                Err(SourceFault::NotHeld { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        return Ok(());
    }
    let attachments = source.attachments(&place.repository, subject)?;
    let elsewhere = if attachments.iter().any(|a| a.channel == Channel::Referrer) {
        listed_elsewhere(source, place, subject)?
    } else {
        BTreeSet::new()
    };
    if attachments.len() > limits::ATTACHMENTS {
        out.fault =
            Some(format!("{} manifests hang on it, the limit is {}", attachments.len(), limits::ATTACHMENTS));
    }
    for attachment in attachments.iter().take(limits::ATTACHMENTS) {
        let kind = match attachment.channel {
            Channel::SignatureTag => Kind::ClassicSignature,
            Channel::AttestationTag => Kind::ClassicAttestation,
            Channel::Referrer if elsewhere.contains(&attachment.manifest) => continue,
            Channel::Referrer => Kind::Bundle,
            Channel::SbomTag => continue,
        };
        layers(source, &attachment.manifest, &attachment.media_type, subject, kind, 0, out);
    }
    Ok(())
}

/// Referrers that the fallback tags of other repositories list and that of this one does not: they hang on the image
/// there, as its `.sig` tag there would. What no fallback tag lists came without a repository and counts everywhere.
fn listed_elsewhere(
    source: &dyn Source,
    place: &Place,
    subject: &Digest,
) -> Result<BTreeSet<Digest>, SourceFault> {
    let (mut here, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
    for (repository, index) in source.fallbacks(subject)?.into_iter().take(limits::ATTACHMENTS) {
        let set = if repository == place.repository { &mut here } else { &mut elsewhere };
        // An index that cannot be read lists nothing: it narrows nothing here and widens nothing elsewhere.
        let manifest =
            source.read(&index, MAX_MANIFEST).ok().and_then(|bytes| Manifest::parse(&bytes, "").ok());
        if let Some(Content::Index { manifests }) = manifest.map(|m| m.content) {
            set.extend(manifests.into_iter().map(|descriptor| descriptor.digest));
        }
    }
    Ok(elsewhere.difference(&here).copied().collect())
}

/// The layers of an evidence manifest; an index below a tag is followed, as policy-controller does.
fn layers(
    source: &dyn Source,
    digest: &Digest,
    media_type: &str,
    subject: &Digest,
    kind: Kind,
    depth: usize,
    out: &mut Gathered,
) {
    let by_subject = kind == Kind::Bundle;
    let mut note = |state: State| out.pieces.push(Piece { digest: *digest, kind, by_subject, state });
    let bytes = match source.read(digest, MAX_MANIFEST) {
        Ok(bytes) => bytes,
        Err(e) => {
            note(State::Unreadable(e.to_string()));
            return;
        }
    };
    let manifest = match Manifest::parse(&bytes, media_type) {
        Ok(manifest) => manifest,
        Err(e) => {
            note(State::Malformed(EvidenceFault::Malformed {
                part: "evidence manifest",
                reason: e.to_string(),
            }));
            return;
        }
    };
    if kind == Kind::Bundle && manifest.subject.as_ref().is_none_or(|s| s.digest != *subject) {
        // Whoever listed it as a referrer of this image lied; it hangs on something else.
        return;
    }
    match &manifest.content {
        Content::Index { manifests } => {
            if depth >= limits::NESTED_INDEXES {
                note(State::Malformed(EvidenceFault::Limit {
                    part: "nested indexes",
                    found: depth as u64 + 1,
                    limit: limits::NESTED_INDEXES as u64,
                }));
                return;
            }
            for child in manifests.iter().take(limits::LAYERS) {
                layers(source, &child.digest, &child.media_type, subject, kind, depth + 1, out);
            }
        }
        Content::Image { layers, .. } => {
            if layers.len() > limits::LAYERS {
                note(State::Malformed(EvidenceFault::Limit {
                    part: "layers of a signature manifest",
                    found: layers.len() as u64,
                    limit: limits::LAYERS as u64,
                }));
                return;
            }
            let bundles =
                layers.iter().filter(|l| l.media_type.starts_with(bundle::MEDIA_TYPE_PREFIX)).count();
            if kind == Kind::Bundle && bundles > 0 && layers.len() != 1 {
                note(State::Malformed(EvidenceFault::Malformed {
                    part: "bundle manifest",
                    reason: format!("{} layers, a bundle is the only one of its manifest", layers.len()),
                }));
                return;
            }
            if kind != Kind::Bundle && !out.present.contains(&kind) {
                out.present.push(kind);
            }
            for layer in layers {
                piece(source, layer, kind, out);
            }
        }
    }
}

fn piece(source: &dyn Source, layer: &Descriptor, kind: Kind, out: &mut Gathered) {
    let by_subject = kind == Kind::Bundle;
    // What hangs on the image by its subject says by its media type what it is; what hangs there by a tag, by the tag.
    let kind = match (kind, layer.media_type.as_str()) {
        (Kind::Bundle, classic::SIMPLE_SIGNING) => Kind::ClassicSignature,
        (Kind::Bundle, media_type) if !media_type.starts_with(bundle::MEDIA_TYPE_PREFIX) => return,
        (kind, _) => kind,
    };
    let limit = match kind {
        Kind::ClassicSignature => limits::SIMPLE_SIGNING,
        Kind::ClassicAttestation | Kind::Bundle => limits::ENVELOPE,
    };
    if !out.present.contains(&kind) {
        out.present.push(kind);
    }
    let parsed = match source.read(&layer.digest, limit) {
        Err(e @ SourceFault::TooLarge { .. }) => {
            State::Malformed(EvidenceFault::Malformed { part: "evidence blob", reason: e.to_string() })
        }
        Err(e) => State::Unreadable(e.to_string()),
        Ok(bytes) => {
            let evidence = match kind {
                Kind::ClassicSignature => classic::signature(layer.digest, bytes, &layer.annotations),
                Kind::ClassicAttestation => classic::attestation(layer.digest, &bytes, &layer.annotations),
                Kind::Bundle => bundle::parse(layer.digest, &bytes),
            };
            match evidence {
                Ok(evidence) => State::Read(Box::new(evidence)),
                Err(e) => State::Malformed(e),
            }
        }
    };
    out.pieces.push(Piece { digest: layer.digest, kind, by_subject, state: parsed });
}
