//! Content on its way out of here.
//!
//! Input: an [`Origin`] that hashes what it copies. Output: the body of a request.
//!
//! The last piece is held back until the hash is right, so that a registry never gets the whole of something else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use sealock::image::Digest;
use tokio::sync::mpsc;

/// Where blobs come from.
pub trait Origin: Send + Sync {
    /// Writes the `size` bytes of `digest` to `out`, hashing them on the way. An error afterwards means that what was
    /// written is worth nothing.
    ///
    /// # Errors
    /// In one line.
    fn copy(&self, digest: &Digest, size: u64, out: &mut dyn Write) -> Result<(), String>;
}

/// What a request brings along. Requests with one follow no redirect: content goes where the user said.
pub(super) struct Load<'a> {
    /// Media type of the content; empty where there is none.
    pub media_type: &'a str,
    /// First and last byte, where it is a part of something.
    pub range: Option<(u64, u64)>,
    /// Bytes.
    pub length: u64,
    /// Makes the content, anew for each try.
    pub body: &'a (dyn Fn() -> reqwest::Body + Send + Sync),
    /// Path of another repository on the server that must be readable too.
    pub from: Option<&'a str>,
    /// Grows while content is taken.
    pub taken: &'a AtomicU64,
}

/// Ends once nothing was taken for that long.
pub(super) async fn stalled(taken: &AtomicU64, patience: Duration) {
    let mut before = None;
    loop {
        let now = taken.load(Ordering::Relaxed);
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(patience).await;
    }
}

/// Takes what the origin writes, leaves out the beginning, and keeps the last piece until the hash is right.
struct Faucet {
    skip: u64,
    held: Option<Bytes>,
    out: mpsc::Sender<io::Result<Bytes>>,
    gone: bool,
}

impl Write for Faucet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        let rest = bytes.get(skipped..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(bytes.len());
        }
        if let Some(before) = self.held.replace(Bytes::copy_from_slice(rest))
            && self.out.blocking_send(Ok(before)).is_err()
        {
            self.gone = true;
            return Err(io::Error::other("nobody takes it any more"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a blob from `skip` on. It ends early, with an error, where they do not hash to their name; `fault` says
/// why then.
pub(super) fn flow(
    origin: Arc<dyn Origin>,
    digest: Digest,
    size: u64,
    skip: u64,
    fault: Arc<Mutex<Option<String>>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (out, taken) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let mut faucet = Faucet { skip, held: None, out, gone: false };
        match origin.copy(&digest, size, &mut faucet) {
            // Nobody may listen any more: that is for the request to tell.
            Ok(()) => drop(faucet.held.take().map(|last| faucet.out.blocking_send(Ok(last)))),
            Err(_) if faucet.gone => {}
            Err(reason) => {
                *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
                drop(faucet.out.blocking_send(Err(io::Error::other(reason))));
            }
        }
    });
    futures::stream::unfold(taken, |mut taken| async move { taken.recv().await.map(|piece| (piece, taken)) })
}
