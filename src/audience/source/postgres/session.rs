//! A query's session: a read-only transaction, and what is asked in it before the rows.

use tokio_postgres::types::Type;

use super::Error;
use crate::campaign::Postgres;
use crate::postgres::{self, Session};

/// The transaction ends with the connection. What it sets makes a result depend on the data alone: not on the
/// server's settings, and not on other scans of the same table, which a sequential scan would join midway.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'iso_8601'; \
                     SET LOCAL TimeZone = 'UTC'; SET LOCAL synchronize_seqscans = off";

/// Connects and begins the transaction.
pub(super) fn open(source: &Postgres) -> Result<Session, Error> {
    let session = Session::connect(&source.dsn).map_err(|error| match error {
        postgres::Error::Secret(error) => Error::Secret(error),
        error => Error::Database { reason: error.to_string() },
    })?;
    session.run(session.client.batch_execute(BEGIN)).map_err(|error| failed(&session, &error))?;
    Ok(session)
}

/// Names and types of a query's columns. Only what the server takes for one statement of its own gets past
/// here, so that no text can break out of the `COPY (…)` that it is put into.
pub(super) fn prepare(session: &Session, query: &str) -> Result<Vec<(String, Type)>, Error> {
    let refused = |reason: &str| Err(Error::Database { reason: format!("the query {reason}") });
    let statement = session.run(session.client.prepare(query)).map_err(|error| failed(session, &error))?;
    if !statement.params().is_empty() {
        return refused("has parameters ($1), and there is nothing to put in their place");
    }
    let columns: Vec<(String, Type)> =
        statement.columns().iter().map(|column| (column.name().to_owned(), column.type_().clone())).collect();
    if columns.is_empty() {
        return refused("returns no rows");
    }
    for (index, (name, _)) in columns.iter().enumerate() {
        if columns[..index].iter().any(|(earlier, _)| earlier == name) {
            return refused(&format!("has the column `{name}` twice: name one of them with `as`"));
        }
    }
    Ok(columns)
}

/// A failure of the query, as against one of the connection.
pub(super) fn failed(session: &Session, error: &tokio_postgres::Error) -> Error {
    Error::Database { reason: format!("the query failed: {}", session.words(error)) }
}
