//! One private Sigstore: authority, CT log, Rekor and the trusted root that believes them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::authority::{Authority, CertificateRequest, Validity, sign_certificate};
use crate::calendar::{BASE_TIME, DAY};
use crate::ct_log::CtLog;
use crate::evidence::Layer;
use crate::identity::Identity;
use crate::keys::{Algorithm, SigningKey};
use crate::layout::Image;
use crate::rekor::Rekor;
use crate::signer::Signer;
use crate::trusted_root::TrustedRoot;

/// How to build a [`Sigstore`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything is derived from it.
    pub seed: u64,
    /// Domain of the instance: `fulcio.<domain>` and so on.
    pub domain: String,
    /// Kind of the authority's keys.
    pub authority_algorithm: Algorithm,
    /// Validity of the authority's root certificate.
    pub root_validity: Validity,
    /// Validity of the authority's intermediate certificate.
    pub intermediate_validity: Validity,
}

impl Options {
    /// P-384 as the public-good instance, valid for years around [`BASE_TIME`].
    pub fn new(seed: u64) -> Options {
        Options {
            seed,
            domain: format!("sigstore-{seed}.example.com"),
            authority_algorithm: Algorithm::P384,
            root_validity: Validity::around(BASE_TIME),
            intermediate_validity: Validity::around(BASE_TIME),
        }
    }
}

/// A whole private Sigstore. All parts are public: change one and sign on.
///
/// Signing takes a shared reference; the log grows inside. Equal seeds and equal calls in equal order give equal
/// bytes.
#[derive(Debug)]
pub struct Sigstore {
    /// The seed.
    pub seed: u64,
    /// Domain of the instance.
    pub domain: String,
    /// The certificate authority.
    pub authority: Authority,
    /// The certificate transparency log.
    pub ct_log: CtLog,
    /// The signature log.
    pub rekor: Rekor,
    signatures: AtomicU64,
}

impl Sigstore {
    /// An honest instance.
    pub fn new(seed: u64) -> Sigstore {
        Sigstore::build(&Options::new(seed))
    }

    /// An instance to order.
    pub fn build(options: &Options) -> Sigstore {
        let Options { seed, domain, .. } = options;
        Sigstore {
            seed: *seed,
            domain: domain.clone(),
            authority: Authority::new(
                *seed,
                domain,
                options.authority_algorithm,
                options.root_validity,
                options.intermediate_validity,
            ),
            ct_log: CtLog::new(*seed, &format!("https://ctfe.{domain}/2025")),
            rekor: Rekor::new(*seed, &format!("rekor.{domain}")),
            signatures: AtomicU64::new(0),
        }
    }

    /// An instance with keys of P-256 throughout.
    pub fn with_p256_authority(seed: u64) -> Sigstore {
        Sigstore::build(&Options { authority_algorithm: Algorithm::P256, ..Options::new(seed) })
    }

    /// An instance whose intermediate certificate ended the day before [`BASE_TIME`], and which signs on regardless.
    pub fn with_expired_intermediate(seed: u64) -> Sigstore {
        let mut options = Options::new(seed);
        options.intermediate_validity.until = BASE_TIME - DAY;
        Sigstore::build(&options)
    }

    /// An instance whose root certificate ended the day before [`BASE_TIME`], and which signs on regardless.
    pub fn with_expired_root(seed: u64) -> Sigstore {
        let mut options = Options::new(seed);
        options.root_validity.until = BASE_TIME - DAY;
        Sigstore::build(&options)
    }

    /// An instance whose intermediate certificate begins the day after [`BASE_TIME`].
    pub fn with_future_intermediate(seed: u64) -> Sigstore {
        let mut options = Options::new(seed);
        options.intermediate_validity.from = BASE_TIME + DAY;
        Sigstore::build(&options)
    }

    /// Another instance that this one's trusted root does not know.
    #[must_use]
    pub fn foreign(&self) -> Sigstore {
        let mut options = Options::new(self.seed ^ 0x5eed_0000);
        options.domain = format!("foreign-{}", self.domain);
        options.authority_algorithm = self.authority.root_key.algorithm();
        Sigstore::build(&options)
    }

    /// The trusted root: authority, CT log and Rekor, believed from two years before [`BASE_TIME`] on.
    pub fn trusted_root(&self) -> TrustedRoot {
        TrustedRoot::new(&self.authority, &self.ct_log, &self.rekor, Validity::around(BASE_TIME).from)
    }

    /// A managed key of this instance's seed. Equal labels give equal keys.
    pub fn key(&self, label: &str, algorithm: Algorithm) -> SigningKey {
        SigningKey::derive(self.seed, &format!("managed/{label}"), algorithm)
    }

    /// A tiny image `registry.example.com/demo/<name>`; equal names give equal images.
    pub fn image(&self, name: &str) -> Image {
        Image::new(&format!("registry.example.com/demo/{name}"), &format!("{} of {}", name, self.seed))
    }

    /// Somebody who signs with a short-lived certificate.
    pub fn keyless(&self, identity: &Identity) -> Signer<'_> {
        Signer::keyless(self, identity)
    }

    /// Somebody who signs with a managed key.
    pub fn keyed(&self, key: &SigningKey) -> Signer<'_> {
        Signer::keyed(self, key)
    }

    /// The classic signature of an image by an identity, at [`BASE_TIME`].
    pub fn sign_keyless(&self, identity: &Identity, image: &Image) -> Layer {
        self.keyless(identity).image(&image.repository, &image.digest()).layer()
    }

    /// The classic signature of an image by a managed key, logged at [`BASE_TIME`].
    pub fn sign_keyed(&self, key: &SigningKey, image: &Image) -> Layer {
        self.keyed(key).image(&image.repository, &image.digest()).layer()
    }

    /// A fresh key for one signature.
    pub(crate) fn ephemeral_key(&self) -> SigningKey {
        let number = self.signatures.fetch_add(1, Ordering::SeqCst);
        SigningKey::derive(self.seed, &format!("ephemeral/{number}"), Algorithm::P256)
    }

    /// A certificate that names this authority as its issuer but is signed with its own key.
    pub(crate) fn self_signed(&self, request: &CertificateRequest, key: &SigningKey) -> Vec<u8> {
        let mut pretender = self.authority.clone();
        pretender.intermediate_key = key.clone();
        let precertificate = pretender.leaf_tbs(request, None);
        let sct =
            self.ct_log.stamp(&self.authority.issuer_key_hash(), &precertificate, request.validity.from);
        sign_certificate(key, &pretender.leaf_tbs(request, Some(&crate::ct_log::sct_list(&[sct]))))
    }
}
