//! Finding codes of this room.

use super::Code;

/// No policy applies.
pub static NO_MATCH: Code = Code {
    name: "policy/no-match",
    meaning: "No policy's glob matches the image's canonical name, and what no policy covers is denied",
    remedy: "give a policy with `--policy` whose glob matches this name; `sealock policy eval --language glob --policy 'GLOB' --input IMAGE` tries one out",
};

/// A policy without authorities.
pub static NO_AUTHORITY: Code = Code {
    name: "policy/no-authority",
    meaning: "A policy without authorities accepts nobody",
    remedy: "add at least one entry under `spec.authorities` of the policy",
};

/// The static authority says no.
pub static STATIC_FAIL: Code = Code {
    name: "policy/static-fail",
    meaning: "The policy has a static authority that always fails",
    remedy: "this image is blocked on purpose: ask the owner of the policy",
};

/// Signed by somebody else.
pub static IDENTITY_DIFFERS: Code = Code {
    name: "policy/identity-differs",
    meaning: "The image is signed, but by another identity than the policy accepts",
    remedy: "compare the found identity with the policy's `identities`; `sealock inspect IMAGE` shows everything the certificate says",
};

/// An attestation of another type.
pub static PREDICATE_DIFFERS: Code = Code {
    name: "policy/predicate-differs",
    meaning: "Attestations are there, but none of the wanted predicate type",
    remedy: "`sealock inspect IMAGE` shows the types that are there; ask for one of them, or mirror the wanted one on the connected side with `sealock-mirror pull IMAGE`",
};

/// A claim of the certificate or an annotation of the payload differs.
pub static CLAIM_DIFFERS: Code = Code {
    name: "policy/claim-differs",
    meaning: "A certificate extension or a signed annotation has another value than was asked for",
    remedy: "`sealock inspect IMAGE` shows what the certificate and the payload say; correct the flag or have the image signed with the wanted value",
};

/// A chain where one certificate belongs.
pub static CHAIN_NOT_ALLOWED: Code = Code {
    name: "policy/chain-not-allowed",
    meaning: "A bundle of version 0.3 carries a certificate chain, which its version does not have",
    remedy: "give `--allow-certificate-chain` if this is how the bundle was made; the chain is never used to build trust",
};

/// References that must be the same are not.
pub static REFERENCES_DIFFER: Code = Code {
    name: "policy/references-differ",
    meaning: "With `signatureFormat: bundle` every `trustRootRef` of an authority must name the same trust root",
    remedy: "write the same `trustRootRef` under `keyless`, `ctlog` and `rfc3161timestamp` of the authority",
};

/// Evidence of another form than the authority reads.
pub static FORMAT_DIFFERS: Code = Code {
    name: "policy/format-differs",
    meaning: "Evidence is there, but in another form than the authority reads",
    remedy: "set `signatureFormat: bundle` on the authority for Sigstore bundles, and leave it out for classic signatures",
};

/// A trust root that is not there.
pub static ROOT_MISSING: Code = Code {
    name: "policy/trust-root-missing",
    meaning: "The policy refers to a trust root that was not given",
    remedy: "give it with `--trust-root NAME=FILE`, where NAME is what `trustRootRef` says",
};

/// The signed name is another one.
pub static REFERENCE_DIFFERS: Code = Code {
    name: "ref/signed-for-another-name",
    meaning: "The signature was made for the same digest under another name; Sigstore does not compare names, so this is for information",
    remedy: "nothing to do if the image was mirrored or renamed; otherwise check on the connected side that the name stands for this digest",
};

/// The image's name does not resolve.
pub static NOT_HELD: Code = Code {
    name: "image/not-held",
    meaning: "The name stands for no digest in this store",
    remedy: "check the spelling with `sealock store ls`, or mirror the image on the connected side with `sealock-mirror pull IMAGE` and import it here",
};

/// All codes of this room.
pub static ALL: &[&Code] = &[
    &NO_MATCH,
    &NO_AUTHORITY,
    &STATIC_FAIL,
    &IDENTITY_DIFFERS,
    &PREDICATE_DIFFERS,
    &CLAIM_DIFFERS,
    &CHAIN_NOT_ALLOWED,
    &REFERENCES_DIFFER,
    &FORMAT_DIFFERS,
    &ROOT_MISSING,
    &REFERENCE_DIFFERS,
    &NOT_HELD,
];
