//! The bytes of a transfer: uncompressed ustar (POSIX.1-2017 `pax`, "ustar Interchange Format"), each header
//! determined by name and size alone.
//!
//! A reader never parses a header: it knows from what was signed which entry must come next, makes the block itself
//! and compares. So no two readers can see two archives in one transfer (threats §1 no. 8).
//!
//! | entry | what |
//! |---|---|
//! | `seal.json` | the signed statement, filled up with spaces to [`HEADER_SIZE`] bytes |
//! | documents in the order of their names | as the statement binds them |
//! | `blobs/<algorithm>/<hex>` in the order of digests | as the snapshot lists them |
//! | two blocks of zeros | the end |

/// Bytes of a block.
pub const BLOCK: u64 = 512;
/// Name of the first entry.
pub const SEAL: &str = "seal.json";
/// Bytes of the first entry's content.
pub const HEADER_SIZE: usize = 64 * 1024;
/// Bytes of the first entry: its block and its content.
pub const HEADER_LENGTH: usize = 512 + HEADER_SIZE;
/// Bytes of the end.
pub const END: u64 = 2 * BLOCK;
/// Largest segment on FAT32, rounded down to whole blocks.
pub const FAT32: u64 = 4 * 1024 * 1024 * 1024 - BLOCK;
/// `oci-layout`: with `index.json`, a full transfer is an OCI archive to ordinary tools.
pub const LAYOUT: &str = "oci-layout";
/// Every name and every listed manifest.
pub const INDEX: &str = "index.json";
/// The closure.
pub const SNAPSHOT: &str = "snapshot.json";
/// The operators.
pub const OPERATORS: &str = "operators.json";
/// What changed since the seal before.
pub const CHANGES: &str = "changes.json";

/// Largest size that fits in eleven octal digits.
const MAX_OCTAL: u64 = 0o777_7777_7777;

/// Whether `name` can name a document: one of the fixed ones, or a plain file below one of the known folders.
pub fn is_document(name: &str) -> bool {
    if [LAYOUT, INDEX, SNAPSHOT, OPERATORS, CHANGES].contains(&name) {
        return true;
    }
    let below = ["refs/", "found/", "absent/", "ledger/", "logs/", "policies/", "trust/"]
        .iter()
        .find_map(|f| name.strip_prefix(f));
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    below.is_some_and(|rest| rest.split('/').count() <= 5 && rest.split('/').all(plain))
        && block(name, 0).is_some()
}

/// Bytes of an entry with `size` bytes of content: its block, and the content filled up to whole blocks.
pub fn entry_length(size: u64) -> u64 {
    BLOCK.saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK))
}

/// Zeros behind `size` bytes of content.
pub fn padding(size: u64) -> usize {
    usize::try_from((BLOCK - size % BLOCK) % BLOCK).unwrap_or(0)
}

/// The header block of a plain file. Nothing for a name that does not fit.
pub fn block(name: &str, size: u64) -> Option<[u8; 512]> {
    let (prefix, rest) = if name.len() <= 100 {
        ("", name)
    } else {
        // The split that leaves the longest rest.
        let at = name.match_indices('/').map(|(at, _)| at).find(|at| name.len() - at - 1 <= 100)?;
        (name.get(..at)?, name.get(at + 1..)?)
    };
    if prefix.len() > 155 || rest.is_empty() || !name.is_ascii() {
        return None;
    }
    let mut block = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, rest.as_bytes());
    put(100, b"0000444\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size <= MAX_OCTAL {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        // Base 256, as GNU tar and star write it.
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    put(345, prefix.as_bytes());
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    let sum = format!("{sum:06o}\0 ");
    for (to, from) in block.iter_mut().skip(148).zip(sum.as_bytes()) {
        *to = *from;
    }
    Some(block)
}

/// The block of the first entry.
pub fn first_block() -> [u8; 512] {
    block(SEAL, HEADER_SIZE as u64).unwrap_or([0; 512])
}
