//! Every parser of foreign bytes, as a function of bytes that must return.
//!
//! What parses is also taken one step further where that is where foreign bytes go next: evidence through the one door,
//! roots into a view, expressions over a subject.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use sealock::crypto::{Certificate, PublicKey};
use sealock::evidence::{Evidence, bundle, classic, dsse, fetched, statement};
use sealock::image::{Digest, Manifest, Reference};
use sealock::log::head::LogKind;
use sealock::log::{Checkpoint, Head, History, LogState};
use sealock::policy::glob::Glob;
use sealock::policy::regexp::Regexp;
use sealock::policy::{Input, load};
use sealock::seal::{Header, Operators, Receipt, ReceiptKey, Snapshot};
use sealock::trust::{TrustView, TrustedRoot};
use sealock::verify::{Demand, LogDemand, Purpose, SignerDemand, StampDemand, Subject, verify};

use crate::seeds::{self, World};

/// A parser.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

pub const ALL: [Target; 23] = [
    target("classic-signature", classic_signature),
    target("classic-attestation", classic_attestation),
    target("bundle", read_bundle),
    target("envelope", envelope),
    target("statement", read_statement),
    target("simple-signing", simple_signing),
    target("certificate", certificate),
    target("public-key", public_key),
    target("timestamp", timestamp),
    target("log-entry", log_entry),
    target("checkpoint", checkpoint),
    target("tree-head", tree_head),
    target("log-history", log_history),
    target("log-state", log_state),
    target("manifest", manifest),
    target("reference", reference),
    target("policy", policy),
    target("regexp", regexp),
    target("glob", glob),
    target("seal-header", seal_header),
    target("seal-documents", seal_documents),
    target("trusted-root", trusted_root),
    target("archive", archive),
];

fn view() -> &'static TrustView {
    static VIEW: OnceLock<TrustView> = OnceLock::new();
    VIEW.get_or_init(|| {
        let root = World::get().root().json();
        TrustView::build("fuzz", &TrustedRoot::from_json(root.as_bytes()).expect("the seed's root"))
    })
}

/// Through the one door, for each purpose. Whatever comes out must not be a proof of another digest.
fn judge(evidence: &Evidence) {
    let image: Digest = World::get().digest.parse().expect("a digest");
    for purpose in [Purpose::ImageSignature, Purpose::Attestation, Purpose::Artifact] {
        let _ = verify(
            evidence,
            &Demand {
                subject: if purpose == Purpose::Artifact {
                    Subject::Artifact { digest: &image, bytes: None }
                } else {
                    Subject::Image(&image)
                },
                purpose,
                signer: SignerDemand::Keyless { view: view(), sct: true },
                log: LogDemand::Required(view()),
                stamp: StampDemand::Optional(view()),
            },
        );
    }
}

/// A line of JSON with annotations, then the blob.
fn layer(data: &[u8]) -> Option<(BTreeMap<String, String>, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let (line, blob) = data.split_at(end);
    Some((serde_json::from_slice(line).ok()?, &blob[1..]))
}

fn classic_signature(data: &[u8]) {
    let Some((annotations, blob)) = layer(data) else { return };
    if let Ok(evidence) = classic::signature(Digest::sha256(blob), blob.to_vec(), &annotations) {
        judge(&evidence);
    }
}

fn classic_attestation(data: &[u8]) {
    let Some((annotations, blob)) = layer(data) else { return };
    if let Ok(evidence) = classic::attestation(Digest::sha256(blob), blob, &annotations) {
        judge(&evidence);
    }
}

fn read_bundle(data: &[u8]) {
    if let Ok(evidence) = bundle::parse(Digest::sha256(data), data) {
        judge(&evidence);
    }
}

fn envelope(data: &[u8]) {
    if let Ok(envelope) = dsse::Envelope::parse(data) {
        let _ = envelope.signed_bytes();
    }
}

fn read_statement(data: &[u8]) {
    if let Ok(statement) = statement::Statement::parse(data) {
        let _ = statement.names(&Digest::sha256(data));
    }
}

fn simple_signing(data: &[u8]) {
    let _ = classic::Claim::parse(data);
}

fn certificate(data: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(data) {
        let _ = certificate.ordered_names();
        let _ = certificate.key();
        let _ = sealock::verify::promised_by(&certificate);
        let _ = certificate.is_signed_by(&certificate);
    }
    // As a signer, too: path building reads it with another parser.
    let mut evidence = seeds::evidence();
    evidence.signer = sealock::evidence::Signer::Certificate { leaf: data.to_vec(), chain: Vec::new() };
    judge(&evidence);
}

fn public_key(data: &[u8]) {
    let _ = PublicKey::from_spki(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = PublicKey::from_pem(text);
    }
}

fn timestamp(data: &[u8]) {
    let mut evidence = seeds::evidence();
    evidence.timestamps = vec![data.to_vec()];
    judge(&evidence);
}

fn log_entry(data: &[u8]) {
    let _ = fetched::parse(data);
    // As the body of an entry that its log vouches for with a promise of its own.
    let mut evidence = seeds::evidence();
    evidence.entries = vec![seeds::promised(data)];
    judge(&evidence);
}

fn checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        let world = World::get();
        for log in view().logs(&world.log.log_id()) {
            let _ = checkpoint.is_signed_by(log);
        }
    }
    let _ = Head::parse(LogKind::Rekor, text);
    let mut evidence = seeds::evidence();
    if let Some(proof) = evidence.entries.iter_mut().find_map(|entry| entry.proof.as_mut()) {
        text.clone_into(&mut proof.checkpoint);
    }
    judge(&evidence);
}

fn tree_head(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(head) = Head::parse(LogKind::Ct, text) else { return };
    if let Some(log) = view().ct_logs(World::get().sigstore.ct_log.key.key_id()).next() {
        let _ = head.signed_by(log);
    }
}

fn log_history(data: &[u8]) {
    let Ok(history) = History::parse(data) else { return };
    if let Some(log) = view().logs_of(LogKind::Rekor, World::get().sigstore.rekor.key.key_id()).next() {
        let _ = LogState::default().take(&history, log);
    }
}

fn log_state(data: &[u8]) {
    if let Ok(state) = LogState::parse(data) {
        let _ = state.doubted();
        let _ = state.render();
    }
}

fn manifest(data: &[u8]) {
    for announced in ["", sealock_testkit::layout::MANIFEST, sealock_testkit::layout::INDEX] {
        let _ = Manifest::parse(data, announced);
    }
}

fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reference) = Reference::parse(text) {
        let again = Reference::parse(reference.written()).expect("what was read once is read again");
        assert_eq!(again.name(), reference.name());
    }
    let _ = text.parse::<Digest>();
}

fn policy(data: &[u8]) {
    for from_directory in [false, true] {
        let _ = load(&[Input { file: "policy.yaml".to_owned(), bytes: data.to_vec(), from_directory }]);
    }
}

/// An expression, a newline, a subject.
fn halves(data: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "https://github.com/example/app")))
}

fn regexp(data: &[u8]) {
    let Some((expression, subject)) = halves(data) else { return };
    if let Ok(regexp) = Regexp::compile(expression) {
        let _ = regexp.is_match(subject);
    }
}

fn glob(data: &[u8]) {
    let Some((expression, subject)) = halves(data) else { return };
    if let Ok(glob) = Glob::compile(expression) {
        let _ = glob.matches(subject);
    }
}

fn seal_header(data: &[u8]) {
    if let Ok(header) = Header::parse(data) {
        let _ = header.unverified();
        if let Ok(operators) = Operators::parse(data) {
            let _ = header.verify(&operators);
        }
    }
}

fn seal_documents(data: &[u8]) {
    let _ = Operators::parse(data);
    let _ = Snapshot::parse(data);
    let _ = sealock::seal::snapshot::parse_names(data);
    if let Ok(key) = ReceiptKey::parse(&String::from_utf8_lossy(data)) {
        let _ = Receipt::verify(data, &key);
    }
    let _ = Receipt::verify(data, seeds::receipt_key());
}

fn trusted_root(data: &[u8]) {
    if let Ok(root) = TrustedRoot::from_json(data) {
        let _ = TrustView::build("fuzz", &root).findings().len();
    }
}

fn archive(data: &[u8]) {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("archive.tar");
    std::fs::write(&path, data).expect("a file");
    let _ = sealock::store::LayoutArchive::open(&path);
}
