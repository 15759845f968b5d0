//! What a message promises, over whole messages.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::Templates;
use super::program::Step;
use crate::audience::Value;
use crate::campaign::{Document, MessageSpec, Node, Place};
use crate::diagnostic::{Diagnostics, SourceFile, Span};

/// A campaign file with the places of some values.
pub(super) fn document(source: &str, values: &[(&str, &str)]) -> Arc<Document> {
    let places = values
        .iter()
        .map(|(pointer, value)| {
            let start = source.find(value).expect("the source holds the value");
            let span = Span { start, len: value.len() };
            ((*pointer).to_owned(), Place { key: span, value: span })
        })
        .collect::<HashMap<_, _>>();
    Arc::new(Document { source: SourceFile::new("c.yaml", source), places })
}

const CONSTANTS: &[(&str, &str)] = &[("campaign", "sale"), ("occurrence", "once")];

fn text(pointer: &str, text: &str) -> Node {
    Node::Text { text: text.to_owned(), pointer: pointer.to_owned() }
}

fn message(title: &str, body: &str, url: &str) -> MessageSpec {
    let ext = Node::Object(vec![
        ("z".to_owned(), Node::Literal(json!(1))),
        ("url".to_owned(), text("/message/ext/url", url)),
    ]);
    MessageSpec {
        root: Node::Object(vec![
            ("Title".to_owned(), text("/message/title", title)),
            ("Desc".to_owned(), text("/message/body", body)),
            ("Ext".to_owned(), Node::JsonText(Box::new(ext))),
            ("AndroidInfo".to_owned(), Node::Object(vec![("PushStyle".to_owned(), Node::Literal(json!(0)))])),
            (
                "List".to_owned(),
                Node::List(vec![Node::Literal(json!(null)), text("/message/list/1", "{{occurrence}}")]),
            ),
        ]),
    }
}

fn compile(title: &str, body: &str, url: &str) -> Result<Templates, Diagnostics> {
    let source = format!("message:\n  title: '{title}'\n  body: '{body}'\n  ext: {{url: '{url}'}}\n");
    let document =
        document(&source, &[("/message/title", title), ("/message/body", body), ("/message/ext/url", url)]);
    Templates::compile(&document, &message(title, body, url), CONSTANTS)
}

#[test]
fn a_message_keeps_the_order_of_its_keys_and_ext_is_json_text() {
    let templates = compile("{{name}}, hi", "{{campaign}}/{{occurrence}}", "app://{{name}}").unwrap();
    assert_eq!(templates.columns(), ["name"]);
    assert_eq!(
        templates.render(&[Value::Text("A\"\n")]).unwrap(),
        r#"{"Title":"A\"\n, hi","Desc":"sale/once","Ext":"{\"z\":1,\"url\":\"app://A\\\"\\n\"}","AndroidInfo":{"PushStyle":0},"List":[null,"once"]}"#
    );
}

#[test]
fn columns_are_sorted_and_distinct_over_all_strings() {
    let templates = compile("{{b}} {{a}}", "{{upper c}} {{b}}", "{{campaign}}").unwrap();
    assert_eq!(templates.columns(), ["a", "b", "c"]);
    let values = [Value::Text("A"), Value::Text("B"), Value::Text("c")];
    let json: Json = serde_json::from_str(&templates.render(&values).unwrap()).unwrap();
    assert_eq!(json["Title"], "B A");
    assert_eq!(json["Desc"], "C B");
}

#[test]
fn the_mistakes_of_all_strings_come_at_once_each_at_its_place() {
    let mistakes = compile("{{uper a}}", "{{oops", "x {{#if (b)}}{{/if}}").unwrap_err();
    let at: Vec<_> = mistakes.iter().map(|mistake| (mistake.line_column().unwrap(), mistake.code)).collect();
    assert_eq!(at, [((2, 13), "unknown-helper"), ((3, 10), "bad-template"), ((4, 23), "helper-arguments")]);
}

#[test]
fn an_unknown_column_is_named_at_its_place_with_the_nearest() {
    let templates = compile("{{frist_name}}", "{{#if city}}{{zzzz}}{{/if}}", "{{campain}}").unwrap();
    let columns = ["first_name".to_owned(), "city".to_owned()];
    let mistakes: Vec<_> = templates
        .check_columns(&columns)
        .into_iter()
        .map(|m| (m.line_column().unwrap(), m.message.clone(), m.help.unwrap()))
        .collect();
    let message = |name: &str| format!("no column of the audience is called `{name}`");
    assert_eq!(
        mistakes,
        [
            ((2, 13), message("frist_name"), "did you mean `first_name`?".to_owned()),
            ((3, 24), message("zzzz"), "the audience's columns are first_name, city".to_owned()),
            ((4, 17), message("campain"), "did you mean `campaign`?".to_owned()),
        ]
    );
}

#[test]
fn a_render_error_names_the_field_the_variable_and_the_reason() {
    let templates = compile("hi", "{{city}}", "x").unwrap();
    for (value, why) in [
        (Value::Missing, "is missing; give the row a value, or the template a `default`"),
        (Value::Null, "is null; give the row a value, or the template a `default`"),
        (Value::Json("[1]"), "is a list or an object, not text; name one field of it"),
    ] {
        let error = templates.render(&[value]).unwrap_err();
        assert_eq!(error.to_string(), format!("/message/body: `city` {why}"));
    }
    assert!(templates.render(&[Value::Text("")]).is_ok(), "empty text is a value");
}

fn needs_engine(templates: &Templates) -> bool {
    templates.steps.iter().any(|step| matches!(step, Step::Engine { .. }))
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\x00-\\x1f\"'\\\\{}<>&א-ת😀-😏 \u{202e}]{0,12}"]
}

proptest! {
    #[test]
    fn the_output_is_json_and_holds_the_values_as_they_are(a in value(), b in value()) {
        let templates = compile("{{a}}-{{b}}", "{{#if true}}{{{b}}}{{/if}}", "{{a}}{{default b 1}}").unwrap();
        let json: Json =
            serde_json::from_str(&templates.render(&[Value::Text(&a), Value::Text(&b)]).unwrap()).unwrap();
        prop_assert_eq!(&json["Title"], &format!("{a}-{b}"));
        prop_assert_eq!(&json["Desc"], &b);
        let ext: Json = serde_json::from_str(json["Ext"].as_str().unwrap()).unwrap();
        let b = if b.is_empty() { "1" } else { &b };
        prop_assert_eq!(&ext["url"], &format!("{a}{b}"));
    }

    /// What renders without the engine renders as the engine would. A call of a helper that does nothing
    /// sends the same text through the engine; it stands in front, since a comment at the end of a text is alone on
    /// its line, and what follows it would change that.
    #[test]
    fn concatenation_agrees_with_the_engine(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{{a}}", "{{{b}}}", "{{&a}}", "{{this.b}}", "{{[a]}}", "{{~a}}", "{{b~}}", "{{! c }}", "{{campaign}}",
                "\\{{a}}", "\\\\{{a}}", " ", "\n", "  \n", "<é>", "{", "}",
            ]),
            0..8,
        ),
        a in prop_oneof![
            value().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<bool>().prop_map(Json::from),
            Just(json!([1])),
        ],
        b in "[0-9]{1,3}(\\.[0-9]{1,3})?(e[0-9])?",
    ) {
        let parts = parts.concat();
        let (plain, engine) = (format!("{{{{a}}}}{{{{b}}}}{parts}"), format!("{{{{#if true}}}}{{{{/if}}}}{{{{a}}}}{{{{b}}}}{parts}"));
        let (Ok(plain), Ok(engine)) = (compile(&plain, "", ""), compile(&engine, "", "")) else {
            return Ok(());
        };
        prop_assert!(!needs_engine(&plain));
        prop_assert!(needs_engine(&engine));
        let text = a.as_str().map_or(a.to_string(), str::to_owned);
        let a = match a {
            Json::Null => Value::Null,
            Json::Bool(bool) => Value::Bool(bool),
            Json::Number(_) => Value::Number(&text),
            Json::String(_) => Value::Text(&text),
            _ => Value::Json(&text),
        };
        let values = [a, Value::Number(&b)];
        prop_assert_eq!(plain.render(&values), engine.render(&values));
    }
}
