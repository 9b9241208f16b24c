//! A trust root out of PEM files, each by a flag: what cosign's environment variables name.
//!
//! | flag | cosign's variable | holds |
//! |---|---|---|
//! | `--fulcio-root` | `SIGSTORE_ROOT_FILE` | certificates: anchors and intermediates in any order |
//! | `--rekor-key` | `SIGSTORE_REKOR_PUBLIC_KEY` | the key of a signing log |
//! | `--ct-log-key` | `SIGSTORE_CT_LOG_PUBLIC_KEY_FILE` | the key of a CT log |
//! | `--tsa-chain` | `SIGSTORE_TSA_CERTIFICATE_FILE` | a timestamp authority: leaf, intermediates, anchor |
//!
//! The variables themselves are not read: whoever can set one must not choose whom we trust. That one is set and not
//! followed is said.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use sealock_trust_root::root::TrustedRoot;

use super::exit::Failure;
use super::files;
use crate::crypto::{Certificate, PublicKey, pem, sha256};
use crate::trust::parts::Parts;

/// Largest file of certificates or of a key, in bytes.
const MAX: u64 = 1024 * 1024;

/// Flags that name parts of a trust root.
#[derive(Debug, Args)]
pub struct PemArgs {
    /// Certificates of an authority that issues signing certificates (PEM, as in cosign's `SIGSTORE_ROOT_FILE`). What the
    /// four flags of this kind name is the trust root, and nothing else
    #[arg(long, value_name = "FILE")]
    fulcio_root: Vec<PathBuf>,
    /// The public key of a transparency log (PEM, as in `SIGSTORE_REKOR_PUBLIC_KEY`)
    #[arg(long, value_name = "FILE")]
    rekor_key: Vec<PathBuf>,
    /// The public key of a certificate transparency log (PEM, as in `SIGSTORE_CT_LOG_PUBLIC_KEY_FILE`)
    #[arg(long, value_name = "FILE")]
    ct_log_key: Vec<PathBuf>,
    /// The certificates of a timestamp authority (PEM, as in `SIGSTORE_TSA_CERTIFICATE_FILE`)
    #[arg(long, value_name = "FILE")]
    tsa_chain: Vec<PathBuf>,
}

fn text(path: &Path) -> anyhow::Result<String> {
    let bytes = files::read(path, MAX)?;
    String::from_utf8(bytes).map_err(|_| anyhow!("{} is no PEM: it is no text", path.display()))
}

/// Every certificate of a file; a file without any is an error, and so is anything else in it.
fn certificates(path: &Path) -> anyhow::Result<(String, Vec<Certificate>)> {
    let blocks = pem::only(&text(path)?).map_err(|e| anyhow!("{}: {e}", path.display()))?;
    let mut chain = Vec::new();
    for (label, der) in blocks {
        if label != "CERTIFICATE" {
            return Err(anyhow!("{}: a PEM block {label:?} among certificates", path.display()));
        }
        chain.push(Certificate::from_der(&der).with_context(|| path.display().to_string())?);
    }
    if chain.is_empty() {
        return Err(anyhow!("{} holds no certificate", path.display()));
    }
    Ok((path.display().to_string(), chain))
}

fn key(path: &Path) -> anyhow::Result<(String, PublicKey)> {
    let key = PublicKey::from_pem(&text(path)?).with_context(|| path.display().to_string())?;
    Ok((path.display().to_string(), key))
}

impl PemArgs {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.fulcio_root.iter().chain(&self.rekor_key).chain(&self.ct_log_key).chain(&self.tsa_chain)
    }

    /// The root that the flags name, with its name; nothing where none of them was given.
    ///
    /// # Errors
    /// Exit 2 for a file that is not there or does not hold what its flag says.
    pub fn root(&self) -> Result<Option<(String, TrustedRoot)>, Failure> {
        let names: Vec<String> = self.all().map(|path| path.display().to_string()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        let read = || -> anyhow::Result<TrustedRoot> {
            let parts = Parts {
                issuing: self.fulcio_root.iter().map(|path| certificates(path)).collect::<Result<_, _>>()?,
                stamping: self.tsa_chain.iter().map(|path| certificates(path)).collect::<Result<_, _>>()?,
                logs: self.rekor_key.iter().map(|path| key(path)).collect::<Result<_, _>>()?,
                ct_logs: self.ct_log_key.iter().map(|path| key(path)).collect::<Result<_, _>>()?,
            };
            // A name for what was read: which certificate and key stands in which place.
            let ders = |chains: &[(String, Vec<Certificate>)]| {
                chains
                    .iter()
                    .flat_map(|(_, chain)| chain.iter().map(|c| hex::encode(sha256(&c.der))))
                    .collect()
            };
            let spkis = |keys: &[(String, PublicKey)]| {
                keys.iter().map(|(_, key)| hex::encode(sha256(key.spki()))).collect()
            };
            let digests: [Vec<String>; 4] =
                [ders(&parts.issuing), ders(&parts.stamping), spkis(&parts.logs), spkis(&parts.ct_logs)];
            Ok(parts.root(sha256(format!("{digests:?}").as_bytes())))
        };
        let root = read().map_err(Failure::misuse)?;
        Ok(Some((names.join(", "), root)))
    }

    /// What to say about variables that cosign would follow.
    pub fn unfollowed(&self) -> Vec<String> {
        let known = [
            ("SIGSTORE_ROOT_FILE", "--fulcio-root", self.fulcio_root.is_empty()),
            ("SIGSTORE_REKOR_PUBLIC_KEY", "--rekor-key", self.rekor_key.is_empty()),
            ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "--ct-log-key", self.ct_log_key.is_empty()),
            ("SIGSTORE_TSA_CERTIFICATE_FILE", "--tsa-chain", self.tsa_chain.is_empty()),
        ];
        let set = known.into_iter().filter(|(name, _, unset)| *unset && std::env::var_os(name).is_some());
        set.map(|(name, flag, _)| {
            format!("{name} is set and not followed: trust comes from flags alone, {flag} FILE")
        })
        .collect()
    }
}
