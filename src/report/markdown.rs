//! A plan as a comment on a pull request: short enough for one, and without anybody's account.
//!
//! Texts of campaigns and audiences stand in fenced blocks only, so that nothing in them is taken for Markdown, a link
//! or the name of a person to notify.

use std::time::Duration;

use super::number::{duration, grouped};
use super::plan::{self, change_text, message_text};
use crate::plan::change::FieldChange;
use crate::plan::gate::Verdict;
use crate::plan::summary::{Sample, Summaries, Summary};

/// GitHub takes 65,536 characters in a comment; what a workflow adds needs room too.
const BYTES_MAX: usize = 60_000;

/// Room for saying that something was left out.
const NOTE_BYTES: usize = 300;

/// A text is cut here: a comment shows what a message is like.
const TEXT_CHARS: usize = 600;

/// What is said of other runs is cut here.
const NOTES_CHARS: usize = 8_000;

/// Gates that refuse are listed so far; the rest is counted.
const REFUSED_SHOWN: usize = 20;

/// All plans, and what is to be said of other runs. Fewer than 60,000 bytes: of a run that does not fit in full there is
/// a line with its approval, and what is left out even so is counted.
pub fn plan(summaries: &Summaries, notes: &str) -> String {
    let runs = &summaries.runs;
    let mut text = head(runs, notes);
    if !notes.is_empty() {
        text += &format!("\nOther runs:\n\n{}", fenced("text", &cut(notes, NOTES_CHARS)));
    }
    // Room is kept for a line of each run that follows.
    let lines: Vec<String> = runs.iter().map(line).collect();
    let mut room = BYTES_MAX.saturating_sub(text.len() + NOTE_BYTES);
    let mut kept: usize = lines.iter().map(String::len).sum();
    let mut in_full = 0;
    for (summary, line) in runs.iter().zip(&lines) {
        let block = run(summary);
        kept -= line.len();
        if block.len() + 1 + kept > room {
            break;
        }
        room -= block.len() + 1;
        text = text + "\n" + &block;
        in_full += 1;
    }
    let rest = &lines[in_full..];
    if rest.is_empty() {
        return text;
    }
    text += "\n**This is cut; `pushplan plan` shows everything.** Also to be sent:\n\n";
    let mut told = 0;
    for line in rest {
        if line.len() > room {
            break;
        }
        room -= line.len();
        text += line;
        told += 1;
    }
    if told < rest.len() {
        text += &format!("- and {} more runs, of which nothing is shown\n", rest.len() - told);
    }
    text
}

fn head(runs: &[Summary], notes: &str) -> String {
    let mut text = match runs {
        [] if notes.is_empty() => "## pushplan: nothing to send\n".to_owned(),
        [] => "## pushplan: no new run\n".to_owned(),
        runs => {
            let recipients: u64 = runs.iter().map(|run| run.recipients).sum();
            let s = if runs.len() == 1 { "" } else { "s" };
            format!("## pushplan: {} run{s} to {} recipients\n", runs.len(), grouped(recipients))
        }
    };
    let refused: Vec<String> = runs
        .iter()
        .flat_map(|run| run.gates.iter().filter(|verdict| verdict.refused).map(move |verdict| (run, verdict)))
        .map(|(run, Verdict { gate, reason, .. })| {
            format!("- ❌ `{}` `{gate}`: {}\n", run.run, plain(reason))
        })
        .collect();
    if !refused.is_empty() {
        let are = if refused.len() == 1 { "gate refuses" } else { "gates refuse" };
        text += &format!("\n**{} {are}: nothing would be sent.**\n\n", refused.len());
        text.extend(refused.iter().take(REFUSED_SHOWN).cloned());
        if refused.len() > REFUSED_SHOWN {
            text += &format!("- and {} more\n", refused.len() - REFUSED_SHOWN);
        }
    }
    text
}

/// A run of which there is no room for more.
fn line(summary: &Summary) -> String {
    format!(
        "- `{}`: {} recipients, approval `{}`\n",
        summary.run,
        grouped(summary.recipients),
        summary.approval
    )
}

fn run(summary: &Summary) -> String {
    let mut text = format!("### `{}`\n\n", summary.run);
    let seconds = duration(Duration::from_secs_f64(summary.seconds_at_rate));
    text += &format!(
        "**{}** recipients of {} rows, {} messages, {} calls, {seconds} at the configured rate of app `{}`, {}",
        grouped(summary.recipients),
        grouped(summary.audience.rows),
        grouped(summary.messages),
        grouped(summary.calls),
        summary.app,
        plain(&summary.target)
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
    let Sample { account, .. } = sample;
    let masked = masked(account);
    // A template may write the account too.
    format!("{masked}: {}\n", one_line(&without(account, &masked, &message_text(sample))))
}

/// The first characters of an account, enough to find it for who may see them all: at most two, and a third of it.
fn masked(account: &str) -> String {
    let shown = (account.chars().count() / 3).min(2);
    account.chars().take(shown).chain("***".chars()).collect()
}

/// A text in which an account that stands in it as a word is masked.
fn without(account: &str, masked: &str, text: &str) -> String {
    let is_part = |char: Option<char>| char.is_some_and(char::is_alphanumeric);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(account).filter(|_| !account.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + account.len()..]);
        let is_word = !is_part(before.chars().next_back().or(out.chars().next_back()))
            && !is_part(after.chars().next());
        out += before;
        out += if is_word { masked } else { account };
        rest = after;
    }
    out + rest
}

fn one_line(text: &str) -> String {
    cut(&plan::one_line(text), TEXT_CHARS)
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
    fn an_account_is_masked_where_a_message_names_it() {
        for (text, shown) in [
            ("Your id is u000123.", "Your id is u0***."),
            ("u000123|u000123", "u0***|u0***"),
            ("xu000123, u0001234", "xu000123, u0001234"),
            ("", ""),
        ] {
            assert_eq!(without("u000123", "u0***", text), shown);
        }
        assert_eq!(without("", "***", "a b"), "a b");
    }

    #[test]
    fn a_text_cannot_end_its_block() {
        let block = fenced("text", "a ```` b");
        assert!(block.starts_with("`````text\n") && block.ends_with("\n`````\n"), "{block}");
    }
}
