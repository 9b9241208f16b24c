//! What the sealing side reads from its store: all names, all content, byte by byte hashed again.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use crate::image::Digest;
use crate::store::fault::During;
use crate::store::{Store, StoreFault, blob, codes, columns, listing, writer};

impl Store {
    /// Every content that anything leads to, with its size.
    ///
    /// # Errors
    /// [`StoreFault::Catalogue`].
    pub fn contents(&self) -> Result<BTreeMap<Digest, u64>, StoreFault> {
        self.with(|catalogue| {
            let rows = catalogue.many("SELECT digest, size FROM blob", [], |row| {
                Ok((columns::digest(row, 0)?, columns::size(row, 1)?))
            })?;
            Ok(rows.into_iter().collect())
        })
    }

    /// Every referrer that is held: digest of the subject → digests of its referrers, with spaces between.
    ///
    /// # Errors
    /// [`StoreFault::Catalogue`].
    pub fn found(&self) -> Result<BTreeMap<String, String>, StoreFault> {
        let rows = self.with(|catalogue| {
            catalogue.many(
                "SELECT subject, digest FROM manifest WHERE subject IS NOT NULL ORDER BY subject, digest",
                [],
                |row| Ok((columns::digest(row, 0)?, columns::digest(row, 1)?)),
            )
        })?;
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for (subject, referrer) in rows {
            let list = found.entry(subject.to_string()).or_default();
            if !list.is_empty() {
                list.push(' ');
            }
            list.push_str(&referrer.to_string());
        }
        Ok(found)
    }

    /// How many contents are known to be missing.
    ///
    /// # Errors
    /// [`StoreFault::Catalogue`].
    pub fn missing(&self) -> Result<usize, StoreFault> {
        let ask = |catalogue: &super::super::catalogue::Catalogue| {
            catalogue.many("SELECT child FROM missing", [], |row| columns::digest(row, 0))
        };
        Ok(self.with(ask)?.len())
    }

    /// How many bytes `digest` has on the disk; nothing where no plain file is.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        listing::size(&blob::path(self.root(), digest))
    }

    /// The `index.json` that belongs to the catalogue.
    ///
    /// # Errors
    /// [`StoreFault::Catalogue`].
    pub fn index_json(&self) -> Result<Vec<u8>, StoreFault> {
        let mut bytes = Vec::new();
        self.with(|catalogue| {
            writer::write_index(&mut bytes, |each| catalogue.each_named(each), Path::new("index.json"))
        })?;
        Ok(bytes)
    }

    /// Copies `size` bytes of `digest` to `out`, hashing them on the way.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where the bytes are not those of the digest; what was written is worth nothing then.
    pub fn copy(&self, digest: &Digest, size: u64, out: &mut impl Write) -> Result<(), StoreFault> {
        let path = blob::path(self.root(), digest);
        let what = || path.display().to_string();
        let (file, _) = blob::open_regular(&path).map_err(|_| {
            StoreFault::refused(&codes::MISSING_BLOB, what(), "it is not there, or is no plain file")
        })?;
        let mut written = 0_u64;
        let streamed = blob::stream(file, digest, &mut Vec::new(), |chunk| {
            written += chunk.len() as u64;
            // A file that grows under us must not shift what follows.
            if written > size {
                return Err(io::Error::other("it is longer than the catalogue says"));
            }
            out.write_all(chunk)
        })
        .during("copying", &path)?;
        if streamed.matches && streamed.size == size {
            return Ok(());
        }
        Err(StoreFault::refused(&codes::DAMAGED, what(), format!("its bytes do not hash to {digest}")))
    }
}
