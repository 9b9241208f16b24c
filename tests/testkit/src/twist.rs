//! Misbehaviours of a signature. Each is one departure from an otherwise honest signature, so that only the
//! check it is named after can refuse it; what a twist leaves alone is genuine.

use crate::authority::{CertificateRequest, SERVER_AUTH};
use crate::evidence::{Content, Signed};
use crate::json::Json;
use crate::merkle;
use crate::signer::{OTHER_DIGEST, Signer};

/// One misbehaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Twist {
    /// The signed payload names another image.
    WrongDigest,
    /// The payload was replaced after signing: it names the image and is logged, but nobody signed it.
    PayloadNobodySigned,
    /// The signed payload names the digest twice, the right one last.
    PayloadMemberTwice,
    /// The signed payload is of another type (`critical.type`).
    PayloadOfAnotherType,
    /// One bit of the signature differs, and the log holds it like that.
    SignatureAltered,
    /// Signed with a key that is not the certificate's (or not the managed one).
    SignatureOfAnotherKey,
    /// Signature, certificate and log entry copied from a genuine signature of another payload: the forgery that
    /// a verifier accepts when it does not bind every part to every other.
    Stranger,

    /// The certificate of another genuine signature by the same identity, and logged with it.
    CertificateOfAnotherSignature,
    /// Issued by an authority that is not in the trusted root; the SCT is by the trusted CT log.
    CertificateOfAnotherAuthority,
    /// Names the trusted authority as issuer but is signed with its own key.
    SelfSigned,
    /// One bit of the authority's signature on the certificate differs.
    CertificateAltered,
    /// Logged one second after the certificate ended.
    CertificateExpired,
    /// Logged one second before the certificate began.
    CertificateNotYetValid,
    /// Without an SCT.
    SctMissing,
    /// With an SCT by a log that is not in the trusted root.
    SctOfUnknownLog,
    /// With an SCT whose time was changed.
    SctTimeAltered,
    /// With a genuine SCT of another certificate.
    SctOfAnotherCertificate,
    /// Without extended key usage.
    CodeSigningMissing,
    /// For web servers, not for signing code.
    ServerCertificate,
    /// The name goes on after a NUL byte.
    NulInSubject,
    /// The name goes on after a line break.
    NewlineInSubject,
    /// The name begins with a terminal escape sequence.
    AnsiInSubject,

    /// The log entry of another genuine signature by the same signer.
    EntryOfAnotherSignature,
    /// Logged honestly in a log that is not in the trusted root.
    EntryOfAnotherLog,
    /// Promised by the key of another log, under the trusted log's id.
    EntryForgedByAnotherLog,
    /// One bit of the signed entry timestamp differs.
    SetAltered,
    /// The integrated time was changed by a second after the log had signed it.
    IntegratedTimeChanged,
    /// The log index was changed after the log had signed it.
    LogIndexChanged,
    /// The log id is another log's; the promise is the trusted log's.
    LogIdOfAnotherLog,
    /// The body is another genuine entry's; the promise is this one's.
    BodyReplaced,
    /// The log signed a body with the hash of another payload, and else with these parts.
    BodyHashOfAnother,
    /// The log signed a body with another signature, and else with these parts.
    BodySignatureOfAnother,
    /// The log signed a body with another certificate or key, and else with these parts.
    BodyKeyOfAnother,
    /// The log signed a body of a kind that does not exist.
    BodyOfUnknownKind,
    /// The log signed a body that gives its `spec` twice.
    BodyMemberTwice,

    /// Bundle only: one hash of the inclusion proof differs.
    ProofAltered,
    /// Bundle only: the proof's place in the tree is another's.
    ProofIndexChanged,
    /// Bundle only: proof and checkpoint of a tree that does not hold the entry.
    ProofOfAnotherTree,
    /// Bundle only: one bit of the checkpoint's signature differs.
    CheckpointAltered,
    /// Bundle only: the checkpoint is over another root, signed by the trusted log.
    CheckpointOfAnotherRoot,
    /// Bundle only: the checkpoint is signed by another log.
    CheckpointOfAnotherLog,
}

/// The shape in which a twisted signature is looked at.
#[expect(clippy::struct_excessive_bools, reason = "four independent properties of one piece of evidence")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// A short-lived certificate, not a managed key.
    pub keyless: bool,
    /// With a log entry.
    pub logged: bool,
    /// An envelope, not a plain payload.
    pub envelope: bool,
    /// A Sigstore bundle, not classic annotations.
    pub bundle: bool,
}

impl Shape {
    /// A classic keyless image signature.
    pub const CLASSIC_KEYLESS: Shape = Shape { keyless: true, logged: true, envelope: false, bundle: false };
    /// A classic image signature by a managed key with a log entry.
    pub const CLASSIC_KEYED: Shape = Shape { keyless: false, logged: true, envelope: false, bundle: false };
    /// A classic keyless attestation.
    pub const CLASSIC_ATTESTATION: Shape =
        Shape { keyless: true, logged: true, envelope: true, bundle: false };
    /// A keyless image signature as cosign 3 writes it.
    pub const BUNDLE: Shape = Shape { keyless: true, logged: true, envelope: true, bundle: true };
}

impl Twist {
    /// All of them.
    pub const ALL: [Twist; 41] = [
        Twist::WrongDigest,
        Twist::PayloadNobodySigned,
        Twist::PayloadMemberTwice,
        Twist::PayloadOfAnotherType,
        Twist::SignatureAltered,
        Twist::SignatureOfAnotherKey,
        Twist::Stranger,
        Twist::CertificateOfAnotherSignature,
        Twist::CertificateOfAnotherAuthority,
        Twist::SelfSigned,
        Twist::CertificateAltered,
        Twist::CertificateExpired,
        Twist::CertificateNotYetValid,
        Twist::SctMissing,
        Twist::SctOfUnknownLog,
        Twist::SctTimeAltered,
        Twist::SctOfAnotherCertificate,
        Twist::CodeSigningMissing,
        Twist::ServerCertificate,
        Twist::NulInSubject,
        Twist::NewlineInSubject,
        Twist::AnsiInSubject,
        Twist::EntryOfAnotherSignature,
        Twist::EntryOfAnotherLog,
        Twist::EntryForgedByAnotherLog,
        Twist::SetAltered,
        Twist::IntegratedTimeChanged,
        Twist::LogIndexChanged,
        Twist::LogIdOfAnotherLog,
        Twist::BodyReplaced,
        Twist::BodyHashOfAnother,
        Twist::BodySignatureOfAnother,
        Twist::BodyKeyOfAnother,
        Twist::BodyOfUnknownKind,
        Twist::BodyMemberTwice,
        Twist::ProofAltered,
        Twist::ProofIndexChanged,
        Twist::ProofOfAnotherTree,
        Twist::CheckpointAltered,
        Twist::CheckpointOfAnotherRoot,
        Twist::CheckpointOfAnotherLog,
    ];

    /// Those that spoil evidence of that shape; each of them must be refused under the honest trusted root.
    pub fn of(shape: Shape) -> Vec<Twist> {
        Twist::ALL.into_iter().filter(|twist| twist.applies(shape)).collect()
    }

    /// Whether it spoils evidence of that shape.
    pub fn applies(self, shape: Shape) -> bool {
        match self {
            Twist::WrongDigest
            | Twist::PayloadNobodySigned
            | Twist::SignatureAltered
            | Twist::SignatureOfAnotherKey
            | Twist::Stranger => true,
            Twist::PayloadMemberTwice | Twist::PayloadOfAnotherType => !shape.envelope,
            Twist::CertificateExpired | Twist::CertificateNotYetValid => shape.keyless && shape.logged,
            Twist::CertificateOfAnotherSignature
            | Twist::CertificateOfAnotherAuthority
            | Twist::SelfSigned
            | Twist::CertificateAltered
            | Twist::SctMissing
            | Twist::SctOfUnknownLog
            | Twist::SctTimeAltered
            | Twist::SctOfAnotherCertificate
            | Twist::CodeSigningMissing
            | Twist::ServerCertificate
            | Twist::NulInSubject
            | Twist::NewlineInSubject
            | Twist::AnsiInSubject => shape.keyless,
            Twist::ProofAltered
            | Twist::ProofIndexChanged
            | Twist::ProofOfAnotherTree
            | Twist::CheckpointAltered
            | Twist::CheckpointOfAnotherRoot
            | Twist::CheckpointOfAnotherLog => shape.logged && shape.bundle,
            _ => shape.logged,
        }
    }

    /// Whether it is a misbehaviour of the entry in the instance's own log, which has promises and no other log's form.
    pub fn is_of_the_entry(self) -> bool {
        let unlogged = Shape { keyless: true, logged: false, envelope: false, bundle: true };
        !self.applies(unlogged) && !matches!(self, Twist::CertificateExpired | Twist::CertificateNotYetValid)
    }

    /// Changes the certificate before it is issued.
    pub(crate) fn adjust(self, request: &mut CertificateRequest) {
        let mut rename = |change: &dyn Fn(&str) -> String| {
            for name in &mut request.names {
                *name = name.with_text(change(name.text()));
            }
        };
        match self {
            Twist::NulInSubject => rename(&|text| format!("{text}\0.attacker.example.com")),
            Twist::NewlineInSubject => rename(&|text| format!("{text}\nhttps://attacker.example.com")),
            Twist::AnsiInSubject => rename(&|text| format!("\u{1b}[2K\u{1b}[1G{text}")),
            Twist::CodeSigningMissing => request.extended_key_usage.clear(),
            Twist::ServerCertificate => request.extended_key_usage = vec![SERVER_AUTH.to_owned()],
            _ => {}
        }
    }

    /// Changes the parts after signing.
    pub(crate) fn apply(self, signer: &Signer<'_>, mut signed: Signed) -> Signed {
        let honest = signer.honest();
        let another = || honest.produce_another(&signed.content);
        match self {
            Twist::PayloadNobodySigned => {
                // The same claim in other words: a reader sees the right image, the signature is over other bytes.
                let payload = signed.content.payload_mut();
                payload.push(b'\n');
                relog(signer, &mut signed);
            }
            Twist::SignatureAltered => {
                flip_last(&mut signed.signature);
                relog(signer, &mut signed);
            }
            Twist::Stranger => {
                let other = another();
                signed = Signed { content: signed.content, ..other };
            }
            Twist::CertificateOfAnotherSignature => {
                signed.certificate = another().certificate;
                relog(signer, &mut signed);
            }
            Twist::CertificateAltered => {
                if let Some(certificate) = &mut signed.certificate {
                    flip_last(certificate);
                }
                relog(signer, &mut signed);
            }
            Twist::EntryOfAnotherSignature => signed.entry = another().entry,
            Twist::EntryOfAnotherLog => {
                let foreign = signer.sigstore.foreign();
                relog(&signer.moved(&foreign), &mut signed);
            }
            _ => self.apply_to_entry(signer, &mut signed),
        }
        signed
    }

    /// Changes the log entry after signing.
    fn apply_to_entry(self, signer: &Signer<'_>, signed: &mut Signed) {
        let honest = signer.honest();
        let content = signed.content.clone();
        let another = || honest.produce_another(&content);
        let rekor = &signer.sigstore.rekor;
        let body = |change: &dyn Fn(Signed) -> Signed| {
            let (kind, version, body) = honest.body(&change(signed.clone()));
            rekor.append(kind, version, &body, honest.integrated_time())
        };
        let replaced = match self {
            Twist::BodyHashOfAnother => Some(body(&|mine| Signed { content: another().content, ..mine })),
            Twist::BodySignatureOfAnother => {
                Some(body(&|mine| Signed { signature: another().signature, ..mine }))
            }
            Twist::BodyKeyOfAnother => Some(body(&|mine| {
                let other = honest.somebody_else().produce_another(&content);
                Signed { certificate: other.certificate, public_pem: other.public_pem, ..mine }
            })),
            Twist::BodyOfUnknownKind => {
                let (_, version, mut body) = honest.body(signed);
                *body.member("kind") = "unheard".into();
                Some(rekor.append("unheard", version, &body, honest.integrated_time()))
            }
            Twist::BodyMemberTwice => {
                let (kind, version, mut body) = honest.body(signed);
                let spec = body.member("spec").canonical();
                let text = body.with("spec", Json::Raw(spec)).compact();
                Some(rekor.append_bytes(kind, version, text.into_bytes(), honest.integrated_time()))
            }
            _ => None,
        };
        if replaced.is_some() {
            signed.entry = replaced;
        }
        let Some(entry) = &mut signed.entry else { return };
        match self {
            Twist::EntryForgedByAnotherLog => entry.promise(&signer.sigstore.foreign().rekor.key),
            Twist::SetAltered => flip_last(&mut entry.set),
            Twist::IntegratedTimeChanged => entry.integrated_time += 1,
            Twist::LogIndexChanged => entry.log_index += 1,
            Twist::LogIdOfAnotherLog => entry.log_id = signer.sigstore.foreign().rekor.key.key_id(),
            Twist::BodyReplaced => entry.body = another().entry.unwrap().body,
            Twist::ProofAltered => entry.proof.hashes[0][0] ^= 1,
            Twist::ProofIndexChanged => entry.proof.index -= 1,
            Twist::ProofOfAnotherTree => entry.proof = another().entry.unwrap().proof,
            Twist::CheckpointAltered => entry.proof.checkpoint = alter_note(&entry.proof.checkpoint),
            Twist::CheckpointOfAnotherRoot => {
                let size = usize::try_from(entry.proof.tree_size).unwrap();
                entry.proof.checkpoint = rekor.checkpoint(size, &merkle::leaf(b"another tree"));
            }
            Twist::CheckpointOfAnotherLog => {
                let size = usize::try_from(entry.proof.tree_size).unwrap();
                entry.proof.checkpoint = signer.sigstore.foreign().rekor.checkpoint(size, &entry.proof.root);
            }
            _ => {}
        }
    }
}

impl Signer<'_> {
    /// A genuine signature by the same signer of the same kind of content about another image.
    fn produce_another(&self, content: &Content) -> Signed {
        match content {
            Content::Payload(_) => self.image("registry.example.com/demo/another", OTHER_DIGEST),
            Content::Envelope { .. } => {
                self.statement("v1", "", OTHER_DIGEST, "https://example.com/another/v1", "{}")
            }
        }
    }
}

/// Logs the signature as it is now.
fn relog(signer: &Signer<'_>, signed: &mut Signed) {
    if signed.entry.is_some() {
        signer.log(signed);
    }
    signer.stamp(signed);
}

/// Flips the lowest bit of the last byte: structure stays, value differs.
pub fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}

/// Flips a bit in the signature of a note.
fn alter_note(note: &str) -> String {
    let (head, line) = note.trim_end().rsplit_once(' ').unwrap();
    let mut bytes = crate::unbase64(line);
    flip_last(&mut bytes);
    format!("{head} {}\n", crate::base64(&bytes))
}
