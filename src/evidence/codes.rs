//! Finding codes of this room.

use crate::decision::Code;

/// A piece of evidence could not be read.
pub static MALFORMED: Code = Code {
    name: "evidence/malformed",
    meaning: "A piece of evidence is not what its media type says, so it proves nothing",
    remedy: "run `sealock inspect IMAGE` to see the piece; mirror it again on the connected side with `sealock-mirror pull`, and if it is the same there, ask its author to sign again",
};

/// Nothing was found, and nobody vouches that there is nothing.
pub static NOT_MIRRORED: Code = Code {
    name: "evidence/not-mirrored",
    meaning: "No evidence for this image is held, and no accepted ledger says that none exists",
    remedy: "on the connected side run `sealock-mirror pull IMAGE` with the image and its signatures, carry the result across, then `sealock import`",
};

/// Nothing was found, and a sealed ledger says that there was nothing.
pub static ABSENT: Code = Code {
    name: "evidence/absent",
    meaning: "An accepted ledger proves that no evidence of this kind existed when the image was mirrored",
    remedy: "have the image signed; then on the connected side run `sealock-mirror pull IMAGE` and `sealock-mirror seal`, and import the transfer here",
};

/// Evidence could not be read from the store.
pub static UNREADABLE: Code = Code {
    name: "evidence/unreadable",
    meaning: "Evidence is listed but its bytes are missing, damaged or too large, so the image is undecided",
    remedy: "run `sealock store fsck` here, then import the transfer that brought this image again",
};

/// The budget for one image was used up.
pub static BUDGET: Code = Code {
    name: "evidence/budget-exhausted",
    meaning: "More pieces of evidence claim the wanted signer than are verified for one image",
    remedy: "run `sealock tree IMAGE` to see where they come from; remove the flood at its source on the connected side and mirror again",
};

/// All codes of this room.
pub static ALL: &[&Code] = &[&MALFORMED, &NOT_MIRRORED, &ABSENT, &UNREADABLE, &BUDGET];
