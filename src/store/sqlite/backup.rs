//! Copies of a database that is in use.

use std::path::Path;

use super::file;
use crate::store::StoreError;

/// Writes a consistent copy of the database `from` to the new file `to`, be it in
/// use by a running larkhorn or not. The copy holds what was committed when it
/// began, and no more room than that takes. Blocks.
///
/// # Errors
///
/// When `from` is none of ours or cannot be read, or `to` exists or cannot be written.
pub fn backup(from: &Path, to: &Path) -> Result<(), StoreError> {
    let from = file::resolve(from)?;
    let conn = file::visitor(&from)?;
    let private = file::create_new(to)?;
    let name = to.to_string_lossy();
    let copied = conn.execute("VACUUM INTO ?1", [&*name]);
    copied.map_err(|error| {
        StoreError::Unavailable(format!("the copy {} cannot be written: {error}", to.display()))
    })?;
    private.sync_all().map_err(|error| {
        StoreError::Unavailable(format!("the copy {} cannot be synced: {error}", to.display()))
    })
}
