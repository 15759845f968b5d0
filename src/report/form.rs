//! The forms of JSON that machines may rely on, and their published schemas.
//!
//! A form is named `pushplan.plan/1`, by what it is of and its version, and its schema accordingly,
//! `plan.output.1.schema.json`. Keys and events may be added to a version; none is taken away or changes its meaning.
//! What would do so is a new version.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use super::{diagnostics, events, failures, plan, status};
use crate::calendar;
use crate::plan::summary;

/// The schema of every form that is written: the file's name and its content.
pub fn schemas() -> Vec<(String, String)> {
    vec![
        schema::<calendar::Calendar>(calendar::FORMAT),
        schema::<diagnostics::Mistakes<'_>>(diagnostics::FORMAT),
        schema::<events::Line<'_>>(events::FORMAT),
        schema::<failures::FailureList<'_>>(failures::FORMAT),
        schema::<plan::Plans<'_>>(summary::FORMAT),
        schema::<status::Statuses<'_>>(status::FORMAT),
    ]
}

fn schema<T: JsonSchema>(form: &str) -> (String, String) {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), form.into());
    let (_, name) = form.split_once('.').expect("a form is of pushplan");
    let file = format!("{}.schema.json", name.replace('/', ".output."));
    (file, super::json_text(schema.as_value()))
}
