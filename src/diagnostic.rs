//! An author's mistakes: collected, all at once, each with its place in a file.
//!
//! A [`Diagnostic`] is data. What it looks like on a terminal or as JSON is decided in
//! [`crate::report`]; this module knows neither miette nor colour.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file an author wrote, kept so that a diagnostic can quote the line it speaks of.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the user knows it (relative to where the command was started, where possible).
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// A shared source file.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into() })
    }
}

/// A byte range of a [`SourceFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Number of bytes; 0 marks a point.
    pub len: usize,
}

/// Does the mistake stop the command?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is sent while it stands.
    Error,
    /// Shown; nothing is stopped.
    Warning,
}

/// One mistake: where it is, what is wrong, why, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable name of the rule, kebab-case: `unknown-key`, `bad-duration`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong and why, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The path of the file, also where there is no text to quote.
    pub path: PathBuf,
    /// The text and the place in it; `None` for a mistake that has none (a missing file).
    pub place: Option<(Arc<SourceFile>, Span)>,
    /// True where the quoted line must not be shown, because it may hold a secret.
    pub hide_source: bool,
}

impl Diagnostic {
    /// An error at a place in a file.
    pub fn error(
        code: &'static str,
        source: &Arc<SourceFile>,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            help: None,
            path: source.path.clone(),
            place: Some((Arc::clone(source), span)),
            hide_source: false,
        }
    }

    /// An error of a whole file.
    pub fn file_error(code: &'static str, path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            help: None,
            path: path.as_ref().to_owned(),
            place: None,
            hide_source: false,
        }
    }

    /// The same, as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column of the place, both from 1; the column counts characters.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        let (source, span) = self.place.as_ref()?;
        Some(line_column(&source.text, span.start))
    }

    /// Line and column of the first character after the place.
    pub fn end_line_column(&self) -> Option<(usize, usize)> {
        let (source, span) = self.place.as_ref()?;
        Some(line_column(&source.text, span.start + span.len))
    }
}

fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..floor_char_boundary(text, at)];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// All mistakes found in one go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another collection.
    pub fn append(&mut self, other: Diagnostics) {
        self.0.extend(other.0);
    }

    /// Is there nothing to say?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is there at least one error?
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Puts them in the order in which a reader meets them, by file, then by place, each once.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let key = |d: &Diagnostic| (d.path.clone(), d.place.as_ref().map(|(_, span)| *span), d.code);
            key(a).cmp(&key(b))
        });
        self.0.dedup();
    }

    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl<'d> IntoIterator for &'d Diagnostics {
    type Item = &'d Diagnostic;
    type IntoIter = std::slice::Iter<'d, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The known word nearest to a misspelt one, where one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(distance, k)| *distance <= (k.chars().count().max(word.chars().count()) / 3).max(1))
        .min()
        .map(|(_, k)| k)
}
