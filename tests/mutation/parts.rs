//! The decoded parts of a piece of evidence: every one that is signed or that carries a proof, as bytes to be taken out,
//! changed and put back.

use sealock::evidence::{Content, Evidence, Signer, classic, dsse, statement};
use sealock_testkit::{base64, unbase64};

/// What a part is called in the table.
pub const NAMES: [&str; 20] = [
    "payload type",
    "payload",
    "message digest",
    "signature",
    "certificate",
    "log id",
    "log index",
    "integrated time",
    "kind",
    "version",
    "body",
    "promise",
    "proof index",
    "tree size",
    "root hash",
    "hashes",
    "checkpoint text",
    "checkpoint signature",
    "stamp",
    "stamp proof",
];

/// Parts of a token that prove something, in the order in which they stand in it.
pub type StampProof = [Vec<u8>; 3];

/// The bytes of a part, where it is there.
pub fn get(evidence: &Evidence, stamp: Option<&StampProof>, name: &str) -> Option<Vec<u8>> {
    let entry = evidence.entries.first();
    let proof = entry.and_then(|entry| entry.proof.as_ref());
    match name {
        "payload type" => match &evidence.content {
            Content::Envelope { envelope, .. } => Some(envelope.payload_type.clone().into_bytes()),
            _ => None,
        },
        "payload" => match &evidence.content {
            Content::Envelope { envelope, .. } => Some(envelope.payload.clone()),
            Content::SimpleSigning { payload, .. } => Some(payload.clone()),
            Content::Message { .. } => None,
        },
        "message digest" => match &evidence.content {
            Content::Message { digest: Some((_, digest)), .. } => Some(digest.clone()),
            _ => None,
        },
        "signature" => match &evidence.content {
            Content::Envelope { envelope, .. } => envelope.signatures.first().cloned(),
            Content::SimpleSigning { signature, .. } | Content::Message { signature, .. } => {
                Some(signature.clone())
            }
        },
        "certificate" => match &evidence.signer {
            Signer::Certificate { leaf, .. } => Some(leaf.clone()),
            Signer::Key { .. } => None,
        },
        "log id" => Some(entry?.log_id.clone()),
        "log index" => Some(entry?.log_index.to_be_bytes().to_vec()),
        "integrated time" => Some(entry?.integrated_time?.as_second().to_be_bytes().to_vec()),
        "kind" => Some(entry?.kind_version.as_ref()?.0.clone().into_bytes()),
        "version" => Some(entry?.kind_version.as_ref()?.1.clone().into_bytes()),
        "body" => Some(entry?.body.clone()),
        "promise" => entry?.promise.clone(),
        "proof index" => Some(proof?.log_index.to_be_bytes().to_vec()),
        "tree size" => Some(proof?.tree_size.to_be_bytes().to_vec()),
        "root hash" => Some(proof?.root_hash.clone()),
        "hashes" => Some(proof?.hashes.concat()),
        "checkpoint text" => Some(note(&proof?.checkpoint)?.0.into_bytes()),
        "checkpoint signature" => Some(note(&proof?.checkpoint)?.2),
        "stamp" => evidence.timestamps.first().cloned(),
        "stamp proof" => stamp.map(|parts| parts.concat()),
        _ => panic!("no part {name}"),
    }
}

/// The evidence with other bytes in a part; nothing where a reader would refuse them.
pub fn set(evidence: &Evidence, stamp: Option<&StampProof>, name: &str, bytes: Vec<u8>) -> Option<Evidence> {
    let mut out = evidence.clone();
    let number = || Some(u64::from_be_bytes(bytes.clone().try_into().ok()?));
    match name {
        "payload type" | "payload" | "message digest" | "signature" => {
            set_content(&mut out.content, name, bytes)?;
        }
        "certificate" => match &mut out.signer {
            Signer::Certificate { leaf, .. } => *leaf = bytes,
            Signer::Key { .. } => return None,
        },
        "stamp" => *out.timestamps.first_mut()? = bytes,
        "stamp proof" => {
            let token = out.timestamps.first_mut()?;
            let mut rest = bytes.as_slice();
            for old in stamp? {
                let at = token.windows(old.len()).position(|window| window == *old)?;
                let (new, after) = rest.split_at(old.len());
                token[at..at + old.len()].copy_from_slice(new);
                rest = after;
            }
        }
        _ => {
            let entry = out.entries.first_mut()?;
            match name {
                "log id" => entry.log_id = bytes,
                "log index" => entry.log_index = number()?,
                "integrated time" => {
                    let seconds = i64::try_from(number()?).ok().filter(|seconds| *seconds != 0)?;
                    entry.integrated_time = Some(jiff::Timestamp::from_second(seconds).ok()?);
                }
                "kind" => entry.kind_version.as_mut()?.0 = String::from_utf8(bytes).ok()?,
                "version" => entry.kind_version.as_mut()?.1 = String::from_utf8(bytes).ok()?,
                "body" => entry.body = bytes,
                "promise" => entry.promise = Some(bytes),
                _ => {
                    let proof = entry.proof.as_mut()?;
                    match name {
                        // Bundles write them as signed numbers.
                        "proof index" => proof.log_index = number().filter(|n| i64::try_from(*n).is_ok())?,
                        "tree size" => proof.tree_size = number().filter(|n| i64::try_from(*n).is_ok())?,
                        "root hash" => proof.root_hash = bytes,
                        "hashes" => {
                            proof.hashes = bytes.chunks(32).map(|c| c.try_into().unwrap()).collect();
                        }
                        "checkpoint text" => {
                            let (_, head, signature) = note(&proof.checkpoint)?;
                            let text = String::from_utf8(bytes).ok()?;
                            proof.checkpoint = format!("{text}{head}{}\n", base64(&signature));
                        }
                        "checkpoint signature" => {
                            let (text, head, _) = note(&proof.checkpoint)?;
                            proof.checkpoint = format!("{text}{head}{}\n", base64(&bytes));
                        }
                        _ => panic!("no part {name}"),
                    }
                }
            }
        }
    }
    Some(out)
}

fn set_content(content: &mut Content, name: &str, bytes: Vec<u8>) -> Option<()> {
    match (name, content) {
        ("payload type", Content::Envelope { envelope, .. }) => {
            envelope.payload_type = String::from_utf8(bytes).ok().filter(|text| text == dsse::IN_TOTO)?;
        }
        ("payload", Content::Envelope { envelope, statement }) => {
            *statement = statement::Statement::parse(&bytes).ok()?;
            envelope.payload = bytes;
        }
        ("payload", Content::SimpleSigning { payload, claim, .. }) => {
            *claim = classic::Claim::parse(&bytes).ok()?;
            *payload = bytes;
        }
        ("message digest", Content::Message { digest: Some((_, digest)), .. }) => *digest = bytes,
        ("signature", Content::Envelope { envelope, .. }) => *envelope.signatures.first_mut()? = bytes,
        ("signature", Content::SimpleSigning { signature, .. } | Content::Message { signature, .. }) => {
            *signature = bytes;
        }
        _ => return None,
    }
    Some(())
}

/// The evidence without a part; nothing where it cannot be without it.
pub fn without(evidence: &Evidence, name: &str) -> Option<Evidence> {
    let mut out = evidence.clone();
    match name {
        "message digest" => match &mut out.content {
            Content::Message { digest, .. } => *digest = None,
            _ => return None,
        },
        "certificate" => out.signer = Signer::Key { hint: None },
        "stamp" => out.timestamps.clear(),
        "integrated time" => out.entries.first_mut()?.integrated_time = None,
        "kind" | "version" => out.entries.first_mut()?.kind_version = None,
        "promise" => out.entries.first_mut()?.promise = None,
        "checkpoint text" => out.entries.first_mut()?.proof = None,
        "body" => out.entries.clear(),
        "log index" => out.entries.first_mut()?.log_index = 0,
        "proof index" => out.entries.first_mut()?.proof.as_mut()?.log_index = 0,
        "tree size" => out.entries.first_mut()?.proof.as_mut()?.tree_size = 0,
        "checkpoint signature" => {
            let proof = out.entries.first_mut()?.proof.as_mut()?;
            proof.checkpoint = format!("{}\n", note(&proof.checkpoint)?.0);
        }
        "stamp proof" => return None,
        _ => return set(evidence, None, name, Vec::new()),
    }
    Some(out)
}

/// Text, everything up to the first signature, and that signature.
fn note(checkpoint: &str) -> Option<(String, String, Vec<u8>)> {
    let (text, tail) = checkpoint.split_once("\n\n")?;
    let (head, encoded) = tail.lines().next()?.rsplit_once(' ')?;
    Some((format!("{text}\n"), format!("\n{head} "), unbase64(encoded)))
}
