//! URLs, repositories and key services as policy-controller's libraries accept them.
//!
//! Input: text. Output: nothing or parts, or the library's own words. None of these addresses is ever contacted.
//!
//! | rule | source |
//! |---|---|
//! | URLs: Go's `url.Parse` | `corpus/verdicts/invalid/keyless-url-*`, `ctlog-url-bad`; RFC 3986 §3 |
//! | `source.oci`: a registry, or a repository with its registry | `corpus/admission-vectors/documents/own-source-*` |
//! | `key.kms`: one of four prefixes; AWS needs an ARN | `behaviour §1.4`, `corpus/verdicts/invalid/kms-*` |
//!
//! Not checked here: whether anything exists there.

/// What is used of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UrlParts {
    /// Before the first colon; empty for a relative URL.
    pub scheme: String,
    /// Host with port.
    pub host: String,
}

/// Reads a URL as Go's `url.Parse` does.
///
/// # Errors
/// Go's text.
pub fn url(text: &str) -> Result<UrlParts, String> {
    parse_url(text).map_err(|reason| format!("parse {text:?}: {reason}"))
}

fn parse_url(text: &str) -> Result<UrlParts, String> {
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".into());
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    check_escapes(fragment)?;
    let (scheme, rest) = split_scheme(rest)?;
    let (rest, _query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parts = UrlParts { scheme: scheme.to_ascii_lowercase(), host: String::new() };
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(parts);
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".into());
        }
    }
    let mut path = rest;
    if let Some(after) = rest.strip_prefix("//")
        && (!scheme.is_empty() || !rest.starts_with("///"))
    {
        let (authority, after) = after.split_at(after.find('/').unwrap_or(after.len()));
        path = after;
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
                if !user.chars().all(allowed) {
                    return Err("net/url: invalid userinfo".into());
                }
                check_escapes(user)?;
                host
            }
            None => authority,
        };
        check_host(host)?;
        host.clone_into(&mut parts.host);
    }
    check_escapes(path)?;
    Ok(parts)
}

/// RFC 3986 §3.1.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, character) in text.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".into()),
            ':' => {
                let (scheme, rest) = text.split_at(at);
                return Ok((scheme, rest.get(1..).unwrap_or_default()));
            }
            _ => break,
        }
    }
    Ok(("", text))
}

fn check_host(host: &str) -> Result<(), String> {
    let port = if host.starts_with('[') {
        let Some((_, after)) = host.rsplit_once(']') else { return Err("missing ']' in host".into()) };
        after
    } else {
        host.rfind(':').and_then(|at| host.get(at..)).unwrap_or_default()
    };
    let right = match port.strip_prefix(':') {
        Some(digits) => digits.chars().all(|c| c.is_ascii_digit()),
        None => port.is_empty(),
    };
    if !right {
        return Err(format!("invalid port {port:?} after host"));
    }
    check_escapes(host)?;
    let refused =
        |c: &char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.~!$&'()*+,;=:[]<>\"%".contains(*c);
    match host.chars().find(refused) {
        Some(character) => Err(format!("invalid character {:?} in host name", character.to_string())),
        None => Ok(()),
    }
}

fn check_escapes(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let after = rest.get(at..).unwrap_or_default();
        let escape: String = after.chars().take(3).collect();
        let hex = escape.chars().skip(1).filter(char::is_ascii_hexdigit).count();
        if hex != 2 {
            return Err(format!("invalid URL escape {escape:?}"));
        }
        rest = after.get(3..).unwrap_or_default();
    }
    Ok(())
}

/// Checks `source.oci`: a registry alone, or a repository with its registry.
///
/// # Errors
/// The text of policy-controller's reference library.
pub fn repository(text: &str) -> Result<(), String> {
    const ALLOWED: &str = "abcdefghijklmnopqrstuvwxyz0123456789_-./";
    match text.split_once('/') {
        Some((registry, repository)) if registry == "localhost" || registry.contains(['.', ':']) => {
            let length = repository.chars().count();
            if !(2..=255).contains(&length) {
                return Err(format!(
                    "repository must be between 2 and 255 characters in length: {repository}"
                ));
            }
            if !repository.chars().all(|c| ALLOWED.contains(c)) {
                return Err(format!("repository can only contain the characters `{ALLOWED}`: {repository}"));
            }
            check_registry(registry)?;
            if matches!(registry, "index.docker.io" | "docker.io") && !repository.contains('/') {
                return Err("strict validation requires the full repository path (missing 'library')".into());
            }
            Ok(())
        }
        _ => check_registry(text),
    }
}

fn check_registry(registry: &str) -> Result<(), String> {
    match parse_url(&format!("//{registry}")) {
        Ok(parts) if parts.host == registry => Ok(()),
        _ => Err(format!("registries must be valid RFC 3986 URI authorities: {registry}")),
    }
}

/// Checks `key.kms`.
///
/// # Errors
/// Policy-controller's text.
pub fn key_service(text: &str) -> Result<(), String> {
    const PREFIXES: [&str; 4] = ["awskms://", "azurekms://", "hashivault://", "gcpkms://"];
    if !PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return Err(format!(
            "malformed KMS format, should be prefixed by any of the supported providers: [{}]",
            PREFIXES.join(" ")
        ));
    }
    let Some(rest) = text.strip_prefix("awskms://") else { return Ok(()) };
    let Some((endpoint, key)) = rest.split_once('/') else {
        return Err(
            "malformed AWS KMS format 'awskms://$ENDPOINT/$KEYID', should be conformant with KMS standard documented here: https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id"
                .into(),
        );
    };
    let arn = aws_resource(key);
    if !(is_aws_key_id(key) || key.starts_with("alias/") || arn.is_some()) {
        return Err(
            "kms key should be in the format awskms://[ENDPOINT]/[ID/ALIAS/ARN] (endpoint optional)".into()
        );
    }
    if !endpoint.is_empty() {
        check_host_port(endpoint)
            .map_err(|reason| format!("malformed endpoint: address {endpoint}: {reason}"))?;
    }
    match arn {
        Some(_) => Ok(()),
        None => Err("failed to parse either key or alias arn: arn: invalid prefix".into()),
    }
}

/// The resource of an ARN of AWS KMS, if it is a key or an alias.
fn aws_resource(text: &str) -> Option<&str> {
    let mut sections = text.splitn(6, ':');
    let right = sections.next() == Some("arn")
        && matches!(sections.next(), Some("aws" | "aws-us-gov" | "aws-cn"))
        && sections.next() == Some("kms")
        && sections.next().is_some_and(|region| {
            !region.is_empty()
                && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
        && sections
            .next()
            .is_some_and(|account| account.len() == 12 && account.chars().all(|c| c.is_ascii_digit()));
    let resource = sections.next()?;
    let known = resource.starts_with("alias/") || resource.strip_prefix("key/").is_some_and(is_aws_key_id);
    (right && known).then_some(resource)
}

/// A UUID with or without its dashes, perhaps after `mrk-`.
fn is_aws_key_id(text: &str) -> bool {
    let id = text.strip_prefix("mrk-").unwrap_or(text);
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    digits.len() == 32
        && digits.chars().all(|c| c.is_ascii_hexdigit())
        && id.split('-').all(|group| matches!(group.len(), 4 | 8 | 12 | 16 | 20 | 24 | 28 | 32))
}

/// Go's `net.SplitHostPort`.
fn check_host_port(text: &str) -> Result<(), &'static str> {
    let Some((host, _port)) = text.rsplit_once(':') else { return Err("missing port in address") };
    if let Some(inner) = host.strip_prefix('[') {
        return match inner.strip_suffix(']') {
            Some(_) => Ok(()),
            None if inner.contains(']') => Err("too many colons in address"),
            None => Err("missing ']' in address"),
        };
    }
    if host.contains(':') { Err("too many colons in address") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_of_go() {
        for (text, scheme, host) in [
            ("https://fulcio.sigstore.dev", "https", "fulcio.sigstore.dev"),
            ("HTTP://user:pw@[::1]:80/a%20b?q=%zz#f", "http", "[::1]:80"),
            ("https://x:/", "https", "x:"),
            ("", "", ""),
            ("rekor", "", ""),
            ("//h/p", "", "h"),
            ("///p", "", ""),
            ("mailto:x", "mailto", ""),
            ("/a:b", "", ""),
        ] {
            let parts = UrlParts { scheme: scheme.into(), host: host.into() };
            assert_eq!(url(text), Ok(parts), "{text}");
        }
        for (text, reason) in [
            ("://", "missing protocol scheme"),
            ("1a:b", "first path segment in URL cannot contain colon"),
            ("http://[::1", "missing ']' in host"),
            ("http://x:y", "invalid port \":y\" after host"),
            ("http://[::1]x", "invalid port \"x\" after host"),
            ("http://a b", "invalid character \" \" in host name"),
            ("http://x/%zz", "invalid URL escape \"%zz\""),
            ("http://x/%e", "invalid URL escape \"%e\""),
            ("http://x#%ü", "invalid URL escape \"%ü\""),
            ("http://<@x", "net/url: invalid userinfo"),
            ("http://x\u{7f}", "net/url: invalid control character in URL"),
        ] {
            assert_eq!(url(text), Err(format!("parse {text:?}: {reason}")));
        }
    }

    #[test]
    fn repositories_name_their_registry() {
        for text in [
            "registry.example",
            "registry.local:5000",
            "b",
            "a.example/bc",
            "localhost/bc",
            "x:5/a/b_c-d.e",
            "index.docker.io/library/x1",
            "https://registry.example/a",
        ] {
            assert_eq!(repository(text), Ok(()), "{text}");
        }
        for text in [
            "a.example/b",
            "a.example/B1",
            "a.example/bc:tag",
            "a.example/bc@x",
            "UPPER/x",
            "index.docker.io/bc",
            "a b",
        ] {
            assert!(repository(text).is_err(), "{text}");
        }
    }

    #[test]
    fn key_services_of_aws_need_a_resource_name() {
        const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
        const ARN: &str = "arn:aws:kms:us-east-2:111122223333";
        for text in [
            format!("awskms:///{ARN}:key/{ID}"),
            format!("awskms://localhost:4566/{ARN}:alias/x/y"),
            format!("awskms://[::1]:4566/{ARN}:key/mrk-1234abcd12ab34cd56ef1234567890ab"),
            "gcpkms://".into(),
            "hashivault://k".into(),
            "azurekms://v/k".into(),
        ] {
            assert_eq!(key_service(&text), Ok(()), "{text}");
        }
        for (text, reason) in [
            ("kms://x".into(), "malformed KMS format"),
            ("awskms://x".into(), "malformed AWS KMS format"),
            (format!("awskms://localhost/{ARN}:key/{ID}"), "address localhost: missing port in address"),
            (format!("awskms://a:b:c/{ARN}:key/{ID}"), "address a:b:c: too many colons in address"),
            (format!("awskms://[a/{ARN}:key/{ID}"), "missing port in address"),
            (format!("awskms:///{ID}"), "arn: invalid prefix"),
            ("awskms:///alias/x".into(), "arn: invalid prefix"),
            (format!("awskms:///{ARN}:key/{ID}0"), "kms key should be in the format"),
            ("awskms:///arn:aws:s3:us-east-2:111122223333:alias/x".into(), "kms key should be in the format"),
            ("awskms:///arn:aws:kms:us-east-2:1:alias/x".into(), "kms key should be in the format"),
        ] {
            let found = key_service(&text).unwrap_err();
            assert!(found.contains(reason), "{text}: {found}");
        }
    }
}
