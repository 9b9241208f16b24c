//! Files → policies, each document judged for itself.
//!
//! Input: names and bytes of files; the caller has read them. Output: [`Loaded`]: the policies of the documents
//! without an error, and all that is to be said about the others.
//!
//! | rule | source |
//! |---|---|
//! | Every document of a stream is read; documents without content are skipped | DESIGN §4 rule 15 |
//! | `apiVersion`, `kind` and `metadata.name` must be there, as texts | `corpus/verdicts/invalid/no-*`, `name-number`, `type-apiversion-number` |
//! | `ClusterImagePolicy` of `policy.sigstore.dev` v1alpha1 or v1beta1 is a policy; policies of one name all apply | DESIGN §4 rule 15 |
//! | `TrustRoot` is a trust root; `Secret` and, in a directory, `ConfigMap` are recognised and kept unread | DESIGN §6 |
//! | Another kind is refused by name in a file; in a directory only if it may be a misspelt policy or a list of them, else noted | DESIGN §6 |
//!
//! Not checked here: `spec` (`validation.rs`); reading files and directories (`cli`).
//!
//! Attacks considered: a policy that vanishes, because its kind, group or version is misspelt, because it hides in
//! a `List`, or because another one has its name.

use super::document::{DocumentError, Note, Report};
use super::fields::{Fields, Given};
use super::glob::Glob;
use super::model::{ApiVersion, Policy, Position};
use super::trust_root::{self, TrustRootDocument};
use super::validation;
use super::yaml::{self, Document, Mark, Meaning, Node};

/// One file to read.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name as the user gave it, `-` for standard input.
    pub file: String,
    /// Its bytes; more than [`yaml::MAX_FILE`] are refused.
    pub bytes: Vec<u8>,
    /// Found in a directory, not named by the user: documents of foreign kinds are then noted, not refused.
    pub from_directory: bool,
}

/// All that the documents say.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Policies of documents without an error, in the order given.
    pub policies: Vec<Policy>,
    /// Trust roots of documents without an error, in the order given.
    pub trust_roots: Vec<TrustRootDocument>,
    /// Documents that are recognised and not read.
    pub others: Vec<OtherDocument>,
    /// What is worth knowing.
    pub notes: Vec<Note>,
    /// Every error of every document.
    pub errors: Vec<DocumentError>,
    /// The documents that the errors are about.
    pub broken: Vec<BrokenDocument>,
}

/// A document that is recognised and not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherDocument {
    /// As written.
    pub api_version: String,
    /// As written: `TrustRoot`, `Secret`, `ConfigMap`, or in a directory anything else.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// Where it starts.
    pub position: Position,
}

/// What is known about a document with an error.
#[derive(Clone, Debug)]
pub struct BrokenDocument {
    /// Where it starts.
    pub position: Position,
    /// `metadata.name`, if it can be told.
    pub name: Option<String>,
    /// The images it is about, if every glob can be told; without them it may be about any image.
    pub images: Option<Vec<Glob>>,
}

const ROOT: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
const METADATA: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// Reads every document of every file.
pub fn load(inputs: &[Input]) -> Loaded {
    let mut loaded = Loaded::default();
    for input in inputs {
        // Policy-controller counts documents from 0 in its messages.
        let mut index = 0;
        for document in yaml::read(&input.bytes) {
            if !matches!(document.root, Ok(None)) {
                read_document(&mut loaded, input, &document, index);
                index += 1;
            }
        }
    }
    loaded
}

fn read_document(loaded: &mut Loaded, input: &Input, document: &Document, index: usize) {
    let mut report = Report::new(&input.file);
    let position = report.position(document.mark);
    let mut broken = BrokenDocument { position, name: None, images: None };
    match &document.root {
        Ok(Some(root)) => read_root(loaded, &mut report, input, root, index, &mut broken),
        Ok(None) => {}
        Err(fault) => report.unreadable(fault.mark, fault.text.clone()),
    }
    if !report.errors.is_empty() {
        loaded.broken.push(broken);
    }
    // In the order of the document; checks of one mapping run before those of what it holds.
    report.errors.sort_by(|a, b| a.position.cmp(&b.position));
    loaded.errors.append(&mut report.errors);
    loaded.notes.append(&mut report.notes);
}

/// Which object a document is.
struct Envelope<'n> {
    api_version: &'n str,
    kind: &'n str,
    name: &'n str,
    /// Where `kind` stands.
    mark: Mark,
}

impl Envelope<'_> {
    fn group_and_version(&self) -> (&str, &str) {
        self.api_version.rsplit_once('/').unwrap_or(("", self.api_version))
    }
}

fn read_root(
    loaded: &mut Loaded,
    report: &mut Report<'_>,
    input: &Input,
    root: &Node,
    index: usize,
    broken: &mut BrokenDocument,
) {
    if !matches!(root.meaning(), Meaning::Mapping(_)) {
        let found = root.meaning().json_name();
        let message =
            format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}");
        report.undecodable(root.mark, String::new(), message);
        return;
    }
    let Some(envelope) = envelope(report, root, index) else { return };
    broken.name = Some(envelope.name.to_owned());
    match (envelope.group_and_version(), envelope.kind) {
        (("policy.sigstore.dev", "v1alpha1"), "ClusterImagePolicy") => {
            loaded.policies.extend(policy(report, root, &envelope, ApiVersion::V1Alpha1, broken));
        }
        (("policy.sigstore.dev", "v1beta1"), "ClusterImagePolicy") => {
            loaded.policies.extend(policy(report, root, &envelope, ApiVersion::V1Beta1, broken));
        }
        (("policy.sigstore.dev", "v1alpha1"), "TrustRoot") => {
            let fields = Fields::root(report, root, "v1alpha1", "TrustRoot", ROOT);
            let read = trust_root::spec(report, &fields, root);
            if report.errors.is_empty()
                && let Some(read) = read
            {
                loaded.trust_roots.push(TrustRootDocument {
                    name: envelope.name.to_owned(),
                    position: report.position(root.mark),
                    root: read,
                });
            }
        }
        // No policy can refer to a ConfigMap yet, so one that was named on purpose is a misunderstanding.
        (("", "v1"), "ConfigMap") if !input.from_directory => {
            let message = format!("unknown type: /v1, Kind={}", envelope.kind);
            report.invalid(envelope.mark, message, &[]);
            report.hint("no policy here refers to a ConfigMap; leave it out");
        }
        (("", "v1"), "Secret" | "ConfigMap") => {
            let note = format!("{} {:?} is not used", envelope.kind, envelope.name);
            other(loaded, report, root, &envelope, note);
        }
        (group_and_version, _) => {
            if input.from_directory && !may_be_policy(group_and_version.0, envelope.kind) {
                let note = format!("{} {} is of no use here", envelope.api_version, envelope.kind);
                other(loaded, report, root, &envelope, note);
            } else {
                let (group, version) = group_and_version;
                let message = format!("unknown type: {group}/{version}, Kind={}", envelope.kind);
                report.invalid(envelope.mark, message, &[]);
                report.hint("expected policy.sigstore.dev/v1beta1, Kind=ClusterImagePolicy");
            }
        }
    }
}

fn other(loaded: &mut Loaded, report: &mut Report<'_>, root: &Node, envelope: &Envelope<'_>, note: String) {
    report.note(root.mark, note);
    loaded.others.push(OtherDocument {
        api_version: envelope.api_version.to_owned(),
        kind: envelope.kind.to_owned(),
        name: envelope.name.to_owned(),
        position: report.position(root.mark),
    });
}

/// Whether somebody may have meant a policy: the group is Sigstore's, the kind is a policy's, or it is a list.
fn may_be_policy(group: &str, kind: &str) -> bool {
    let group = group.to_ascii_lowercase();
    let kind = kind.to_ascii_lowercase();
    group.contains("sigstore")
        || kind.starts_with("clusterimagepolic")
        || kind.starts_with("trustroot")
        || kind.ends_with("list")
}

/// The three texts that say which object it is.
fn envelope<'n>(report: &mut Report<'_>, root: &'n Node, index: usize) -> Option<Envelope<'n>> {
    let mut text = |path: &[&str]| {
        let mut node = Some(root);
        for name in path {
            node = node.and_then(|inner| inner.get(name));
        }
        match node.map(|inner| (inner.meaning(), inner.mark)) {
            Some((Meaning::Text { text, .. }, mark)) if !text.is_empty() => Some((text, mark)),
            found => {
                let path = path.join(".");
                let mark = node.map_or(root.mark, |inner| inner.mark);
                report.invalid(mark, "missing field(s)", &[format!("[{index}].{path}")]);
                if let Some((meaning, _)) = found
                    && !matches!(meaning, Meaning::Text { .. } | Meaning::Null)
                {
                    report.hint(format!("a {} is no text; quote it", meaning.json_name()));
                }
                None
            }
        }
    };
    let api_version = text(&["apiVersion"]);
    let kind = text(&["kind"]);
    let name = text(&["metadata", "name"]);
    let ((api_version, version_mark), (kind, mark), (name, _)) = (api_version?, kind?, name?);
    if api_version.matches('/').count() > 1 {
        report.invalid(version_mark, format!("unexpected GroupVersion string: {api_version}"), &[]);
        return None;
    }
    Some(Envelope { api_version, kind, name, mark })
}

fn policy(
    report: &mut Report<'_>,
    root: &Node,
    envelope: &Envelope<'_>,
    api_version: ApiVersion,
    broken: &mut BrokenDocument,
) -> Option<Policy> {
    let fields = Fields::root(report, root, api_version.name(), "ClusterImagePolicy", ROOT);
    if let Given::Value(metadata, _) = fields.object(report, "metadata", "v1.ObjectMeta", METADATA) {
        for name in ["name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"] {
            metadata.text(report, name);
        }
        metadata.check_text_map(report, "labels");
        metadata.check_text_map(report, "annotations");
        metadata.check_texts(report, "finalizers");
    }
    let spec = validation::spec(report, &fields);
    if spec.images_complete {
        broken.images = Some(spec.images.clone());
    }
    report.errors.is_empty().then(|| Policy {
        name: envelope.name.to_owned(),
        position: report.position(root.mark),
        api_version,
        images: spec.images,
        mode: spec.mode,
        authorities: spec.authorities,
    })
}
