//! One string of a message: parsed, checked, and made fit for rendering.

use std::ops::Range;

use handlebars::template::{Parameter, TemplateElement};
use handlebars::{Path, PathSeg, TemplateErrorReason};

use super::variables;

/// Longest template, in bytes: twice the payload the vendors take. The parser's work grows with the square of
/// some templates, and this keeps the worst at a tenth of a second.
const TEMPLATE_BYTES_MAX: usize = 8 * 1024;

/// Most opening brackets and blocks after a template's first `{{`. The parser recurses on each, so this bounds
/// its stack whatever they nest to.
const OPENINGS_MAX: usize = 100;

/// What is wrong with a template, and which bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
    pub at: Range<usize>,
}

/// A column or constant a template names, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub name: String,
    pub at: Range<usize>,
}

/// A checked template.
#[derive(Debug)]
pub(super) struct Template {
    pub body: Body,
    /// Every use of a variable, in no order.
    pub variables: Vec<Variable>,
}

/// How a template renders.
#[derive(Debug)]
pub(super) enum Body {
    /// Text and plain `{{column}}` alone: concatenated without the engine, to the same result.
    Segments(Vec<Segment>),
    /// Anything else.
    Engine(handlebars::Template),
}

/// A part of a template that calls nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Text(String),
    Variable(String),
}

impl Template {
    /// Parses and checks; all mistakes at once, but for a template that does not parse, which has one.
    pub(super) fn compile(text: &str) -> Result<Self, Vec<Mistake>> {
        if !text.contains("{{") {
            let body = Body::Segments(vec![Segment::Text(text.to_owned())]);
            return Ok(Self { body, variables: Vec::new() });
        }
        check_size(text).map_err(|mistake| vec![mistake])?;
        let mut engine =
            handlebars::Template::compile(text).map_err(|error| vec![syntax_mistake(text, &error)])?;
        let segments = segments(&engine);
        let variables = variables::check(text, &mut engine)?;
        let body = segments.map_or(Body::Engine(engine), Body::Segments);
        Ok(Self { body, variables })
    }
}

fn check_size(text: &str) -> Result<(), Mistake> {
    let refuse = |message: String, help: &str| Mistake {
        code: "bad-template",
        message,
        help: Some(help.to_owned()),
        at: 0..text.len(),
    };
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(refuse(
            format!("the template is {} bytes long, more than {TEMPLATE_BYTES_MAX}", text.len()),
            "shorten it; the vendors take 4 KiB",
        ));
    }
    let from_first = &text[text.find("{{").unwrap_or(text.len())..];
    let brackets = from_first.matches(['(', '[']).count();
    // `{{` opens no level by itself; `{{#`, `{{{{`, `{{else if` and a lone `{` may.
    let braces = from_first.matches('{').count() - 2 * from_first.matches("{{").count();
    let blocks = from_first.matches(['#', '^']).count() + from_first.matches("else").count();
    let raw_blocks = from_first.matches("{{{{").count();
    if brackets + braces + blocks + raw_blocks > OPENINGS_MAX {
        return Err(refuse(
            format!("the template opens more than {OPENINGS_MAX} brackets and blocks"),
            "compute what it decides into a column of the audience",
        ));
    }
    Ok(())
}

fn syntax_mistake(text: &str, error: &handlebars::TemplateError) -> Mistake {
    let (message, help) = match error.reason() {
        TemplateErrorReason::MismatchingClosedHelper(open, close)
        | TemplateErrorReason::MismatchingClosedDecorator(open, close) => {
            (format!("the block `{open}` is closed as `{close}`"), format!("close it with {{{{/{open}}}}}"))
        }
        TemplateErrorReason::InvalidParam(param) => {
            (format!("`{param}` is no argument"), "put text in quotes".to_owned())
        }
        TemplateErrorReason::InvalidSyntax(_) => (
            "the template cannot be read here: a tag or a block is not closed, or holds what it cannot"
                .to_owned(),
            "a variable is {{name}}, a block is {{#if name}}…{{/if}}; two braces that are text are \\{{"
                .to_owned(),
        ),
        other => (other.to_string(), "see the Handlebars syntax".to_owned()),
    };
    let at = error.pos().map_or(0, |(line, column)| offset(text, line, column));
    // A tag that is not closed is shown whole; else one character, so that there is something to underline.
    let tag = text[..at].rfind("{{").filter(|open| !text[*open..at].contains("}}"));
    let next = text[at..].chars().next().map_or(at, |next| at + next.len_utf8());
    Mistake { code: "bad-template", message, help: Some(help), at: tag.unwrap_or(at)..next }
}

/// The byte at a line and column, both from 1, the column in characters; the end where there is none.
pub(super) fn offset(text: &str, line: usize, column: usize) -> usize {
    let mut lines = text.split_inclusive('\n');
    let start: usize = lines.by_ref().take(line.saturating_sub(1)).map(str::len).sum();
    let Some(line) = lines.next() else { return text.len() };
    start + line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at)
}

/// The template without the engine, where it calls nothing and looks into no value.
fn segments(template: &handlebars::Template) -> Option<Vec<Segment>> {
    template
        .elements
        .iter()
        .filter(|element| !matches!(element, TemplateElement::Comment(_)))
        .map(|element| match element {
            TemplateElement::RawString(text) => Some(Segment::Text(text.clone())),
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call)
                if call.params.is_empty() && call.hash.is_empty() =>
            {
                match &call.name {
                    Parameter::Path(Path::Relative((segments, _))) => match &segments[..] {
                        [PathSeg::Named(name)] => Some(Segment::Variable(name.clone())),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::{Body, Segment, Template};
    use crate::audience::Value;
    use crate::message::render::{self, RenderError};

    /// Renders a template on a row given as JSON, through the engine where it needs one.
    pub(in crate::message) fn render(template: &str, row: &str) -> Result<String, RenderError> {
        let template = Template::compile(template).expect("a template without mistakes");
        let row: serde_json::Map<String, Json> = serde_json::from_str(row).expect("a row");
        let texts: Vec<(String, String)> = row
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().map_or(value.to_string(), str::to_owned)))
            .collect();
        let value = |name: &str| match row.get(name) {
            None => Value::Missing,
            Some(Json::Null) => Value::Null,
            Some(Json::Bool(bool)) => Value::Bool(*bool),
            Some(other) => {
                let (_, text) = texts.iter().find(|(known, _)| known == name).expect("every column has one");
                match other {
                    Json::String(_) => Value::Text(text),
                    Json::Number(_) => Value::Number(text),
                    _ => Value::Json(text),
                }
            }
        };
        match &template.body {
            Body::Engine(engine) => render::context([], row.keys().map(|name| (&name[..], value(name))))
                .and_then(|context| render::run(engine, &context)),
            Body::Segments(segments) => segments
                .iter()
                .map(|segment| match segment {
                    Segment::Text(text) => Ok(text.clone()),
                    Segment::Variable(name) => render::plain_text(name, &value(name)).map(str::to_owned),
                })
                .collect(),
        }
        .map_err(|fault| fault.in_field("/t"))
    }

    /// The messages of a template's mistakes.
    pub(in crate::message) fn mistakes(template: &str) -> Vec<String> {
        Template::compile(template)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|mistake| mistake.message)
            .collect()
    }

    #[test]
    fn a_string_without_braces_is_text() {
        let template = Template::compile(r"50% \ off").unwrap();
        assert!(matches!(&template.body, Body::Segments(s) if *s == [Segment::Text(r"50% \ off".into())]));
    }

    #[test]
    fn braces_can_be_written_as_text() {
        assert_eq!(render(r"\{{name}} {{name}}", r#"{"name":"x"}"#).unwrap(), "{{name}} x");
    }

    #[test]
    fn a_syntax_mistake_has_its_place() {
        for (template, shown) in [
            ("Hi {{name", "{{name"),
            ("Hi {{name} x", "{{name}"),
            ("Hi {{na me}} {{a b)}}", "{{a b)"),
            ("{{#if a}}x", ""),
            ("é {{#if a}}x{{/each}}", "{"),
            ("a\nb {{", "{{"),
        ] {
            let mistakes = Template::compile(template).unwrap_err();
            assert_eq!(mistakes.len(), 1);
            assert_eq!(&template[mistakes[0].at.clone()], shown, "{template}: {}", mistakes[0].message);
        }
    }

    #[test]
    fn nesting_is_bounded_before_the_parser_recurses() {
        for open in [
            "{{#if a}}",
            "{{x (",
            "{{x [",
            "{{a [1,[",
            "{{a {\"b\":{\"b\":",
            "{{{{a}}}}",
            "{{#if a}}{{else if b}}",
        ] {
            let deep = format!("{{{{a}}}}{}", open.repeat(3000));
            assert!(Template::compile(&deep).is_err(), "{open}");
        }
    }

    #[test]
    fn what_is_just_allowed_to_nest_renders_on_a_thread_s_stack() {
        let blocks = format!("{}x{}", "{{#if a}}".repeat(100), "{{/if}}".repeat(100));
        assert_eq!(render(&blocks, r#"{"a":true}"#).unwrap(), "x");
        let chain = format!("{{{{#if a}}}}x{}{{{{/if}}}}", "{{else if a}}x".repeat(99));
        assert_eq!(render(&chain, r#"{"a":true}"#).unwrap(), "x");
        let calls = format!("{{{{upper {}a{}}}}}", "(upper ".repeat(100), ")".repeat(100));
        assert_eq!(render(&calls, r#"{"a":"x"}"#).unwrap(), "X");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Text made of what templates are made of, so that most of it nearly parses.
        #[test]
        fn arbitrary_text_never_panics(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{{", "}}", "{{{", "}}}", "{{{{", "}}}}", "{{#", "{{/", "{{^", "{{!", "{{!--", "--}}", "{{>", "{{*",
                    "{{&", "~", "if", "each", "else", "a", "b.c", "@root", "@index", "../", "this", "(", ")", "[", "]",
                    "|x|", " as ", "=", " ", "\n", "\"", "'", "\\", "1", "-", "1E9", "null", "date", "default", "é", "\u{0}",
                ]),
                0..40,
            ),
        ) {
            let _ = Template::compile(&parts.concat());
        }

        #[test]
        fn any_text_never_panics(text in any::<String>()) {
            let _ = Template::compile(&format!("{{{{{text}"));
        }
    }
}
