//! Where rows come from: one reader a kind of source, behind one trait.
//!
//! A reader turns its format into projected rows and malformed ones; it neither filters nor counts.

mod accounts;
mod command;
mod csv;
mod file;
mod files;
mod jsonl;
mod parquet;
mod postgres;

use std::path::{Path, PathBuf};

use super::Access;
use super::block::Block;
use super::error::Error;
use crate::campaign::{Files, Filter, Format, Source};
use crate::diagnostic::nearest;
use files::FilesReader;

/// Gives the rows of one source, in its order.
pub(super) trait Reader: Send {
    /// Adds rows until the block is full; `false` once the source has no more.
    fn fill(&mut self, block: &mut Block<'_>) -> Result<bool, Error>;
}

/// The columns to project to (the first is the account's), and which rows matter.
#[derive(Debug)]
pub(super) struct Wanted {
    names: Vec<String>,
    only: Option<Filter>,
}

impl Wanted {
    pub(super) fn account(column: &str) -> Self {
        Self { names: vec![column.to_owned()], only: None }
    }

    /// The cell index of a column, asking for it where nobody did before.
    pub(super) fn column(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    /// Lets a reader leave out rows for which this filter does not hold, where that spares it reading them. They
    /// are counted, but not looked at: one that is malformed is not told.
    pub(super) fn set_only(&mut self, filter: Option<Filter>) {
        self.only = filter;
    }

    pub(super) fn only(&self) -> Option<&Filter> {
        self.only.as_ref()
    }

    fn names(&self) -> &[String] {
        &self.names
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
    /// Columns that some of the source's files have and others do not, each with a file that does not.
    pub partial: Vec<(String, PathBuf)>,
}

impl Columns {
    fn all(names: Vec<String>) -> Self {
        Self { names, complete: true, partial: Vec::new() }
    }
}

/// Reads a source's columns: those of the CSV or Parquet header (of several files, what all of them have), the keys of the first 1,000
/// JSONL rows of each file (malformed ones passed over), or `account` for a list of accounts. `None` where only
/// reading the source shows them (a program is not run for its header alone), or where `access` keeps them from
/// being known. A query is prepared, not run.
///
/// # Errors
/// A file cannot be read, or its header row is unusable; a database cannot be reached, or refuses the query.
pub fn columns(source: &Source, access: Access) -> Result<Option<Columns>, Error> {
    match source {
        Source::Accounts(_) => Ok(Some(Columns::all(vec![accounts::COLUMN.to_owned()]))),
        Source::Csv(files) => shared(files, csv::header).map(Some),
        Source::Parquet(files) => shared(files, parquet::columns).map(Some),
        Source::Jsonl(files) => {
            let mut names = Vec::new();
            for path in &files.paths {
                let keys = jsonl::keys(path)?;
                names.extend(keys.into_iter().filter(|key| !names.contains(key)).collect::<Vec<_>>());
            }
            Ok(Some(Columns { names, complete: false, partial: Vec::new() }))
        }
        Source::Postgres(postgres) if access >= Access::Connections => {
            postgres::columns(postgres).map(|names| Some(Columns::all(names)))
        }
        Source::Postgres(_) | Source::Command(_) => Ok(None),
    }
}

/// The columns that all files have.
fn shared(files: &Files, header: fn(&Path) -> Result<Vec<String>, Error>) -> Result<Columns, Error> {
    let [first, others @ ..] = files.paths.as_slice() else {
        return Ok(Columns::all(Vec::new()));
    };
    let (mut names, mut partial) = (header(first)?, Vec::new());
    for path in others {
        let here = header(path)?;
        for gone in names.extract_if(.., |name| !here.contains(name)) {
            partial.push((gone, path.clone()));
        }
        let known = |name: &String| names.contains(name) || partial.iter().any(|(column, _)| column == name);
        let added: Vec<String> = here.into_iter().filter(|name| !known(name)).collect();
        partial.extend(added.into_iter().map(|name| (name, first.clone())));
    }
    Ok(Columns { names, complete: true, partial })
}

/// Opens a source for the rows of these columns.
pub(super) fn open<'s>(
    source: &'s Source,
    wanted: &'s Wanted,
    access: Access,
) -> Result<Box<dyn Reader + 's>, Error> {
    Ok(match source {
        Source::Parquet(files) => Box::new(FilesReader::new(files, move |path| {
            Ok(Box::new(parquet::ParquetReader::open(path, wanted)?))
        })),
        Source::Postgres(_) if access < Access::Connections => return Err(Error::ConnectionNotAllowed),
        Source::Postgres(query) => Box::new(postgres::PostgresReader::open(query, wanted)?),
        Source::Command(command) if access < Access::Programs => {
            return Err(Error::ProgramNotAllowed { program: command.program.clone() });
        }
        Source::Command(command) => {
            let output = command::run(command)?;
            match command.format {
                Format::Csv => Box::new(csv::CsvReader::new(output, wanted)?),
                Format::Jsonl => Box::new(jsonl::JsonlReader::new(output, wanted)),
            }
        }
        Source::Accounts(accounts) => Box::new(accounts::AccountsReader::new(accounts, wanted)?),
        Source::Csv(files) => Box::new(FilesReader::new(files, move |path| {
            Ok(Box::new(csv::CsvReader::new(file::open(path)?, wanted)?))
        })),
        Source::Jsonl(files) => Box::new(FilesReader::new(files, move |path| {
            Ok(Box::new(jsonl::JsonlReader::new(file::open(path)?, wanted)))
        })),
    })
}

/// The source as messages name it.
pub(super) fn name(source: &Source) -> String {
    match source {
        Source::Accounts(_) => accounts::NAME.to_owned(),
        Source::Csv(files) | Source::Jsonl(files) | Source::Parquet(files) => {
            files.name.display().to_string()
        }
        Source::Postgres(_) => postgres::NAME.to_owned(),
        Source::Command(command) => format!("the output of {}", command.program),
    }
}

/// The parts of the source whose lines are counted apart, as messages name them: its files.
pub(super) fn places(source: &Source) -> Vec<String> {
    match source {
        Source::Accounts(_) | Source::Postgres(_) | Source::Command(_) => vec![name(source)],
        Source::Csv(files) | Source::Jsonl(files) | Source::Parquet(files) => {
            files.paths.iter().map(|path| path.display().to_string()).collect()
        }
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
