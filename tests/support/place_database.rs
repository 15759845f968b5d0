//! The benches of this test binary keep their state in a PostgreSQL database, each in one of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pushplan::campaign::{SecretRef, StateLocation};

use crate::server::Server;

/// Of the steps at which a process is killed: every so many, from a random one on. Each needs a database of its own, and
/// most of them are the same few kinds of step.
pub const KILLS_EVERY: usize = 5;

pub struct Place {
    pub server: Arc<Server>,
    /// The database's name.
    pub database: String,
    url: PathBuf,
}

impl Place {
    /// What the workspace file says of it.
    pub const YAML: &str = "state: { postgres: { file: state-url } }\n";
    /// What every command needs to be told.
    pub const ARGS: &[&str] = &["--allow-connections"];

    /// A new one, for a workspace in this folder.
    pub fn new(folder: &Path) -> Self {
        Self::on(Server::shared(), folder)
    }

    pub fn on(server: Arc<Server>, folder: &Path) -> Self {
        let database = server.create_database();
        let url = folder.join("state-url");
        std::fs::write(&url, server.dsn_of(&database)).unwrap();
        Self { server, database, url }
    }

    pub fn location(&self) -> StateLocation {
        StateLocation::Postgres(self.dsn())
    }

    pub fn dsn(&self) -> SecretRef {
        SecretRef::File(self.url.clone())
    }

    /// Runs SQL in the database, as its administrator.
    pub fn run(&self, sql: &str) {
        self.server.run_in(&self.database, sql);
    }

    /// Ends every connection that a runner has to the database, as a failing server or network would.
    pub fn cut_connections(&self) {
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'pushplan'",
        );
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.server.drop_database(&self.database);
    }
}
