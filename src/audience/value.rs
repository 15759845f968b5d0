//! One value of a row, and the text in which a tuple of values is kept.

/// The value of one column in one row. CSV gives [`Value::Text`] alone; JSON keeps its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value<'a> {
    /// The row does not have the column.
    Missing,
    /// JSON `null`.
    Null,
    /// A text; may be empty.
    Text(&'a str),
    /// JSON `true` or `false`.
    Bool(bool),
    /// A JSON number, digit for digit as it was written.
    Number(&'a str),
    /// A JSON array or object, byte for byte as it was written.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// The value as text; `None` where there is none.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Missing | Self::Null => None,
            Self::Text(text) | Self::Number(text) | Self::Json(text) => Some(text),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::Null => Kind::Null,
            Self::Text(_) => Kind::Text,
            Self::Bool(false) => Kind::False,
            Self::Bool(true) => Kind::True,
            Self::Number(_) => Kind::Number,
            Self::Json(_) => Kind::Json,
        }
    }

    /// The characters to keep beside the [`Kind`]; empty where the kind says all.
    pub(super) fn payload(self) -> &'a str {
        match self {
            Self::Missing | Self::Null | Self::Bool(_) => "",
            Self::Text(text) | Self::Number(text) | Self::Json(text) => text,
        }
    }
}

/// What a [`Value`] is, apart from its characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Missing,
    Null,
    Text,
    False,
    True,
    Number,
    Json,
}

impl Kind {
    pub(super) fn value(self, payload: &str) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Null => Value::Null,
            Self::Text => Value::Text(payload),
            Self::False => Value::Bool(false),
            Self::True => Value::Bool(true),
            Self::Number => Value::Number(payload),
            Self::Json => Value::Json(payload),
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Missing => '-',
            Self::Null => 'n',
            Self::Text => 's',
            Self::False => 'f',
            Self::True => 't',
            Self::Number => 'd',
            Self::Json => 'j',
        }
    }

    fn of_letter(letter: char) -> Option<Self> {
        [Self::Missing, Self::Null, Self::Text, Self::False, Self::True, Self::Number, Self::Json]
            .into_iter()
            .find(|kind| kind.letter() == letter)
    }
}

/// Appends a value so that no two different tuples have the same text: a letter for the kind, the length in
/// base 64 (lowest digit first; every digit but the last has 64 added), the characters.
///
/// Every digit is an ASCII character, so that a tuple is itself a text.
pub(crate) fn encode(tuple: &mut String, value: Value<'_>) {
    let payload = value.payload();
    tuple.push(value.kind().letter());
    let mut length = payload.len();
    while length >= 64 {
        tuple.push(digit(length % 64 + 64));
        length /= 64;
    }
    tuple.push(digit(length));
    tuple.push_str(payload);
}

fn digit(value: usize) -> char {
    char::from(u8::try_from(value).expect("a digit is below 128"))
}

/// The values of a tuple that [`encode`] wrote.
pub(super) fn decode(tuple: &str) -> impl Iterator<Item = Value<'_>> {
    let mut rest = tuple;
    std::iter::from_fn(move || {
        let kind = Kind::of_letter(rest.chars().next()?)?;
        let (mut length, mut shift) = (0, 0);
        let mut at = 1;
        loop {
            let digit = usize::from(*rest.as_bytes().get(at)?);
            length |= (digit % 64) << shift;
            shift += 6;
            at += 1;
            if digit < 64 {
                break;
            }
        }
        let (payload, after) = rest[at..].split_at(length);
        rest = after;
        Some(kind.value(payload))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Vec<(u8, String)>> {
        prop::collection::vec((0_u8..7, prop_oneof![".{0,4}", ".{60,70}", "a{4090,4100}"]), 0..5)
    }

    fn as_values(parts: &[(u8, String)]) -> Vec<Value<'_>> {
        let kinds =
            [Kind::Missing, Kind::Null, Kind::Text, Kind::False, Kind::True, Kind::Number, Kind::Json];
        parts.iter().map(|(kind, text)| kinds[usize::from(*kind)].value(text)).collect()
    }

    proptest! {
        /// What a template gets is what the row held.
        #[test]
        fn a_tuple_gives_back_its_values(parts in values()) {
            let values = as_values(&parts);
            let mut tuple = String::new();
            for value in &values {
                encode(&mut tuple, *value);
            }
            prop_assert_eq!(decode(&tuple).collect::<Vec<_>>(), values);
        }
    }
}
