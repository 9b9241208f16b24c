//! The OCI image layout with its catalogue.
// Reason: the store is where files are read and written; every path below it is made from a digest or is ours.
#![allow(clippy::disallowed_methods)]

mod archive;
mod blob;
mod catalogue;
pub mod codes;
mod fault;
mod files;
pub mod form;
pub mod fsck;
mod graph;
pub mod import;
mod index;
mod layout;
mod listing;
mod lock;
mod loose;
mod marker;
mod name;
mod reader;
pub mod reindex;
pub mod source;
mod staging;
mod sweep;
mod tar;
mod writer;

pub use archive::{Archived, LayoutArchive};
pub use fault::StoreFault;
pub use fsck::{FsckReport, fsck};
pub use import::{ImportReport, Plan};
pub use layout::{Directory, Layout, LayoutDirectory, Picked};
pub use reader::{Listed, Store};
pub use reindex::{ReindexReport, reindex};
pub use source::{Attachment, Channel, Source, SourceFault};
pub use writer::{Made, Writer};
