//! One JSON object a line. Values keep their JSON type, numbers and nested values their very characters.
//!
//! Blank lines are passed over; a UTF-8 byte order mark is tolerated.

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::file::{self, Named};
use super::{Block, Error, Reader, Wanted};
use crate::audience::block::MAX_ROW_BYTES;
use crate::audience::value::Value;

/// Rows whose keys are taken for the file's columns.
const SAMPLE_ROWS: usize = 1000;

pub(super) struct JsonlReader {
    lines: Lines,
    wanted: Vec<String>,
}

impl JsonlReader {
    pub(super) fn new(input: file::Input, wanted: &Wanted) -> Self {
        Self { lines: Lines::new(input), wanted: wanted.names().to_vec() }
    }
}

impl Reader for JsonlReader {
    fn fill(&mut self, block: &mut Block<'_>) -> Result<bool, Error> {
        while !block.is_full() {
            if !self.lines.next()? {
                return Ok(false);
            }
            let line = self.lines.line;
            let row = self.lines.text().and_then(|text| push_row(text, &self.wanted, block));
            match row {
                Ok(()) => block.end_row(line),
                Err(reason) => block.bad_row(line, 1, reason),
            }
        }
        Ok(true)
    }
}

/// The keys of the first rows, in the order in which they are met.
pub(super) fn keys(path: &Path) -> Result<Vec<String>, Error> {
    let mut lines = Lines::new(file::open(path)?);
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for _ in 0..SAMPLE_ROWS {
        if !lines.next()? {
            break;
        }
        let Ok(text) = lines.text() else { continue };
        let Ok(keys) = parse(text, KeyNames) else { continue };
        names.extend(keys.into_iter().filter(|key| seen.insert(key.clone())));
    }
    Ok(names)
}

/// The lines of a file that are not blank.
struct Lines {
    named: Named,
    input: BufReader<Box<dyn Read + Send>>,
    bytes: Vec<u8>,
    /// The number of the line at hand, from 1.
    line: u64,
    too_long: bool,
}

impl Lines {
    fn new((named, bytes): file::Input) -> Self {
        let input = BufReader::with_capacity(file::BUFFER_BYTES, bytes);
        Self { named, input, bytes: Vec::new(), line: 0, too_long: false }
    }

    /// Goes to the next line; `false` at the end.
    fn next(&mut self) -> Result<bool, Error> {
        loop {
            self.bytes.clear();
            let mut bounded = self.input.by_ref().take(MAX_ROW_BYTES as u64 + 1);
            bounded.read_until(b'\n', &mut self.bytes).map_err(|e| self.named.error(e))?;
            if self.bytes.is_empty() {
                return Ok(false);
            }
            self.line += 1;
            self.too_long = self.bytes.len() > MAX_ROW_BYTES && !self.bytes.ends_with(b"\n");
            if self.too_long {
                self.input.skip_until(b'\n').map_err(|e| self.named.error(e))?;
            }
            if self.line == 1 && self.bytes.starts_with(b"\xEF\xBB\xBF") {
                self.bytes.drain(..3);
            }
            if !self.bytes.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn text(&self) -> Result<&str, String> {
        if self.too_long {
            return Err("is longer than 1 MiB".to_owned());
        }
        std::str::from_utf8(&self.bytes).map_err(|_| "is not UTF-8".to_owned())
    }
}

/// Pushes the wanted values of one row; the reason where it is malformed.
fn push_row(text: &str, wanted: &[String], block: &mut Block<'_>) -> Result<(), String> {
    let raw = parse(text, WantedValues(wanted))?;
    for (value, name) in raw.into_iter().zip(wanted) {
        let Some(raw) = value.map(RawValue::get) else {
            block.push(Value::Missing);
            continue;
        };
        match raw.as_bytes().first() {
            Some(b'n') => block.push(Value::Null),
            Some(b't') => block.push(Value::Bool(true)),
            Some(b'f') => block.push(Value::Bool(false)),
            Some(b'"') if !raw.contains('\\') => block.push(Value::Text(&raw[1..raw.len() - 1])),
            Some(b'"') => {
                let text: String = serde_json::from_str(raw)
                    .map_err(|_| format!("the text of `{name}` has a bad escape"))?;
                block.push(Value::Text(&text));
            }
            Some(b'[' | b'{') => block.push(Value::Json(raw)),
            _ => block.push(Value::Number(raw)),
        }
    }
    Ok(())
}

fn parse<'de, T>(text: &'de str, seed: T) -> Result<T::Value, String>
where
    T: DeserializeSeed<'de>,
{
    let mut json = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut json).and_then(|value| json.end().map(|()| value)).map_err(|error| {
        let message = error.to_string();
        // The library counts lines within the row; the column alone helps.
        let message = message.split(" at line ").next().unwrap_or_default();
        match error.column() {
            0 => format!("is not a usable JSON object: {message}"),
            column => format!("is not a usable JSON object: {message} (column {column})"),
        }
    })
}

/// Takes the wanted values out of an object, in the order of the names.
struct WantedValues<'w>(&'w [String]);

impl<'de> DeserializeSeed<'de> for WantedValues<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for WantedValues<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.0.len()];
        while let Some(index) = object.next_key_seed(KeyIndex(self.0))? {
            let Some(index) = index else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            if values[index].replace(object.next_value()?).is_some() {
                return Err(serde::de::Error::custom(format!("the key `{}` stands twice", self.0[index])));
            }
        }
        Ok(values)
    }
}

/// Which wanted column a key names, without a copy of the key.
struct KeyIndex<'w>(&'w [String]);

impl<'de> DeserializeSeed<'de> for KeyIndex<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIndex<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| wanted == key))
    }
}

/// The keys of an object.
struct KeyNames;

impl<'de> DeserializeSeed<'de> for KeyNames {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeyNames {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, _)) = object.next_entry::<String, IgnoredAny>()? {
            keys.push(key);
        }
        Ok(keys)
    }
}
