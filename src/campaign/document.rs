//! A YAML file and where each of its keys and values stands.
//!
//! Later stages know a mistake by its JSON pointer; a [`Document`] turns the pointer back into a place.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, SourceFile, Span};

/// A parsed YAML file: its text and where each JSON pointer stands in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Document {
    /// The file.
    pub source: Arc<SourceFile>,
    /// JSON pointer (`/audience/where/lang`) → where its key and its value stand.
    pub places: HashMap<String, Place>,
}

/// Where a key and its value stand.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The key; for a list's item and for the root, the value's own span.
    pub key: Span,
    /// The value.
    pub value: Span,
}

impl Document {
    /// An error at the value that a JSON pointer names (the nearest parent's, where it is not written).
    pub fn at_value(&self, pointer: &str, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, &self.source, self.place(pointer).value, message)
    }

    /// An error at the key that a JSON pointer names (the nearest parent's, where it is not written).
    pub fn at_key(&self, pointer: &str, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, &self.source, self.place(pointer).key, message)
    }

    /// The text of the value that a JSON pointer names, as it is written.
    pub(super) fn text_at(&self, pointer: &str) -> &str {
        let Span { start, len } = self.place(pointer).value;
        self.source.text.get(start..start + len).unwrap_or_default()
    }

    pub(super) fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return *place;
            }
            match pointer.rfind('/') {
                Some(cut) => pointer = &pointer[..cut],
                None => return Place { key: Span { start: 0, len: 0 }, value: Span { start: 0, len: 0 } },
            }
        }
    }
}

/// The JSON pointer of a key of the object at `pointer`.
pub(super) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
