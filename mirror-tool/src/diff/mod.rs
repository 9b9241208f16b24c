//! Two places compared by content: names, what they stand for, the evidence about each image, and what is missing.
//!
//! Input: two of a store, a transfer, an OCI layout (folder or archive), a registry. Output: [`Differences`].
//!
//! | rule | why |
//! |---|---|
//! | both sides are walked by the same code (`push::inventory`) | what one walk would not see, the other does not see either |
//! | classic evidence is compared layer by layer, with annotations | the signature stands in them; tags that were united still hold what they held |
//! | evidence about something that the other side lacks is not listed beside it | one cause, one line |
//! | manifests are hashed on every read; configurations and layers are looked for, with their sizes | `store fsck` hashes them |
//! | of a registry the image's own repository is asked, and nothing but a 404 is "not there" | DESIGN §4 rule 5 |
//! | a place that cannot be asked is unknown (exit 3), never equal and never different | the same |
//! | names of a store are what a seal says, where it says something | DESIGN §5 |
//! | what a transfer leaves out because its receiver has it is not missing | |
//!
//! Not here: signatures; nobody's are judged, those of a transfer neither. Attacks considered: `diff_throttled_registry`,
//! `diff_lying_transfer`.

pub mod compare;
pub mod place;
pub mod remote;

pub use compare::{Differences, Picture, compare};
pub use place::{Local, Place};
