//! `spec` of a `ClusterImagePolicy` → images, mode and authorities, by policy-controller's rules and in its words.
//!
//! Input: the root [`Fields`] of a document. Output: [`Spec`], whose parts are complete when the [`Report`] has no
//! error.
//!
//! | rule | source |
//! |---|---|
//! | Every row of the table of validation errors | `behaviour §1.4`, `corpus/verdicts/invalid/*`, `corpus/admission-vectors/documents.jsonl` |
//! | Defaults: mode `enforce`, name `authority-<index>`, hash SHA-256 | `behaviour §1.2` |
//! | A resource of `match` must be one of those that the webhook knows (policy-controller's tester takes any) | `behaviour §1.4` |
//! | A construct that is not implemented is refused by name after it has been judged by policy-controller's rules | DESIGN §6 |
//!
//! Not checked here: the syntax of YAML (`yaml.rs`), types (`fields.rs`), the meaning of `ctlog` (the decision room
//! applies the matrix of `behaviour §2.5`), whether a `trustRootRef` names something that is loaded, CUE and Rego.
//!
//! Attacks considered: a demand that vanishes because its field is not understood (unknown and unimplemented fields
//! are refused); a key after a certificate in one PEM text (the first block decides).

use super::address;
use super::document::Report;
use super::fields::{Fields, Given};
use super::glob::{Glob, GlobFault, is_bad_pattern};
use super::identity::{Identity, Matcher};
use super::model::{AttestationRef, Authority, AuthorityKind, Ctlog, Mode, SourceRef};
use super::predicate::{is_predicate_uri, predicate_uri};
use super::regexp::{Regexp, RegexpFault};
use super::yaml::Mark;
use crate::crypto::{HashAlgorithm, KeyFault, PublicKey};

const MISSING: &str = "missing field(s)";
const NEITHER: &str = "expected exactly one, got neither";
const BOTH: &str = "expected exactly one, got both";
const DISALLOWED: &str = "must not set the field(s)";
const DEPRECATED: &str = "deprecated value, please use RFC 3986 conformant values";

const SPEC: &[&str] = &["images", "match", "mode", "authorities", "policy"];
const AUTHORITY: &[&str] = &[
    "name",
    "key",
    "keyless",
    "static",
    "source",
    "ctlog",
    "rfc3161timestamp",
    "attestations",
    "signatureFormat",
];
const KEY: &[&str] = &["secretRef", "data", "kms", "hashAlgorithm"];
const KEYLESS: &[&str] = &["url", "identities", "ca-cert", "trustRootRef", "insecureIgnoreSCT"];
const IDENTITY: &[&str] = &["issuer", "subject", "issuerRegExp", "subjectRegExp"];
const ATTESTATION: &[&str] = &["name", "predicateType", "policy"];
const POLICY: &[&str] = &[
    "type",
    "data",
    "configMapRef",
    "remote",
    "fetchConfigFile",
    "includeSpec",
    "includeObjectMeta",
    "includeTypeMeta",
];
const RESOURCES: [&str; 7] =
    ["replicasets", "deployments", "pods", "cronjobs", "jobs", "statefulsets", "daemonsets"];

/// What `spec` says.
#[derive(Debug, Default)]
pub(super) struct Spec {
    pub images: Vec<Glob>,
    /// Whether `images` is all that the document covers: every glob was readable.
    pub images_complete: bool,
    pub mode: Mode,
    pub authorities: Vec<Authority>,
}

/// Reads `spec`.
pub(super) fn spec(report: &mut Report<'_>, root: &Fields<'_>) -> Spec {
    let mut read = Spec::default();
    let fields = match root.object(report, "spec", "ClusterImagePolicySpec", SPEC) {
        Given::Value(fields, _) => fields,
        Given::Broken => return read,
        Given::Absent => {
            report.invalid(root.mark, MISSING, &["spec.authorities".into(), "spec.images".into()]);
            return read;
        }
    };
    images(report, &fields, &mut read);
    match fields.objects(report, "authorities", "Authority", AUTHORITY) {
        Given::Absent => missing(report, &fields, &["authorities"]),
        Given::Broken => {}
        Given::Value(entries, _) => {
            for (index, entry) in entries.into_iter().enumerate() {
                let Some(entry) = entry else { continue };
                read.authorities.extend(authority(report, &entry, index));
            }
        }
    }
    match fields.text(report, "mode").non_empty() {
        Given::Absent | Given::Broken | Given::Value("enforce", _) => {}
        Given::Value("warn", _) => read.mode = Mode::Warn,
        Given::Value(other, mark) => {
            report.invalid_because(mark, invalid(other), &fields.at("mode"), "unsupported mode");
        }
    }
    matches(report, &fields);
    if let Given::Value(inner, _) = fields.object(report, "policy", "Policy", POLICY) {
        // Policy-controller forgets the `policy.` in the paths of this one.
        policy(report, &inner, &fields.path, false);
        unsupported(report, &fields, "policy");
    }
    read
}

fn invalid(value: &str) -> String {
    format!("invalid value: {value}")
}

fn paths(fields: &Fields<'_>, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| fields.at(name)).collect()
}

fn missing(report: &mut Report<'_>, fields: &Fields<'_>, names: &[&str]) {
    report.invalid(fields.mark, MISSING, &paths(fields, names));
}

/// Refuses a field by name. Called when it is set and valid by policy-controller's rules.
fn unsupported(report: &mut Report<'_>, fields: &Fields<'_>, name: &str) {
    report.unsupported(
        fields.key_mark(name),
        fields.at(name),
        format!("field \"{name}\" is not implemented, and the policy means something else without it"),
    );
}

fn images(report: &mut Report<'_>, fields: &Fields<'_>, read: &mut Spec) {
    match fields.objects(report, "images", "ImagePattern", &["glob"]) {
        Given::Absent => missing(report, fields, &["images"]),
        Given::Broken => {}
        Given::Value(entries, _) => {
            let count = entries.len();
            for entry in entries.into_iter().flatten() {
                match entry.text(report, "glob").non_empty() {
                    Given::Absent => missing(report, &entry, &["glob"]),
                    Given::Broken => {}
                    Given::Value(text, mark) => read.images.extend(glob(report, &entry, text, mark)),
                }
            }
            read.images_complete = read.images.len() == count;
        }
    }
}

fn glob(report: &mut Report<'_>, fields: &Fields<'_>, text: &str, mark: Mark) -> Option<Glob> {
    let fault = match Glob::compile(text) {
        Ok(glob) => return Some(glob),
        Err(fault @ GlobFault::Length { .. }) => {
            report.unsupported(mark, fields.at("glob"), fault.to_string());
            return None;
        }
        Err(fault) => fault,
    };
    let reason = if is_bad_pattern(text) { "syntax error in pattern".into() } else { fault.to_string() };
    report.invalid_because(mark, invalid(text), &fields.at("glob"), format!("glob is invalid: {reason}"));
    None
}

fn authority(report: &mut Report<'_>, fields: &Fields<'_>, index: usize) -> Option<Authority> {
    let before = report.errors.len();
    let name = fields
        .text(report, "name")
        .non_empty()
        .value()
        .map_or_else(|| format!("authority-{index}"), str::to_owned);
    let key = fields.object(report, "key", "KeyRef", KEY);
    let keyless = fields.object(report, "keyless", "KeylessRef", KEYLESS);
    let fixed = fields.object(report, "static", "StaticRef", &["action", "message"]);
    let ctlog_fields = fields.object(report, "ctlog", "TLog", &["url", "trustRootRef"]);
    let stamp = fields.object(report, "rfc3161timestamp", "RFC3161Timestamp", &["trustRootRef"]);
    let sources = fields.objects(report, "source", "Source", &["oci", "signaturePullSecrets", "tagPrefix"]);
    let attestations = fields.objects(report, "attestations", "Attestation", ATTESTATION);
    let format = fields.text(report, "signatureFormat").non_empty();

    // A URL that cannot be parsed is a decoding error, whatever else is wrong.
    let ctlog = match &ctlog_fields {
        Given::Value(inner, _) => Some(Ctlog {
            url: url(report, inner, "url").value().map(str::to_owned),
            trust_root_ref: inner.text(report, "trustRootRef").non_empty().value().map(str::to_owned),
        }),
        Given::Absent | Given::Broken => None,
    };
    let stamp_ref = match &stamp {
        Given::Value(inner, _) => inner.text(report, "trustRootRef").non_empty(),
        Given::Absent | Given::Broken => Given::Absent,
    };

    let kinds = usize::from(key.is_set()) + usize::from(keyless.is_set()) + usize::from(fixed.is_set());
    if kinds != 1 {
        // Policy-controller says nothing more about such an authority.
        let message = if kinds == 0 { NEITHER } else { BOTH };
        report.invalid(fields.mark, message, &paths(fields, &["key", "keyless", "static"]));
        return None;
    }

    let is_static = fixed.is_set();
    let kind = match (key, keyless, fixed) {
        (Given::Value(inner, _), ..) => key_kind(report, &inner),
        (_, Given::Value(inner, _), _) => Some(keyless_kind(report, &inner)),
        (_, _, Given::Value(inner, _)) => static_kind(report, &inner),
        _ => None,
    };
    if is_static {
        let others = [
            ("attestations", attestations.is_set()),
            ("source", sources.is_set()),
            ("ctlog", ctlog_fields.is_set()),
            ("rfc3161timestamp", stamp.is_set()),
        ];
        for (other, _) in others.iter().filter(|(_, set)| *set) {
            report.invalid(fields.key_mark(other), BOTH, &paths(fields, &["static", other]));
        }
    }
    let sources = read_sources(report, fields, sources);
    let mut wanted = Vec::new();
    if let Given::Value(entries, _) = attestations {
        for entry in entries.iter().flatten() {
            wanted.extend(attestation(report, entry, &fields.at("attestations")));
        }
    }
    if let Given::Value(..) = stamp_ref {
        // Known; read into the authority below.
    } else if let Given::Value(_, mark) = stamp {
        report.note(
            mark,
            format!("{}: without trustRootRef it demands nothing", fields.at("rfc3161timestamp")),
        );
    }
    let bundle_format = match format {
        Given::Value("bundle", _) => true,
        Given::Value(other, mark) => {
            let path = fields.at("signatureFormat");
            report.note(
                mark,
                format!(
                    "{path}: {other:?} is none of the known formats, so classic signatures are asked for"
                ),
            );
            false
        }
        Given::Absent | Given::Broken => false,
    };
    if report.errors.len() > before {
        return None;
    }
    let timestamp_root = stamp_ref.value().map(str::to_owned);
    Some(Authority { name, kind: kind?, ctlog, bundle_format, timestamp_root, attestations: wanted, sources })
}

/// A URL that can be parsed. Its text is kept as written; also an empty one counts as given.
fn url<'n>(report: &mut Report<'_>, fields: &Fields<'n>, name: &str) -> Given<&'n str> {
    match fields.text(report, name) {
        Given::Value(text, mark) => match address::url(text) {
            Ok(_) => Given::Value(text, mark),
            Err(reason) => {
                report.undecodable(mark, fields.at(name), reason);
                Given::Broken
            }
        },
        other => other,
    }
}

fn key_kind(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<AuthorityKind> {
    let data = fields.text(report, "data").non_empty();
    let service = fields.text(report, "kms").non_empty();
    let secret = fields.object(report, "secretRef", "v1.SecretReference", &["name", "namespace"]);
    if let Given::Value(inner, _) = &secret {
        inner.text(report, "name");
        inner.text(report, "namespace");
    }
    let hash = hash_algorithm(report, fields);

    let one_of: Vec<String> = paths(fields, &["data", "kms", "secretref"]);
    match usize::from(data.is_set()) + usize::from(service.is_set()) + usize::from(secret.is_set()) {
        0 => report.invalid(fields.mark, NEITHER, &one_of),
        1 => {}
        _ => {
            report.invalid(fields.mark, BOTH, &one_of);
            return None;
        }
    }
    if let Given::Value(text, mark) = service {
        match address::key_service(text) {
            Ok(()) => unsupported(report, fields, "kms"),
            Err(reason) => report.invalid_because(mark, invalid(text), &fields.at("kms"), reason),
        }
    }
    if secret.is_set() {
        unsupported(report, fields, "secretRef");
    }
    let Given::Value(text, mark) = data else { return None };
    let key = public_key(report, fields, "data", text, mark)?;
    Some(AuthorityKind::Key { key, hash: hash? })
}

fn public_key(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    name: &str,
    text: &str,
    mark: Mark,
) -> Option<PublicKey> {
    match PublicKey::from_pem(text) {
        Ok(key) => Some(key),
        Err(fault @ KeyFault::Unsupported(_)) => {
            report.unsupported(mark, fields.at(name), fault.to_string());
            None
        }
        Err(fault) => {
            report.invalid(mark, invalid(text), &[fields.at(name)]);
            report.hint(fault.to_string());
            None
        }
    }
}

fn hash_algorithm(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<HashAlgorithm> {
    let (text, mark) = match fields.text(report, "hashAlgorithm").non_empty() {
        Given::Absent => return Some(HashAlgorithm::Sha256),
        Given::Broken => return None,
        Given::Value(text, mark) => (text, mark),
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "sha256" => Some(HashAlgorithm::Sha256),
        "sha384" => Some(HashAlgorithm::Sha384),
        "sha512" => Some(HashAlgorithm::Sha512),
        "sha224" => {
            let message = "hash algorithm \"sha224\" is not implemented";
            report.unsupported(mark, fields.at("hashAlgorithm"), message);
            None
        }
        _ => {
            report.invalid(mark, invalid(text), &[fields.at("hashAlgorithm")]);
            None
        }
    }
}

fn keyless_kind(report: &mut Report<'_>, fields: &Fields<'_>) -> AuthorityKind {
    let url = url(report, fields, "url");
    let ca = fields.object(report, "ca-cert", "KeyRef", KEY);
    let trust_root_ref = fields.text(report, "trustRootRef").non_empty().value().map(str::to_owned);
    let insecure_ignore_sct = fields.flag(report, "insecureIgnoreSCT").value().unwrap_or_default();
    if url.is_set() && ca.is_set() {
        report.invalid(fields.mark, BOTH, &paths(fields, &["ca-cert", "url"]));
    }
    if let Given::Value(inner, _) = &ca {
        // Policy-controller judges it as a public key, which no certificate passes, and never uses it.
        key_kind(report, inner);
        unsupported(report, fields, "ca-cert");
    }
    let mut identities = Vec::new();
    match fields.objects(report, "identities", "Identity", IDENTITY) {
        Given::Absent => missing(report, fields, &["identities"]),
        Given::Broken => {}
        Given::Value(entries, _) => {
            for entry in entries.into_iter().flatten() {
                let issuer = matcher(report, &entry, "issuer", "issuerRegExp");
                let subject = matcher(report, &entry, "subject", "subjectRegExp");
                if let (Some(issuer), Some(subject)) = (issuer, subject) {
                    identities.push(Identity { issuer, subject });
                }
            }
        }
    }
    AuthorityKind::Keyless { identities, trust_root_ref, insecure_ignore_sct }
}

fn matcher(report: &mut Report<'_>, fields: &Fields<'_>, literal: &str, regexp: &str) -> Option<Matcher> {
    let given = fields.text(report, literal).non_empty();
    let expression = fields.text(report, regexp).non_empty();
    match (given.is_set(), expression.is_set()) {
        (false, false) => missing(report, fields, &[literal, regexp]),
        (true, true) => report.invalid(fields.mark, BOTH, &paths(fields, &[literal, regexp])),
        _ => {}
    }
    let compiled = match expression {
        Given::Value(text, mark) => match Regexp::compile(text) {
            Ok(regexp) => Some(Matcher::Regexp(regexp)),
            Err(fault @ RegexpFault::Syntax { .. }) => {
                let reason = format!("regex is invalid: {fault}");
                report.invalid_because(mark, invalid(text), &fields.at(regexp), reason);
                None
            }
            // A limit that Go does not have.
            Err(fault) => {
                report.unsupported(mark, fields.at(regexp), fault.to_string());
                None
            }
        },
        Given::Absent | Given::Broken => None,
    };
    compiled.or_else(|| given.value().map(|text| Matcher::Literal(text.to_owned())))
}

fn static_kind(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<AuthorityKind> {
    let message = fields.text(report, "message").value().unwrap_or_default().to_owned();
    match fields.text(report, "action").non_empty() {
        Given::Value("pass", _) => Some(AuthorityKind::Static { pass: true, message }),
        Given::Value("fail", _) => Some(AuthorityKind::Static { pass: false, message }),
        Given::Value(other, mark) => {
            report.invalid_because(mark, invalid(other), &fields.at("action"), "unsupported action");
            None
        }
        Given::Absent => {
            missing(report, fields, &["action"]);
            None
        }
        Given::Broken => None,
    }
}

fn read_sources(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    sources: Given<Vec<Option<Fields<'_>>>>,
) -> Vec<SourceRef> {
    let mut read = Vec::new();
    let Given::Value(entries, mark) = sources else { return read };
    if entries.len() > 1 {
        report.invalid_because(
            mark,
            invalid("source"),
            &fields.at("source"),
            "only single source is supported",
        );
        return read;
    }
    for entry in entries.iter().flatten() {
        let oci = entry.text(report, "oci").non_empty();
        if let Given::Value(text, mark) = oci
            && let Err(reason) = address::repository(text)
        {
            report.invalid_because(mark, invalid(text), &entry.at("oci"), reason);
        }
        let secrets = entry.objects(report, "signaturePullSecrets", "v1.LocalObjectReference", &["name"]);
        if let Given::Value(secrets, mark) = secrets {
            for secret in secrets.iter().flatten() {
                if let Given::Absent = secret.text(report, "name").non_empty() {
                    missing(report, secret, &["name"]);
                }
            }
            let path = entry.at("signaturePullSecrets");
            report.note(mark, format!("{path}: not used, nothing is pulled from a registry here"));
        }
        read.push(SourceRef {
            oci: oci.value().map(str::to_owned),
            tag_prefix: entry.text(report, "tagPrefix").non_empty().value().map(str::to_owned),
        });
    }
    read
}

/// `base` is the path that policy-controller gives: the list without an index.
fn attestation(report: &mut Report<'_>, fields: &Fields<'_>, base: &str) -> Option<AttestationRef> {
    let name = fields.text(report, "name").non_empty();
    if let Given::Absent = name {
        report.invalid(fields.mark, MISSING, &[format!("{base}.name")]);
    }
    let predicate = fields.text(report, "predicateType").non_empty();
    match predicate {
        Given::Absent => report.invalid(fields.mark, MISSING, &[format!("{base}.predicateType")]),
        Given::Value(text, mark) if !is_predicate_uri(text) => {
            report.note(mark, format!("{}: {base}.predicateType: {DEPRECATED}", invalid(text)));
        }
        Given::Value(..) | Given::Broken => {}
    }
    if let Given::Value(inner, _) = fields.object(report, "policy", "Policy", POLICY) {
        policy(report, &inner, &format!("{base}.policy"), true);
        unsupported(report, fields, "policy");
    }
    Some(AttestationRef {
        name: name.value()?.to_owned(),
        predicate_type: predicate_uri(predicate.value()?).to_owned(),
    })
}

/// `base` is the path that policy-controller gives.
fn policy(report: &mut Report<'_>, fields: &Fields<'_>, base: &str, of_attestation: bool) {
    let at = |name: &str| format!("{base}.{name}");
    let kind = fields.text(report, "type");
    if !matches!(kind, Given::Value("cue" | "rego", _) | Given::Broken) {
        let given = invalid(kind.value().unwrap_or_default());
        let detail = "only [cue,rego] are supported at the moment";
        report.invalid_because(fields.key_mark("type"), given, &at("type"), detail);
    }
    let data = fields.text(report, "data").non_empty();
    let remote = fields.object(report, "remote", "RemotePolicy", &["url", "sha256sum"]);
    let reference =
        fields.object(report, "configMapRef", "ConfigMapReference", &["name", "namespace", "key"]);
    let one_of = ["configMapRef", "data", "remote"].map(at);
    match usize::from(data.is_set()) + usize::from(remote.is_set()) + usize::from(reference.is_set()) {
        0 => report.invalid(fields.mark, MISSING, &one_of),
        1 => {}
        _ => report.invalid(fields.mark, BOTH, &one_of),
    }
    if let Given::Value(inner, mark) = &remote {
        let given = url(report, inner, "url");
        let text = given.value().unwrap_or_default();
        let right = address::url(text).is_ok_and(|parts| parts.scheme == "https" && !parts.host.is_empty());
        if !matches!(given, Given::Broken) && !right {
            let detail = "url valid is invalid. host and https scheme are expected";
            report.invalid_because(*mark, invalid(text), &at("remote.url"), detail);
        }
        if let Given::Absent = inner.text(report, "sha256sum").non_empty() {
            report.invalid(*mark, MISSING, &[at("remote.sha256sum")]);
        }
    }
    if let Given::Value(inner, mark) = &reference {
        inner.text(report, "namespace");
        for name in ["name", "key"] {
            if let Given::Absent = inner.text(report, name).non_empty() {
                report.invalid(*mark, MISSING, &[at(&format!("configMapRef.{name}"))]);
            }
        }
    }
    for name in ["fetchConfigFile", "includeSpec", "includeObjectMeta", "includeTypeMeta"] {
        if fields.flag(report, name).is_set() && of_attestation {
            report.invalid(fields.key_mark(name), DISALLOWED, &[at(name)]);
        }
    }
}

fn matches(report: &mut Report<'_>, fields: &Fields<'_>) {
    const KNOWN: &[&str] = &["group", "version", "resource", "selector"];
    let Given::Value(entries, _) = fields.objects(report, "match", "MatchResource", KNOWN) else { return };
    for entry in entries.iter().flatten() {
        let group = entry.text(report, "group").non_empty();
        let version = entry.text(report, "version").non_empty();
        let resource = entry.text(report, "resource").non_empty();
        if let Given::Value(text, mark) = resource
            && !RESOURCES.contains(&text)
        {
            report.invalid_because(mark, invalid(text), &entry.at("resource"), "unsupported resource name");
        }
        let selector =
            entry.object(report, "selector", "v1.LabelSelector", &["matchLabels", "matchExpressions"]);
        let Given::Value(selector, mark) = selector else { continue };
        selector.check_text_map(report, "matchLabels");
        let known = &["key", "operator", "values"];
        if let Given::Value(expressions, _) =
            selector.objects(report, "matchExpressions", "v1.LabelSelectorRequirement", known)
        {
            for expression in expressions.iter().flatten() {
                expression.text(report, "key");
                expression.text(report, "operator");
                expression.check_texts(report, "values");
            }
        }
        if !(group.is_set() || version.is_set() || resource.is_set()) {
            let detail = "selector requires a resource type to match the labels";
            report.invalid_because(mark, invalid(""), &entry.at("selector"), detail);
        }
    }
    unsupported(report, fields, "match");
}
