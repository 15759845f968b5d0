//! A state as JSON lines, and back: for moving, for looking at, for keeping.
//!
//! The first line names the format; every further line is one row, `{"table": …, "row": {…}}`, tables in an order
//! in which each row's references come before it. Accounts are plain text in it.

use std::io::{BufRead, Read, Write};

use serde_json::{Map, Value, json};

use super::database::{Cell, Database, Fault};
use super::rows::{Packer, accounts_json, unreadable};

/// Name and version of the first line.
const FORMAT: &str = "pushplan.state/3";

/// What is read besides: columns that a row lacks have their defaults.
const OLDER: [&str; 2] = ["pushplan.state/1", "pushplan.state/2"];

/// Longest line that is read: a batch of 500 long accounts stays far below it.
const LINE_MAX: usize = 32 << 20;

/// The tables in order, with their columns in order.
const TABLES: &[(&str, &[&str])] = &[
    ("identity", &["one", "lineage", "serial"]),
    (
        "run",
        &[
            "id",
            "name",
            "campaign",
            "occurrence",
            "app",
            "from_account",
            "content_digest",
            "audience_digest",
            "plan_digest",
            "expires_at",
            "delivery",
            "frozen_at",
            "hold",
            "waits_until",
            "planned",
            "accepted",
            "failed",
            "in_doubt",
            "skipped",
            "remaining",
        ],
    ),
    ("content", &["run", "json"]),
    ("campaign", &["id", "answered"]),
    ("wave", &["run", "number", "windows", "zone"]),
    ("message", &["run", "number", "json"]),
    (
        "batch",
        &[
            "id",
            "msg_random",
            "data_id",
            "message",
            "wave",
            "recipients",
            "status",
            "attempts",
            "failed",
            "code",
            "text",
        ],
    ),
    ("account", &["batch", "json"]),
    ("change", &["serial", "batch", "attempt", "what", "at", "code", "text", "task_id"]),
    ("failed_recipient", &["batch", "account", "code", "text"]),
    ("event", &["serial", "run", "at", "what", "who", "why"]),
];

/// Why a dump could not be written or read.
#[derive(Debug)]
pub(super) enum DumpError {
    /// The database.
    Database(Fault),
    /// The stream.
    Io(std::io::Error),
    /// A line that is not what it should be; counted from 1.
    Line(u64, String),
}

impl From<Fault> for DumpError {
    fn from(fault: Fault) -> Self {
        Self::Database(fault)
    }
}

impl From<std::io::Error> for DumpError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) fn export(database: &dyn Database, out: &mut dyn Write) -> Result<(), DumpError> {
    writeln!(out, "{}", json!({ "format": FORMAT }))?;
    for (table, columns) in TABLES {
        let mut written = Ok(());
        let sql = format!("SELECT {} FROM {table} ORDER BY 1, 2", columns.join(", "));
        let read = database.rows(&sql, &[], &mut |row| {
            let mut fields = Map::new();
            for (index, column) in columns.iter().enumerate() {
                let value = match row.cell(index)? {
                    Cell::Null => Value::Null,
                    Cell::Int(number) => number.into(),
                    Cell::Text(text) => text.into(),
                    Cell::Blob(_) => serde_json::from_str(&accounts_json(row, index)?).map_err(unreadable)?,
                };
                fields.insert((*column).to_owned(), value);
            }
            written = writeln!(out, "{}", json!({ "table": table, "row": fields }));
            if written.is_ok() { Ok(()) } else { Err(unreadable("the export ends here")) }
        });
        // What the stream says comes first: it is why the reading ended.
        written?;
        read?;
    }
    Ok(())
}

/// Empties every table but the identity's.
pub(super) fn clear(database: &dyn Database) -> Result<(), Fault> {
    let tables: Vec<&str> =
        TABLES.iter().map(|(table, _)| *table).filter(|table| *table != "identity").collect();
    database.empty(&tables)
}

/// Reads a dump into a state that holds no run. The caller holds the transaction, and verifies afterwards.
pub(super) fn import(database: &dyn Database, input: &mut dyn BufRead) -> Result<(), DumpError> {
    let mut packer = Packer::default();
    let mut number = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = take_line(input, &mut line)?;
        number += 1;
        let wrong = |why: &str| DumpError::Line(number, why.to_owned());
        if !read {
            break;
        }
        if line.len() >= LINE_MAX {
            return Err(wrong("is longer than any row"));
        }
        let value: Value =
            serde_json::from_slice(&line).map_err(|e| DumpError::Line(number, e.to_string()))?;
        if number == 1 {
            if !OLDER.iter().chain([&FORMAT]).any(|format| value == json!({ "format": format })) {
                return Err(DumpError::Line(1, format!("does not name the format {FORMAT}")));
            }
            continue;
        }
        let (Some(table), Some(row)) = (value["table"].as_str(), value["row"].as_object()) else {
            return Err(wrong("is not a row: it needs `table` and `row`"));
        };
        let Some((table, columns)) = TABLES.iter().find(|(name, _)| *name == table) else {
            return Err(DumpError::Line(number, format!("names the unknown table `{table}`")));
        };
        if let Some(key) = row.keys().find(|key| !columns.contains(&key.as_str())) {
            return Err(DumpError::Line(number, format!("has the unknown column `{key}`")));
        }
        let columns: Vec<&str> = columns.iter().copied().filter(|column| row.contains_key(*column)).collect();
        let values = columns
            .iter()
            .map(|column| cell(table, column, &row[*column], &mut packer))
            .collect::<Result<Vec<Cell<'_>>, _>>()
            .map_err(|why| DumpError::Line(number, why))?;
        database
            .execute_one(&statement(table, &columns), &values)
            .map_err(|e| DumpError::Line(number, e.to_string()))?;
    }
    database.renumber()?;
    if number <= 1 { Err(DumpError::Line(1, "is missing".to_owned())) } else { Ok(()) }
}

/// Only the identity is there already, and becomes that of the dump; any other row twice is a mistake.
fn statement(table: &str, columns: &[&str]) -> String {
    let numbered = || columns.iter().zip(1..);
    if table == "identity" {
        let columns: Vec<String> =
            numbered().map(|(column, number)| format!("{column} = ?{number}")).collect();
        return format!("UPDATE identity SET {}", columns.join(", "));
    }
    let marks: Vec<String> = numbered().map(|(_, number)| format!("?{number}")).collect();
    format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), marks.join(", "))
}

fn cell<'v>(table: &str, column: &str, value: &'v Value, packer: &mut Packer) -> Result<Cell<'v>, String> {
    Ok(match value {
        Value::Null => Cell::Null,
        Value::Number(number) => {
            Cell::Int(number.as_i64().ok_or_else(|| format!("`{column}` is no whole number"))?)
        }
        Value::String(text) => text.into(),
        Value::Array(_) if (table, column) == ("account", "json") => {
            packer.pack(&value.to_string()).map_err(|e| e.to_string())?.into()
        }
        _ => return Err(format!("`{column}` is neither text nor a whole number")),
    })
}

/// Reads a line without its end, and no more than [`LINE_MAX`]; false at the end of the input.
fn take_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    let read = input.take(LINE_MAX as u64).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(read > 0)
}
