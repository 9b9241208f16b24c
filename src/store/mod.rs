//! The OCI image layout with its catalogue.

pub mod source;

pub use source::{Attachment, Channel, Source, SourceFault};
pub mod gather;
