//! One field of a row: undoing the server's escapes, and what the text of a column's type stands for.

use tokio_postgres::types::{Kind, Type};

use crate::audience::value::Value;

/// Undoes what the server writes for characters that would end a field or a row.
pub(super) fn unescape(field: &str, text: &mut String) {
    text.clear();
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut after = after.chars();
        match after.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('v') => text.push('\u{b}'),
            other => text.extend(other),
        }
        rest = after.as_str();
    }
    text.push_str(rest);
}

/// What the text of a column stands for. Dates, times and whatever else the server knows are texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Text,
    Bool,
    Number,
    Json,
}

impl Meaning {
    pub(super) fn of(kind: &Type) -> Self {
        if let Kind::Domain(inner) = kind.kind() {
            return Self::of(inner);
        }
        match *kind {
            Type::BOOL => Self::Bool,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => {
                Self::Number
            }
            Type::JSON | Type::JSONB => Self::Json,
            _ => Self::Text,
        }
    }

    pub(super) fn value(self, text: &str) -> Value<'_> {
        match self {
            Self::Bool => Value::Bool(text == "t"),
            // `NaN` and `Infinity` are no numbers of JSON.
            Self::Number if text.ends_with(|c: char| c.is_ascii_digit()) => Value::Number(text),
            Self::Json if text.starts_with(['{', '[']) => Value::Json(text),
            Self::Text | Self::Number | Self::Json => Value::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_escapes_comes_back() {
        let mut text = String::new();
        for (field, expected) in [
            (r"a\\tb", r"a\tb"),
            (r"\t\n\r\b\f\v", "\t\n\r\u{8}\u{c}\u{b}"),
            (r"é\\", r"é\"),
            (r"\\N", r"\N"),
            ("plain", "plain"),
        ] {
            unescape(field, &mut text);
            assert_eq!(text, expected);
        }
    }
}
