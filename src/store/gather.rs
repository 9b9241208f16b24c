//! From a source to evidence: follows attachments to their layers and parses them.
//!
//! Input: a [`Source`], a place and the image's digest. Output: [`Gathered`]. Every blob is hashed by the source on
//! this read; a piece that cannot be read stays in the list as such, because it is not the same as none.

use crate::evidence::{EvidenceFault, Gathered, Kind, Piece, Place, State, bundle, classic, limits};
use crate::image::Digest;
use crate::image::manifest::{Content, Descriptor, MAX_MANIFEST, Manifest};

use super::source::{Channel, Source, SourceFault};

/// Everything that hangs on `subject` in `place`.
pub fn gather(source: &dyn Source, place: &Place, subject: &Digest) -> Gathered {
    let mut out = Gathered::default();
    let asked =
        attached(source, place, subject, &mut out).and_then(|()| absent(source, place, subject, &mut out));
    if let Err(e) = asked {
        out.fault = Some(e.to_string());
    }
    out.pieces.sort_by_key(|piece| (piece.digest, piece.kind));
    out
}

/// What a sealed ledger proves to be absent: for bundles both ways of asking must have had nothing.
fn absent(
    source: &dyn Source,
    place: &Place,
    subject: &Digest,
    out: &mut Gathered,
) -> Result<(), SourceFault> {
    let at = match place.tag_prefix.as_str() {
        "" => place.repository.clone(),
        prefix => format!("{}#{prefix}", place.repository),
    };
    let channels = source.absent(&at, subject)?;
    let has = |wanted: &[&str]| wanted.iter().all(|w| channels.iter().any(|c| c == w));
    for (kind, wanted) in [
        (Kind::ClassicSignature, &["signature-tag"][..]),
        (Kind::ClassicAttestation, &["attestation-tag"]),
        (Kind::Bundle, &["referrers", "fallback-tag"]),
    ] {
        if has(wanted) && !out.present.contains(&kind) {
            out.absent.push(kind);
        }
    }
    Ok(())
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
    if attachments.len() > limits::ATTACHMENTS {
        out.fault =
            Some(format!("{} manifests hang on it, the limit is {}", attachments.len(), limits::ATTACHMENTS));
    }
    for attachment in attachments.iter().take(limits::ATTACHMENTS) {
        let kind = match attachment.channel {
            Channel::SignatureTag => Kind::ClassicSignature,
            Channel::AttestationTag => Kind::ClassicAttestation,
            Channel::Referrer => Kind::Bundle,
            Channel::SbomTag => continue,
        };
        layers(source, &attachment.manifest, &attachment.media_type, subject, kind, 0, out);
    }
    Ok(())
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
    let mut note = |state: State| out.pieces.push(Piece { digest: *digest, kind, state });
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
    let limit = match kind {
        Kind::ClassicSignature => limits::SIMPLE_SIGNING,
        Kind::ClassicAttestation | Kind::Bundle => limits::ENVELOPE,
    };
    let wanted = match kind {
        Kind::Bundle => layer.media_type.starts_with(bundle::MEDIA_TYPE_PREFIX),
        Kind::ClassicSignature | Kind::ClassicAttestation => true,
    };
    if !wanted {
        return;
    }
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
    out.pieces.push(Piece { digest: layer.digest, kind, state: parsed });
}
