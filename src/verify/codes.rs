//! Finding codes of this room.

use crate::decision::Code;

/// The evidence is an attestation where an image signature is wanted, or the reverse.
pub static WRONG_KIND: Code = Code {
    name: "verify/wrong-kind",
    meaning: "The evidence is an attestation where an image signature is wanted, or the reverse",
    remedy: "ask the image's author for the kind that the policy wants, or let the policy ask for `attestations`; `sealock tree IMAGE` shows what is there",
};

/// The signed claim is about another digest.
pub static SUBJECT_DIFFERS: Code = Code {
    name: "verify/subject-differs",
    meaning: "The signed claim is about another digest",
    remedy: "a signature was attached to the wrong image: on the connected side check the tag and mirror again with `sealock-mirror pull`",
};

/// A keyless authority was asked, but the evidence is signed with a key.
pub static NO_CERTIFICATE: Code = Code {
    name: "verify/no-certificate",
    meaning: "A keyless authority was asked, but the evidence is signed with a key",
    remedy: "use a `key` authority with that public key in the policy, or have the image signed keyless",
};

/// The signing certificate cannot be used.
pub static BAD_CERTIFICATE: Code = Code {
    name: "verify/bad-certificate",
    meaning: "The signing certificate cannot be used",
    remedy: "run `sealock inspect IMAGE` to see the certificate; have the image signed again by its author",
};

/// The signature does not belong to this content and this key.
pub static BAD_SIGNATURE: Code = Code {
    name: "verify/bad-signature",
    meaning: "The signature does not belong to this content and this key",
    remedy: "the evidence was altered or belongs to another key: compare with the source on the connected side, `sealock-mirror pull IMAGE`",
};

/// No transparency log of the trust root vouches for the signature.
pub static NOT_LOGGED: Code = Code {
    name: "verify/not-logged",
    meaning: "No transparency log of the trust root vouches for the signature",
    remedy: "mirror the signature with its log entry on the connected side, `sealock-mirror pull IMAGE`, or name the trust root whose log it is in",
};

/// No timestamp authority of the trust root vouches for the time of signing.
pub static NO_STAMP: Code = Code {
    name: "verify/no-timestamp",
    meaning: "A timestamp is demanded, and no authority of the trust root made one for this signature",
    remedy: "mirror the signature with its timestamp on the connected side, `sealock-mirror pull IMAGE`, or give the trust root that names its authority",
};

/// The log entry beside the signature belongs to another signature.
pub static ENTRY_DIFFERS: Code = Code {
    name: "verify/entry-differs",
    meaning: "The log entry beside the signature belongs to another signature",
    remedy: "the evidence was put together from parts: treat the image as unsigned and ask its author",
};

/// A log entry is malformed, stands twice, or carries neither proof nor promise.
pub static BAD_ENTRY: Code = Code {
    name: "verify/bad-entry",
    meaning: "A log entry is malformed, stands twice, or carries neither proof nor promise",
    remedy: "mirror the signature again on the connected side with `sealock-mirror pull IMAGE`; if it is the same there, have it signed again",
};

/// Nothing proves when a certificate was used, so it cannot be judged.
pub static NO_TIME: Code = Code {
    name: "verify/no-time",
    meaning: "Nothing proves when a certificate was used, so it cannot be judged",
    remedy: "mirror the signature together with its log entry or timestamp, `sealock-mirror pull IMAGE` on the connected side",
};

/// The certificate was not valid at a proven time of signing.
pub static NOT_VALID_THEN: Code = Code {
    name: "verify/not-valid-then",
    meaning: "The certificate was not valid at a proven time of signing",
    remedy: "have the image signed again: the signature was made outside its certificate's life",
};

/// No certificate authority of the trust root issued the certificate.
pub static UNKNOWN_ISSUER: Code = Code {
    name: "verify/unknown-issuer",
    meaning: "No certificate authority of the trust root issued the certificate",
    remedy: "check which Sigstore instance signed, `sealock inspect IMAGE`; give its root with `--trust-root` or `trustRootRef`, or update ours with `sealock trust update`",
};

/// The issuing authority did not count at a proven time of signing.
pub static ISSUER_NOT_VALID_THEN: Code = Code {
    name: "verify/issuer-not-valid-then",
    meaning: "The issuing authority did not count at a proven time of signing",
    remedy: "check the authority's dates with `sealock trust show`; if it was rotated, carry newer trust metadata across and run `sealock trust update`",
};

/// The certificate carries no promise of a known certificate transparency log.
pub static NO_SCT: Code = Code {
    name: "verify/no-sct",
    meaning: "The certificate carries no promise of a known certificate transparency log",
    remedy: "if the instance runs no CT log, say so with `insecureIgnoreSCT` in the policy; else update the trust root with `sealock trust update`",
};

/// A promise of a known certificate transparency log does not verify.
pub static BAD_SCT: Code = Code {
    name: "verify/bad-sct",
    meaning: "A promise of a known certificate transparency log does not verify",
    remedy: "the certificate was altered or not logged as it is: have the image signed again",
};

/// All codes of this room.
pub static ALL: &[&Code] = &[
    &WRONG_KIND,
    &SUBJECT_DIFFERS,
    &NO_CERTIFICATE,
    &BAD_CERTIFICATE,
    &BAD_SIGNATURE,
    &NOT_LOGGED,
    &NO_STAMP,
    &ENTRY_DIFFERS,
    &BAD_ENTRY,
    &NO_TIME,
    &NOT_VALID_THEN,
    &UNKNOWN_ISSUER,
    &ISSUER_NOT_VALID_THEN,
    &NO_SCT,
    &BAD_SCT,
];
