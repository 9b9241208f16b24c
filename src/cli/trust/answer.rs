//! How `sealock trust` answers: JSON, and text for people. Foreign text is escaped here.

use std::fmt::Write as _;

use jiff::Timestamp;
use sealock_trust_root::crypto::sha256;
use sealock_trust_root::disk::{InForce, Pin, Provenance};
use sealock_trust_root::freshness::{Judgement, RoleAge};
use sealock_trust_root::root::{Authority, LogKey, Window};
use serde_json::{Value, json};

use crate::decision::Finding;
use crate::report::text::escape;
use crate::trust::freshness as words;

pub(super) fn describe(in_force: &InForce, ages: &[RoleAge], findings: &[Finding]) -> Value {
    let root = &in_force.root;
    json!({
        "schema": "sealock.dev/trust/v1",
        "trustRoot": {
            "digest": format!("sha256:{}", hex::encode(root.digest)),
            "origin": origin(&in_force.provenance),
            "freshness": ages.iter().map(age).collect::<Vec<_>>(),
        },
        "certificateAuthorities": root.certificate_authorities.iter().map(authority).collect::<Vec<_>>(),
        "transparencyLogs": root.transparency_logs.iter().map(log).collect::<Vec<_>>(),
        "ctLogs": root.ct_logs.iter().map(log).collect::<Vec<_>>(),
        "timestampAuthorities": root.timestamp_authorities.iter().map(authority).collect::<Vec<_>>(),
        "findings": findings,
    })
}

fn origin(provenance: &Provenance) -> Value {
    match provenance {
        Provenance::Embedded => json!({ "kind": "embedded" }),
        Provenance::Tuf { name, pin } => json!({ "kind": "tuf", "name": name, "pin": match pin {
            Pin::Embedded => "embedded".to_owned(),
            Pin::Given(digest) => format!("sha256:{digest}"),
        }}),
        Provenance::Adopted { name } => json!({ "kind": "adopted", "name": name }),
        Provenance::File { path } => json!({ "kind": "file", "path": path.display().to_string() }),
        Provenance::Directory { path } => json!({ "kind": "directory", "path": path.display().to_string() }),
    }
}

fn age(age: &RoleAge) -> Value {
    let (judgement, action) = judgement(age);
    json!({
        "role": age.role.to_string(),
        "version": age.version,
        "expires": age.expires.to_string(),
        "pastExpirySeconds": age.past_expiry.as_secs(),
        "judgement": judgement,
        "action": action,
    })
}

fn judgement(age: &RoleAge) -> (&'static str, Option<&'static str>) {
    match age.judgement {
        Judgement::Fresh => ("fresh", None),
        Judgement::WithinLimit => ("within-limit", None),
        Judgement::Beyond(action) => ("beyond-limit", Some(action.name())),
    }
}

fn window(window: Window) -> Value {
    let text = |t: Option<Timestamp>| t.map(|t| t.to_string());
    json!({ "start": text(window.start), "end": text(window.end) })
}

fn authority(authority: &Authority) -> Value {
    let digests: Vec<String> = authority.chain.iter().map(|der| hex::encode(sha256(der))).collect();
    json!({ "uri": authority.uri, "certificates": digests, "window": window(authority.window) })
}

fn log(log: &LogKey) -> Value {
    json!({
        "baseUrl": log.base_url,
        "logId": hex::encode(&log.log_id),
        "keyId": hex::encode(log.key_id),
        "algorithm": format!("{:?}", log.algorithm),
        "window": window(log.window),
    })
}

pub(super) fn human(in_force: &InForce, ages: &[RoleAge]) -> String {
    let mut text = format!("trusted root  sha256:{}\n", hex::encode(in_force.root.digest));
    let origin = match &in_force.provenance {
        Provenance::Embedded => "embedded in this program (public-good instance)".to_owned(),
        Provenance::Tuf { name, pin: Pin::Embedded } => {
            format!("TUF repository in the store, as {name:?}, chained from the embedded root")
        }
        Provenance::Tuf { name, pin: Pin::Given(digest) } => {
            format!(
                "TUF repository in the store, as {name:?}, chained from root sha256:{digest} given here once"
            )
        }
        Provenance::Adopted { name } => format!("adopted by its digest, as {name:?}; no TUF vouches for it"),
        Provenance::File { path } => format!("file {}; no TUF vouches for it", path.display()),
        Provenance::Directory { path } => {
            format!("TUF repository {}, chained from the embedded root", path.display())
        }
    };
    let _ = writeln!(text, "from          {}", escape(&origin));
    for age in ages {
        let left = words::span(age.past_expiry);
        let left = match age.judgement {
            Judgement::Fresh => format!("{left} left"),
            Judgement::WithinLimit => format!("expired {left} ago, within its limit"),
            Judgement::Beyond(action) => format!("expired {left} ago, beyond its limit: {}", action.name()),
        };
        let role = escape(&age.role.to_string());
        let _ = writeln!(text, "role          {role} {}, expires {}, {left}", age.version, age.expires);
    }
    for (kind, list) in [
        ("authority     ", &in_force.root.certificate_authorities),
        ("timestamps    ", &in_force.root.timestamp_authorities),
    ] {
        for authority in list {
            let _ = writeln!(
                text,
                "{kind}{}, {} certificates, {}",
                escape(&authority.uri),
                authority.chain.len(),
                span(authority.window)
            );
        }
    }
    for (kind, list) in
        [("log           ", &in_force.root.transparency_logs), ("ct log        ", &in_force.root.ct_logs)]
    {
        for log in list {
            let _ = writeln!(
                text,
                "{kind}{}, {:?}, id {}, {}",
                escape(&log.base_url),
                log.algorithm,
                hex::encode(&log.log_id),
                span(log.window)
            );
        }
    }
    text
}

fn span(window: Window) -> String {
    let text = |t: Option<Timestamp>, open: &str| t.map_or_else(|| open.to_owned(), |t| t.to_string());
    format!("{} to {}", text(window.start, "always"), text(window.end, "further notice"))
}

pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
