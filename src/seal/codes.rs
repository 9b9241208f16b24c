//! Finding codes of seals.

use crate::decision::Code;

macro_rules! codes {
    ($($ident:ident = $name:literal, $meaning:literal, $remedy:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $ident: Code = Code { name: $name, meaning: $meaning, remedy: $remedy };
        )*
        /// Every code of this room.
        pub static ALL: &[&Code] = &[$(&$ident),*];
    };
}

codes! {
    MALFORMED = "seal/malformed",
        "A seal, an operators file or one of the documents that a seal binds is not written as it must be.",
        "Copy the transfer from the connected side again; if it is the same there, run `sealock-mirror seal` there again.";
    HEADER_TOO_LARGE = "seal/header-too-large",
        "The statement of a seal and its signatures do not fit in the first entry of a transfer.",
        "On the connected side run `sealock-mirror seal` with a larger --segment-size.";
    OPERATORS_INVALID = "seal/operators-invalid",
        "An operators file breaks a rule, for example a threshold of 0 or one key under two names.",
        "On the connected side look at it with `sealock-mirror operators show FILE`, and make it again with `sealock-mirror operators init` or `rotate`.";
    OPERATORS_THRESHOLD = "seal/operators-threshold",
        "A version of the operators is not signed by enough keys of its own and of the version before.",
        "On the connected side let the missing holders sign with `sealock-mirror operators sign FILE --key KEY`.";
    OPERATORS_ROLLBACK = "seal/operators-rollback",
        "Older operators are offered than this store has seen.",
        "On the connected side seal again with the newest operators.json; if nobody rotated, ask who sealed with the old one.";
    OPERATORS_FORK = "seal/operators-fork",
        "The operators offered do not go on from those that this store has pinned.",
        "Find out on the connected side which operators.json is the right one; `sealock-mirror operators show FILE` prints digests.";
    OPERATORS_EXPIRED = "seal/operators-expired",
        "The operators had expired when the seal was made.",
        "On the connected side run `sealock-mirror operators rotate`, then seal again.";
    THRESHOLD = "seal/threshold",
        "Fewer operators than needed have signed the seal, counting each key once and only keys that this store knows.",
        "On the connected side let the missing operators sign with `sealock-mirror seal sign FILE --key KEY`.";
    WRONG_AUDIENCE = "seal/wrong-audience",
        "The seal was made for another store.",
        "Import it there, or seal on the connected side with `--audience` and the id that `sealock store init` prints here.";
    REPLAY = "seal/replay",
        "An older seal is offered than this store has accepted.",
        "Bring the newest seal from the connected side; find out who offered the old one.";
    GAP = "seal/gap",
        "Seals between this one and the newest accepted one are missing.",
        "Import the missing seals first, in order; where they were lost, on the connected side write them once more with `sealock-mirror seal --again N`, or give them up with `seal --after RECEIPT`. To a store that has accepted none, bring a transfer sealed without --since.";
    FORK = "seal/fork",
        "The seal names another seal as the one before than this store has accepted.",
        "On the connected side a seal that this store took was given up as lost (`seal --after` with the newest receipt of this store goes on from it), or somebody made two seals of one sequence: find out who.";
    EXPIRED = "seal/expired",
        "The seal is past its expiry.",
        "On the connected side run `sealock-mirror seal` again and bring the new one.";
    CLOCK = "seal/clock-behind",
        "The clock of this machine is behind a time that the operators signed, so nothing that depends on time can be decided.",
        "Set this machine's clock, then import again.";
    WITHDRAWN = "seal/withdrawn",
        "The seal lacks a deny list or journal checkpoint that an earlier seal carried, or brings an older one.",
        "On the connected side seal again with the newest one.";
    REF_ROLLBACK = "ref/rollback",
        "A name would move back to a digest that an earlier seal had under it.",
        "If the move is meant, seal on the connected side with `--allow-rollback NAME=DIGEST`, which operators sign; else find out who moved the tag.";
    RECEIPT = "seal/receipt-refused",
        "A receipt is not signed by the store that it names, or is not written as a receipt.",
        "On the connected side give the store's receipt key with --receipt-key, as `sealock store init` printed it, or seal without --since.";
    SEGMENT_DAMAGED = "seal/segment-damaged",
        "Segments of a transfer are damaged or missing; the others are kept in quarantine.",
        "Fetch the named segments again from the connected side and run `sealock import` on each, or on the whole transfer.";
    LAYOUT = "seal/layout",
        "The content of a transfer is not laid out as its statement says.",
        "On the connected side run `sealock-mirror seal` again; ask who signed this one.";
    INCOMPLETE = "seal/incomplete",
        "The transfer leaves out content that this store does not hold.",
        "On the connected side run `sealock-mirror seal` without --since and bring that.";
    UNSEALED = "seal/required",
        "This store has pinned operators, and the bundle is not sealed by them.",
        "On the connected side seal it with `sealock-mirror seal`, or take it to a separate store with `sealock import --as-foreign`.";
    NOT_PINNED = "seal/no-operators",
        "A sealed transfer is offered to a store that has no operators pinned, so nobody can vouch for it.",
        "Pin the operators on this side with `sealock store init --operators FILE`, having compared its digest by another way.";
    UNKNOWN_SEGMENT = "seal/unknown-segment",
        "The file is no segment that a transfer in quarantine waits for.",
        "Import the first segment (`.000`) of its transfer first.";
    TRUST_STALE = "seal/trust-stale",
        "TUF metadata that the transfer carries had expired when it was sealed.",
        "On the connected side fetch fresh TUF metadata with `sealock-mirror pull` or `trust-root`, then seal again; `seal --no-trust NAME` leaves a repository out that nobody renews.";
    TRUST_REFUSED = "seal/trust-refused",
        "TUF metadata that the transfer carries does not go on from what this store has.",
        "Compare with `sealock trust history` here; on the connected side fetch the repository again and seal again.";
    STATE = "seal/state-unreadable",
        "What this store has accepted cannot be read, or is not what was accepted, so sealed names are undecided.",
        "Find out who changed the store's `seal/` folder; restore it from a backup, then import the newest seal again.";
    POLICY_WITHHELD = "seal/withheld",
        "An image was kept out of the store because the policies did not allow it.",
        "`sealock import -o json` prints the decisions; mend the evidence, or the name, on the connected side and bring it again.";
}
