//! A JSON value against a schema: every violation at once, each as a [`Diagnostic`] that says what is
//! wrong, why, and what to write instead.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::document::{Document, join};
use super::{schema, units};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};

/// A schema and its compiled form.
pub struct Shape {
    schema: Value,
    validator: Validator,
}

/// The shape of a campaign file.
pub static CAMPAIGN: LazyLock<Shape> = LazyLock::new(|| Shape::new(schema::campaign_schema()));
/// The shape of the workspace file.
pub static WORKSPACE: LazyLock<Shape> = LazyLock::new(|| Shape::new(schema::workspace_schema()));

impl Shape {
    fn new(schema: Value) -> Self {
        let validator = jsonschema::validator_for(&schema).expect("a generated schema is valid");
        Self { schema, validator }
    }

    /// All violations. Afterwards `value` holds only the top-level keys that have none, so that what
    /// remains can be checked further.
    pub fn check(&self, value: &mut Value, document: &Document) -> Diagnostics {
        let mut diagnostics = Diagnostics::new();
        let mut spoilt = Vec::new();
        for error in self.validator.iter_errors(value) {
            let at = error.instance_path().as_str();
            spoilt.extend(at.split('/').nth(1).map(str::to_owned));
            self.explain(&error, at, document, &mut diagnostics);
        }
        match value {
            Value::Object(map) if !diagnostics.is_empty() => {
                map.retain(|key, _| !spoilt.contains(key) && self.schema["properties"].get(key).is_some());
            }
            // A file that is a list or a scalar has nothing left to check.
            other if !diagnostics.is_empty() => *other = Value::Object(serde_json::Map::new()),
            _ => {}
        }
        diagnostics
    }

    fn explain(&self, error: &ValidationError, at: &str, document: &Document, out: &mut Diagnostics) {
        let found = error.instance().as_ref();
        let name = name_of(at);
        let value_at = |code, message: String| document.at_value(at, code, message);
        out.push(match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    out.push(self.unknown_key(error, at, key, document));
                }
                return;
            }
            ValidationErrorKind::Required { property } => {
                out.push(missing_key(error, at, property, document));
                return;
            }
            ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
                self.explain_choice(error, at, document, out);
                return;
            }
            ValidationErrorKind::Type { kind } => wrong_type(kind, found, &name, at, document),
            ValidationErrorKind::Enum { options } => {
                let options: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
                let diagnostic = value_at("bad-value", format!("{name} cannot be {}", quote(found)));
                match nearest(&plain(found), options.iter().map(String::as_str)) {
                    Some(near) => {
                        diagnostic.help(format!("did you mean `{near}`? It takes {}", list(&options, "or")))
                    }
                    None => diagnostic.help(format!("write {}", list(&options, "or"))),
                }
            }
            ValidationErrorKind::Pattern { pattern } => bad_pattern(pattern, found, &name, at, document),
            ValidationErrorKind::PropertyNames { error } => document
                .at_key(
                    &join(at, &plain(error.instance())),
                    "bad-name",
                    format!("{} is not a name", quote(error.instance())),
                )
                .help(NAME_HELP),
            ValidationErrorKind::Minimum { limit } => {
                value_at("out-of-range", format!("{name} is {}, and must be at least {limit}", quote(found)))
            }
            ValidationErrorKind::Maximum { limit } => {
                value_at("out-of-range", format!("{name} is {}, and must be at most {limit}", quote(found)))
            }
            ValidationErrorKind::ExclusiveMinimum { limit } => {
                value_at("out-of-range", format!("{name} is {}, and must be more than {limit}", quote(found)))
            }
            ValidationErrorKind::MinLength { .. }
            | ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MinProperties { .. } => document
                .at_key(at, "empty", format!("{name} is empty"))
                .help("write a value, or leave the key out"),
            // The schema holds no other keyword; a test walks the invalid samples through the ones above.
            _ => value_at("bad-value", format!("{name}: {}", error.masked())),
        });
    }

    fn unknown_key(&self, error: &ValidationError, at: &str, key: &str, document: &Document) -> Diagnostic {
        let known: Vec<String> = self
            .beside(error, "properties")
            .and_then(Value::as_object)
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default();
        let pointer = join(at, key);
        match nearest(key, known.iter().map(String::as_str)) {
            Some(near) => document
                .at_key(&pointer, "unknown-key", format!("unknown key `{key}`, did you mean `{near}`?"))
                .help(format!("write `{near}`, or leave the key out")),
            None => document
                .at_key(&pointer, "unknown-key", format!("unknown key `{key}` in {}", name_of(at)))
                .help(format!("known here: {}", list(&known, "and"))),
        }
    }

    /// A choice between keys: each branch's first required key chooses it, the others are needed with it.
    fn explain_choice(&self, error: &ValidationError, at: &str, document: &Document, out: &mut Diagnostics) {
        let branches: Vec<Vec<&str>> = self
            .schema
            .pointer(error.schema_path().as_str())
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|branch| {
                branch["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
            })
            .collect();
        let written = |key: &str| error.instance().get(key).is_some();
        let choices: Vec<String> =
            branches.iter().filter_map(|branch| branch.first()).map(|key| (*key).to_owned()).collect();
        let chosen: Vec<&Vec<&str>> =
            branches.iter().filter(|branch| branch.first().is_some_and(|key| written(key))).collect();
        match chosen.as_slice() {
            [] => out.push(
                document
                    .at_key(
                        at,
                        "missing-key",
                        format!("{} needs one of {}", name_of(at), list(&choices, "or")),
                    )
                    .help("write one of them"),
            ),
            [branch] => {
                for key in branch.iter().skip(1).filter(|key| !written(key)) {
                    out.push(
                        document
                            .at_key(
                                &join(at, branch[0]),
                                "missing-key",
                                format!("`{}` needs `{key}` beside it", branch[0]),
                            )
                            .help(format!("add `{key}:` to {}", name_of(at))),
                    );
                }
            }
            several => {
                let keys: Vec<String> = several.iter().map(|branch| branch[0].to_owned()).collect();
                let second = join(at, several[1][0]);
                out.push(
                    document
                        .at_key(
                            &second,
                            "conflicting-keys",
                            format!("{} takes only one of {}", name_of(at), list(&keys, "and")),
                        )
                        .help("keep one of them"),
                );
            }
        }
    }

    /// A keyword that stands beside the violated one.
    fn beside(&self, error: &ValidationError, keyword: &str) -> Option<&Value> {
        let path = error.schema_path().as_str();
        let parent = &path[..path.rfind('/')?];
        self.schema.pointer(parent)?.get(keyword)
    }
}

const NAME_HELP: &str = "write 1 to 40 of a-z, 0-9 and `-`";

fn missing_key(error: &ValidationError, at: &str, property: &Value, document: &Document) -> Diagnostic {
    let key = plain(property);
    let because = if error.schema_path().as_str().contains("/dependentRequired/") {
        let cause = error.schema_path().as_str().rsplit('/').next().unwrap_or_default();
        let message = format!("`{cause}` needs `{key}` beside it");
        return document
            .at_key(&join(at, cause), "missing-key", message)
            .help(format!("add `{key}:` to {}", name_of(at)));
    } else {
        format!("{} has no `{key}`", name_of(at))
    };
    document.at_key(at, "missing-key", because).help(format!("add `{key}:`"))
}

fn wrong_type(kind: &TypeKind, found: &Value, name: &str, at: &str, document: &Document) -> Diagnostic {
    let expected: Vec<String> = match kind {
        TypeKind::Single(kind) => vec![article(kind.as_str()).to_owned()],
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| article(kind.as_str()).to_owned()).collect(),
    };
    let expected = join_words(&expected, "or");
    if found.is_null() {
        return document
            .at_key(at, "no-value", format!("{name} has no value"))
            .help(format!("write {expected}, or leave the key out"));
    }
    let diagnostic = document.at_value(
        at,
        "wrong-type",
        format!("{name} is {}, and must be {expected}", article(type_of(found))),
    );
    match found {
        Value::Number(_) | Value::Bool(_) if expected.contains("text") => {
            diagnostic.help(format!("put it in quotes: \"{}\"", document.text_at(at)))
        }
        Value::Array(_) if expected.contains("text") => diagnostic.help("write one value"),
        Value::String(text) if expected == "a whole number" || expected == "a number" => {
            diagnostic.help(format!("write digits without quotes, letters or `_`, not `{text}`"))
        }
        Value::String(_) if expected == "true or false" => {
            diagnostic.help("write `true` or `false`, without quotes")
        }
        _ if expected == "a list" => {
            diagnostic.help("write it as a list: `- …` on its own line, or in `[ ]`")
        }
        _ => diagnostic.help(format!("write {expected}")),
    }
}

fn bad_pattern(pattern: &str, found: &Value, name: &str, at: &str, document: &Document) -> Diagnostic {
    let text = found.as_str().unwrap_or_default();
    let (code, reason, help) = match pattern {
        units::DURATION => (
            "bad-duration",
            units::parse_duration(text).err().unwrap_or_default(),
            "write a number and a unit: `90s`, `15m`, `2h`, `1h30m`, `2d`",
        ),
        units::SHARE => (
            "bad-share",
            units::parse_share(text).err().unwrap_or_default(),
            "write a percentage: `5%` or `0.1%`",
        ),
        super::raw::NAME => ("bad-name", format!("{} is not a name", quote(found)), NAME_HELP),
        "^unlimited$" => (
            "bad-value",
            format!("{} is neither a number nor `unlimited`", quote(found)),
            "write a number, or `unlimited`",
        ),
        other => {
            return document
                .at_value(at, "bad-value", format!("{name} cannot be {}", quote(found)))
                .help(format!("write what matches {other}"));
        }
    };
    document.at_value(at, code, format!("{name}: {reason}")).help(help)
}

/// How messages speak of the place a pointer names.
fn name_of(pointer: &str) -> String {
    let mut segments = pointer.rsplit('/').filter(|segment| !segment.is_empty());
    let Some(last) = segments.next() else { return "the file".to_owned() };
    let unescape = |segment: &str| segment.replace("~1", "/").replace("~0", "~");
    match last.parse::<usize>() {
        Ok(index) => {
            let list =
                segments.next().map_or_else(|| "the file".to_owned(), |s| format!("`{}`", unescape(s)));
            format!("item {} of {list}", index + 1)
        }
        Err(_) => format!("`{}`", unescape(last)),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A JSON type in the author's words.
fn article(kind: &str) -> &'static str {
    match kind {
        "boolean" => "true or false",
        "number" => "a number",
        "integer" => "a whole number",
        "string" => "text",
        "array" => "a list",
        "object" => "a map of keys",
        _ => "nothing",
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A found value, short enough for a sentence.
fn quote(value: &Value) -> String {
    const CHARS_MAX: usize = 40;
    let text = plain(value);
    if text.chars().count() > CHARS_MAX {
        format!("`{}…`", text.chars().take(CHARS_MAX).collect::<String>())
    } else {
        format!("`{text}`")
    }
}

fn list(words: &[String], last: &str) -> String {
    join_words(&words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>(), last)
}

fn join_words(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
    }
}
