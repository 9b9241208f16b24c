//! What `sealock-mirror pull` asks of transparency logs, against logs on loopback, and what the far side makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests make stores and look into them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use sealock::decision::{Decision, Roots, Verdict};
use sealock::image::Reference;
use sealock::log::growth::History;
use sealock::store::{Source as _, Store, fsck};
use sealock::trust::{TrustView, TrustedRoot};
use sealock_mirror::pull::judge::judge;
use sealock_testkit::calendar::BASE_TIME;
use sealock_testkit::layout::{Image, Index};
use sealock_testkit::registry::{Options, Registry, Reply, Shape};
use sealock_testkit::signer::REKOR_BUNDLE;
use sealock_testkit::{Identity, Sigstore, log_server};
use serde_json::Value;

#[allow(dead_code)]
#[path = "pull/shop.rs"]
mod shop;

use shop::{APP, Run, Shop};

/// A signed image, and its signature's manifest. The signature came with a promise only.
fn signed(shop: &Shop, tag: &str) -> (String, String) {
    let image = shop.image(tag);
    shop.registry.image(tag, &image);
    let signer = shop.sigstore.keyless(&Identity::example());
    let signature = signer.image(&image.repository, &image.digest()).layer();
    let manifest = shop.registry.layers(&image, ".sig", &[signature]);
    (shop.name(APP, tag), manifest)
}

/// Pulls with the logs of the shop's Sigstore at `logs`.
fn pull(shop: &Shop, logs: &Registry, more: &[&str]) -> Run {
    let at = logs.host();
    let rekor = format!("{}={at}", shop.sigstore.rekor.host);
    let ct_host = shop.sigstore.ct_log.base_url.split('/').nth(2).unwrap();
    let ct = format!("{ct_host}={at}");
    let root = shop.path("root.json").display().to_string();
    let fixed =
        ["--plain-http", &at, "--registry-mirror", &rekor, "--registry-mirror", &ct, "--trust-root", &root];
    shop.pull(&[&fixed, more].concat())
}

fn question<'r>(report: &'r Value, channel: &str) -> &'r Value {
    let questions = report["images"][0]["questions"].as_array().unwrap();
    questions.iter().find(|q| q["channel"] == channel).unwrap_or_else(|| panic!("{channel}: {questions:?}"))
}

fn decision(shop: &Shop, name: &str) -> Decision {
    let store = shop.store();
    let reference = Reference::parse(name).unwrap();
    let digest = store.resolve(reference.repository(), reference.tag().unwrap()).unwrap().digest;
    let input =
        sealock::policy::Input { file: "p".into(), bytes: shop::POLICY.into(), from_directory: false };
    let policies = sealock::policy::load(&[input]).policies;
    let root = TrustedRoot::from_json(shop.sigstore.trusted_root().json().as_bytes()).unwrap();
    let roots = Roots { default: TrustView::build("t", &root), named: std::collections::BTreeMap::new() };
    judge(&store, name, &reference, digest, &policies, &roots)
}

/// How strongly the log vouches for the image.
fn strength(shop: &Shop, name: &str) -> &'static str {
    let decision = decision(shop, name);
    assert_eq!(decision.verdict, Verdict::Allow, "{decision:?}");
    decision.policies[0].authorities[0].evidence.iter().find_map(|e| e.strength.clone()).unwrap().log
}

fn history(shop: &Shop, kind: &str) -> History {
    let folder = std::fs::read_dir(shop.path("store/logs")).unwrap();
    let mut paths = folder.map(|e| e.unwrap().path());
    let path = paths.find(|p| p.file_name().unwrap().to_string_lossy().starts_with(kind)).unwrap();
    History::parse(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_promise_becomes_an_inclusion_and_the_log_is_seen_to_grow() {
    let shop = Shop::new();
    let logs = Registry::start();
    let (name, signature) = signed(&shop, "1");
    log_server::serve_v1(&logs, &shop.sigstore.rekor);
    log_server::serve_ct(&logs, &shop.sigstore.ct_log, 9, BASE_TIME);
    let run = pull(&shop, &logs, &[&name]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    let report = run.json();
    let asked = question(&report, "log-entry");
    assert_eq!((&asked["state"], &asked["subject"]), (&"found".into(), &signature.as_str().into()));
    assert_eq!(asked["where"], shop.sigstore.rekor.host);
    assert_eq!(strength(&shop, &name), "inclusion");
    let rekor = &report["logs"][0];
    assert_eq!(
        (&rekor["kind"], &rekor["size"], &rekor["split"]),
        (&"rekor".into(), &6.into(), &false.into())
    );
    assert_eq!(report["logs"][1]["kind"], "ct");
    shop.clean();

    // Nothing new: nothing is fetched, and nothing is written.
    let before = (shop.ledgers(), std::fs::metadata(shop.path("store/catalog.sqlite")).unwrap().len());
    logs.forget_requests();
    let again = pull(&shop, &logs, &[&name]);
    assert_eq!(again.status, 0, "{}{}", again.data, again.notes);
    assert!(!logs.requests().iter().any(|r| r.path.contains("entries")), "{:?}", logs.requests());
    assert_eq!(again.json()["fetched"]["new"], 0);
    assert_eq!(shop.ledgers(), before.0);
    assert_eq!((history(&shop, "rekor").heads.len(), history(&shop, "rekor").ties.len()), (1, 0));

    // The logs grow: the new heads are proven to go on from the old ones.
    let (two, _) = signed(&shop, "2");
    log_server::serve_v1(&logs, &shop.sigstore.rekor);
    log_server::serve_ct(&logs, &shop.sigstore.ct_log, 12, BASE_TIME + 60);
    let run = pull(&shop, &logs, &[&name, &two]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert_eq!(strength(&shop, &two), "inclusion");
    let report = run.json();
    assert_eq!((&report["logs"][0]["before"], &report["logs"][0]["size"]), (&6.into(), &7.into()));
    assert_eq!((&report["logs"][1]["before"], &report["logs"][1]["size"]), (&9.into(), &12.into()));
    for kind in ["rekor", "ct"] {
        let history = history(&shop, kind);
        assert_eq!(history.heads.len(), 2);
        assert!(history.heads.iter().all(|link| link.proof.is_some()));
    }
    shop.clean();
}

#[test]
fn tiles_prove_growth_where_there_is_no_other_proof() {
    let shop = Shop::new();
    let logs = Registry::start();
    // Bundles bring their proofs along; their checkpoints are tied to the head.
    let image = shop.image("x");
    shop.registry.image("1", &image);
    let signer = shop.sigstore.keyless(&Identity::example());
    shop.registry.referrer(&image, &signer.image_statement(&image.digest()));
    for n in 0..600_u32 {
        shop.sigstore.rekor.append_bytes("hashedrekord", "0.0.1", n.to_be_bytes().to_vec(), BASE_TIME);
    }
    log_server::serve_tiles(&logs, &shop.sigstore.rekor);
    let name = shop.name(APP, "1");
    let run = pull(&shop, &logs, &[&name]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    let report = run.json();
    assert_eq!(
        (&report["logs"][0]["size"], &report["logs"][0]["tied"]),
        (&606.into(), &1.into()),
        "{report}"
    );
    shop.sigstore.rekor.append_bytes("hashedrekord", "0.0.1", b"more".to_vec(), BASE_TIME);
    log_server::serve_tiles(&logs, &shop.sigstore.rekor);
    let report = pull(&shop, &logs, &[&name]).json();
    assert_eq!(
        (&report["logs"][0]["size"], &report["logs"][0]["split"]),
        (&607.into(), &false.into()),
        "{report}"
    );
    let history = history(&shop, "rekor");
    assert_eq!((history.heads.len(), history.ties.len()), (2, 1));
}

#[test]
fn a_log_that_cannot_be_asked_fails_only_those_who_require_it() {
    let shop = Shop::new();
    let (name, signature) = signed(&shop, "1");
    let (two, _) = signed(&shop, "2");
    for (what, reply, state) in [
        ("500", Reply::error(500, "X"), "waived"),
        ("403", Reply::error(403, "X"), "waived"),
        ("garbage", Reply::content("application/json", b"{\"a\":"), "waived"),
        ("nothing", Reply::content("application/json", b"{}"), "waived"),
        ("endless", Reply::content("application/json", b"[[[[").shape(Shape::Endless), "waived"),
        ("404", Reply::status(404), "absent"),
    ] {
        let logs = Registry::start();
        log_server::serve_v1(&logs, &shop.sigstore.rekor);
        log_server::serve_ct(&logs, &shop.sigstore.ct_log, 9, BASE_TIME);
        for entry in shop.sigstore.rekor.entries() {
            let path = format!("GET /api/v1/log/entries?logIndex={}", entry.log_index);
            logs.script(&path, reply.clone());
        }
        let run = pull(&shop, &logs, &[&name]);
        assert_eq!(run.status, 0, "{what}: {}{}", run.data, run.notes);
        let report = run.json();
        let asked = question(&report, "log-entry");
        assert_eq!(asked["state"], state, "{what}");
        assert_eq!(strength(&shop, &name), "promise", "{what}");
        let required = pull(&shop, &logs, &["--log-proofs", "require", &two]);
        // That an entry is proven not to be there is an answer.
        assert_eq!(required.status, if state == "absent" { 0 } else { 3 }, "{what}: {}", required.data);
        if state != "absent" {
            assert!(required.data.contains("#log-entry"), "{what}");
            let waived = pull(
                &shop,
                &logs,
                &["--log-proofs", "require", "--waive", "*#log-entry=the log is gone", &two],
            );
            assert_eq!(waived.status, 0, "{what}: {}{}", waived.data, waived.notes);
        }
        let _ = std::fs::remove_dir_all(shop.path("store"));
    }
    // One that is not there at all is asked once for all signatures, and never is not asked.
    let nobody = Registry::start();
    nobody.script("GET /api/v1/log", Reply::status(404).shape(Shape::Hangup));
    for entry in shop.sigstore.rekor.entries() {
        let path = format!("GET /api/v1/log/entries?logIndex={}", entry.log_index);
        nobody.script(&path, Reply::status(404).shape(Shape::Hangup));
    }
    let run = pull(&shop, &nobody, &["--log-proofs", "never", &name]);
    assert_eq!((run.status, nobody.requests().len()), (0, 0), "{}", run.notes);
    assert!(!run.data.contains("log-entry"));
    let run = pull(&shop, &nobody, &[&name, &two]);
    assert_eq!(run.status, 0, "{}", run.notes);
    assert_eq!(question(&run.json(), "log-entry")["subject"], signature);
    assert!(run.json()["logs"][0]["unknown"].is_string());
    let run = pull(&shop, &nobody, &["--log-proofs", "require", &name]);
    assert_eq!(run.status, 3, "{}", run.data);
}

#[test]
fn an_answer_about_another_entry_or_with_a_proof_that_does_not_hold_is_none() {
    let shop = Shop::new();
    let (name, _) = signed(&shop, "1");
    let (_, _) = signed(&shop, "2");
    let rekor = &shop.sigstore.rekor;
    let entries = rekor.entries();
    let path = format!("GET /api/v1/log/entries?logIndex={}", entries[0].log_index);
    let honest = log_server::entry(rekor, &entries[0], rekor.size());
    let other = log_server::entry(rekor, &entries[1], rekor.size());
    let value: Value = serde_json::from_str(&honest).unwrap();
    let altered = |change: &dyn Fn(&mut Value)| {
        let mut value = value.clone();
        let entry = value.as_object_mut().unwrap().values_mut().next().unwrap();
        change(entry);
        value.to_string()
    };
    let stranger = Sigstore::new(8);
    let cases = [
        ("another entry", other.clone()),
        ("two entries", format!("{},{}", &honest[..honest.len() - 1], &other[1..])),
        ("no proof", altered(&|e| e["verification"]["inclusionProof"] = Value::Null)),
        (
            "another root",
            altered(&|e| e["verification"]["inclusionProof"]["rootHash"] = "00".repeat(32).into()),
        ),
        ("another place", altered(&|e| e["verification"]["inclusionProof"]["logIndex"] = 3.into())),
        ("no path", altered(&|e| e["verification"]["inclusionProof"]["hashes"] = Value::Array(Vec::new()))),
        (
            "another log's checkpoint",
            altered(&|e| {
                let checkpoint = stranger.rekor.checkpoint_at(5);
                e["verification"]["inclusionProof"]["checkpoint"] = checkpoint.into();
            }),
        ),
        ("another time", altered(&|e| e["integratedTime"] = 1.into())),
        ("another index", altered(&|e| e["logIndex"] = 99.into())),
        ("another body", altered(&|e| e["body"] = "e30=".into())),
        ("a member twice", honest.replacen("\"body\"", "\"body\":\"e30=\",\"body\"", 1)),
    ];
    for (what, answer) in cases {
        let logs = Registry::start();
        log_server::serve_v1(&logs, rekor);
        logs.script(&path, Reply::content("application/json", answer.as_bytes()));
        let run = pull(&shop, &logs, &[&name]);
        assert_eq!(run.status, 0, "{what}: {}{}", run.data, run.notes);
        assert_eq!(question(&run.json(), "log-entry")["state"], "waived", "{what}");
        assert_eq!(strength(&shop, &name), "promise", "{what}");
        let _ = std::fs::remove_dir_all(shop.path("store"));
    }
}

/// A proof beside the signature that does not hold changes nothing: it must never turn an allow into a denial.
#[test]
fn a_planted_proof_weakens_nothing() {
    let shop = Shop::new();
    let logs = Registry::start();
    let (name, signature) = signed(&shop, "1");
    let rekor = &shop.sigstore.rekor;
    let mut entry = rekor.entries()[0].clone();
    let honest = entry.bundle().canonical();
    entry.proof.root = [7; 32];
    let lying = entry.bundle().canonical();
    for (what, layer, expected) in [
        ("lying", lying.as_str(), "promise"),
        ("no entry", "{}", "promise"),
        ("honest", &honest, "inclusion"),
    ] {
        let media_type = "application/vnd.sealock.log-entry.v1+json";
        let blob = shop.registry.blob(APP, layer.as_bytes());
        let empty = shop.registry.blob(APP, b"{}");
        let held = shop.registry.held(APP, &signature).unwrap();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": media_type,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
            "layers": [{"mediaType": media_type, "digest": blob, "size": layer.len()}],
            "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": signature, "size": held.len()},
        });
        let bytes = manifest.to_string();
        shop.registry.manifest(
            APP,
            "planted",
            "application/vnd.oci.image.manifest.v1+json",
            bytes.as_bytes(),
        );
        let run = pull(&shop, &logs, &["--log-proofs", "never", &name]);
        assert_eq!(run.status, 0, "{what}: {}{}", run.data, run.notes);
        assert_eq!(strength(&shop, &name), expected, "{what}");
    }
}

/// Whoever may write beside an image must not be able to keep it out: a promise that the log never made is nobody's, and
/// the log is not asked about it.
#[test]
fn a_forged_promise_keeps_nothing_out() {
    let shop = Shop::new();
    let logs = Registry::start();
    // Somebody else's entry stands where one of the forged promises points.
    signed(&shop, "2");
    let image = shop.image("1");
    shop.registry.image("1", &image);
    let signer = shop.sigstore.keyless(&Identity::example());
    let honest = signer.image(&image.repository, &image.digest()).layer();
    let promise: Value = serde_json::from_str(honest.annotation(REKOR_BUNDLE)).unwrap();
    let mut layers = vec![honest];
    for index in 0..8 {
        let mut forged = promise.clone();
        if forged["Payload"]["logIndex"] != index {
            forged["Payload"]["logIndex"] = index.into();
            layers.push(layers[0].clone().with_annotation(REKOR_BUNDLE, forged.to_string()));
        }
    }
    shop.registry.layers(&image, ".sig", &layers);
    log_server::serve_v1(&logs, &shop.sigstore.rekor);
    log_server::serve_ct(&logs, &shop.sigstore.ct_log, 9, BASE_TIME);
    let name = shop.name(APP, "1");
    let run = pull(&shop, &logs, &["--log-proofs", "require", &name]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert_eq!(question(&run.json(), "log-entry")["state"], "found");
    assert_eq!(logs.requests().iter().filter(|r| r.path.contains("entries")).count(), 1);
    assert_eq!(strength(&shop, &name), "inclusion");
}

/// Other things that hang on a signature do not make the mirror ask again, and keep one more answer, at each pull.
#[test]
fn a_held_proof_is_found_among_other_referrers() {
    let shop = Shop::new();
    let logs = Registry::start();
    let (name, signature) = signed(&shop, "1");
    log_server::serve_v1(&logs, &shop.sigstore.rekor);
    log_server::serve_ct(&logs, &shop.sigstore.ct_log, 9, BASE_TIME);
    let (oci, empty) = ("application/vnd.oci.image.manifest.v1+json", shop.registry.blob(APP, b"{}"));
    let size = shop.registry.held(APP, &signature).unwrap().len();
    for n in 0..60 {
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": oci, "artifactType": "application/other",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
            "layers": [{"mediaType": "application/other", "digest": empty, "size": 2}],
            "subject": {"mediaType": oci, "digest": signature, "size": size},
            "annotations": {"n": n.to_string()},
        });
        shop.registry.manifest(APP, &format!("other-{n}"), oci, manifest.to_string().as_bytes());
    }
    let run = pull(&shop, &logs, &[&name]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert_eq!(strength(&shop, &name), "inclusion");
    logs.forget_requests();
    let again = pull(&shop, &logs, &[&name]);
    assert_eq!((again.status, &again.json()["fetched"]["new"]), (0, &0.into()), "{}", again.data);
    assert!(!logs.requests().iter().any(|r| r.path.contains("entries")), "{:?}", logs.requests());
}

/// The log forks between two pulls: the mirror says so, and keeps both heads.
#[test]
fn a_log_that_forks_is_told_and_both_heads_are_kept() {
    let shop = Shop::new();
    let logs = Registry::start();
    let (name, _) = signed(&shop, "1");
    let rekor = &shop.sigstore.rekor;
    log_server::serve_v1(&logs, rekor);
    assert_eq!(pull(&shop, &logs, &[&name]).status, 0);
    // The same key signs another tree, of the same size and larger.
    let fork = Sigstore::new(7);
    for n in 0..3_u8 {
        fork.rekor.append_bytes("hashedrekord", "0.0.1", vec![n], BASE_TIME);
    }
    let other = Registry::start();
    log_server::serve_v1(&other, &fork.rekor);
    let run = pull(&shop, &other, &["--log-proofs", "try", &name]);
    assert_eq!(run.status, 3, "{}{}", run.data, run.notes);
    assert_eq!(run.json()["logs"][0]["split"], true, "{}", run.data);
    let history = history(&shop, "rekor");
    assert_eq!(history.heads.len(), 2);
    assert_eq!(history.heads[1].proof, None);
    assert_eq!(run.json()["images"][0]["fate"], "mirrored", "the image is there all the same");
    // It stays so when the honest face is shown again.
    let run = pull(&shop, &logs, &[&name]);
    assert_eq!((run.status, &run.json()["logs"][0]["split"]), (3, &true.into()), "{}", run.data);
}

/// A front end that once gives proofs that do not hold has not made two histories of one: the next pull mends it.
#[test]
fn a_spoilt_proof_is_asked_for_again() {
    let shop = Shop::new();
    let logs = Registry::start();
    let (name, _) = signed(&shop, "1");
    let rekor = &shop.sigstore.rekor;
    log_server::serve_v1(&logs, rekor);
    assert_eq!(pull(&shop, &logs, &[&name]).status, 0);
    let (old, image) = (rekor.size(), shop.image("bundle"));
    shop.registry.image("bundle", &image);
    let mut bundle = shop.sigstore.keyless(&Identity::example()).image_statement(&image.digest());
    // Lines that the log did not write are not carried along.
    let checkpoint = &mut bundle.entry.as_mut().unwrap().proof.checkpoint;
    let padding = format!("\u{2014} junk {}\n", "AAAA".repeat(3000));
    checkpoint.push_str(&padding);
    shop.registry.referrer(&image, &bundle);
    let tied = old + 1;
    rekor.append_bytes("hashedrekord", "0.0.1", b"more".to_vec(), BASE_TIME);
    let spoilt = Registry::start();
    log_server::serve_v1(&spoilt, rekor);
    let garbage = format!("{{\"hashes\":[\"{}\"]}}", "00".repeat(32));
    for from in [old, tied] {
        let path = format!(
            "GET /api/v1/log/proof?firstSize={from}&lastSize={}&treeID={}",
            rekor.size(),
            rekor.tree_id
        );
        spoilt.script(&path, Reply::content("application/json", garbage.as_bytes()));
    }
    let bundle = shop.name(APP, "bundle");
    let run = pull(&shop, &spoilt, &[&bundle]);
    assert_eq!((run.status, &run.json()["logs"][0]["split"]), (3, &true.into()), "{}", run.data);
    let spoilt = history(&shop, "rekor");
    assert_eq!((&spoilt.heads[1].proof, &spoilt.ties[0].proof), (&None, &None));
    assert!(!spoilt.ties[0].head.contains("junk"));
    log_server::serve_v1(&logs, rekor);
    let run = pull(&shop, &logs, &[&bundle]);
    assert_eq!((run.status, &run.json()["logs"][0]["split"]), (0, &false.into()), "{}", run.data);
}

/// A cache that answers with yesterday's head, and a history on disk that was changed.
#[test]
fn an_older_head_is_no_fork_and_a_changed_history_is_not_gone_on_with() {
    let shop = Shop::new();
    let logs = Registry::start();
    let (name, _) = signed(&shop, "1");
    let rekor = &shop.sigstore.rekor;
    let old = rekor.size();
    for n in 0..3_u8 {
        rekor.append_bytes("hashedrekord", "0.0.1", vec![n], BASE_TIME);
    }
    log_server::serve_v1(&logs, rekor);
    assert_eq!(pull(&shop, &logs, &[&name]).status, 0);
    let state = serde_json::json!({
        "signedTreeHead": rekor.checkpoint_at(old), "treeID": rekor.tree_id.to_string(), "inactiveShards": [],
    });
    logs.script("GET /api/v1/log", Reply::content("application/json", state.to_string().as_bytes()));
    let run = pull(&shop, &logs, &[&name]);
    assert_eq!((run.status, &run.json()["logs"][0]["split"]), (0, &false.into()), "{}", run.data);
    assert_eq!(run.json()["logs"][0]["size"], old + 3);
    let path = std::fs::read_dir(shop.path("store/logs")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(&format!("\\n{}\\n", old + 3), &format!("\\n{}\\n", old + 4)))
        .unwrap();
    let run = pull(&shop, &logs, &[&name]);
    assert_eq!(run.status, 0, "{}", run.notes);
    assert!(run.json()["logs"][0]["unknown"].as_str().unwrap().contains("move logs/"), "{}", run.data);
    assert_eq!(pull(&shop, &logs, &["--log-proofs", "require", &name]).status, 3);
}
