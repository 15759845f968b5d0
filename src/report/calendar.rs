//! Views of the calendar: what is due in the next days.

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::number::grouped;
use crate::calendar::{Calendar, Expected, Late};

/// Runs that are listed; the rest is counted.
const RUNS_SHOWN: usize = 100;

/// The calendar for people. Times are in UTC, to the minute.
pub fn text(calendar: &Calendar) -> String {
    let until = minute(calendar.until);
    if calendar.runs.is_empty() {
        return format!("Nothing is due until {until} UTC.\n");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["OPENS (UTC)", "RUN", "APP", "RECIPIENTS", "CALLS", "STARTS", "FINISHES", "EXPIRES"]);
    for run in calendar.runs.iter().take(RUNS_SHOWN) {
        table.add_row([
            run.opens_at.map_or_else(|| "now".to_owned(), minute),
            run.run.clone(),
            run.app.clone(),
            grouped(run.recipients),
            grouped(run.calls),
            run.starts_at.map(minute).unwrap_or_default(),
            finish(run),
            run.expires_at.map_or_else(|| "never".to_owned(), minute),
        ]);
    }
    for column in 3..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{}\n", table.trim_fmt());
    if calendar.runs.len() > RUNS_SHOWN {
        let more = calendar.runs.len() - RUNS_SHOWN;
        text += &format!("and {} more until {until} UTC; `--format json` has all\n", grouped(more as u64));
    }
    for run in &calendar.runs {
        if run.skipped > 0 {
            let skipped = grouped(run.skipped);
            text += &format!(
                "{}: {skipped} recipients get nothing: their time zone is not known, or they have no window then\n",
                run.run
            );
        }
        if let Some(late) = &run.late {
            text += &late_text(run, late);
        }
    }
    text
}

fn finish(run: &Expected) -> String {
    match (run.finishes_at, &run.late) {
        (Some(at), _) => minute(at),
        (None, Some(_)) => "late".to_owned(),
        (None, None) => String::new(),
    }
}

fn late_text(run: &Expected, late: &Late) -> String {
    let Late { unsent, beside } = late;
    let unsent = grouped(*unsent);
    let (id, app) = (&run.run, &run.app);
    if beside.is_empty() {
        return format!(
            "{id}: late: about {unsent} recipients do not fit into its window at the rate of app {app}\n  \
             lengthen `expires_after`, or raise the app's `rate`\n"
        );
    }
    format!(
        "{id}: late: about {unsent} recipients do not fit into its window, since {} share the pace of app {app}\n  \
         move one of them, lengthen `expires_after`, or raise the app's `rate`\n",
        beside.join(", ")
    )
}

fn minute(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The calendar for machines.
pub fn json(calendar: &Calendar) -> String {
    super::json_text(calendar)
}
