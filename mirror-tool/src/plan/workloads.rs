//! Images in Kubernetes manifests, found by a raw walk: every member `image` with a text, and every volume's
//! `image.reference`, wherever they stand. Kinds that nobody has heard of are walked too.

use std::collections::BTreeSet;

use sealock::image::Reference;
use sealock::policy::yaml::{self, Meaning, Node};

/// The images of a stream of manifests, in byte order, as written.
///
/// # Errors
/// `file:line:column: what`, for text that is no YAML and for an `image` of a container that is no name.
pub fn images(file: &str, bytes: &[u8]) -> Result<Vec<Reference>, String> {
    let mut found = BTreeSet::new();
    for document in yaml::read(bytes) {
        match document.root {
            Ok(Some(root)) => walk(&root, &mut found),
            Ok(None) => {}
            Err(fault) => return Err(format!("{file}:{}:{}: {fault}", fault.mark.line, fault.mark.column)),
        }
    }
    let mut images = Vec::new();
    for (text, line, column) in found {
        images.push(Reference::parse(&text).map_err(|e| format!("{file}:{line}:{column}: {e}"))?);
    }
    images.dedup_by(|a, b| a.written() == b.written());
    if images.is_empty() {
        return Err(format!("{file}: no image is named in it"));
    }
    Ok(images)
}

fn walk(node: &Node, found: &mut BTreeSet<(String, u64, u64)>) {
    match node.meaning() {
        Meaning::Sequence(items) => items.iter().for_each(|item| walk(item, found)),
        Meaning::Mapping(entries) => {
            for (key, value) in entries {
                let named = match key.text.as_str() {
                    "image" => Some(value.as_ref()),
                    _ => None,
                };
                let named = named.map(|value| value.get("reference").unwrap_or(value));
                if let Some((value, Meaning::Text { text, .. })) = named.map(|value| (value, value.meaning()))
                    && !text.is_empty()
                {
                    found.insert((text.to_owned(), value.mark.line, value.mark.column));
                }
                walk(value, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_wherever_it_stands() {
        let text = "kind: Pod\nspec:\n  containers: [{image: a.io/aa:1}]\n  initContainers: [{image: a.io/bb}]\n  \
                    ephemeralContainers: [{image: 'a.io/cc@sha256:0000000000000000000000000000000000000000000000000000000000000000'}]\n  \
                    volumes: [{image: {reference: a.io/dd:2, pullPolicy: Always}}]\n---\nkind: Unheard\n\
                    deep: {er: [{image: a.io/ee:1}, {image: a.io/aa:1}]}\n---\n";
        let names: Vec<_> =
            images("-", text.as_bytes()).unwrap().iter().map(|r| r.written().to_owned()).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(images("-", b"kind: ConfigMap\n").is_err());
        assert!(images("-", b"image: 'A B'\n").unwrap_err().starts_with("-:1:8"));
    }
}
