//! Who signs: the issuer of a token and the name that Fulcio writes into the certificate.

use crate::der;

/// Issuer of GitHub Actions' tokens.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";

/// A subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A mail address.
    Email(String),
    /// A URI: workflows, SPIFFE.
    Uri(String),
    /// A host name.
    Dns(String),
    /// Fulcio's own `otherName`, 1.3.6.1.4.1.57264.1.7: a user name.
    Other(String),
}

impl Name {
    /// `GeneralName` (RFC 5280 §4.2.1.6).
    pub fn der(&self) -> Vec<u8> {
        match self {
            Name::Email(text) => der::implicit(1, text.as_bytes()),
            Name::Dns(text) => der::implicit(2, text.as_bytes()),
            Name::Uri(text) => der::implicit(6, text.as_bytes()),
            Name::Other(text) => der::explicit(
                0,
                &[der::oid("1.3.6.1.4.1.57264.1.7"), der::explicit(0, &[der::utf8_string(text)])],
            ),
        }
    }

    /// The text of the name.
    pub fn text(&self) -> &str {
        match self {
            Name::Email(text) | Name::Uri(text) | Name::Dns(text) | Name::Other(text) => text,
        }
    }

    /// The same kind of name with another text.
    #[must_use]
    pub fn with_text(&self, text: String) -> Name {
        match self {
            Name::Email(_) => Name::Email(text),
            Name::Uri(_) => Name::Uri(text),
            Name::Dns(_) => Name::Dns(text),
            Name::Other(_) => Name::Other(text),
        }
    }
}

/// Issuer, name and claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Issuer of the token.
    pub issuer: String,
    /// Name in the certificate.
    pub name: Name,
    /// Claims as extensions of Fulcio's arc: last number and value.
    pub claims: Vec<(u32, String)>,
}

impl Identity {
    /// A person with a mail address.
    pub fn email(issuer: &str, address: &str) -> Identity {
        Identity { issuer: issuer.to_owned(), name: Name::Email(address.to_owned()), claims: Vec::new() }
    }

    /// A workload with a URI.
    pub fn uri(issuer: &str, uri: &str) -> Identity {
        Identity { issuer: issuer.to_owned(), name: Name::Uri(uri.to_owned()), claims: Vec::new() }
    }

    /// A workload with a host name.
    pub fn dns(issuer: &str, host: &str) -> Identity {
        Identity { issuer: issuer.to_owned(), name: Name::Dns(host.to_owned()), claims: Vec::new() }
    }

    /// A user name, as `otherName`.
    pub fn user(issuer: &str, user: &str) -> Identity {
        Identity { issuer: issuer.to_owned(), name: Name::Other(user.to_owned()), claims: Vec::new() }
    }

    /// A GitHub workflow with all the claims that Fulcio writes for one: repository `owner/name`, file below
    /// `.github/workflows`, and the full ref.
    pub fn workflow(repository: &str, file: &str, reference: &str) -> Identity {
        let subject = format!("https://github.com/{repository}/.github/workflows/{file}@{reference}");
        let commit = crate::sha256_hex(subject.as_bytes())[..40].to_owned();
        let owner = repository.split('/').next().unwrap();
        let home = format!("https://github.com/{repository}");
        let claims = [
            (2, "push".to_owned()),
            (3, commit.clone()),
            (4, "Release".to_owned()),
            (5, repository.to_owned()),
            (6, reference.to_owned()),
            (9, subject.clone()),
            (10, commit.clone()),
            (11, "github-hosted".to_owned()),
            (12, home.clone()),
            (13, commit.clone()),
            (14, reference.to_owned()),
            (15, "1001".to_owned()),
            (16, format!("https://github.com/{owner}")),
            (17, "1000".to_owned()),
            (18, subject.clone()),
            (19, commit),
            (20, "push".to_owned()),
            (21, format!("{home}/actions/runs/1/attempts/1")),
            (22, "public".to_owned()),
        ];
        Identity { issuer: GITHUB_ISSUER.to_owned(), name: Name::Uri(subject), claims: claims.to_vec() }
    }

    /// The identity of the committed example: `release.yaml` of `example/app` on its main branch.
    pub fn example() -> Identity {
        Identity::workflow("example/app", "release.yaml", "refs/heads/main")
    }

    /// The same issuer and claims with another text in the name.
    #[must_use]
    pub fn named(&self, text: &str) -> Identity {
        Identity { name: self.name.with_text(text.to_owned()), ..self.clone() }
    }
}
