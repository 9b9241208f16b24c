//! The referrers API: what says that it is about a digest. A list is a hint where to look; each manifest's own `subject`
//! decides.
//!
//! | rule | source |
//! |---|---|
//! | no filter is sent | registries that ignore it answer the same as those that apply it |
//! | 404 means that the API is not there; the tag schema is asked in any case | OCI distribution-spec 1.1 |
//! | 200 with another media type than an index is no answer | web pages |
//! | `Link` is followed on the same origin, each URL once, at most [`limits::PAGES`] pages | |
//! | the pages are kept as they came | |

use std::collections::BTreeSet;

use reqwest::Method;
use sealock::image::manifest::{Content, Descriptor, OCI_INDEX};
use sealock::image::{Digest, Manifest};
use url::Url;

use super::answer::{self, Answer, Doubt};
use super::endpoint::{Repository, same_origin};
use super::request::{Ask, Follow, Registries, Whole};
use super::{limits, manifest};

impl Registries {
    /// Everything that the registry lists as referring to `subject`.
    pub async fn referrers(&self, repository: &Repository, subject: &Digest) -> Answer<Vec<Descriptor>> {
        match self.pages(repository, subject).await {
            Ok(answer) => answer,
            Err(doubt) => Answer::Unknown(doubt),
        }
    }

    async fn pages(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Answer<Vec<Descriptor>>, Doubt> {
        let host = self.host(repository)?;
        let mut url = Self::url(&host, repository, &format!("referrers/{subject}"))?;
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        loop {
            if seen.len() >= limits::PAGES {
                return Err(Doubt::of(200, format!("more than {} pages of referrers", limits::PAGES)));
            }
            if !seen.insert(url.to_string()) {
                return Err(Doubt::of(200, "the pages of referrers lead in a circle"));
            }
            let ask = Ask {
                host: &host,
                repository,
                method: Method::GET,
                url: url.clone(),
                accept: OCI_INDEX,
                from: 0,
                follow: Follow::SameOrigin,
            };
            let whole = self.whole(&ask, limits::PAGE).await?;
            if whole.status != 200 {
                let answer = answer::negative(whole.status, &whole.body);
                // Only the first page can say that there is nothing.
                return Ok(match answer {
                    Answer::Absent(absence) if seen.len() > 1 => {
                        Answer::Unknown(Doubt::of(absence.status, "a further page of referrers is missing"))
                    }
                    other => other,
                });
            }
            found.extend(entries(&whole)?);
            if found.len() > limits::DESCRIPTORS {
                return Err(Doubt::of(200, format!("more than {} referrers", limits::DESCRIPTORS)));
            }
            match next(&whole)? {
                Some(next) => url = next,
                None => return Ok(Answer::Found(found)),
            }
        }
    }
}

fn entries(page: &Whole) -> Result<Vec<Descriptor>, Doubt> {
    let kind = manifest::media_type(page);
    if kind != OCI_INDEX {
        return Err(Doubt::of(200, format!("the referrers API answered with {kind:?}, not with an index")));
    }
    match Manifest::parse(&page.body, OCI_INDEX) {
        Ok(Manifest { content: Content::Index { manifests }, .. }) => Ok(manifests),
        Ok(_) => Err(Doubt::of(200, "the referrers API answered with an image manifest")),
        Err(fault) => Err(Doubt::of(200, format!("the answer of the referrers API cannot be read: {fault}"))),
    }
}

/// The next page, where `Link` names one.
pub(super) fn next(page: &Whole) -> Result<Option<Url>, Doubt> {
    for value in page.headers.get_all("link") {
        let Ok(value) = value.to_str() else {
            return Err(Doubt::of(page.status, "a Link header cannot be read"));
        };
        if let Some(target) = link(value) {
            let url = page
                .url
                .join(target)
                .map_err(|e| Doubt::of(page.status, format!("a Link leads nowhere: {e}")))?;
            if !same_origin(&url, &page.url) || !url.path().starts_with("/v2/") {
                return Err(Doubt::of(page.status, "the next page is said to be on another host"));
            }
            return Ok(Some(url));
        }
    }
    Ok(None)
}

/// The target of the link with `rel=next` in a header (RFC 8288).
fn link(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let (parameters, others) = after.split_once('<').map_or((after, ""), |(p, _)| (p, after));
        let is_next = parameters.split(';').map(str::trim).any(|parameter| {
            let parameter = parameter.trim_end_matches([',', ' ']);
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value.trim().trim_matches('"').split(' ').any(|r| r.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target);
        }
        rest = others;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn links() {
        assert_eq!(link("</v2/a?n=1>; rel=\"next\""), Some("/v2/a?n=1"));
        assert_eq!(link("</v2/a>;rel=next"), Some("/v2/a"));
        assert_eq!(link("</v2/p>; rel=\"prev\", </v2/n>; rel=\"next\""), Some("/v2/n"));
        assert_eq!(link("</v2/n>; rel=\"next\", </v2/p>; rel=\"prev\""), Some("/v2/n"));
        assert_eq!(link("</v2/a>; rel=\"nextish\""), None);
        assert_eq!(link("</v2/a; rel=next"), None);
        assert_eq!(link(""), None);
    }
}
