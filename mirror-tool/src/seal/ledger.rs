//! What a seal takes from ledgers (`docs/formats/ledger.md`): absences, and digests that must be held.
//!
//! | rule | source |
//! |---|---|
//! | for one name and digest the newest ledger counts | `ledger.md`, `images` |
//! | every digest that was found is held, or nothing is sealed | `ledger.md`, what a reader should do |
//! | only `absent` is an absence; `waived` is not | the same |

use std::collections::{BTreeMap, BTreeSet};

use sealock::image::Digest;
use sealock::seal::{SealFault, canonical};
use serde::Deserialize;

use super::SealingFault;

const SCHEMA: &str = "sealock.dev/ledger/v1";

#[derive(Deserialize)]
struct Ledger {
    schema: String,
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    name: String,
    digest: Digest,
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    subject: Digest,
    #[serde(rename = "where")]
    place: String,
    channel: String,
    state: String,
    digests: Vec<Digest>,
}

/// Every image's newest answers.
#[derive(Default)]
pub(super) struct Ledgers {
    images: BTreeMap<(String, Digest), Vec<Question>>,
}

impl Ledgers {
    /// Takes in the next newer ledger.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), SealingFault> {
        let ledger: Ledger = canonical::read("ledger", bytes)?;
        if ledger.schema != SCHEMA {
            return Err(SealFault::malformed("ledger", format!("its schema is not {SCHEMA}")).into());
        }
        for image in ledger.images {
            self.images.insert((image.name, image.digest), image.questions);
        }
        Ok(())
    }

    /// What is proven to be absent about content of `closure`: place and subject → channels.
    pub(super) fn absent(
        &self,
        closure: &BTreeMap<Digest, u64>,
    ) -> Result<BTreeMap<String, String>, SealingFault> {
        let mut absent: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut open: BTreeSet<(String, &str)> = BTreeSet::new();
        for ((name, digest), questions) in &self.images {
            if !closure.contains_key(digest) {
                continue;
            }
            for question in questions {
                if let Some(gone) = question.digests.iter().find(|found| !closure.contains_key(*found)) {
                    let reason = format!("{gone} was found for {name} and is not held: pull {name} again");
                    return Err(SealFault::malformed("ledger", reason).into());
                }
                let key = format!("{}@{}", question.place, question.subject);
                if question.state == "absent" {
                    absent.entry(key).or_default().insert(&question.channel);
                } else {
                    open.insert((key, &question.channel));
                }
            }
        }
        // Two names of one image may have been asked at different times: what one of them found is not absent.
        for (key, channel) in open {
            if let Some(channels) = absent.get_mut(&key) {
                channels.remove(channel);
            }
        }
        let lists = absent.into_iter().filter(|(_, channels)| !channels.is_empty());
        Ok(lists.map(|(key, channels)| (key, channels.into_iter().collect::<Vec<_>>().join(" "))).collect())
    }
}
