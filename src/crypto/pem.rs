//! PEM blocks (RFC 7468), read as Go's `encoding/pem` reads them, because the documents were written for it.
//!
//! Input: text. Output: label and DER of the first block. Text before the block is skipped, headers
//! (RFC 1421 §4.6.1.1) and white space inside the body are allowed; the body's base64 must be exact.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The first PEM block of `text`: its label and its DER.
///
/// # Errors
/// A sentence on what is missing.
pub fn first(text: &str) -> Result<(String, Vec<u8>), String> {
    block(text).map(|(label, der, _)| (label, der))
}

/// Every PEM block of `text`, in order.
///
/// # Errors
/// As [`first`], also when text that starts like another block is broken.
pub fn all(text: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while rest.contains("-----BEGIN ") {
        let (label, der, after) = block(rest)?;
        blocks.push((label, der));
        rest = after;
    }
    Ok(blocks)
}

/// Every PEM block of `text`, between and behind which nothing else stands: whatever is there, another reader may
/// take for something.
///
/// # Errors
/// As [`all`], also for no block at all.
pub fn only(text: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if !rest.starts_with("-----BEGIN ") {
            return Err("nothing but PEM blocks may stand there".into());
        }
        let (label, der, after) = block(rest)?;
        blocks.push((label, der));
        rest = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')).unwrap_or(after);
    }
    if blocks.is_empty() { Err("no -----BEGIN line".into()) } else { Ok(blocks) }
}

fn block(text: &str) -> Result<(String, Vec<u8>, &str), String> {
    // A block starts at the beginning of a line.
    let mut search = text;
    let after_begin = loop {
        let (before, after) = search.split_once("-----BEGIN ").ok_or("no -----BEGIN line")?;
        let start = before.is_empty() && search.len() == text.len();
        if start || before.ends_with('\n') {
            break after;
        }
        search = after;
    };
    let (label, rest) = after_begin.split_once("-----").ok_or("the -----BEGIN line does not end in -----")?;
    if label.contains(['\n', '\r']) {
        return Err("the -----BEGIN line does not end in -----".into());
    }
    let end = format!("-----END {label}-----");
    let (body, after) = rest.split_once(end.as_str()).ok_or_else(|| format!("no {end} line"))?;
    // RFC 1421 headers stand before an empty line and contain a colon.
    let body = match body.trim_start().split_once(':') {
        Some((name, _)) if !name.contains('\n') => {
            body.split_once("\n\n").or_else(|| body.split_once("\r\n\r\n")).map_or(body, |(_, b)| b)
        }
        _ => body,
    };
    let compact: String = body.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect();
    let der = STANDARD.decode(compact.as_bytes()).map_err(|e| format!("the body is not base64: {e}"))?;
    Ok((label.to_owned(), der, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_block_and_its_surroundings() {
        let pem = "words\n-----BEGIN X-----\nh: v\n\nAAEC\n-----END X-----\ntrailing";
        assert_eq!(first(pem).unwrap(), ("X".into(), vec![0, 1, 2]));
        assert_eq!(first("-----BEGIN X-----AAEC-----END X-----").unwrap().1, vec![0, 1, 2]);
        for bad in [
            "",
            "-----BEGIN X-----\nAAEC",
            "-----BEGIN X-----\nAA*C\n-----END X-----",
            "a -----BEGIN X-----\nAAEC\n-----END X-----",
        ] {
            assert!(first(bad).is_err(), "{bad}");
        }
        assert_eq!(
            all("-----BEGIN X-----\nAAEC\n-----END X-----\n-----BEGIN Y-----\nAAEC\n-----END Y-----\n")
                .unwrap()
                .len(),
            2
        );
    }
}
