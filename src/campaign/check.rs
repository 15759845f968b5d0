//! A JSON value against a schema: every violation at once, each as a [`Diagnostic`] that says what is
//! wrong, why, and what to write instead.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::document::{Document, join};
use super::schedule::{self, QuietHours};
use super::{raw, schema, units};
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

    /// All violations. Afterwards `value` holds only what has none, so that the rest can be checked further:
    /// a key that does not belong or cannot be read is left out, and so is a section that needs it.
    pub fn check(&self, value: &mut Value, document: &Document) -> Diagnostics {
        let mut diagnostics = Diagnostics::new();
        let mut keys = Vec::new();
        for error in self.validator.iter_errors(value) {
            let at = error.instance_path().as_str();
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    keys.extend(unexpected.iter().map(|key| join(at, key)));
                }
                _ => keys.push(at.to_owned()),
            }
            self.explain(&error, at, document, &mut diagnostics);
        }
        for key in &keys {
            leave_out(value, key);
        }
        let left = self.validator.iter_errors(value);
        let spoilt: Vec<String> = left
            .filter_map(|error| error.instance_path().as_str().split('/').nth(1).map(str::to_owned))
            .collect();
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
                let key = plain(property);
                // A misspelt key is told as that, and is not missing besides.
                if nearest(&key, self.unknown_keys(error)).is_none() {
                    out.push(self.missing_key(error, at, &key, document));
                }
                return;
            }
            ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
                self.explain_choice(error, at, document, out);
                return;
            }
            ValidationErrorKind::Type { kind } => self.wrong_type(error, kind, at, document),
            ValidationErrorKind::Enum { options } => {
                let options: Vec<&Value> = options.as_array().into_iter().flatten().collect();
                not_among(&options, found, &name, at, document)
            }
            ValidationErrorKind::Pattern { pattern } => bad_pattern(pattern, found, &name, at, document),
            ValidationErrorKind::PropertyNames { error } => document
                .at_key(
                    &join(at, &plain(error.instance())),
                    "bad-name",
                    format!("{} is not a name", quote(error.instance())),
                )
                .help(NAME_HELP),
            ValidationErrorKind::Minimum { .. }
            | ValidationErrorKind::Maximum { .. }
            | ValidationErrorKind::ExclusiveMinimum { .. } => {
                value_at("out-of-range", format!("{name} is {}, which is out of range", quote(found)))
                    .help(format!("write {}", self.range(error)))
            }
            ValidationErrorKind::MinLength { .. }
            | ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MinProperties { .. } => document
                .at_key(at, "empty", format!("{name} is empty"))
                .help("write a value, or leave the key out"),
            // The schemas hold no other keyword. A masked message does not quote the value.
            _ => value_at("bad-value", format!("{name}: {}", error.masked())),
        });
    }

    fn unknown_key(&self, error: &ValidationError, at: &str, key: &str, document: &Document) -> Diagnostic {
        let known: Vec<String> = self.known_keys(error).map(str::to_owned).collect();
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
    fn explain_choice<'a>(
        &'a self,
        error: &ValidationError,
        at: &str,
        document: &Document,
        out: &mut Diagnostics,
    ) {
        let branches = self
            .schema
            .pointer(error.schema_path().as_str())
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        // schemars writes an enum with described values as a choice of constants.
        let constants: Vec<&Value> = branches.iter().filter_map(|branch| branch.get("const")).collect();
        if !constants.is_empty() {
            let choice = error.schema_path().as_str().trim_end_matches("/oneOf").to_owned();
            let told = self.schema.pointer(&choice).is_some_and(|choice| choice.get("type").is_some());
            let found = error.instance();
            if found.is_string() || !told {
                out.push(not_among(&constants, found, &name_of(at), at, document));
            }
            return;
        }
        if !error.instance().is_object() {
            return;
        }
        let required = |branch: &'a Value| branch["required"].as_array().into_iter().flatten();
        let branches: Vec<Vec<&str>> =
            branches.iter().map(|branch| required(branch).filter_map(Value::as_str).collect()).collect();
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

    fn wrong_type(
        &self,
        error: &ValidationError,
        kind: &TypeKind,
        at: &str,
        document: &Document,
    ) -> Diagnostic {
        let (found, name) = (error.instance().as_ref(), name_of(at));
        let expected: Vec<String> = match kind {
            TypeKind::Single(kind) => vec![wanted(kind.as_str()).to_owned()],
            TypeKind::Multiple(kinds) => kinds.iter().map(|kind| wanted(kind.as_str()).to_owned()).collect(),
        };
        let expected = join_words(&expected, "or");
        if found.is_null() {
            return document
                .at_key(at, "no-value", format!("{name} has no value"))
                .help(format!("write {expected}, or leave the key out"));
        }
        let message = format!("{name} is {}, and must be {expected}", found_kind(found));
        let operators = self.beside(error, "properties").is_some_and(|keys| keys.get("in").is_some());
        let pattern = self.beside(error, "pattern").and_then(Value::as_str);
        let help = match found {
            Value::Number(_) | Value::Bool(_) if expected.contains("text") => match pattern.map(pattern_help)
            {
                Some(help) if !help.is_empty() => help.to_owned(),
                _ => format!("put it in quotes: \"{}\"", document.text_at(at)),
            },
            Value::Array(_) if operators => {
                format!("to match several values, write `{{ in: {} }}`", document.text_at(at))
            }
            Value::String(_) if expected.ends_with("number") => {
                "write digits, without quotes and `_`".to_owned()
            }
            Value::String(_) if expected == "true or false" => {
                "write `true` or `false`, without quotes".to_owned()
            }
            _ if expected == "a list" => "write a list: `- …` on lines of their own, or `[…, …]`".to_owned(),
            _ => format!("write {expected}"),
        };
        document.at_value(at, "wrong-type", message).help(help)
    }

    fn missing_key(&self, error: &ValidationError, at: &str, key: &str, document: &Document) -> Diagnostic {
        let help = format!("add `{key}:` to {}", name_of(at));
        // `dependentRequired` says which keys need which; its errors do not say which one did.
        let needs = self.schema.pointer(error.schema_path().as_str()).and_then(Value::as_object);
        let cause = needs.into_iter().flatten().find(|(cause, needed)| {
            error.instance().get(cause.as_str()).is_some()
                && needed.as_array().is_some_and(|needed| needed.iter().any(|needed| needed == key))
        });
        match cause {
            Some((cause, _)) => document
                .at_key(&join(at, cause), "missing-key", format!("`{cause}` needs `{key}` beside it"))
                .help(help),
            None => document.at_key(at, "missing-key", format!("{} has no `{key}`", name_of(at))).help(help),
        }
    }

    /// The bounds that stand beside a violated one, in words.
    fn range(&self, error: &ValidationError) -> String {
        let bound = |keyword| self.beside(error, keyword);
        match (bound("minimum"), bound("exclusiveMinimum"), bound("maximum")) {
            (Some(min), _, Some(max)) => format!("a whole number from {min} to {max}"),
            (Some(min), _, None) => format!("a number of at least {min}"),
            (None, Some(min), _) => format!("a number above {min}"),
            (None, None, max) => format!("a number of at most {}", max.unwrap_or(&Value::Null)),
        }
    }

    /// Keys of the object that the violated schema describes.
    fn known_keys(&self, error: &ValidationError) -> impl Iterator<Item = &str> {
        let properties = self.beside(error, "properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(key, _)| key.as_str())
    }

    /// Keys of the violating object that its schema does not know.
    fn unknown_keys<'e>(&self, error: &'e ValidationError) -> impl Iterator<Item = &'e str> {
        let keys = error.instance().as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        keys.filter(|key| self.known_keys(error).all(|known| known != *key))
    }

    /// A keyword that stands beside the violated one.
    fn beside(&self, error: &ValidationError, keyword: &str) -> Option<&Value> {
        let path = error.schema_path().as_str();
        let parent = &path[..path.rfind('/')?];
        self.schema.pointer(parent)?.get(keyword)
    }
}

const NAME_HELP: &str = "write 1 to 40 of a-z, 0-9 and `-`";

fn not_among(options: &[&Value], found: &Value, name: &str, at: &str, document: &Document) -> Diagnostic {
    let options: Vec<String> = options.iter().map(|option| plain(option)).collect();
    if found.is_null() {
        return document
            .at_key(at, "no-value", format!("{name} has no value"))
            .help(format!("write {}, or leave the key out", list(&options, "or")));
    }
    let diagnostic = document.at_value(at, "bad-value", format!("{name} cannot be {}", quote(found)));
    match found.as_str().and_then(|found| nearest(found, options.iter().map(String::as_str))) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`? It takes {}", list(&options, "or"))),
        None => diagnostic.help(format!("write {}", list(&options, "or"))),
    }
}

fn bad_pattern(pattern: &str, found: &Value, name: &str, at: &str, document: &Document) -> Diagnostic {
    let text = found.as_str().unwrap_or_default();
    let (code, message) = match pattern {
        units::DURATION => ("bad-duration", units::parse_duration(text).err()),
        units::SHARE => ("bad-share", units::parse_share(text).err()),
        schedule::QUIET_HOURS => ("bad-quiet-hours", QuietHours::parse(text).err()),
        raw::NAME => ("bad-name", Some(format!("{} is not a name", quote(found)))),
        _ => ("bad-value", Some(format!("it cannot be {}", quote(found)))),
    };
    let message = format!("{name}: {}", message.unwrap_or_default());
    document.at_value(at, code, message).help(match pattern_help(pattern) {
        "" => format!("write what matches {pattern}"),
        help => help.to_owned(),
    })
}

/// How to write what a pattern of the schema wants; empty where the pattern says it best.
fn pattern_help(pattern: &str) -> &'static str {
    match pattern {
        units::DURATION => "write a number and a unit: `90s`, `15m`, `2h`, `1h30m`, `2d`",
        units::SHARE => "write a percentage: `5%` or `0.1%`",
        raw::NAME => NAME_HELP,
        schedule::QUIET_HOURS => "write it as 22:00-08:00",
        raw::UNLIMITED => "write a number, or `unlimited`",
        _ => "",
    }
}

/// Takes a key out of the map that holds it. An item of a list stays: the list would mean something else.
fn leave_out(value: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(map)) = value.pointer_mut(parent) {
        map.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}

/// How messages speak of the place a pointer names.
fn name_of(pointer: &str) -> String {
    let mut segments = pointer.rsplit('/').filter(|segment| !segment.is_empty());
    let Some(last) = segments.next() else { return "the file".to_owned() };
    let unescape = |segment: &str| segment.replace("~1", "/").replace("~0", "~");
    match last.parse::<usize>() {
        Ok(index) => {
            let parent =
                segments.next().map_or_else(|| "the file".to_owned(), |s| format!("`{}`", unescape(s)));
            format!("item {} of {parent}", index + 1)
        }
        Err(_) => format!("`{}`", unescape(last)),
    }
}

fn found_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map of keys",
    }
}

/// A JSON type in the author's words.
fn wanted(kind: &str) -> &'static str {
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
