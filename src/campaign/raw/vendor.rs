//! From typed keys in snake_case to the vendor's keys: one table, from which struct, schema and
//! [`Node`] are made.

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::document::join;
use super::super::spec::Node;
use crate::timpush::wire::{GooglePriority, Importance, InterruptionLevel, LiveActivityEvent};

/// A key under `raw` that has a typed key of its own, which would be checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// Where it is written.
    pub pointer: String,
    /// The key to write instead, beside `raw`.
    pub typed: &'static str,
}

/// What becomes part of an OfflinePushInfo.
pub trait IntoNode {
    /// The vendor's form; `at` is the JSON pointer of where it is written.
    fn into_node(self, at: &str, misplaced: &mut Vec<Misplaced>) -> Node;
}

impl IntoNode for String {
    fn into_node(self, at: &str, _: &mut Vec<Misplaced>) -> Node {
        Node::Text { text: self, pointer: at.to_owned() }
    }
}

impl IntoNode for Value {
    fn into_node(self, at: &str, misplaced: &mut Vec<Misplaced>) -> Node {
        match self {
            Value::String(text) => text.into_node(at, misplaced),
            Value::Array(items) => items.into_node(at, misplaced),
            Value::Object(map) => map.into_node(at, misplaced),
            literal => Node::Literal(literal),
        }
    }
}

impl IntoNode for Map<String, Value> {
    fn into_node(self, at: &str, misplaced: &mut Vec<Misplaced>) -> Node {
        let entries = self.into_iter().map(|(key, value)| {
            let node = value.into_node(&join(at, &key), misplaced);
            (key, node)
        });
        Node::Object(entries.collect())
    }
}

impl<T: IntoNode> IntoNode for Vec<T> {
    fn into_node(self, at: &str, misplaced: &mut Vec<Misplaced>) -> Node {
        let items = self.into_iter().enumerate();
        Node::List(items.map(|(index, item)| item.into_node(&format!("{at}/{index}"), misplaced)).collect())
    }
}

/// Values that hold no template.
macro_rules! literal {
    ($($type:ty),*) => {$(
        impl IntoNode for $type {
            fn into_node(self, _: &str, _: &mut Vec<Misplaced>) -> Node {
                Node::Literal(to_value(self))
            }
        }
    )*};
}
literal!(u8, u16, i64, Importance, GooglePriority, InterruptionLevel, LiveActivityEvent);

fn to_value(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("a number or a unit variant is always JSON")
}

/// A struct whose every field has a vendor key, and which takes further keys under `raw`.
macro_rules! vendor_object {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty => $vendor:literal, )*
        }
    ) => {
        #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
        $(#[$meta])*
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: Option<$type>, )*
            /// Further vendor keys that pushplan does not know yet, sent as they are.
            pub raw: Option<serde_json::Map<String, serde_json::Value>>,
        }

        impl $name {
            /// Key in the campaign file, key of the vendor.
            pub const KEYS: &[(&str, &str)] = &[$( (stringify!($field), $vendor) ),*];
        }

        impl $crate::campaign::raw::vendor::IntoNode for $name {
            fn into_node(
                self,
                at: &str,
                misplaced: &mut Vec<$crate::campaign::raw::vendor::Misplaced>,
            ) -> $crate::campaign::spec::Node {
                let mut entries = Vec::new();
                $(
                    if let Some(value) = self.$field {
                        let at = format!(concat!("{}/", stringify!($field)), at);
                        entries.push(($vendor.to_owned(), value.into_node(&at, misplaced)));
                    }
                )*
                if let Some(raw) = self.raw {
                    entries.extend($crate::campaign::raw::vendor::further(raw, at, Self::KEYS, misplaced));
                }
                $crate::campaign::spec::Node::Object(entries)
            }
        }
    };
}
pub(super) use vendor_object;

/// The keys under `raw`, each checked against the typed ones.
pub(super) fn further(
    raw: Map<String, Value>,
    at: &str,
    typed: &'static [(&str, &str)],
    misplaced: &mut Vec<Misplaced>,
) -> Vec<(String, Node)> {
    let at = format!("{at}/raw");
    raw.into_iter()
        .map(|(key, value)| {
            let pointer = join(&at, &key);
            let node = value.into_node(&pointer, misplaced);
            if let Some((name, _)) = typed.iter().find(|(_, vendor)| *vendor == key) {
                misplaced.push(Misplaced { pointer, typed: name });
            }
            (key, node)
        })
        .collect()
}
