//! Views of runs: a table, one run in full, JSON.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::json;

use super::number::grouped;
use crate::state::{BatchNote, Run, RunEvent, RunStatus, Tally};

/// Batches in doubt that are listed; the rest is counted.
const DOUBTS_SHOWN: usize = 20;

/// Version of the JSON form.
const FORMAT: &str = "pushplan.status/1";

/// Every run, a line each.
pub fn table(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "No runs yet: nothing was applied.\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["RUN", "STATUS", "PLANNED", "ACCEPTED", "FAILED", "IN DOUBT", "SKIPPED", "REMAINING"]);
    for run in runs {
        let Tally { planned, accepted, failed, in_doubt, skipped, remaining } = run.tally;
        let numbers = [planned, accepted, failed, in_doubt, skipped, remaining].map(grouped);
        table.add_row([run.id.clone(), run.status().as_str().replace('_', " ")].into_iter().chain(numbers));
    }
    for column in 2..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n", table.trim_fmt())
}

/// One run in full, with its batches in doubt and its timeline.
pub fn one(run: &Run, in_doubt: &[BatchNote], events: &[RunEvent]) -> String {
    let mut text = format!(
        "{}: {}\n  app        {}\n  frozen     {:.0}\n",
        run.id,
        run.status().as_str().replace('_', " "),
        run.app,
        run.frozen_at
    );
    if let Some(expires_at) = run.expires_at {
        text += &format!("  expires    {expires_at:.0}\n");
    }
    if let Some(opens_at) = run.waits_until.filter(|_| run.status() == RunStatus::Waiting) {
        text += &format!("  waits      for its next wave, which opens at {opens_at:.0}\n");
    }
    text += &format!("  recipients {}\n", run.tally);
    text += &format!(
        "  digests    content {}, audience {}, plan {}\n",
        run.content_digest, run.audience_digest, run.plan_digest
    );
    if !in_doubt.is_empty() {
        text += "  in doubt: the server may or may not have carried these out\n";
        for note in in_doubt.iter().take(DOUBTS_SHOWN) {
            let BatchNote { batch, recipients, msg_random, data_id, answer } = note;
            text += &format!(
                "    batch {batch}, {recipients} recipients, MsgRandom {msg_random}, DataId {data_id}: {answer}\n"
            );
        }
        if in_doubt.len() > DOUBTS_SHOWN {
            text += &format!("    and {} more\n", in_doubt.len() - DOUBTS_SHOWN);
        }
        text += &format!(
            "    `pushplan resolve {}` settles them: --assume-sent, --resend or --assume-not-sent\n",
            run.id
        );
    }
    text += "  timeline\n";
    for RunEvent { at, what, who, why } in events {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        text += &format!("    {at:.0}  {what}, {who}{why}\n");
    }
    text
}

#[derive(Serialize)]
struct RunView<'a> {
    run: &'a str,
    campaign: &'a str,
    occurrence: &'a str,
    app: &'a str,
    status: RunStatus,
    frozen_at: jiff::Timestamp,
    expires_at: Option<jiff::Timestamp>,
    waits_until: Option<jiff::Timestamp>,
    recipients: Tally,
    content_digest: &'a str,
    audience_digest: &'a str,
    digest: &'a str,
}

/// Every run, for machines.
pub fn json(runs: &[Run]) -> String {
    let runs: Vec<RunView<'_>> = runs
        .iter()
        .map(|run| RunView {
            run: &run.id,
            campaign: &run.campaign,
            occurrence: &run.occurrence,
            app: &run.app,
            status: run.status(),
            frozen_at: run.frozen_at,
            expires_at: run.expires_at,
            waits_until: run.waits_until,
            recipients: run.tally,
            content_digest: &run.content_digest,
            audience_digest: &run.audience_digest,
            digest: &run.plan_digest,
        })
        .collect();
    super::json_text(&json!({ "format": FORMAT, "runs": runs }))
}
