//! Strict text encodings: one spelling for one sequence of bytes.
//!
//! | encoding | rule | source |
//! |---|---|---|
//! | base64 | standard alphabet, padded, no white space, no stray bits | RFC 4648 §4, §3.5 |
//! | hexadecimal | lower case, even length | what Rekor writes; upper-case twins are another text |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::EvidenceFault;

/// Decodes strict base64.
///
/// # Errors
/// [`EvidenceFault::Malformed`] naming `part`.
pub fn base64(part: &'static str, text: &str) -> Result<Vec<u8>, EvidenceFault> {
    STANDARD.decode(text).map_err(|e| EvidenceFault::malformed(part, format!("not strict base64: {e}")))
}

/// Encodes as [`base64()`] reads.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes lower-case hexadecimal.
///
/// # Errors
/// [`EvidenceFault::Malformed`] naming `part`.
pub fn hex(part: &'static str, text: &str) -> Result<Vec<u8>, EvidenceFault> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(EvidenceFault::malformed(part, "hexadecimal must be lower case"));
    }
    ::hex::decode(text).map_err(|e| EvidenceFault::malformed(part, format!("not hexadecimal: {e}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_spelling_only() {
        use super::{base64, hex};
        assert_eq!(base64("x", "AQI=").unwrap(), [1, 2]);
        for bad in ["AQI", "AQI= ", "AQI=\n", "AQJ=", "AQ==AQ==", "-_8=", "AQI*"] {
            assert!(base64("x", bad).is_err(), "{bad:?}");
        }
        assert_eq!(hex("x", "0a").unwrap(), [10]);
        for bad in ["0A", "0", "0g", " 0a"] {
            assert!(hex("x", bad).is_err(), "{bad:?}");
        }
    }
}
