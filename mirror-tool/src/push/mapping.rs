//! Where a repository of the store goes.
//!
//! | rule | source |
//! |---|---|
//! | without a rule, the path without its host | docs/formats/push.md |
//! | `FROM=TO` takes whole components from the front of the canonical name; the longest match wins | the same |
//! | `docker.io` in a rule is `index.docker.io`, as in canonical names | `sealock::image::name` |
//! | what comes out is a repository by the specification's grammar | OCI distribution-spec 1.1, "Pulling manifests" |

use crate::registry::Repository;

/// Rules for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    registry: String,
    prefix: String,
    rules: Vec<(String, String)>,
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.bytes().next().is_some_and(plain)
        && text.bytes().last().is_some_and(plain)
        && separators.all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_path(text: &str) -> bool {
    text.split('/').all(is_component)
}

/// `host[:port]`, as in canonical names.
fn is_host(text: &str) -> bool {
    let shaped = text == "localhost" || text.contains(['.', ':']);
    shaped && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
}

/// The rest of `text` behind the components `front`; empty where they are all of it.
fn behind<'t>(text: &'t str, front: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(front)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

impl Mapping {
    /// Reads `REGISTRY[/PREFIX]` and rules `FROM=TO`.
    ///
    /// # Errors
    /// In one line.
    pub fn parse(target: &str, rules: &[String]) -> Result<Self, String> {
        let (host, prefix) = target.split_once('/').unwrap_or((target, ""));
        if !is_host(host) {
            return Err(format!("{host:?} is no registry: a host with a dot or a port, or localhost"));
        }
        if !prefix.is_empty() && !is_path(prefix) {
            return Err(format!("{prefix:?} is no path of a repository"));
        }
        let mut read: Vec<(String, String)> = Vec::new();
        for rule in rules {
            let (from, to) = rule.split_once('=').ok_or_else(|| format!("{rule:?} is not FROM=TO"))?;
            let (host, path) = from.split_once('/').unwrap_or((from, ""));
            if !is_host(host) || (host.len() < from.len() && !is_path(path)) {
                return Err(format!(
                    "{from:?} is not the front of a full name, as ghcr.io or ghcr.io/example"
                ));
            }
            if !to.is_empty() && !is_path(to) {
                return Err(format!("{to:?} is no path of a repository"));
            }
            let host = crate::cli::network::canonical(host);
            let from = if path.is_empty() { host } else { format!("{host}/{path}") };
            if let Some((_, other)) = read.iter().find(|(known, other)| *known == from && other != to) {
                return Err(format!("{from} is mapped to {other:?} and to {to:?}"));
            }
            read.push((from, to.to_owned()));
        }
        read.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        let registry = crate::cli::network::canonical(host);
        Ok(Self { registry, prefix: prefix.to_owned(), rules: read })
    }

    /// The registry, as in canonical names.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Where a canonical repository goes.
    ///
    /// # Errors
    /// In one line, where no repository comes out.
    pub fn target(&self, repository: &str) -> Result<Repository, String> {
        let rule = self.rules.iter().find_map(|(from, to)| Some((to.as_str(), behind(repository, from)?)));
        let (to, rest) =
            rule.unwrap_or_else(|| ("", repository.split_once('/').map_or(repository, |(_, path)| path)));
        let parts = [self.prefix.as_str(), to, rest];
        let path = parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
        if !is_path(&path) || path.len() > 255 {
            return Err(format!("{repository} would become {path:?}, which no registry takes: see --map"));
        }
        Repository::parse(&format!("{}/{path}", self.registry)).map_err(|fault| fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(target: &str, rules: &[&str], name: &str) -> Result<String, String> {
        let rules: Vec<_> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        Mapping::parse(target, &rules).and_then(|m| m.target(name)).map(|r| r.name)
    }

    #[test]
    fn whole_components_and_the_longest_rule() {
        let name = "cgr.dev/chainguard/php";
        for (rules, target) in [
            (&[][..], "r.io:5000/in/chainguard/php"),
            (&["cgr.dev=cgr"], "r.io:5000/in/cgr/chainguard/php"),
            (&["cgr.dev/chainguard=mirror/cg"], "r.io:5000/in/mirror/cg/php"),
            (&["cgr.dev=a", "cgr.dev/chainguard=b", "cgr.dev/chainguard/php=c/d"], "r.io:5000/in/c/d"),
            (&["cgr.dev/chain=x", "cgr.de=y"], "r.io:5000/in/chainguard/php"),
            (&["cgr.dev/chainguard="], "r.io:5000/in/php"),
        ] {
            assert_eq!(map("r.io:5000/in", rules, name).unwrap(), target, "{rules:?}");
        }
        assert_eq!(
            map("r.io", &["docker.io=hub"], "index.docker.io/library/a1").unwrap(),
            "r.io/hub/library/a1"
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for target in ["registry", "r.io/A", "r.io/a//b", "r.io/a/", "r.io/..", "r io", "", "r.io/a:1"] {
            assert!(map(target, &[], "a.io/b").is_err(), "{target}");
        }
        for rule in ["a.io", "x=y", "a.io/=b", "a.io=B", "a.io=../b", "a.io=b/", "a.io/../b=c"] {
            assert!(map("r.io", &[rule], "a.io/b").is_err(), "{rule}");
        }
        assert!(map("r.io", &["a.io=b", "a.io=c"], "a.io/b").is_err());
        for name in ["a.io/b//c", "a.io/b/../c", "a.io/-b", "a.io/b.", "a.io/b___c"] {
            assert!(map("r.io", &[], name).is_err(), "{name}");
        }
        assert!(map("r.io", &["a.io/b="], "a.io/b").is_err());
    }
}
