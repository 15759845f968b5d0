//! The helpers that decide what a value that is not there means.

use serde_json::Value as Json;

use super::call::Args;
use crate::message::render::Fault;

/// Wraps an argument of Handlebars' own helpers, which would take missing and null for false.
pub(in crate::message) const NEED: &str = "need";

/// Writes a plain `{{column}}`, which Handlebars would write as nothing where the value is null, and as
/// `[object]` where it is no text.
pub(in crate::message) const PRINT: &str = "print";

pub(super) fn need(args: &Args<'_, '_>) -> Result<Json, Fault> {
    args.value(0).cloned()
}

pub(super) fn print(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok(Json::String(args.text(0)?.into_owned()))
}

pub(super) fn default(args: &Args<'_, '_>) -> Result<Json, Fault> {
    let last = args.0.params().len() - 1;
    (0..last)
        .filter_map(|index| args.value(index).ok())
        .find(|value| value.as_str() != Some(""))
        .map_or_else(|| args.value(last), Ok)
        .cloned()
}

#[cfg(test)]
mod tests {
    use crate::message::template::tests::render;

    #[test]
    fn default_replaces_missing_null_and_empty_but_not_false_or_zero() {
        for value in ["{}", r#"{"a":null}"#, r#"{"a":""}"#] {
            assert_eq!(render(r#"{{default a "x"}}"#, value).unwrap(), "x", "{value}");
        }
        assert_eq!(render(r#"{{default a "x"}}"#, r#"{"a":0}"#).unwrap(), "0");
        assert_eq!(render(r#"{{default a "x"}}"#, r#"{"a":false}"#).unwrap(), "false");
    }

    #[test]
    fn default_falls_through_to_the_next_column_and_the_last_must_be_there() {
        assert_eq!(render(r#"{{default a b "x"}}"#, r#"{"b":"B"}"#).unwrap(), "B");
        assert_eq!(
            render("{{default a b}}", r#"{"a":null}"#).unwrap_err().to_string(),
            "/t: `b` is missing; give the row a value, or the template a `default`"
        );
    }
}
