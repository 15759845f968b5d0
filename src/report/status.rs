//! Views of runs: a table, one run in full, JSON.

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::number::grouped;
use crate::state::{BatchNote, Run, RunEvent, RunStatus, Tally};

/// Batches in doubt that are listed; the rest is counted.
const DOUBTS_SHOWN: usize = 20;

/// Name and version of the JSON form.
pub const FORMAT: &str = "pushplan.status/1";

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

/// `status --format json`: where the recipients of every run stand, or of the one that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Statuses<'a> {
    /// Name and version of this form.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// The newest first.
    runs: Vec<RunView<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RunView<'a> {
    /// The run's id.
    run: &'a str,
    /// The campaign's id.
    campaign: &'a str,
    /// Its occurrence: `once`, `r2` or an instant.
    occurrence: &'a str,
    /// The app's name.
    app: &'a str,
    /// Its status in one word.
    status: RunStatus,
    /// When it was frozen; times are RFC 3339.
    #[schemars(with = "String")]
    frozen_at: Timestamp,
    /// When what is not sent yet is no longer sent.
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
    /// When the next of its waves opens, where all that remains waits for one.
    #[schemars(with = "Option<String>")]
    waits_until: Option<Timestamp>,
    /// Where its recipients stand.
    recipients: Tally,
    /// Digest of the content.
    content_digest: &'a str,
    /// Digest of the audience.
    audience_digest: &'a str,
    /// Digest of the plan.
    digest: &'a str,
    /// The batches in doubt, where one run was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_doubt: Option<Vec<Doubt<'a>>>,
    /// Who did what, when and why, where one run was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<&'a [RunEvent]>,
}

/// A batch of which nobody knows whether the server has carried it out.
#[derive(Debug, Serialize, JsonSchema)]
struct Doubt<'a> {
    /// Its number in the run, from 1.
    batch: u32,
    /// 1 to 500.
    recipients: u16,
    /// MsgRandom of its calls.
    msg_random: u32,
    /// DataId of its calls.
    data_id: &'a str,
    /// The vendor's code; 0 where there was none.
    code: i64,
    /// What was last said of it.
    text: &'a str,
}

/// Every run, for machines.
pub fn json(runs: &[Run]) -> String {
    super::json_text(&Statuses { format: FORMAT, runs: runs.iter().map(RunView::new).collect() })
}

/// One run in full, for machines.
pub fn one_json(run: &Run, in_doubt: &[BatchNote], events: &[RunEvent]) -> String {
    let in_doubt = in_doubt.iter().map(Doubt::new).collect();
    let run = RunView { in_doubt: Some(in_doubt), timeline: Some(events), ..RunView::new(run) };
    super::json_text(&Statuses { format: FORMAT, runs: vec![run] })
}

impl<'a> Doubt<'a> {
    fn new(BatchNote { batch, recipients, msg_random, data_id, answer }: &'a BatchNote) -> Self {
        let (code, text) = (answer.code, answer.text.as_str());
        Self { batch: *batch, recipients: *recipients, msg_random: *msg_random, data_id, code, text }
    }
}

impl<'a> RunView<'a> {
    fn new(run: &'a Run) -> Self {
        Self {
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
            in_doubt: None,
            timeline: None,
        }
    }
}
