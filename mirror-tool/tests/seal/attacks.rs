//! Attacks by whoever carries, keeps or receives transfers.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use sealock::seal::statement::Content;
use sealock::seal::{Floors, Header, Statement, canonical, container};
use sealock::store::{Source, Store};
use sealock_testkit::{Image, Layout};

use crate::gap::{Gap, REPOSITORY, bundle};
use crate::hands::Hand;

const POLICY: &str = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata:\n  name: demo\n\
                      spec:\n  images:\n  - glob: \"registry.example.com/**\"\n  authorities:\n  - name: key\n    key:\n      data: |\n";

/// A policy that wants a signature by the key of the bundles.
fn policy(gap: &Gap, key: &sealock_testkit::SigningKey) -> String {
    let pem = format!("        {}\n", key.public_pem().trim_end().replace('\n', "\n        "));
    let path = gap.path("policy.yaml");
    std::fs::write(&path, format!("{POLICY}{pem}")).unwrap();
    path
}

/// A gap over which the first transfer has gone, and the second waits as `t2`.
fn second_waits() -> Option<Gap> {
    let gap = Gap::new()?;
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("t1", &[]).ok();
    gap.import("t1", &[]).ok();
    gap.mirror_in(&bundle(2, "2.0").0);
    gap.seal("t2", &[]).ok();
    Some(gap)
}

/// The statement of a transfer, changed and signed again by the first operator; `rest` is what follows the head.
pub fn forge(gap: &Gap, from: &str, to: &str, rest: Option<&[u8]>, change: impl Fn(&mut Statement)) {
    let bytes = std::fs::read(gap.path(from)).unwrap();
    let (head, old) = bytes.split_at(container::HEADER_LENGTH);
    let rest = rest.unwrap_or(old);
    let mut statement = Header::parse(head).unwrap().unverified().unwrap();
    statement.segments.total = rest.len() as u64;
    statement.segments.sha256 = vec![sealock_testkit::sha256_hex(rest)];
    change(&mut statement);
    let mut header = Header::new(&statement).unwrap();
    header.envelope_mut().sign(&gap.hands[0].key).unwrap();
    std::fs::write(gap.path(to), [&header.render().unwrap(), rest].concat()).unwrap();
}

#[test]
fn import_unsealed_refused_when_keys_pinned() {
    let Some(gap) = Gap::new() else { return };
    let (layout, _, key) = bundle(1, "1.0");
    layout.write(gap.path("bundle"));
    layout.write_archive(gap.path("bundle.tar"));
    for bundle in ["bundle", "bundle.tar"] {
        gap.import(bundle, &[]).refused("seal/required");
        gap.import(bundle, &["--dry-run"]).refused("seal/required");
    }
    assert!(gap.list("high").is_empty());
    // Beside the store, and invisible in it.
    gap.import("bundle", &["--as-foreign"]).ok();
    assert!(gap.list("high").is_empty());
    assert_eq!(gap.list("high/foreign")[&format!("{REPOSITORY}:1.0")].1, "claimed");
    let name = format!("{REPOSITORY}:1.0");
    let policy = policy(&gap, &key);
    assert_eq!(gap.sealock(&["verify", "--store", &gap.path("high"), "--policy", &policy, &name]).status, 3);
    // A store without operators cannot believe anybody.
    gap.sealock(&["store", "init", "--store", &gap.path("open")]).ok();
    gap.mirror_in(&layout);
    gap.seal("t1", &[]).ok();
    std::fs::copy(gap.path("bundle.tar"), gap.path("bundle.100")).unwrap();
    gap.import_to("open", "bundle.100", &[]).ok();
    let run = gap.import_to("open", "t1", &[]).refused("seal/no-operators");
    assert_eq!(run.status, 2);
    // Pins that vanish once something was accepted do not open the store.
    gap.import("t1", &[]).ok();
    std::fs::remove_file(gap.path("high/seal/operators.json")).unwrap();
    gap.import("bundle", &[]).refused("seal/required");
    gap.import("t1", &[]).refused("seal/state-unreadable");
    let again = ["store", "init", "--store", &gap.path("high"), "--operators", &gap.path("operators.json")];
    gap.sealock(&again).refused("seal/state-unreadable");
}

#[test]
fn seal_replay_denied_after_restart_and_reinstall() {
    let Some(gap) = second_waits() else { return };
    gap.import("t2", &[]).ok();
    let before = gap.list("high");
    gap.import("t1", &[]).refused("seal/replay");
    assert_eq!(gap.list("high"), before);
    // A store made anew under its old id, with the floors that somebody else keeps.
    let floors = std::fs::read(gap.path("high/seal/floors.json")).unwrap();
    std::fs::write(gap.path("minimum"), &floors).unwrap();
    std::fs::remove_dir_all(gap.path("high")).unwrap();
    let operators = gap.path("operators.json");
    gap.sealock(&["store", "init", "--store", &gap.path("high"), "--id", &gap.id, "--operators", &operators])
        .ok();
    gap.import("t1", &["--minimum", &gap.path("minimum")]).refused("seal/replay");
    gap.import("t2", &["--minimum", &gap.path("minimum")]).ok();
    assert_eq!(gap.list("high").keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    // Floors that cannot be read are no "none".
    std::fs::write(gap.path("minimum"), "{}").unwrap();
    assert_eq!(gap.import("t2", &["--minimum", &gap.path("minimum")]).status, 3);
    assert_eq!(gap.import("t2", &["--minimum", &gap.path("nothing")]).status, 3);
    std::fs::write(gap.path("high/seal/floors.json"), "{}").unwrap();
    assert_eq!(gap.import("t2", &[]).refused("seal/state-unreadable").status, 3);
}

#[test]
fn seal_wrong_audience() {
    let Some(gap) = second_waits() else { return };
    let (_, _) = gap.found("other");
    gap.import_to("other", "t1", &[]).refused("seal/wrong-audience");
    assert!(gap.list("other").is_empty());
    assert!(!Path::new(&gap.path("other/quarantine")).exists(), "nothing was copied");
}

#[test]
fn segment_donor_swap() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("a", &["--segment-size", "300K"]).ok();
    gap.seal("b", &["--segment-size", "300K", "--fresh"]).ok();
    let (donor, place) = (gap.path("b.001"), gap.path("a.001"));
    assert_ne!(std::fs::read(&donor).unwrap(), std::fs::read(&place).unwrap());
    std::fs::copy(&donor, &place).unwrap();
    let run = gap.import("a.000", &[]).refused("seal/segment-damaged");
    assert!(run.notes.contains("segment 1 is damaged"), "{run:?}");
    // Segments in each other's place.
    let (two, three) = (std::fs::read(gap.path("b.002")).unwrap(), std::fs::read(gap.path("b.003")).unwrap());
    std::fs::write(gap.path("a.002"), three).unwrap();
    std::fs::write(gap.path("a.003"), two).unwrap();
    gap.import("a.000", &[]).refused("seal/segment-damaged");
    // The head of one before the rest of the other.
    std::fs::copy(gap.path("a.000"), gap.path("b.000")).unwrap();
    gap.import("b.000", &[]).refused("seal/segment-damaged");
    assert!(gap.list("high").is_empty());
}

#[test]
fn fuse_two_faced_media() {
    let Some(gap) = second_waits() else { return };
    let dry = gap.import("t2", &["--dry-run", "-o", "json"]).ok().json();
    let copy = dry["seal"]["quarantine"].as_str().unwrap().to_owned();
    // The medium shows another face now; the copy that was judged is what comes in.
    let head = std::fs::read(gap.path("t2")).unwrap()[..container::HEADER_LENGTH].to_vec();
    std::fs::write(gap.path("t2"), [head, vec![0xff; 3 << 20]].concat()).unwrap();
    let name = Path::new(&copy).file_name().unwrap().to_str().unwrap().to_owned();
    gap.import(&format!("high/quarantine/{name}"), &[]).ok();
    assert_eq!(gap.blobs("low"), gap.blobs("high"));
    gap.fsck("high");
    // A copy that was changed behind our back is not believed, whoever changed it.
    gap.mirror_in(&bundle(3, "3.0").0);
    gap.seal("t3", &[]).ok();
    let dry = gap.import("t3", &["--dry-run", "-o", "json"]).ok().json();
    let copy = dry["seal"]["quarantine"].as_str().unwrap().to_owned();
    let part = std::fs::read_dir(&copy).unwrap().map(|e| e.unwrap().path());
    // One that the store does not hold already.
    let known = gap.blobs("high");
    let part = part.filter(|p| p.extension().is_some_and(|e| e == "part")).find(|p| {
        let hex = p.file_stem().unwrap().to_str().unwrap().trim_start_matches("sha256-").to_owned();
        !known.contains_key(&hex)
    });
    let mut bytes = std::fs::read(part.as_ref().unwrap()).unwrap();
    bytes[0] ^= 1;
    std::fs::remove_file(part.as_ref().unwrap()).unwrap();
    std::fs::write(part.unwrap(), bytes).unwrap();
    gap.import("t3", &[]).refused("seal/layout");
    // It is copied anew then.
    gap.import("t3", &[]).ok();
    assert_eq!(gap.blobs("low"), gap.blobs("high"));
}

#[test]
fn seal_by_removed_operator() {
    let Some(gap) = second_waits() else { return };
    let (olga, pavel) = (gap.path("olga"), gap.path("pavel"));
    std::fs::write(&pavel, Hand::p256("pavel").pem()).unwrap();
    std::fs::copy(gap.path("operators.json"), gap.path("old.json")).unwrap();
    let operators = gap.path("operators.json");
    let rotate = ["operators", "rotate", &operators, "--add", &format!("pavel={pavel}"), "--remove", "olga"];
    let run = gap.mirror(&rotate).ok();
    assert!(run.notes.contains("not complete yet"), "{run:?}");
    gap.mirror(&["operators", "sign", &operators, "--key", &olga]).ok();
    gap.mirror(&["operators", "show", &operators]).ok();
    gap.import("t2", &[]).ok();
    // The rotation comes with a seal that both versions vouch for.
    gap.mirror_in(&bundle(3, "3.0").0);
    let (store, out) = (gap.path("low"), gap.path("t3"));
    let base = ["seal", "--store", &store, "--audience", &gap.id, "--operators", &operators, "-o", &out];
    assert_eq!(gap.mirror(&[&base[..], &["--key", &olga]].concat()).status, 2, "she may not seal any more");
    gap.mirror(&[&base[..], &["--key", &pavel]].concat()).ok();
    gap.import("t3", &[]).refused("seal/threshold");
    // A store learns of a rotation by hand where the old keys do not sign any more.
    gap.sealock(&["store", "init", "--store", &gap.path("high"), "--operators", &operators]).ok();
    gap.import("t3", &[]).ok();
    // She seals with the old file as if nothing had happened.
    let old = gap.path("old.json");
    gap.mirror_in(&bundle(4, "4.0").0);
    let out = gap.path("t4");
    gap.mirror(&[
        "seal",
        "--store",
        &store,
        "--audience",
        &gap.id,
        "--operators",
        &old,
        "--key",
        &olga,
        "-o",
        &out,
    ])
    .ok();
    gap.import("t4", &[]).refused("seal/threshold");
    // And nobody goes back to the old file.
    let back = ["store", "init", "--store", &gap.path("high"), "--operators", &old];
    gap.sealock(&back).refused("seal/operators-rollback");
}

#[test]
fn refs_edited() {
    let Some(gap) = second_waits() else { return };
    gap.import("t2", &[]).ok();
    let high = gap.path("high");
    let key = bundle(1, "1.0").2;
    let policy = policy(&gap, &key);
    let name = format!("{REPOSITORY}:2.0");
    let verify = || gap.sealock(&["verify", "--store", &high, "--policy", &policy, "-o", "json", &name]);
    let right = verify().ok().json()["decisions"][0]["digest"].clone();
    assert!(!verify().data.contains("store/claimed-name"), "{:?}", verify());
    // In index.json and the catalogue a name moves to the older image: nobody asks them.
    let old = gap.list("high")[&format!("{REPOSITORY}:1.0")].0.clone();
    let index = Path::new(&high).join("index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, text.replace(right.as_str().unwrap(), &old)).unwrap();
    gap.sealock(&["store", "reindex", "--store", &high]);
    assert_eq!(verify().ok().json()["decisions"][0]["digest"], right);
    // A name that no seal knows is planted: what it stands for is said to be claimed.
    let planted = text.replace(":2.0\"", ":3.0\"");
    assert_ne!(planted, text);
    std::fs::write(&index, planted).unwrap();
    gap.sealock(&["store", "reindex", "--store", &high]);
    let other = format!("{REPOSITORY}:3.0");
    let run = gap.sealock(&["verify", "--store", &high, "--policy", &policy, "-o", "json", &other]).ok();
    assert!(run.data.contains("store/claimed-name"), "{run:?}");
    // In the documents of the accepted seal: nobody believes them.
    let seal = std::fs::read_dir(format!("{high}/seal/accepted")).unwrap().map(|e| e.unwrap().path());
    let seal = seal
        .filter(|p| p.join("refs/00.json").exists())
        .find(|p| std::fs::read_to_string(p.join("refs/00.json")).unwrap().contains(&name));
    let refs = seal.clone().unwrap().join("refs/00.json");
    let good = std::fs::read_to_string(&refs).unwrap();
    std::fs::write(&refs, good.replace(right.as_str().unwrap(), &old)).unwrap();
    assert_eq!(verify().status, 3);
    assert_eq!(gap.sealock(&["store", "ls", "--store", &high]).refused("seal/state-unreadable").status, 3);
    std::fs::remove_file(&refs).unwrap();
    assert_eq!(verify().status, 3);
    std::fs::write(&refs, good).unwrap();
    verify().ok();
    // The head with a bit changed.
    let head = seal.unwrap().join("head");
    let mut file = std::fs::OpenOptions::new().write(true).open(&head).unwrap();
    file.seek(SeekFrom::Start(700)).unwrap();
    file.write_all(b"AAAA").unwrap();
    assert_eq!(verify().status, 3);
}

#[test]
fn only_a_sealed_ledger_makes_absent() {
    let Some(gap) = Gap::new() else { return };
    let bare = Image::new(REPOSITORY, "bare");
    let name = format!("{REPOSITORY}:bare");
    gap.mirror_in(&Layout::new().image(&name, &bare));
    let key = bundle(1, "1.0").2;
    let policy = policy(&gap, &key);
    let high = gap.path("high");
    let verify = || gap.sealock(&["verify", "--store", &high, "--policy", &policy, "-o", "json", &name]);
    gap.seal("t1", &[]).ok();
    gap.import("t1", &[]).ok();
    let run = verify();
    assert_eq!(run.status, 3);
    assert!(run.data.contains("evidence/not-mirrored"), "{run:?}");
    let write = |number: u32, state: &str, digests: &str| {
        let question = format!(
            "{{\"answer\":\"404\",\"channel\":\"signature-tag\",\"digests\":[{digests}],\"state\":\"{state}\",\"subject\":\"{0}\",\"where\":\"{REPOSITORY}\"}}",
            bare.digest()
        );
        let ledger = format!(
            "{{\"images\":[{{\"digest\":\"{}\",\"name\":\"{name}\",\"questions\":[{question}],\"refused\":[]}}],\"previous\":null,\"schema\":\"sealock.dev/ledger/v1\",\"sequence\":{number},\"takenAt\":\"2026-01-01T00:00:00Z\"}}",
            bare.digest()
        );
        let folder = gap.path("low/snapshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(format!("{folder}/ledger-{number:010}-x.json"), ledger).unwrap();
    };
    // A question that was waived proves nothing.
    write(1, "waived", "");
    gap.seal("t2", &[]).ok();
    gap.import("t2", &[]).ok();
    assert_eq!(verify().status, 3);
    // Proven absent, it denies: in the store, and while it is taken in.
    write(2, "absent", "");
    gap.seal("t3", &[]).ok();
    assert_eq!(gap.import("t3", &["--policy", &policy, "--dry-run"]).status, 1);
    gap.import("t3", &[]).ok();
    let run = verify();
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.data.contains("evidence/absent"), "{run:?}");
    // A ledger that lists more than is held is not sealed.
    write(3, "found", &format!("\"sha256:{}\"", "0".repeat(64)));
    let run = gap.seal("t4", &[]).refused("seal/malformed");
    assert!(run.notes.contains("is not held"), "{run:?}");
    // The ledger that was sealed is believed, not the one that lies there now.
    let place = std::fs::read_dir(format!("{high}/seal/accepted")).unwrap().map(|e| e.unwrap().path());
    for seal in place.filter(|p| p.join("absent/00.json").exists()) {
        std::fs::write(seal.join("absent/00.json"), "{}").unwrap();
    }
    assert_eq!(verify().status, 3);
}

#[test]
fn clock_back_undecided() {
    let Some(gap) = second_waits() else { return };
    gap.import("t2", &[]).ok();
    let policy = policy(&gap, &bundle(2, "2.0").2);
    let (high, name) = (gap.path("high"), format!("{REPOSITORY}:2.0"));
    let args = ["verify", "--store", &high, "--policy", &policy, &name];
    gap.sealock(&args).ok();
    // The operators signed a time that this clock has not reached: it is as if the clock had been set back.
    let path = Path::new(&high).join("seal/floors.json");
    let mut floors: Floors = canonical::read("floors", &std::fs::read(&path).unwrap()).unwrap();
    floors.sealed_at = Some(Timestamp::now() + SignedDuration::from_hours(1));
    std::fs::write(&path, canonical::render("floors", &floors).unwrap()).unwrap();
    assert_eq!(gap.sealock(&args).refused("seal/clock-behind").status, 3);
    assert_eq!(gap.import("t2", &[]).refused("seal/clock-behind").status, 3);
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(gap.sealock(&args).refused("seal/state-unreadable").status, 3);
}

#[test]
fn evidence_removed_is_undecided() {
    let Some(gap) = second_waits() else { return };
    gap.import("t2", &[]).ok();
    let high = gap.path("high");
    let (_, index, key) = bundle(2, "2.0");
    let policy = policy(&gap, &key);
    let name = format!("{REPOSITORY}:2.0");
    let verify = || gap.sealock(&["verify", "--store", &high, "--policy", &policy, &name]);
    verify().ok();
    let remove = |digest: &str| {
        let path = Path::new(&high).join("blobs").join(digest.replace(':', "/"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        (path, bytes)
    };
    // The signature's tag and its row are gone, its content is there: the seal still leads to it.
    let list = gap.list("high");
    let tag = format!("{REPOSITORY}:{}.sig", index.digest().replace(':', "-"));
    let (signature, _) = list[&tag].clone();
    let (path, bytes) = remove(&signature);
    gap.sealock(&["store", "reindex", "--store", &high]);
    assert!(!gap.list("high").contains_key(&tag));
    assert_eq!(verify().status, 3, "missed, not forgotten");
    std::fs::write(&path, bytes).unwrap();
    verify().ok();
    // The same for a referrer.
    let seal = Store::open(Path::new(&high)).unwrap();
    let child = index.children[1].digest();
    let child = child.parse().unwrap();
    let sealed = seal.attachments(REPOSITORY, &child).unwrap();
    assert_eq!(sealed.len(), 1);
    remove(&sealed[0].manifest.to_string());
    gap.sealock(&["store", "reindex", "--store", &high]);
    let after = Store::open(Path::new(&high)).unwrap().attachments(REPOSITORY, &child).unwrap();
    assert_eq!(after.iter().map(|a| a.manifest).collect::<Vec<_>>(), [sealed[0].manifest]);
}

#[test]
fn ref_rollback_denied() {
    let Some(gap) = Gap::new() else { return };
    let (first, old, _) = bundle(1, "1.0");
    gap.mirror_in(&first);
    gap.seal("t1", &[]).ok();
    gap.import("t1", &[]).ok();
    gap.mirror_in(&bundle(2, "1.0").0);
    gap.seal("t2", &[]).ok();
    gap.import("t2", &[]).ok();
    let before = gap.list("high");
    gap.mirror_in(&first);
    gap.seal("t3", &[]).ok();
    gap.import("t3", &[]).refused("ref/rollback");
    assert_eq!(gap.list("high"), before);
    // Meant, and signed as such: the refused one was never taken in, so this one stands beside it in the chain.
    std::fs::remove_file(gap.path(&format!("low/seals/{}/3.json", gap.id))).unwrap();
    let allowed = format!("{REPOSITORY}:1.0={}", old.digest());
    gap.seal("t3b", &["--allow-rollback", &allowed]).ok();
    gap.import("t3b", &[]).ok();
    assert_eq!(gap.list("high")[&format!("{REPOSITORY}:1.0")].0, old.digest());
}

#[test]
fn receipt_forged() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("t1", &[]).ok();
    gap.import("t1", &["--receipt", &gap.path("r1")]).ok();
    gap.mirror_in(&bundle(2, "2.0").0);
    gap.seal("t2", &[]).ok();
    let genuine = std::fs::read_to_string(gap.path("r1")).unwrap();
    let since = |text: &str, key: &str| {
        std::fs::write(gap.path("r"), text).unwrap();
        gap.seal("t3", &["--since", &gap.path("r"), "--receipt-key", key])
    };
    // It says that the second seal was taken in.
    let second = std::fs::read(gap.path("t2")).unwrap();
    let second = Header::parse(&second[..container::HEADER_LENGTH]).unwrap().envelope().digest();
    let first = genuine.lines().nth(2).unwrap().to_owned();
    let forged = genuine.replace(&first, &second).replace("\n1\n", "\n2\n");
    since(&forged, &gap.receipt_key).refused("seal/receipt-refused");
    since(&genuine.replace("complete", "partial"), &gap.receipt_key).refused("seal/receipt-refused");
    // Another store's receipt, with its own key; and another key for a store that is known.
    let (_, other) = gap.found("other");
    since(&genuine, &other).refused("seal/receipt-refused");
    since(&genuine, &gap.receipt_key).ok();
    // A receipt about a seal that was never made here.
    std::fs::remove_file(gap.path(&format!("low/seals/{}/1.json", gap.id))).unwrap();
    since(&genuine, &gap.receipt_key).refused("seal/receipt-refused");
}

#[test]
fn only_what_policies_allow_enters() {
    let Some(gap) = Gap::new() else { return };
    let (layout, index, key) = bundle(1, "1.0");
    let unsigned = Image::new(REPOSITORY, "unsigned");
    gap.mirror_in(&layout);
    gap.mirror_in(&Layout::new().image(&format!("{REPOSITORY}:bare"), &unsigned));
    gap.seal("t1", &[]).ok();
    let policy = policy(&gap, &key);
    let run = gap.import("t1", &["--policy", &policy, "-o", "json", "--receipt", &gap.path("r1")]);
    assert_eq!(run.status, 3, "nothing is known about the bare one: {run:?}");
    let report = run.json();
    let verdicts: Vec<_> =
        report["decisions"].as_array().unwrap().iter().map(|d| d["verdict"].as_str()).collect();
    assert_eq!(verdicts, [Some("allow"), Some("undecided")], "{report}");
    assert_eq!(report["seal"]["withheld"].as_array().unwrap().len(), 1);
    assert!(report["findings"].to_string().contains("seal/withheld"), "{report}");
    let high = gap.list("high");
    assert_eq!(high[&format!("{REPOSITORY}:1.0")], (index.digest(), "sealed".into()));
    assert!(!high.contains_key(&format!("{REPOSITORY}:bare")));
    assert!(!gap.blobs("high").contains_key(&unsigned.digest()["sha256:".len()..]));
    gap.fsck("high");
    // What was kept out was not acknowledged: the next transfer carries everything.
    gap.mirror_in(&bundle(2, "2.0").0);
    let run = gap.seal("t2", &["--since", &gap.path("r1"), "--receipt-key", &gap.receipt_key]).ok();
    assert!(run.notes.contains("partial") && run.data.contains(" 0 left out"), "{run:?}");
    gap.import("t2", &[]).ok();
    assert_eq!(gap.blobs("low"), gap.blobs("high"));
}

#[test]
fn tar_corpus() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("t1", &[]).ok();
    let bytes = std::fs::read(gap.path("t1")).unwrap();
    let rest = &bytes[container::HEADER_LENGTH..];
    let statement = Header::parse(&bytes[..container::HEADER_LENGTH]).unwrap().unverified().unwrap();
    let content = usize::try_from(statement.documents_end()).unwrap();
    let index = rest.windows(10).position(|w| w == b"index.json").unwrap();
    assert_eq!(index % 512, 0);
    // Whoever can sign cannot make an archive that reads in two ways: every block is the one that must stand there.
    let changed = |at: usize, with: &[u8]| {
        let mut rest = rest.to_vec();
        rest[at..at + with.len()].copy_from_slice(with);
        rest
    };
    let padding = index + 512 + usize::try_from(statement.contents["index.json"].size).unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("path out of the archive", changed(content, b"../../../etc/x\0")),
        ("absolute path", changed(content, b"/etc/passwd\0")),
        ("symbolic link", changed(content + 156, b"2")),
        ("hard link", changed(content + 156, b"1")),
        ("extended header", changed(content + 156, b"x")),
        ("GNU long name", changed(content + 156, b"L")),
        ("sparse", changed(content + 156, b"S")),
        ("another size", changed(content + 124, b"00000000001")),
        ("mode with set-user-id", changed(content + 100, b"0004755")),
        ("a time", changed(content + 136, b"00000000001")),
        ("prefix", changed(content + 345, b"..")),
        ("upper-case digest", changed(content + 13, b"F")),
        ("document under another name", changed(index, b"INDEX.JSON")),
        ("document as link", changed(index + 156, b"2")),
        ("something in the padding", changed(padding, b"x")),
        ("something in the end", changed(rest.len() - 1, b"x")),
        ("ends early", rest[..rest.len() - 512].to_vec()),
        ("goes on", [rest, &[0; 512]].concat()),
        ("two archives", [rest, rest].concat()),
        ("an entry twice", [&rest[..content], &rest[content..content + 1024], &rest[content..]].concat()),
    ];
    for (what, rest) in cases {
        forge(&gap, "t1", "forged", Some(&rest), |_| ());
        let run = gap.import("forged", &[]).refused("seal/layout");
        assert_eq!(run.status, 1, "{what}: {run:?}");
        assert!(gap.list("high").is_empty(), "{what}");
    }
    // Bytes behind the end that nobody signed.
    std::fs::write(gap.path("longer"), [&bytes[..], b"x"].concat()).unwrap();
    gap.import("longer", &[]).refused("seal/layout");
    std::fs::write(gap.path("shorter"), &bytes[..bytes.len() - 1]).unwrap();
    gap.import("shorter", &[]).refused("seal/segment-damaged");
    gap.import("t1", &[]).ok();
}

#[test]
fn statements_that_do_not_fit_their_documents() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("t1", &[]).ok();
    let refused = |code: &str, change: &dyn Fn(&mut Statement)| {
        forge(&gap, "t1", "forged", None, change);
        gap.import("forged", &[]).refused(code);
        assert!(gap.list("high").is_empty());
    };
    refused("seal/layout", &|s| s.contents.get_mut("index.json").unwrap().sha256 = "0".repeat(64));
    refused("seal/layout", &|s| {
        s.contents.insert("ledger/x".into(), Content::of(b""));
        s.contents.remove("changes.json");
    });
    refused("seal/operators-invalid", &|s| s.operators.sha256 = "0".repeat(64));
    refused("seal/operators-invalid", &|s| s.operators.version = 2);
    refused("seal/clock-behind", &|s| {
        s.sealed_at = Timestamp::now() + SignedDuration::from_hours(24);
        s.expires = s.sealed_at + SignedDuration::from_hours(24);
    });
    refused("seal/expired", &|s| {
        s.sealed_at = Timestamp::now() - SignedDuration::from_hours(48);
        s.expires = s.sealed_at + SignedDuration::from_hours(24);
    });
    // A name that is in the files of names and not in the index.
    let bytes = std::fs::read(gap.path("t1")).unwrap();
    let mut rest = bytes[container::HEADER_LENGTH..].to_vec();
    let at = rest.windows(3).position(|w| w == b"1.0").unwrap();
    let refs = rest.windows(12).position(|w| w == b"refs/00.json").unwrap();
    let inside = refs + 512 + rest[refs + 512..].windows(3).position(|w| w == b"1.0").unwrap();
    assert!(at < rest.len() && inside > refs);
    rest[inside] = b'9';
    let statement = Header::parse(&bytes[..container::HEADER_LENGTH]).unwrap().unverified().unwrap();
    let size = usize::try_from(statement.contents["refs/00.json"].size).unwrap();
    let document = rest[refs + 512..refs + 512 + size].to_vec();
    canonical::read::<serde_json::Value>("names", &document).unwrap();
    forge(&gap, "t1", "forged", Some(&rest), |s| {
        s.contents.insert("refs/00.json".into(), Content::of(&document));
    });
    gap.import("forged", &[]).refused("seal/layout");
    gap.import("t1", &[]).ok();
}
