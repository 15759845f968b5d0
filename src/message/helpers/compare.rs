//! Comparisons that agree with `where`: the type of one side decides how both are read, because every value
//! of a CSV file is text.
//!
//! Next to a number both are numbers (`12` is greater than `9`); next to a boolean both are booleans
//! (`True` and `1` are true); two texts compare byte by byte.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::call::{Args, Given};
use crate::message::render::{Fault, Why};

pub(super) fn eq(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok((order(args)? == Some(Ordering::Equal)).into())
}

pub(super) fn ne(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok((order(args)? != Some(Ordering::Equal)).into())
}

pub(super) fn lt(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok(ordered(args)?.is_lt().into())
}

pub(super) fn lte(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok(ordered(args)?.is_le().into())
}

pub(super) fn gt(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok(ordered(args)?.is_gt().into())
}

pub(super) fn gte(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok(ordered(args)?.is_ge().into())
}

/// The order of two values, which must have one.
fn ordered(args: &Args<'_, '_>) -> Result<Ordering, Fault> {
    order(args)?.ok_or_else(|| {
        let stranger = usize::from(args.param(0).is_some_and(Json::is_number));
        let text = args.param(stranger).map(Json::to_string).unwrap_or_default();
        args.fault(stranger, Why::Helper(format!("cannot be compared: {text} is of another type")))
    })
}

/// The order of the two arguments; `None` where one cannot be read as what the other is.
fn order(args: &Args<'_, '_>) -> Result<Option<Ordering>, Fault> {
    let (a, b) = (args.value(0)?, args.value(1)?);
    if a.is_number() || b.is_number() {
        return Ok(number(a).zip(number(b)).and_then(|(a, b)| a.partial_cmp(&b)));
    }
    if a.is_boolean() || b.is_boolean() {
        return Ok(boolean(a).zip(boolean(b)).map(|(a, b)| a.cmp(&b)));
    }
    Ok(Some(args.text(0)?.cmp(&args.text(1)?)))
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        other => other.as_f64(),
    }
}

fn boolean(value: &Json) -> Option<bool> {
    match value {
        Json::String(text) => match text.as_str() {
            "true" | "True" | "TRUE" | "1" => Some(true),
            "false" | "False" | "FALSE" | "0" => Some(false),
            _ => None,
        },
        other => other.as_bool(),
    }
}

#[cfg(test)]
mod tests {
    use crate::message::template::tests::render;

    #[test]
    fn text_of_a_csv_file_compares_as_the_type_it_stands_next_to() {
        let row = r#"{"orders":"12","zero":"03","vip":"True","name":"b"}"#;
        for (template, expected) in [
            ("{{gt orders 9}}", "true"),
            ("{{eq zero 3.0}}", "true"),
            ("{{lt orders \"9\"}}", "true"),
            ("{{eq vip true}}", "true"),
            ("{{ne vip false}}", "true"),
            ("{{eq name 1}}", "false"),
            ("{{lt name \"c\"}}", "true"),
        ] {
            assert_eq!(render(template, row).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn an_order_that_does_not_exist_is_an_error() {
        assert_eq!(
            render("{{gt name 3}}", r#"{"name":"many"}"#).unwrap_err().to_string(),
            "/t: `name` cannot be compared: \"many\" is of another type"
        );
        assert_eq!(
            render("{{gt 3 name}}", r#"{"name":"many"}"#).unwrap_err().to_string(),
            "/t: `name` cannot be compared: \"many\" is of another type"
        );
    }

    #[test]
    fn a_missing_or_null_value_is_an_error_in_a_comparison() {
        assert!(render("{{eq a 1}}", "{}").unwrap_err().to_string().contains("`a` is missing"));
        assert!(render("{{#if (eq a 1)}}{{/if}}", r#"{"a":null}"#).unwrap_err().to_string().contains("null"));
    }
}
