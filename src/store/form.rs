//! The forms of IMAGE that name a layout: `oci:DIR[:REF]` and `oci-archive:FILE[:REF]`.
//!
//! As in skopeo, the path ends at the first colon after the transport; REF is a full name, a bare tag as
//! `index.json` has it, or a digest.

use std::path::Path;

use super::{LayoutArchive, LayoutDirectory, Picked, Source, SourceFault, StoreFault};

/// An image outside of the store.
pub struct Opened {
    /// The layout.
    pub source: Box<dyn Source>,
    /// What REF stands for in it.
    pub image: Picked,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("source", &self.source.place()).field("image", &self.image).finish()
    }
}

/// Why an image outside of the store cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FormFault {
    /// The layout is unsound or unreadable.
    #[error(transparent)]
    Layout(#[from] StoreFault),
    /// The layout does not hold what REF says.
    #[error(transparent)]
    Image(#[from] SourceFault),
}

/// Opens `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`; nothing for a text of another form.
///
/// # Errors
/// See [`FormFault`].
pub fn open(text: &str) -> Option<Result<Opened, FormFault>> {
    let (transport, rest) = text.split_once(':')?;
    let (path, reference) = match rest.split_once(':') {
        Some((path, reference)) => (Path::new(path), Some(reference)),
        None => (Path::new(rest), None),
    };
    match transport {
        "oci" => Some(
            LayoutDirectory::open(path)
                .map_err(FormFault::from)
                .and_then(|layout| Ok(Opened { image: layout.pick(reference)?, source: Box::new(layout) })),
        ),
        "oci-archive" => Some(
            LayoutArchive::open(path)
                .map_err(FormFault::from)
                .and_then(|layout| Ok(Opened { image: layout.pick(reference)?, source: Box::new(layout) })),
        ),
        _ => None,
    }
}
