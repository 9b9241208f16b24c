//! The store: one OCI image layout that ordinary tools read, and a catalogue that is rebuilt from it.
//!
//! ```text
//! <store>/
//!   store.json              {"schema":"sealock.dev/store/v1","format":1,"id":"<the store's id>"}
//!   oci-layout              {"imageLayoutVersion":"1.0.0"}
//!   index.json              every name, every manifest without one, every referrer; written from the catalogue
//!   blobs/sha256/<64 hex>   content, mode 0444, exactly as received; never changed, replaced only by its like
//!   blobs/sha512/<128 hex>  the same, made when first needed
//!   catalog.sqlite          names, manifests, contents (WAL; `-wal` and `-shm` beside it while in use)
//!   ingest/                 part files; nothing in here was ever believed
//!   lock                    flock: one writer; readers take no lock and never wait
//!   seal/                   pinned operators, what was accepted, the store's own key ([`transfer`])
//!   quarantine/             transfers that were copied and not taken in; invisible
//!   foreign/                a store of its own for bundles that nobody sealed, where operators are pinned
//!   trust/                  trust roots in force, with their floors (`sealock-trust-root`)
//!   trust-repositories/ policies/   what `sealock-mirror pull` keeps for the next seal (`docs/formats/mirror.md`)
//!   snapshots/ journal/     made by the rooms that need them
//! ```
//!
//! Input: foreign bundles ([`import`]), questions ([`Source`]). Output: bytes that hash to the digest asked for.
//!
//! | rule | where |
//! |---|---|
//! | everything read is untrusted, the store included: bytes are hashed on every read, in the buffer that is handed out | `blob` |
//! | the catalogue is a finding aid; a question that it cannot answer is an error, never "none" | `catalogue`, `reader` |
//! | foreign names and tags never become paths: every path is made from a parsed digest or is one of the names above | `import`, `tar` |
//! | a kill at any instant leaves a store that `fsck` calls clean | `writer` |
//! | names from bundles are claimed; only a seal makes them more, and is asked on every read | `import`, `transfer` |
//! | what is missing is told, never guessed | `graph` |
//!
//! Not here: signatures (`verify`), policies (`policy`), what makes a seal good (`seal`), garbage collection.
//!
//! Attacks considered: whoever writes a bundle, whoever carries it, and an insider who edits the store's files.
// Reason: the store is where files are read and written; every path below it is made from a digest or is ours.
#![allow(clippy::disallowed_methods)]

mod archive;
mod blob;
mod catalogue;
pub mod codes;
mod columns;
mod fault;
mod files;
pub mod form;
pub mod fsck;
pub mod gather;
mod graph;
pub mod import;
mod index;
pub mod ingest;
mod layout;
mod listing;
mod lock;
mod loose;
mod marker;
mod name;
mod reader;
pub mod reindex;
mod schema;
pub mod source;
mod staging;
mod sweep;
mod tar;
pub mod transfer;
mod vouched;
mod writer;

pub use archive::{Archived, LayoutArchive};
pub use fault::StoreFault;
pub use fsck::{FsckReport, fsck};
pub use import::{ImportOptions, ImportReport, Plan};
pub use ingest::{Arrival, Intake, LOGS, Part};
pub use layout::{Directory, Layout, LayoutDirectory, Picked};
pub use reader::{Listed, Store};
pub use reindex::{ReindexReport, reindex};
pub use source::{Attachment, Channel, Source, SourceFault};
pub use writer::{Made, Writer};
