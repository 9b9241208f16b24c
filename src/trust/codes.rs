//! Finding codes about trust roots, TUF and their age.

use crate::decision::Code;

/// The TUF root is past its expiry, or past what its limit allows.
pub static ROOT_EXPIRED: Code = Code {
    name: "trust/root-expired",
    meaning: "the TUF root that everything hangs on is expired",
    remedy: "on the connected side mirror the TUF repository again, carry it over, and run `sealock trust update DIR` inside the gap",
};
/// Another TUF role is past its expiry.
pub static ROLE_EXPIRED: Code = Code {
    name: "trust/role-expired",
    meaning: "TUF metadata below the root is expired; behind a gap that is usual, and its limit decides",
    remedy: "on the connected side mirror the TUF repository again and run `sealock trust update DIR` inside the gap; or set a limit with `--freshness`",
};
/// A repository went back.
pub static ROLLBACK: Code = Code {
    name: "trust/rollback",
    meaning: "the TUF repository is older than what was accepted before",
    remedy: "on the connected side mirror the TUF repository again from its origin; if it is the newest there, its owner must rotate keys",
};
/// A repository does not have its newest root any more.
pub static ROOT_WITHHELD: Code = Code {
    name: "trust/root-withheld",
    meaning: "the TUF repository no longer has the newest root that was seen",
    remedy: "on the connected side mirror the TUF repository again from its origin, with every N.root.json",
};
/// A floor that cannot be read or is not ours.
pub static UNREADABLE_FLOOR: Code = Code {
    name: "trust/unreadable-floor",
    meaning: "what was seen of the TUF repository before cannot be read, so nothing newer can be told from older",
    remedy: "inside the gap restore `trust/` of the store from a backup; `sealock trust history` names the file's last digest",
};
/// A file of the trust state cannot be read.
pub static STATE_UNREADABLE: Code = Code {
    name: "trust/state-unreadable",
    meaning: "the store's trust state cannot be read or written",
    remedy: "inside the gap check owner, mode and disk of the store's folder `trust/`, then run the command again",
};
/// A file of the trust state is not what was written.
pub static STATE_DAMAGED: Code = Code {
    name: "trust/state-damaged",
    meaning: "a file of the store's trust state is not what was written there",
    remedy: "inside the gap restore `trust/` of the store from a backup, or name a root with `--trust-root`",
};
/// A root in the store that its digest or its TUF chain does not vouch for.
pub static NOT_AUTHENTIC: Code = Code {
    name: "trust/not-authentic",
    meaning: "the trusted root in the store is not the one that was accepted",
    remedy: "inside the gap run `sealock trust update DIR` or `sealock trust adopt FILE --sha256 HEX` again, and find out who wrote to the store",
};
/// A repository that TUF refuses.
pub static REPOSITORY_INVALID: Code = Code {
    name: "trust/repository-invalid",
    meaning: "the TUF repository does not verify from the pinned root",
    remedy: "on the connected side mirror the TUF repository again, whole and in published layout",
};
/// A file of a repository cannot be read.
pub static REPOSITORY_UNREADABLE: Code = Code {
    name: "trust/repository-unreadable",
    meaning: "a file of the TUF repository exists but cannot be read, which is not the same as absent",
    remedy: "inside the gap check the folder's files (plain files, readable, no links), or copy it again from the medium",
};
/// A repository beyond the limits of one load.
pub static LIMIT_EXCEEDED: Code = Code {
    name: "trust/limit-exceeded",
    meaning: "the TUF repository asks for more than one load may read",
    remedy: "on the connected side compare the repository with its origin; a genuine one is far below the limits",
};
/// A root whose key ids the TUF library computes otherwise.
pub static KEY_IDS: Code = Code {
    name: "trust/key-ids",
    meaning: "the TUF root uses key ids that the TUF library does not accept, as GitHub's does",
    remedy: "on the connected side verify the repository with its own client, carry `trusted_root.json` over, and run `sealock trust adopt FILE --sha256 HEX --name NAME` inside the gap",
};
/// A repository without a trusted root.
pub static NO_TRUSTED_ROOT: Code = Code {
    name: "trust/no-trusted-root",
    meaning: "the TUF repository does not list trusted_root.json among its top-level targets",
    remedy: "on the connected side mirror a repository of a Sigstore instance, with its folder `targets/`",
};
/// A `trusted_root.json` that cannot be read.
pub static ROOT_DOCUMENT: Code = Code {
    name: "trust/root-document",
    meaning: "the file is not a trusted root that can be read",
    remedy: "name a `trusted_root.json` of media type version 0.1 or 0.2, or the folder of a TUF repository",
};
/// A part of a trusted root that is left out.
pub static PART_UNUSABLE: Code = Code {
    name: "trust/part-unusable",
    meaning: "a part of the trusted root cannot be used; the rest is",
    remedy: "ask the owner of the Sigstore instance to correct its trusted root; nothing that this part vouches for verifies here",
};
/// A part of a trusted root that is odd but used.
pub static PART_REMARKABLE: Code = Code {
    name: "trust/part-remarkable",
    meaning: "a part of the trusted root is unusual; it is used all the same",
    remedy: "nothing needs to be done here; the owner of the Sigstore instance may want to know",
};
/// A file that is not the one whose digest was given.
pub static DIGEST_MISMATCH: Code = Code {
    name: "trust/digest-mismatch",
    meaning: "the file does not have the digest that was given for it",
    remedy: "compare the digest with its source on the connected side, by another way than the file came",
};
/// A floor that fell because keys were rotated.
pub static FLOOR_RESET: Code = Code {
    name: "trust/floor-reset",
    meaning: "a new root rotated the keys of a role, so the versions seen before do not bind any more",
    remedy: "check on the connected side that the owner of the Sigstore instance announced this rotation",
};
/// A name without a root.
pub static UNKNOWN_NAME: Code = Code {
    name: "trust/unknown-name",
    meaning: "no trusted root is known under this name",
    remedy: "inside the gap run `sealock trust adopt FILE --sha256 HEX --name NAME`, or name it with `--trust-root NAME=PATH`",
};
/// A name that is pinned to another first root.
pub static PINNED_OTHERWISE: Code = Code {
    name: "trust/pinned-otherwise",
    meaning: "this name already follows another first root",
    remedy: "leave out `--root`, or take another `--name`; a repository never changes its first root",
};
/// The library or the system gave up.
pub static SYSTEM: Code = Code {
    name: "trust/system",
    meaning: "the machine has no room for a scratch folder or a thread",
    remedy: "check that the folder for temporary files can be written, then run the command again",
};

/// All of them.
pub static ALL: &[&Code] = &[
    &ROOT_EXPIRED,
    &ROLE_EXPIRED,
    &ROLLBACK,
    &ROOT_WITHHELD,
    &UNREADABLE_FLOOR,
    &STATE_UNREADABLE,
    &STATE_DAMAGED,
    &NOT_AUTHENTIC,
    &REPOSITORY_INVALID,
    &REPOSITORY_UNREADABLE,
    &LIMIT_EXCEEDED,
    &KEY_IDS,
    &NO_TRUSTED_ROOT,
    &ROOT_DOCUMENT,
    &PART_UNUSABLE,
    &PART_REMARKABLE,
    &DIGEST_MISMATCH,
    &FLOOR_RESET,
    &UNKNOWN_NAME,
    &PINNED_OTHERWISE,
    &SYSTEM,
];
