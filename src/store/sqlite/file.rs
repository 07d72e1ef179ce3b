//! The database file: whose it is, who may use it, how it is opened.
//!
//! A file is opened only if it is new, or ours and not of a later release,
//! and sound. Anything else is refused as it is, untouched. A lock file beside it
//! (`<file>-lock`) keeps a second process out; the lock is the operating
//! system's, so it ends with the process, however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::schema;
use crate::store::StoreError;

/// `PRAGMA application_id` of our files: "Lark".
pub(super) const APPLICATION_ID: i32 = 0x4c61_726b;

/// Statements kept prepared per connection; there are about 60 in all.
const STATEMENTS: usize = 128;

/// Proof that no other process uses the file.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read: closing the file ends the lock")] File);

/// Says why a file cannot be used.
fn refused(path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("database {}: {why}", path.display()))
}

/// The file's absolute path, links followed, so that each file has one lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    if let Ok(known) = fs::canonicalize(path) {
        return Ok(known);
    }
    let name = path.file_name().ok_or_else(|| refused(path, "this is not the name of a file"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = fs::canonicalize(folder)
        .map_err(|e| refused(path, format_args!("folder {} cannot be used: {e}", folder.display())))?;
    Ok(folder.join(name))
}

/// What is known of a file that was only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Nobody uses it, and it can be written.
    Writable,
    /// There is no such file yet, and it can be made.
    New,
    /// A running larkhorn uses it.
    InUse,
}

/// Looks whether a store could be opened, without opening it: nothing is made
/// or changed but the lock file, which is let go of at once.
///
/// # Errors
///
/// Why it could not.
pub fn probe(path: &Path) -> Result<Probe, StoreError> {
    let path = resolve(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let exists = path.exists();
    if exists {
        let opened = OpenOptions::new().write(true).open(&path);
        opened.map_err(|e| refused(&path, format_args!("it cannot be written: {e}")))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let used = match File::open(&name) {
        Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    };
    if used {
        return Ok(Probe::InUse);
    }
    // The log and its index are made beside the file.
    tempfile::tempfile_in(folder)
        .map_err(|e| refused(&path, format_args!("folder {} cannot be written: {e}", folder.display())))?;
    Ok(if exists { Probe::Writable } else { Probe::New })
}

/// Takes the file for this process.
pub(super) fn lock(path: &Path) -> Result<Lock, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let name = PathBuf::from(name);
    let file =
        private(OpenOptions::new().write(true).create(true).truncate(false)).open(&name).map_err(|e| {
            refused(path, format_args!("its lock file {} cannot be written: {e}", name.display()))
        })?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(refused(
            path,
            "it is in use by another larkhorn process; stop that one, or give this one a file of its own",
        )),
        Err(TryLockError::Error(e)) => Err(refused(path, format_args!("it cannot be locked: {e}"))),
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Opens a file that another process may have in use, to read what is committed.
pub(super) fn visitor(path: &Path) -> Result<Connection, StoreError> {
    let mut file = OpenOptions::new()
        .read(true)
        .open(path)
        .map_err(|e| refused(path, format_args!("it cannot be read: {e}")))?;
    inspect(path, &mut file)?;
    drop(file);
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|e| refused(path, e))?;
    admit(path, &conn)?;
    Ok(conn)
}

/// Makes a file of that name for its owner alone, unless there is one.
pub(super) fn create_new(path: &Path) -> Result<File, StoreError> {
    private(OpenOptions::new().write(true).create_new(true))
        .open(path)
        .map_err(|e| StoreError::Unavailable(format!("the file {} cannot be made: {e}", path.display())))
}

/// Opens the file for writing, creating and migrating it as needed.
pub(super) fn writer(path: &Path, _lock: &Lock) -> Result<Connection, StoreError> {
    // Opened with a mode, because SQLite would let everybody read it.
    let mut file = private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
        .open(path)
        .map_err(|e| refused(path, format_args!("it cannot be opened for writing: {e}")))?;
    inspect(path, &mut file)?;
    // Before SQLite opens it: closing any handle of a file ends all POSIX locks on it.
    drop(file);
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| refused(path, e))?;
    admit(path, &conn)?;
    prepare(&mut conn).map_err(|e| refused(path, e))?;
    Ok(conn)
}

/// Opens the file, already prepared by [`writer`], for checkpoints.
pub(super) fn checkpointer(path: &Path) -> Result<Connection, StoreError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| refused(path, e))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    Ok(conn)
}

/// Opens the file, already prepared by [`writer`], for reading.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|e| refused(path, e))?;
    conn.pragma_update(None, "cache_size", -1024)?;
    Ok(conn)
}

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    // Closing must not write: the file may turn out not to be ours.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

/// Looks at the header before SQLite does, which would finish what a log
/// beside a stranger's file left undone. Layout: sqlite.org/fileformat2.html §1.3.
fn inspect(path: &Path, file: &mut File) -> Result<(), StoreError> {
    let mut header = Vec::with_capacity(100);
    file.take(100)
        .read_to_end(&mut header)
        .map_err(|e| refused(path, format_args!("it cannot be read: {e}")))?;
    if header.is_empty() {
        return Ok(());
    }
    let word =
        |at: usize| header.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_be_bytes);
    if !header.starts_with(b"SQLite format 3\0") || header.len() < 100 {
        return Err(refused(
            path,
            "this is not an SQLite database, or its head is destroyed; it was left untouched",
        ));
    }
    // 0: the id may still be in the log; `admit` looks again.
    match word(68) {
        0 | APPLICATION_ID => newer(path, word(60)),
        _ => Err(foreign(path)),
    }
}

fn foreign(path: &Path) -> StoreError {
    refused(
        path,
        "it belongs to another application; it was left untouched. Name another file in `store.url`",
    )
}

fn newer(path: &Path, version: i32) -> Result<(), StoreError> {
    if version <= schema::LATEST {
        return Ok(());
    }
    Err(refused(
        path,
        format_args!(
            "its schema is version {version}, this larkhorn knows up to {}; it was left untouched. Run the newer release",
            schema::LATEST
        ),
    ))
}

/// Refuses files that are not ours, of a later release, or damaged.
fn admit(path: &Path, conn: &Connection) -> Result<(), StoreError> {
    let look = || -> rusqlite::Result<(i32, i32, i64)> {
        let application = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let things = conn.query_row("SELECT COUNT(*) FROM sqlite_schema", (), |row| row.get(0))?;
        Ok((application, version, things))
    };
    let damaged = |why: String| {
        refused(
            path,
            format_args!("it is damaged ({why}); restore a copy, or salvage it with `sqlite3 FILE .recover`"),
        )
    };
    let (application, version, things) = look().map_err(|e| damaged(e.to_string()))?;
    if application != APPLICATION_ID && (application, version, things) != (0, 0, 0) {
        return Err(foreign(path));
    }
    newer(path, version)?;
    let verdict: String =
        conn.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(|e| damaged(e.to_string()))?;
    if verdict == "ok" { Ok(()) } else { Err(damaged(verdict)) }
}

fn prepare(conn: &mut Connection) -> Result<(), StoreError> {
    // Counts for a new file only: an older one keeps its room for later rows.
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!(
            "it cannot have a write-ahead log (journal mode {mode})"
        )));
    }
    for (name, value) in [
        ("synchronous", 2), // FULL: a commit is on disk
        ("foreign_keys", 1),
        ("wal_autocheckpoint", 0), // `checkpoint` does it
        ("journal_size_limit", 64 << 20),
        ("cache_size", -8192), // KiB
    ] {
        conn.pragma_update(None, name, value)?;
    }
    schema::migrate(conn)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::sqlite::{Retention, SqliteStore};

    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn refusal(path: &Path) -> String {
        match SqliteStore::open(path, Retention::default()) {
            Ok(_) => panic!("{} was opened", path.display()),
            Err(error) => error.to_string(),
        }
    }

    fn database(path: &Path, sql: &str) {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }

    #[test]
    fn strange_files_are_refused_and_left_as_they_are() {
        let newer =
            format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99; CREATE TABLE a (b)");
        let cases = [
            ("notes.txt", None, "not an SQLite database"),
            ("grafana.db", Some("CREATE TABLE dashboard (id)"), "another application"),
            (
                "gpkg.db",
                Some("PRAGMA application_id = 1196444487; CREATE TABLE a (b)"),
                "another application",
            ),
            ("wal.db", Some("PRAGMA journal_mode = WAL; CREATE TABLE dashboard (id)"), "another application"),
            ("newer.db", Some(newer.as_str()), "schema is version 99, this larkhorn knows up to 3"),
        ];
        let folder = folder();
        for (name, sql, expected) in cases {
            let path = folder.path().join(name);
            match sql {
                Some(sql) => database(&path, sql),
                None => fs::write(&path, "buy milk\n".repeat(100)).unwrap(),
            }
            let before = fs::read(&path).unwrap();
            let why = refusal(&path);
            assert!(why.contains(expected) && why.contains(name), "{why}");
            assert!(fs::read(&path).unwrap() == before, "{name} was changed");
        }
    }

    #[test]
    fn a_strangers_unfinished_log_is_not_finished_for_them() {
        let (folder, copy) = (folder(), folder());
        let path = folder.path().join("other.db");
        let theirs = Connection::open(&path).unwrap();
        theirs.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE dashboard (id)").unwrap();
        for name in ["other.db", "other.db-wal"] {
            fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let path = copy.path().join("other.db");
        let log = copy.path().join("other.db-wal");
        let before = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
        assert!(refusal(&path).contains("another application"));
        assert!((fs::read(&path).unwrap(), fs::read(&log).unwrap()) == before, "it was changed");
    }

    #[test]
    fn damaged_files_are_refused_and_left_as_they_are() {
        let folder = folder();
        let path = folder.path().join("larkhorn.db");
        drop(SqliteStore::open(&path, Retention::default()).unwrap());
        let sound = fs::read(&path).unwrap();
        let mut torn = sound.clone();
        torn[4096..8192].fill(0x5a);
        let short = sound[..sound.len() / 2].to_vec();
        let headless = [vec![0; 512], sound[512..].to_vec()].concat();
        for (damage, expected) in
            [(torn, "it is damaged"), (short, "it is damaged"), (headless, "head is destroyed")]
        {
            fs::write(&path, &damage).unwrap();
            let why = refusal(&path);
            assert!(why.contains(expected), "{why}");
            assert!(fs::read(&path).unwrap() == damage, "it was changed");
        }
        fs::write(&path, sound).unwrap();
        drop(SqliteStore::open(&path, Retention::default()).unwrap());
    }

    #[test]
    fn a_second_process_is_refused_until_the_first_is_gone() {
        let folder = folder();
        let path = folder.path().join("larkhorn.db");
        let first = SqliteStore::open(&path, Retention::default()).unwrap();
        let why = refusal(&path);
        assert!(why.contains("in use by another larkhorn process"), "{why}");
        drop(first);
        drop(SqliteStore::open(&path, Retention::default()).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_hide_that_the_file_is_in_use() {
        let folder = folder();
        let (path, link) = (folder.path().join("larkhorn.db"), folder.path().join("link.db"));
        let first = SqliteStore::open(&path, Retention::default()).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(refusal(&link).contains("in use by another larkhorn process"));
        drop(first);
    }

    #[cfg(unix)]
    #[test]
    fn new_files_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder();
        let store = SqliteStore::open(&folder.path().join("larkhorn.db"), Retention::default()).unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.path().display());
        }
        drop(store);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_with_the_reason() {
        let folder = folder();
        let occupied = folder.path().join("folder.db");
        fs::create_dir(&occupied).unwrap();
        let mut cases = vec![
            (folder.path().join("missing/larkhorn.db"), "folder"),
            (occupied, "cannot be opened for writing"),
        ];
        if cfg!(target_os = "linux") {
            // Not even root may write there.
            cases.push(("/proc/larkhorn.db".into(), "lock file /proc/larkhorn.db-lock cannot be written"));
        }
        for (path, expected) in cases {
            let why = refusal(&path);
            assert!(why.contains(expected) && why.contains(&*path.to_string_lossy()), "{why}");
        }
    }

    #[test]
    fn a_start_that_was_cut_short_is_begun_again() {
        let folder = folder();
        let path = folder.path().join("larkhorn.db");
        fs::write(&path, "").unwrap();
        drop(SqliteStore::open(&path, Retention::default()).unwrap());
        let path = folder.path().join("half.db");
        database(&path, "PRAGMA journal_mode = WAL");
        assert!(fs::metadata(&path).unwrap().len() > 0);
        drop(SqliteStore::open(&path, Retention::default()).unwrap());
    }
}
