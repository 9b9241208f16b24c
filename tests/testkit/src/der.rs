//! A writer of DER (X.690), just enough for keys, certificates and SCT lists.
//!
//! Each function returns a whole tag-length-value; nesting is done by handing the inner values to the outer
//! function. Nothing here reads DER, so a mistake cannot be undone by a matching mistake in a reader.

use crate::calendar::{self, Time};

/// A tag, a definite length in its shortest form, and the content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap());
    } else {
        let bytes = length.to_be_bytes();
        let significant: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(significant.len()).unwrap());
        out.extend_from_slice(&significant);
    }
    out.extend_from_slice(content);
    out
}

/// `SEQUENCE` of the parts in this order.
pub fn sequence<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    tlv(0x30, &join(parts))
}

/// `SET` of the parts in this order; the caller sorts where there is more than one.
pub fn set<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    tlv(0x31, &join(parts))
}

/// The parts one after another.
pub fn join<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.as_ref().iter().copied()).collect()
}

/// `INTEGER` of an unsigned big-endian number: leading zeros dropped, one added where the top bit is set.
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    if content.first().is_none_or(|byte| byte & 0x80 != 0) {
        content.insert(0, 0);
    }
    tlv(0x02, &content)
}

/// `BOOLEAN TRUE`.
pub fn boolean_true() -> Vec<u8> {
    vec![0x01, 0x01, 0xff]
}

/// `NULL`.
pub fn null() -> Vec<u8> {
    vec![0x05, 0x00]
}

/// `BIT STRING` without unused bits.
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &join(&[&[0][..], bytes]))
}

/// `BIT STRING` of named bits in one byte, with the count of unused bits at its end (DER drops trailing zeros).
pub fn named_bits(bits: u8) -> Vec<u8> {
    let unused = u8::try_from(bits.trailing_zeros().min(7)).unwrap();
    tlv(0x03, &[unused, bits])
}

/// `OCTET STRING`.
pub fn octet_string(bytes: &[u8]) -> Vec<u8> {
    tlv(0x04, bytes)
}

/// `UTF8String`.
pub fn utf8_string(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

/// `OBJECT IDENTIFIER` out of its dotted form.
pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = base128(arcs[0] * 40 + arcs[1]);
    for arc in &arcs[2..] {
        content.extend(base128(*arc));
    }
    tlv(0x06, &content)
}

/// Seven bits a byte, high bit set on all but the last.
fn base128(mut value: u64) -> Vec<u8> {
    let mut out = vec![u8::try_from(value & 0x7f).unwrap()];
    while value > 0x7f {
        value >>= 7;
        out.insert(0, 0x80 | u8::try_from(value & 0x7f).unwrap());
    }
    out
}

/// Context tag `[number]`, constructed, around the parts (explicit tagging).
pub fn explicit<P: AsRef<[u8]>>(number: u8, parts: &[P]) -> Vec<u8> {
    tlv(0xa0 | number, &join(parts))
}

/// Context tag `[number]`, primitive, in place of the content's own tag (implicit tagging).
pub fn implicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, content)
}

/// `Time` of a certificate: `UTCTime` until 2049, `GeneralizedTime` after (RFC 5280 §4.1.2.5).
pub fn time(moment: Time) -> Vec<u8> {
    if (1950..2050).contains(&calendar::year(moment)) {
        tlv(0x17, calendar::utc_time(moment).as_bytes())
    } else {
        tlv(0x18, calendar::generalized_time(moment).as_bytes())
    }
}

/// PEM with lines of 64 characters and a newline at the end (RFC 7468 §3).
pub fn pem(label: &str, der: &[u8]) -> String {
    use std::fmt::Write;
    let text = crate::base64(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        writeln!(out, "{line}").unwrap();
        rest = tail;
    }
    writeln!(out, "-----END {label}-----").unwrap();
    out
}

/// The bytes in the one block of a PEM that [`pem`] wrote.
pub fn unpem(text: &str) -> Vec<u8> {
    crate::unbase64(&text.lines().filter(|line| !line.starts_with('-')).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_lengths_and_known_identifiers() {
        assert_eq!(tlv(0x04, &[0; 127])[..2], [0x04, 0x7f]);
        assert_eq!(tlv(0x04, &[0; 128])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(tlv(0x04, &[0; 256])[..4], [0x04, 0x82, 0x01, 0x00]);
        assert_eq!(oid("1.2.840.10045.2.1"), [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]);
        assert_eq!(oid("1.3.6.1.4.1.57264.1.8"), [0x06, 10, 0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 8]);
        assert_eq!(unsigned(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0]), [2, 1, 0]);
        assert_eq!(named_bits(0x80), [3, 2, 7, 0x80]);
        assert_eq!(named_bits(0x06), [3, 2, 1, 0x06]);
    }
}
