//! The state in a PostgreSQL database, for runners on several machines.
//!
//! Everything lies in the schema `pushplan` of one database; one database holds one state.
//!
//! # One runner
//!
//! Whoever sends holds a session's advisory lock, which ends with its connection. A runner that has lost its
//! connection may not know it yet, and another one may hold the lock by then. So the lock comes with a *fence*: a
//! counter in the state's identity that is raised by whoever takes the lock, and that every commit compares, in its own
//! transaction, with the one it was given. A runner of an older fence commits nothing more, on whichever connection;
//! and no connection is ever made anew, so that an error ends the run.
//!
//! # The rate across machines
//!
//! One runner at a time holds the lock, so that a runner keeps an app's rate by itself, once it knows what its
//! predecessor began within the last second. When that was cannot be told: the times in the journal are of other
//! machines' clocks, and the server's own may be set, or be another server's since. So the last attempts are always
//! taken for ones of this moment, whenever they were ([`Database::has_one_clock`]). That never sends too early, and
//! costs one window of the rate, a second for most, at the start of a run. What a predecessor had begun and not sent
//! when it lost the lock is counted among them; a runner whose connection is gone learns it within a tenth of a
//! second, by the question whether its run is held, and sends nothing further.

mod format;
mod lock;

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::Path;

use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio_postgres::Statement;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::error::{Error, Result};
use super::lock::Holder;
use super::sql::{Cell, Database, Fault, Row, SqlStore, exactly_one};
use crate::campaign::SecretRef;
use crate::postgres::Session;

/// Statements that are sent before the answer to the first of them is waited for. Up to 30 futures are polled in the
/// order in which they are given, and so arrive in it.
const PIPELINE: usize = 30;

/// A state in a PostgreSQL database.
pub type PostgresStore = SqlStore<PostgresServer>;

/// A connection to a database that holds a state.
pub struct PostgresServer {
    session: Session,
    place: String,
    statements: RefCell<HashMap<String, Statement>>,
    /// Of all batches, in order, once they were asked for.
    randoms: OnceCell<Vec<u32>>,
    /// What the lock was taken with; `None` for who only reads, or speaks beside a runner.
    fence: Option<i64>,
}

impl PostgresStore {
    /// Takes the lock and opens a state to write it, and makes it where there is none.
    ///
    /// # Errors
    /// Where there is no connection, somebody else holds the lock, the state is newer than we know, or it was moved
    /// elsewhere.
    pub fn open(dsn: &SecretRef, holder: &Holder) -> Result<Self> {
        let store = Self::open_unchecked(dsn, holder)?;
        store.refuse_moved()?;
        Ok(store)
    }

    /// As [`PostgresStore::open`], also where the state was moved elsewhere: for `state adopt` and `state push`.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], but for the last.
    pub fn open_unchecked(dsn: &SecretRef, holder: &Holder) -> Result<Self> {
        let mut server = PostgresServer::connect(dsn, Access::Write)?;
        server.lock()?;
        server.migrate()?;
        server.take_fence(holder)?;
        Ok(Self::new(server))
    }

    /// Opens a state to write it beside whoever holds the lock.
    ///
    /// # Errors
    /// Where there is no connection or no state, the state is of another format than ours, or it was moved elsewhere.
    pub fn open_beside(dsn: &SecretRef) -> Result<Self> {
        let server = PostgresServer::connect(dsn, Access::Write)?;
        server.require_format()?;
        let store = Self::new(server);
        store.refuse_moved()?;
        Ok(store)
    }

    /// Opens a state to read it, where there is one.
    ///
    /// # Errors
    /// Where there is no connection, or the state is of another format than ours.
    pub fn open_to_read(dsn: &SecretRef) -> Result<Option<Self>> {
        let server = PostgresServer::connect(dsn, Access::Read)?;
        if server.format()? == 0 {
            return Ok(None);
        }
        server.require_format()?;
        Ok(Some(Self::new(server)))
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// What the connection needs of the server, whatever the role's own settings are. A server that does not know one of
/// them is left without it.
///
/// - A commit that was reported is on the server's disk.
/// - Who waits for a lock, as for a runner's transaction, waits as long as with SQLite.
/// - A connection that a machine left without a word ends, and its lock with it, within half a minute.
/// - A runner that stands still in a transaction (a suspended machine) does not hold up everybody else.
/// - A runner that waits for a person is not cut off, nor is one that reads a long table.
fn settings(access: Access) -> String {
    let read_only = if access == Access::Read { "on" } else { "off" };
    format!(
        "SELECT set_config(name, wanted, false) FROM (VALUES
           ('search_path', 'pushplan, pg_temp'),
           ('default_transaction_isolation', 'read committed'),
           ('default_transaction_read_only', '{read_only}'),
           ('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
                                  ELSE current_setting('synchronous_commit') END),
           ('lock_timeout', '5s'),
           ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '4'),
           ('tcp_user_timeout', '30s'),
           ('idle_in_transaction_session_timeout', '60s'),
           ('idle_session_timeout', '0'),
           ('statement_timeout', '0'), ('transaction_timeout', '0')
         ) AS setting (name, wanted) JOIN pg_settings USING (name)"
    )
}

impl PostgresServer {
    fn connect(dsn: &SecretRef, access: Access) -> Result<Self> {
        let place = match dsn {
            SecretRef::Env(name) => format!("postgres (${name})"),
            SecretRef::File(path) => format!("postgres ({})", path.display()),
            SecretRef::Credential(name) => format!("postgres (credential {name})"),
        };
        let session = Session::connect(dsn)?;
        let server =
            Self { session, place, statements: RefCell::default(), randoms: OnceCell::new(), fence: None };
        server.batch(&settings(access)).map_err(|fault| server.error("set up the connection", fault))?;
        Ok(server)
    }

    /// Statements without parameters.
    fn batch(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.session.run(self.session.client.batch_execute(sql))?)
    }

    fn prepared(&self, sql: &str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.session.run(self.session.client.prepare(&sql.replace('?', "$")))?;
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// What to do about an error, where we know.
    fn hint(error: &tokio_postgres::Error) -> Option<&'static str> {
        match error.code() {
            Some(code) if code.code().starts_with("57P") => Some(LOST),
            None if error.is_closed() || error.as_db_error().is_none() => Some(LOST),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                Some("Give the role the rights that the README names under \"Shared state\".")
            }
            Some(&SqlState::LOCK_NOT_AVAILABLE) => Some("Somebody else is writing. Try again."),
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Some(
                "The server takes no writes: the connection string must name the primary, not a replica.",
            ),
            Some(code) if code.code().starts_with("53") => {
                Some("The server has run out of something. Mend that and apply again: the run resumes.")
            }
            _ => None,
        }
    }
}

const LOST: &str = "The connection is gone, and the lock with it: nothing further is sent or committed on it. \
                    Apply again once the server is there: the run resumes.";

impl Database for PostgresServer {
    fn place(&self) -> &str {
        &self.place
    }

    fn error(&self, action: &'static str, fault: Fault) -> Error {
        let place = self.place.clone();
        match fault {
            Fault::Told(error) => *error,
            Fault::Postgres(error) => Error::Postgres {
                place,
                action,
                reason: self.session.words(&error),
                hint: Self::hint(&error),
            },
            other => Error::Damaged { place, what: other.to_string() },
        }
    }

    fn execute(&self, sql: &str, values: &[Cell<'_>]) -> Result<u64, Fault> {
        let statement = self.prepared(sql)?;
        Ok(self.session.run(self.session.client.execute_raw(&statement, values))?)
    }

    fn execute_each(&self, sql: &str, values: &[Vec<Cell<'_>>]) -> Result<(), Fault> {
        let statement = self.prepared(sql)?;
        let client = &self.session.client;
        for values in values.chunks(PIPELINE) {
            let executed = join_all(values.iter().map(|values| client.execute_raw(&statement, values)));
            for rows in self.session.run(executed) {
                exactly_one(rows?)?;
            }
        }
        Ok(())
    }

    fn rows(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let statement = self.prepared(sql)?;
        self.session.run(async {
            let mut rows = Box::pin(self.session.client.query_raw(&statement, values).await?);
            while let Some(row) = rows.next().await.transpose()? {
                each(&row)?;
            }
            Ok(())
        })
    }

    fn begin_to_read(&self) -> Result<(), Fault> {
        // Who reads slowly, as into a pager, holds up nobody. What is emptied (`empty`) is so for older snapshots too,
        // and therefore waits for whoever reads, or fails; the lock comes before the first read, which takes the
        // snapshot.
        self.batch(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET LOCAL idle_in_transaction_session_timeout = 0;
             LOCK TABLE run IN ACCESS SHARE MODE",
        )
    }

    fn begin(&self) -> Result<(), Fault> {
        self.batch("BEGIN")
    }

    fn commit(&self, counts: bool) -> Result<(), Fault> {
        self.check_fence(counts)?;
        self.batch("COMMIT")
    }

    fn roll_back(&self) {
        let _ = self.batch("ROLLBACK");
    }

    fn integrity(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    /// A hundred thousand questions would be as many journeys; the answers to all of them are one.
    fn may_have(&self, msg_random: u32) -> Result<bool, Fault> {
        if self.randoms.get().is_none() {
            let database: &dyn Database = self;
            let mut randoms: Vec<u32> =
                database.all("SELECT msg_random FROM batch", &[], |row| row.get(0))?;
            randoms.sort_unstable();
            let _ = self.randoms.set(randoms);
        }
        Ok(self.randoms.get().is_some_and(|randoms| randoms.binary_search(&msg_random).is_ok()))
    }

    /// Row by row, each would be looked for in every table that refers to it.
    fn empty(&self, tables: &[&str]) -> Result<(), Fault> {
        self.batch(&format!("TRUNCATE {}", tables.join(", ")))
    }

    fn renumber(&self) -> Result<(), Fault> {
        for (table, column) in [("run", "id"), ("change", "serial"), ("event", "serial")] {
            self.batch(&format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), coalesce(max({column}), 0) + 1, false)
                 FROM {table}"
            ))?;
        }
        Ok(())
    }

    fn watermark(&self) -> Option<&Path> {
        None
    }

    fn has_one_clock(&self) -> bool {
        false
    }

    fn address(&self) -> Result<String, Fault> {
        let database: &dyn Database = self;
        database.one("SELECT address FROM identity", &[], |row| row.get(0))
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *kind == Type::INT8 => number.to_sql(kind, out),
            Self::Int(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            // A server's text cannot hold the character 0, and a vendor's could.
            Self::Text(text) if *kind == Type::TEXT => text.replace('\0', "\u{fffd}").to_sql(kind, out),
            Self::Blob(bytes) if *kind == Type::BYTEA => bytes.as_ref().to_sql(kind, out),
            _ => Err(format!("a value does not fit a column of type {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl Row for tokio_postgres::Row {
    fn cell(&self, column: usize) -> Result<Cell<'_>, Fault> {
        fn some<'r, T>(value: Option<T>, cell: impl FnOnce(T) -> Cell<'r>) -> Cell<'r> {
            value.map_or(Cell::Null, cell)
        }
        Ok(match *self.columns()[column].type_() {
            Type::INT8 => some(self.try_get(column)?, Cell::Int),
            Type::INT4 => some(self.try_get(column)?, |number: i32| Cell::Int(number.into())),
            Type::BOOL => some(self.try_get(column)?, |truth: bool| Cell::Int(truth.into())),
            Type::TEXT => some(self.try_get(column)?, |text: &str| Cell::Text(Cow::Borrowed(text))),
            Type::BYTEA => some(self.try_get(column)?, |bytes: &[u8]| Cell::Blob(Cow::Borrowed(bytes))),
            ref other => return Err(Fault::Damaged(format!("a column of type {other}"))),
        })
    }
}
