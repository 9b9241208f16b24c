//! A trusted root out of its parts: certificates and keys that somebody names one by one.
//!
//! Input: chains of certificates, public keys. Output: a [`TrustedRoot`] without validity windows.
//!
//! | rule | source |
//! |---|---|
//! | self-issued certificates are anchors, whatever their place; the others are intermediates of any of them | policy-controller behaviour §2.4; cosign's `SIGSTORE_ROOT_FILE` |
//! | where several certificates could have issued one, each way up to an anchor counts | cross-signed authorities |
//! | no validity windows: everything counts from the beginning of time | behaviour §1.5 |
//! | a log is known by the hash of its key | RFC 6962 §3.2, Rekor |
//!
//! Not checked here: dates and purposes of the certificates ([`super::view`]). Attacks considered: certificates that
//! issue each other in circles, and more ways up than anybody needs.

use sealock_trust_root::root::{Authority, LogKey, TrustedRoot, Window};

use crate::crypto::{Certificate, PublicKey, sha256};

/// Longest chain of certificates that is put together.
const MAX_CHAIN: usize = 6;
/// Most ways up from one certificate.
const MAX_WAYS: usize = 16;

/// What a root is made of. Each list of certificates has the URI of its authority, each key that of its log.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Who issues signing certificates.
    pub issuing: Vec<(String, Vec<Certificate>)>,
    /// Who stamps times.
    pub stamping: Vec<(String, Vec<Certificate>)>,
    /// Signing logs.
    pub logs: Vec<(String, PublicKey)>,
    /// CT logs.
    pub ct_logs: Vec<(String, PublicKey)>,
}

impl Parts {
    /// The root; `digest` names it.
    pub fn root(&self, digest: [u8; 32]) -> TrustedRoot {
        // Anchors of one authority serve the intermediates of another: upstream pools them.
        let pool: Vec<Certificate> = self.issuing.iter().flat_map(|(_, chain)| chain.clone()).collect();
        let issuing = self.issuing.iter().flat_map(|(uri, chain)| chain.iter().map(move |c| (uri, c)));
        let stamping = self.stamping.iter().flat_map(|(uri, chain)| {
            let leaf =
                chain.iter().find(|c| !c.is_ca).or_else(|| chain.iter().find(|c| c.issuer != c.subject));
            leaf.map(|leaf| ways(uri, leaf, chain)).unwrap_or_default()
        });
        let keys = |keys: &[(String, PublicKey)]| keys.iter().map(|(url, key)| log(url, key)).collect();
        TrustedRoot {
            digest,
            certificate_authorities: issuing.flat_map(|(uri, c)| ways(uri, c, &pool)).collect(),
            transparency_logs: keys(&self.logs),
            ct_logs: keys(&self.ct_logs),
            timestamp_authorities: stamping.collect(),
            findings: Vec::new(),
        }
    }
}

fn log(url: &str, key: &PublicKey) -> LogKey {
    let key_id = sha256(key.spki());
    LogKey {
        base_url: url.to_owned(),
        log_id: key_id.to_vec(),
        key_id,
        spki: key.spki().to_vec(),
        algorithm: key.algorithm(),
        window: Window::default(),
    }
}

/// Every way from `certificate` up to a self-issued one. None leads to none: such a certificate vouches for nobody.
fn ways(uri: &str, certificate: &Certificate, pool: &[Certificate]) -> Vec<Authority> {
    let mut found = Vec::new();
    let mut open = vec![vec![certificate]];
    while let Some(chain) = open.pop() {
        let Some(last) = chain.last() else { continue };
        if last.issuer == last.subject {
            let chain = chain.into_iter().map(|c| c.der.clone()).collect();
            found.push(Authority { uri: uri.to_owned(), chain, window: Window::default() });
            if found.len() >= MAX_WAYS {
                break;
            }
            continue;
        }
        if chain.len() >= MAX_CHAIN || open.len() >= MAX_WAYS {
            continue;
        }
        // The first that was given is tried first.
        for parent in pool.iter().rev() {
            let new = !chain.iter().any(|c| c.subject == parent.subject);
            if new && last.is_signed_by(parent) && open.len() < MAX_WAYS {
                open.push(chain.iter().copied().chain([parent]).collect());
            }
        }
    }
    found
}
