//! A private Sigstore with everything that issue evidence: both versions of the log, timestamp authorities, and the
//! questions that tests put to the one door.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sealock::crypto::{HashAlgorithm, PublicKey};
use sealock::evidence::{Evidence, EvidenceFault, bundle, classic};
use sealock::image::Digest;
use sealock::trust::{TrustView, TrustedRoot};
use sealock::verify::{
    Demand, KeyHash, LogDemand, Purpose, SignerDemand, StampDemand, Subject, Verified, verify,
};
use sealock_testkit::{Algorithm, Identity, RekorV2, Shape, Signed, Signer, SigningKey, Sigstore, Tsa};

pub const REPOSITORY: &str = "registry.example.com/demo/app";
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

pub fn view(root: &sealock_testkit::TrustedRoot) -> TrustView {
    TrustView::build("minted", &TrustedRoot::from_json(root.json().as_bytes()).unwrap())
}

pub fn read_bundle(text: &str) -> Result<Evidence, EvidenceFault> {
    bundle::parse(Digest::sha256(text.as_bytes()), text.as_bytes())
}

/// Reads it in that shape, as a reader of the layer or bundle would.
pub fn read(signed: &Signed, shape: Shape) -> Result<Evidence, EvidenceFault> {
    if shape.bundle {
        return read_bundle(&signed.bundle());
    }
    let layer = signed.layer();
    let digest = Digest::sha256(&layer.blob);
    if shape.envelope {
        classic::attestation(digest, &layer.blob, &layer.annotations)
    } else {
        classic::signature(digest, layer.blob.clone(), &layer.annotations)
    }
}

pub struct World {
    pub sigstore: Sigstore,
    pub log: RekorV2,
    pub tsa: Tsa,
    pub image: Digest,
    pub text: String,
}

impl World {
    pub fn new(seed: u64) -> World {
        World::with(seed, Algorithm::Ed25519, Algorithm::P384)
    }

    pub fn with(seed: u64, log: Algorithm, tsa: Algorithm) -> World {
        let sigstore = Sigstore::with_p256_authority(seed);
        let text = sigstore.image("app").digest();
        World {
            log: RekorV2::new(seed, &format!("log2025.{}", sigstore.domain), log),
            tsa: Tsa::with_key(seed, &sigstore.domain, tsa),
            image: text.parse().unwrap(),
            text,
            sigstore,
        }
    }

    /// Everything of this world.
    pub fn root(&self) -> sealock_testkit::TrustedRoot {
        self.sigstore.trusted_root().with_log_v2(&self.log).with_tsa(&self.tsa)
    }

    pub fn view(&self) -> TrustView {
        view(&self.root())
    }

    /// Signs by identity, in Rekor v2, without a stamp.
    pub fn unstamped(&self) -> Signer<'_> {
        self.sigstore.keyless(&Identity::example()).logged_in_v2(&self.log)
    }

    /// Signs by identity, in Rekor v2, stamped: what cosign writes today.
    pub fn stamped(&self) -> Signer<'_> {
        self.unstamped().stamped_by(&self.tsa)
    }

    pub fn sign(&self, signer: &Signer<'_>) -> Signed {
        signer.image_statement(&self.text)
    }

    pub fn demand<'a>(&'a self, view: &'a TrustView) -> Demand<'a> {
        Demand {
            subject: Subject::Image(&self.image),
            purpose: Purpose::ImageSignature,
            signer: SignerDemand::Keyless { view, sct: true },
            log: LogDemand::Required(view),
            stamp: StampDemand::Optional(view),
        }
    }

    /// The verdict on a bundle under a root: the proof, or the code.
    pub fn judge(&self, signed: &Signed, view: &TrustView) -> Result<Verified, &'static str> {
        judge(&read(signed, Shape::BUNDLE).map_err(|_| "evidence/malformed")?, &self.demand(view))
    }

    /// The same where a stamp is demanded.
    pub fn judge_stamp(&self, signed: &Signed, view: &TrustView) -> Result<Verified, &'static str> {
        let demand = Demand { stamp: StampDemand::Required(view), ..self.demand(view) };
        judge(&read(signed, Shape::BUNDLE).map_err(|_| "evidence/malformed")?, &demand)
    }

    pub fn key(&self) -> (SigningKey, PublicKey) {
        let key = self.sigstore.key("release", Algorithm::P256);
        let public = PublicKey::from_pem(&key.public_pem()).unwrap();
        (key, public)
    }
}

pub fn by_key(key: &PublicKey) -> SignerDemand<'_> {
    SignerDemand::Key { key, hash: KeyHash::As(HashAlgorithm::Sha256) }
}

pub fn judge(evidence: &Evidence, demand: &Demand<'_>) -> Result<Verified, &'static str> {
    verify(evidence, demand).1.map_err(|rejection| rejection.code().name)
}
