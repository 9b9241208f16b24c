//! Takes repositories over into the store, never back.
//!
//! Input: what `mirror.yaml` names, the store. Output: for each a [`KeptReport`]; in the store the repository
//! ([`super::kept`]), and the trust root in force for what arrives (`<store>/trust`).
//!
//! | rule | source |
//! |---|---|
//! | the whole repository is taken over from the pinned root on, and must load again from what was taken | [`super::take`] |
//! | it must also load over what the store keeps, and over the store's own floor: nothing goes back | TUF §5; DESIGN §5 "Floors" |
//! | what cannot be read is unknown, what does not verify is refused; what was kept stays | DESIGN §4 rule 5 |
//! | the files are kept first, the floor is raised last | a kill between leaves files that are newer than the floor |
//! | a name stays with the root that it was first pinned to | whoever edits `mirror.yaml` must not move the anchor unseen |
//!
//! Not here: freshness; what has expired is kept and said, and `seal` refuses it.
//!
//! Attacks considered: `tuf_root_withheld`, `tuf_rollback_at_pull`, a repository under another's name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sealock::crypto;
use sealock::trust::freshness;
use sealock_trust_root::disk::{StateFault, TrustState};
use sealock_trust_root::embedded;
use sealock_trust_root::source::RepositorySource;
use sealock_trust_root::tuf::{self, TufFault};
use serde::Serialize;

use super::kept::{self, Kept, KeptFault};
use super::{TakeFault, Taken, take};
use crate::pull::commit::Fate;
use crate::registry::Registries;

/// A repository to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name, here and in the receiving store.
    pub name: String,
    /// Where it is published.
    pub url: String,
    /// The pinned first root; nothing for the one inside the program.
    pub root: Option<Vec<u8>>,
    /// Whether the run may succeed where it cannot be read.
    pub optional: bool,
}

impl Wanted {
    /// The root that the chain starts from.
    pub fn pinned(&self) -> &[u8] {
        self.root.as_deref().unwrap_or(embedded::TUF_ROOT)
    }

    /// SHA-256 of the pinned root in hex; nothing for the one inside the program.
    fn pin(&self) -> Option<String> {
        let given = self.root.as_deref().filter(|root| *root != embedded::TUF_ROOT);
        given.map(|root| hex::encode(crypto::sha256(root)))
    }
}

/// A role of a repository.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptRole {
    /// Its version.
    pub version: u64,
    /// When it expires.
    pub expires: Timestamp,
}

/// What became of a repository.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptReport {
    /// Its name.
    pub name: String,
    /// Where it is published.
    pub url: String,
    /// Kept, refused, or unknown; then the store keeps what it kept.
    pub fate: Fate,
    /// Whether the run may succeed without it.
    pub optional: bool,
    /// Finding code, where it was not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why, where it was not kept.
    pub reasons: Vec<String>,
    /// Version and expiry of every role that was read.
    pub roles: BTreeMap<String, KeptRole>,
    /// Roles that had expired already: no seal will carry the repository until they are renewed.
    pub expired: Vec<String>,
    /// Files of the repository.
    pub files: usize,
    /// Those that the store did not keep before.
    pub new_files: Vec<String>,
}

/// Why a repository was not kept.
#[derive(Debug, thiserror::Error)]
enum KeepFault {
    #[error(transparent)]
    Take(#[from] TakeFault),
    #[error("what the store keeps of it cannot be used: {0}")]
    Kept(#[from] KeptFault),
    #[error(transparent)]
    State(#[from] StateFault),
    #[error("the store keeps it from another first root: {0}")]
    Pinned(String),
    #[error("{0}")]
    Unfit(String),
}

impl KeepFault {
    fn fate(&self) -> Fate {
        let open = match self {
            Self::Take(fault) => fault.is_open(),
            Self::Kept(_) => true,
            Self::State(StateFault::Tuf(fault)) => super::is_open(fault),
            Self::State(fault) => !matches!(fault, StateFault::Pinned { .. } | StateFault::Name { .. }),
            Self::Pinned(_) | Self::Unfit(_) => false,
        };
        if open { Fate::Unknown } else { Fate::Refused }
    }

    fn code(&self) -> &'static str {
        use sealock::trust::codes;
        match self {
            Self::Take(TakeFault::Tuf(fault)) => freshness::of_tuf(fault).code,
            Self::Take(fault) if fault.is_open() => codes::REPOSITORY_UNREADABLE.name,
            Self::Take(_) | Self::Unfit(_) => codes::REPOSITORY_INVALID.name,
            Self::Kept(_) => codes::UNREADABLE_FLOOR.name,
            Self::State(fault) => freshness::of_fault(fault).code,
            Self::Pinned(_) => codes::PINNED_OTHERWISE.name,
        }
    }
}

/// Takes repositories over. Blocks.
#[derive(Debug)]
pub struct Keeper<'a> {
    /// The store; nothing where there is none yet.
    pub store: Option<&'a Path>,
    /// The client.
    pub registries: &'a Registries,
    /// Runs the requests.
    pub handle: tokio::runtime::Handle,
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// Now.
    pub now: Timestamp,
}

impl Keeper<'_> {
    /// Takes one over.
    pub fn keep(&self, wanted: &Wanted) -> KeptReport {
        let mut report = KeptReport {
            name: wanted.name.clone(),
            url: wanted.url.clone(),
            fate: Fate::Mirrored,
            optional: wanted.optional,
            code: None,
            reasons: Vec::new(),
            roles: BTreeMap::new(),
            expired: Vec::new(),
            files: 0,
            new_files: Vec::new(),
        };
        if let Err(fault) = self.try_keep(wanted, &mut report) {
            report.fate = fault.fate();
            report.code = Some(fault.code());
            report.reasons.push(fault.to_string());
        }
        report
    }

    fn try_keep(&self, wanted: &Wanted, report: &mut KeptReport) -> Result<(), KeepFault> {
        let before = self.store.map(|store| kept::read(store, &wanted.name)).transpose()?.flatten();
        if let Some(before) = before.as_ref().filter(|before| before.root != wanted.pin()) {
            let words =
                |pin: &Option<String>| pin.clone().unwrap_or_else(|| "the one in this program".into());
            return Err(KeepFault::Pinned(format!(
                "{}, and {} is named now; use another name",
                words(&before.root),
                words(&wanted.pin())
            )));
        }
        let taken = take(self.registries, self.handle.clone(), &wanted.url, wanted.pinned())?;
        for role in &taken.roles {
            let name = role.role.to_string();
            if role.expires <= self.now {
                report.expired.push(name.clone());
            }
            report.roles.insert(name, KeptRole { version: role.version, expires: role.expires });
        }
        report.files = taken.files.len();
        if let Some(reason) = kept::objection(&wanted.name, &taken.files) {
            return Err(KeepFault::Unfit(reason));
        }
        not_back(wanted, &taken, before.as_ref())?;
        let Some(store) = self.store else {
            report.new_files = taken.files.into_keys().collect();
            return Ok(());
        };
        let repository: Arc<dyn RepositorySource> = Arc::new(kept::source(&taken.files));
        let state = TrustState::of_store(store);
        if self.dry_run {
            let held = before.map(|before| before.files).unwrap_or_default();
            let fresh = taken.files.iter().filter(|(name, bytes)| held.get(*name) != Some(*bytes));
            report.new_files = fresh.map(|(name, _)| name.clone()).collect();
            if state.names()?.contains(&wanted.name) {
                let (pinned, floor) = state.writer()?.start(&wanted.name, wanted.root.as_deref())?;
                tuf::load(&repository, &pinned, floor.as_ref()).map_err(StateFault::Tuf)?;
            }
            return Ok(());
        }
        let writer = state.writer()?;
        let (pinned, floor) = writer.start(&wanted.name, wanted.root.as_deref())?;
        let loaded = tuf::load(&repository, &pinned, floor.as_ref()).map_err(StateFault::Tuf)?;
        let now_kept = Kept { url: wanted.url.clone(), root: wanted.pin(), files: taken.files };
        report.new_files = kept::write(store, &wanted.name, &now_kept)?;
        writer.commit_tuf(&wanted.name, &pinned, &loaded, self.now)?;
        Ok(())
    }
}

/// What was taken must follow what is kept.
fn not_back(wanted: &Wanted, taken: &Taken, before: Option<&Kept>) -> Result<(), KeepFault> {
    let Some(before) = before else { return Ok(()) };
    let damaged = |fault: TufFault| {
        KeepFault::Kept(KeptFault {
            path: Path::new(kept::REPOSITORIES).join(&wanted.name),
            source: std::io::Error::other(fault.to_string()),
        })
    };
    let kept: Arc<dyn RepositorySource> = Arc::new(before.source());
    // From its own oldest root: the one in the program may have become newer since. Whether that one leads to it is
    // judged with the floor.
    let first = before.first_root().unwrap_or(wanted.pinned());
    let floor = tuf::load(&kept, first, None).map_err(damaged)?.floor;
    let repository: Arc<dyn RepositorySource> = Arc::new(kept::source(&taken.files));
    tuf::load(&repository, wanted.pinned(), Some(&floor)).map_err(TakeFault::Tuf)?;
    Ok(())
}
