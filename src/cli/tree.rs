//! `sealock tree`: the image, its children, and everything attached to them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::exit::{Failure, Status};
use super::images::Sources;
use super::output::Output;
use crate::evidence::limits;
use crate::image::Digest;
use crate::image::manifest::{Content, Descriptor, MAX_MANIFEST, Manifest};
use crate::report::text::escape;
use crate::store::{Channel, Source, SourceFault};

/// Deepest nesting of indexes and of evidence on evidence that is drawn.
const MAX_DEPTH: usize = 8;

/// Flags of `sealock tree`.
#[derive(Debug, Args)]
pub struct TreeArgs {
    /// The store that holds images and evidence
    #[arg(long, value_name = "DIR", env = "SEALOCK_STORE")]
    store: Option<PathBuf>,
    /// `name:tag`, `name@digest`, a bare digest, `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`
    #[arg(value_name = "IMAGE")]
    image: String,
}

/// Draws the tree.
///
/// # Errors
/// [`Failure`] when there is nothing to draw.
pub fn run(args: &TreeArgs, output: &mut Output) -> Result<Status, Failure> {
    let mut sources = Sources::new(args.store.as_deref());
    let (found, repositories) = sources.find_or_digest(&args.image)?;
    let digest = found.digest.clone().map_err(|reason| Failure::undecided(anyhow!(reason)))?;
    let mut drawing = Drawing { source: found.source, repositories, out: String::new(), damaged: false };
    drawing.line(0, &escape(&args.image));
    drawing.manifest(1, "", &digest, "", &mut BTreeSet::new());
    output.data(&drawing.out)?;
    Ok(if drawing.damaged { Status::Undecided } else { Status::Allowed })
}

struct Drawing<'s> {
    source: &'s dyn Source,
    repositories: Vec<String>,
    out: String,
    damaged: bool,
}

impl Drawing<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = depth * 2);
    }

    fn manifest(
        &mut self,
        depth: usize,
        role: &str,
        digest: &Digest,
        media_type: &str,
        drawn: &mut BTreeSet<Digest>,
    ) {
        // Once each: an index may list one manifest a thousand times, and so may that one.
        if depth > MAX_DEPTH || !drawn.insert(*digest) {
            self.line(depth, &format!("{role}{digest} (not drawn again)"));
            return;
        }
        match self.read(digest, media_type) {
            Err(note) => self.line(depth, &format!("{role}{digest} ({note})")),
            Ok(manifest) => {
                let kind = manifest.artifact_type.as_deref().unwrap_or(&manifest.media_type);
                self.line(depth, &format!("{role}{digest} ({})", escape(kind)));
                self.content(depth + 1, &manifest, drawn);
            }
        }
        self.attachments(depth + 1, digest, drawn);
    }

    fn read(&mut self, digest: &Digest, media_type: &str) -> Result<Manifest, String> {
        let bytes = self.source.read(digest, MAX_MANIFEST).map_err(|e| match e {
            SourceFault::NotHeld { .. } => "not held".to_owned(),
            other => {
                self.damaged = true;
                other.to_string()
            }
        })?;
        Manifest::parse(&bytes, media_type).map_err(|e| {
            self.damaged = true;
            e.to_string()
        })
    }

    fn content(&mut self, depth: usize, manifest: &Manifest, drawn: &mut BTreeSet<Digest>) {
        match &manifest.content {
            Content::Index { manifests } => {
                for child in manifests.iter().take(limits::LAYERS) {
                    let role = platform(child);
                    self.manifest(depth, &role, &child.digest, &child.media_type, drawn);
                }
            }
            Content::Image { config, layers } => {
                self.line(depth, &format!("config {} ({} bytes)", config.digest, config.size));
                for layer in layers.iter().take(limits::LAYERS) {
                    let text = format!(
                        "layer {} ({}, {} bytes)",
                        layer.digest,
                        escape(&layer.media_type),
                        layer.size
                    );
                    self.line(depth, &text);
                }
            }
        }
    }

    fn attachments(&mut self, depth: usize, digest: &Digest, drawn: &mut BTreeSet<Digest>) {
        let mut listed = BTreeSet::new();
        for repository in self.repositories.clone() {
            match self.source.attachments(&repository, digest) {
                Err(e) => {
                    self.damaged = true;
                    self.line(depth, &format!("attachments cannot be told: {}", escape(&e.to_string())));
                }
                Ok(found) => {
                    for attachment in found.iter().take(limits::ATTACHMENTS) {
                        if !listed.insert(attachment.clone()) {
                            continue;
                        }
                        let role = match attachment.channel {
                            Channel::SignatureTag => "signature tag ",
                            Channel::AttestationTag => "attestation tag ",
                            Channel::SbomTag => "sbom tag ",
                            Channel::Referrer => "referrer ",
                        };
                        self.manifest(depth, role, &attachment.manifest, &attachment.media_type, drawn);
                    }
                }
            }
        }
    }
}

fn platform(child: &Descriptor) -> String {
    child.platform.as_ref().map_or_else(String::new, |p| {
        let variant = p.variant.as_ref().map_or_else(String::new, |v| format!("/{v}"));
        escape(&format!("{}/{}{variant} ", p.os, p.architecture))
    })
}
