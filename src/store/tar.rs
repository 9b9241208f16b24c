//! Archives of an OCI image layout, read entry by entry and never unpacked by name.
//!
//! Input: a tar stream. Output: its entries as members of a layout ([`Member`]); everything else is refused.
//!
//! | rule | source |
//! |---|---|
//! | ustar and GNU headers with a right checksum | POSIX.1-2017 `pax`, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format" |
//! | extended headers (PAX `x`, GNU `L`) count only where they say what the header itself says, or what it has no room for | CVE-2025-62518 and RUSTSEC-2025-0111: two sizes for one entry |
//! | plain files and directories only | CVE-2026-29064, CVE-2026-50163, CVE-2026-17106: links lead out of the target |
//! | names: `oci-layout`, `index.json`, `manifest.json`, `repositories`, `blobs/<algorithm>/<hex>` and their folders, each once, at most [`MAX_NAME`] bytes | OCI image-layout; docker adds the middle two |
//! | no sparse files | GNU tar manual, "Sparse Formats": three encodings that readers disagree about |
//! | two zero blocks end the archive, at most [`MAX_PADDING`] more zeros follow | POSIX; concatenated archives hide entries from some readers |
//! | at most [`MAX_ENTRIES`] entries | ours |
//!
//! Not checked here: that content hashes to its name (`staging`, or the reader of each blob).
//!
//! Attacks considered: `tar_corpus`: each rule above with an archive that breaks it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::listing::MAX_ENTRIES;
use super::{StoreFault, codes};
use crate::decision::Code;
use crate::image::Digest;

/// Bytes of a tar block.
const BLOCK: usize = 512;
/// Longest name, in bytes.
const MAX_NAME: usize = 255;
/// Longest extended header, in bytes.
const MAX_EXTENDED: u64 = 64 * 1024;
/// Most zeros after the end, in bytes: writers fill up to a record, by default of 10 KiB.
const MAX_PADDING: u64 = 1024 * 1024;
/// Largest number that fits in the 11 octal digits of a size field.
const MAX_OCTAL: u64 = 0o777_7777_7777;

/// What an entry is in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// `oci-layout`
    Marker,
    /// `index.json`
    Index,
    /// Content.
    Blob(Digest),
    /// `manifest.json` or `repositories`, which docker adds; its readers need them, we do not.
    Docker,
}

/// An entry that is a plain file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What it is.
    pub member: Member,
    /// Its name, for messages.
    pub name: String,
    /// Where its content begins in the file.
    pub offset: u64,
    /// Bytes of its content.
    pub size: u64,
}

/// A tar archive under way.
pub(super) struct Archive {
    reader: BufReader<File>,
    place: String,
    position: u64,
    /// Content and padding of the present entry that are still unread.
    content: u64,
    padding: u64,
    names: HashSet<String>,
    count: usize,
}

/// What extended headers said about the next entry.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    /// Whether any extended header stands before the entry.
    pax: bool,
    gnu: bool,
}

/// One header block.
struct Header {
    name: Vec<u8>,
    size: u64,
    kind: u8,
}

impl Archive {
    /// Starts reading `file`, which `path` names in messages.
    pub(super) fn new(file: File, path: &Path) -> Self {
        Self {
            reader: BufReader::with_capacity(64 * 1024, file),
            place: path.display().to_string(),
            position: 0,
            content: 0,
            padding: 0,
            names: HashSet::new(),
            count: 0,
        }
    }

    /// The next plain file, or the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, StoreFault> {
        let mut extended = Extended::default();
        loop {
            self.skip()?;
            let Some(block) = self.block()? else {
                if extended.pax || extended.gnu {
                    return Err(self.refused(
                        &codes::TAR_CONFLICT,
                        "its end",
                        "an extended header describes no entry",
                    ));
                }
                return Ok(None);
            };
            let header = self.header(&block)?;
            let called = String::from_utf8_lossy(&header.name).into_owned();
            let (size, kind) = (header.size, header.kind);
            match kind {
                b'x' | b'g' | b'L' => self.extension(kind, size, &called, &mut extended)?,
                b'0' | 0 | b'5' => {
                    let (name, size) = self.effective(header, std::mem::take(&mut extended))?;
                    if let Some(entry) = self.entry(name, size, kind)? {
                        return Ok(Some(entry));
                    }
                }
                b'S' => return Err(self.refused(&codes::TAR_SPARSE, &called, "a sparse file of GNU tar")),
                other => {
                    let what = match other {
                        b'1' => "a hard link",
                        b'2' | b'K' => "a symbolic link",
                        b'3' | b'4' => "a device",
                        b'6' => "a pipe",
                        _ => "of an unknown type",
                    };
                    return Err(self.refused(&codes::TAR_TYPE, &called, &format!("it is {what}")));
                }
            }
        }
    }

    /// The content of the present entry.
    pub(super) fn content(&mut self) -> impl Read + '_ {
        Content(self)
    }

    /// Reads the content of the present entry into memory, at most `limit` bytes.
    pub(super) fn bytes(&mut self, entry: &Entry, limit: u64) -> Result<Vec<u8>, StoreFault> {
        if entry.size > limit {
            return Err(self.refused(
                &codes::LIMIT,
                &entry.name,
                &format!("{} bytes, the limit is {limit}", entry.size),
            ));
        }
        let mut bytes = Vec::new();
        let read = self.content().read_to_end(&mut bytes);
        match read {
            Ok(_) if bytes.len() as u64 == entry.size => Ok(bytes),
            Ok(_) => Err(self.truncated()),
            Err(source) => Err(self.io(source)),
        }
    }

    fn refused(&self, code: &'static Code, entry: &str, reason: &str) -> StoreFault {
        refused_in(&self.place, code, entry, reason)
    }

    fn truncated(&self) -> StoreFault {
        StoreFault::refused(&codes::TAR_TRUNCATED, self.place.clone(), "it ends in the middle")
    }

    fn io(&self, source: io::Error) -> StoreFault {
        StoreFault::Io { what: "reading", path: self.place.clone().into(), source }
    }

    /// Moves to the next header. Seeking past the end shows there.
    fn skip(&mut self) -> Result<(), StoreFault> {
        let rest = self.content.saturating_add(self.padding);
        if rest == 0 {
            return Ok(());
        }
        let distance = i64::try_from(rest).map_err(|_| self.truncated())?;
        self.reader.seek_relative(distance).map_err(|e| self.io(e))?;
        self.position = self.position.saturating_add(rest);
        (self.content, self.padding) = (0, 0);
        Ok(())
    }

    /// Reads a block; nothing at the end of the archive, behind which everything is checked.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, StoreFault> {
        let block = self.whole_block()?;
        if block.iter().any(|b| *b != 0) {
            return Ok(Some(block));
        }
        if self.whole_block()?.iter().any(|b| *b != 0) {
            return Err(self.refused(&codes::TAR_TRAILING, "its end", "one zero block, then more data"));
        }
        let mut rest = Vec::new();
        (&mut self.reader).take(MAX_PADDING + 1).read_to_end(&mut rest).map_err(|e| self.io(e))?;
        if rest.len() as u64 > MAX_PADDING || rest.iter().any(|b| *b != 0) {
            return Err(self.refused(&codes::TAR_TRAILING, "its end", "data after the end marks"));
        }
        Ok(None)
    }

    fn whole_block(&mut self) -> Result<[u8; BLOCK], StoreFault> {
        let mut block = [0; BLOCK];
        match self.reader.read_exact(&mut block) {
            Ok(()) => {
                self.position = self.position.saturating_add(BLOCK as u64);
                Ok(block)
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(self.truncated()),
            Err(e) => Err(self.io(e)),
        }
    }

    fn header(&mut self, block: &[u8; BLOCK]) -> Result<Header, StoreFault> {
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        let called = String::from_utf8_lossy(field(0, 100)).trim_end_matches('\0').to_owned();
        let ustar = field(257, 265) == b"ustar\x0000";
        let gnu = field(257, 265) == b"ustar  \0";
        if self.count == 0 && !(ustar || gnu) {
            return Err(not_a_tar(block, &self.place));
        }
        let malformed = |what: &str| self.refused(&codes::TAR_HEADER, &called, what);
        if !(ustar || gnu) {
            return Err(malformed("neither a POSIX nor a GNU header"));
        }
        // The checksum counts its own field as spaces.
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 0x20 } else { u64::from(*b) })
            .sum();
        if octal(field(148, 156)) != Some(sum) {
            return Err(malformed("its checksum is wrong"));
        }
        let size = number(field(124, 136)).ok_or_else(|| malformed("its size is no number"))?;
        let kind = block.get(156).copied().unwrap_or_default();
        let text = |bytes: &[u8]| -> Result<Vec<u8>, StoreFault> {
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            let (text, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            if rest.iter().any(|b| *b != 0) {
                return Err(self.refused(&codes::TAR_NAME, &called, "its name goes on after a NUL"));
            }
            Ok(text.to_vec())
        };
        if matches!(kind, b'0' | 0 | b'5') && field(157, 257).iter().any(|b| *b != 0) {
            return Err(self.refused(
                &codes::TAR_CONFLICT,
                &called,
                "it has the target of a link but is none",
            ));
        }
        let mut name = text(field(0, 100))?;
        let prefix = if ustar { text(field(345, 500))? } else { Vec::new() };
        if !prefix.is_empty() {
            name = [prefix.as_slice(), b"/", name.as_slice()].concat();
        }
        self.count += 1;
        if self.count > MAX_ENTRIES {
            return Err(self.refused(&codes::LIMIT, &called, &format!("more than {MAX_ENTRIES} entries")));
        }
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
        Ok(Header { name, size, kind })
    }

    /// Reads an extended header.
    fn extension(
        &mut self,
        kind: u8,
        size: u64,
        called: &str,
        extended: &mut Extended,
    ) -> Result<(), StoreFault> {
        if size > MAX_EXTENDED {
            return Err(self.refused(&codes::LIMIT, called, "its extended header is too long"));
        }
        let mut bytes = Vec::new();
        let read = self.content().read_to_end(&mut bytes);
        match read {
            Ok(_) if bytes.len() as u64 == size => {}
            Ok(_) => return Err(self.truncated()),
            Err(e) => return Err(self.io(e)),
        }
        let twice = match kind {
            b'L' => std::mem::replace(&mut extended.gnu, true) || extended.pax,
            b'x' => std::mem::replace(&mut extended.pax, true) || extended.gnu,
            _ => false,
        };
        if twice {
            return Err(self.refused(&codes::TAR_CONFLICT, called, "two extended headers for one entry"));
        }
        if kind == b'L' {
            while bytes.last() == Some(&0) {
                bytes.pop();
            }
            extended.path = Some(bytes);
            return Ok(());
        }
        self.records(&bytes, kind == b'g', called, extended)
    }

    /// Reads the records of a PAX header: `<length> <key>=<value>\n`.
    fn records(
        &self,
        bytes: &[u8],
        global: bool,
        called: &str,
        extended: &mut Extended,
    ) -> Result<(), StoreFault> {
        let malformed = || self.refused(&codes::TAR_HEADER, called, "its extended header is malformed");
        let mut rest = bytes;
        let mut keys = HashSet::new();
        while !rest.is_empty() {
            let space = rest.iter().take(8).position(|b| *b == b' ').ok_or_else(malformed)?;
            let length = rest.get(..space).and_then(decimal).ok_or_else(malformed)?;
            let length = usize::try_from(length).ok().filter(|l| *l > space + 1).ok_or_else(malformed)?;
            let (record, after) = rest.split_at_checked(length).ok_or_else(malformed)?;
            rest = after;
            let record = record.get(space + 1..).and_then(|r| r.strip_suffix(b"\n")).ok_or_else(malformed)?;
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(malformed)?;
            let (key, value) = record.split_at_checked(equals).ok_or_else(malformed)?;
            let key = std::str::from_utf8(key).map_err(|_| malformed())?;
            let value = value.get(1..).unwrap_or_default();
            let conflict = |what: &str| self.refused(&codes::TAR_CONFLICT, called, what);
            if !keys.insert(key.to_owned()) {
                return Err(conflict(&format!("its extended header says {key:?} twice")));
            }
            match key {
                "path" | "size" if global => {
                    return Err(conflict("an extended header for all entries sets a name or a size"));
                }
                "path" if value.is_empty() => return Err(conflict("its extended header unsets its name")),
                "path" => extended.path = Some(value.to_vec()),
                "size" => {
                    extended.size =
                        Some(decimal(value).ok_or_else(|| conflict("its extended size is no number"))?);
                }
                "linkpath" => {
                    return Err(self.refused(&codes::TAR_TYPE, called, "it has the target of a link"));
                }
                "SCHILY.realsize" => return Err(self.refused(&codes::TAR_SPARSE, called, "a sparse file")),
                key if key.starts_with("GNU.sparse.") => {
                    return Err(self.refused(&codes::TAR_SPARSE, called, "a sparse file"));
                }
                "hdrcharset" | "charset" if value != b"ISO-IR 10646 2000 UTF-8" => {
                    return Err(malformed());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Name and size that header and extended header agree on.
    fn effective(&mut self, header: Header, extended: Extended) -> Result<(Vec<u8>, u64), StoreFault> {
        let called = String::from_utf8_lossy(&header.name).into_owned();
        let name = match extended.path {
            None => header.name,
            Some(path) if path == header.name => path,
            // What the header has no room for, it holds cut off.
            Some(path)
                if path.len() > 100
                    && (99..=100).contains(&header.name.len())
                    && path.starts_with(&header.name) =>
            {
                path
            }
            Some(path) => {
                return Err(self.refused(
                    &codes::TAR_CONFLICT,
                    &called,
                    &format!("its extended header calls it {:?}", String::from_utf8_lossy(&path)),
                ));
            }
        };
        let size = match extended.size {
            None => header.size,
            Some(size) if size == header.size => size,
            Some(size) if size > MAX_OCTAL && header.size == 0 => size,
            Some(size) => {
                return Err(self.refused(
                    &codes::TAR_CONFLICT,
                    &called,
                    &format!("its header says {} bytes, its extended header {size}", header.size),
                ));
            }
        };
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
        Ok((name, size))
    }

    /// Checks the name; nothing for a directory.
    fn entry(&mut self, name: Vec<u8>, size: u64, kind: u8) -> Result<Option<Entry>, StoreFault> {
        let shown = String::from_utf8_lossy(&name).into_owned();
        let place = self.place.clone();
        let bad = |reason: &str| refused_in(&place, &codes::TAR_NAME, &shown, reason);
        if name.len() > MAX_NAME {
            return Err(self.refused(
                &codes::LIMIT,
                &shown,
                &format!("its name has more than {MAX_NAME} bytes"),
            ));
        }
        let name = String::from_utf8(name).map_err(|_| bad("its name is not UTF-8"))?;
        if name.contains(['\0', '\\']) || name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(bad("its name could lead out of a directory"));
        }
        let directory = kind == b'5';
        let plain = name.strip_prefix("./").unwrap_or(&name);
        let plain = if directory { plain.strip_suffix('/').unwrap_or(plain) } else { plain };
        if directory && size != 0 {
            return Err(self.refused(&codes::TAR_CONFLICT, &shown, "a directory with content"));
        }
        if !self.names.insert(plain.to_lowercase()) {
            return Err(self.refused(&codes::TAR_DUPLICATE, &shown, "the archive holds this name already"));
        }
        if directory {
            return match plain {
                "" | "." | "blobs" | "blobs/sha256" | "blobs/sha512" => Ok(None),
                _ => Err(self.unknown(plain, &shown)),
            };
        }
        let member = match plain {
            "oci-layout" => Member::Marker,
            "index.json" => Member::Index,
            "manifest.json" | "repositories" => Member::Docker,
            _ => match plain.strip_prefix("blobs/").and_then(|rest| rest.split_once('/')) {
                Some((algorithm, hex)) => format!("{algorithm}:{hex}")
                    .parse()
                    .map(Member::Blob)
                    .map_err(|_| bad("content must be named by its digest"))?,
                None => return Err(self.unknown(plain, &shown)),
            },
        };
        Ok(Some(Entry { member, name: shown, offset: self.position, size }))
    }

    /// A name that is not on the list: perhaps the archive is of another kind.
    fn unknown(&self, plain: &str, shown: &str) -> StoreFault {
        let stem = plain.trim_start_matches("sha256:");
        let stem = stem.split(['/', '.']).next().unwrap_or_default();
        if stem.len() == 64 && stem.bytes().all(|b| b.is_ascii_hexdigit()) {
            return StoreFault::refused(
                &codes::DOCKER_SAVE,
                self.place.clone(),
                format!(
                    "it holds {shown:?}, as `docker save` writes it, and no OCI image layout, so it carries no manifest digest"
                ),
            );
        }
        self.refused(&codes::TAR_NAME, shown, "no such name belongs in an OCI image layout")
    }
}

struct Content<'a>(&'a mut Archive);

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.0.content).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.0.reader.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.0.content -= n as u64;
        self.0.position = self.0.position.saturating_add(n as u64);
        Ok(n)
    }
}

fn refused_in(place: &str, code: &'static Code, entry: &str, reason: &str) -> StoreFault {
    let entry: String = entry.chars().take(300).collect();
    StoreFault::refused(code, format!("{entry:?} in {place}"), reason)
}

/// Says what a file is that does not begin like a tar archive.
fn not_a_tar(block: &[u8], place: &str) -> StoreFault {
    let kinds: [(&[u8], &str); 4] =
        [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz"), (b"BZh", "bzip2")];
    match kinds.iter().find(|(magic, _)| block.starts_with(magic)) {
        Some((_, kind)) => {
            StoreFault::refused(&codes::COMPRESSED, place, format!("it is compressed with {kind}"))
        }
        None => {
            StoreFault::refused(&codes::NOT_A_BUNDLE, place, "it is neither a directory nor a tar archive")
        }
    }
}

/// Octal digits, ended by a space or NUL, which fill the rest of the field.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|b| *b != b' ')?;
    let field = field.get(start..)?;
    let end = field.iter().position(|b| matches!(b, b' ' | 0)).unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(end)?;
    if digits.is_empty() || rest.iter().any(|b| !matches!(b, b' ' | 0)) {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, b| {
        matches!(b, b'0'..=b'7').then(|| n.checked_mul(8)?.checked_add(u64::from(b - b'0'))).flatten()
    })
}

/// A size: octal, or in GNU's base-256 form (high bit set, big-endian, not negative).
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => rest
            .iter()
            .try_fold(0_u64, |n, b| n.checked_mul(256)?.checked_add(u64::from(*b)))
            .filter(|n| i64::try_from(*n).is_ok()),
        _ => octal(field),
    }
}

/// Decimal digits, nothing else.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, b| {
        b.is_ascii_digit().then(|| n.checked_mul(10)?.checked_add(u64::from(b - b'0'))).flatten()
    })
}
