//! Which row groups a filter need not see: where their statistics show that it holds for none of their rows.
//!
//! A group is left out only where that is certain: bounds may be wider than the values, some types order otherwise
//! than their texts do, and a file may have no statistics at all.

use std::cmp::Ordering;

use parquet::basic::{ConvertedType, LogicalType};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::cells::date;
use crate::campaign::{Filter, Scalar, Test};

/// May the filter hold for a row of the group?
pub(super) fn may_hold(filter: &Filter, group: &RowGroupMetaData) -> bool {
    match filter {
        Filter::All(filters) => filters.iter().all(|filter| may_hold(filter, group)),
        Filter::Any(filters) => filters.iter().any(|filter| may_hold(filter, group)),
        // What holds for some rows tells nothing of the others.
        Filter::Not(_) => true,
        Filter::Column { column, test, .. } => {
            let chunk = group.columns().iter().find(|chunk| chunk.column_path().parts() == [column.as_str()]);
            chunk.is_none_or(|chunk| may_pass(test, chunk))
        }
    }
}

fn may_pass(test: &Test, chunk: &ColumnChunkMetaData) -> bool {
    let Some(statistics) = chunk.statistics() else { return true };
    // A null passes only these tests, and of the others nothing is certain either.
    if let Test::Ne(_) | Test::NotIn(_) | Test::Exists(false) = test {
        return true;
    }
    if statistics.null_count_opt().is_some_and(|nulls| i64::try_from(nulls) == Ok(chunk.num_values())) {
        return false;
    }
    let Some(bounds) = Bounds::of(statistics, chunk) else { return true };
    let is = |scalar: &Scalar| bounds.min(scalar, Ordering::is_le) && bounds.max(scalar, Ordering::is_ge);
    match test {
        Test::Eq(scalar) => is(scalar),
        Test::In(scalars) => scalars.iter().any(is),
        Test::Lt(scalar) => bounds.min(scalar, Ordering::is_lt),
        Test::Lte(scalar) => bounds.min(scalar, Ordering::is_le),
        Test::Gt(scalar) => bounds.max(scalar, Ordering::is_gt),
        Test::Gte(scalar) => bounds.max(scalar, Ordering::is_ge),
        Test::StartsWith(part) => match &bounds {
            // What begins with a text stands right behind it.
            Bounds::Text(min, max) => {
                let part = part.as_bytes();
                max.as_slice() >= part && (min.as_slice() <= part || min.starts_with(part))
            }
            Bounds::Number(..) | Bounds::Bool(..) => true,
        },
        Test::Ne(_) | Test::NotIn(_) | Test::Exists(_) | Test::Contains(_) => true,
    }
}

/// The least and the greatest value of a column chunk, or values beyond them, as conditions compare them.
enum Bounds {
    Text(Vec<u8>, Vec<u8>),
    Number(f64, f64),
    Bool(bool, bool),
}

impl Bounds {
    fn of(statistics: &Statistics, chunk: &ColumnChunkMetaData) -> Option<Self> {
        // Older writers compared bytes as signed.
        if statistics.is_min_max_deprecated() {
            return None;
        }
        let column = chunk.column_descr();
        let (logical, converted) = (column.logical_type_ref(), column.converted_type());
        let is_signed = match logical {
            Some(LogicalType::Integer(integer)) => integer.is_signed,
            Some(_) => false,
            None => matches!(
                converted,
                ConvertedType::NONE
                    | ConvertedType::INT_8
                    | ConvertedType::INT_16
                    | ConvertedType::INT_32
                    | ConvertedType::INT_64
            ),
        };
        let is_date = logical == Some(&LogicalType::Date) || converted == ConvertedType::DATE;
        let is_text = match logical {
            Some(logical) => *logical == LogicalType::String,
            None => matches!(converted, ConvertedType::NONE | ConvertedType::UTF8),
        };
        match statistics {
            Statistics::Boolean(values) => {
                let (min, max) = values.min_opt().zip(values.max_opt())?;
                Some(Self::Bool(*min, *max))
            }
            Statistics::Int32(values) if is_signed => {
                let (min, max) = values.min_opt().zip(values.max_opt())?;
                Some(Self::Number(f64::from(*min), f64::from(*max)))
            }
            // Both sides of a comparison are rounded to the same number.
            Statistics::Int64(values) if is_signed => {
                let (min, max) = values.min_opt().zip(values.max_opt())?;
                Some(Self::Number(*min as f64, *max as f64))
            }
            Statistics::Int32(values) if is_date => {
                let (min, max) = values.min_opt().zip(values.max_opt())?;
                let text = |day: &i32| {
                    let text = date(*day)?.to_string().into_bytes();
                    // A sign, before the year 0, is ordered otherwise.
                    text.first()?.is_ascii_digit().then_some(text)
                };
                Some(Self::Text(text(min)?, text(max)?))
            }
            // A condition compares the shortest text that stands for the value.
            Statistics::Float(values) => {
                let (min, max) = values.min_opt().zip(values.max_opt())?;
                Self::finite(min.to_string().parse().ok()?, max.to_string().parse().ok()?)
            }
            Statistics::Double(values) => {
                let (min, max) = values.min_opt().zip(values.max_opt())?;
                Self::finite(*min, *max)
            }
            Statistics::ByteArray(values) if is_text => {
                let (min, max) = values.min_opt().zip(values.max_opt())?;
                Some(Self::Text(min.data().to_vec(), max.data().to_vec()))
            }
            _ => None,
        }
    }

    fn finite(min: f64, max: f64) -> Option<Self> {
        (min.is_finite() && max.is_finite()).then_some(Self::Number(min, max))
    }

    /// Does the least value stand so to a scalar? True where their types do not compare.
    fn min(&self, scalar: &Scalar, so: fn(Ordering) -> bool) -> bool {
        match (self, scalar) {
            (Self::Text(min, _), Scalar::Text(text)) => so(min.as_slice().cmp(text.as_bytes())),
            (Self::Number(min, _), Scalar::Number(number)) => min.partial_cmp(number).is_none_or(so),
            (Self::Bool(min, _), Scalar::Bool(value)) => so(min.cmp(value)),
            _ => true,
        }
    }

    /// The same of the greatest.
    fn max(&self, scalar: &Scalar, so: fn(Ordering) -> bool) -> bool {
        match (self, scalar) {
            (Self::Text(_, max), Scalar::Text(text)) => so(max.as_slice().cmp(text.as_bytes())),
            (Self::Number(_, max), Scalar::Number(number)) => max.partial_cmp(number).is_none_or(so),
            (Self::Bool(_, max), Scalar::Bool(value)) => so(max.cmp(value)),
            _ => true,
        }
    }
}
