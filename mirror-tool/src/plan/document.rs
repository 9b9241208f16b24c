//! `mirror.yaml`: what a source of images is asked for. `docs/formats/mirror.md` describes it.
//!
//! | rule | why |
//! |---|---|
//! | a member that is not known is an error with its place | a misspelt `evidence` must not vanish |
//! | one document, read by the one YAML reader | its limits and its refusal of duplicate keys |

use std::collections::BTreeSet;
use std::sync::Arc;

use sealock::image::Reference;
use sealock::policy::yaml::{self, Meaning, Node};

use super::version::Range;
use super::{Choice, Source};
use crate::pull::{Evidence, Waiver};

/// `apiVersion`.
pub const API_VERSION: &str = "sealock.dev/v1";
/// `kind`.
pub const KIND: &str = "Mirror";

/// A document.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Images.
    pub sources: Vec<Source>,
    /// Policy files, relative to the document.
    pub policies: Vec<String>,
    /// Questions that may stay open.
    pub waivers: Vec<Waiver>,
}

/// Reads a document; `file` is its name for messages.
///
/// # Errors
/// `file:line:column: what`.
pub fn read(file: &str, bytes: &[u8]) -> Result<Document, String> {
    let mut roots = Vec::new();
    for document in yaml::read(bytes) {
        match document.root {
            Ok(Some(root)) => roots.push(root),
            Ok(None) => {}
            Err(fault) => return Err(format!("{file}:{}:{}: {fault}", fault.mark.line, fault.mark.column)),
        }
    }
    let [root] = roots.as_slice() else {
        return Err(format!("{file}: {} documents, expected one of kind {KIND}", roots.len()));
    };
    document(root).map_err(|(node, what)| format!("{file}:{}:{}: {what}", node.mark.line, node.mark.column))
}

type Fault<'n> = (&'n Node, String);

fn document(root: &Node) -> Result<Document, Fault<'_>> {
    known(root, &["apiVersion", "kind", "platforms", "images", "policies", "waive"])?;
    for (member, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match root.get(member).map(text).transpose()? {
            Some(found) if found == expected => {}
            _ => return Err((root, format!("{member} must be {expected}"))),
        }
    }
    let platforms = texts(root, "platforms")?;
    let mut read = Document { policies: texts(root, "policies")?, ..Document::default() };
    for image in items(root, "images")? {
        read.sources.push(source(image, &platforms)?);
    }
    if read.sources.is_empty() {
        return Err((root, "images names none".to_owned()));
    }
    for waiver in items(root, "waive")? {
        known(waiver, &["question", "reason"])?;
        let member = |name| waiver.get(name).map(text).transpose();
        let (Some(pattern), Some(reason)) = (member("question")?, member("reason")?) else {
            return Err((waiver, "a waiver has question and reason".to_owned()));
        };
        if pattern.is_empty() || reason.trim().is_empty() {
            return Err((waiver, "a waiver has question and reason".to_owned()));
        }
        read.waivers.push(Waiver { pattern: pattern.to_owned(), reason: reason.to_owned() });
    }
    Ok(read)
}

fn source<'n>(node: &'n Node, platforms: &[String]) -> Result<Source, Fault<'n>> {
    known(node, &["name", "tags", "versions", "platforms", "evidence"])?;
    let Some(written) = node.get("name") else { return Err((node, "an image has a name".to_owned())) };
    let reference = Reference::parse(text(written)?).map_err(|e| (written, e.to_string()))?;
    let tags = texts(node, "tags")?;
    let choice = match (tags.is_empty(), node.get("versions")) {
        (true, None) => Choice::Named,
        (false, None) => Choice::Patterns(tags),
        (true, Some(range)) => Choice::Versions(Range::parse(text(range)?).map_err(|e| (range, e))?),
        (false, Some(range)) => return Err((range, "tags and versions exclude each other".to_owned())),
    };
    if !matches!(choice, Choice::Named) && written_tag(text(written)?) {
        return Err((written, "a name with tags or versions has no tag or digest of its own".to_owned()));
    }
    let own = texts(node, "platforms")?;
    let mut required = BTreeSet::new();
    if let Some(evidence) = node.get("evidence") {
        known(evidence, &["required", "optional"])?;
        for (member, needed) in [("required", true), ("optional", false)] {
            for item in items(evidence, member)? {
                let kind = Evidence::parse(text(item)?).map_err(|e| (item.as_ref(), e))?;
                if needed {
                    required.insert(kind);
                } else if required.contains(&kind) {
                    return Err((item.as_ref(), format!("{} is both required and optional", kind.name())));
                }
            }
        }
    }
    let platforms = if own.is_empty() { platforms.to_vec() } else { own };
    Ok(Source { reference, choice, platforms, required })
}

/// Whether a name as written has a tag or digest.
fn written_tag(name: &str) -> bool {
    name.contains('@') || name.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'))
}

fn known<'n>(node: &'n Node, members: &[&str]) -> Result<(), Fault<'n>> {
    let Meaning::Mapping(entries) = node.meaning() else {
        return Err((node, format!("{} where an object belongs", node.meaning().json_name())));
    };
    match entries.iter().find(|(key, _)| !members.contains(&key.text.as_str())) {
        Some((key, value)) => {
            Err((value, format!("{:?} is not known here: {}", key.text, members.join(", "))))
        }
        None => Ok(()),
    }
}

fn items<'n>(node: &'n Node, member: &str) -> Result<&'n [Arc<Node>], Fault<'n>> {
    match node.get(member).map(|list| (list, list.meaning())) {
        None | Some((_, Meaning::Null)) => Ok(&[]),
        Some((_, Meaning::Sequence(items))) => Ok(items),
        Some((list, other)) => Err((list, format!("{} where a list belongs", other.json_name()))),
    }
}

fn texts<'n>(node: &'n Node, member: &str) -> Result<Vec<String>, Fault<'n>> {
    items(node, member)?.iter().map(|item| text(item).map(str::to_owned)).collect()
}

fn text(node: &Node) -> Result<&str, Fault<'_>> {
    match node.meaning() {
        Meaning::Text { text, .. } => Ok(text),
        other => Err((node, format!("{} where a text belongs (quote it)", other.json_name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: sealock.dev/v1\nkind: Mirror\n";

    #[test]
    fn a_document() {
        let text = format!(
            "{HEAD}platforms: [linux/amd64]\nimages:\n- name: ghcr.io/a/b:1\n- name: ghcr.io/a/c\n  versions: '^1.2'\n  \
             platforms: [linux/arm64]\n  evidence: {{required: [signature], optional: [sbom]}}\n- name: ghcr.io/a/d\n  \
             tags: ['1.*']\npolicies: [p.yaml]\nwaive:\n- question: 'ghcr.io/*#referrers'\n  reason: no API\n"
        );
        let read = read("m.yaml", text.as_bytes()).unwrap();
        assert_eq!(read.sources.len(), 3);
        assert_eq!(read.sources[0].platforms, ["linux/amd64"]);
        assert_eq!(read.sources[1].platforms, ["linux/arm64"]);
        assert!(read.sources[1].required.contains(&Evidence::Signature));
        assert!(matches!(&read.sources[2].choice, Choice::Patterns(p) if p == &["1.*"]));
        assert_eq!((read.policies.len(), read.waivers.len()), (1, 1));
    }

    #[test]
    fn slips_have_a_place() {
        for (text, place) in [
            ("images:\n- name: a.io/bb\n  evidense: {}\n", ":5:"),
            ("images:\n- name: a.io/bb:1\n  tags: ['*']\n", ":4:9"),
            ("images:\n- name: a.io/bb\n  tags: ['*']\n  versions: '1'\n", "exclude"),
            ("images:\n- name: a.io/bb\n  versions: '>>'\n", ":5:"),
            ("images: []\n", "none"),
            ("images:\n- name: A.io/B b\n", ":4:"),
            ("images:\n- name: a.io/bb\n  evidence: {required: [sig]}\n", "no kind"),
            ("images:\n- name: a.io/bb\nwaive:\n- question: x\n", "reason"),
            ("images:\n- name: a.io/bb\n  platforms: [1]\n", "quote"),
            ("images: x\n---\nimages: y\n", "2 documents"),
        ] {
            let fault = read("m.yaml", format!("{HEAD}{text}").as_bytes()).unwrap_err();
            assert!(fault.starts_with("m.yaml") && fault.contains(place), "{text}: {fault}");
        }
        assert!(
            read("m.yaml", b"kind: Mirror\nimages: [{name: a.io/bb}]\n").unwrap_err().contains("apiVersion")
        );
    }
}
