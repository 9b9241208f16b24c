//! Image names: what a person writes, and the canonical name that policies are matched against.
//!
//! Input: text such as `foo`, `ghcr.io/org/app:v1@sha256:…`. Output: [`Reference`], with the name that go-containerregistry's
//! `name.ParseReference(text, name.WeakValidation).Name()` gives.
//!
//! | rule | source (go-containerregistry `pkg/name`, 0.21.7 to 0.21.9) |
//! |---|---|
//! | tried as a tag reference first, then as a digest reference | `ref.go` |
//! | the part before the first `/` is a registry if it is `localhost` or holds `.` or `:` | `repository.go` |
//! | no registry: `index.docker.io`; `docker.io` is rewritten to it | `registry.go` |
//! | a repository of one component on `index.docker.io` gets `library/` | `repository.go` |
//! | repository: 2 to 255 characters of `a-z 0-9 _ - . /` | `repository.go`, `check.go` |
//! | tag: what follows the last `:` unless a `/` is in it; 1 to 128 characters of `A-Z a-z 0-9 _ - .`; `latest` if absent | `tag.go` |
//! | digest: exactly one `@`, `sha256:` and 64 lower-case hex digits; a tag before it is not part of the name | `digest.go` |
//! | with a digest, the canonical repository must itself be a valid one (so `library/` counts towards the 255) | `digest.go` |
//! | registry: Go's `url.Parse("//" + registry).Host` gives it back unchanged | `registry.go`, Go `net/url` |
//!
//! Not checked here: whether the image exists (`store`), and whether a name is safe as a path: `//`, `..` and a leading `/` are legal
//! in a repository, so a name must never become a path.
//!
//! Attacks considered: a tag that hides which digest was meant (the digest wins, the tag is only kept for display and look-up), user
//! information or an escape in the registry, line breaks that split a log line, names of unbounded length.

use std::fmt;
use std::net::Ipv6Addr;

use super::Digest;

/// Longest text that is read as a name, in bytes. A registry is at most a DNS name and a port, so 1,024 leaves room for every real one.
pub const MAX_NAME: usize = 1024;

const DEFAULT_REGISTRY: &str = "index.docker.io";
const DEFAULT_REGISTRY_ALIAS: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library";
const DEFAULT_TAG: &str = "latest";

/// A parsed image name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    written: String,
    registry: String,
    /// `registry/path`, canonical.
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The text is not an image name. Its text is go-containerregistry's; the cause is the source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not parse reference: {text}")]
pub struct NameFault {
    /// What was found, cut after [`MAX_NAME`] bytes.
    pub text: String,
    /// Why it is not a name.
    #[source]
    pub reason: NameReason,
}

/// Why a text is not an image name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameReason {
    /// Longer than [`MAX_NAME`].
    #[error("the name has {found} bytes, more than {limit}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Nothing before the tag or digest.
    #[error("a repository name must be given")]
    NoRepository,
    /// The repository is too short or too long.
    #[error("the repository has {found} characters, expected 2 to 255")]
    RepositoryLength {
        /// Characters found.
        found: usize,
    },
    /// The repository holds a character outside of its set.
    #[error("the repository holds {found:?}, expected lower-case letters, digits and _-./")]
    RepositoryCharacter {
        /// The first such character.
        found: char,
    },
    /// The registry is not a host with an optional port.
    #[error("the registry {found:?} is not a host with an optional port")]
    Registry {
        /// The registry as written.
        found: String,
    },
    /// A `:` at the end.
    #[error("a tag must follow the colon")]
    TagMissing,
    /// The tag is too long.
    #[error("the tag has {found} characters, expected 1 to 128")]
    TagLength {
        /// Characters found.
        found: usize,
    },
    /// The tag holds a character outside of its set.
    #[error("the tag holds {found:?}, expected letters, digits and _-.")]
    TagCharacter {
        /// The first such character.
        found: char,
    },
    /// More than one `@`.
    #[error("more than one @")]
    TwoDigests,
    /// What follows the `@` is not a SHA-256 digest.
    #[error("{found:?} is not a digest: expected sha256:<64 lower-case hex digits>")]
    Digest {
        /// What follows the `@`.
        found: String,
    },
}

impl Reference {
    /// Reads an image name.
    ///
    /// # Errors
    /// [`NameFault`] for every text that go-containerregistry refuses under weak validation, and for one longer than [`MAX_NAME`].
    pub fn parse(text: &str) -> Result<Self, NameFault> {
        let fault = |reason| NameFault { text: cut(text), reason };
        if text.len() > MAX_NAME {
            return Err(fault(NameReason::Length { found: text.len(), limit: MAX_NAME }));
        }
        // A tag reference never holds an `@`: neither a repository, nor a tag, nor a registry may.
        let Some((base, digest)) = text.split_once('@') else {
            let (location, tag) = tagged(text).map_err(fault)?;
            let tag = tag.unwrap_or(DEFAULT_TAG);
            return Ok(location.reference(text, Some(tag), None));
        };
        if digest.contains('@') {
            return Err(fault(NameReason::TwoDigests));
        }
        let Ok(digest @ Digest::Sha256(_)) = digest.parse::<Digest>() else {
            return Err(fault(NameReason::Digest { found: cut(digest) }));
        };
        let (location, tag) = tagged(base).map_err(fault)?;
        // The canonical repository is read once more, as upstream does: `library/` then counts towards the length.
        let location = Location::parse(&location.repository()).map_err(fault)?;
        Ok(location.reference(text, tag, Some(digest)))
    }

    /// The text that was parsed, unchanged.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Canonical host with its port, such as `index.docker.io` or `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Canonical `host/repository`, such as `index.docker.io/library/foo`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag: as written, `latest` if neither tag nor digest was, absent if only a digest was.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, always SHA-256.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The canonical name: `host/repository@digest` if there is a digest, else `host/repository:tag`.
    pub fn name(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{}@{digest}", self.repository),
            (None, tag) => format!("{}:{}", self.repository, tag.as_deref().unwrap_or(DEFAULT_TAG)),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl std::str::FromStr for Reference {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        Self::parse(text)
    }
}

/// A registry and a path on it, both canonical.
struct Location {
    registry: String,
    path: String,
}

impl Location {
    fn parse(text: &str) -> Result<Self, NameReason> {
        if text.is_empty() {
            return Err(NameReason::NoRepository);
        }
        let (registry, path) = match text.split_once('/') {
            Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (first, rest),
            _ => ("", text),
        };
        check_length(path, 2, 255).map_err(|found| NameReason::RepositoryLength { found })?;
        if let Some(found) =
            path.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.' | '/'))
        {
            return Err(NameReason::RepositoryCharacter { found });
        }
        let registry = match registry {
            "" | DEFAULT_REGISTRY_ALIAS => DEFAULT_REGISTRY,
            written if is_authority(written) => written,
            written => return Err(NameReason::Registry { found: cut(written) }),
        };
        let path = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("{DEFAULT_NAMESPACE}/{path}")
        } else {
            path.to_owned()
        };
        Ok(Self { registry: registry.to_owned(), path })
    }

    fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    fn reference(self, written: &str, tag: Option<&str>, digest: Option<Digest>) -> Reference {
        Reference {
            written: written.to_owned(),
            repository: self.repository(),
            registry: self.registry,
            tag: tag.map(str::to_owned),
            digest,
        }
    }
}

/// Splits off a tag, and reads what stands before it.
fn tagged(text: &str) -> Result<(Location, Option<&str>), NameReason> {
    let (base, tag) = match text.rsplit_once(':') {
        Some((base, tag)) if !tag.contains('/') => (base, Some(tag)),
        _ => (text, None),
    };
    if let Some(tag) = tag {
        if tag.is_empty() {
            return Err(NameReason::TagMissing);
        }
        check_length(tag, 1, 128).map_err(|found| NameReason::TagLength { found })?;
        if let Some(found) =
            tag.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
        {
            return Err(NameReason::TagCharacter { found });
        }
    }
    Ok((Location::parse(base)?, tag))
}

fn check_length(text: &str, low: usize, high: usize) -> Result<(), usize> {
    let found = text.chars().count();
    if (low..=high).contains(&found) { Ok(()) } else { Err(found) }
}

/// Whether Go's `url.Parse("//" + text)` succeeds and its `Host` is `text` again.
fn is_authority(text: &str) -> bool {
    // `#`, `?`, `/` and `@` end or split an authority, and an escape never comes back unchanged.
    let legal = |b: u8| b >= 0x80 || b.is_ascii_alphanumeric() || b"!\"$&'()*+,-.:;<=>[]_~".contains(&b);
    if !text.bytes().all(legal) {
        return false;
    }
    match text.rfind('[') {
        // Brackets hold an IPv6 address, and a port may follow.
        Some(0) => text
            .strip_prefix('[')
            .and_then(|rest| rest.rsplit_once(']'))
            .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && is_optional_port(port)),
        Some(_) => false,
        None => text.rfind(':').is_none_or(|colon| text.get(colon..).is_some_and(is_optional_port)),
    }
}

/// Nothing, or a colon and any number of digits (none is legal).
fn is_optional_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MAX_NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "5504f2a95018e3d8a52d80d9e1a128c6ea337581808ff9fe96f5628ce2336350";

    fn name(text: &str) -> String {
        Reference::parse(text).unwrap().name()
    }

    fn reason(text: &str) -> NameReason {
        Reference::parse(text).unwrap_err().reason
    }

    #[test]
    fn canonical_names() {
        for (written, canonical) in [
            ("foo", "index.docker.io/library/foo:latest"),
            ("docker.io/foo", "index.docker.io/library/foo:latest"),
            ("docker.io/a/foo:1", "index.docker.io/a/foo:1"),
            ("ghcr.io", "index.docker.io/library/ghcr.io:latest"),
            ("localhost/foo", "localhost/foo:latest"),
            ("localhostx/foo", "index.docker.io/localhostx/foo:latest"),
            ("localhost:5000", "index.docker.io/library/localhost:5000"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("localhost:/app", "localhost:/app:latest"),
            ("[::1]:5000/app:x", "[::1]:5000/app:x"),
            ("/foo", "index.docker.io//foo:latest"),
            ("ghcr.io//foo", "ghcr.io//foo:latest"),
            ("ghcr.io/../..", "ghcr.io/../..:latest"),
            ("r\u{e9}g.io/foo", "r\u{e9}g.io/foo:latest"),
            ("REG.io/foo:V1", "REG.io/foo:V1"),
        ] {
            assert_eq!(name(written), canonical, "{written}");
        }
    }

    #[test]
    fn digest_wins_and_the_tag_is_kept() {
        let text = format!("ghcr.io/foo:v1@sha256:{HEX}");
        let reference = Reference::parse(&text).unwrap();
        assert_eq!(reference.name(), format!("ghcr.io/foo@sha256:{HEX}"));
        assert_eq!(reference.to_string(), reference.name());
        assert_eq!((reference.registry(), reference.repository()), ("ghcr.io", "ghcr.io/foo"));
        assert_eq!(reference.tag(), Some("v1"));
        assert_eq!(reference.digest().unwrap().hex(), HEX);
        assert_eq!(reference.written(), text);
        assert_eq!(Reference::parse(&format!("foo@sha256:{HEX}")).unwrap().tag(), None);
        assert_eq!(Reference::parse("foo").unwrap().tag(), Some("latest"));
    }

    #[test]
    fn refused() {
        assert_eq!(reason(""), NameReason::NoRepository);
        assert_eq!(reason("foo:"), NameReason::TagMissing);
        assert_eq!(reason(":tag"), NameReason::NoRepository);
        assert_eq!(reason("a.b/c"), NameReason::RepositoryLength { found: 1 });
        assert_eq!(reason("x"), NameReason::RepositoryLength { found: 1 });
        assert_eq!(reason("Foo"), NameReason::RepositoryCharacter { found: 'F' });
        assert_eq!(reason("foo\n"), NameReason::RepositoryCharacter { found: '\n' });
        assert_eq!(reason("foo:v1\n"), NameReason::TagCharacter { found: '\n' });
        assert_eq!(reason(&format!("foo:{}", "t".repeat(129))), NameReason::TagLength { found: 129 });
        assert_eq!(reason(&format!("foo@sha256:{HEX}@sha256:{HEX}")), NameReason::TwoDigests);
        assert_eq!(
            reason(&"a".repeat(MAX_NAME + 1)),
            NameReason::Length { found: MAX_NAME + 1, limit: MAX_NAME }
        );
        for bad in [
            "sha256:",
            "sha256:00",
            &format!("SHA256:{HEX}"),
            &format!("sha512:{HEX}{HEX}"),
            &HEX.to_uppercase(),
        ] {
            assert!(matches!(reason(&format!("foo@{bad}")), NameReason::Digest { .. }), "{bad}");
        }
        for registry in [
            "user@h.io",
            "a%41.io",
            "a.io:80x",
            "a b.io",
            "a.io#",
            "a.io?",
            "a.io\n",
            "[::1",
            "[1.2.3.4]",
            "x[::1]",
            "[fe80::1%25en0]",
        ] {
            let text = format!("{registry}/foo");
            assert!(Reference::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn library_counts_towards_the_length_only_with_a_digest() {
        let long = "a".repeat(250);
        assert!(Reference::parse(&long).is_ok());
        assert_eq!(reason(&format!("{long}@sha256:{HEX}")), NameReason::RepositoryLength { found: 258 });
    }

    #[test]
    fn fault_text_is_upstreams() {
        assert_eq!(Reference::parse("Foo").unwrap_err().to_string(), "could not parse reference: Foo");
    }
}
