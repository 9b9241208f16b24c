//! TLS configurations: whom a registry's certificate must come from, and who we are.
//!
//! Input: PEM text. Output: one [`rustls::ClientConfig`] with ring's provider, named.
//!
//! | rule | why |
//! |---|---|
//! | a file of certificates is counted; one without any is an error | a misspelt path or a key instead of a certificate must not pass for trust |
//! | a certificate that cannot be read is an error, not skipped | the same |
//! | the provider is named | with two in the graph the default one is a matter of chance |
//! | certificates are added to the system's, not put in their place | what users of `--ca-file` expect |

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::NetworkFault;

/// A file of PEM blocks, with its name for messages.
#[derive(Clone)]
pub struct PemFile {
    /// As the user named it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for PemFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // May hold a private key.
        write!(f, "PemFile({})", self.name)
    }
}

/// The certificates in a file, at least one.
///
/// # Errors
/// [`NetworkFault::Certificates`] where there is none, or one that cannot be read.
pub fn certificates(file: &PemFile) -> Result<Vec<CertificateDer<'static>>, NetworkFault> {
    let fault = |reason: String| NetworkFault::Certificates { file: file.name.clone(), reason };
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&file.bytes) {
        found.push(certificate.map_err(|e| fault(format!("a PEM block cannot be read: {e}")))?);
    }
    if found.is_empty() {
        return Err(fault("it holds no certificate".to_owned()));
    }
    let announced = file.bytes.windows(BEGIN.len()).filter(|w| *w == BEGIN).count();
    if announced != found.len() {
        return Err(fault(format!("{announced} certificates begin in it, {} can be read", found.len())));
    }
    Ok(found)
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The configuration for all connections; `system` says whether the system's certificates count too.
///
/// # Errors
/// [`NetworkFault::Certificates`] and [`NetworkFault::Tls`].
pub fn configuration(
    authorities: &[PemFile],
    identity: Option<&(PemFile, PemFile)>,
    system: bool,
) -> Result<ClientConfig, NetworkFault> {
    let mut roots = RootCertStore::empty();
    if system {
        // A machine without any has plain HTTP and its own files left; a connection says what it lacks.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for file in authorities {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|e| NetworkFault::Certificates {
                file: file.name.clone(),
                reason: format!("a certificate in it cannot be a trust anchor: {e}"),
            })?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| NetworkFault::Tls { reason: e.to_string() })?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let certificates = certificates(chain)?;
            let key = PrivateKeyDer::from_pem_slice(&key.bytes).map_err(|e| NetworkFault::Certificates {
                file: key.name.clone(),
                reason: format!("it holds no private key that can be read: {e}"),
            })?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(|e| NetworkFault::Certificates { file: chain.name.clone(), reason: e.to_string() })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
