//! From a place inside a template to its place in the YAML file.

use std::ops::Range;

use super::template::Mistake;
use crate::campaign::Document;
use crate::diagnostic::{Diagnostic, Span};

/// A template's mistake as a diagnostic at its place in the campaign file.
pub(super) fn diagnostic(document: &Document, pointer: &str, text: &str, mistake: Mistake) -> Diagnostic {
    let mut diagnostic = document.at_value(pointer, mistake.code, mistake.message);
    diagnostic.help = mistake.help;
    if let Some((source, span)) = &mut diagnostic.place {
        *span = narrow(&source.text, *span, text, &mistake.at);
    }
    diagnostic
}

/// The span of `range` of `text`, which the file holds at `value`.
///
/// Exact where the file holds the text as it is: plain and quoted strings without escapes on one line, and
/// the lines of a literal block. Elsewhere (escapes, folded blocks) the whole value.
pub(super) fn narrow(source: &str, value: Span, text: &str, range: &Range<usize>) -> Span {
    let exact = |start: usize| Span { start, len: range.len() };
    for start in [value.start, value.start + 1] {
        if !text.is_empty() && source.get(start..).is_some_and(|rest| rest.starts_with(text)) {
            return exact(start + range.start);
        }
    }
    let line_start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let line_number = text[..line_start].matches('\n').count();
    if range.end > line_start + line.len() {
        return value;
    }
    // A literal block's span may begin at its first line or at the `|` above it.
    let first = source.get(..value.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let mut start = first;
    for (number, candidate) in source[first..].split_inclusive('\n').enumerate().take(line_number + 2) {
        if number >= line_number
            && let Some(indent) = candidate.trim_end().strip_suffix(line.trim_end())
            && indent.trim().is_empty()
        {
            return exact(start + indent.len() + (range.start - line_start));
        }
        start += candidate.len();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::narrow;
    use crate::diagnostic::Span;

    fn found(source: &str, value: &str, text: &str, part: &str) -> String {
        let value = Span { start: source.find(value).unwrap(), len: value.len() };
        let at = text.find(part).unwrap();
        let span = narrow(source, value, text, &(at..at + part.len()));
        source[span.start..span.start + span.len].to_owned()
    }

    #[test]
    fn a_plain_or_quoted_string_is_exact() {
        assert_eq!(found("title: Hi {{nme}}\n", "Hi {{nme}}", "Hi {{nme}}", "nme"), "nme");
        assert_eq!(found("title: \"Hi {{nme}}\"\n", "\"Hi {{nme}}\"", "Hi {{nme}}", "nme"), "nme");
        assert_eq!(found("title: \"Hi {{nme}}\"\n", "Hi {{nme}}", "Hi {{nme}}", "nme"), "nme");
    }

    #[test]
    fn a_line_of_a_literal_block_is_exact() {
        let source = "body: |\n  One\n  two {{nme}}\nnext: 1\n";
        assert_eq!(found(source, "One", "One\ntwo {{nme}}\n", "nme"), "nme");
        assert_eq!(found(source, "|", "One\ntwo {{nme}}\n", "nme"), "nme");
    }

    #[test]
    fn a_string_with_escapes_falls_back_to_the_value() {
        let source = "title: \"\\u0048i {{nme}}\"\n";
        assert_eq!(found(source, "\"\\u0048i {{nme}}\"", "Hi {{nme}}", "nme"), "\"\\u0048i {{nme}}\"");
    }
}
