//! Where rows come from: one reader a kind of source, behind one trait.
//!
//! A reader turns its format into projected rows and malformed ones; it neither filters nor counts.

mod accounts;
mod csv;
mod file;
mod jsonl;

use super::block::Block;
use super::error::Error;
use crate::campaign::Source;
use crate::diagnostic::nearest;

/// Gives the rows of one source, in its order.
pub(super) trait Reader: Send {
    /// Adds rows until the block is full; `false` once the source has no more.
    fn fill(&mut self, block: &mut Block) -> Result<bool, Error>;
}

/// The columns to project to. The first is the account's.
#[derive(Debug)]
pub(super) struct Wanted(Vec<String>);

impl Wanted {
    pub(super) fn account(column: &str) -> Self {
        Self(vec![column.to_owned()])
    }

    /// The cell index of a column, asking for it where nobody did before.
    pub(super) fn column(&mut self, name: &str) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    fn names(&self) -> &[String] {
        &self.0
    }
}

/// The columns of a source, as far as they can be known without reading all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// In the source's order.
    pub names: Vec<String>,
    /// True where there are surely no others. A JSONL file has no header; a key that its first 1,000 rows do
    /// not have may still stand in a later one.
    pub complete: bool,
}

/// Reads a source's columns: a CSV header, the keys of the first 1,000 JSONL rows (malformed ones passed over),
/// or `account` for a list of accounts.
///
/// # Errors
/// The file cannot be read, or its header row is unusable.
pub fn columns(source: &Source) -> Result<Columns, Error> {
    match source {
        Source::Accounts(_) => Ok(Columns { names: vec![accounts::COLUMN.to_owned()], complete: true }),
        Source::Csv(path) => Ok(Columns { names: csv::header(path)?, complete: true }),
        Source::Jsonl(path) => Ok(Columns { names: jsonl::keys(path)?, complete: false }),
    }
}

/// Opens a source for the rows of these columns.
pub(super) fn open<'s>(source: &'s Source, wanted: &Wanted) -> Result<Box<dyn Reader + 's>, Error> {
    Ok(match source {
        Source::Accounts(accounts) => Box::new(accounts::AccountsReader::new(accounts, wanted)?),
        Source::Csv(path) => Box::new(csv::CsvReader::open(path, wanted)?),
        Source::Jsonl(path) => Box::new(jsonl::JsonlReader::open(path, wanted)?),
    })
}

/// The source as messages name it.
pub(super) fn name(source: &Source) -> String {
    match source {
        Source::Accounts(_) => accounts::NAME.to_owned(),
        Source::Csv(path) | Source::Jsonl(path) => path.display().to_string(),
    }
}

/// Where each wanted column stands among those of a source that names all of its columns.
fn indices(name: &str, wanted: &Wanted, columns: &[String]) -> Result<Vec<usize>, Error> {
    let index = |column: &String| {
        columns.iter().position(|known| known == column).ok_or_else(|| Error::NoColumn {
            name: name.to_owned(),
            column: column.clone(),
            hint: match nearest(column, columns.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", columns.join(", ")),
            },
        })
    };
    wanted.names().iter().map(index).collect()
}
