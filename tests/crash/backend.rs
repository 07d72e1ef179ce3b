//! Where the pagers under test keep what they must not lose.
//!
//! The scenarios speak to a [`Backend`] and know nothing of files: another
//! database is a further variant with its own ways to fail (a restart, a
//! promoted standby, a link through a [`Proxy`](crate::proxy::Proxy) that is cut),
//! and several pagers on it are as many [`Pager`](crate::pager::Pager)s with one url.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::cluster::USER;
use crate::servers::Servers;

/// A store of its own for a scenario. Gone when dropped.
pub(crate) enum Backend {
    /// One file, one pager.
    SqliteFile {
        folder: PathBuf,
        /// Keeps the folder; `None` where somebody else does.
        _owned: Option<TempDir>,
    },
    /// A PostgreSQL of its own, several pagers.
    Postgres {
        servers: Servers,
        replicas: usize,
        /// Where pagers find it, where that is not the server itself.
        by_way_of: Option<SocketAddr>,
    },
}

impl Backend {
    /// An SQLite file in a folder of its own.
    pub(crate) fn sqlite() -> Self {
        let owned = tempfile::tempdir().unwrap();
        Self::SqliteFile { folder: fs::canonicalize(owned.path()).unwrap(), _owned: Some(owned) }
    }

    /// An SQLite file in a folder that is there.
    pub(crate) fn sqlite_in(folder: &Path) -> Self {
        Self::SqliteFile { folder: folder.to_owned(), _owned: None }
    }

    /// What `store.url` says.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::SqliteFile { .. } => format!("sqlite://{}", self.file().display()),
            Self::Postgres { servers, by_way_of: None, .. } => servers.url(),
            Self::Postgres { by_way_of: Some(address), .. } => {
                format!("postgres://{USER}@{address}/postgres")
            }
        }
    }

    /// Pagers that share it.
    pub(crate) fn replicas(&self) -> usize {
        match self {
            Self::SqliteFile { .. } => 1,
            Self::Postgres { replicas, .. } => *replicas,
        }
    }

    /// The servers, of which one takes writes.
    pub(crate) fn servers(&mut self) -> &mut Servers {
        match self {
            Self::SqliteFile { .. } => panic!("a file has no server"),
            Self::Postgres { servers, .. } => servers,
        }
    }

    /// The folder whose writes a power cut takes.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::SqliteFile { folder, .. } => folder,
            Self::Postgres { .. } => panic!("a server's files are its own"),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("larkhorn.db")
    }

    /// Whether the database is sound in its own opinion (I4).
    ///
    /// # Panics
    ///
    /// With what is wrong.
    pub(crate) fn assert_sound(&self) {
        match self {
            Self::SqliteFile { .. } => {
                let conn =
                    Connection::open_with_flags(self.file(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
                conn.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                let verdict: String = conn.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
                assert_eq!(verdict, "ok", "integrity of {}", self.file().display());
                let orphans: i64 = conn
                    .query_row("SELECT count(*) FROM pragma_foreign_key_check", (), |row| row.get(0))
                    .unwrap();
                assert_eq!(orphans, 0, "rows of {} that belong to nothing", self.file().display());
            }
            Self::Postgres { servers, .. } => servers.assert_sound(),
        }
    }
}
