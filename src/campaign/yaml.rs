//! YAML into a JSON value and a [`Document`]; the only module that knows the YAML crate.
//!
//! YAML 1.2 without surprises: `NO`, `012` and `1_000` stay strings, a key may stand once, `<<` is no
//! merge, and a file may neither nest nor repeat itself (by aliases) without bound. A file is parsed once.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Spanned};

use super::document::{Document, Place, join};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, Span};

/// Deepest nesting. The deepest meaningful campaign has about ten levels; the tree is walked by recursion.
const DEPTH_MAX: usize = 64;
/// Most scalars, lists and maps. A longer list of accounts belongs into a CSV file.
const NODES_MAX: usize = 250_000;
/// Most events that aliases may add to what is written.
const ALIAS_EVENTS_MAX: usize = 10_000;

/// Parses the bytes of one file, known to the user as `path`: its value, and where everything stands in it.
///
/// # Errors
/// What is not UTF-8, not YAML, or YAML that could be read in two ways.
pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<(Value, Document), Diagnostics> {
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
    let source = SourceFile::new(path, text);
    if source.text.starts_with('\u{feff}') {
        return Err(Diagnostic::file_error(
            "byte-order-mark",
            path,
            "the file begins with a byte order mark",
        )
        .help("save it as UTF-8 without a byte order mark")
        .into());
    }
    let root = serde_saphyr::from_str_with_options::<Node>(&source.text, options())
        .map_err(|error| syntax(&source, &error))?;
    if matches!(root.0.value, Kind::Null) {
        return Err(Diagnostic::file_error("empty-file", path, "the file holds no keys").into());
    }
    let mut builder =
        Builder { source: Arc::clone(&source), places: HashMap::new(), repeated: Diagnostics::new() };
    let value = builder.value(root, String::new(), None);
    if builder.repeated.is_empty() {
        Ok((value, Document { source, places: builder.places }))
    } else {
        Err(builder.repeated)
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            flow_nesting_limit: DEPTH_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIAS_EVENTS_MAX },
        // The tree keeps repeated keys, so that every one of them is reported and not only the first.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        // A tag would be passed over in silence, and its author meant something by it.
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Diagnostics {
    let offset = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let line = bytes[..offset].split(|byte| *byte == b'\n').count();
    let help = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file looks like UTF-16: save it as UTF-8",
        _ => "save the file as UTF-8",
    };
    Diagnostic::file_error(
        "not-utf8",
        path,
        format!("the file is not UTF-8: byte {offset} (line {line}) begins no character"),
    )
    .help(help)
    .into()
}

fn syntax(source: &Arc<SourceFile>, error: &serde_saphyr::Error) -> Diagnostics {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let span = error.location().map_or(Span { start: 0, len: 0 }, |location| span(&source.text, location));
    let inner = match error {
        Error::AliasError { error, .. } => error.as_ref(),
        other => other,
    };
    let (code, message, help) = match inner {
        Error::MultipleDocuments { .. } => (
            "multiple-documents",
            "the file holds more than one YAML document".to_owned(),
            "keep one campaign a file",
        ),
        Error::MergeKeyNotAllowed { .. } => (
            "merge-key",
            "`<<` merges maps in YAML 1.1 only, and hides where a value comes from".to_owned(),
            "write the keys out",
        ),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => (
            "alias-bomb",
            format!("aliases repeat more than {ALIAS_EVENTS_MAX} values"),
            "write the values out, or keep long lists in a CSV file",
        ),
        Error::Budget { .. } => (
            "too-large",
            format!("the file is too large or too deep: at most {NODES_MAX} values, {DEPTH_MAX} levels"),
            "keep long lists of accounts in a CSV file",
        ),
        Error::UnknownAnchor { .. } => (
            "unknown-alias",
            "the alias names no anchor".to_owned(),
            "quote the value if it is meant to begin with `*`",
        ),
        Error::Eof { .. } => {
            return Diagnostic::file_error("empty-file", &source.path, "the file holds no keys").into();
        }
        // To YAML, `{{` opens a map whose key is a map.
        _ if source.text.get(span.start.saturating_sub(1)..).is_some_and(|rest| rest.starts_with("{{")) => (
            "unquoted-template",
            "a value that begins with `{{` must stand in quotes".to_owned(),
            "write \"{{…}}\"",
        ),
        other => ("yaml-syntax", plain_message(other), "check quotes, brackets and indentation"),
    };
    Diagnostic::error(code, source, span, message).help(help).into()
}

/// The crate's message in one line, without the place, which is shown apart.
fn plain_message(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let end = first.find(" at line ").unwrap_or(first.len());
    let message = first[..end].trim_start_matches("error: ").trim_end_matches([':', '.', ' ']);
    format!("the file is not valid YAML: {message}")
}

/// A location's byte range. Scanner errors have none, only a line and a column in characters.
fn span(text: &str, location: Location) -> Span {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let bytes = location.span();
    if let (Some(start), Some(len)) = (bytes.byte_offset(), bytes.byte_len()) {
        let start = size(start).min(text.len());
        return Span { start, len: size(len).min(text.len() - start) };
    }
    let lines = text.split_inclusive('\n').take(size(location.line()).saturating_sub(1));
    let line_start: usize = lines.map(str::len).sum();
    let column = size(location.column()).saturating_sub(1);
    let start = line_start + text[line_start..].chars().take(column).map(char::len_utf8).sum::<usize>();
    Span { start, len: 0 }
}

/// A value with its place; lists and maps nest.
struct Node(Spanned<Kind>);

enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// Pairs, because a repeated key must be seen to be reported.
    Map(Vec<(Spanned<String>, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    /// JSON Schema takes `1.0` for a whole number, so it becomes one here as well.
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() < EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            return Ok(Kind::Number((value as i64).into()));
        }
        Number::from_f64(value).map(Kind::Number).ok_or_else(|| E::custom("JSON has no such number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Kind::Map(entries))
    }
}

/// Turns the tree into a JSON value and notes every place on the way.
struct Builder {
    source: Arc<SourceFile>,
    places: HashMap<String, Place>,
    repeated: Diagnostics,
}

impl Builder {
    /// `key` is where the value's key stands; a value without one (an item, the root) is its own.
    fn value(&mut self, node: Node, pointer: String, key: Option<Span>) -> Value {
        let own = span(&self.source.text, node.0.referenced);
        let (value, end) = match node.0.value {
            Kind::Null => (Value::Null, None),
            Kind::Bool(value) => (Value::Bool(value), None),
            Kind::Number(value) => (Value::Number(value), None),
            Kind::Text(value) => (Value::String(value), None),
            Kind::List(items) => {
                let mut end = own.start;
                let values = items.into_iter().enumerate().map(|(index, item)| {
                    let at = format!("{pointer}/{index}");
                    let value = self.value(item, at.clone(), None);
                    end = end.max(self.end(&at));
                    value
                });
                (values.collect(), Some(end))
            }
            Kind::Map(entries) => {
                let mut end = own.start;
                let mut map = Map::new();
                for (name, item) in entries {
                    let at = join(&pointer, &name.value);
                    let key = span(&self.source.text, name.referenced);
                    if let Some(first) = self.places.get(&at).copied() {
                        self.repeat(&name.value, first.key, key);
                        continue;
                    }
                    let value = self.value(item, at.clone(), Some(key));
                    end = end.max(self.end(&at));
                    map.insert(name.value, value);
                }
                (Value::Object(map), Some(end))
            }
        };
        // A collection's own span is its first byte, or nothing; it ends where its last child ends.
        let len = end.map_or(own.len, |end| own.len.max(self.closed(own.start, end) - own.start));
        let place = Span { start: own.start, len };
        self.places.insert(pointer, Place { key: key.unwrap_or(place), value: place });
        value
    }

    /// The end of a collection whose last child ends at `end`: past the bracket in flow style.
    fn closed(&self, start: usize, end: usize) -> usize {
        let text = &self.source.text;
        let end = end.max(start);
        if !text[start..].starts_with(['[', '{']) {
            return end;
        }
        let rest = text[end..].trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.starts_with([']', '}']) { text.len() - rest.len() + 1 } else { end }
    }

    fn end(&self, pointer: &str) -> usize {
        self.places.get(pointer).map_or(0, |place| place.value.start + place.value.len)
    }

    fn repeat(&mut self, name: &str, first: Span, second: Span) {
        let at_first = Diagnostic::error("duplicate-key", &self.source, first, "");
        let line = at_first.line_column().map_or(0, |(line, _)| line);
        self.repeated.push(
            Diagnostic::error(
                "duplicate-key",
                &self.source,
                second,
                format!("the key `{name}` is written twice; the first is on line {line}"),
            )
            .help("keep one of them"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Value, Document) {
        parse(Path::new("t.yaml"), text.as_bytes().to_vec()).expect("valid YAML")
    }

    fn refused(bytes: &[u8]) -> Diagnostic {
        parse(Path::new("t.yaml"), bytes.to_vec()).expect_err("refused").into_iter().next().expect("a reason")
    }

    fn quoted(document: &Document, span: Span) -> &str {
        &document.source.text[span.start..span.start + span.len]
    }

    #[test]
    fn what_looks_like_a_string_stays_a_string() {
        let (value, _) = read("a: NO\nb: 012\nc: 1_000\nd: on\ne: 2026-11-24T09:00\nf: '7'\n");
        assert_eq!(
            value,
            serde_json::json!({"a": "NO", "b": "012", "c": "1_000", "d": "on", "e": "2026-11-24T09:00", "f": "7"})
        );
    }

    #[test]
    fn typed_values_keep_their_type() {
        let (value, _) = read("a: true\nb: 3\nc: -2.5\nd:\ne: 0x1F\nf: 18446744073709551615\ng: 1.0\n");
        assert_eq!(
            value,
            serde_json::json!({"a": true, "b": 3, "c": -2.5, "d": null, "e": 31, "f": u64::MAX, "g": 1})
        );
    }

    #[test]
    fn every_key_and_value_has_its_bytes() {
        let (_, document) = read("é: ü\nlist:\n  - one\n  - {a/b: \"two\"}\n");
        assert_eq!(quoted(&document, document.places["/é"].key), "é");
        assert_eq!(quoted(&document, document.places["/é"].value), "ü");
        assert_eq!(quoted(&document, document.places["/list/0"].value), "one");
        assert_eq!(quoted(&document, document.places["/list/1/a~1b"].key), "a/b");
        assert_eq!(quoted(&document, document.places["/list/1/a~1b"].value), "\"two\"");
        assert!(quoted(&document, document.places["/list"].value).starts_with("- one"));
        assert_eq!(quoted(&document, document.places["/list/1"].value), "{a/b: \"two\"}");
    }

    #[test]
    fn an_alias_stands_where_it_is_used() {
        let (value, document) = read("a: &x [1, 2]\nb: *x\n");
        assert_eq!(value["b"], serde_json::json!([1, 2]));
        assert_eq!(quoted(&document, document.places["/b/1"].value), "*x");
    }

    #[test]
    fn all_repeated_keys_are_reported_with_both_places() {
        let errors = parse(Path::new("t.yaml"), b"a: 1\nb: 2\na: 3\nb: 4\n".to_vec()).expect_err("repeated");
        let messages: Vec<_> = errors.iter().map(|d| (d.message.as_str(), d.line_column())).collect();
        assert_eq!(
            messages,
            [
                ("the key `a` is written twice; the first is on line 1", Some((3, 1))),
                ("the key `b` is written twice; the first is on line 2", Some((4, 1))),
            ]
        );
    }

    #[test]
    fn files_that_are_no_single_yaml_document_are_refused() {
        assert_eq!(refused(b"").code, "empty-file");
        assert_eq!(refused(b"# only a comment\n").code, "empty-file");
        assert_eq!(refused(b"a: 1\n---\nb: 2\n").code, "multiple-documents");
        assert_eq!(refused(b"a: [1, 2\n").code, "yaml-syntax");
        assert_eq!(refused(b"a: {<<: {b: 1}}\n").code, "merge-key");
        assert_eq!(refused("\u{feff}a: 1\n".as_bytes()).code, "byte-order-mark");
        assert_eq!(refused(b"a: *nothing\n").code, "unknown-alias");
        assert_eq!(refused(b"a: !env KEY\n").code, "yaml-syntax");
        assert!(refused(b"a: 1\nb: \xff\n").message.contains("byte 8 (line 2)"));
    }

    #[test]
    fn an_alias_bomb_does_not_go_off() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let alias = format!("*a{}", n - 1);
            bomb.extend([
                "a",
                &n.to_string(),
                ": &a",
                &n.to_string(),
                " [",
                &[alias.as_str(); 9].join(", "),
                "]\n",
            ]);
        }
        assert_eq!(refused(bomb.as_bytes()).code, "alias-bomb");
    }

    #[test]
    fn deep_nesting_is_refused_before_it_exhausts_the_stack() {
        let block: String = (0..500).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert_eq!(refused(block.as_bytes()).code, "too-large");
        let flow = format!("a: {}", "[".repeat(100_000));
        assert!(["too-large", "yaml-syntax"].contains(&refused(flow.as_bytes()).code));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_hang(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = parse(Path::new("t.yaml"), bytes);
        }

        #[test]
        fn every_place_is_a_slice_of_the_text(text in "([a-c]: |- |\\[|\\{|\\]|\\}|, |\n|  |&x |\\*x|é|'|\"|# |\\|\n){0,40}") {
            if let Ok((_, document)) = parse(Path::new("t.yaml"), text.into_bytes()) {
                for place in document.places.values() {
                    for span in [place.key, place.value] {
                        proptest::prop_assert!(document.source.text.get(span.start..span.start + span.len).is_some());
                    }
                }
            }
        }
    }
}
