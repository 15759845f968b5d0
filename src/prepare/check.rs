//! What a campaign file says against what its audience has: columns, variables, and the DataId's length.

use crate::audience::{self, Access, Columns};
use crate::campaign::{AudienceSpec, Draft, Filter, Source};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::message::{DataId, Templates};

/// The number of digits in a DataId is checked for this many batches; a plan with more is checked again.
const USUAL_BATCHES: u32 = 9_999;

/// A stand-in for the occurrence of a scheduled campaign, as long as any.
const SCHEDULED_OCCURRENCE: &str = "20261124T0900Z";

const NOT_CHECKED: &str = "columns-not-checked";

/// Every mistake of a campaign that its file alone does not show. Reads headers, never whole audiences, and runs
/// no program. What `access` keeps from being known is a warning with [`Access::Files`], which is for those who
/// check and do not plan, and else an error.
pub fn check(draft: &Draft, access: Access) -> Diagnostics {
    let mut mistakes = Diagnostics::new();
    let audience = draft.audience.as_ref();
    let columns = audience.and_then(|audience| check_audience(draft, audience, access, &mut mistakes));
    let occurrence = if draft.scheduled { SCHEDULED_OCCURRENCE } else { "once" };
    let constants = [("campaign", draft.id.as_str()), ("occurrence", occurrence)];
    if let Some(message) = &draft.message {
        match (Templates::compile(&draft.document, message, &constants), &columns) {
            (Err(wrong), _) => mistakes.append(wrong),
            (Ok(templates), Some(columns)) => {
                for diagnostic in templates.check_columns(&columns.names) {
                    mistakes.push(softened(diagnostic, columns));
                }
            }
            (Ok(_), None) => {}
        }
    }
    if let Some(data_id) = &draft.data_id
        && let Err(wrong) = DataId::compile(&draft.document, data_id, &constants, USUAL_BATCHES)
    {
        mistakes.append(wrong);
    }
    mistakes.sort();
    mistakes
}

/// The audience against its columns, which are given back where they can be read.
fn check_audience(
    draft: &Draft,
    audience: &AudienceSpec,
    access: Access,
    mistakes: &mut Diagnostics,
) -> Option<Columns> {
    let columns = known_columns(draft, &audience.source, "/audience", access, mistakes);
    if let Some(columns) = &columns {
        account(draft, &audience.account, "/audience", columns, mistakes);
        for filter in audience.filter.iter().chain(&audience.suppress) {
            conditions(draft, filter, columns, mistakes);
        }
        if let Some(column) = &draft.timezone_column
            && !columns.names.contains(column)
        {
            mistakes.push(unknown(draft, "/schedule/timezone_column", column, columns));
        }
    }
    for (index, exclusion) in audience.exclude.iter().enumerate() {
        let pointer = format!("/audience/exclude/{index}");
        if let Some(columns) = known_columns(draft, &exclusion.source, &pointer, access, mistakes) {
            account(draft, &exclusion.account, &pointer, &columns, mistakes);
            if let Some(filter) = &exclusion.filter {
                conditions(draft, filter, &columns, mistakes);
            }
        }
    }
    columns
}

fn known_columns(
    draft: &Draft,
    source: &Source,
    pointer: &str,
    access: Access,
    mistakes: &mut Diagnostics,
) -> Option<Columns> {
    let key = match source {
        Source::Accounts(_) => "accounts",
        Source::Csv(_) => "csv",
        Source::Jsonl(_) => "jsonl",
        Source::Parquet(_) => "parquet",
        Source::Postgres(_) => "postgres",
        Source::Command(_) => "command",
    };
    let at = |code, message| draft.document.at_key(&format!("{pointer}/{key}"), code, message);
    match source {
        Source::Postgres(_) if access < Access::Connections => mistakes.push(
            at(NOT_CHECKED, "the columns of `postgres` are not checked, because no connection is opened")
                .help("`plan --allow-connections` asks the database for them")
                .warning(),
        ),
        Source::Command(_) if access < Access::Connections => mistakes.push(
            at(NOT_CHECKED, "the columns of `command` are not checked, because its program is not run")
                .help("`plan --allow-commands` runs it")
                .warning(),
        ),
        Source::Command(_) if access < Access::Programs => mistakes.push(
            at("command-not-allowed", "`command` runs a program, and that was not allowed")
                .help("look at what it runs, then add `--allow-commands`"),
        ),
        _ => {}
    }
    match audience::columns(source, access) {
        Ok(columns) => columns,
        Err(error) => {
            let pointer = format!("{pointer}/{key}");
            mistakes.push(draft.document.at_value(&pointer, "unreadable-audience", error.to_string()));
            None
        }
    }
}

fn account(draft: &Draft, column: &str, pointer: &str, columns: &Columns, mistakes: &mut Diagnostics) {
    if !columns.names.iter().any(|name| name == column) {
        let pointer = format!("{pointer}/account");
        mistakes.push(unknown(draft, &pointer, column, columns));
    }
}

fn conditions(draft: &Draft, filter: &Filter, columns: &Columns, mistakes: &mut Diagnostics) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => {
            for part in parts {
                conditions(draft, part, columns, mistakes);
            }
        }
        Filter::Not(part) => conditions(draft, part, columns, mistakes),
        Filter::Column { column, pointer, .. } => {
            if !columns.names.contains(column) {
                mistakes.push(unknown(draft, pointer, column, columns));
            }
        }
    }
}

fn unknown(draft: &Draft, pointer: &str, column: &str, columns: &Columns) -> Diagnostic {
    if let Some((_, file)) = columns.partial.iter().find(|(partial, _)| partial == column) {
        let message =
            format!("{} has no column `{column}`, which other files of the audience have", file.display());
        return draft
            .document
            .at_key(pointer, "unknown-column", message)
            .help("every file that the pattern matches must have it");
    }
    let message = format!("the audience has no column `{column}`");
    let help = match nearest(column, columns.names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its columns are {}", columns.names.join(", ")),
    };
    softened(draft.document.at_key(pointer, "unknown-column", message).help(help), columns)
}

/// Where a source has no header, a column may still come in a later row: then it is a warning.
fn softened(diagnostic: Diagnostic, columns: &Columns) -> Diagnostic {
    if columns.complete { diagnostic } else { diagnostic.warning() }
}
