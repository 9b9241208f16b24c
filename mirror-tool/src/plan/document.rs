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
use sealock_trust_root::disk::{DEFAULT_NAME, NAME_RULE, is_name};

use super::version::Range;
use super::{Choice, Source};
use crate::pull::{Evidence, Waiver};
use crate::trust_root::{self, PUBLIC_GOOD};

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
    /// TUF repositories to keep for the next seal.
    pub trust_roots: Vec<TrustRoot>,
    /// Questions that may stay open.
    pub waivers: Vec<Waiver>,
}

/// A TUF repository as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    /// Its name.
    pub name: String,
    /// Where it is published.
    pub url: String,
    /// The file of the pinned first root, relative to the document; nothing for the one in the program.
    pub root: Option<String>,
    /// Whether a run may succeed where it cannot be read.
    pub optional: bool,
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
    known(root, &["apiVersion", "kind", "platforms", "images", "policies", "trustRoots", "waive"])?;
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
    for node in items(root, "trustRoots")? {
        let read_root = trust_root(node)?;
        if read.trust_roots.iter().any(|other| other.name == read_root.name) {
            return Err((node, format!("two trust roots are named {:?}", read_root.name)));
        }
        read.trust_roots.push(read_root);
    }
    if read.sources.is_empty() && read.trust_roots.is_empty() {
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

fn trust_root(node: &Node) -> Result<TrustRoot, Fault<'_>> {
    known(node, &["name", "url", "root", "optional"])?;
    let member = |name| node.get(name).map(|node| Ok((node, text(node)?))).transpose();
    let name = member("name")?;
    if let Some((node, name)) = name.filter(|(_, name)| !is_name(name)) {
        return Err((node, format!("{name:?} is not a name: {NAME_RULE}")));
    }
    let name = name.map_or(DEFAULT_NAME, |(_, name)| name);
    let url = match member("url")? {
        Some((node, url)) => {
            trust_root::base(url).map_err(|e| (node, e.to_string()))?;
            url
        }
        None if name == DEFAULT_NAME => PUBLIC_GOOD,
        None => return Err((node, format!("the trust root {name:?} has a url"))),
    };
    let root = member("root")?.map(|(_, root)| root.to_owned());
    if root.is_none() && url.trim_end_matches('/') != PUBLIC_GOOD {
        return Err((
            node,
            format!("{url} is not the public-good repository: root names the first root to trust"),
        ));
    }
    let optional = match node.get("optional").map(|node| (node, node.meaning())) {
        None => false,
        Some((_, Meaning::Bool { value, plainly: true })) => value,
        Some((node, other)) => {
            return Err((node, format!("{} where true or false belongs", other.json_name())));
        }
    };
    Ok(TrustRoot { name: name.to_owned(), url: url.to_owned(), root, optional })
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
    fn trust_roots() {
        let text = "trustRoots:\n- {}\n- {name: private, url: 'https://tuf.example/x/', root: r/1.root.json, optional: true}\n";
        let read = read("m.yaml", format!("{HEAD}{text}").as_bytes()).unwrap();
        let [public, private] = &read.trust_roots[..] else { panic!("{read:?}") };
        assert_eq!((public.name.as_str(), public.url.as_str()), (DEFAULT_NAME, PUBLIC_GOOD));
        assert!(public.root.is_none() && !public.optional && private.optional && read.sources.is_empty());
        assert_eq!(private.root.as_deref(), Some("r/1.root.json"));
    }

    #[test]
    fn slips_have_a_place() {
        for (text, place) in [
            ("trustRoots:\n- {name: Private}\n", ":4:10"),
            ("trustRoots:\n- {name: private}\n", "has a url"),
            ("trustRoots:\n- {url: 'https://tuf.example'}\n", "root names"),
            ("trustRoots:\n- {url: 'ftp://tuf.example', root: r}\n", ":4:9"),
            ("trustRoots:\n- {url: 'https://u:p@tuf.example', root: r}\n", "credentials"),
            ("trustRoots:\n- {}\n- {}\n", "two trust roots"),
            ("trustRoots:\n- {optional: 'yes'}\n", "true or false"),
            ("trustRoots:\n- {pin: x}\n", "not known here"),
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
