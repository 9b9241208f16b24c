//! Image globs: which images a policy is about.
//!
//! Input: a glob as written in `spec.images[].glob`, and an image name. Output: whether they match.
//!
//! | rule | source (policy-controller `pkg/apis/glob/glob.go`) |
//! |---|---|
//! | one or more of `a-z A-Z 0-9 - _ : / * . @`, else refused | `validGlob` |
//! | the whole glob `*` means `index.docker.io/library/*`, the whole glob `*/*` means `index.docker.io/*/*` | `Compile` |
//! | `**` is any text, a `*` left over is any text without `/` (so `***` is `**` and then `*`), the rest is literal | `Compile` |
//! | the whole name must match | `Compile` |
//! | matched against the canonical name, and if that fails against the name as written | `Match` |
//!
//! The controller always asks with a canonical name, where the second try can never help: [`Glob::matches_reference`]. So
//! `docker.io/**` never matches there, and `index.docker.io/**` does.
//!
//! Not checked here: whether the name stands for the image that is judged (`store`, `decision`).
//!
//! Attacks considered: globs that take exponential time (matching is one pass over the name for each piece of the glob), unbounded
//! globs, `.` as a wildcard (`ghcr.io/**` must not match `ghcrxio/foo`), a suffix or prefix that widens an exact name.

use crate::image::Reference;
use crate::image::name::NameFault;

/// Longest glob in bytes. A name has at most 1,024, so a longer glob without wildcards matches nothing.
pub const MAX_GLOB: usize = 1024;

/// A compiled image glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Exactly this text.
    Literal(String),
    /// `*`: any text without `/`.
    Component,
    /// `**`: any text.
    Anything,
}

/// The glob is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobFault {
    /// Empty, or a character outside of the set; the text is policy-controller's.
    #[error("invalid glob {text:?}")]
    Invalid {
        /// The glob as written.
        text: String,
    },
    /// Longer than [`MAX_GLOB`].
    #[error("the glob has {found} bytes, more than {limit}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl Glob {
    /// Reads a glob.
    ///
    /// # Errors
    /// [`GlobFault::Invalid`] where policy-controller says so, [`GlobFault::Length`] above [`MAX_GLOB`] bytes.
    pub fn compile(text: &str) -> Result<Self, GlobFault> {
        if text.len() > MAX_GLOB {
            return Err(GlobFault::Length { found: text.len(), limit: MAX_GLOB });
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_:/*.@".contains(&b);
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(GlobFault::Invalid { text: text.to_owned() });
        }
        let whole = match text {
            "*" => "index.docker.io/library/*",
            "*/*" => "index.docker.io/*/*",
            other => other,
        };
        Ok(Self { text: text.to_owned(), pieces: pieces(whole) })
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether an image name as a person writes it matches: by its canonical name, else as written.
    ///
    /// # Errors
    /// When `image` is not an image name.
    pub fn matches(&self, image: &str) -> Result<bool, NameFault> {
        let reference = Reference::parse(image)?;
        Ok(self.matches_reference(&reference) || self.matches_text(image))
    }

    /// Whether the canonical name matches: the question that the admission controller asks.
    pub fn matches_reference(&self, image: &Reference) -> bool {
        self.matches_text(&image.name())
    }

    fn matches_text(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        // `starts` holds every offset at which the next piece may start, in ascending order.
        let mut starts = vec![0];
        for piece in &self.pieces {
            starts = match piece {
                Piece::Literal(literal) => starts
                    .iter()
                    .filter(|start| {
                        bytes.get(**start..).is_some_and(|rest| rest.starts_with(literal.as_bytes()))
                    })
                    .map(|start| start + literal.len())
                    .collect(),
                Piece::Component => spread(bytes, &starts, |b| b != b'/'),
                // As `.` of a regular expression: no line feed (a name never holds one).
                Piece::Anything => spread(bytes, &starts, |b| b != b'\n'),
            };
            if starts.is_empty() {
                return false;
            }
        }
        starts.last() == Some(&bytes.len())
    }
}

/// Every offset that is reached from one of `starts` over bytes for which `passes` holds.
fn spread(bytes: &[u8], starts: &[usize], passes: impl Fn(u8) -> bool) -> Vec<usize> {
    let mut reached = Vec::new();
    let mut starts = starts.iter().copied().peekable();
    let mut open = false;
    for at in 0..=bytes.len() {
        if starts.next_if_eq(&at).is_some() {
            open = true;
        }
        if open {
            reached.push(at);
            open = bytes.get(at).is_some_and(|b| passes(*b));
        } else if starts.peek().is_none() {
            break;
        }
    }
    reached
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (n, part) in text.split("**").enumerate() {
        if n > 0 {
            pieces.push(Piece::Anything);
        }
        for (n, literal) in part.split('*').enumerate() {
            if n > 0 {
                pieces.push(Piece::Component);
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
        }
    }
    pieces
}

/// Whether Go's `filepath.Match` calls the pattern malformed; policy-controller asks it first.
pub(super) fn is_bad_pattern(text: &str) -> bool {
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' if rest.next().is_none() => return true,
            '[' => {
                rest.next_if_eq(&'^');
                let mut ranges = 0;
                loop {
                    if ranges > 0 && rest.next_if_eq(&']').is_some() {
                        break;
                    }
                    if !class_character(&mut rest) {
                        return true;
                    }
                    if rest.next_if_eq(&'-').is_some() && !class_character(&mut rest) {
                        return true;
                    }
                    ranges += 1;
                }
            }
            _ => {}
        }
    }
    false
}

/// One character of a class, which must be followed by another.
fn class_character(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    match rest.next() {
        None | Some('-' | ']') => return false,
        Some('\\') if rest.next().is_none() => return false,
        Some(_) => {}
    }
    rest.peek().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, image: &str) -> bool {
        Glob::compile(glob).unwrap().matches(image).unwrap()
    }

    #[test]
    fn a_dot_is_a_dot_and_the_ends_are_fixed() {
        assert!(matches("ghcr.io/**", "ghcr.io/a/b"));
        assert!(!matches("ghcr.io/**", "ghcrxio/foo"));
        assert!(!matches("ghcr.io/foo", "ghcr.io/foo:v1"));
        assert!(!matches("ghcr.io/foo", "prefix-ghcr.io/foo"));
        assert!(!matches("ghcr.io/foo", "ghcr.io/foo-suffix"));
        assert!(!matches("ghcr.io/*", "ghcr.io/foo/bar"));
        assert!(!matches("ghcr.io/foo:v1", "ghcr.io/foo:v1.evil"));
    }

    #[test]
    fn the_name_as_written_counts_only_when_asked_by_text() {
        let glob = Glob::compile("ghcr.io/foo").unwrap();
        assert!(glob.matches("ghcr.io/foo").unwrap());
        assert!(!glob.matches_reference(&Reference::parse("ghcr.io/foo").unwrap()));
        assert!(
            !Glob::compile("docker.io/**")
                .unwrap()
                .matches_reference(&Reference::parse("docker.io/foo").unwrap())
        );
    }

    #[test]
    fn refused_globs() {
        for bad in ["", "foo bar", "foo\n", "\nfoo", "foo?", "[a]", "foo$", "foo\\*", "f\u{f6}o", "{a,b}"] {
            assert_eq!(Glob::compile(bad), Err(GlobFault::Invalid { text: bad.into() }));
        }
        assert!(matches!(Glob::compile(&"*".repeat(MAX_GLOB + 1)), Err(GlobFault::Length { .. })));
        assert_eq!(Glob::compile("foo\n").unwrap_err().to_string(), "invalid glob \"foo\\n\"");
    }

    #[test]
    fn a_glob_of_stars_takes_no_exponential_time() {
        let image = format!("ghcr.io/{}", "a".repeat(250));
        let glob = format!("{}b", "a*".repeat(500));
        assert!(!matches(&glob, &image));
        let glob = format!("{}b", "**a".repeat(300));
        assert!(!matches(&glob, &image));
    }
}
