//! Heads of logs, and whether logs only grew: real logs from the corpus, and minted ones that lie.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod corpus;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealock::decision::{Finding, Severity};
use sealock::log::growth::{self, Contradiction, History, Link, Outcome, Tie};
use sealock::log::head::LogKind;
use sealock::log::{Checkpoint, Head, LogState, SignedHead, Witnesses, codes};
use sealock::trust::view::Log;
use sealock::trust::{TrustView, TrustedRoot};
use sealock::verify::{Demand, LogDemand, Purpose, SignerDemand, StampDemand, Subject, verify};
use sealock_testkit::rekor::Rekor;
use sealock_testkit::{Algorithm, Hash, Identity, Signed, SigningKey, Sigstore};

/// Two heads of a real log with the proof between them.
struct Grown {
    name: String,
    kind: LogKind,
    log: Log,
    texts: [String; 2],
    proof: Vec<[u8; 32]>,
}

impl Grown {
    fn head(&self, at: usize) -> SignedHead {
        Head::parse(self.kind, &self.texts[at]).unwrap().signed_by(&self.log).unwrap()
    }
}

/// Every pair of the corpus. The roots name all of the logs that are in it.
fn grown() -> Option<Vec<Grown>> {
    let folder = corpus::path()?.join("private-sigstore/trust");
    let root = std::fs::read(folder.join("trusted_root.union.json")).unwrap();
    let view = TrustView::build("union", &TrustedRoot::from_json(&root).unwrap());
    let text = std::fs::read_to_string(folder.join("growth/growth.jsonl")).unwrap();
    let rows = text.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let read = |member: &str| {
            std::fs::read_to_string(folder.join("growth").join(row[member].as_str().unwrap())).unwrap()
        };
        let pem = std::fs::read(folder.join("..").join(row["key"].as_str().unwrap())).unwrap();
        let key = sealock::crypto::PublicKey::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap();
        let name = row["log"].as_str().unwrap().to_owned();
        let kind = if name.starts_with("ctlog") { LogKind::Ct } else { LogKind::Rekor };
        let log = view
            .logs_of(kind, sealock::crypto::sha256(key.spki()))
            .next()
            .unwrap_or_else(|| panic!("{name} is in no root"));
        let hash = |v: &serde_json::Value| hex::decode(v.as_str().unwrap()).unwrap().try_into().unwrap();
        Grown {
            log: log.clone(),
            kind,
            texts: [read("first"), read("last")],
            proof: row["hashes"].as_array().unwrap().iter().map(hash).collect(),
            name,
        }
    });
    Some(rows.collect())
}

#[test]
fn real_logs_only_grew() {
    let Some(grown) = grown() else { return };
    assert!(grown.len() >= 6, "{}", grown.len());
    for case in &grown {
        growth::grew(&case.head(0), &case.head(1), &case.proof)
            .unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }
    assert!(grown.iter().any(|case| case.kind == LogKind::Ct));
}

#[test]
fn altered_or_exchanged_proofs_are_refused() {
    let Some(grown) = grown() else { return };
    for case in &grown {
        let [old, new] = [case.head(0), case.head(1)];
        let refused = |proof: &[[u8; 32]]| growth::grew(&old, &new, proof).unwrap_err();
        for at in 0..case.proof.len() {
            for bit in [0, 77, 255] {
                let mut proof = case.proof.clone();
                proof[at][bit / 8] ^= 1 << (bit % 8);
                refused(&proof);
            }
            let mut proof = case.proof.clone();
            proof.remove(at);
            refused(&proof);
            let mut proof = case.proof.clone();
            proof.insert(at, case.proof[at]);
            refused(&proof);
            if at > 0 {
                let mut proof = case.proof.clone();
                proof.swap(at, at - 1);
                refused(&proof);
            }
        }
        let mut longer = case.proof.clone();
        longer.push([0; 32]);
        refused(&longer);
        // Backwards, and with the proof of another log.
        growth::grew(&new, &old, &case.proof).unwrap_err();
        for other in grown.iter().filter(|other| other.name != case.name) {
            if other.proof != case.proof {
                refused(&other.proof);
            }
            growth::grew(&old, &other.head(1), &case.proof).unwrap_err();
            growth::grew(&other.head(0), &new, &case.proof).unwrap_err();
            // A head is nobody else's.
            Head::parse(case.kind, &case.texts[1])
                .and_then(|head| head.signed_by(&other.log))
                .expect_err("another log's key");
        }
    }
}

#[test]
fn altered_heads_are_nobodys() {
    let Some(grown) = grown() else { return };
    for case in &grown {
        for text in &case.texts {
            let head = Head::parse(case.kind, text).unwrap();
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                let Ok(altered) = String::from_utf8(bytes) else { continue };
                let Ok(altered) = Head::parse(case.kind, &altered) else { continue };
                let same = (altered.size(), altered.root(), altered.origin())
                    == (head.size(), head.root(), head.origin());
                if altered.signed_by(&case.log).is_ok() {
                    // Only what is not part of the statement: the name beside the signature.
                    assert!(same && case.kind == LogKind::Rekor, "{}: byte {at}", case.name);
                }
            }
        }
    }
}

/// A minted log that can be asked for any head, and another one with the same key and other leaves.
struct Fork {
    log: Log,
    honest: Rekor,
    lying: Rekor,
}

impl Fork {
    fn new() -> Self {
        let sigstore = Sigstore::new(77);
        let root = TrustedRoot::from_json(sigstore.trusted_root().json().as_bytes()).unwrap();
        let view = TrustView::build("minted", &root);
        let log = view.logs_of(LogKind::Rekor, sigstore.rekor.key.key_id()).next().unwrap().clone();
        let host = sigstore.rekor.host.clone();
        let (honest, lying) = (Rekor::new(77, &host), Rekor::new(77, &host));
        for at in 0..20_u8 {
            honest.append_bytes("hashedrekord", "0.0.1", vec![at], 1_700_000_000);
            lying.append_bytes("hashedrekord", "0.0.1", vec![at ^ u8::from(at > 9)], 1_700_000_000);
        }
        Self { log, honest, lying }
    }

    fn history(
        &self,
        links: &[(&Rekor, usize, Option<usize>)],
        ties: &[(&Rekor, usize, &Rekor, usize)],
    ) -> History {
        let first = Head::parse(LogKind::Rekor, &links[0].0.checkpoint_at(links[0].1)).unwrap();
        let mut history = History::new(first.signed_by(&self.log).unwrap().log());
        for (rekor, size, from) in links {
            let proof = from.map(|from| rekor.consistency(from, *size).iter().map(hex::encode).collect());
            let proof = if from.is_none() && history.heads.is_empty() { Some(Vec::new()) } else { proof };
            history.heads.push(Link { head: rekor.checkpoint_at(*size), proof });
        }
        for (rekor, size, prover, to) in ties {
            let proof = Some(prover.consistency(*size, *to).iter().map(hex::encode).collect());
            history.ties.push(Tie { head: rekor.checkpoint_at(*size), proof, to: *to as u64 });
        }
        history
    }
}

fn code(finding: Option<Finding>) -> Option<(String, Severity)> {
    finding.map(|f| (f.code.to_owned(), f.severity))
}

#[test]
fn heads_are_kept_and_only_replaced_by_what_goes_on_from_them() {
    let fork = Fork::new();
    let h = &fork.honest;
    let mut state = LogState::default();
    let first = fork.history(&[(h, 7, None), (h, 12, Some(7))], &[(h, 6, h, 12), (h, 12, h, 12)]);
    assert_eq!(state.take(&first, &fork.log).unwrap(), None);
    assert_eq!((state.logs.len(), state.logs[0].size), (1, 12));
    let next = fork.history(&[(h, 7, None), (h, 12, Some(7)), (h, 21, Some(12))], &[]);
    assert_eq!(state.take(&next, &fork.log).unwrap(), None);
    assert_eq!(state.logs[0].size, 21);
    // An older one changes nothing, one that begins after the kept head proves nothing.
    assert_eq!(state.take(&first, &fork.log).unwrap(), None);
    assert_eq!(state.logs[0].size, 21);
    let cut = fork.history(&[(h, 23, None), (h, 25, Some(23))], &[]);
    assert_eq!(
        code(state.take(&cut, &fork.log).unwrap()),
        Some((codes::NOT_PROVEN.name.to_owned(), Severity::Warning))
    );
    assert_eq!(state.logs[0].size, 21);
    assert!(state.doubted().is_empty());
    // What is written is read again, and only so.
    let bytes = state.render().unwrap();
    assert_eq!(LogState::parse(&bytes).unwrap(), state);
    assert!(LogState::parse(&[&bytes[..], b" "].concat()).is_err());
}

#[test]
fn two_histories_are_a_split_view() {
    let fork = Fork::new();
    let (h, l) = (&fork.honest, &fork.lying);
    let split = |history: &History, state: &mut LogState| {
        let found = code(state.take(history, &fork.log).unwrap());
        assert_eq!(found, Some((codes::SPLIT_VIEW.name.to_owned(), Severity::Warning)));
        assert_eq!(state.doubted().len(), 1);
        let kept = &state.logs[0];
        assert!(kept.other.as_ref().is_some_and(|other| *other != kept.head), "{kept:?}");
    };
    // The same size with another root.
    let mut state = LogState::default();
    assert_eq!(state.take(&fork.history(&[(h, 20, None)], &[]), &fork.log).unwrap(), None);
    split(&fork.history(&[(l, 20, None)], &[]), &mut state);
    // It stays so, whatever comes later.
    split(&fork.history(&[(h, 20, None), (h, 25, Some(20))], &[(l, 22, h, 25)]), &mut state.clone());
    assert_eq!(state.take(&fork.history(&[(h, 20, None), (h, 25, Some(20))], &[]), &fork.log).unwrap(), None);
    assert_eq!((state.logs[0].size, state.doubted().len()), (25, 1));
    // A link whose proof is of the other history, or is missing.
    split(&fork.history(&[(h, 20, None), (l, 25, Some(20))], &[]), &mut LogState::default());
    split(&fork.history(&[(h, 20, None), (h, 25, None)], &[]), &mut LogState::default());
    // Evidence with a checkpoint of the other history.
    split(&fork.history(&[(h, 20, None), (h, 25, Some(20))], &[(l, 22, h, 25)]), &mut LogState::default());
    split(&fork.history(&[(h, 25, None)], &[(l, 25, l, 25)]), &mut LogState::default());
    // Where both histories are still one, there is nothing to see.
    let fine = fork.history(&[(h, 9, None), (l, 12, Some(9))], &[]);
    assert_eq!(LogState::default().take(&fine, &fork.log).unwrap(), None);
}

/// Somebody between the mirror and the log who spoils a proof must not end for good what the log vouches for.
#[test]
fn a_proof_that_comes_later_ends_the_doubt() {
    let fork = Fork::new();
    let h = &fork.honest;
    let whole = fork.history(&[(h, 20, None), (h, 24, Some(20))], &[(h, 22, h, 24)]);
    let no_link = |mut history: History| {
        history.heads[1].proof = None;
        history
    };
    let no_tie = |mut history: History| {
        history.ties[0].proof = None;
        history
    };
    let first = fork.history(&[(h, 20, None)], &[]);
    for before in [None, Some(&first), Some(&whole)] {
        for spoilt in [no_link(whole.clone()), no_tie(whole.clone()), no_tie(no_link(whole.clone()))] {
            let mut state = LogState::default();
            before.map(|history| state.take(history, &fork.log).unwrap());
            state.take(&spoilt, &fork.log).unwrap();
            assert_eq!(state.doubted().len(), 1);
            // A history without the head that was in doubt ends nothing.
            let _ = state.take(&first, &fork.log).unwrap();
            assert_eq!(state.doubted().len(), 1);
            let later =
                fork.history(&[(h, 20, None), (h, 24, Some(20)), (h, 25, Some(24))], &[(h, 22, h, 24)]);
            assert_eq!(state.take(&later, &fork.log).unwrap(), None);
            assert!(state.doubted().is_empty(), "{state:?}");
            assert_eq!(state.logs[0].size, 25);
        }
    }
    // Of two histories nobody can make one.
    let l = &fork.lying;
    let mut state = LogState::default();
    state.take(&fork.history(&[(h, 20, None)], &[(l, 18, h, 20)]), &fork.log).unwrap();
    for links in [&[(h, 20, None), (h, 25, Some(20))][..], &[(l, 18, None), (l, 25, Some(18))]] {
        for ties in [&[(l, 18, h, 25)][..], &[(h, 18, h, 25)], &[(l, 18, l, 25), (h, 20, h, 25)], &[]] {
            let mut state = state.clone();
            let _ = state.take(&fork.history(links, ties), &fork.log);
            assert_eq!(state.doubted().len(), 1, "{:?} {}", links.len(), ties.len());
        }
    }
}

/// Two trees of one size stay a contradiction, also where a later history has only one of them, and where a doubt that
/// could have ended was there before.
#[test]
fn two_trees_of_one_size_are_for_good() {
    let fork = Fork::new();
    let (h, l) = (&fork.honest, &fork.lying);
    let links = [(h, 20, None), (h, 24, Some(20))];
    let two_trees = fork.history(&links, &[(l, 24, l, 24)]);
    let mut spoilt = fork.history(&links, &[]);
    spoilt.heads[1].proof = None;
    let later = fork.history(&[(h, 20, None), (h, 24, Some(20)), (h, 25, Some(24))], &[]);
    for before in [&[][..], &[fork.history(&links[..1], &[])], &[fork.history(&links, &[])], &[spoilt]] {
        let mut state = LogState::default();
        for history in before.iter().chain([&two_trees, &later]) {
            let _ = state.take(history, &fork.log).unwrap();
        }
        assert_eq!(state.doubted().len(), 1, "{before:?}");
    }
}

/// A checkpoint of another tree, signed by the same key, and an entry that is somewhere else than its proof says.
#[test]
fn origin_differs() {
    let sigstore = Sigstore::new(79);
    let root = TrustedRoot::from_json(sigstore.trusted_root().json().as_bytes()).unwrap();
    let view = TrustView::build("minted", &root);
    let rekor = &sigstore.rekor;
    let log = view.logs_of(LogKind::Rekor, rekor.key.key_id()).next().unwrap();
    let body = br#"{"apiVersion":"0.0.2","kind":"hashedrekord"}"#.to_vec();
    let entry = rekor.append_bytes("hashedrekord", "0.0.2", body, 1_700_000_000);
    let mut read = sealock::evidence::fetched::parse(entry.bundle().canonical().as_bytes()).unwrap();
    // A log of version 2 signs no time, so an entry of one names none.
    read.integrated_time = None;
    let mut proof = read.proof.clone().unwrap();
    let mut checkpoint_of = |origin: &str| {
        let text = format!("{origin}\n{}\n{}\n", proof.tree_size, base64(&proof.root_hash));
        proof.checkpoint = sealock_testkit::rekor::signed_note(&text, &rekor.host, &rekor.key);
        proof.clone()
    };
    let host = rekor.host.as_str();
    let own = checkpoint_of(host);
    sealock::log::inclusion::included(&read, &own, log).unwrap();
    for origin in ["other.example.com", &format!("{host} - 1"), &format!("{host}.")] {
        let fault = sealock::log::inclusion::included(&read, &checkpoint_of(origin), log).unwrap_err();
        assert!(fault.contains("checkpoint is of"), "{origin}: {fault}");
    }
    read.log_index += 1;
    let fault = sealock::log::inclusion::included(&read, &own, log).unwrap_err();
    assert!(fault.contains("different places"), "{fault}");
    // The tree of nothing has one root.
    for (root, fits) in [([7; 32], false), (sealock::crypto::sha256(b""), true)] {
        let note =
            sealock_testkit::rekor::signed_note(&format!("{host}\n0\n{}\n", base64(&root)), host, &rekor.key);
        assert_eq!(Head::parse(LogKind::Rekor, &note).is_ok(), fits);
    }
}

/// A log that signs a tree beyond all numbers must not make a state that can never be written.
#[test]
fn a_head_beyond_all_numbers_is_none() {
    let fork = Fork::new();
    let origin = Head::parse(LogKind::Rekor, &fork.honest.checkpoint_at(5)).unwrap().origin().to_owned();
    let host = fork.honest.host.clone();
    for (size, fits) in [((1_u64 << 53) - 1, true), (1 << 53, false), (u64::MAX, false)] {
        let text = format!("{origin}\n{size}\n{}\n", base64(&[7; 32]));
        let note = sealock_testkit::rekor::signed_note(&text, &host, &fork.honest.key);
        let mut history = fork.history(&[(&fork.honest, 5, None)], &[]);
        history.heads[0].head = note;
        let mut state = LogState::default();
        assert_eq!(state.take(&history, &fork.log).is_ok(), fits, "{size}");
        state.render().unwrap();
    }
}

/// Anybody can add lines below what a log signed: a history of such notes stays below what is read.
#[test]
fn a_history_never_outgrows_what_is_read() {
    let fork = Fork::new();
    let h = &fork.honest;
    let mut history = fork.history(&[(h, 25, None)], &[(h, 22, h, 25)]);
    let padding = format!("\u{2014} junk {}\n", base64(&[0; 11_000]));
    history.ties[0].head.push_str(&padding);
    assert!(Head::parse(LogKind::Rekor, &history.ties[0].head).unwrap().signed_by(&fork.log).is_ok());
    let note = Checkpoint::parse(&history.ties[0].head).unwrap().signed_by_only(&fork.log);
    assert_eq!(note.unwrap(), h.checkpoint_at(22));
    history.ties = vec![history.ties[0].clone(); 5000];
    let bytes = history.render().unwrap();
    assert!(bytes.len() as u64 <= growth::MAX_HISTORY && history.ties.len() > 3000, "{}", history.ties.len());
}

#[test]
fn what_a_log_cannot_have_said_is_a_fault() {
    let fork = Fork::new();
    let (h, stranger) = (&fork.honest, Rekor::new(78, &fork.honest.host));
    let good = fork.history(&[(h, 7, None), (h, 12, Some(7))], &[(h, 6, h, 12)]);
    let bytes = good.clone().render().unwrap();
    assert_eq!(History::parse(&bytes).unwrap(), good);
    assert!(matches!(good.judge(&fork.log, None).unwrap(), Outcome::Grew(head) if head.head().size() == 12));
    let refused = |change: &dyn Fn(&mut History)| {
        let mut history = good.clone();
        change(&mut history);
        history.judge(&fork.log, None).unwrap_err()
    };
    refused(&|x| x.heads[1].head = stranger.checkpoint_at(5));
    refused(&|x| x.heads[0].head = x.heads[0].head.replace(" - ", " + "));
    refused(&|x| x.heads.swap(0, 1));
    refused(&|x| x.heads[1].head = x.heads[0].head.clone());
    refused(&|x| x.ties[0].to = 11);
    refused(&|x| x.ties[0].head = h.checkpoint_at(13));
    refused(&|x| x.ties[0].head = stranger.checkpoint_at(5));
    refused(&|x| x.key_id = hex::encode([7; 32]));
    refused(&|x| x.origin = "another".to_owned());
    refused(&|x| x.kind = LogKind::Ct);
    let shape = |change: &dyn Fn(&mut History)| {
        let mut history = good.clone();
        change(&mut history);
        History::parse(&serde_json::to_vec(&history).unwrap()).unwrap_err()
    };
    shape(&|x| x.heads.clear());
    shape(&|x| x.format = "sealock.dev/log-history/v2".to_owned());
    shape(&|x| x.key_id = "00".to_owned());
    let mut long = good.clone();
    long.heads = vec![good.heads[0].clone(); growth::MAX_HEADS + 1];
    assert!(History::parse(&serde_json::to_vec(&long).unwrap()).is_err());
    // Proofs that are no hashes never pass for proofs.
    for proof in [vec!["zz".to_owned()], vec!["AB".repeat(32)], vec!["ab".repeat(32); 65]] {
        let mut history = good.clone();
        history.heads[1].proof = Some(proof);
        assert!(matches!(history.judge(&fork.log, None).unwrap(), Outcome::Split(Contradiction { .. })));
    }
}

#[test]
fn the_oldest_heads_are_left_out_first() {
    let fork = Fork::new();
    let h = &fork.honest;
    let mut history = fork.history(&[(h, 7, None), (h, 12, Some(7))], &[(h, 6, h, 7), (h, 8, h, 12)]);
    let more = growth::MAX_HEADS;
    let link = history.heads[0].clone();
    history.heads.splice(0..0, std::iter::repeat_n(link, more - 1));
    history.render().unwrap();
    assert_eq!(history.heads.len(), more);
    assert_eq!(history.heads[0].proof, Some(Vec::new()));
    let mut short = fork.history(&[(h, 12, None)], &[(h, 6, h, 7), (h, 8, h, 12)]);
    short.render().unwrap();
    assert_eq!(short.ties.len(), 1, "a tie to a head that is gone goes too");
}

/// A witness's key as it publishes it, and the line that it adds to a checkpoint.
fn cosign(name: &str, key: &SigningKey, checkpoint: &str, time: u64) -> (String, String) {
    let der = key.public_der();
    let typed = [&[4], &der[der.len() - 32..]].concat();
    let digest = sealock::crypto::sha256(&[name.as_bytes(), b"\n", &typed].concat());
    let text = &checkpoint[..=checkpoint.find("\n\n").unwrap()];
    let signature = key.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes(), Hash::Sha256);
    let line = [&digest[..4], &time.to_be_bytes(), &signature].concat();
    let vkey = format!("{name}+{}+{}", hex::encode(&digest[..4]), base64(&typed));
    (vkey, format!("\u{2014} {name} {}\n", base64(&line)))
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[test]
fn witnesses_count_once_and_only_for_what_they_saw() {
    let sigstore = Sigstore::new(5);
    let checkpoint = sigstore.rekor.checkpoint_at(5);
    let other = sigstore.rekor.checkpoint_at(4);
    let keys: Vec<SigningKey> =
        (0..3).map(|n| SigningKey::derive(n, "witness", Algorithm::Ed25519)).collect();
    let names = ["w.example/a", "w.example/b", "w.example/c"];
    let made: Vec<(String, String)> =
        (0..3).map(|n| cosign(names[n], &keys[n], &checkpoint, 1_700_000_000 + n as u64)).collect();
    let witnesses = |quorum: usize, vkeys: &[&String]| {
        let lines: Vec<&str> = vkeys.iter().map(|v| v.as_str()).collect();
        Witnesses::parse(&format!("# ours\n\nquorum {quorum}\n{}\n", lines.join("\n")))
    };
    let saw = |witnesses: &Witnesses, lines: &[&str]| {
        let note = format!("{checkpoint}{}", lines.concat());
        witnesses.saw(&Checkpoint::parse(&note).unwrap())
    };
    let [a, b, c] = [&made[0].0, &made[1].0, &made[2].0];
    let [la, lb, lc] = [made[0].1.as_str(), made[1].1.as_str(), made[2].1.as_str()];
    let one = witnesses(1, &[a]).unwrap();
    let two = witnesses(2, &[a, b, c]).unwrap();
    assert!(saw(&one, &[la]) && saw(&one, &[lc, lb, la]));
    assert!(!saw(&one, &[]) && !saw(&one, &[lb, lc]));
    assert!(saw(&two, &[la, lc]) && saw(&two, &[la, lb, lc]));
    assert!(!saw(&two, &[la]) && !saw(&two, &[la, la]), "one voice twice is one voice");
    assert!(!saw(&Witnesses::default(), &[la, lb]), "nobody was named");
    // For another head, at another time, by another key, under another name, damaged.
    let (_, for_other) = cosign(names[0], &keys[0], &other, 1_700_000_000);
    let (_, by_other) = cosign(names[0], &keys[1], &checkpoint, 1_700_000_000);
    let renamed = la.replace("w.example/a", "w.example/b");
    let mut damaged = STANDARD.decode(la.trim().rsplit(' ').next().unwrap()).unwrap();
    for at in 0..damaged.len() {
        damaged[at] ^= 1;
        assert!(!saw(&one, &[&format!("\u{2014} {} {}\n", names[0], base64(&damaged))]), "byte {at}");
        damaged[at] ^= 1;
    }
    for line in [for_other, by_other, renamed] {
        assert!(!saw(&one, &[&line]), "{line}");
    }
    // A file that cannot mean what it says.
    for bad in [
        String::new(),
        "quorum 1".to_owned(),
        format!("quorum 0\n{a}"),
        format!("quorum 2\n{a}"),
        format!("quorum x\n{a}"),
        format!("quorum 2\n{a}\n{a}"),
        a.replace("w.example/a", "w.example/x"),
        a.replace('+', " "),
        format!("{}A", &a[..a.len() - 1]),
        a[..a.len() - 8].to_owned(),
    ] {
        assert!(Witnesses::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_witnessed_log_is_the_strongest() {
    let sigstore = Sigstore::new(6);
    let image = sigstore.image("app");
    let mut signed = sigstore.keyless(&Identity::example()).image_statement(&image.digest());
    let digest: sealock::image::Digest = image.digest().parse().unwrap();
    let key = SigningKey::derive(1, "witness", Algorithm::Ed25519);
    let strength = |signed: &Signed, vkey: &str| {
        let root = TrustedRoot::from_json(sigstore.trusted_root().json().as_bytes()).unwrap();
        let view = TrustView::build("t", &root).witnessed_by(&Witnesses::parse(vkey).unwrap());
        let bundle = signed.bundle();
        let evidence = sealock::evidence::bundle::parse(
            sealock::image::Digest::sha256(bundle.as_bytes()),
            bundle.as_bytes(),
        );
        let demand = Demand {
            subject: Subject::Image(&digest),
            purpose: Purpose::ImageSignature,
            signer: SignerDemand::Keyless { view: &view, sct: true },
            log: LogDemand::Required(&view),
            stamp: StampDemand::Optional(&view),
        };
        verify(&evidence.unwrap(), &demand).1.unwrap().log().name()
    };
    let entry = signed.entry.as_mut().unwrap();
    let (vkey, line) = cosign("w.example", &key, &entry.proof.checkpoint, 1_700_000_000);
    assert_eq!(strength(&signed, &vkey), "inclusion");
    signed.entry.as_mut().unwrap().proof.checkpoint.push_str(&line);
    assert_eq!(strength(&signed, &vkey), "inclusion+witness");
    let (stranger, _) = cosign("w.example", &SigningKey::derive(2, "witness", Algorithm::Ed25519), "\n\n", 0);
    assert_eq!(strength(&signed, &stranger), "inclusion");
}
