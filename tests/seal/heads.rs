//! Heads, operators, order, receipts: no file is touched.

use std::collections::BTreeMap;

use sealock::crypto::SigningKey;
use sealock::seal::operators::{Draft, Role};
use sealock::seal::order::{Step, rollbacks};
use sealock::seal::statement::{Exception, Versioned};
use sealock::seal::{
    Floors, Header, Operators, Receipt, ReceiptKey, SealFault, Statement, VerifiedSeal, codes,
};

use crate::hands::{Hand, document, founded, head, operators, statement, time};

/// A change to a statement.
type Change = &'static dyn Fn(&mut Statement);

const NOW: &str = "2026-01-02T00:00:00Z";

fn verify(bytes: &[u8], operators: &Operators) -> Result<VerifiedSeal, SealFault> {
    Header::parse(bytes)?.verify(operators)
}

fn sealed(statement: &Statement, by: &Hand, operators: &Operators) -> VerifiedSeal {
    verify(&head(statement, &[by]), operators).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, SealFault>) -> &'static str {
    result.unwrap_err().code().name
}

#[test]
fn each_kind_of_key_seals() {
    for hand in [Hand::new("a"), Hand::p256("b"), Hand::p384("c")] {
        let operators = operators(&[&hand], 1);
        let statement = statement(&operators, "here", 1, None);
        let seal = sealed(&statement, &hand, &operators);
        assert_eq!(seal.statement(), &statement);
        seal.verify_under(&operators).unwrap();
    }
}

#[test]
fn seal_threshold_duplicate_key() {
    let (a, b, c, stranger) = (Hand::new("a"), Hand::p256("b"), Hand::new("c"), Hand::new("s"));
    let operators = operators(&[&a, &b, &c], 2);
    let statement = statement(&operators, "here", 1, None);
    verify(&head(&statement, &[&a, &b]), &operators).unwrap();
    // One key twice, and one that counts beside one that does not.
    for hands in [vec![&a, &a], vec![&a, &stranger], vec![&stranger], vec![]] {
        assert_eq!(code(verify(&head(&statement, &hands), &operators)), codes::THRESHOLD.name);
    }
    // One signature under two ids: the second id is that of another key, which did not make it.
    let bytes = head(&statement, &[&a]);
    let text = String::from_utf8(bytes[512..].to_vec()).unwrap();
    let (start, end) = text.trim_end().split_once("\"signatures\":[").unwrap();
    let entry = end.trim_end_matches("]}");
    let mut twice = [entry.to_owned(), entry.replace(&a.id(), &b.id())];
    twice.sort();
    let forged = format!("{start}\"signatures\":[{}]}}", twice.join(","));
    let mut bytes = [&bytes[..512], forged.as_bytes()].concat();
    bytes.resize(512 + 65536, b' ');
    assert_eq!(code(verify(&bytes, &operators)), codes::THRESHOLD.name);
    // Documents that would let it through are none.
    let mut zero = document(1, &[&a], 1);
    zero.roles.seal.threshold = 0;
    assert_eq!(code(Draft::first(&zero)), codes::OPERATORS_INVALID.name);
    let mut beyond = document(1, &[&a], 1);
    beyond.roles.seal.threshold = 2;
    assert_eq!(code(Draft::first(&beyond)), codes::OPERATORS_INVALID.name);
    let mut two_ids = document(1, &[&a, &b], 2);
    let same = two_ids.keys[&a.id()].spki.clone();
    two_ids.keys.get_mut(&b.id()).unwrap().spki = same;
    assert_eq!(code(Draft::first(&two_ids)), codes::OPERATORS_INVALID.name);
    let mut two_names = document(1, &[&a, &b], 2);
    two_names.keys.get_mut(&b.id()).unwrap().name = "a".into();
    assert_eq!(code(Draft::first(&two_names)), codes::OPERATORS_INVALID.name);
}

#[test]
fn operators_follow_the_rules_of_a_root() {
    let (a, b, r) = (Hand::new("a"), Hand::p384("b"), Hand::new("r"));
    let mut first = document(1, &[&a], 1);
    first.keys.extend(document(1, &[&r], 1).keys);
    first.roles.recovery = Some(Role { keys: [r.id()].into(), threshold: 1 });
    let mut draft = Draft::first(&first).unwrap();
    assert_eq!(code(draft.clone().verify()), codes::OPERATORS_THRESHOLD.name);
    draft.sign(&a.key).unwrap();
    let pinned = draft.clone().verify().unwrap();
    // The next version needs both: its own, and the one before or its recovery.
    let next = |signers: &[&Hand]| {
        let mut draft = draft.clone();
        draft.push(&document(2, &[&b], 1)).unwrap();
        for hand in signers {
            draft.sign(&hand.key).unwrap();
        }
        draft
    };
    for lacking in [&[][..], &[&a], &[&b], &[&r], &[&a, &r]] {
        assert_eq!(code(next(lacking).verify()), codes::OPERATORS_THRESHOLD.name);
    }
    for enough in [&[&a, &b][..], &[&r, &b]] {
        let rotated = next(enough).verify().unwrap();
        let again = Operators::parse(&rotated.render().unwrap()).unwrap();
        assert_eq!(again.version(), 2);
        again.follows(&pinned).unwrap();
        assert_eq!(code(pinned.follows(&again)), codes::OPERATORS_ROLLBACK.name);
    }
    assert!(draft.sign(&Hand::new("x").key).is_err());
    // A chain of somebody else's is another one, however long.
    let mut other = founded(&[&b], 1);
    other.push(&document(2, &[&b], 1)).unwrap();
    other.sign(&b.key).unwrap();
    assert_eq!(code(other.verify().unwrap().follows(&pinned)), codes::OPERATORS_FORK.name);
    let mut gap = draft;
    gap.push(&document(3, &[&a], 1)).unwrap();
    gap.sign(&a.key).unwrap();
    assert_eq!(code(Operators::parse(&gap.render().unwrap())), codes::OPERATORS_INVALID.name);
}

#[test]
fn seal_by_removed_operator() {
    let (a, b) = (Hand::new("a"), Hand::new("b"));
    let mut draft = founded(&[&a], 1);
    let old = draft.clone().verify().unwrap();
    draft.push(&document(2, &[&b], 1)).unwrap();
    draft.sign(&a.key).unwrap();
    draft.sign(&b.key).unwrap();
    let new = draft.verify().unwrap();
    // A store that knows of the rotation.
    let by_removed = head(&statement(&old, "here", 5, Some(&"1".repeat(64))), &[&a]);
    assert_eq!(code(verify(&by_removed, &new)), codes::THRESHOLD.name);
    // A store that does not know yet, and a seal that brings it: both versions must vouch.
    let bringing = statement(&new, "here", 5, Some(&"1".repeat(64)));
    let seal = verify(&head(&bringing, &[&a]), &old).unwrap();
    assert_eq!(code(seal.verify_under(&new)), codes::THRESHOLD.name);
    verify(&head(&bringing, &[&a, &b]), &old).unwrap().verify_under(&new).unwrap();
    // A seal that states operators older than were seen.
    let both = operators(&[&a, &b], 1);
    let seal = sealed(&statement(&both, "here", 5, Some(&"1".repeat(64))), &a, &both);
    let floors = Floors { operators: 2, ..Floors::default() };
    assert_eq!(code(floors.judge(&seal, "here", time(NOW))), codes::OPERATORS_ROLLBACK.name);
}

#[test]
fn expired_operators_seal_nothing() {
    let a = Hand::new("a");
    let mut short = document(1, &[&a], 1);
    short.expires = time("2025-12-31T00:00:00Z");
    let mut draft = Draft::first(&short).unwrap();
    draft.sign(&a.key).unwrap();
    let expired = draft.verify().unwrap();
    let bytes = head(&statement(&expired, "here", 1, None), &[&a]);
    assert_eq!(code(verify(&bytes, &expired)), codes::OPERATORS_EXPIRED.name);
}

#[test]
fn only_the_next_seal_follows() {
    let a = Hand::new("a");
    let operators = operators(&[&a], 1);
    let now = time(NOW);
    let first = sealed(&statement(&operators, "here", 1, None), &a, &operators);
    let none = Floors::default();
    assert_eq!(none.judge(&first, "here", now), Ok(Step::First));
    assert_eq!(code(none.judge(&first, "there", now)), codes::WRONG_AUDIENCE.name);
    let floors = none.after(&first);
    assert_eq!(floors.judge(&first, "here", now), Ok(Step::Again));
    let make = |sequence, previous: &str, change: &dyn Fn(&mut Statement)| {
        let mut statement = statement(&operators, "here", sequence, Some(previous));
        change(&mut statement);
        sealed(&statement, &a, &operators)
    };
    let second = make(2, first.digest(), &|_| ());
    assert_eq!(floors.judge(&second, "here", now), Ok(Step::Next));
    let after = floors.after(&second);
    assert_eq!(code(after.judge(&first, "here", now)), codes::REPLAY.name);
    let twin = make(2, first.digest(), &|s| s.origin.push('!'));
    assert_eq!(code(after.judge(&twin, "here", now)), codes::FORK.name);
    assert_eq!(code(floors.judge(&make(2, &"2".repeat(64), &|_| ()), "here", now)), codes::FORK.name);
    assert_eq!(code(floors.judge(&make(3, second.digest(), &|_| ()), "here", now)), codes::GAP.name);
    // A new replica starts anywhere, but with everything.
    assert_eq!(none.judge(&second, "here", now), Ok(Step::First));
    let delta = make(2, first.digest(), &|s| s.base = Some(first.digest().to_owned()));
    assert_eq!(code(none.judge(&delta, "here", now)), codes::GAP.name);
    // A floor that the process does not own.
    let raised = Floors::default().raised_by(&Floors { seal: None, ..after.clone() });
    assert_eq!(code(raised.judge(&first, "here", now)), codes::REPLAY.name);
    assert_eq!(raised.judge(&second, "here", now), Ok(Step::First));
    // Time.
    assert_eq!(code(floors.judge(&second, "here", time("2026-03-01T00:00:00Z"))), codes::EXPIRED.name);
    assert_eq!(code(floors.judge(&second, "here", time("2025-12-31T23:54:59Z"))), codes::CLOCK.name);
    assert!(floors.judge(&second, "here", time("2025-12-31T23:55:01Z")).is_ok());
    // What was seen once never vanishes.
    let listed = Floors { deny_list: Some(4), ..floors.clone() };
    assert_eq!(code(listed.judge(&second, "here", now)), codes::WITHDRAWN.name);
    let list = |version| Some(Versioned { sha256: "3".repeat(64), version });
    let older = make(2, first.digest(), &|s| s.deny_list = list(3));
    assert_eq!(code(listed.judge(&older, "here", now)), codes::WITHDRAWN.name);
    let newer = make(2, first.digest(), &|s| s.deny_list = list(4));
    assert_eq!(listed.judge(&newer, "here", now), Ok(Step::Next));
    let journalled = Floors { journal: Some("x".into()), ..floors };
    assert_eq!(code(journalled.judge(&second, "here", now)), codes::WITHDRAWN.name);
}

#[test]
fn names_that_move_back() {
    let a = Hand::new("a");
    let operators = operators(&[&a], 1);
    let seal = sealed(&statement(&operators, "here", 3, Some(&"1".repeat(64))), &a, &operators);
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let seen = |pairs: &[(&str, u64)]| pairs.iter().map(|(d, s)| ((*d).to_owned(), *s)).collect();
    let history = BTreeMap::from([("r/x:1".to_owned(), seen(&[("old", 1), ("new", 2)]))]);
    let moves = |before: &[(&str, &str)], after: &str| {
        rollbacks(&history, &map(before), &seal, &map(&[("r/x:1", after)])).len()
    };
    assert_eq!(moves(&[("r/x:1", "new")], "old"), 1);
    assert_eq!(moves(&[], "old"), 1, "also by way of vanishing");
    assert_eq!(moves(&[("r/x:1", "new")], "newer"), 0);
    assert_eq!(moves(&[("r/x:1", "new")], "new"), 0);
    assert_eq!(moves(&[], "new"), 0);
    let mut excepted = statement(&operators, "here", 3, Some(&"1".repeat(64)));
    excepted.exceptions = vec![Exception { digest: "old".into(), name: "r/x:1".into() }];
    let excepted = sealed(&excepted, &a, &operators);
    let before = map(&[("r/x:1", "new")]);
    assert!(rollbacks(&history, &before, &excepted, &map(&[("r/x:1", "old")])).is_empty());
    let fault = SealFault::RefRollback { name: "r/x:1".into(), from: "new".into(), to: "old".into() };
    assert_eq!(fault.code().name, codes::REF_ROLLBACK.name);
}

#[test]
fn statements_that_contradict_themselves() {
    let a = Hand::new("a");
    let operators = operators(&[&a], 1);
    let changes: [(&str, Change); 13] = [
        ("format", &|s| s.format = "sealock.dev/seal/v2".into()),
        ("sequence 0", &|s| s.sequence = 0),
        ("first with one before", &|s| s.previous = Some("0".repeat(64))),
        ("later without one before", &|s| s.sequence = 2),
        ("digest", &|s| s.operators.sha256 = "0".repeat(63)),
        ("origin", &|s| s.origin = "\u{1b}[2J".into()),
        ("document outside", &|s| {
            let content = s.contents["index.json"].clone();
            s.contents.insert("refs/../x".into(), content);
        }),
        ("no names", &|s| drop(s.contents.remove("index.json"))),
        ("odd segments", &|s| s.segments.size = 1000),
        ("no segments", &|s| s.segments.sha256.clear()),
        ("documents too long", &|s| s.contents.get_mut("index.json").unwrap().size = 1 << 40),
        ("expires before", &|s| s.expires = s.sealed_at),
        ("policies", &|s| drop(s.policies.insert("p".into(), "0".repeat(64)))),
    ];
    for (what, change) in changes {
        let mut statement = statement(&operators, "here", 1, None);
        change(&mut statement);
        assert_eq!(code(Header::new(&statement)), codes::MALFORMED.name, "{what}");
    }
    let mut long = statement(&operators, "here", 1, None);
    long.segments.size = 512;
    long.segments.total = 512 * 1000;
    long.segments.sha256 = vec!["0".repeat(64); 1000];
    let header = Header::new(&long).unwrap();
    assert_eq!(code(header.render()), codes::HEADER_TOO_LARGE.name);
}

#[test]
fn fuzz_seal_header() {
    let a = Hand::new("a");
    let operators = operators(&[&a], 1);
    let bytes = head(&statement(&operators, "here", 1, None), &[&a]);
    let genuine = verify(&bytes, &operators).unwrap();
    let used = 512 + bytes[512..].iter().rposition(|b| *b != b' ').unwrap() + 1;
    let mut state = 20_261_124_u64;
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let judge = |mutant: &[u8], what: &str| {
        if mutant == bytes {
            return;
        }
        // Whatever came out would have to be what the operators signed; and no second spelling of it is read either.
        assert!(verify(mutant, &operators).is_err(), "{what}");
    };
    for at in 0..used {
        let mut mutant = bytes.clone();
        mutant[at] ^= 1 << random(8);
        judge(&mutant, &format!("bit at {at}"));
    }
    for round in 0..20_000 {
        let mut mutant = bytes.clone();
        for _ in 0..=random(4) {
            // Most of the head is space: half of the changes go where something stands.
            let at = if random(2) == 0 { random(used.min(mutant.len())) } else { random(mutant.len()) };
            match random(5) {
                0 => mutant[at] = u8::try_from(random(256)).unwrap(),
                1 => mutant.truncate(at),
                2 => mutant.insert(at, b" {}[]\",:0"[random(9)]),
                3 => drop(mutant.remove(at)),
                _ => mutant.copy_within(at / 2..(at / 2 + random(64)).min(at), at / 3),
            }
            if mutant.is_empty() {
                break;
            }
        }
        judge(&mutant, &format!("round {round}"));
    }
    assert_eq!(genuine.statement().sequence, 1);
}

#[test]
fn receipt_forged() {
    let (_, key) = SigningKey::generate().unwrap();
    let (_, other) = SigningKey::generate().unwrap();
    let receipt = Receipt {
        store: "0123456789abcdef0123456789abcdef".into(),
        seal: "a".repeat(64),
        sequence: 7,
        journal: None,
        complete: true,
    };
    let note = receipt.sign(&key).unwrap();
    assert!(note.len() <= 512, "{}", note.len());
    let checks = ReceiptKey::of(&receipt.store, &key);
    assert_eq!(ReceiptKey::parse(&checks.to_string()).unwrap(), checks);
    assert_eq!(Receipt::verify(note.as_bytes(), &checks).unwrap(), receipt);
    // Another key under the store's name, another store's key, and each byte changed.
    let forged = receipt.sign(&other).unwrap();
    assert_eq!(code(Receipt::verify(forged.as_bytes(), &checks)), codes::RECEIPT.name);
    let elsewhere = ReceiptKey::of("elsewhere", &key);
    assert_eq!(code(Receipt::verify(note.as_bytes(), &elsewhere)), codes::RECEIPT.name);
    let text = note.find("\n\n").unwrap();
    for at in 0..=text {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        assert!(Receipt::verify(&bytes, &checks).is_err(), "byte {at}");
    }
    assert!(Receipt::verify(&vec![b'x'; 513], &checks).is_err());
    for bad in ["", "a+b", "a+b+c", &format!("{checks}A"), &format!("x{checks}")] {
        assert!(ReceiptKey::parse(bad).is_err(), "{bad}");
    }
    let long = Receipt { journal: Some("j".repeat(400)), ..receipt };
    assert!(long.sign(&key).is_err());
}
