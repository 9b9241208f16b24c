//! Logs over loopback: what a log answers at this moment, put into the script of a [`Registry`]. Call again when the log
//! has grown.

use crate::calendar::Time;
use crate::ct_log::CtLog;
use crate::json::{Json, object};
use crate::merkle::{self, Node};
use crate::registry::Reply;
use crate::rekor::{LogEntry, Rekor};
use crate::{Registry, base64};

fn json(text: &str) -> Reply {
    Reply::content("application/json", text.as_bytes())
}

fn hexes(hashes: &[Node]) -> Json {
    Json::Array(hashes.iter().map(|hash| Json::Text(hex::encode(hash))).collect())
}

/// What `api/v1/log/entries` says about an entry, with a proof in the tree of `size` leaves.
pub fn entry(rekor: &Rekor, entry: &LogEntry, size: usize) -> String {
    let index = usize::try_from(entry.proof.index).unwrap();
    let root = merkle::root(&rekor.leaves()[..size]);
    let number = |n: usize| Json::from(i64::try_from(n).unwrap());
    let proof = object([
        ("checkpoint", rekor.checkpoint_at(size).as_str().into()),
        ("hashes", hexes(&rekor.inclusion(index, size))),
        ("logIndex", number(index)),
        ("rootHash", hex::encode(root).into()),
        ("treeSize", number(size)),
    ]);
    let verification =
        object([("inclusionProof", proof), ("signedEntryTimestamp", base64(&entry.set).into())]);
    let answered = object([
        ("attestation", object([])),
        ("body", base64(&entry.body).into()),
        ("integratedTime", entry.integrated_time.into()),
        ("logID", hex::encode(entry.log_id).into()),
        ("logIndex", entry.log_index.into()),
        ("verification", verification),
    ]);
    let uuid = hex::encode(merkle::leaf(&entry.body));
    Json::Object(vec![(uuid, answered)]).canonical()
}

/// Lets `registry` answer as Rekor v1 would for `rekor`: its state, every entry, every proof of growth.
pub fn serve_v1(registry: &Registry, rekor: &Rekor) {
    let size = rekor.size();
    let state = object([
        ("inactiveShards", Json::Array(Vec::new())),
        ("rootHash", hex::encode(merkle::root(&rekor.leaves())).into()),
        ("signedTreeHead", rekor.checkpoint_at(size).as_str().into()),
        ("treeID", rekor.tree_id.to_string().into()),
        ("treeSize", i64::try_from(size).unwrap().into()),
    ]);
    registry.script("GET /api/v1/log", json(&state.canonical()));
    for each in rekor.entries() {
        let path = format!("GET /api/v1/log/entries?logIndex={}", each.log_index);
        registry.script(&path, json(&entry(rekor, &each, size)));
    }
    for to in 1..=size {
        for from in 1..to {
            let path =
                format!("GET /api/v1/log/proof?firstSize={from}&lastSize={to}&treeID={}", rekor.tree_id);
            let proof = object([("hashes", hexes(&rekor.consistency(from, to)))]);
            registry.script(&path, json(&proof.canonical()));
        }
    }
}

/// Lets `registry` answer with the checkpoint and the tiles of `rekor`, as Rekor v2 does, and deny that there is a v1.
pub fn serve_tiles(registry: &Registry, rekor: &Rekor) {
    let leaves = rekor.leaves();
    registry.script("GET /api/v1/log", Reply::status(404).body(b"404 page not found\n"));
    let checkpoint = rekor.checkpoint_at(leaves.len());
    registry.script("GET /api/v2/checkpoint", Reply::content("text/plain", checkpoint.as_bytes()));
    let mut level = leaves;
    for number in 0.. {
        for (at, tile) in level.chunks(256).enumerate() {
            let partial = if tile.len() < 256 { format!(".p/{}", tile.len()) } else { String::new() };
            let path = format!("GET /api/v2/tile/{number}/{at:03}{partial}");
            registry.script(&path, Reply::content("application/octet-stream", &tile.concat()));
        }
        // The next level holds the roots of full tiles only.
        level = level.chunks_exact(256).map(merkle::root).collect();
        if level.is_empty() {
            return;
        }
    }
}

/// Lets `registry` answer for a CT log with `size` leaves below the path of its URL.
pub fn serve_ct(registry: &Registry, log: &CtLog, size: u32, time: Time) {
    let path = log.base_url.splitn(4, '/').nth(3).map_or(String::new(), |path| format!("/{path}"));
    let leaves: Vec<Node> = (0..size).map(|n| merkle::leaf(&n.to_be_bytes())).collect();
    let head = log.tree_head(leaves.len(), &merkle::root(&leaves), time);
    registry.script(&format!("GET {path}/ct/v1/get-sth"), json(&head));
    for from in 1..leaves.len() {
        let proof = merkle::consistency(&leaves, from);
        let hashes = Json::Array(proof.iter().map(|hash| Json::Text(base64(hash))).collect());
        let answer = object([("consistency", hashes)]);
        let query = format!("GET {path}/ct/v1/get-sth-consistency?first={from}&second={size}");
        registry.script(&query, json(&answer.canonical()));
    }
}
