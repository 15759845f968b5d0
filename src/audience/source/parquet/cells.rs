//! One column of a batch, and what its values are to an audience.

use std::fmt::{Display, Write};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int64Array, StringArray, UInt64Array,
};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Block;
use crate::audience::block::MAX_ROW_BYTES;
use crate::audience::value::Value;

/// Texts, booleans and numbers are what they are; dates and times are ISO 8601 texts.
pub(super) enum Cells {
    Text(StringArray),
    /// Text that its writer did not call one.
    Bytes(BinaryArray),
    Bool(BooleanArray),
    Whole(Int64Array),
    Natural(UInt64Array),
    Float(Float32Array),
    Double(Float64Array),
    Decimal(Decimal128Array),
    Date(Date32Array),
    Moment {
        values: Int64Array,
        /// Ticks a second.
        ticks: i64,
        /// An instant, as against the time on a clock somewhere.
        is_instant: bool,
    },
}

impl Cells {
    /// The values of a column; `None` where its type has no meaning here.
    pub(super) fn of(array: &ArrayRef) -> Option<Self> {
        /// The first of the types that the array has.
        macro_rules! first {
            ($($kind:ty => $cells:expr),+ $(,)?) => {
                $(if let Some(array) = array.as_primitive_opt::<$kind>() {
                    return Some($cells(array));
                })+
            };
        }
        /// An array of moments.
        macro_rules! moment {
            ($ticks:expr) => {
                |array: &arrow_array::PrimitiveArray<_>| Self::Moment {
                    values: array.reinterpret_cast::<Int64Type>(),
                    ticks: $ticks,
                    is_instant: array.timezone().is_some(),
                }
            };
        }
        if let Some(array) = array.as_string_opt::<i32>() {
            return Some(Self::Text(array.clone()));
        }
        if let Some(array) = array.as_binary_opt::<i32>() {
            return Some(Self::Bytes(array.clone()));
        }
        if let Some(array) = array.as_boolean_opt() {
            return Some(Self::Bool(array.clone()));
        }
        first! {
            Int64Type => |array: &Int64Array| Self::Whole(array.clone()),
            Int32Type => |array: &arrow_array::Int32Array| Self::Whole(array.unary(i64::from)),
            Int16Type => |array: &arrow_array::Int16Array| Self::Whole(array.unary(i64::from)),
            Int8Type => |array: &arrow_array::Int8Array| Self::Whole(array.unary(i64::from)),
            UInt64Type => |array: &UInt64Array| Self::Natural(array.clone()),
            UInt32Type => |array: &arrow_array::UInt32Array| Self::Whole(array.unary(i64::from)),
            UInt16Type => |array: &arrow_array::UInt16Array| Self::Whole(array.unary(i64::from)),
            UInt8Type => |array: &arrow_array::UInt8Array| Self::Whole(array.unary(i64::from)),
            Float32Type => |array: &Float32Array| Self::Float(array.clone()),
            Float64Type => |array: &Float64Array| Self::Double(array.clone()),
            Decimal128Type => |array: &Decimal128Array| Self::Decimal(array.clone()),
            Date32Type => |array: &Date32Array| Self::Date(array.clone()),
            TimestampSecondType => moment!(1),
            TimestampMillisecondType => moment!(1_000),
            TimestampMicrosecondType => moment!(1_000_000),
            TimestampNanosecondType => moment!(1_000_000_000),
        }
        None
    }

    /// Pushes the value of a row; the reason where there is none to push. `text` is scratch memory.
    pub(super) fn push(
        &self,
        row: usize,
        text: &mut String,
        block: &mut Block<'_>,
    ) -> Result<(), &'static str> {
        if self.array().is_null(row) {
            block.push(Value::Null);
            return Ok(());
        }
        match self {
            Self::Text(array) => block.push(Value::Text(bounded(array.value(row))?)),
            Self::Bytes(array) => {
                let value = std::str::from_utf8(array.value(row)).map_err(|_| "is not UTF-8")?;
                block.push(Value::Text(bounded(value)?));
            }
            Self::Bool(array) => block.push(Value::Bool(array.value(row))),
            Self::Whole(array) => block.push(Value::Number(written(text, array.value(row)))),
            Self::Natural(array) => block.push(Value::Number(written(text, array.value(row)))),
            Self::Float(array) => {
                let value = array.value(row);
                block.push(number(written(text, value), value.is_finite()));
            }
            Self::Double(array) => {
                let value = array.value(row);
                block.push(number(written(text, value), value.is_finite()));
            }
            Self::Decimal(array) => block.push(Value::Number(&array.value_as_string(row))),
            Self::Date(array) => {
                let date = date(array.value(row)).ok_or("has a date beyond the year 9999")?;
                block.push(Value::Text(written(text, date)));
            }
            Self::Moment { values, ticks, is_instant } => {
                let instant = instant(values.value(row), *ticks).ok_or("has a time beyond the year 9999")?;
                let value = match is_instant {
                    true => written(text, instant),
                    false => written(text, TimeZone::UTC.to_datetime(instant)),
                };
                block.push(Value::Text(value));
            }
        }
        Ok(())
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Text(array) => array,
            Self::Bytes(array) => array,
            Self::Bool(array) => array,
            Self::Whole(array) => array,
            Self::Natural(array) => array,
            Self::Float(array) => array,
            Self::Double(array) => array,
            Self::Decimal(array) => array,
            Self::Date(array) => array,
            Self::Moment { values, .. } => values,
        }
    }
}

fn bounded(text: &str) -> Result<&str, &'static str> {
    if text.len() > MAX_ROW_BYTES { Err("is longer than 1 MiB") } else { Ok(text) }
}

fn written(text: &mut String, value: impl Display) -> &str {
    text.clear();
    write!(text, "{value}").expect("a String takes whatever is written");
    text
}

/// NaN and the infinities are no numbers of JSON.
fn number(text: &str, is_finite: bool) -> Value<'_> {
    if is_finite { Value::Number(text) } else { Value::Text(text) }
}

/// A day, counted from the first of 1970.
pub(super) fn date(day: i32) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(day).ok()?).ok()
}

fn instant(value: i64, ticks: i64) -> Option<Timestamp> {
    let nanoseconds = value.rem_euclid(ticks) * (1_000_000_000 / ticks);
    Timestamp::new(value.div_euclid(ticks), i32::try_from(nanoseconds).ok()?).ok()
}
