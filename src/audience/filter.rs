//! `where` and `suppress_where`: a [`Filter`] compiled to the cells of a projected row.
//!
//! What each test means stands with [`Test`] and [`Scalar`]; the type written in the campaign decides how a
//! value compares, never the value's own look.

use std::cmp::Ordering;

use super::source::Wanted;
use super::value::Value;
use crate::campaign::{Filter, Scalar, Test};

/// A filter whose columns are cell indices.
#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Cell { index: usize, test: Test },
}

impl Condition {
    /// Compiles a filter, asking for the columns it looks at.
    pub(super) fn compile(filter: &Filter, wanted: &mut Wanted) -> Self {
        let mut list = |filters: &[Filter]| filters.iter().map(|f| Self::compile(f, wanted)).collect();
        match filter {
            Filter::All(filters) => Self::All(list(filters)),
            Filter::Any(filters) => Self::Any(list(filters)),
            Filter::Not(filter) => Self::Not(Box::new(Self::compile(filter, wanted))),
            Filter::Column { column, test, .. } => {
                Self::Cell { index: wanted.column(column), test: test.clone() }
            }
        }
    }

    /// Does it hold for a row of these cells?
    pub(super) fn holds<'v>(&self, cell: &impl Fn(usize) -> Value<'v>) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(cell)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(cell)),
            Self::Not(condition) => !condition.holds(cell),
            Self::Cell { index, test } => passes(cell(*index), test),
        }
    }
}

fn passes(value: Value<'_>, test: &Test) -> bool {
    let is = |scalar: &Scalar| compare(value, scalar) == Some(Ordering::Equal);
    match test {
        Test::Eq(scalar) => is(scalar),
        Test::Ne(scalar) => !is(scalar),
        Test::In(scalars) => scalars.iter().any(is),
        Test::NotIn(scalars) => !scalars.iter().any(is),
        Test::Lt(scalar) => compare(value, scalar).is_some_and(Ordering::is_lt),
        Test::Lte(scalar) => compare(value, scalar).is_some_and(Ordering::is_le),
        Test::Gt(scalar) => compare(value, scalar).is_some_and(Ordering::is_gt),
        Test::Gte(scalar) => compare(value, scalar).is_some_and(Ordering::is_ge),
        Test::Exists(exists) => value.text().is_some_and(|text| !text.is_empty()) == *exists,
        Test::Contains(part) => value.text().is_some_and(|text| text.contains(part.as_str())),
        Test::StartsWith(part) => value.text().is_some_and(|text| text.starts_with(part.as_str())),
    }
}

/// How a value stands to a scalar; `None` where the scalar's type cannot be read from it.
fn compare(value: Value<'_>, scalar: &Scalar) -> Option<Ordering> {
    let text = value.text()?;
    match scalar {
        Scalar::Text(other) => Some(text.cmp(other)),
        Scalar::Bool(other) => Some(boolean(text)?.cmp(other)),
        Scalar::Number(other) => number(text)?.partial_cmp(other),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "1" => Some(true),
        "false" | "False" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}

/// A finite decimal number; `inf` and `nan`, which Rust would read, are texts.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn a_number_compares_as_a_number() {
        let three = Test::Eq(Scalar::Number(3.0));
        for same in ["3", "3.0", "03", "3e0", "+3"] {
            assert!(passes(Value::Text(same), &three), "{same}");
        }
        assert!(passes(Value::Number("3.00"), &three));
        for other in ["", " 3", "3 ", "three", "nan", "0x3"] {
            assert!(!passes(Value::Text(other), &three), "{other}");
        }
        assert!(passes(Value::Text("10"), &Test::Gt(Scalar::Number(9.0))));
        assert!(passes(Value::Text("10"), &Test::Lt(text("9"))), "a text compares byte by byte");
        assert!(!passes(Value::Text("inf"), &Test::Gt(Scalar::Number(9.0))), "inf is no number");
    }

    #[test]
    fn a_boolean_takes_the_ways_people_export_it() {
        for yes in ["true", "True", "TRUE", "1"] {
            assert!(passes(Value::Text(yes), &Test::Eq(Scalar::Bool(true))), "{yes}");
            assert!(!passes(Value::Text(yes), &Test::Eq(Scalar::Bool(false))), "{yes}");
        }
        assert!(passes(Value::Bool(true), &Test::Eq(Scalar::Bool(true))));
        assert!(passes(Value::Number("0"), &Test::Eq(Scalar::Bool(false))));
        assert!(!passes(Value::Text("yes"), &Test::Eq(Scalar::Bool(true))));
        assert!(!passes(Value::Text(""), &Test::Eq(Scalar::Bool(false))), "empty is not false");
    }

    #[test]
    fn a_missing_or_null_value_passes_only_what_asks_for_absence() {
        let one = || Scalar::Number(1.0);
        for value in [Value::Missing, Value::Null] {
            for passing in [Test::Exists(false), Test::Ne(one()), Test::NotIn(vec![one()])] {
                assert!(passes(value, &passing), "{value:?} {passing:?}");
            }
            for failing in [
                Test::Exists(true),
                Test::Eq(one()),
                Test::In(vec![one()]),
                Test::Lt(one()),
                Test::Lte(one()),
                Test::Gt(one()),
                Test::Gte(one()),
                Test::Contains(String::new()),
                Test::StartsWith(String::new()),
            ] {
                assert!(!passes(value, &failing), "{value:?} {failing:?}");
            }
        }
    }

    #[test]
    fn an_empty_field_is_there_but_does_not_exist() {
        assert!(passes(Value::Text(""), &Test::Exists(false)));
        assert!(!passes(Value::Text(""), &Test::Exists(true)));
        assert!(passes(Value::Text(""), &Test::Eq(text(""))));
        assert!(passes(Value::Text(" "), &Test::Exists(true)));
    }

    #[test]
    fn texts_and_lists() {
        assert!(passes(Value::Text("en-GB"), &Test::StartsWith("en".to_owned())));
        assert!(passes(Value::Text("en-GB"), &Test::Contains("-G".to_owned())));
        assert!(passes(Value::Text("de"), &Test::In(vec![text("en"), text("de")])));
        assert!(!passes(Value::Text("de"), &Test::NotIn(vec![text("en"), text("de")])));
        assert!(passes(Value::Text("b"), &Test::Gte(text("b"))));
        assert!(!passes(Value::Text("b"), &Test::Lt(text("b"))));
        assert!(passes(Value::Bool(true), &Test::Eq(text("true"))));
    }
}
