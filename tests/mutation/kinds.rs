//! One piece of evidence of every kind, with two donors, and what becomes of it when a part is signed anew by somebody
//! else.

use sealock::crypto::PublicKey;
use sealock::evidence::Evidence;
use sealock::image::Digest;
use sealock::trust::TrustView;
use sealock::verify::{Demand, LogDemand, Purpose, StampDemand, Subject, Verified};
use sealock_testkit::calendar::{BASE_TIME, MINUTE};
use sealock_testkit::ct_log::Sct;
use sealock_testkit::rekor_v2::line;
use sealock_testkit::{Algorithm, EnvelopeEntry, Identity, Shape, Signed, Signer, SigningKey, Twist};

use super::minted::{self, PROVENANCE, REPOSITORY, World, by_key};
use super::parts::StampProof;

/// The bytes of the file that file signatures are of.
const FILE: &[u8] = b"a file";

/// In which form the evidence travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    ClassicSignature,
    ClassicAttestation,
    /// An image statement in a bundle of that version.
    Bundle(&'static str),
    /// A signature of a file in a bundle of that version.
    File(&'static str),
}

/// A kind of evidence, as in the table.
struct Plan {
    name: &'static str,
    form: Form,
    keyed: bool,
    v2: bool,
    stamped: bool,
    entry: EnvelopeEntry,
}

const fn plan(name: &'static str, form: Form, entry: EnvelopeEntry) -> Plan {
    Plan { name, form, keyed: false, v2: false, stamped: false, entry }
}

const fn v2(name: &'static str, form: Form, entry: EnvelopeEntry) -> Plan {
    Plan { v2: true, stamped: true, ..plan(name, form, entry) }
}

use EnvelopeEntry::{Dsse, Hashedrekord, IntotoV1, IntotoV2};

const PLANS: [Plan; 19] = [
    plan("classic keyless", Form::ClassicSignature, Dsse),
    Plan { keyed: true, ..plan("classic keyed", Form::ClassicSignature, Dsse) },
    Plan { stamped: true, ..plan("classic keyless, stamped", Form::ClassicSignature, Dsse) },
    plan("classic attestation, dsse", Form::ClassicAttestation, Dsse),
    plan("classic attestation, intoto 0.0.1", Form::ClassicAttestation, IntotoV1),
    plan("bundle 0.1, hashedrekord of a file", Form::File("0.1"), Dsse),
    plan("bundle 0.1, dsse", Form::Bundle("0.1"), Dsse),
    plan("bundle 0.2, hashedrekord of a file", Form::File("0.2"), Dsse),
    plan("bundle 0.2, intoto 0.0.2", Form::Bundle("0.2"), IntotoV2),
    plan("bundle 0.3, hashedrekord of a file", Form::File("0.3"), Dsse),
    plan("bundle 0.3, hashedrekord", Form::Bundle("0.3"), Hashedrekord),
    plan("bundle 0.3, dsse", Form::Bundle("0.3"), Dsse),
    plan("bundle 0.3, intoto 0.0.1", Form::Bundle("0.3"), IntotoV1),
    plan("bundle 0.3, intoto 0.0.2", Form::Bundle("0.3"), IntotoV2),
    Plan { keyed: true, ..plan("bundle 0.3, dsse, keyed", Form::Bundle("0.3"), Dsse) },
    v2("bundle 0.3, Rekor v2 dsse, stamped", Form::Bundle("0.3"), Dsse),
    v2("bundle 0.3, Rekor v2 hashedrekord, stamped", Form::Bundle("0.3"), Hashedrekord),
    v2("bundle 0.3, Rekor v2 hashedrekord of a file, stamped", Form::File("0.3"), Dsse),
    Plan { keyed: true, ..v2("bundle 0.3, Rekor v2 dsse, keyed, stamped", Form::Bundle("0.3"), Dsse) },
];

/// Evidence that verifies, and everything needed to spoil it.
pub struct Kind {
    pub name: &'static str,
    pub evidence: Evidence,
    /// Genuine evidence by the same signer of something else, a minute later.
    pub donor: Evidence,
    /// Evidence of the same, at an instance that nobody trusts.
    pub stranger: Evidence,
    /// The parts of its stamp that prove something.
    pub stamp: Option<StampProof>,
    /// The same with one signature by another key.
    pub signed_anew: Vec<(&'static str, Evidence)>,
    view: TrustView,
    key: Option<PublicKey>,
    subject: Digest,
    purpose: Purpose,
    stamped: bool,
}

impl Kind {
    pub fn judge(&self, evidence: &Evidence) -> Result<Verified, &'static str> {
        let subject = if self.purpose == Purpose::Artifact {
            Subject::Artifact { digest: &self.subject, bytes: Some(FILE) }
        } else {
            Subject::Image(&self.subject)
        };
        let signer = match &self.key {
            Some(key) => by_key(key),
            None => sealock::verify::SignerDemand::Keyless { view: &self.view, sct: true },
        };
        let stamp =
            if self.stamped { StampDemand::Required(&self.view) } else { StampDemand::Optional(&self.view) };
        let log = LogDemand::Required(&self.view);
        minted::judge(evidence, &Demand { subject, purpose: self.purpose, signer, log, stamp })
    }
}

/// Every kind.
pub fn all() -> Vec<Kind> {
    let (world, foreign) = (World::new(70), World::new(71));
    PLANS.iter().map(|plan| plan.kind(&world, &foreign)).collect()
}

impl Plan {
    fn kind(&self, world: &World, foreign: &World) -> Kind {
        let signer = self.signer(world);
        let signed = self.sign(&signer, &world.text);
        let other = sealock_testkit::sha256_digest(b"another image");
        let donor = self.sign(&signer.clone().at(BASE_TIME + MINUTE), &other);
        let stranger = self.sign(&self.signer(foreign), &world.text);
        let purpose = match self.form {
            Form::File(_) => Purpose::Artifact,
            Form::ClassicAttestation => Purpose::Attestation,
            _ => Purpose::ImageSignature,
        };
        let subject = match self.form {
            Form::File(_) => Digest::sha256(FILE),
            _ => world.image,
        };
        let token = world.tsa.token(&signed.to_be_stamped(false), signer_time());
        Kind {
            name: self.name,
            evidence: self.read(&signed),
            donor: self.read(&donor),
            stranger: self.read(&stranger),
            stamp: self.stamped.then(|| token.proof_carrying()),
            signed_anew: self.signed_anew(world, foreign, &signer, &signed),
            view: world.view(),
            key: self.keyed.then(|| world.key().1),
            subject,
            purpose,
            stamped: self.stamped,
        }
    }

    fn signer<'w>(&self, world: &'w World) -> Signer<'w> {
        let signer = if self.keyed {
            world.sigstore.keyed(&world.key().0)
        } else {
            world.sigstore.keyless(&Identity::example())
        };
        let signer = if self.v2 { signer.logged_in_v2(&world.log) } else { signer };
        let signer = if self.stamped { signer.stamped_by(&world.tsa) } else { signer };
        signer.envelope_entry(self.entry)
    }

    fn sign(&self, signer: &Signer<'_>, digest: &str) -> Signed {
        match self.form {
            Form::ClassicSignature => signer.image(REPOSITORY, digest),
            Form::ClassicAttestation => signer.statement("v0.1", REPOSITORY, digest, PROVENANCE, "{}"),
            Form::Bundle(_) => signer.image_statement(digest),
            Form::File(_) if digest == sealock_testkit::sha256_digest(b"another image") => {
                signer.payload(b"another file".to_vec())
            }
            Form::File(_) => signer.payload(FILE.to_vec()),
        }
    }

    fn read(&self, signed: &Signed) -> Evidence {
        let mut signed = signed.clone();
        let text = match self.form {
            Form::ClassicSignature => return minted::read(&signed, Shape::CLASSIC_KEYLESS).unwrap(),
            Form::ClassicAttestation => return minted::read(&signed, Shape::CLASSIC_ATTESTATION).unwrap(),
            Form::Bundle("0.3") | Form::File("0.3") => signed.bundle(),
            Form::Bundle(version) | Form::File(version) => {
                // The first version knows the promise alone.
                if let Some(entry) = signed.entry.as_mut().filter(|_| version == "0.1") {
                    entry.proof.checkpoint.clear();
                }
                signed.older_bundle(version)
            }
        };
        minted::read_bundle(&text).unwrap()
    }

    fn signed_anew(
        &self,
        world: &World,
        foreign: &World,
        signer: &Signer<'_>,
        signed: &Signed,
    ) -> Vec<(&'static str, Evidence)> {
        let other = SigningKey::derive(72, "somebody else", Algorithm::P256);
        let mut out = Vec::new();
        let mut add = |name, change: &dyn Fn(&mut Signed)| {
            let mut changed = signed.clone();
            change(&mut changed);
            out.push((name, self.read(&changed)));
        };
        add("signature", &|s| s.signature = other.sign(&s.content.to_be_signed(), s.hash));
        if !self.v2 {
            add("promise", &|s| s.entry.as_mut().unwrap().promise(&other));
        }
        if matches!(self.form, Form::Bundle("0.2" | "0.3") | Form::File("0.2" | "0.3")) {
            add("checkpoint", &|s| {
                let entry = s.entry.as_mut().unwrap();
                let (text, _) = entry.proof.checkpoint.split_once("\n\n").unwrap();
                let text = format!("{text}\n");
                let key = if self.v2 { &foreign.log.key } else { &other };
                let signature = key.sign(text.as_bytes(), key.usual_hash());
                let host = text.lines().next().unwrap().split(' ').next().unwrap().to_owned();
                entry.proof.checkpoint = format!("{text}\n{}", line(&host, &entry.log_id[..4], &signature));
            });
        }
        if self.stamped {
            add("stamp", &|s| {
                let token = world.tsa.token(&s.to_be_stamped(false), signer_time());
                s.timestamps = vec![token.signed_by(&other).response()];
            });
        }
        if !self.keyed {
            let pretender = signer.clone().twisted(Twist::CertificateOfAnotherAuthority);
            out.push(("certificate", self.read(&self.sign(&pretender, &world.text))));
            let unpromised = signer.clone().scts(|log, shown| {
                let sct = foreign.sigstore.ct_log.stamp(&shown.issuer_key_hash, shown.tbs, shown.time);
                vec![Sct { log_id: log.key.key_id(), ..sct }]
            });
            out.push(("sct", self.read(&self.sign(&unpromised, &world.text))));
        }
        out
    }
}

/// When signers of this world have their signatures stamped.
fn signer_time() -> i64 {
    BASE_TIME + sealock_testkit::signer::LOG_DELAY
}
