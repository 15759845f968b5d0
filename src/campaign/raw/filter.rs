//! Conditions on rows: `where` and `suppress_where`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Columns to tests, all of which must hold; `all`, `any` and `not` combine further conditions.
///
/// Columns are free names beside three fixed ones, so serde and schemars cannot derive this.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct RawFilter {
    pub all: Option<Vec<RawFilter>>,
    pub any: Option<Vec<RawFilter>>,
    pub not: Option<Box<RawFilter>>,
    pub columns: Vec<(String, RawTest)>,
}

impl TryFrom<Map<String, Value>> for RawFilter {
    type Error = serde_json::Error;

    fn try_from(mut map: Map<String, Value>) -> Result<Self, Self::Error> {
        Ok(Self {
            all: map.remove("all").map(serde_json::from_value).transpose()?,
            any: map.remove("any").map(serde_json::from_value).transpose()?,
            not: map.remove("not").map(serde_json::from_value).transpose()?,
            columns: map
                .into_iter()
                .map(|(column, test)| Ok((column, serde_json::from_value(test)?)))
                .collect::<Result<_, Self::Error>>()?,
        })
    }
}

impl JsonSchema for RawFilter {
    fn schema_name() -> Cow<'static, str> {
        "Filter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let filter = generator.subschema_for::<RawFilter>();
        json_schema!({
            "description": "Conditions on a row, all of which must hold: `column: value`, \
                `column: {operator: value}`, or `all`, `any`, `not`.",
            "type": "object",
            "minProperties": 1,
            "properties": {
                "all": {
                    "description": "All of these must hold.",
                    "type": "array", "minItems": 1, "items": filter
                },
                "any": {
                    "description": "At least one of these must hold.",
                    "type": "array", "minItems": 1, "items": filter
                },
                "not": filter
            },
            "additionalProperties": generator.subschema_for::<RawTest>(),
            "examples": [{"lang": "en", "orders": {"gte": 3}}, {"not": {"city": {"in": ["Paris", "Rome"]}}}]
        })
    }
}

/// A value to equal, or operators that must all hold.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum RawTest {
    Equals(RawScalar),
    Operators(Box<RawOperators>),
}

impl JsonSchema for RawTest {
    fn schema_name() -> Cow<'static, str> {
        "Test".into()
    }

    /// The operators' keywords beside the scalar types: they speak of objects only, so one schema serves
    /// both forms, and a misspelt operator is told as that.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RawOperators::json_schema(generator);
        schema.insert("type".to_owned(), json!(["string", "number", "boolean", "object"]));
        schema.insert("description".to_owned(), "A value to equal, or operators that must all hold.".into());
        schema.insert("minProperties".to_owned(), 1.into());
        schema
    }
}

/// A value in a condition; its type decides how it compares.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "Scalar",
    transform = super::one_type,
    extend("type" = ["string", "number", "boolean"])
)]
pub enum RawScalar {
    /// Matches true, True, TRUE and 1; or false, False, FALSE and 0.
    Bool(bool),
    /// Compares as a number.
    Number(f64),
    /// Compares byte by byte.
    Text(String),
}

/// Tests of one value, all of which must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawOperators {
    /// Equal to this.
    pub eq: Option<RawScalar>,
    /// Not equal to this.
    pub ne: Option<RawScalar>,
    /// Less than this.
    #[schemars(extend("type" = ["string", "number"]))]
    pub lt: Option<RawScalar>,
    /// Less than or equal to this.
    #[schemars(extend("type" = ["string", "number"]))]
    pub lte: Option<RawScalar>,
    /// Greater than this.
    #[schemars(extend("type" = ["string", "number"]))]
    pub gt: Option<RawScalar>,
    /// Greater than or equal to this.
    #[schemars(extend("type" = ["string", "number"]))]
    pub gte: Option<RawScalar>,
    /// Equal to one of these.
    #[serde(rename = "in")]
    #[schemars(length(min = 1))]
    pub one_of: Option<Vec<RawScalar>>,
    /// Equal to none of these.
    #[schemars(length(min = 1))]
    pub not_in: Option<Vec<RawScalar>>,
    /// Present and not empty (true), or the opposite (false).
    pub exists: Option<bool>,
    /// Holds this text.
    #[schemars(length(min = 1))]
    pub contains: Option<String>,
    /// Begins with this text.
    #[schemars(length(min = 1))]
    pub starts_with: Option<String>,
}
