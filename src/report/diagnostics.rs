//! What an author's mistakes look like: on a terminal (with the quoted line, a caret and the fix) and as
//! JSON.

use std::collections::BTreeSet;
use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceSpan};
use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};

/// Name and version of the JSON form.
pub const FORMAT: &str = "pushplan.diagnostics/1";

/// All mistakes and a closing line that counts them; empty where there are none.
///
/// `width` is in columns; colour is ANSI and only where asked for.
pub fn text(diagnostics: &Diagnostics, color: bool, width: usize) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_context_lines(1)
        .with_links(false)
        .with_wrap_lines(true)
        // A value to copy, `silicon-valley`, must not be broken at its hyphen.
        .with_word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut out = String::new();
    for diagnostic in diagnostics {
        // Writing into a String cannot fail.
        let _ = handler.render_report(&mut out, &View::new(diagnostic));
        out.push('\n');
    }
    out.push_str(&summary(diagnostics));
    out.push('\n');
    out
}

/// `3 errors, 1 warning in 2 files`
pub fn summary(diagnostics: &Diagnostics) -> String {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let files = diagnostics.iter().map(|diagnostic| &diagnostic.path).collect::<BTreeSet<_>>().len();
    let counted = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")];
    let parts: Vec<String> = counted
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| plural(number, noun))
        .collect();
    format!("{} in {}", parts.join(", "), plural(files, "file"))
}

/// What is said where there is nothing to mend.
pub fn all_well(campaigns: usize) -> String {
    format!("{} checked, no mistakes\n", plural(campaigns, "campaign"))
}

/// `validate --format json`: all mistakes of all files.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Mistakes<'a> {
    /// Name and version of this form.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// In the order of files and places.
    diagnostics: Vec<Mistake<'a>>,
}

/// A mistake. Lines and columns count from 1, columns in characters; they are null where it has no place.
#[derive(Debug, Serialize, JsonSchema)]
struct Mistake<'a> {
    /// `error` or `warning`.
    severity: &'static str,
    /// The rule's name.
    code: &'a str,
    /// What is wrong, and why.
    message: &'a str,
    /// What to do about it.
    help: Option<&'a str>,
    /// The file, relative to the workspace.
    file: String,
    /// The line in which it begins.
    line: Option<usize>,
    /// The column in which it begins.
    column: Option<usize>,
    /// The line in which it ends.
    end_line: Option<usize>,
    /// The column before which it ends.
    end_column: Option<usize>,
}

/// For machines.
pub fn json(diagnostics: &Diagnostics) -> String {
    super::json_text(&Mistakes { format: FORMAT, diagnostics: diagnostics.iter().map(mistake).collect() })
}

fn mistake(diagnostic: &Diagnostic) -> Mistake<'_> {
    let (start, end) = (diagnostic.line_column(), diagnostic.end_line_column());
    Mistake {
        severity: severity(diagnostic),
        code: diagnostic.code,
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        file: diagnostic.path.display().to_string(),
        line: start.map(|(line, _)| line),
        column: start.map(|(_, column)| column),
        end_line: end.map(|(line, _)| line),
        end_column: end.map(|(_, column)| column),
    }
}

/// `error` or `warning`.
pub(super) fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn plural(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A mistake as miette wants to see it.
struct View<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
    /// What is said where no snippet says it.
    message: String,
}

impl<'a> View<'a> {
    fn new(diagnostic: &'a Diagnostic) -> Self {
        let file = diagnostic.path.display().to_string();
        let quoted = diagnostic.place.as_ref().filter(|_| !diagnostic.hide_source);
        let message = match (quoted, diagnostic.line_column()) {
            (Some(_), _) => diagnostic.message.clone(),
            (None, Some((line, column))) => format!("{file}:{line}:{column}: {}", diagnostic.message),
            (None, None) => format!("{file}: {}", diagnostic.message),
        };
        let source = quoted.map(|(source, _)| NamedSource::new(file, source.text.clone()));
        Self { diagnostic, source, message }
    }
}

impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for View<'_> {}

impl miette::Diagnostic for View<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (source, span) = self.diagnostic.place.as_ref().filter(|_| self.source.is_some())?;
        // A caret under one line reads better than a bracket around twenty.
        let quoted = source.text.get(span.start..span.start + span.len).unwrap_or_default();
        let len = quoted.lines().next().map_or(0, |line| line.trim_end().len());
        let span = SourceSpan::new(span.start.min(source.text.len()).into(), len);
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::diagnostic::{SourceFile, Span};

    fn sample() -> Diagnostics {
        let source = SourceFile::new("a.yaml", "é: 1\nkey: secret value\n");
        let mut diagnostics = Diagnostics::new();
        diagnostics
            .push(Diagnostic::error("bad", &source, Span { start: 11, len: 6 }, "it is bad").help("mend it"));
        diagnostics.push(Diagnostic::file_error("gone", "b.yaml", "there is no such file").warning());
        diagnostics
    }

    #[test]
    fn a_machine_gets_lines_and_columns_in_characters() {
        assert_eq!(
            serde_json::from_str::<Value>(&super::json(&sample())).unwrap(),
            json!({
                "format": "pushplan.diagnostics/1",
                "diagnostics": [
                    {
                        "severity": "error", "code": "bad", "message": "it is bad", "help": "mend it",
                        "file": "a.yaml", "line": 2, "column": 6, "end_line": 2, "end_column": 12
                    },
                    {
                        "severity": "warning", "code": "gone", "message": "there is no such file", "help": null,
                        "file": "b.yaml", "line": null, "column": null, "end_line": null, "end_column": null
                    }
                ]
            })
        );
    }

    #[test]
    fn a_hidden_line_is_named_and_not_shown() {
        let mut hidden = sample().into_iter().next().expect("the first");
        hidden.hide_source = true;
        let diagnostics = Diagnostics::from(hidden);
        let shown = text(&diagnostics, false, 80);
        assert!(shown.contains("a.yaml:2:6"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn the_last_line_counts() {
        assert!(text(&sample(), false, 80).ends_with("1 error, 1 warning in 2 files\n"));
        assert_eq!(text(&Diagnostics::new(), false, 80), "");
    }

    #[test]
    fn colour_only_where_asked_for() {
        assert!(!text(&sample(), false, 80).contains('\u{1b}'));
        assert!(text(&sample(), true, 80).contains('\u{1b}'));
    }
}
