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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceKind;
    use crate::store::sqlite::{Retention, SqliteStore};
    use crate::store::{NewDelivery, Store as _};

    #[tokio::test]
    async fn a_copy_is_made_while_the_file_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("larkhorn.db"), folder.path().join("copy.db"));
        let store = SqliteStore::open(&from, Retention::default()).unwrap();
        let delivery = |body: &'static str| NewDelivery {
            source: "prod".to_owned(),
            kind: SourceKind::Grafana,
            body: body.into(),
            received_at: jiff::Timestamp::UNIX_EPOCH,
        };
        store.accept(delivery("before")).await.unwrap();
        backup(&from, &to).unwrap();
        store.accept(delivery("after")).await.unwrap();
        let copy = SqliteStore::open(&to, Retention::default()).unwrap();
        let kept = copy.inbox(10, 1_000).await.unwrap();
        assert_eq!(kept.iter().map(|d| d.content.body.as_ref()).collect::<Vec<_>>(), [b"before"]);
        assert_eq!(store.inbox(10, 1_000).await.unwrap().len(), 2);
        let again = backup(&from, &to).unwrap_err().to_string();
        assert!(again.contains("copy.db"), "{again}");
    }

    #[test]
    fn a_strangers_file_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("notes.txt"), folder.path().join("copy.db"));
        std::fs::write(&from, "buy milk\n".repeat(100)).unwrap();
        assert!(backup(&from, &to).unwrap_err().to_string().contains("not an SQLite database"));
        assert!(!to.exists());
    }
}
