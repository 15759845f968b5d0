//! One runner at a time: an advisory lock of the session, and the fence that comes with it.

use jiff::Timestamp;
use tokio_postgres::error::SqlState;

use super::PostgresServer;
use crate::state::error::{Error, Result};
use crate::state::lock::Holder;
use crate::state::sql::{Database, Fault, cells, refuse_moved};

/// Advisory locks are numbered, and each database has its own: "pushplan" in ASCII.
const LOCK: u64 = u64::from_be_bytes(*b"pushplan");

/// A killed runner's connection takes the server a moment to notice; a living one's lock is not waited for.
const PATIENCE: &str = "1s";

impl PostgresServer {
    /// Takes the lock; the connection's end releases it.
    pub(super) fn lock(&self) -> Result<()> {
        // Within a transaction, so that the patience ends with it; the lock is the session's all the same.
        let taken = self.batch(&format!(
            "BEGIN; SET LOCAL lock_timeout = '{PATIENCE}'; SELECT pg_advisory_lock({LOCK}); COMMIT"
        ));
        match taken {
            Err(Fault::Postgres(error)) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                self.roll_back();
                Err(Error::Held { place: self.place.clone(), holder: self.holder() })
            }
            taken => taken.map_err(|fault| self.error("take the lock", fault)),
        }
    }

    /// Raises the fence: whoever had the lock before commits nothing more. The caller holds the lock.
    pub(super) fn take_fence(&mut self, holder: &Holder) -> Result<()> {
        let database: &dyn Database = self;
        let fence = database.one(
            "UPDATE identity SET fence = fence + 1, host = ?1, pid = ?2, command = ?3,
                    since = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)
             RETURNING fence",
            &cells![&holder.host, holder.pid, &holder.command],
            |row| row.get(0),
        );
        self.fence = Some(fence.map_err(|fault| self.error("take the lock", fault))?);
        Ok(())
    }

    /// Counts the transaction where it is to be counted, and holds it to the fence. The row stays locked until the
    /// transaction's end, so that a new holder's fence comes before all of it or after all of it. What moved elsewhere
    /// since this connection was made counts nothing more: it would not be looked for here.
    pub(super) fn check_fence(&self, counts: bool) -> Result<(), Fault> {
        let met = self.execute(
            "UPDATE identity SET serial = serial + ?1
             WHERE fence = coalesce(?2, fence) AND (moved_to IS NULL OR ?1 = 0)",
            &cells![i64::from(counts), self.fence],
        )?;
        if met == 1 {
            return Ok(());
        }
        refuse_moved(self)?;
        Err(Error::Fenced { place: self.place.clone(), holder: self.holder() }.into())
    }

    /// Who took the lock last. Where it cannot be asked, as while the first runner makes the tables, it is said to be
    /// unknown.
    fn holder(&self) -> Holder {
        let database: &dyn Database = self;
        let holder = database.find("SELECT pid, host, since, command FROM identity", &[], |row| {
            let since = Timestamp::from_millisecond(row.get(2)?);
            Ok(Holder {
                pid: row.get(0)?,
                host: row.get(1)?,
                since: since.map_err(|e| Fault::Damaged(e.to_string()))?,
                command: row.get(3)?,
            })
        });
        holder.ok().flatten().unwrap_or_else(Holder::unknown)
    }
}

impl Drop for PostgresServer {
    /// The next command may come before the server has noticed that this connection is closed.
    fn drop(&mut self) {
        if self.fence.is_some() {
            let _ = self.batch(&format!("SELECT pg_advisory_unlock({LOCK})"));
        }
    }
}
