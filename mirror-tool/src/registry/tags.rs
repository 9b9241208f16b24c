//! The tags of a repository, all pages of them.

use std::collections::BTreeSet;

use reqwest::Method;
use serde::Deserialize;

use super::answer::{self, Answer, Doubt};
use super::endpoint::Repository;
use super::limits;
use super::referrers::next;
use super::request::{Ask, Follow, Registries};

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Registries {
    /// Every tag, in byte order. What is no tag by the specification's grammar is left out.
    pub async fn tags(&self, repository: &Repository) -> Answer<Vec<String>> {
        match self.tag_pages(repository).await {
            Ok(answer) => answer,
            Err(doubt) => Answer::Unknown(doubt),
        }
    }

    async fn tag_pages(&self, repository: &Repository) -> Result<Answer<Vec<String>>, Doubt> {
        let host = self.host(repository)?;
        let mut url = Self::url(&host, repository, "tags/list")?;
        let mut seen = BTreeSet::new();
        let mut found = BTreeSet::new();
        loop {
            // A repository has more tags than a digest has referrers; the tags themselves are counted.
            if !seen.insert(url.to_string()) {
                return Err(Doubt::of(200, "the pages of tags lead in a circle"));
            }
            let ask = Ask {
                host: &host,
                repository,
                method: Method::GET,
                url: url.clone(),
                accept: "application/json",
                from: 0,
                follow: Follow::SameOrigin,
            };
            let whole = self.whole(&ask, limits::PAGE).await?;
            if whole.status != 200 {
                return Ok(answer::negative(whole.status, &whole.body));
            }
            let page: Page = serde_json::from_slice(&whole.body)
                .map_err(|_| Doubt::of(200, "the list of tags is not JSON of the expected shape"))?;
            found.extend(page.tags.unwrap_or_default().into_iter().filter(|tag| is_tag(tag)));
            if found.len() > limits::TAGS || seen.len() > limits::TAGS / 100 {
                return Err(Doubt::of(200, format!("more than {} tags", limits::TAGS)));
            }
            match next(&whole)? {
                Some(next) => url = next,
                None => return Ok(Answer::Found(found.into_iter().collect())),
            }
        }
    }
}

/// Whether it is `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI distribution-spec 1.1). Image names are read more widely, and
/// `..` would be another place in a URL.
pub fn is_tag(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    text.len() <= 128
        && text.bytes().all(rest)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::is_tag;

    #[test]
    fn grammar_of_tags() {
        for tag in [".", "..", "-a", ".a", "", "a/b", "a:b", &"a".repeat(129)] {
            assert!(!is_tag(tag), "{tag}");
        }
        assert!(is_tag("_") && is_tag("1.0-a_B") && is_tag(&"a".repeat(128)));
    }
}
