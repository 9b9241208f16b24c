//! One writer at a time.
//!
//! The file `lock` carries an advisory `flock`, which the kernel releases when its holder dies, however it dies.
//! Its text says who wrote last, for the message of the one who waits. Readers take no lock.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::StoreFault;
use super::fault::During;

/// The held lock; released on drop.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// How often the lock is tried while waiting.
const RETRY: Duration = Duration::from_millis(20);
/// Longest text that is read from the lock file, in bytes.
const MAX_HOLDER: u64 = 256;

impl Lock {
    /// Takes the lock of the store at `root`, waiting up to `patience`. `verb` is what the holder does.
    pub(super) fn take(root: &Path, verb: &str, patience: Duration) -> Result<Self, StoreFault> {
        let path = root.join("lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file: File =
            rustix::fs::open(&path, flags, Mode::from_raw_mode(0o644)).during("opening", &path)?.into();
        let start = Instant::now();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < patience => {
                    std::thread::sleep(RETRY);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let mut holder = String::new();
                    let _ = (&file).take(MAX_HOLDER).read_to_string(&mut holder);
                    let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
                    return Err(StoreFault::Busy {
                        place: root.to_owned(),
                        holder: holder.to_owned(),
                        waited: patience.as_secs(),
                    });
                }
                Err(e) => return Err(e).during("locking", &path),
            }
        }
        file.set_len(0).during("writing", &path)?;
        file.seek(SeekFrom::Start(0)).during("writing", &path)?;
        write!(file, "process {} (sealock {verb})", std::process::id()).during("writing", &path)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_writer_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), "import", Duration::ZERO).unwrap();
        let fault = Lock::take(dir.path(), "reindex", Duration::from_millis(50)).unwrap_err();
        let text = fault.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("sealock import"), "{text}");
        assert_eq!(fault.code().name, "store/busy");
        drop(first);
        Lock::take(dir.path(), "reindex", Duration::ZERO).unwrap();
    }
}
