//! Files that the user names: read whole, within a limit, with the name in every error.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use rustix::fs::{Mode, OFlags};
use walkdir::WalkDir;

/// Largest policy file that is read, in bytes.
pub const MAX_POLICY: u64 = 4 * 1024 * 1024;
/// Most files that are read from one policy directory.
const MAX_POLICY_FILES: usize = 10_000;
/// Deepest directory below a policy directory.
const MAX_DEPTH: usize = 8;

/// Reads `path` (`-` is standard input), at most `limit` bytes of it.
///
/// # Errors
/// With the path and the reason.
pub fn read(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shown = path.display();
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).context("reading standard input")?;
    } else {
        // A pipe that nobody writes to must not hang.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(std::io::Error::from);
        let file = File::from(file.with_context(|| format!("{shown} cannot be opened"))?);
        if !file.metadata().with_context(|| format!("{shown} cannot be read"))?.is_file() {
            bail!(
                "{shown} is not a plain file; what comes out of a pipe is read from standard input, named -"
            );
        }
        file.take(limit + 1).read_to_end(&mut bytes).with_context(|| format!("{shown} cannot be read"))?;
    }
    if bytes.len() as u64 > limit {
        bail!("{shown} is larger than {limit} bytes, the limit for such a file");
    }
    Ok(bytes)
}

/// A policy file with its content, and whether it was found in a directory.
pub struct PolicyFile {
    /// As the user named it, or below the directory named.
    pub path: PathBuf,
    /// Content.
    pub bytes: Vec<u8>,
    /// Found in a directory rather than named.
    pub from_directory: bool,
}

/// Reads every policy file that `paths` stand for, in a stable order.
///
/// # Errors
/// A path that does not exist, or a file that cannot be read: a policy must not vanish.
pub fn policies(paths: &[PathBuf]) -> anyhow::Result<Vec<PolicyFile>> {
    let mut out = Vec::new();
    for path in paths {
        let is_directory = path != Path::new("-")
            && std::fs::metadata(path)
                .with_context(|| format!("policy {} cannot be read", path.display()))?
                .is_dir();
        if is_directory {
            directory(path, &mut out)?;
        } else {
            out.push(PolicyFile {
                path: path.clone(),
                bytes: read(path, MAX_POLICY)?,
                from_directory: false,
            });
        }
    }
    Ok(out)
}

fn directory(root: &Path, out: &mut Vec<PolicyFile>) -> anyhow::Result<()> {
    // Mounted ConfigMaps are made of links into a folder whose name starts with "..": the links count, not it.
    let hidden = |name: &std::ffi::OsStr| name.to_str().is_some_and(|n| n.starts_with('.'));
    let walk = WalkDir::new(root).follow_links(true).max_depth(MAX_DEPTH).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|e| e.depth() == 0 || !hidden(e.file_name())) {
        let entry = entry.with_context(|| format!("policy directory {} cannot be read", root.display()))?;
        let is_policy = entry.path().extension().and_then(|e| e.to_str()).is_some_and(|extension| {
            ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        if entry.file_type().is_dir() || !is_policy {
            continue;
        }
        if out.len() >= MAX_POLICY_FILES {
            return Err(anyhow!("{} holds more than {MAX_POLICY_FILES} policy files", root.display()));
        }
        out.push(PolicyFile {
            path: entry.path().to_owned(),
            bytes: read(entry.path(), MAX_POLICY)?,
            from_directory: true,
        });
    }
    Ok(())
}
