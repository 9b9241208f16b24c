//! Promises of CT logs in certificates: several, with extensions, of unknown logs, and none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod minted;

use minted::{World, judge, read, view};
use sealock::verify::{Demand, SignerDemand};
use sealock_testkit::calendar::{BASE_TIME, DAY};
use sealock_testkit::ct_log::{CtLog, Sct};
use sealock_testkit::signer::Precertificate;
use sealock_testkit::{Identity, Shape, TrustedRoot};

const NO_SCT: &str = "verify/no-sct";
const BAD_SCT: &str = "verify/bad-sct";

/// What CT logs promise for a certificate.
type Promises<'a> = Box<dyn Fn(&CtLog, &Precertificate<'_>) -> Vec<Sct> + 'a>;

fn honest(log: &CtLog, shown: &Precertificate<'_>) -> Sct {
    log.stamp(&shown.issuer_key_hash, shown.tbs, shown.time)
}

/// A root that knows a second CT log.
fn with_log(root: TrustedRoot, log: &CtLog) -> TrustedRoot {
    let mut root = root;
    let mut entry = root.ctlogs[0].clone();
    entry.base_url.clone_from(&log.base_url);
    entry.public_key = log.key.public_der();
    entry.log_id = log.key.key_id().to_vec();
    root.ctlogs.push(entry);
    root
}

#[test]
fn every_promise_of_a_known_log_must_hold() {
    let world = World::new(30);
    let second = CtLog::new(31, "https://ct2.example.com");
    let unknown = CtLog::new(32, "https://ct3.example.com");
    let root = with_log(world.sigstore.trusted_root(), &second);
    let view = view(&root);
    let broken = |log: &CtLog, shown: &Precertificate<'_>| {
        let mut sct = honest(log, shown);
        sct.signature[10] ^= 1;
        sct
    };
    let cases: Vec<(&str, Promises<'_>, Result<(), &str>)> = vec![
        ("one", Box::new(|log, shown| vec![honest(log, shown)]), Ok(())),
        ("of another known log", Box::new(|_, shown| vec![honest(&second, shown)]), Ok(())),
        ("of both", Box::new(|log, shown| vec![honest(log, shown), honest(&second, shown)]), Ok(())),
        ("the same twice", Box::new(|log, shown| vec![honest(log, shown), honest(log, shown)]), Ok(())),
        ("an unknown log's", Box::new(|_, shown| vec![honest(&unknown, shown)]), Err(NO_SCT)),
        ("unknown first", Box::new(|log, shown| vec![honest(&unknown, shown), honest(log, shown)]), Ok(())),
        ("unknown last", Box::new(|log, shown| vec![honest(log, shown), honest(&unknown, shown)]), Ok(())),
        ("none", Box::new(|_, _| Vec::new()), Err(NO_SCT)),
        ("broken", Box::new(|log, shown| vec![broken(log, shown)]), Err(BAD_SCT)),
        (
            "broken first",
            Box::new(|log, shown| vec![broken(log, shown), honest(&second, shown)]),
            Err(BAD_SCT),
        ),
        (
            "broken last",
            Box::new(|log, shown| vec![honest(log, shown), broken(&second, shown)]),
            Err(BAD_SCT),
        ),
        ("broken, of an unknown log", Box::new(|log, s| vec![honest(log, s), broken(&unknown, s)]), Ok(())),
        (
            "signed by another, under a known name",
            Box::new(|log, shown| vec![Sct { log_id: log.key.key_id(), ..honest(&unknown, shown) }]),
            Err(BAD_SCT),
        ),
        (
            "of another issuer",
            Box::new(|log, shown| vec![log.stamp(&[7; 32], shown.tbs, shown.time)]),
            Err(BAD_SCT),
        ),
        (
            "with extensions",
            Box::new(|log, s| vec![log.stamp_with(&s.issuer_key_hash, s.tbs, s.time, b"\0\0\x05index")]),
            Ok(()),
        ),
        (
            "extensions that the log did not sign",
            Box::new(|log, shown| vec![Sct { extensions: b"more".to_vec(), ..honest(log, shown) }]),
            Err(BAD_SCT),
        ),
        (
            "extensions taken away",
            Box::new(|log, shown| {
                let sct = log.stamp_with(&shown.issuer_key_hash, shown.tbs, shown.time, b"more");
                vec![Sct { extensions: Vec::new(), ..sct }]
            }),
            Err(BAD_SCT),
        ),
        ("sixteen", Box::new(|log, shown| vec![honest(log, shown); 16]), Ok(())),
        ("seventeen", Box::new(|log, shown| vec![honest(log, shown); 17]), Err(NO_SCT)),
    ];
    for (name, promises, want) in cases {
        let signer = world.sigstore.keyless(&Identity::example()).scts(promises);
        let signed = world.sign(&signer);
        assert_eq!(world.judge(&signed, &view).map(drop), want, "{name}");
        // Where no promise is demanded none is looked at.
        let demand =
            Demand { signer: SignerDemand::Keyless { view: &view, sct: false }, ..world.demand(&view) };
        assert!(judge(&read(&signed, Shape::BUNDLE).unwrap(), &demand).is_ok(), "{name}");
    }
}

/// The window of a CT log's key is held against the time in the promise, to the millisecond.
#[test]
fn windows_of_ct_logs() {
    let world = World::new(33);
    let signed = world.sign(&world.sigstore.keyless(&Identity::example()));
    // The testkit's logs promise a quarter of a second after the certificate begins.
    for (start, end, want) in [
        (BASE_TIME, Some(BASE_TIME + 1), Ok(())),
        (BASE_TIME - DAY, Some(BASE_TIME), Err(BAD_SCT)),
        (BASE_TIME + 1, None, Err(BAD_SCT)),
    ] {
        let view = view(&world.root().ct_log_window(start, end));
        assert_eq!(world.judge(&signed, &view).map(drop), want, "{start} {end:?}");
    }
    // A key that is in the root twice, with two windows: one of them must hold.
    let mut root = world.root().ct_log_window(BASE_TIME - DAY, Some(BASE_TIME - 1));
    root = root.with(TrustedRoot { ctlogs: world.root().ctlogs, ..TrustedRoot::default() });
    assert_eq!(world.judge(&signed, &view(&root)).map(drop), Ok(()));
}

/// A private Sigstore without CT logs is one whose policies ask for none; what they do ask for is held.
#[test]
fn instance_without_ct_logs() {
    let world = World::new(34);
    let view = view(&world.root().without_ct_logs());
    let signer = world.stamped().scts(|_, _| Vec::new());
    let signed = world.sign(&signer);
    assert_eq!(world.judge(&signed, &view).map(drop), Err(NO_SCT));
    let demand = Demand { signer: SignerDemand::Keyless { view: &view, sct: false }, ..world.demand(&view) };
    assert!(judge(&read(&signed, Shape::BUNDLE).unwrap(), &demand).is_ok());
    let mut broken = signed;
    broken.timestamps.clear();
    assert_eq!(judge(&read(&broken, Shape::BUNDLE).unwrap(), &demand).map(drop), Err("verify/no-time"));
}
