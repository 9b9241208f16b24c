//! From a store to a registry inside the gap, with everything that judges what is pushed.
//!
//! Input: a store, a registry, rules for names. Output: images, their evidence in every place where consumers look, and
//! a report of each.
//!
//! 1. [`inventory`] finds what hangs together: an image, its children, evidence on each, evidence on evidence.
//! 2. [`mapping`] says where each repository goes.
//! 3. [`mod@deliver`] brings one image: blobs, children, the image by its digest, evidence, evidence tags, the image's tag.
//! 4. [`courier`] asks before it sends, mounts what the registry has, and sends each blob once.
//! 5. [`merge`] adds to evidence that is there already.
//! 6. [`artifact`] publishes a sealed transfer.
//!
//! | rule | why |
//! |---|---|
//! | a tag is written after everything that it leads to | a kill at any point leaves nothing half-done visible |
//! | signatures that are there stay there: layers and referrers are united | whoever signs inside must not lose it to a mirror |
//! | what is there and cannot be read in one way is not touched, and the image is refused | the same |
//! | a tag that stands for another digest stays, unless moving was asked for | |
//! | two sources never become one name with two digests | hauler drops the host and loses one of them |
//! | where operators are pinned, names that no seal vouches for are not pushed | DESIGN §5, names |
//! | an answer that is neither "there" nor "not there" leaves the image unpushed | DESIGN §4 rule 5 |
//!
//! Not here: what evidence proves. Attacks considered: `push_never_replaces_signatures_made_inside`,
//! `push_bogus_fallback`, `push_location_on_another_host`, `push_two_sources_one_name`.

pub mod artifact;
pub mod courier;
pub mod deliver;
pub mod inventory;
pub mod mapping;
pub mod merge;

pub use courier::{Counts, Courier, Miss};
pub use deliver::{Fate, ImageReport, deliver};
pub use mapping::Mapping;

/// Images under way at once.
pub const IMAGES: usize = 4;
