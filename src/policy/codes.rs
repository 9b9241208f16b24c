//! Finding codes of documents.

use crate::decision::Code;

/// A file or document that cannot be read as YAML.
pub static UNREADABLE: Code = Code {
    name: "policy/unreadable",
    meaning: "A file or document could not be read: it is not YAML or JSON, exceeds a limit, or uses a construct that two readers understand differently",
    remedy: "Correct the document at the line and column shown, then run `sealock verify` again with the same --policy, on the side of the gap where it failed",
};

/// A document that policy-controller would refuse too.
pub static INVALID: Code = Code {
    name: "policy/invalid",
    meaning: "A document breaks a rule of ClusterImagePolicy; policy-controller refuses it with the same words",
    remedy: "Correct the field shown, then run `sealock verify` again with the same --policy, on the side of the gap where it failed",
};

/// A document that asks for something that is not implemented.
pub static UNSUPPORTED: Code = Code {
    name: "policy/unsupported",
    meaning: "A document uses a construct that policy-controller accepts and Sealock does not implement; it is refused by name, because without it the document would mean something else",
    remedy: "Express the policy without the field shown, then run `sealock verify` again with the same --policy, on the side of the gap where it failed",
};

/// A document or field that was read and has no effect.
pub static UNUSED: Code = Code {
    name: "policy/unused",
    meaning: "A document or field was understood and has no effect on this verdict",
    remedy: "Nothing to do; remove it from the --policy given to `sealock verify`, on either side of the gap, if the note disturbs",
};

/// Every code of documents.
pub static ALL: &[&Code] = &[&UNREADABLE, &INVALID, &UNSUPPORTED, &UNUSED];
