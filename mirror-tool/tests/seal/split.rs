//! Histories of logs across the gap: a log that only grew changes nothing, one that shows two histories decides nothing.

use std::path::Path;

use sealock::log::growth::{History, Link, Tie};
use sealock::log::head::LogKind;
use sealock::log::{Head, LogName};
use sealock_testkit::calendar::BASE_TIME;
use sealock_testkit::rekor::Rekor;
use sealock_testkit::{Identity, Image, Layout, Sigstore};

use crate::gap::{Gap, REPOSITORY, Run};

const POLICY: &str = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: p}\nspec:\n  images: [{glob: \"**\"}]\n  authorities:\n  - keyless: {identities: [{issuerRegExp: '.*', subjectRegExp: '.*'}]}\n";

/// One signed image on the near side, and logs that can be made to lie.
struct World {
    gap: Gap,
    sigstore: Sigstore,
    honest: Rekor,
    lying: Rekor,
}

impl World {
    fn new() -> Option<Self> {
        let gap = Gap::new()?;
        let sigstore = Sigstore::new(7);
        let image = Image::new(REPOSITORY, "app");
        let signature = sigstore.sign_keyless(&Identity::example(), &image);
        gap.mirror_in(&Layout::new().image(&format!("{REPOSITORY}:1"), &image).signature(&image, &signature));
        std::fs::write(gap.path("root.json"), sigstore.trusted_root().json()).unwrap();
        std::fs::write(gap.path("policy.yaml"), POLICY).unwrap();
        std::fs::create_dir(Path::new(&gap.path("low")).join("logs")).unwrap();
        let (honest, lying) = (Rekor::new(7, &sigstore.rekor.host), Rekor::new(7, &sigstore.rekor.host));
        for n in 0..20_u8 {
            honest.append_bytes("hashedrekord", "0.0.1", vec![n], BASE_TIME);
            lying.append_bytes("hashedrekord", "0.0.1", vec![n ^ u8::from(n > 9)], BASE_TIME);
        }
        Some(Self { gap, sigstore, honest, lying })
    }

    /// The history that the near side has.
    fn keeps(&self, history: &mut History) {
        let name = LogName {
            kind: LogKind::Rekor,
            key_id: self.sigstore.rekor.key.key_id(),
            origin: history.origin.clone(),
        };
        let path = Path::new(&self.gap.path("low")).join("logs").join(name.file_name());
        std::fs::write(path, history.render().unwrap()).unwrap();
    }

    fn history(&self, links: &[(&Rekor, usize, usize)]) -> History {
        let text = links[0].0.checkpoint_at(links[0].1);
        let origin = Head::parse(LogKind::Rekor, &text).unwrap().origin().to_owned();
        let name = LogName { kind: LogKind::Rekor, key_id: self.sigstore.rekor.key.key_id(), origin };
        let mut history = History::new(&name);
        for (rekor, size, from) in links {
            let proof = if *from == 0 { Vec::new() } else { rekor.consistency(*from, *size) };
            let proof = Some(proof.iter().map(hex::encode).collect());
            history.heads.push(Link { head: rekor.checkpoint_at(*size), proof });
        }
        history
    }

    /// Seals, and takes it in under the root that names the log.
    fn carry(&self, name: &str) -> Run {
        self.gap.seal(name, &["--fresh"]).ok();
        self.gap.import(name, &["-o", "json", "--trust-root", &self.gap.path("root.json")])
    }

    fn verify(&self) -> Run {
        let (store, root, policy) =
            (self.gap.path("high"), self.gap.path("root.json"), self.gap.path("policy.yaml"));
        let args = ["verify", "--store", &store, "--trust-root", &root, "--policy", &policy, "-o", "json"];
        self.gap.sealock(&[&args[..], &[&format!("{REPOSITORY}:1")]].concat())
    }

    #[track_caller]
    fn allowed(&self) {
        assert_eq!(self.verify().status, 0, "{:?}", self.verify());
    }

    #[track_caller]
    fn undecided(&self) {
        let run = self.verify();
        assert!(run.status == 3 && run.data.contains("log/split-view"), "{run:?}");
    }
}

#[test]
fn split_view_detected_at_import() {
    let Some(world) = World::new() else { return };
    let (h, l) = (&world.honest, &world.lying);
    world.keeps(&mut world.history(&[(h, 9, 0), (h, 20, 9)]));
    let run = world.carry("t1").ok();
    assert!(!run.data.contains("log/"), "{run:?}");
    world.allowed();
    // The log grew.
    world.keeps(&mut world.history(&[(h, 9, 0), (h, 20, 9), (h, 23, 20)]));
    assert!(!world.carry("t2").ok().data.contains("log/"));
    world.allowed();
    // Another face of the log: the same key signed it, and it does not go on from what was seen here.
    world.keeps(&mut world.history(&[(l, 23, 0), (l, 25, 23)]));
    let run = world.carry("t3").ok();
    assert!(run.data.contains("log/split-view"), "the transfer comes in, and it is told: {run:?}");
    world.undecided();
    // Both heads are kept.
    let accepted = Path::new(&world.gap.path("high")).join("seal/accepted");
    let kept: Vec<String> = std::fs::read_dir(accepted)
        .unwrap()
        .filter_map(|e| std::fs::read_to_string(e.unwrap().path().join("logs.json")).ok())
        .collect();
    let both = |text: &String| {
        let inside = |rekor: &Rekor| text.contains(rekor.checkpoint_at(23).lines().nth(2).unwrap());
        inside(h) && inside(l)
    };
    assert!(kept.iter().any(both), "{kept:?}");
    // The honest face again, and a transfer that says nothing about logs: it stays so.
    world.keeps(&mut world.history(&[(h, 9, 0), (h, 20, 9), (h, 23, 20), (h, 25, 23)]));
    world.carry("t4").ok();
    world.undecided();
    std::fs::remove_dir_all(Path::new(&world.gap.path("low")).join("logs")).unwrap();
    world.carry("t5").ok();
    world.undecided();
    world.gap.fsck("high");
}

/// Evidence that came with a checkpoint of the other history, and a proof that was exchanged.
#[test]
fn evidence_of_another_history_is_a_split_view() {
    for (what, at) in [("a tie", 0), ("a link", 1)] {
        let Some(world) = World::new() else { return };
        let (h, l) = (&world.honest, &world.lying);
        let mut history = world.history(&[(h, 9, 0), (h, 20, 9)]);
        if at == 0 {
            let proof = Some(h.consistency(18, 20).iter().map(hex::encode).collect());
            history.ties.push(Tie { head: l.checkpoint_at(18), proof, to: 20 });
        } else {
            history.heads[1].proof = Some(l.consistency(8, 20).iter().map(hex::encode).collect());
        }
        world.keeps(&mut history);
        let run = world.carry("t1").ok();
        assert!(run.data.contains("log/split-view"), "{what}: {run:?}");
        world.undecided();
    }
}

#[test]
fn a_head_that_the_log_did_not_sign_refuses_the_transfer() {
    let Some(world) = World::new() else { return };
    let h = &world.honest;
    let mut history = world.history(&[(h, 9, 0), (h, 20, 9)]);
    history.heads[1].head = history.heads[1].head.replace("\n20\n", "\n21\n");
    world.keeps(&mut history);
    world.carry("t1").refused("log/not-signed");
    assert!(world.gap.list("high").is_empty());
    // A file that stands where another log's is looked for.
    let mut history = world.history(&[(h, 9, 0)]);
    world.keeps(&mut history);
    let logs = Path::new(&world.gap.path("low")).join("logs");
    std::fs::write(logs.join("rekor-00.json"), history.render().unwrap()).unwrap();
    let run = world.gap.seal("t2", &["--fresh"]);
    assert!(run.status != 0 && run.notes.contains("no history of a log"), "{run:?}");
}

#[test]
fn what_nobody_can_say_is_told_and_decides_nothing() {
    let Some(world) = World::new() else { return };
    let h = &world.honest;
    world.keeps(&mut world.history(&[(h, 9, 0), (h, 20, 9)]));
    world.gap.seal("t1", &["--fresh"]).ok();
    let run = world.gap.import("t1", &["-o", "json"]).ok();
    assert!(run.data.contains("log/unknown-log"), "no root in force names it: {run:?}");
    world.allowed();
    world.carry("t2").ok();
    // The near side lost its memory: nothing leads from the head that is kept here to the new one.
    world.keeps(&mut world.history(&[(h, 23, 0)]));
    let run = world.carry("t3").ok();
    assert!(run.data.contains("log/not-proven"), "{run:?}");
    world.allowed();
    // The head that was kept before still stands, so the other face is still found out.
    world.keeps(&mut world.history(&[(&world.lying, 20, 0)]));
    assert!(world.carry("t4").ok().data.contains("log/split-view"));
    world.undecided();
}
