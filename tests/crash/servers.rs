//! A PostgreSQL that can crash, and one that follows it and can take its place.

use std::path::Path;

use crate::cluster::{Cluster, USER};

/// The servers of a scenario.
pub(crate) struct Servers {
    /// Takes writes.
    pub(crate) primary: Cluster,
    /// Follows it, if there is one.
    standby: Option<Cluster>,
    env: Vec<(String, String)>,
}

impl Servers {
    /// One server. `env`: its clock.
    pub(crate) fn one(env: Vec<(String, String)>) -> Self {
        let primary = Cluster::start_in(folder(), env.clone());
        Self { primary, standby: None, env }
    }

    /// Two: the second holds whatever the first has answered for.
    pub(crate) fn two(env: Vec<(String, String)>) -> Self {
        let mut servers = Self::one(env);
        servers.follow();
        servers
    }

    /// Has a new server follow the primary, synchronously.
    fn follow(&mut self) {
        let standby = Cluster::in_folder(folder(), self.env.clone());
        let (port, files) = (self.primary.port.to_string(), standby.files());
        standby.run(
            "pg_basebackup",
            &["-h", "127.0.0.1", "-p", &port, "-U", USER, "-D", &files, "-R", "-X", "stream", "-c", "fast"],
        );
        standby.configure();
        standby.up();
        self.primary.psql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.primary.psql("SELECT pg_reload_conf()");
        self.standby = Some(standby);
    }

    /// Ends the primary as a crash would, and starts it again.
    pub(crate) fn crash_and_recover(&self) {
        self.primary.control(&["-w", "-m", "immediate", "stop"]);
        self.primary.up();
    }

    /// Ends the primary for good, as a crash would; the standby takes its place.
    pub(crate) fn fail_over(&mut self) {
        let standby = self.standby.take().expect("nobody follows");
        self.primary.control(&["-w", "-m", "immediate", "stop"]);
        standby.control(&["-w", "promote"]);
        // Nobody follows it, so it must wait for nobody.
        standby.psql("ALTER SYSTEM RESET synchronous_standby_names");
        standby.psql("SELECT pg_reload_conf()");
        self.primary = standby;
    }

    /// Where pagers find whichever takes writes.
    pub(crate) fn url(&self) -> String {
        let Some(standby) = &self.standby else { return self.primary.url("public") };
        let (one, other) = (self.primary.port, standby.port);
        format!("postgres://{USER}@127.0.0.1:{one},127.0.0.1:{other}/postgres")
    }

    /// Its indexes agree with its rows, and no row belongs to nothing.
    pub(crate) fn assert_sound(&self) {
        self.primary.psql("CREATE EXTENSION IF NOT EXISTS amcheck");
        let checked = self.primary.psql(
            "SELECT count(bt_index_check(c.oid, true)) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
             JOIN pg_am AS a ON a.oid = c.relam
             WHERE a.amname = 'btree' AND c.relnamespace = 'public'::regnamespace",
        );
        assert!(checked.parse::<u32>().unwrap() > 30, "{checked} indexes were looked at");
        for table in ["members", "alerts", "timeline", "cards", "outbox", "pins_wanted", "lines"] {
            let orphans = self.primary.psql(&format!(
                "SELECT count(*) FROM {table} AS t WHERE incident_id IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM incidents AS i WHERE i.id = t.incident_id)"
            ));
            assert_eq!(orphans, "0", "rows of {table} that belong to nothing");
        }
    }
}

fn folder() -> std::path::PathBuf {
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap().keep()
}
