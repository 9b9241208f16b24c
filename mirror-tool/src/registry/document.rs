//! Documents that are no part of a registry: TUF metadata, answers of transparency logs.
//!
//! The same patience, limits and three answers as for registries; what stands in for a host stands in here too.

use reqwest::Method;
use url::Url;

use super::answer::{self, Answer, Doubt};
use super::endpoint::{self, Repository};
use super::request::{Ask, Follow, Registries};

impl Registries {
    /// A document at a URL that the user named, at most `limit` bytes of it; with the same patience and the same three
    /// answers as registries get.
    pub async fn document(&self, url: &Url, limit: u64) -> Answer<Vec<u8>> {
        let authority = endpoint::authority(url);
        let repository = Repository { name: authority.clone(), registry: authority, path: String::new() };
        let host = match self.host(&repository) {
            Ok(host) => host,
            Err(doubt) => return Answer::Unknown(doubt),
        };
        let mut url = url.clone();
        if self.has_stand_in(&repository.registry) {
            // What stands in for a host stands in for all that is asked of it.
            let rest = url.query().map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
            url = match host.base.join(&rest) {
                Ok(url) => url,
                Err(e) => return Answer::Unknown(Doubt::new(format!("no URL can be made: {e}"))),
            };
        }
        if host.base.scheme() != url.scheme() {
            return Answer::Unknown(Doubt::new(format!(
                "{} is asked with {}, and the URL says {} (see --plain-http)",
                repository.registry,
                host.base.scheme(),
                url.scheme()
            )));
        }
        let ask = Ask {
            host: &host,
            repository: &repository,
            method: Method::GET,
            url,
            accept: "*/*",
            from: 0,
            follow: Follow::Anywhere,
        };
        match self.whole(&ask, limit).await {
            Ok(whole) if whole.status == 200 => Answer::Found(whole.body),
            Ok(whole) => answer::negative(whole.status, &whole.body),
            Err(doubt) => Answer::Unknown(doubt),
        }
    }
}
