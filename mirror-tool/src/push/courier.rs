//! Asks before it sends: each blob and manifest once for each repository, whoever needs it.
//!
//! | rule | why |
//! |---|---|
//! | one question at a time about one blob | it is sent once, and mounted everywhere else |
//! | at most `SLOTS` blobs are sent at once | memory: a few pieces of 1 MiB for each |
//! | what the registry does not take is refused; what nobody can tell is unknown | DESIGN §4 rule 5 |
//! | with `dry`, everything is asked and nothing is sent | |

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use sealock::image::Digest;
use sealock::image::manifest::MAX_MANIFEST;
use sealock::store::Source;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::registry::manifest::By;
use crate::registry::{Answer, Delivered, Origin, Placed, Registries, Repository, Sent, Unsent};

/// Blobs sent at once.
const SLOTS: usize = 4;

/// Why something is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// The registry does not take it, or it must not be written.
    #[error("{0}")]
    Refused(String),
    /// Nobody knows.
    #[error("{0}")]
    Unknown(String),
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Blobs sent; in a dry run, blobs that would be.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that the registry took from another repository of its own.
    pub mounted: usize,
    /// Blobs that were there.
    pub there: usize,
    /// Manifests written, under digests and tags; in a dry run, those that would be.
    pub manifests: usize,
}

/// What happens during a run, for whoever shows it.
#[derive(Clone, Debug)]
pub enum Event {
    /// Bytes were sent.
    Bytes(u64),
    /// A blob is there: digest, repository.
    Blob(Digest, String),
}

/// Hears of events.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// How a manifest came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Whether it was written now.
    pub wrote: bool,
    /// Whether the registry said that it lists it as a referrer; nothing where it was there already.
    pub listed: Option<bool>,
}

/// One lock for each key.
#[derive(Debug)]
struct Locks<K, V>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<V>>>>);

impl<K, V> Default for Locks<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Default> Locks<K, V> {
    fn of(&self, key: K) -> Arc<tokio::sync::Mutex<V>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}

/// Brings content to one registry.
pub struct Courier<'a> {
    /// The client, made to write.
    pub registries: Registries,
    /// Where manifests are read.
    pub source: &'a dyn Source,
    /// Nothing is written.
    pub dry: bool,
    /// Tags that stand for another image may be moved.
    pub move_tags: bool,
    origin: Arc<dyn Origin>,
    blobs: Locks<Digest, BTreeSet<Repository>>,
    manifests: Locks<(Repository, Digest), Option<Arrived>>,
    tags: Locks<(Repository, String), ()>,
    slots: Semaphore,
    counts: Mutex<Counts>,
    tell: Tell,
}

/// Content that was made here.
struct Memory(Vec<u8>);

impl Origin for Memory {
    fn copy(&self, _: &Digest, _: u64, out: &mut dyn std::io::Write) -> Result<(), String> {
        out.write_all(&self.0).map_err(|e| e.to_string())
    }
}

impl<'a> Courier<'a> {
    /// For one run.
    pub fn new(
        registries: Registries,
        source: &'a dyn Source,
        origin: Arc<dyn Origin>,
        [dry, move_tags]: [bool; 2],
        tell: Tell,
    ) -> Self {
        Self {
            registries,
            source,
            dry,
            move_tags,
            origin,
            blobs: Locks::default(),
            manifests: Locks::default(),
            tags: Locks::default(),
            slots: Semaphore::new(SLOTS),
            counts: Mutex::default(),
            tell,
        }
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Held while a tag is read, united and written.
    pub(super) async fn tag_lock(&self, to: &Repository, tag: &str) -> tokio::sync::OwnedMutexGuard<()> {
        self.tags.of((to.clone(), tag.to_owned())).lock_owned().await
    }

    /// The bytes of a manifest that is held.
    pub(super) fn read(&self, digest: &Digest) -> Result<Vec<u8>, Miss> {
        self.source.read(digest, MAX_MANIFEST).map_err(|fault| Miss::Unknown(fault.to_string()))
    }

    /// Brings a blob.
    pub(super) async fn blob(&self, to: &Repository, digest: &Digest, size: u64) -> Result<(), Miss> {
        self.blob_from(to, digest, size, &self.origin).await
    }

    /// Brings bytes that were made here.
    pub(super) async fn bytes(&self, to: &Repository, bytes: &[u8]) -> Result<(), Miss> {
        let origin: Arc<dyn Origin> = Arc::new(Memory(bytes.to_vec()));
        self.blob_from(to, &Digest::sha256(bytes), bytes.len() as u64, &origin).await
    }

    async fn blob_from(
        &self,
        to: &Repository,
        digest: &Digest,
        size: u64,
        origin: &Arc<dyn Origin>,
    ) -> Result<(), Miss> {
        let places = self.blobs.of(*digest);
        let mut places = places.lock().await;
        if places.contains(to) {
            return Ok(());
        }
        match self.registries.has_blob(to, digest, size).await {
            Answer::Found(()) => self.count(|counts| counts.there += 1),
            Answer::Unknown(doubt) => {
                return Err(Miss::Unknown(format!("whether {digest} is there is unknown: {doubt}")));
            }
            Answer::Absent(_) if self.dry => self.count(|counts| {
                counts.blobs += 1;
                counts.bytes += size;
            }),
            Answer::Absent(_) => {
                let _slot = self.slots.acquire().await;
                let tell = Arc::clone(&self.tell);
                let sent: Sent = Arc::new(move |n| tell(Event::Bytes(n)));
                let mount = places.iter().next();
                let done = self.registries.send_blob(to, digest, size, origin, mount, &sent).await;
                match done.map_err(|unsent| miss(digest, unsent))? {
                    Delivered::Mounted => self.count(|counts| counts.mounted += 1),
                    Delivered::There => self.count(|counts| counts.there += 1),
                    Delivered::Sent => self.count(|counts| {
                        counts.blobs += 1;
                        counts.bytes += size;
                    }),
                }
                (self.tell)(Event::Blob(*digest, to.name.clone()));
            }
        }
        places.insert(to.clone());
        Ok(())
    }

    /// Brings a manifest under its digest. What it leads to is there.
    pub(super) async fn manifest(
        &self,
        to: &Repository,
        media_type: &str,
        bytes: &[u8],
        digest: &Digest,
    ) -> Result<Arrived, Miss> {
        let place = self.manifests.of((to.clone(), *digest));
        let mut place = place.lock().await;
        if let Some(arrived) = *place {
            return Ok(arrived);
        }
        let arrived = match self.registries.stands_for(to, By::Digest(digest)).await {
            Answer::Found(_) => Arrived { wrote: false, listed: None },
            Answer::Unknown(doubt) => {
                return Err(Miss::Unknown(format!("whether {digest} is there is unknown: {doubt}")));
            }
            Answer::Absent(_) => {
                let placed = self.put(to, By::Digest(digest), media_type, bytes).await?;
                Arrived { wrote: true, listed: placed.map(|placed| placed.listed) }
            }
        };
        *place = Some(arrived);
        Ok(arrived)
    }

    /// Writes a manifest; nothing in a dry run.
    pub(super) async fn put(
        &self,
        to: &Repository,
        by: By<'_>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Option<Placed>, Miss> {
        self.count(|counts| counts.manifests += 1);
        if self.dry {
            return Ok(None);
        }
        let placed = self.registries.put_manifest(to, by, media_type, bytes).await;
        placed.map(Some).map_err(|unsent| miss(&Digest::sha256(bytes), unsent))
    }
}

fn miss(digest: &Digest, unsent: Unsent) -> Miss {
    match unsent {
        Unsent::Denied(doubt) => Miss::Refused(format!("the registry does not take {digest}: {doubt}")),
        Unsent::Open(doubt) => Miss::Unknown(format!("{digest} could not be sent: {doubt}")),
        Unsent::Local(reason) => Miss::Unknown(format!("{digest} cannot be read here: {reason}")),
    }
}
