//! The format of a state in PostgreSQL: which one it has, and how it becomes the newest.
//!
//! A newer format is refused by name. An older one, and a database without a state, is brought to the newest by
//! whoever holds the lock, in one transaction.

use super::PostgresServer;
use crate::state::error::{Error, Result};
use crate::state::sql::{Database, Fault};

/// What leads from each format to the next; the first makes format 1 where there was nothing.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("migrate_1_to_2.sql")];

/// The newest format this pushplan knows.
const FORMAT: i64 = MIGRATIONS.len() as i64;

impl PostgresServer {
    /// The format of the state; 0 where there is none.
    pub(super) fn format(&self) -> Result<i64> {
        let database: &dyn Database = self;
        let format = || {
            // Asked of the catalogue: a role without rights on the schema may ask too, and is told what it lacks.
            let exists = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_tables
                          WHERE schemaname = 'pushplan' AND tablename = 'identity')";
            match database.one(exists, &[], |row| row.get(0))? {
                true => database.one("SELECT format FROM identity", &[], |row| row.get(0)),
                false => Ok(0),
            }
        };
        format().map_err(|fault| self.error("read its format", fault))
    }

    /// Holds the state to our format.
    pub(super) fn require_format(&self) -> Result<()> {
        match self.format()? {
            FORMAT => Ok(()),
            found if found > FORMAT => Err(Error::Newer { place: self.place.clone(), found, known: FORMAT }),
            0 => Err(Error::Foreign { place: self.place.clone(), why: "it has no tables".to_owned() }),
            found => Err(Error::Foreign {
                place: self.place.clone(),
                why: format!("it still has format {found}, which the next apply brings to format {FORMAT}"),
            }),
        }
    }

    /// Brings the state to the newest format, and makes it where there is none. The caller holds the lock.
    pub(super) fn migrate(&self) -> Result<()> {
        let found = self.format()?;
        if (0..FORMAT).contains(&found) {
            let migrated = self.begin().and_then(|()| {
                let migrated = self.migrate_from(found).and_then(|()| self.batch("COMMIT"));
                migrated.inspect_err(|_| self.roll_back())
            });
            migrated.map_err(|fault| self.error("bring it to the newest format", fault))?;
        }
        self.require_format()
    }

    fn migrate_from(&self, found: i64) -> Result<(), Fault> {
        let database: &dyn Database = self;
        let encoding: String =
            database.one("SELECT current_setting('server_encoding')", &[], |row| row.get(0))?;
        if encoding != "UTF8" {
            let why = format!("the database's encoding is {encoding}, and a state needs UTF8");
            return Err(Error::Foreign { place: self.place.clone(), why }.into());
        }
        // To create it needs more rights than to use one that is there.
        let is_missing =
            "SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'pushplan')";
        if database.one(is_missing, &[], |row| row.get(0))? {
            self.batch("CREATE SCHEMA pushplan")?;
        }
        for migration in &MIGRATIONS[found as usize..] {
            self.batch(migration)?;
        }
        if found == 0 {
            let [lineage, address] = [(); 2].map(|()| format!("{:032x}", fastrand::u128(..)));
            self.batch(&format!(
                "INSERT INTO identity (one, format, lineage, serial, address, fence)
                 VALUES (1, 0, '{lineage}', 0, 'PostgreSQL database {address}', 0)"
            ))?;
        }
        self.batch(&format!("UPDATE identity SET format = {FORMAT}"))
    }
}
