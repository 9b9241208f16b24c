//! Finding codes of this room.

use crate::decision::Code;

/// A log signed two histories.
pub static SPLIT_VIEW: Code = Code {
    name: "log/split-view",
    meaning: "A transparency log signed two heads that no proof connects: it shows different histories to different people",
    remedy: "nothing that this log vouches for is decided any more: run `sealock-mirror pull` and `seal` again on the connected side, since a proof that was only missing or spoilt ends this; if it stays, keep both heads as they are in the store, ask the log's operator, and have the images signed again with another log",
};

/// A head without the proof that leads to it.
pub static NOT_PROVEN: Code = Code {
    name: "log/not-proven",
    meaning: "A transfer brings a newer head of a log without the proof that the log only grew since the one that is kept here",
    remedy: "on the connected side run `sealock-mirror pull` again while the log can be asked, then seal again; until then the head that is kept here stays",
};

/// A head that the log did not sign.
pub static NOT_SIGNED: Code = Code {
    name: "log/not-signed",
    meaning: "A transfer carries a log's head that the log's key did not sign, or a history that cannot be read",
    remedy: "the history was changed before it was sealed: on the connected side run `sealock-mirror pull` again and seal again",
};

/// A history of a log that no root in force names.
pub static UNKNOWN_LOG: Code = Code {
    name: "log/unknown-log",
    meaning: "A transfer carries the history of a log that no trust root in force here names, so nobody can say whether its heads are genuine",
    remedy: "pin the trust root that names the log, `sealock trust update` or `sealock trust adopt`, or leave it: evidence of that log counts only under a root that names it",
};

/// All of them.
pub static ALL: &[&Code] = &[&SPLIT_VIEW, &NOT_PROVEN, &NOT_SIGNED, &UNKNOWN_LOG];
