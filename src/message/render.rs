//! Values, as templates see them, and what can go wrong with one.

use handlebars::{Context, Output, RenderContext, RenderErrorReason, Renderable};
use serde_json::{Map, Value as Json};

use super::helpers;
use crate::audience::Value;

/// Most bytes one string of a message may come to. The vendors' own limits are below 5 KiB; this one only
/// keeps a mistaken template or value from filling the memory.
const STRING_BYTES_MAX: usize = 64 * 1024;

/// A recipient's message could not be rendered. Whoever knows the row adds where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {}{why}", variable.as_ref().map_or_else(String::new, |v| format!("`{v}` ")))]
pub struct RenderError {
    /// JSON pointer of the string in the campaign file: `/message/title`.
    pub field: String,
    /// The variable as the template names it, where one is to blame.
    pub variable: Option<String>,
    /// What is wrong with it.
    pub why: Why,
}

/// Why a message could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The row has no such value.
    #[error("is missing; give the row a value, or the template a `default`")]
    Missing,
    /// The value is a JSON null.
    #[error("is null; give the row a value, or the template a `default`")]
    Null,
    /// A list or an object stands where text belongs.
    #[error("is a list or an object, not text; name one field of it")]
    NotText,
    /// A nested value that is not JSON, or is nested too deeply to read.
    #[error("is not readable JSON: {0}")]
    BadJson(String),
    /// A helper refused its arguments, or the result is too long.
    #[error("{0}")]
    Helper(String),
}

/// A [`RenderError`] that does not know its field yet. It travels through Handlebars as a nested error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(super) struct Fault {
    pub variable: Option<String>,
    pub why: Why,
}

impl Fault {
    pub(super) fn of(variable: &str, why: Why) -> Self {
        Self { variable: Some(variable.to_owned()), why }
    }

    pub(super) fn helper(message: impl Into<String>) -> Self {
        Self { variable: None, why: Why::Helper(message.into()) }
    }

    pub(super) fn in_field(self, field: &str) -> RenderError {
        RenderError { field: field.to_owned(), variable: self.variable, why: self.why }
    }
}

/// The text of a value that a template prints as it is.
pub(super) fn plain_text<'v>(name: &str, value: &Value<'v>) -> Result<&'v str, Fault> {
    match *value {
        Value::Text(text) | Value::Number(text) => Ok(text),
        Value::Bool(true) => Ok("true"),
        Value::Bool(false) => Ok("false"),
        Value::Missing => Err(Fault::of(name, Why::Missing)),
        Value::Null => Err(Fault::of(name, Why::Null)),
        Value::Json(_) => Err(Fault::of(name, Why::NotText)),
    }
}

/// The data a Handlebars template runs on: the constants and the row's values.
pub(super) fn context<'a>(
    constants: impl IntoIterator<Item = (&'a str, &'a str)>,
    values: impl IntoIterator<Item = (&'a str, Value<'a>)>,
) -> Result<Context, Fault> {
    let mut data = Map::new();
    for (name, value) in values {
        let json = match value {
            Value::Missing => continue,
            Value::Null => Json::Null,
            Value::Text(text) => text.into(),
            Value::Bool(bool) => bool.into(),
            Value::Number(text) => number(text),
            Value::Json(text) => {
                serde_json::from_str(text).map_err(|e| Fault::of(name, Why::BadJson(e.to_string())))?
            }
        };
        data.insert(name.to_owned(), json);
    }
    for (name, value) in constants {
        data.insert(name.to_owned(), value.into());
    }
    Context::wraps(Json::Object(data)).map_err(|e| fault_of(&e))
}

/// A number that JSON would print differently (`3.10`, `1e3`) stays the text it was written as: what a
/// recipient reads must not depend on whether the template also calls a helper.
fn number(text: &str) -> Json {
    match serde_json::from_str::<serde_json::Number>(text) {
        Ok(number) if number.to_string() == text => Json::Number(number),
        _ => text.into(),
    }
}

/// Runs one Handlebars template.
pub(super) fn run(template: &handlebars::Template, context: &Context) -> Result<String, Fault> {
    let mut out = Bounded(String::new());
    template
        .render(helpers::engine(), context, &mut RenderContext::new(None), &mut out)
        .map_err(|e| fault_of(&e))?;
    Ok(out.0)
}

fn fault_of(error: &handlebars::RenderError) -> Fault {
    if let RenderErrorReason::NestedError(nested) = error.reason()
        && let Some(fault) = nested.downcast_ref::<Fault>()
    {
        return fault.clone();
    }
    Fault::helper(error.reason().to_string())
}

struct Bounded(String);

impl Output for Bounded {
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        if self.0.len() + text.len() > STRING_BYTES_MAX {
            return Err(std::io::Error::other(format!("the text is longer than {STRING_BYTES_MAX} bytes")));
        }
        self.0.push_str(text);
        Ok(())
    }
}
