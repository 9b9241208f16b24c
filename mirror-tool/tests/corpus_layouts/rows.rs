//! Rows of the corpus as questions to the verifier, and what its answers have in common wherever the evidence lies.

use std::path::Path;

use serde_json::Value;

use crate::cosign;

/// One image, and who must have signed it.
pub struct Row {
    pub id: String,
    /// Name of the layout.
    pub layout: String,
    pub image: String,
    /// Flags of `sealock verify`.
    pub flags: Vec<String>,
}

impl Row {
    /// The policy of an image that has a digest, where that policy looks in other places than the image's own.
    pub fn looks_elsewhere(&self) -> Option<&str> {
        let [flag, policy, ..] = &self.flags[..] else { return None };
        let sound = flag == "--policy" && !policy.contains("invalid-") && self.image.contains('@');
        let text = std::fs::read_to_string(policy).ok().filter(|_| sound)?;
        let names = ["- oci: registry.example.com/", "tagPrefix: pre-"];
        names.iter().any(|name| text.contains(name)).then_some(policy)
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Rows of `private-sigstore/cases.jsonl` that are about images.
pub fn private(corpus: &Path) -> Vec<Row> {
    let root = corpus.join("private-sigstore");
    let rows = lines(&root.join("cases.jsonl")).into_iter().filter(|row| row["layout"].is_string());
    rows.map(|row| Row {
        id: row["id"].as_str().unwrap().to_owned(),
        layout: row["layout"].as_str().unwrap().to_owned(),
        image: row["image"].as_str().unwrap().to_owned(),
        flags: cosign::flags(corpus, &row),
    })
    .collect()
}

/// Rows of `verdicts/cases.jsonl` that have a layout. What a policy asks of a workload plays no part in `verify`, so
/// `resource` is not asked for on either side.
pub fn verdicts(corpus: &Path) -> Vec<Row> {
    let root = corpus.join("verdicts");
    let rows = lines(&root.join("cases.jsonl")).into_iter().filter(|row| row["layout"].is_string());
    rows.map(|row| {
        let documents = ["policy", "trustRoot"].iter().filter_map(|field| row[*field].as_str());
        let flags = documents
            .flat_map(|document| ["--policy".to_owned(), root.join(document).to_str().unwrap().to_owned()]);
        Row {
            id: row["id"].as_str().unwrap().to_owned(),
            layout: row["layout"].as_str().unwrap().trim_start_matches("layouts/").to_owned(),
            image: row["image"].as_str().unwrap().to_owned(),
            flags: flags.collect(),
        }
    })
    .collect()
}
