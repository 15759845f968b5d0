//! One file's bytes, through every stage: YAML, secrets, schema, meaning. No I/O.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::document::{Document, join};
use super::spec::{Campaign, Draft, Files};
use super::workspace::Workspace;
use super::{resolve, secret, workspace, yaml};
use crate::diagnostic::{Diagnostics, SourceFile, Span};

/// The keys of a source that name files.
const FILE_KEYS: [&str; 3] = ["csv", "jsonl", "parquet"];

/// What came out of one campaign file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The campaign; `None` where a mistake stands in the way or the workspace is not known.
    pub campaign: Option<Campaign>,
    /// What can be held against the audience; `None` where there is nothing, or a secret stands in the file.
    pub draft: Option<Draft>,
    /// The file's text and places; `None` where it is not YAML.
    pub document: Option<Arc<Document>>,
    /// The id as it is written, also where something else is wrong.
    pub id: Option<String>,
    /// All mistakes.
    pub diagnostics: Diagnostics,
}

/// Why a name or a pattern stands for no audience file.
#[derive(Debug)]
pub struct Absent {
    /// The rule it breaks.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<&'static str>,
}

/// Checks a campaign file. `path` is how the user knows it, `base` the folder its paths are relative to; `find`
/// says which files a name or a pattern stands for, at least one.
pub fn read_campaign(
    path: &Path,
    bytes: Vec<u8>,
    base: &Path,
    find: &dyn Fn(&str) -> Result<Vec<PathBuf>, Absent>,
    workspace: Option<&Workspace>,
) -> Checked {
    let (value, document) = match parse(path, bytes) {
        Ok(parsed) => parsed,
        Err(diagnostics) => {
            return Checked { campaign: None, draft: None, document: None, id: None, diagnostics };
        }
    };
    let id = value["campaign"].as_str().map(str::to_owned);
    let (files, absent) = audience_files(&value, &document, base, find);
    let mut secrets = secret::suspects(&document.source.text);
    for dsn in sources(&value).iter().map(|source| format!("{source}/postgres/dsn")) {
        if value.pointer(&dsn).is_some_and(Value::is_string) {
            secrets.push(document.place(&dsn).value);
        }
    }
    let accounts = account_lists(&value, &document);
    secrets.retain(|secret| {
        !accounts.iter().any(|list| (list.start..list.start + list.len).contains(&secret.start))
    });
    let (campaign, draft, mut diagnostics) = resolve::campaign(value, &document, base, &files, workspace);
    diagnostics.append(absent);
    if campaign.is_none() && workspace.is_some() && !diagnostics.has_errors() {
        // Not known to happen. A campaign left out without a word would be a push that nobody misses.
        diagnostics.push(document.at_value("", "bad-value", "the file cannot be read as a campaign"));
    }
    let campaign = campaign.filter(|_| secrets.is_empty() && !diagnostics.has_errors());
    let draft = draft.filter(|_| secrets.is_empty());
    let diagnostics = secret::conceal(&document.source, secrets, diagnostics);
    Checked { campaign, draft, document: Some(document), id, diagnostics }
}

/// Checks a workspace file. `root` is the folder that holds it.
pub fn read_workspace(path: &Path, bytes: Vec<u8>, root: &Path) -> (Option<Workspace>, Diagnostics) {
    let (value, document) = match parse(path, bytes) {
        Ok(parsed) => parsed,
        Err(diagnostics) => return (None, diagnostics),
    };
    let mut secrets = secret::suspects(&document.source.text);
    let apps = value["apps"].as_object().into_iter().flatten();
    let keys = apps.map(|(name, _)| join(&join("/apps", name), "secret_key"));
    for key in keys.chain(std::iter::once("/state/postgres".to_owned())) {
        if value.pointer(&key).is_some_and(Value::is_string) {
            secrets.push(document.place(&key).value);
        }
    }
    let (workspace, diagnostics) = workspace::workspace(value, &document, root);
    let workspace = workspace.filter(|_| secrets.is_empty());
    (workspace, secret::conceal(&document.source, secrets, diagnostics))
}

/// YAML; where it fails, the text is still searched for secrets, since the mistake would quote it.
fn parse(path: &Path, bytes: Vec<u8>) -> Result<(Value, Arc<Document>), Diagnostics> {
    let (value, document) = yaml::parse(path, bytes).map_err(|mistakes| {
        let source =
            mistakes.iter().find_map(|mistake| mistake.place.as_ref().map(|(source, _)| Arc::clone(source)));
        match source {
            Some(source) => conceal_unparsed(&source, mistakes),
            None => mistakes,
        }
    })?;
    Ok((value, Arc::new(document)))
}

fn conceal_unparsed(source: &Arc<SourceFile>, mistakes: Diagnostics) -> Diagnostics {
    let mut secrets = secret::written_keys(&source.text);
    secrets.extend(secret::suspects(&source.text));
    secret::conceal(source, secrets, mistakes)
}

/// Every source a campaign may name, as the pointer of the map that names it.
fn sources(value: &Value) -> Vec<String> {
    let excluded = value.pointer("/audience/exclude").and_then(Value::as_array).map_or(0, Vec::len);
    let excluded = (0..excluded).map(|index| format!("/audience/exclude/{index}"));
    std::iter::once("/audience".to_owned()).chain(excluded).collect()
}

/// The files of every source, by the JSON pointer that names them, also where another part of the audience has
/// a mistake.
fn audience_files(
    value: &Value,
    document: &Document,
    base: &Path,
    find: &dyn Fn(&str) -> Result<Vec<PathBuf>, Absent>,
) -> (HashMap<String, Files>, Diagnostics) {
    let (mut files, mut absent) = (HashMap::new(), Diagnostics::new());
    for pointer in sources(value).iter().flat_map(|source| FILE_KEYS.map(|key| join(source, key))) {
        let written = value.pointer(&pointer).and_then(Value::as_str).unwrap_or_default();
        if written.is_empty() {
            continue;
        }
        match find(written) {
            Ok(paths) => {
                files.insert(pointer, Files { name: base.join(written), paths });
            }
            Err(Absent { code, message, help }) => {
                let mut diagnostic = document.at_value(&pointer, code, message);
                diagnostic.help = help.map(str::to_owned);
                absent.push(diagnostic);
            }
        }
    }
    (files, absent)
}

/// Accounts may well be hex digits.
fn account_lists(value: &Value, document: &Document) -> Vec<Span> {
    let lists = sources(value).into_iter().map(|source| join(&source, "accounts"));
    lists.filter(|list| value.pointer(list).is_some()).map(|list| document.place(&list).value).collect()
}
