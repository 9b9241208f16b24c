//! Blobs: streamed into a sink that hashes, taken up again where they broke off.
//!
//! | rule | why |
//! |---|---|
//! | a rest is taken only with 206 and `Content-Range: bytes <from>-<last>/<size>` that fits | registries answer 206 with other bytes than asked |
//! | 200 to a request for a rest starts again from the front | `Range` may be ignored |
//! | nothing is asked for once the sink has all of it | docker-registry answers 416 with a length and no body |
//! | more than the announced size ends it | |
//! | progress resets the count of tries | a large blob may break off often and still arrive |
//!
//! Not here: the comparison of the digest; the sink does it, and shows nothing before it has.

use futures::StreamExt as _;
use reqwest::Method;
use sealock::image::Digest;

use super::answer::{self, Absence, Answer, Doubt, plain};
use super::endpoint::Repository;
use super::limits;
use super::request::{Ask, Follow, Registries};

/// Where a blob goes.
pub trait Sink: Send {
    /// Bytes that it has.
    fn offset(&self) -> u64;

    /// Takes more.
    ///
    /// # Errors
    /// In one line.
    fn write(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Forgets what it has.
    ///
    /// # Errors
    /// In one line.
    fn restart(&mut self) -> Result<(), String>;
}

/// How a blob ended that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The registry does not have it.
    Absent(Absence),
    /// The registry or the way to it.
    Remote(Doubt),
    /// Our own side.
    Local(String),
}

impl From<Doubt> for Broken {
    fn from(doubt: Doubt) -> Self {
        Self::Remote(doubt)
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent(absence) => write!(f, "the registry answered {absence}"),
            Self::Remote(doubt) => doubt.fmt(f),
            Self::Local(reason) => f.write_str(reason),
        }
    }
}

impl Registries {
    /// Streams the rest of a blob of `size` bytes into `sink`. `progress` hears of every piece.
    ///
    /// # Errors
    /// [`Broken`]; what the sink has by then can be continued.
    pub async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        sink: &mut dyn Sink,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Broken> {
        let host = self.host(repository)?;
        let url = Self::url(&host, repository, &format!("blobs/{digest}"))?;
        let mut tried = 0;
        while sink.offset() < size {
            let from = sink.offset();
            let ask = Ask {
                host: &host,
                repository,
                method: Method::GET,
                url: url.clone(),
                accept: "*/*",
                from,
                follow: Follow::Anywhere,
            };
            let open = self.open(&ask, &mut tried).await?;
            let status = open.response.status().as_u16();
            match status {
                200 => {
                    if from > 0 {
                        sink.restart().map_err(Broken::Local)?;
                    }
                }
                206 if from > 0 => {
                    let said = open.response.headers().get("content-range").and_then(|v| v.to_str().ok());
                    if !fits(said, from, size) {
                        return Err(Broken::Remote(Doubt::of(
                            206,
                            format!(
                                "asked for bytes from {from} of {size} and got {:?}",
                                plain(said.unwrap_or(""))
                            ),
                        )));
                    }
                }
                _ => {
                    let body = open.response.bytes_stream().take(4).collect::<Vec<_>>().await;
                    let body: Vec<u8> = body.into_iter().flatten().flatten().take(SMALL).collect();
                    return Err(match answer::negative::<()>(status, &body) {
                        Answer::Absent(absence) => Broken::Absent(absence),
                        Answer::Unknown(doubt) => Broken::Remote(doubt),
                        Answer::Found(()) => Broken::Remote(Doubt::of(status, "no blob")),
                    });
                }
            }
            let before = sink.offset();
            let broke = pour(open.response, size, sink, progress).await?;
            if sink.offset() > before {
                tried = 0;
            }
            if let Some(doubt) = broke {
                self.pause(&host, doubt, &mut tried).await?;
            }
        }
        Ok(())
    }
}

#[allow(clippy::cast_possible_truncation, reason = "64 KiB")]
const SMALL: usize = limits::SMALL as usize;

/// Pours a body into the sink; tells why it broke off, if it did.
async fn pour(
    response: reqwest::Response,
    size: u64,
    sink: &mut dyn Sink,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Option<Doubt>, Broken> {
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        let Ok(piece) = piece else { return Ok(Some(Doubt::new("the connection broke within a blob"))) };
        if sink.offset() + piece.len() as u64 > size {
            return Err(Broken::Remote(Doubt::new(format!(
                "the registry sends more than the {size} bytes announced"
            ))));
        }
        sink.write(&piece).map_err(Broken::Local)?;
        progress(piece.len() as u64);
    }
    Ok((sink.offset() < size)
        .then(|| Doubt::new(format!("the blob ends after {} of {size} bytes", sink.offset()))))
}

/// Whether `Content-Range` says `bytes <from>-<size - 1>/<size>`.
fn fits(said: Option<&str>, from: u64, size: u64) -> bool {
    said.is_some_and(|said| said.trim() == format!("bytes {from}-{}/{size}", size.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn ranges() {
        assert!(fits(Some("bytes 5-9/10"), 5, 10));
        for bad in ["bytes 0-4/10", "bytes 5-8/10", "bytes 5-9/11", "bytes 5-9/*", "5-9/10", ""] {
            assert!(!fits(Some(bad), 5, 10), "{bad}");
        }
        assert!(!fits(None, 5, 10));
    }
}
