//! The mutation matrix: of every kind of evidence every byte of every part that is signed or carries a proof is flipped,
//! every part is dropped, exchanged with a donor's, and signed anew by somebody else. Each is denied with a code that the
//! checked-in table `tests/mutation/expected.txt` has for it.
//!
//! A usual run takes every seventh byte; `SEALOCK_MUTATION_ROWS=all` takes every bit of every byte and demands that the
//! table holds nothing that does not occur. `SEALOCK_BLESS=1` writes the table, and never lets anything through that
//! [`PROVES_NOTHING`] does not name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "the environment says how much is mutated; the table is a file"
)]

#[path = "mutation/kinds.rs"]
mod kinds;
mod minted;
#[path = "mutation/parts.rs"]
mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use kinds::Kind;
use sealock::evidence::{Evidence, Signer};
use sealock::verify::Verified;

/// What may still verify, with the very same proof: these bytes are covered by no signature and decide nothing.
const PROVES_NOTHING: [(&str, &str, &str); 6] = [
    ("stamp", "flipped", "certificates in the bag, versions, and lists of algorithms"),
    ("message digest", "dropped", "a hint beside the file"),
    ("kind", "dropped", "announced beside the body, which says it itself"),
    ("version", "dropped", "the same"),
    ("key hint", "a stranger's", "says which key to look for; the demand names the key"),
    ("hashes", "reversed", "a path of fewer than two hashes is its own reverse"),
];

/// What still verifies with less proven: a key needs no time, so the proof of inclusion is enough without the promise.
const PROVES_LESS: [(&str, &str, &str); 1] = [("bundle 0.3, dsse, keyed", "promise", "dropped")];

/// Kind, part, mutation.
type Row = (&'static str, String, &'static str);

struct Table {
    all: bool,
    seen: BTreeMap<Row, BTreeSet<&'static str>>,
    count: usize,
}

impl Table {
    /// Records one verdict; an allow must be harmless.
    fn add(
        &mut self,
        kind: &Kind,
        part: &str,
        mutation: &'static str,
        altered: Option<&Evidence>,
        honest: &Verified,
    ) {
        let code = match altered.map(|evidence| kind.judge(evidence)) {
            None => "evidence/malformed",
            Some(Err(code)) => code,
            Some(Ok(proof)) if PROVES_LESS.contains(&(kind.name, part, mutation)) => {
                let (log, identity) = (proof.log() == honest.log(), proof.signer() == honest.signer());
                assert!(log && identity && proof.time() == "none" && proof.signed_at().is_none());
                "the same without a time"
            }
            Some(Ok(proof)) => {
                let listed = PROVES_NOTHING.iter().any(|(p, m, _)| *p == part && *m == mutation);
                assert!(listed, "{}: {part} {mutation}: still verifies", kind.name);
                assert_eq!(proof, *honest, "{}: {part} {mutation}: another proof", kind.name);
                "the same proof"
            }
        };
        self.seen.entry((kind.name, part.to_owned(), mutation)).or_default().insert(code);
        self.count += 1;
    }

    fn flips(&mut self, kind: &Kind, honest: &Verified) {
        for name in parts::NAMES {
            let Some(bytes) = parts::get(&kind.evidence, kind.stamp.as_ref(), name) else { continue };
            let (bits, all) = (0..8 * bytes.len(), self.all);
            // Every seventh byte with another bit of each, or every bit.
            for bit in bits.filter(|bit| all || (bit / 8) % 7 == 0 && bit % 8 == (bit / 56) % 8) {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let altered = parts::set(&kind.evidence, kind.stamp.as_ref(), name, bytes);
                self.add(kind, name, "flipped", altered.as_ref(), honest);
            }
        }
    }

    fn exchanges(&mut self, kind: &Kind, honest: &Verified) {
        for name in parts::NAMES {
            let Some(mine) = parts::get(&kind.evidence, kind.stamp.as_ref(), name) else { continue };
            if name != "stamp proof" {
                let altered = parts::without(&kind.evidence, name);
                if altered.as_ref() != Some(&kind.evidence) {
                    self.add(kind, name, "dropped", altered.as_ref(), honest);
                }
            }
            for (donor, mutation) in [(&kind.donor, "a donor's"), (&kind.stranger, "a stranger's")] {
                let theirs = if name == "stamp proof" { None } else { parts::get(donor, None, name) };
                if let Some(theirs) = theirs.filter(|theirs| *theirs != mine) {
                    let altered = parts::set(&kind.evidence, None, name, theirs);
                    self.add(kind, name, mutation, altered.as_ref(), honest);
                }
            }
        }
        for (donor, mutation) in [(&kind.donor, "a donor's"), (&kind.stranger, "a stranger's")] {
            let with = |change: &dyn Fn(&mut Evidence)| {
                let mut altered = kind.evidence.clone();
                change(&mut altered);
                altered
            };
            let keyed = matches!(kind.evidence.signer, Signer::Key { .. });
            let signer = if keyed { "key hint" } else { "signer" };
            let whole: [(&str, Evidence); 5] = [
                ("entry", with(&|e| e.entries.clone_from(&donor.entries))),
                ("proof", with(&|e| e.entries[0].proof.clone_from(&donor.entries[0].proof))),
                ("content", with(&|e| e.content = donor.content.clone())),
                (signer, with(&|e| e.signer = donor.signer.clone())),
                ("evidence", donor.clone()),
            ];
            for (name, altered) in whole {
                if altered != kind.evidence {
                    self.add(kind, name, mutation, Some(&altered), honest);
                }
            }
        }
        let mut reversed = kind.evidence.clone();
        if let Some(proof) = reversed.entries[0].proof.as_mut() {
            proof.hashes.reverse();
            self.add(kind, "hashes", "reversed", Some(&reversed), honest);
        }
        let mut twice = kind.evidence.clone();
        twice.entries.push(twice.entries[0].clone());
        self.add(kind, "entry", "twice", Some(&twice), honest);
        for (name, altered) in &kind.signed_anew {
            self.add(kind, name, "signed anew", Some(altered), honest);
        }
    }

    /// Part, mutation, what is said, and for how many kinds or for which.
    fn text(&self) -> String {
        let mut rows: BTreeMap<(&str, &str, String), Vec<&str>> = BTreeMap::new();
        let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for ((kind, part, mutation), codes) in &self.seen {
            let codes = codes.iter().copied().collect::<Vec<_>>().join(", ");
            rows.entry((part, mutation, codes)).or_default().push(kind);
            *kinds.entry((part, mutation)).or_default() += 1;
        }
        let mut out = String::from("# part | mutation | what is said | of which kinds\n");
        for ((part, mutation, codes), named) in &rows {
            let of = if named.len() == kinds[&(*part, *mutation)] { "all".into() } else { named.join("; ") };
            writeln!(out, "{part} | {mutation} | {codes} | {}: {of}", named.len()).unwrap();
        }
        out
    }
}

/// What is said, and of which kinds.
type Said<'t> = (BTreeSet<&'t str>, &'t str);

/// What the table has for each part and mutation.
struct Expected<'t> {
    rows: BTreeMap<(&'t str, &'t str), Vec<Said<'t>>>,
    count: usize,
}

impl<'t> Expected<'t> {
    fn read(text: &'t str) -> Self {
        let mut expected = Expected { rows: BTreeMap::new(), count: 0 };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = line.split(" | ").collect();
            let [part, mutation, codes, kinds] = cells[..] else { panic!("{line}") };
            let (count, kinds) = kinds.split_once(": ").unwrap();
            expected.count += count.parse::<usize>().unwrap();
            let row = (codes.split(", ").collect(), kinds);
            expected.rows.entry((part, mutation)).or_default().push(row);
        }
        expected
    }

    fn of(&self, kind: &str, part: &str, mutation: &str) -> &BTreeSet<&'t str> {
        let rows =
            self.rows.iter().filter(|((p, m), _)| *p == part && *m == mutation).flat_map(|(_, rows)| rows);
        let row = rows
            .into_iter()
            .find(|(_, kinds)| *kinds == "all" || kinds.split("; ").any(|known| known == kind));
        &row.unwrap_or_else(|| panic!("the table has no row for {part} | {mutation} of {kind}")).0
    }
}

#[test]
fn every_mutation_is_denied_with_its_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mutation/expected.txt");
    let bless = std::env::var_os("SEALOCK_BLESS").is_some();
    let all = bless || std::env::var("SEALOCK_MUTATION_ROWS").is_ok_and(|text| text == "all");
    let mut table = Table { all, seen: BTreeMap::new(), count: 0 };
    let kinds = kinds::all();
    let proofs = kinds.iter().map(|kind| {
        let proof = kind.judge(&kind.evidence);
        (kind, proof.unwrap_or_else(|code| panic!("{}: {code}", kind.name)))
    });
    let proofs: Vec<_> = proofs.collect();
    for (kind, honest) in &proofs {
        table.exchanges(kind, honest);
    }
    for (kind, honest) in &proofs {
        table.flips(kind, honest);
    }
    assert!(table.count > if all { 200_000 } else { 5_000 }, "{}", table.count);
    if bless {
        std::fs::write(path, table.text()).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap();
    if all {
        assert_eq!(table.text(), expected);
        return;
    }
    let expected = Expected::read(&expected);
    for ((kind, part, mutation), codes) in &table.seen {
        let wanted = expected.of(kind, part, mutation);
        assert!(codes.is_subset(wanted), "{part} | {mutation} of {kind}: {codes:?}, expected {wanted:?}");
    }
    assert_eq!(table.seen.len(), expected.count, "rows of the table that nothing fills");
}
