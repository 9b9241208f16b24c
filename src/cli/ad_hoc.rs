//! cosign's flags: a policy for what is named beside them.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::exit::Failure;
use super::files;
use crate::crypto::PublicKey;
use crate::decision::ad_hoc::{AdHoc, AdHocSigner};
use crate::policy::identity::{Identity, Matcher};
use crate::policy::predicate::predicate_uri;
use crate::policy::regexp::Regexp;

/// Largest public key file that is read, in bytes.
const MAX_KEY: u64 = 64 * 1024;

// Reason: each flag of the command line is a switch of its own, as in cosign.
#[allow(clippy::struct_excessive_bools)]
/// Flags that say who must have signed, in place of `--policy`.
#[derive(Debug, Args)]
pub struct AdHocArgs {
    /// Subject that the certificate must carry, byte for byte
    #[arg(long, value_name = "TEXT")]
    certificate_identity: Option<String>,
    /// Go regular expression that the certificate's subject must match
    #[arg(long, value_name = "REGEXP", conflicts_with = "certificate_identity")]
    certificate_identity_regexp: Option<String>,
    /// OIDC issuer that the certificate must carry, byte for byte
    #[arg(long, value_name = "URL")]
    certificate_oidc_issuer: Option<String>,
    /// Go regular expression that the certificate's OIDC issuer must match
    #[arg(long, value_name = "REGEXP", conflicts_with = "certificate_oidc_issuer")]
    certificate_oidc_issuer_regexp: Option<String>,
    /// Event that triggered the GitHub workflow
    #[arg(long, value_name = "TEXT")]
    certificate_github_workflow_trigger: Option<String>,
    /// Commit of the GitHub workflow
    #[arg(long, value_name = "SHA")]
    certificate_github_workflow_sha: Option<String>,
    /// Name of the GitHub workflow
    #[arg(long, value_name = "TEXT")]
    certificate_github_workflow_name: Option<String>,
    /// Repository of the GitHub workflow
    #[arg(long, value_name = "OWNER/REPO")]
    certificate_github_workflow_repository: Option<String>,
    /// Git reference of the GitHub workflow
    #[arg(long, value_name = "REF")]
    certificate_github_workflow_ref: Option<String>,
    /// Public key (PEM) that must have signed
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Ask for an attestation of this predicate type (a URI, or cosign's short name) instead of a signature
    #[arg(long = "type", value_name = "TYPE")]
    predicate_type: Option<String>,
    /// Signed annotation that must be there; may be given again
    #[arg(short = 'a', long = "annotations", value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Demand a timestamp by an authority of the trust root
    #[arg(long)]
    use_signed_timestamps: bool,
    /// Do not demand a transparency log entry; the verdict says so
    #[arg(long)]
    insecure_ignore_tlog: bool,
    /// Do not demand a certificate transparency promise; the verdict says so
    #[arg(long)]
    insecure_ignore_sct: bool,
    /// Accept a certificate chain in a bundle whose version has one certificate
    #[arg(long)]
    allow_certificate_chain: bool,
}

impl AdHocArgs {
    /// What was asked for; nothing where none of these flags was given.
    ///
    /// # Errors
    /// Exit 2 for flags that do not go together or cannot be read.
    pub fn demand(&self) -> Result<Option<AdHoc>, Failure> {
        let claims = self.claims();
        let identity = self.matchers()?;
        let signer = match (&self.key, identity) {
            (Some(_), Some(_)) => {
                return Err(Failure::misuse(anyhow!(
                    "--key and --certificate-identity or --certificate-oidc-issuer exclude each other"
                )));
            }
            (Some(_), None) if !claims.is_empty() => {
                return Err(Failure::misuse(anyhow!(
                    "--key and --certificate-github-workflow-* exclude each other"
                )));
            }
            (Some(path), None) => {
                let bytes = files::read(path, MAX_KEY).map_err(Failure::misuse)?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| Failure::misuse(anyhow!("{} is no PEM public key", path.display())))?;
                let key = PublicKey::from_pem(&text)
                    .map_err(|e| Failure::misuse(anyhow!("{}: {e}", path.display())))?;
                AdHocSigner::Key(Box::new(key))
            }
            (None, Some((Some(subject), Some(issuer)))) => {
                AdHocSigner::Keyless(vec![Identity { issuer, subject }])
            }
            (None, Some(_)) => {
                return Err(Failure::misuse(anyhow!(
                    "--certificate-identity and --certificate-oidc-issuer (or their -regexp forms) are needed together: one without the other lets anybody sign"
                )));
            }
            (None, None) if self.is_asked(&claims) => {
                return Err(Failure::misuse(anyhow!(
                    "these flags need to know who must have signed: give --certificate-identity and --certificate-oidc-issuer, or --key"
                )));
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(AdHoc {
            signer,
            claims,
            annotations: self.annotations()?,
            predicate_type: self.predicate_type.as_deref().map(|name| predicate_uri(name).to_owned()),
            require_timestamp: self.use_signed_timestamps,
            ignore_log: self.insecure_ignore_tlog,
            ignore_sct: self.insecure_ignore_sct,
            allow_chain: self.allow_certificate_chain,
        }))
    }

    fn is_asked(&self, claims: &[(u32, String)]) -> bool {
        !claims.is_empty()
            || !self.annotations.is_empty()
            || self.predicate_type.is_some()
            || self.use_signed_timestamps
            || self.insecure_ignore_tlog
            || self.insecure_ignore_sct
            || self.allow_certificate_chain
    }

    /// Subject and issuer, where at least one of them was given.
    #[allow(clippy::type_complexity)]
    fn matchers(&self) -> Result<Option<(Option<Matcher>, Option<Matcher>)>, Failure> {
        let matcher = |flag: &str, literal: &Option<String>, regexp: &Option<String>| {
            if let Some(text) = literal {
                if text.is_empty() {
                    return Err(Failure::misuse(anyhow!("--{flag} is empty, which would match nobody")));
                }
                return Ok(Some(Matcher::Literal(text.clone())));
            }
            regexp
                .as_ref()
                .map(|text| {
                    Regexp::compile(text)
                        .map(Matcher::Regexp)
                        .map_err(|e| Failure::misuse(anyhow!("--{flag}-regexp: {e}")))
                })
                .transpose()
        };
        let subject =
            matcher("certificate-identity", &self.certificate_identity, &self.certificate_identity_regexp)?;
        let issuer = matcher(
            "certificate-oidc-issuer",
            &self.certificate_oidc_issuer,
            &self.certificate_oidc_issuer_regexp,
        )?;
        Ok((subject.is_some() || issuer.is_some()).then_some((subject, issuer)))
    }

    /// Fulcio's extension numbers of the workflow's claims (`oid-info.md`).
    fn claims(&self) -> Vec<(u32, String)> {
        [
            (2, &self.certificate_github_workflow_trigger),
            (3, &self.certificate_github_workflow_sha),
            (4, &self.certificate_github_workflow_name),
            (5, &self.certificate_github_workflow_repository),
            (6, &self.certificate_github_workflow_ref),
        ]
        .into_iter()
        .filter_map(|(number, value)| Some((number, value.clone()?)))
        .collect()
    }

    fn annotations(&self) -> Result<Vec<(String, String)>, Failure> {
        self.annotations
            .iter()
            .map(|given| {
                given
                    .split_once('=')
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .ok_or_else(|| Failure::misuse(anyhow!("-a {given:?} has no '=': write -a KEY=VALUE")))
            })
            .collect()
    }
}
