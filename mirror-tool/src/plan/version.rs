//! Ranges of versions, for tags such as `1.2.3` and `v1.2.3`.
//!
//! | form | means |
//! |---|---|
//! | `>=1.2 <2`, `>1.2.3`, `<=1.4`, `=1.2.3`, `1.2.3` | comparisons, all of which must hold; missing parts are 0 |
//! | `^1.2` | at least that, and the same first part that is not 0 |
//! | `~1.2` | at least that, and the same first two parts |
//! | `1.2.x`, `1.*`, `*` | any version with these parts |
//!
//! Tags with fewer than three parts, and with a pre-release or build after them, are no versions here: they move.

use std::ops::Bound;

type Version = [u64; 3];

/// A range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    bounds: Vec<(Bound<Version>, Bound<Version>)>,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// With the part that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split([' ', ',']).filter(|p| !p.is_empty()).collect();
        let bounds: Result<Vec<_>, _> = parts
            .iter()
            .map(|part| {
                comparison(part).ok_or_else(|| format!("{part:?} is no range of versions, as >=1.2 or ^1"))
            })
            .collect();
        match bounds? {
            bounds if bounds.is_empty() => Err("the range is empty".to_owned()),
            bounds => Ok(Self { bounds }),
        }
    }

    /// Whether a tag is a version within it.
    pub fn holds(&self, tag: &str) -> bool {
        let Some((version, 3)) = version(tag.strip_prefix('v').unwrap_or(tag)) else { return false };
        self.bounds.iter().all(|(low, high)| {
            let above = match low {
                Bound::Included(low) => version >= *low,
                Bound::Excluded(low) => version > *low,
                Bound::Unbounded => true,
            };
            above
                && match high {
                    Bound::Included(high) => version <= *high,
                    Bound::Excluded(high) => version < *high,
                    Bound::Unbounded => true,
                }
        })
    }
}

/// A version with how many parts were given.
fn version(text: &str) -> Option<(Version, usize)> {
    let mut version = [0; 3];
    let mut given = 0;
    for part in text.split('.') {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *version.get_mut(given)? = part.parse().ok()?;
        given += 1;
    }
    Some((version, given))
}

/// The first version that has more in part `at`.
fn next(mut version: Version, at: usize) -> Option<Version> {
    for (n, part) in version.iter_mut().enumerate() {
        if n == at {
            *part = part.checked_add(1)?;
        } else if n > at {
            *part = 0;
        }
    }
    Some(version)
}

fn comparison(text: &str) -> Option<(Bound<Version>, Bound<Version>)> {
    let split = text.find(|c: char| !"<>=^~".contains(c)).unwrap_or(text.len());
    let (operator, rest) = text.split_at(split);
    let rest = rest.strip_prefix('v').unwrap_or(rest);
    if operator.is_empty() && rest.ends_with(['*', 'x']) {
        let fixed = rest.trim_end_matches(['*', 'x', '.']);
        if fixed.is_empty() {
            return Some((Bound::Unbounded, Bound::Unbounded));
        }
        let (low, given) = version(fixed)?;
        return Some((Bound::Included(low), Bound::Excluded(next(low, given.checked_sub(1)?)?)));
    }
    let (low, given) = version(rest)?;
    Some(match operator {
        "" | "=" => (Bound::Included(low), Bound::Included(low)),
        ">" => (Bound::Excluded(low), Bound::Unbounded),
        ">=" => (Bound::Included(low), Bound::Unbounded),
        "<" => (Bound::Unbounded, Bound::Excluded(low)),
        "<=" => (Bound::Unbounded, Bound::Included(low)),
        "~" => (Bound::Included(low), Bound::Excluded(next(low, usize::from(given > 1))?)),
        "^" => {
            let first = low.iter().position(|part| *part != 0).unwrap_or(given.saturating_sub(1));
            (Bound::Included(low), Bound::Excluded(next(low, first)?))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, inside, outside) in [
            (">=1.2 <2", vec!["1.2.0", "v1.99.9"], vec!["1.1.9", "2.0.0", "1.2", "1.3.0-rc1", "latest"]),
            ("^1.2", vec!["1.2.0", "1.9.0"], vec!["2.0.0", "1.1.0"]),
            ("^0.3.1", vec!["0.3.1", "0.3.9"], vec!["0.4.0"]),
            ("~1.2.3", vec!["1.2.3", "1.2.9"], vec!["1.3.0", "1.2.2"]),
            ("~1", vec!["1.9.0"], vec!["2.0.0"]),
            ("1.2.x", vec!["1.2.0", "1.2.7"], vec!["1.3.0"]),
            ("*", vec!["0.0.1"], vec!["v1"]),
            ("1.2.3", vec!["1.2.3"], vec!["1.2.4"]),
            (">1.2,<=1.4", vec!["1.2.1", "1.4.0"], vec!["1.2.0", "1.4.1"]),
        ] {
            let read = Range::parse(range).unwrap();
            for tag in inside {
                assert!(read.holds(tag), "{range} {tag}");
            }
            for tag in outside {
                assert!(!read.holds(tag), "{range} {tag}");
            }
        }
        for bad in ["", "one", ">=", "=>1", "1.2.3.4", "^^1", "1..2", "99999999999999999999"] {
            assert!(Range::parse(bad).is_err(), "{bad}");
        }
    }
}
