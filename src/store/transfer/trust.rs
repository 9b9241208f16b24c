//! Trust metadata that a transfer carries: through TUF, never around it.
//!
//! | rule | source |
//! |---|---|
//! | each repository is loaded over the store's own pin and floor | TUF §5; threats §1 no. 15 to 17 |
//! | every role on the path had not expired at the time of sealing | DESIGN §4 rule 8; no. 14 |
//! | the versions are those that the statement names | DESIGN §5 |
//! | a repository under a name that nobody pinned here is left out | DESIGN §5 |
//! | one that is older than what the store has is left out, and said so | ours: nothing goes back, and the seal is not lost for it |
//!
//! Attacks considered: `tuf_frozen_at_seal`, `planted_root`.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sealock_trust_root::disk::{DEFAULT_NAME, InForce, Pin, Provenance, StateFault, TrustState, Writer};
use sealock_trust_root::embedded;
use sealock_trust_root::root::TrustedRoot;
use sealock_trust_root::source::{MemorySource, RepositorySource};
use sealock_trust_root::tuf::{self, Loaded, TufFault};

use super::quarantine::Quarantine;
use crate::decision::{Finding, Severity};
use crate::seal::codes;
use crate::seal::statement::Trust;
use crate::store::StoreFault;

/// Repositories that were loaded and are not committed yet.
#[derive(Debug, Default)]
pub(super) struct Updates {
    writer: Option<Writer>,
    loaded: Vec<(String, Vec<u8>, Loaded)>,
}

fn failed(name: &str, fault: &StateFault) -> StoreFault {
    StoreFault::refused(&codes::TRUST_REFUSED, format!("trust root {name}"), fault.to_string())
}

impl Updates {
    /// Loads what the transfer carries. Remarks go to `notes`.
    pub(super) fn load(
        root: &Path,
        quarantine: &Quarantine,
        notes: &mut Vec<Finding>,
    ) -> Result<Self, StoreFault> {
        let mut updates = Self::default();
        let statement = quarantine.seal().statement();
        for trust in &statement.trust {
            let state = TrustState::of_store(root);
            match state.in_force(&trust.name) {
                Err(StateFault::Unknown { .. }) if trust.name != DEFAULT_NAME => {
                    notes.push(Finding::new(
                        &codes::TRUST_REFUSED,
                        Severity::Warning,
                        format!(
                            "no first root is pinned here for the trust root {}: it was left out",
                            trust.name
                        ),
                    ));
                    continue;
                }
                Ok(_) | Err(StateFault::Unknown { .. }) => {}
                Err(fault) => return Err(failed(&trust.name, &fault)),
            }
            if updates.writer.is_none() {
                updates.writer = Some(state.writer().map_err(|e| failed(&trust.name, &e))?);
            }
            let Some(writer) = &updates.writer else { continue };
            let (pinned, floor) = writer.start(&trust.name, None).map_err(|e| failed(&trust.name, &e))?;
            let source = source(quarantine, &trust.name)?;
            match tuf::load(&source, &pinned, floor.as_ref()) {
                Ok(loaded) => {
                    fresh(trust, &loaded, statement.sealed_at)?;
                    updates.loaded.push((trust.name.clone(), pinned, loaded));
                }
                Err(fault @ TufFault::Rollback(_)) => notes.push(Finding::new(
                    &codes::TRUST_REFUSED,
                    Severity::Warning,
                    format!("the trust root {} was left out: {fault}", trust.name),
                )),
                Err(fault) => return Err(failed(&trust.name, &StateFault::Tuf(fault))),
            }
        }
        Ok(updates)
    }

    /// The root in force under `name` once they are committed.
    pub(super) fn in_force(&self, root: &Path, name: &str) -> Result<InForce, StateFault> {
        let Some((_, pinned, loaded)) = self.loaded.iter().find(|(known, ..)| known == name) else {
            return TrustState::of_store(root).in_force(name);
        };
        let pin = if pinned == embedded::TUF_ROOT {
            Pin::Embedded
        } else {
            Pin::Given(hex::encode(crate::crypto::sha256(pinned)))
        };
        Ok(InForce {
            root: TrustedRoot::from_json(&loaded.trusted_root)?,
            provenance: Provenance::Tuf { name: name.to_owned(), pin },
            roles: loaded.roles.clone(),
        })
    }

    /// Makes them the roots in force.
    pub(super) fn commit(&self, at: Timestamp) -> Result<(), StoreFault> {
        let Some(writer) = &self.writer else { return Ok(()) };
        for (name, pinned, loaded) in &self.loaded {
            writer.commit_tuf(name, pinned, loaded, at).map_err(|e| failed(name, &e))?;
        }
        Ok(())
    }
}

fn source(quarantine: &Quarantine, name: &str) -> Result<Arc<dyn RepositorySource>, StoreFault> {
    let mut source = MemorySource::new();
    for (path, bytes) in quarantine.documents_below(&format!("trust/{name}/"))? {
        source.insert(path.strip_prefix("metadata/").unwrap_or(&path), bytes);
    }
    Ok(Arc::new(source))
}

fn fresh(trust: &Trust, loaded: &Loaded, sealed_at: Timestamp) -> Result<(), StoreFault> {
    for role in &loaded.roles {
        if role.expires <= sealed_at {
            return Err(StoreFault::refused(
                &codes::TRUST_STALE,
                format!("trust root {}", trust.name),
                format!("its {} expired at {}, it was sealed at {sealed_at}", role.role, role.expires),
            ));
        }
    }
    let found = versions(loaded);
    if found != trust.versions {
        return Err(StoreFault::refused(
            &codes::TRUST_REFUSED,
            format!("trust root {}", trust.name),
            format!("its versions are {found:?}, the seal says {:?}", trust.versions),
        ));
    }
    Ok(())
}

/// Version of each role, by its name.
pub fn versions(loaded: &Loaded) -> std::collections::BTreeMap<String, u64> {
    loaded.roles.iter().map(|role| (role.role.to_string(), role.version)).collect()
}
