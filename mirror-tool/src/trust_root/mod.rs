//! A TUF repository taken over as it stands: every root from the pinned one to the newest, timestamp, snapshot, targets,
//! delegations and target files, byte for byte, so that the far side can go the whole way again.
//!
//! Input: the URL of a published repository, the pinned root. Output: [`Taken`]: files by their published names.
//!
//! | rule | source |
//! |---|---|
//! | what is taken was verified from the pinned root, by the loader that the far side uses | `sealock-trust-root` |
//! | a name is absent only if the server said 404; else the whole is refused | a newer root that cannot be read must not pass for absent |
//! | each target's bytes have the length and the hash in the metadata | TUF §5.7 |
//! | names have no empty, `.` or `..` part, and no part starts with a dot | GHSA-fcv2-xgw5-pqxf |
//!
//! | a document takes at most ten minutes, tries and waits included | DESIGN §4 rule 9 |
//!
//! Not here: what the store keeps ([`kept`], [`keep`]), freshness at the time of sealing (`seal`), the far side's floors.
//!
//! Attacks considered: a withheld root, endless files, target names that leave the folder.

pub mod keep;
pub mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use sealock::image::Digest;
use sealock_trust_root::freshness::RoleExpiry;
use sealock_trust_root::source::{Answer as Reading, RepositorySource};
use sealock_trust_root::tuf::{self, TufFault};
use url::Url;

use crate::registry::{Answer, Doubt, Registries};

/// The repository of the public-good Sigstore.
pub const PUBLIC_GOOD: &str = "https://tuf-repo-cdn.sigstore.dev";
/// Largest root that a person pins, in bytes.
pub const MAX_ROOT: u64 = 1024 * 1024;
/// Largest target that is taken, in bytes.
const MAX_TARGET: u64 = 64 * 1024 * 1024;
/// Most targets.
const MAX_TARGETS: usize = 1000;
/// Longest time for one document.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// A repository taken over.
#[derive(Debug)]
pub struct Taken {
    /// Files by published name; targets below `targets/`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Dates of every role.
    pub roles: Vec<RoleExpiry>,
    /// Names of all targets.
    pub targets: Vec<String>,
}

/// Why a repository was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeFault {
    /// It does not verify, or cannot be read.
    #[error(transparent)]
    Tuf(#[from] TufFault),
    /// A target.
    #[error("target {name}: {reason}")]
    Target {
        /// Its name.
        name: String,
        /// What does not fit.
        reason: String,
        /// Whether it could not be read; else it is not what the metadata says.
        open: bool,
    },
    /// Nothing is published there.
    #[error("{url} has no timestamp.json: no repository is published there")]
    Nothing {
        /// As given.
        url: String,
    },
    /// Its URL.
    #[error("{url} cannot be a repository: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What does not fit.
        reason: String,
    },
}

impl TakeFault {
    /// Whether another try may come to another answer.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Tuf(fault) => is_open(fault),
            Self::Target { open, .. } => *open,
            Self::Nothing { .. } => true,
            Self::Url { .. } => false,
        }
    }
}

/// Whether another try may come to another answer.
pub(crate) fn is_open(fault: &TufFault) -> bool {
    matches!(fault, TufFault::Unreadable { .. } | TufFault::System(_) | TufFault::Floor(_))
}

/// A repository behind a URL, with all that was read from it.
struct Remote {
    registries: Registries,
    handle: tokio::runtime::Handle,
    base: Url,
    read: Mutex<BTreeMap<String, Vec<u8>>>,
    absent: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({})", self.base)
    }
}

fn is_plain(name: &str) -> bool {
    name.split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0', '%', '?', '#']))
}

impl RepositorySource for Remote {
    fn read(&self, name: &str, limit: u64) -> Reading {
        if !is_plain(name) {
            return Reading::Unreadable("its name is no plain path".to_owned());
        }
        let Ok(url) = self.base.join(name) else {
            return Reading::Unreadable("no URL can be made of its name".to_owned());
        };
        let (send, receive) = mpsc::channel();
        let registries = self.registries.clone();
        self.handle.spawn(async move {
            let answer = tokio::time::timeout(MAX_WAIT, registries.document(&url, limit)).await;
            // Whoever asked may have gone.
            let _ = send.send(answer.unwrap_or_else(|_| Answer::Unknown(Doubt::new("it took too long"))));
        });
        match receive.recv() {
            Ok(Answer::Found(bytes)) => {
                if let Ok(mut read) = self.read.lock() {
                    read.insert(name.to_owned(), bytes.clone());
                }
                Reading::Found(bytes)
            }
            Ok(Answer::Absent(_)) => {
                if let Ok(mut absent) = self.absent.lock() {
                    absent.insert(name.to_owned());
                }
                Reading::Absent
            }
            Ok(Answer::Unknown(doubt)) => Reading::Unreadable(doubt.reason),
            Err(_) => Reading::Unreadable("the request broke off".to_owned()),
        }
    }
}

/// The folder that a URL names.
///
/// # Errors
/// [`TakeFault::Url`].
pub fn base(url: &str) -> Result<Url, TakeFault> {
    let fault = |reason: String| TakeFault::Url { url: url.to_owned(), reason };
    let base = Url::parse(&format!("{}/", url.trim_end_matches('/'))).map_err(|e| fault(e.to_string()))?;
    if !matches!(base.scheme(), "http" | "https")
        || !base.has_host()
        || base.query().is_some()
        || base.fragment().is_some()
        || !base.username().is_empty()
        || base.password().is_some()
    {
        return Err(fault("it is no http or https URL of a folder, without credentials".to_owned()));
    }
    Ok(base)
}

/// Takes a repository over. Blocks; `handle` runs the requests.
///
/// # Errors
/// [`TakeFault`]; nothing of the repository is handed out then.
pub fn take(
    registries: &Registries,
    handle: tokio::runtime::Handle,
    url: &str,
    pinned: &[u8],
) -> Result<Taken, TakeFault> {
    let remote = Arc::new(Remote {
        registries: registries.clone(),
        handle,
        base: base(url)?,
        read: Mutex::default(),
        absent: Mutex::default(),
    });
    let source: Arc<dyn RepositorySource> = Arc::<Remote>::clone(&remote);
    let loaded = match tuf::load(&source, pinned, None) {
        Ok(loaded) => loaded,
        Err(TufFault::Invalid { .. })
            if remote.absent.lock().is_ok_and(|absent| absent.contains("timestamp.json")) =>
        {
            return Err(TakeFault::Nothing { url: url.to_owned() });
        }
        Err(fault) => return Err(fault.into()),
    };
    if loaded.targets.len() > MAX_TARGETS {
        return Err(TufFault::Budget { what: "the targets".to_owned() }.into());
    }
    for target in &loaded.targets {
        let fault = |reason: String| TakeFault::Target { name: target.name.clone(), reason, open: false };
        let open = |reason: String| TakeFault::Target { name: target.name.clone(), reason, open: true };
        let digest: Digest =
            format!("sha256:{}", target.sha256).parse().map_err(|e| fault(format!("{e}")))?;
        let (folder, file) = target.name.rsplit_once('/').map_or(("", target.name.as_str()), |(a, b)| (a, b));
        let slash = if folder.is_empty() { "" } else { "/" };
        let names =
            [format!("targets/{folder}{slash}{}.{file}", target.sha256), format!("targets/{}", target.name)];
        if target.length > MAX_TARGET {
            return Err(fault(format!("{} bytes, the limit is {MAX_TARGET}", target.length)));
        }
        let mut found = None;
        for name in names {
            if let Some(bytes) = remote.read.lock().ok().and_then(|read| read.get(&name).cloned()) {
                found = Some((name, bytes));
                break;
            }
            // One byte more, so that too long is told from unreadable.
            match remote.read(&name, target.length.saturating_add(1)) {
                Reading::Found(bytes) => {
                    found = Some((name, bytes));
                    break;
                }
                Reading::Absent => {}
                Reading::Unreadable(reason) => return Err(open(reason)),
            }
        }
        let Some((name, bytes)) = found else { return Err(open("it is listed and not there".to_owned())) };
        if bytes.len() as u64 != target.length || !digest.matches(&bytes) {
            return Err(fault(format!("{name} is not what the metadata says")));
        }
    }
    let mut files = remote.read.lock().map_or_else(|_| BTreeMap::new(), |read| read.clone());
    if let Some(newest) = loaded.roles.iter().find(|role| role.role.to_string() == "root") {
        // The pinned root itself is not asked for, and belongs to the chain.
        let version = newest.version.saturating_sub(loaded.new_roots.len() as u64);
        files.insert(format!("{version}.root.json"), pinned.to_vec());
    }
    Ok(Taken { files, roles: loaded.roles, targets: loaded.targets.into_iter().map(|t| t.name).collect() })
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn names_stay_in_the_folder() {
        for good in ["timestamp.json", "16.root.json", "targets/registry.npmjs.org/ab.keys.json"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["../x", "targets/../x", "/x", "a//b", "", ".x", "a/.x", "a\\b", "a%2f..", "a?b", "a#b"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
