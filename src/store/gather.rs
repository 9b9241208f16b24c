//! From a source to evidence: follows attachments to their layers and parses them.
//!
//! Input: a [`Source`], a place and the image's digest. Output: [`Gathered`]. Every blob is hashed by the source on
//! this read; a piece that cannot be read stays in the list as such, because it is not the same as none.
//!
//! Attacks considered: indexes that list one manifest a thousand times on each of several levels (each is read once),
//! layers that repeat one large blob (the same), floods of large pieces ([`limits::GATHERED`]: what lies beyond is
//! unreadable, and never absent).

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use crate::decision;
use crate::evidence::{EvidenceFault, Gathered, Kind, Piece, Place, State, bundle, classic, fetched, limits};
use crate::image::manifest::{Content, Descriptor, MAX_MANIFEST, Manifest};
use crate::image::{Digest, Reference};
use crate::policy::Policy;

use super::source::{Channel, Source, SourceFault};

/// Everything that hangs on `subject` in `place`.
pub fn gather(source: &dyn Source, place: &Place, subject: &Digest) -> Gathered {
    let mut walk = Walk {
        source,
        subject,
        repository: &place.repository,
        left: limits::GATHERED,
        proofs: limits::FETCHED,
        manifests: HashSet::new(),
        layers: HashSet::new(),
        out: Gathered::default(),
    };
    if let Err(e) = walk.attached(place).and_then(|()| walk.absent(place)) {
        walk.out.fault = Some(e.to_string());
    }
    let mut out = walk.out;
    out.pieces.sort_by_key(|piece| (piece.digest, piece.kind));
    out
}

/// Everything that hangs on `subject` in any place where an authority of the policies for `reference` looks.
pub fn for_policies(
    source: &dyn Source,
    policies: &[Policy],
    reference: &Reference,
    subject: &Digest,
) -> BTreeMap<Place, Gathered> {
    let authorities =
        decision::applying(policies, reference).into_iter().flat_map(|policy| &policy.authorities);
    let places: BTreeSet<Place> =
        authorities.map(|authority| decision::place(authority, reference)).collect();
    places.into_iter().map(|place| (place.clone(), gather(source, &place, subject))).collect()
}

/// A manifest that is still to be read, and how many indexes lie above it.
struct Next {
    digest: Digest,
    media_type: String,
    kind: Kind,
    depth: usize,
}

struct Walk<'a> {
    source: &'a dyn Source,
    subject: &'a Digest,
    /// Where tags are looked up.
    repository: &'a str,
    /// Bytes that may still be read.
    left: u64,
    /// Bytes of fetched proofs that may still be read.
    proofs: u64,
    /// Manifests that were read.
    manifests: HashSet<(Digest, Kind)>,
    /// Layers that were read. Classic ones differ by their annotations, bundles say everything themselves.
    layers: HashSet<(Digest, Kind, bool, BTreeMap<String, String>)>,
    out: Gathered,
}

impl Walk<'_> {
    fn attached(&mut self, place: &Place) -> Result<(), SourceFault> {
        let mut queue = VecDeque::new();
        if place.tag_prefix.is_empty() {
            let attachments = self.source.attachments(&place.repository, self.subject)?;
            let elsewhere = if attachments.iter().any(|a| a.channel == Channel::Referrer) {
                listed_elsewhere(self.source, place, self.subject)?
            } else {
                BTreeSet::new()
            };
            for attachment in attachments {
                let kind = match attachment.channel {
                    Channel::SignatureTag => Kind::ClassicSignature,
                    Channel::AttestationTag => Kind::ClassicAttestation,
                    Channel::Referrer if elsewhere.contains(&attachment.manifest) => continue,
                    Channel::Referrer => Kind::Bundle,
                    Channel::SbomTag => continue,
                };
                let (digest, media_type) = (attachment.manifest, attachment.media_type);
                queue.push_back(Next { digest, media_type, kind, depth: 0 });
            }
        } else {
            // Only tags can carry a prefix; referrers hang on the digest itself.
            let stem = format!("{}{}-{}", place.tag_prefix, self.subject.algorithm(), self.subject.hex());
            for (suffix, kind) in [("sig", Kind::ClassicSignature), ("att", Kind::ClassicAttestation)] {
                match self.source.resolve(&place.repository, &format!("{stem}.{suffix}")) {
                    Ok(found) => queue.push_back(Next {
                        digest: found.digest,
                        media_type: String::new(),
                        kind,
                        depth: 0,
                    }),
                    Err(SourceFault::NotHeld { .. }) => {}
                    Err(e) => return Err(e),
                }
            }
        }
        // Breadth first: what lies near the image is read before anything deep can use up the limits.
        while let Some(next) = queue.pop_front() {
            if self.manifests.contains(&(next.digest, next.kind)) {
                continue;
            }
            if self.manifests.len() >= limits::ATTACHMENTS {
                let limit = limits::ATTACHMENTS;
                self.out.fault =
                    Some(format!("more than {limit} manifests hang on it, the rest was not read"));
                break;
            }
            self.manifests.insert((next.digest, next.kind));
            self.manifest(&next, &mut queue);
        }
        Ok(())
    }

    /// What a sealed ledger proves to be absent: for bundles both ways of asking must have had nothing.
    fn absent(&mut self, place: &Place) -> Result<(), SourceFault> {
        let at = match place.tag_prefix.as_str() {
            "" => place.repository.clone(),
            prefix => format!("{}#{prefix}", place.repository),
        };
        let channels = self.source.absent(&at, self.subject)?;
        let has = |wanted: &[&str]| wanted.iter().all(|w| channels.iter().any(|c| c == w));
        for (kind, wanted) in [
            (Kind::ClassicSignature, &["signature-tag"][..]),
            (Kind::ClassicAttestation, &["attestation-tag"]),
            (Kind::Bundle, &["referrers", "fallback-tag"]),
        ] {
            if has(wanted) && !self.out.present.contains(&kind) {
                self.out.absent.push(kind);
            }
        }
        Ok(())
    }

    /// Notes what became of a manifest.
    fn note(&mut self, digest: Digest, kind: Kind, state: State) {
        self.out.pieces.push(Piece { digest, kind, by_subject: kind == Kind::Bundle, state });
    }

    /// Reads at most `limit` bytes, and no more than are left for this image.
    fn read(&mut self, digest: &Digest, limit: u64) -> Result<Vec<u8>, State> {
        match self.source.read(digest, limit.min(self.left)) {
            Ok(bytes) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Ok(bytes)
            }
            Err(SourceFault::TooLarge { size, .. }) if size <= limit => Err(State::Unreadable(format!(
                "{digest} was not read: the evidence about {} has more than {} bytes in all",
                self.subject,
                limits::GATHERED
            ))),
            Err(e @ SourceFault::TooLarge { .. }) => Err(State::Malformed(EvidenceFault::Malformed {
                part: "evidence blob",
                reason: e.to_string(),
            })),
            Err(e) => Err(State::Unreadable(e.to_string())),
        }
    }

    /// The layers of an evidence manifest; an index below a tag is followed, as policy-controller does.
    fn manifest(&mut self, next: &Next, queue: &mut VecDeque<Next>) {
        let Next { digest, ref media_type, kind, depth } = *next;
        let bytes = match self.read(&digest, MAX_MANIFEST) {
            Ok(bytes) => bytes,
            Err(state) => return self.note(digest, kind, state),
        };
        let limit = |part, found, limit| {
            State::Malformed(EvidenceFault::Limit { part, found: found as u64, limit: limit as u64 })
        };
        let manifest = match Manifest::parse(&bytes, media_type) {
            Ok(manifest) => manifest,
            Err(e) => {
                let fault = EvidenceFault::Malformed { part: "evidence manifest", reason: e.to_string() };
                return self.note(digest, kind, State::Malformed(fault));
            }
        };
        if kind == Kind::Bundle && manifest.subject.as_ref().is_none_or(|s| s.digest != *self.subject) {
            // Whoever listed it as a referrer of this image lied; it hangs on something else.
            return;
        }
        match manifest.content {
            Content::Index { manifests } => {
                if depth >= limits::NESTED_INDEXES {
                    let state = limit("nested indexes", depth + 1, limits::NESTED_INDEXES);
                    return self.note(digest, kind, state);
                }
                if manifests.len() > limits::LAYERS {
                    let state = limit("manifests of a signature index", manifests.len(), limits::LAYERS);
                    return self.note(digest, kind, state);
                }
                queue.extend(manifests.into_iter().map(|child| Next {
                    digest: child.digest,
                    media_type: child.media_type,
                    kind,
                    depth: depth + 1,
                }));
            }
            Content::Image { layers, .. } => {
                if layers.len() > limits::LAYERS {
                    let state = limit("layers of a signature manifest", layers.len(), limits::LAYERS);
                    return self.note(digest, kind, state);
                }
                let bundles =
                    layers.iter().filter(|l| l.media_type.starts_with(bundle::MEDIA_TYPE_PREFIX)).count();
                if kind == Kind::Bundle && bundles > 0 && layers.len() != 1 {
                    let reason = format!("{} layers, a bundle is the only one of its manifest", layers.len());
                    let fault = EvidenceFault::Malformed { part: "bundle manifest", reason };
                    return self.note(digest, kind, State::Malformed(fault));
                }
                if kind != Kind::Bundle {
                    self.present(kind);
                }
                let first = self.out.pieces.len();
                for layer in layers {
                    self.layer(layer, kind);
                }
                self.fetched(&digest, first);
            }
        }
    }

    /// Adds proofs that were fetched later to the pieces from `first` on, which are of the manifest `digest`. They only
    /// strengthen: one that is not there or cannot be read leaves things as they are.
    fn fetched(&mut self, digest: &Digest, first: usize) {
        let wants =
            |piece: &Piece| matches!(&piece.state, State::Read(evidence) if fetched::wanted(evidence));
        if !self.out.pieces.iter().skip(first).any(wants) {
            return;
        }
        let Ok(attachments) = self.source.attachments(self.repository, digest) else { return };
        let mut manifests = 0;
        let mut layers_read = HashSet::new();
        for attachment in attachments.into_iter().filter(|a| a.channel == Channel::Referrer) {
            let Some(bytes) = self.proof(&attachment.manifest, MAX_MANIFEST) else { continue };
            let Ok(manifest) = Manifest::parse(&bytes, &attachment.media_type) else { continue };
            if manifest.subject.as_ref().is_none_or(|subject| subject.digest != *digest) {
                continue;
            }
            let Content::Image { layers, .. } = &manifest.content else { continue };
            let mut layers = layers.iter().filter(|l| l.media_type == fetched::ARTIFACT_TYPE).peekable();
            // What else hangs on the evidence does not count: it must not crowd the proofs out.
            manifests += usize::from(layers.peek().is_some());
            if manifests > fetched::MOST {
                return;
            }
            for layer in layers.take(limits::LAYERS) {
                if !layers_read.insert(layer.digest) {
                    continue;
                }
                let Some(bytes) = self.proof(&layer.digest, fetched::MAX) else { continue };
                let Ok(entry) = fetched::parse(&bytes) else { continue };
                for piece in self.out.pieces.iter_mut().skip(first) {
                    if let State::Read(evidence) = &mut piece.state {
                        fetched::attach(evidence, &entry);
                    }
                }
            }
        }
    }

    /// Reads a part of a fetched proof, out of an allowance of its own: what only strengthens must take nothing from
    /// what decides.
    fn proof(&mut self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let bytes = self.source.read(digest, limit.min(self.proofs)).ok()?;
        self.proofs = self.proofs.saturating_sub(bytes.len() as u64);
        Some(bytes)
    }

    fn present(&mut self, kind: Kind) {
        if !self.out.present.contains(&kind) {
            self.out.present.push(kind);
        }
    }

    fn layer(&mut self, layer: Descriptor, channel: Kind) {
        let by_subject = channel == Kind::Bundle;
        // What hangs on the image by its subject says by its media type what it is; what hangs there by a tag, by
        // the tag.
        let kind = match (channel, layer.media_type.as_str()) {
            (Kind::Bundle, classic::SIMPLE_SIGNING) => Kind::ClassicSignature,
            (Kind::Bundle, media_type) if !media_type.starts_with(bundle::MEDIA_TYPE_PREFIX) => return,
            (kind, _) => kind,
        };
        let (limit, annotations) = match kind {
            Kind::ClassicSignature => (limits::SIMPLE_SIGNING, layer.annotations),
            Kind::ClassicAttestation => (limits::ENVELOPE, layer.annotations),
            Kind::Bundle => (limits::ENVELOPE, BTreeMap::new()),
        };
        self.present(kind);
        let digest = layer.digest;
        let key = (digest, kind, by_subject, annotations);
        if self.layers.contains(&key) {
            return;
        }
        let state = match self.read(&digest, limit) {
            Err(state) => state,
            Ok(bytes) => {
                let evidence = match kind {
                    Kind::ClassicSignature => classic::signature(digest, bytes, &key.3),
                    Kind::ClassicAttestation => classic::attestation(digest, &bytes, &key.3),
                    Kind::Bundle => bundle::parse(digest, &bytes),
                };
                match evidence {
                    Ok(evidence) => State::Read(Box::new(evidence)),
                    Err(e) => State::Malformed(e),
                }
            }
        };
        self.layers.insert(key);
        self.out.pieces.push(Piece { digest, kind, by_subject, state });
    }
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
