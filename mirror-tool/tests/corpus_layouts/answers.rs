//! Answers of the verifier, without the words that name a place.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

use sealock::image::Reference;
use serde_json::Value;

use crate::gap::Gap;
use crate::layouts::CorpusLayout;
use crate::rows::Row;

/// An exit status, and the decision or what was said in place of one.
#[derive(PartialEq)]
pub struct Answer {
    status: i32,
    pub document: Value,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {} {}", self.status, self.document)
    }
}

impl Answer {
    /// Whether `carried` is the same answer, or differs in nothing but that a sealed ledger proves absent what was not
    /// mirrored: undecided becomes denied, and nothing else moves.
    pub fn is_kept_by(&self, carried: &Self) -> bool {
        if self == carried {
            return true;
        }
        let [mut lying, mut proven] = [self.document.clone(), carried.document.clone()];
        // Both lists have the same authorities in them, so whatever else was said must be the same.
        self.status == 3
            && carried.status == 1
            && prove(&mut lying, "evidence/not-mirrored") > 0
            && prove(&mut proven, "evidence/absent") > 0
            && lying == proven
    }
}

/// Says "there is none" in place of the finding `code`, wherever that is said of an authority, and draws the conclusions;
/// tells how often.
fn prove(document: &mut Value, code: &str) -> usize {
    let mut count = 0;
    let mut open = false;
    for policy in document["policies"].as_array_mut().unwrap() {
        let mut still = false;
        for authority in policy["authorities"].as_array_mut().unwrap() {
            let findings = authority["findings"].as_array_mut().unwrap();
            let said = findings.iter_mut().filter(|finding| finding["code"] == code);
            let here = said.map(|finding| *finding = "there is none".into()).count();
            if here > 0 {
                authority["verdict"] = "deny".into();
            }
            count += here;
            still |= authority["verdict"] == "undecided";
        }
        if policy["verdict"] == "undecided" && !still {
            policy["verdict"] = "deny".into();
        }
        open |= policy["verdict"] == "undecided";
    }
    if document["verdict"] == "undecided" && !open {
        document["verdict"] = "deny".into();
    }
    count
}

/// Asks a row of a store or, where `image` says so, of a layout.
pub fn ask(gap: &Gap, row: &Row, place: &str, image: &str) -> Answer {
    let mut args = vec!["verify", "-o", "json"];
    args.extend(row.flags.iter().map(String::as_str));
    args.extend(["--store", place, image]);
    let run = gap.sealock(&args);
    let Ok(document) = serde_json::from_str::<Value>(&run.data.replace(place, "PLACE")) else {
        let said = run.notes.replace(image, "IMAGE").replace(place, "PLACE");
        return Answer { status: run.status, document: said.into() };
    };
    let mut decision = document["decisions"][0].clone();
    decision["image"] = Value::Null;
    decision["trustRoot"] = document["trustRoot"]["digest"].clone();
    // Whether a seal vouches for the name is the one thing that must differ.
    decision["findings"].as_array_mut().unwrap().retain(|f| f["code"] != "store/claimed-name");
    Answer { status: run.status, document: decision }
}

/// The layouts as they lie, and stores that took them in without a seal.
pub struct AsItLies<'g> {
    gap: &'g Gap,
    stores: Mutex<BTreeSet<String>>,
}

impl<'g> AsItLies<'g> {
    pub fn new(gap: &'g Gap) -> Self {
        Self { gap, stores: Mutex::default() }
    }

    /// Asks of `oci:LAYOUT`. What cannot be written so (an image that only evidence is held of, the child of an index, a
    /// name by tag, which `oci:` judges by digest, a name that is none) is asked of a store that took the layout in.
    pub fn ask(&self, row: &Row, layout: &CorpusLayout) -> Answer {
        let folder = layout.folder.to_str().unwrap();
        let reference = Reference::parse(&row.image).ok();
        let pinned = reference.as_ref().and_then(|r| Some((r.repository(), r.digest()?.to_string())));
        if let Some(name) = pinned.and_then(|(repository, digest)| layout.named(repository, &digest)) {
            return ask(self.gap, row, folder, &format!("oci:{folder}:{name}"));
        }
        let store = self.gap.path(&format!("lies-{}", row.layout));
        let mut stores = self.stores.lock().unwrap();
        if stores.insert(store.clone()) {
            self.gap.sealock(&["store", "init", "--store", &store]).ok();
            self.gap.sealock(&["import", "--store", &store, folder]).ok();
        }
        drop(stores);
        ask(self.gap, row, &store, &row.image)
    }
}
