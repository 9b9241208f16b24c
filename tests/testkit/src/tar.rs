//! A writer of tar archives (POSIX ustar) that can also write what no honest program would.

/// Size of a tar block.
pub const BLOCK: usize = 512;

/// One member, field by field. [`Member::file`] and its siblings give honest ones; change fields for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name as written, up to 100 bytes; not checked.
    pub name: Vec<u8>,
    /// The ustar prefix, up to 155 bytes.
    pub prefix: Vec<u8>,
    /// Type flag: `0` file, `1` hard link, `2` symbolic link, `3` and `4` devices, `5` directory, `6` FIFO, `x` and
    /// `g` PAX, `L` GNU long name, `S` GNU sparse.
    pub kind: u8,
    /// Target of a link.
    pub link: Vec<u8>,
    /// What the size field says; the content's length where `None`.
    pub stated_size: Option<u64>,
    /// Permission bits.
    pub mode: u32,
    /// Whether the checksum is right.
    pub checksum_right: bool,
    /// Magic and version: `ustar\0` `00`, or GNU's `ustar  \0`.
    pub magic: [u8; 8],
    /// The content, padded to whole blocks when written.
    pub content: Vec<u8>,
}

impl Member {
    /// A regular file.
    pub fn file(name: &str, content: &[u8]) -> Member {
        Member {
            name: name.as_bytes().to_vec(),
            prefix: Vec::new(),
            kind: b'0',
            link: Vec::new(),
            stated_size: None,
            mode: 0o644,
            checksum_right: true,
            magic: *b"ustar\x0000",
            content: content.to_vec(),
        }
    }

    /// A directory.
    pub fn directory(name: &str) -> Member {
        Member { kind: b'5', mode: 0o755, ..Member::file(name, &[]) }
    }

    /// A symbolic link.
    pub fn symlink(name: &str, target: &str) -> Member {
        Member { kind: b'2', link: target.as_bytes().to_vec(), ..Member::file(name, &[]) }
    }

    /// A hard link.
    pub fn hardlink(name: &str, target: &str) -> Member {
        Member { kind: b'1', link: target.as_bytes().to_vec(), ..Member::file(name, &[]) }
    }

    /// A character device.
    pub fn character_device(name: &str) -> Member {
        Member { kind: b'3', ..Member::file(name, &[]) }
    }

    /// A block device.
    pub fn block_device(name: &str) -> Member {
        Member { kind: b'4', ..Member::file(name, &[]) }
    }

    /// A FIFO.
    pub fn fifo(name: &str) -> Member {
        Member { kind: b'6', ..Member::file(name, &[]) }
    }

    /// A PAX header that overrides fields of the next member: `path`, `size`, `linkpath` and so on.
    pub fn pax(records: &[(&str, &str)]) -> Member {
        Member { kind: b'x', ..Member::file("PaxHeaders/next", &pax_records(records)) }
    }

    /// A PAX header that overrides fields of all members that follow.
    pub fn global_pax(records: &[(&str, &str)]) -> Member {
        Member { kind: b'g', ..Member::file("PaxHeaders/global", &pax_records(records)) }
    }

    /// GNU's long name of the next member.
    pub fn gnu_long_name(name: &str) -> Member {
        let mut content = name.as_bytes().to_vec();
        content.push(0);
        Member { kind: b'L', magic: *b"ustar  \0", ..Member::file("././@LongLink", &content) }
    }

    /// Claims another size than its content has.
    #[must_use]
    pub fn stating(mut self, size: u64) -> Member {
        self.stated_size = Some(size);
        self
    }

    /// Of another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: u8) -> Member {
        self.kind = kind;
        self
    }

    /// With a checksum that does not fit.
    #[must_use]
    pub fn with_wrong_checksum(mut self) -> Member {
        self.checksum_right = false;
        self
    }

    /// Header and padded content.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = [0_u8; BLOCK];
        put(&mut header, 0, 100, &self.name);
        put(&mut header, 100, 8, format!("{:07o}", self.mode).as_bytes());
        put(&mut header, 108, 8, b"0000000");
        put(&mut header, 116, 8, b"0000000");
        let size = self.stated_size.unwrap_or(self.content.len() as u64);
        if size < 0o100_000_000_000 {
            put(&mut header, 124, 12, format!("{size:011o}").as_bytes());
        } else {
            // GNU's base-256 form.
            header[124] = 0x80;
            header[128..136].copy_from_slice(&size.to_be_bytes());
        }
        put(&mut header, 136, 12, b"00000000000");
        put(&mut header, 148, 8, b"        ");
        header[156] = self.kind;
        put(&mut header, 157, 100, &self.link);
        put(&mut header, 257, 8, &self.magic);
        put(&mut header, 345, 155, &self.prefix);
        let mut sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        if !self.checksum_right {
            sum += 1;
        }
        put(&mut header, 148, 8, format!("{sum:06o}\0 ").as_bytes());
        let mut out = header.to_vec();
        out.extend_from_slice(&self.content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        out
    }
}

fn put(header: &mut [u8; BLOCK], at: usize, width: usize, value: &[u8]) {
    assert!(value.len() <= width, "{:?} does not fit into {width} bytes", String::from_utf8_lossy(value));
    header[at..at + value.len()].copy_from_slice(value);
}

fn pax_records(records: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in records {
        // The length counts its own digits.
        let rest = name.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        out.extend_from_slice(format!("{length} {name}={value}\n").as_bytes());
    }
    out
}

/// Members one after another, and the two empty blocks at the end.
pub fn archive(members: &[Member]) -> Vec<u8> {
    let mut out = without_end(members);
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

/// Members one after another without the two empty blocks.
pub fn without_end(members: &[Member]) -> Vec<u8> {
    members.iter().flat_map(Member::bytes).collect()
}

/// Two archives in one file: what follows the end of the first is data that only some readers see.
pub fn concatenated(first: &[Member], second: &[Member]) -> Vec<u8> {
    let mut out = archive(first);
    out.extend(archive(second));
    out
}
