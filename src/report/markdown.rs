//! A plan as a comment on a pull request: short enough for one, and without anybody's account.
//!
//! Texts of campaigns and audiences stand in fenced blocks only, so that nothing in them is taken for Markdown, a link
//! or the name of a person to notify.

use std::time::Duration;

use super::number::{duration, grouped};
use super::plan::{change_text, message_text};
use crate::plan::change::FieldChange;
use crate::plan::gate::Verdict;
use crate::plan::summary::{Sample, Summaries, Summary};

/// GitHub takes 65,536 characters in a comment; what a workflow adds needs room too.
const BYTES_MAX: usize = 60_000;

/// Room for the note that something was left out.
const NOTE_BYTES: usize = 200;

/// A text is cut here: a comment shows what a message is like.
const TEXT_CHARS: usize = 600;

/// All plans, and what is to be said of other runs. Fewer than 60,000 bytes: what does not fit is left out, run by run,
/// and that is said.
pub fn plan(summaries: &Summaries, notes: &str) -> String {
    let runs = &summaries.runs;
    let mut blocks: Vec<String> = runs.iter().map(run).collect();
    if !notes.is_empty() {
        blocks.push(format!("Other runs:\n\n{}\n", fenced("text", &cut(notes, BYTES_MAX / 4))));
    }
    let mut text = head(runs);
    for (index, block) in blocks.iter().enumerate() {
        if text.len() + block.len() + NOTE_BYTES > BYTES_MAX {
            let left = runs.len() - index.min(runs.len());
            text += &format!(
                "\n**This is cut: {left} more runs are not shown.** `pushplan plan` shows everything.\n"
            );
            break;
        }
        text.push('\n');
        text += block;
    }
    text
}

fn head(runs: &[Summary]) -> String {
    let refused: usize = runs.iter().flat_map(|run| &run.gates).filter(|verdict| verdict.refused).count();
    let mut text = match runs {
        [] => "## pushplan: nothing to send\n".to_owned(),
        runs => {
            let recipients: u64 = runs.iter().map(|run| run.recipients).sum();
            let s = if runs.len() == 1 { "" } else { "s" };
            format!("## pushplan: {} run{s} to {} recipients\n", runs.len(), grouped(recipients))
        }
    };
    if refused > 0 {
        let are = if refused == 1 { "gate refuses" } else { "gates refuse" };
        text += &format!("\n**{refused} {are}: nothing would be sent.**\n");
    }
    text
}

fn run(summary: &Summary) -> String {
    let mut text = format!("### `{}`\n\n", summary.run);
    let seconds = duration(Duration::from_secs_f64(summary.seconds_at_rate));
    text += &format!(
        "**{}** recipients of {} rows, {} messages, {} calls, {seconds} at the configured rate of app `{}`",
        grouped(summary.recipients),
        grouped(summary.audience.rows),
        grouped(summary.messages),
        grouped(summary.calls),
        summary.app
    );
    if let Some(expires_at) = summary.expires_at {
        text += &format!("; expires {expires_at:.0}");
    }
    text += "\n\n";
    if !summary.gates.is_empty() {
        for Verdict { gate, refused, reason } in &summary.gates {
            let (mark, word) = if *refused { ("❌", "refused") } else { ("✅", "passed") };
            text += &format!("- {mark} `{gate}` {word}: {}\n", plain(reason));
        }
        text.push('\n');
    }
    match &summary.change {
        None => text += "The campaign has no run in the state yet.\n\n",
        Some(change) => {
            text += &format!("Against the last run: {}.\n\n", plain(&change_text(summary, change)));
            if !change.fields.is_empty() {
                text += &fenced("diff", &change.fields.iter().map(diff).collect::<String>());
                text.push('\n');
            }
        }
    }
    if !summary.warnings.is_empty() {
        let warnings: String =
            summary.warnings.iter().map(|warning| format!("{}\n", one_line(&warning.to_string()))).collect();
        text += &format!("Warnings:\n\n{}\n", fenced("text", &warnings));
    }
    if !summary.samples.is_empty() {
        let samples: String = summary.samples.iter().map(sample).collect();
        text +=
            &format!("<details><summary>Samples</summary>\n\n{}\n</details>\n\n", fenced("text", &samples));
    }
    text + &format!(
        "Plan `{}`; to approve it:\n\n{}",
        summary.digest,
        fenced("text", &format!("{}\n", summary.approval))
    )
}

fn diff(FieldChange { field, before, now }: &FieldChange) -> String {
    let line = |sign, text: &Option<String>| {
        text.as_ref().map_or_else(String::new, |text| format!("{sign} {field}: {}\n", one_line(text)))
    };
    line('-', before) + &line('+', now)
}

fn sample(sample: &Sample) -> String {
    format!("{}: {}\n", masked(&sample.account), one_line(&message_text(sample)))
}

/// The first characters of an account, enough to find it for who may see them all: at most two, and a third of it.
fn masked(account: &str) -> String {
    let shown = (account.chars().count() / 3).min(2);
    account.chars().take(shown).chain("***".chars()).collect()
}

fn one_line(text: &str) -> String {
    cut(&text.split(['\r', '\n']).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ⏎ "), TEXT_CHARS)
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A sentence of ours that may quote a name: nothing in it is markup.
fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut plain, char| {
        if matches!(char, '\\' | '`' | '*' | '_' | '<' | '[' | ']' | '@' | '#' | '|') {
            plain.push('\\');
        }
        plain.push(char);
        plain
    })
}

/// A block that nothing in its text can end.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_account_tells_little() {
        for (account, shown) in [("", "***"), ("ann", "a***"), ("u000123", "u0***"), ("äöüß", "ä***")] {
            assert_eq!(masked(account), shown);
        }
    }

    #[test]
    fn a_text_cannot_end_its_block() {
        let block = fenced("text", "a ```` b");
        assert!(block.starts_with("`````text\n") && block.ends_with("\n`````\n"), "{block}");
    }
}
