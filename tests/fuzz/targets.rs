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
use sealock::seal::operators::Draft;
use sealock::seal::{Header, Operators, Receipt, ReceiptKey, Snapshot};
use sealock::trust::{TrustView, TrustedRoot};
use sealock::verify::{Demand, LogDemand, Purpose, SignerDemand, StampDemand, Subject, verify};

use crate::seeds::{self, World};

/// A parser.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// Whether it was read at all: of the seeds some are.
    pub run: fn(&[u8]) -> bool,
}

const fn target(name: &'static str, run: fn(&[u8]) -> bool) -> Target {
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

/// Through the one door, for each purpose; whether it is what some purpose demands.
fn judge(evidence: &Evidence) -> bool {
    let image: Digest = World::get().digest.parse().expect("a digest");
    let mut proven = false;
    for purpose in [Purpose::ImageSignature, Purpose::Attestation, Purpose::Artifact] {
        let (_, verdict) = verify(
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
        proven |= verdict.is_ok();
    }
    proven
}

/// A line of JSON with annotations, then the blob.
fn layer(data: &[u8]) -> Option<(BTreeMap<String, String>, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let (line, blob) = data.split_at(end);
    Some((serde_json::from_slice(line).ok()?, &blob[1..]))
}

fn classic_signature(data: &[u8]) -> bool {
    let Some((annotations, blob)) = layer(data) else { return false };
    let Ok(evidence) = classic::signature(Digest::sha256(blob), blob.to_vec(), &annotations) else {
        return false;
    };
    judge(&evidence);
    true
}

fn classic_attestation(data: &[u8]) -> bool {
    let Some((annotations, blob)) = layer(data) else { return false };
    let Ok(evidence) = classic::attestation(Digest::sha256(blob), blob, &annotations) else { return false };
    judge(&evidence);
    true
}

fn read_bundle(data: &[u8]) -> bool {
    let Ok(evidence) = bundle::parse(Digest::sha256(data), data) else { return false };
    judge(&evidence);
    true
}

fn envelope(data: &[u8]) -> bool {
    dsse::Envelope::parse(data).is_ok_and(|envelope| !envelope.signed_bytes().is_empty())
}

fn read_statement(data: &[u8]) -> bool {
    let Ok(statement) = statement::Statement::parse(data) else { return false };
    let _ = statement.names(&Digest::sha256(data));
    true
}

fn simple_signing(data: &[u8]) -> bool {
    classic::Claim::parse(data).is_ok()
}

fn certificate(data: &[u8]) -> bool {
    let certificate = Certificate::from_der(data);
    if let Ok(certificate) = &certificate {
        let _ = certificate.ordered_names();
        let _ = certificate.key();
        let _ = sealock::verify::promised_by(certificate);
        let _ = certificate.is_signed_by(certificate);
    }
    // As a signer, too: path building reads it with another parser.
    let mut evidence = seeds::evidence();
    evidence.signer = sealock::evidence::Signer::Certificate { leaf: data.to_vec(), chain: Vec::new() };
    judge(&evidence);
    certificate.is_ok()
}

fn public_key(data: &[u8]) -> bool {
    let text = std::str::from_utf8(data).unwrap_or_default();
    PublicKey::from_spki(data).is_ok() || PublicKey::from_pem(text).is_ok()
}

fn timestamp(data: &[u8]) -> bool {
    let mut evidence = seeds::evidence();
    evidence.timestamps = vec![data.to_vec()];
    judge(&evidence)
}

fn log_entry(data: &[u8]) -> bool {
    let read = fetched::parse(data).is_ok();
    // As the body of an entry that its log vouches for with a promise of its own.
    let mut evidence = seeds::evidence();
    evidence.entries = vec![seeds::promised(data)];
    judge(&evidence);
    read
}

fn checkpoint(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
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
    Checkpoint::parse(text).is_ok()
}

fn tree_head(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(head) = Head::parse(LogKind::Ct, text) else { return false };
    let log = view().ct_logs(World::get().sigstore.ct_log.key.key_id()).next();
    log.is_some_and(|log| head.signed_by(log).is_ok())
}

fn log_history(data: &[u8]) -> bool {
    let Ok(history) = History::parse(data) else { return false };
    let log = view().logs_of(LogKind::Rekor, World::get().sigstore.rekor.key.key_id()).next();
    log.is_some_and(|log| LogState::default().take(&history, log).is_ok())
}

fn log_state(data: &[u8]) -> bool {
    let Ok(state) = LogState::parse(data) else { return false };
    let _ = state.doubted();
    state.render().is_ok()
}

fn manifest(data: &[u8]) -> bool {
    let announced = ["", sealock_testkit::layout::MANIFEST, sealock_testkit::layout::INDEX];
    announced.map(|announced| Manifest::parse(data, announced).is_ok()).contains(&true)
}

fn reference(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let _ = text.parse::<Digest>();
    let Ok(reference) = Reference::parse(text) else { return false };
    let again = Reference::parse(reference.written()).expect("what was read once is read again");
    assert_eq!(again.name(), reference.name());
    true
}

fn policy(data: &[u8]) -> bool {
    let read = |from_directory| {
        let loaded = load(&[Input { file: "policy.yaml".to_owned(), bytes: data.to_vec(), from_directory }]);
        !loaded.policies.is_empty() || !loaded.trust_roots.is_empty()
    };
    [false, true].map(read).contains(&true)
}

/// An expression, a newline, a subject.
fn halves(data: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "https://github.com/example/app")))
}

fn regexp(data: &[u8]) -> bool {
    let Some((expression, subject)) = halves(data) else { return false };
    let Ok(regexp) = Regexp::compile(expression) else { return false };
    let _ = regexp.is_match(subject);
    true
}

fn glob(data: &[u8]) -> bool {
    let Some((expression, subject)) = halves(data) else { return false };
    let Ok(glob) = Glob::compile(expression) else { return false };
    let _ = glob.matches(subject);
    true
}

fn seal_header(data: &[u8]) -> bool {
    let Ok(header) = Header::parse(data) else { return false };
    header.unverified().is_ok()
}

fn seal_documents(data: &[u8]) -> bool {
    let read = [
        Draft::parse(data).is_ok(),
        Operators::parse(data).is_ok(),
        Snapshot::parse(data).is_ok(),
        sealock::seal::snapshot::parse_names(data).is_ok(),
        ReceiptKey::parse(&String::from_utf8_lossy(data)).is_ok(),
        Receipt::verify(data, seeds::receipt_key()).is_ok(),
    ];
    read.contains(&true)
}

fn trusted_root(data: &[u8]) -> bool {
    TrustedRoot::from_json(data).is_ok_and(|root| TrustView::build("fuzz", &root).findings().is_empty())
}

fn archive(data: &[u8]) -> bool {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("archive.tar");
    std::fs::write(&path, data).expect("a file");
    sealock::store::LayoutArchive::open(&path).is_ok()
}
