//! Views of what is to be done: plans, runs that go on, runs that are settled, and the accounting.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::number::{duration, grouped};
use crate::calendar::Calendar;
use crate::executor::Pause;
use crate::plan::RunHeader;
use crate::plan::change::{Change, FieldChange};
use crate::plan::gate::Verdict;
use crate::plan::summary::{Sample, Summaries, Summary};
use crate::state::{Identity, Run, RunStatus, Tally};

/// Plans in full, one below the other.
pub fn texts(summaries: &Summaries) -> String {
    summaries.runs.iter().map(text).collect()
}

/// One plan in full.
pub fn text(summary: &Summary) -> String {
    let stats = &summary.audience;
    let mut text = format!("{}\n", summary.run);
    let mut line = |label: &str, value: String| text += &format!("  {label:<12} {value}\n");

    line("recipients", format!("{} of {} rows", grouped(summary.recipients), grouped(stats.rows)));
    let dropped = [
        (stats.filtered, "rows not matching `where`"),
        (stats.duplicates, "duplicate rows"),
        (stats.conflicting, "of these with other values (the first row wins)"),
        (stats.suppressed, "accounts matching `suppress_where`"),
        (stats.excluded, "accounts excluded"),
        (stats.others, "accounts that are done with"),
        (stats.bad, "malformed rows let pass"),
    ];
    for (count, what) in dropped.into_iter().filter(|(count, _)| *count > 0) {
        line("", format!("{what}: {}", grouped(count)));
    }
    line("messages", format!("{} distinct", grouped(summary.messages)));
    let seconds = duration(Duration::from_secs_f64(summary.seconds_at_rate));
    line("calls", format!("{}, {seconds} at the configured rate", grouped(summary.calls)));
    line("app", format!("{}, {}", summary.app, summary.target));
    if let Some(expires_at) = summary.expires_at {
        line("expires", format!("{expires_at:.0}"));
    }
    line("DataId", summary.data_ids.join(" … "));
    for (index, sample) in summary.samples.iter().enumerate() {
        line(if index == 0 { "samples" } else { "" }, sample_text(sample));
    }
    for (index, warning) in summary.warnings.iter().enumerate() {
        line(if index == 0 { "warnings" } else { "" }, warning.to_string());
    }
    for (index, verdict) in summary.gates.iter().enumerate() {
        line(if index == 0 { "gates" } else { "" }, gate_text(verdict));
    }
    if let Some(change) = &summary.change {
        line("changes", change_text(summary, change));
        for change in &change.fields {
            line("", field_text(change));
        }
    }
    line("digests", format!("content  {}", summary.content_digest));
    line("", format!("audience {}", summary.audience_digest));
    line("", format!("plan     {}", summary.digest));
    line("approval", summary.approval.clone());
    text
}

fn gate_text(Verdict { gate, refused, reason }: &Verdict) -> String {
    format!("{gate}: {}; {reason}", if *refused { "refused" } else { "passed" })
}

/// What a campaign says otherwise, a line each below the sentence that this ends; nothing where it is not known.
pub fn fields_text(fields: &[FieldChange]) -> String {
    fields.iter().map(|change| format!("\n    {}", field_text(change))).collect()
}

fn field_text(FieldChange { field, before, now }: &FieldChange) -> String {
    let (before, now) = (before.as_deref().map(one_line), now.as_deref().map(one_line));
    match (before, now) {
        (Some(before), Some(now)) => format!("{field}: {before} → {now}"),
        (None, Some(now)) => format!("{field}: new, {now}"),
        (Some(before), None) => format!("{field}: gone, was {before}"),
        (None, None) => field.clone(),
    }
}

/// What changes against the last run, but for the fields.
pub(super) fn change_text(summary: &Summary, change: &Change) -> String {
    let (before, now) = (change.recipients, summary.recipients);
    let sign = if now < before { "-" } else { "+" };
    let by = grouped(now.abs_diff(before));
    let percent = 100.0 * now.abs_diff(before) as f64 / before.max(1) as f64;
    let content = if change.content { "other content" } else { "the same content" };
    format!(
        "{content}, {sign}{by} recipients ({sign}{percent:.1}%) against {} of {:.0}",
        change.run, change.frozen_at
    )
}

/// The gates that refuse a run.
pub fn gates_refused(run: &str, refused: &[&Verdict]) -> String {
    refused
        .iter()
        .map(|Verdict { gate, reason, .. }| format!("{run}: gate {gate} refuses it: {reason}\n"))
        .collect()
}

/// Why nothing is sent, from [`gates_refused`].
pub fn refused(runs: &[String]) -> String {
    format!(
        "{}Nothing was sent. Mend it, or send it all the same with `apply --override GATE --reason TEXT`.",
        runs.concat()
    )
}

/// Where a saved plan comes from, below it.
pub fn saved(version: &str, made_at: Timestamp, state: Option<&Identity>) -> String {
    let state = match state {
        Some(Identity { lineage, serial }) => format!("beside the state {lineage} at serial {serial}"),
        None => "where there was no state".to_owned(),
    };
    format!("saved {made_at:.0} by pushplan {version}, {state}\n")
}

/// Why a plan file or an approval is no longer good for sending.
pub fn stale(what: &str, differences: &[String], then: &str) -> String {
    format!("{what} is stale; nothing was sent\n  {}\n{then}", differences.join("\n  "))
}

fn sample_text(sample: &Sample) -> String {
    one_line(&format!("{}: {}", sample.account, message_text(sample)))
}

/// Title and body.
pub(super) fn message_text(sample: &Sample) -> String {
    let message: Value = serde_json::from_str(&sample.message).unwrap_or_default();
    let field = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
    format!("{} | {}", field("Title"), field("Desc"))
}

/// Somebody's text in a line of ours: it begins no line of its own, and moves no cursor.
pub(super) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.split(['\r', '\n']).filter(|line| !line.is_empty()).collect();
    lines.join(" ⏎ ").replace(char::is_control, "\u{fffd}")
}

/// `plan --format json`: the plans of all campaigns that are due.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Plans<'a> {
    #[serde(flatten)]
    summaries: &'a Summaries,
    /// What is due after that, where `--until` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    calendar: Option<&'a Calendar>,
}

/// All plans, for machines, and the calendar where it was asked for.
pub fn json(summaries: &Summaries, calendar: Option<&Calendar>) -> String {
    super::json_text(&Plans { summaries, calendar })
}

/// A run that goes on.
pub fn resume(run: &Run) -> String {
    format!(
        "{}: unfinished; {} of {} recipients remain, from the audience frozen {:.0}\n",
        run.id,
        grouped(run.tally.remaining),
        grouped(run.tally.planned),
        run.frozen_at
    )
}

/// A run whose next wave is not open yet.
pub fn waiting(run: &Run, opens_at: Timestamp) -> String {
    format!(
        "{}: waits for its next wave, which opens at {opens_at:.0}; {} of {} recipients remain\n",
        run.id,
        grouped(run.tally.remaining),
        grouped(run.tally.planned)
    )
}

/// An occurrence that is not sent any more.
pub fn missed(run: &RunHeader, why: &str) -> String {
    format!("{}: missed; {why}\n", run.run_id)
}

/// Nothing is due now, in one line.
pub fn nothing_due(next: Option<(&str, Timestamp)>) -> String {
    match next {
        Some((what, at)) => format!("nothing is due; next is {what} at {at:.0}\n"),
        None => "nothing is due, and nothing will be\n".to_owned(),
    }
}

/// A run that waits for a person.
pub fn held(run: &Run) -> String {
    format!(
        "{}: paused; {} of {} recipients remain\n  `pushplan status {}` says why; `pushplan resume {}` lets it go on\n",
        run.id,
        grouped(run.tally.remaining),
        grouped(run.tally.planned),
        run.id,
        run.id
    )
}

/// An unfinished run whose audience is no longer what it was when the run was frozen.
pub fn audience_drift(run: &Run, now: u64) -> String {
    format!(
        "{}: the audience has changed since it was frozen ({} recipients then, {} now); the run goes on with the frozen one\n",
        run.id,
        grouped(run.tally.planned),
        grouped(now)
    )
}

/// An unfinished run whose audience cannot be read now.
pub fn unknown_drift(run: &Run, why: &str) -> String {
    format!("{}: whether its audience has changed is not known: {why}\n", run.id)
}

/// A run of which nothing is sent any more.
pub fn settled(run: &Run, changed: bool) -> String {
    let status = run.status().as_str().replace('_', " ");
    let mut text = format!("{}: {status}; nothing to send\n", run.id);
    if run.status() == RunStatus::InDoubt {
        text += &format!(
            "  `pushplan status {}` lists the batches in doubt, `pushplan resolve` settles them\n",
            run.id
        );
    }
    if changed && run.occurrence.starts_with(['o', 'r']) {
        text += "  the campaign has changed since; raise its `revision` to send it again\n";
    }
    text
}

/// A run that this apply does not touch.
pub fn left(run: &str, why: &str) -> String {
    format!("{run}: left alone; {why}\n")
}

/// A campaign of which nothing is due.
pub fn not_due(campaign: &str, next: Option<Timestamp>) -> String {
    match next {
        Some(next) => format!("{campaign}: not due; next at {next:.0}\n"),
        None => format!("{campaign}: not due, and it has no occurrence left\n"),
    }
}

/// Why a run whose campaign has changed is not gone on with; `fields` are what is known of the change.
pub fn changed(run: &Run, fields: &[FieldChange]) -> String {
    let Run { id, campaign, tally, .. } = run;
    let remaining = grouped(tally.remaining);
    let fields = fields_text(fields);
    format!(
        "{id} is unfinished ({remaining} recipients remain), and campaign '{campaign}' is no longer what it was frozen from{fields}\n\
         Nothing was sent. Choose one:\n  \
           undo the change of the file, and apply again\n  \
           `pushplan apply --replan` gives the {remaining} the new content\n  \
           `pushplan apply --as-frozen` sends the {remaining} what was approved when the run was frozen\n  \
           `pushplan cancel {id}` gives them up; then raise `revision` to send the new content"
    )
}

/// What a person is asked before anything is sent.
pub fn question(
    starts: impl ExactSizeIterator<Item = u64>,
    resumes: impl ExactSizeIterator<Item = u64>,
) -> String {
    let runs = starts.len() + resumes.len();
    let recipients: u64 = starts.chain(resumes).sum();
    let runs = if runs == 1 { "this run".to_owned() } else { format!("these {runs} runs") };
    format!("Send {runs} to {} recipients?", grouped(recipients))
}

/// Why a run stopped before its end, and what to do.
pub fn paused(run: &str, pause: &Pause) -> String {
    match pause {
        Pause::Signal => format!("{run}: stopped; apply again to go on"),
        Pause::Operator => format!("{run}: stopped by a person; `pushplan status {run}` says who and why"),
        Pause::Breaker(why) => {
            format!(
                "{run}: paused: {why}\n  look at `pushplan failures {run}` and `pushplan status {run}`; `pushplan resume {run}` lets it go on"
            )
        }
        Pause::Vendor(answer) => {
            let hint = crate::timpush::hint(answer.code).map_or(String::new(), |hint| format!("\n  {hint}"));
            format!("{run}: paused: the vendor answered {answer}{hint}\n  apply again once it is mended")
        }
        Pause::Unavailable(answer) => {
            format!(
                "{run}: paused: the server could not be reached or did not answer usefully, time and again: {answer}\n  \
                 check the app's `region` or `endpoint` and the network; apply again to go on"
            )
        }
    }
}

/// A server's clock is far from this machine's. `skew` is how far it is ahead.
pub fn clock_skew(app: &str, skew: SignedDuration) -> String {
    let by = duration(skew.unsigned_abs());
    let way = if skew.is_negative() { "ahead of" } else { "behind" };
    format!(
        "warning: this machine's clock is {by} {way} the one of app {app}'s server\n  \
         schedules, expiry and UserSigs go by this machine's: see `timedatectl`"
    )
}

/// A line a run, and the sum as the last line.
pub fn accounting(runs: &[Run], sum: Tally) -> String {
    let mut text: String = runs
        .iter()
        .map(|run| match run.waits_until.filter(|_| run.status() == RunStatus::Waiting) {
            None => format!("{}: {}\n", run.id, run.tally),
            Some(at) => format!("{}: {}; its next wave opens at {at:.0}\n", run.id, run.tally),
        })
        .collect();
    text += &format!("total: {sum}\n");
    text
}
