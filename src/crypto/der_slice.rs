//! The outermost layer of DER: where one element ends and the next begins.
//!
//! Needed where signed bytes must be cut out or put together exactly as they were encoded, which a typed
//! decode-and-encode cannot promise. Definite lengths in their shortest form only (X.690 §10.1).

/// One element: its tag, its content, and all of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// Identifier octet; tags above 30 are not read.
    pub tag: u8,
    /// Content octets.
    pub content: &'a [u8],
    /// Identifier, length and content.
    pub whole: &'a [u8],
}

/// Reads the first element of `bytes` and returns it with what follows.
pub fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let count = usize::from(short & 0x7f);
            let (digits, rest) = rest.split_at_checked(count)?;
            let length =
                digits.iter().try_fold(0_usize, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)))?;
            let shortest = length > 0x7f && digits.first() != Some(&0);
            if !shortest {
                return None;
            }
            (length, rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    let whole = bytes.get(..bytes.len() - after.len())?;
    Some((Element { tag, content, whole }, after))
}

/// Every element of `bytes`, which must end with the last one.
pub fn all(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (element, rest) = first(bytes)?;
        out.push(element);
        bytes = rest;
    }
    Some(out)
}

/// Encodes an element.
pub fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap_or(0x7f));
    } else {
        let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
        out.extend_from_slice(&digits);
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_longer() {
        for size in [0, 1, 127, 128, 255, 256, 70_000] {
            let bytes = wrap(0x30, &vec![7; size]);
            let (element, rest) = first(&bytes).unwrap();
            assert_eq!(
                (element.tag, element.content.len(), element.whole.len(), rest.len()),
                (0x30, size, bytes.len(), 0)
            );
        }
        for bad in [
            &b""[..],
            b"\x30",
            b"\x30\x01",
            b"\x30\x80",
            b"\x30\x81\x01a",
            b"\x30\x82\x00\x80",
            b"\x1f\x01\x01",
            b"\x30\x85\0\0\0\0\x01a",
        ] {
            assert_eq!(first(bad), None, "{bad:?}");
        }
        assert_eq!(all(b"\x05\x00\x05\x00").unwrap().len(), 2);
        assert_eq!(all(b"\x05\x00\x05"), None);
    }
}
