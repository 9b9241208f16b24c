//! Which names the catalogue shows as sealed. A finding aid for `store ls`: what a name stands for is asked of the
//! accepted seal itself (`transfer`).

use rusqlite::params;

use super::StoreFault;
use super::catalogue::{self, Commit};
use super::graph::Graph;
use super::name::Name;

impl Commit<'_> {
    /// Takes the mark from every name and tells which had it.
    pub(super) fn unseal(&self) -> Result<Vec<Name>, StoreFault> {
        let work = || -> rusqlite::Result<Vec<Name>> {
            let mut asked = self.transaction.prepare("SELECT repository, tag FROM name WHERE sealed <> 0")?;
            let rows = asked.query_map([], |row| Ok(Name { repository: row.get(0)?, tag: row.get(1)? }))?;
            let names = rows.collect::<rusqlite::Result<_>>()?;
            self.transaction.execute("UPDATE name SET sealed = 0 WHERE sealed <> 0", [])?;
            Ok(names)
        };
        work().map_err(|e| catalogue::fault(&self.place, &e))
    }

    /// Marks the names of `graph`; those of `superseded` that are not among them go, their manifests stay listed.
    pub(super) fn seal(&self, graph: &Graph, superseded: &[Name]) -> Result<(), StoreFault> {
        let work = || -> rusqlite::Result<()> {
            let mut mark =
                self.transaction.prepare("UPDATE name SET sealed = 1 WHERE repository = ?1 AND tag = ?2")?;
            for name in graph.names.keys() {
                mark.execute(params![name.repository, name.tag])?;
            }
            let mut keep = self.transaction.prepare(
                "INSERT OR IGNORE INTO root (digest)
                 SELECT digest FROM name WHERE repository = ?1 AND tag = ?2",
            )?;
            let mut drop = self.transaction.prepare("DELETE FROM name WHERE repository = ?1 AND tag = ?2")?;
            for name in superseded.iter().filter(|name| !graph.names.contains_key(*name)) {
                keep.execute(params![name.repository, name.tag])?;
                drop.execute(params![name.repository, name.tag])?;
            }
            Ok(())
        };
        work().map_err(|e| catalogue::fault(&self.place, &e))
    }
}
