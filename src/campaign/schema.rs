//! The JSON Schemas of both files, generated from the types that read them.
//!
//! The same schema that an editor uses is the one that files are checked against, so the two agree.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::raw::{RawCampaign, RawWorkspace};

/// The schema of a campaign file.
pub fn campaign_schema() -> Value {
    generate::<RawCampaign>("pushplan campaign")
}

/// The schema of the workspace file `pushplan.yaml`.
pub fn workspace_schema() -> Value {
    generate::<RawWorkspace>("pushplan workspace")
}

/// The files of the `schema` folder: name and content.
pub fn files() -> Vec<(&'static str, String)> {
    let print = |schema: Value| format!("{schema:#}\n");
    vec![
        ("campaign.schema.json", print(campaign_schema())),
        ("workspace.schema.json", print(workspace_schema())),
    ]
}

fn generate<T: JsonSchema>(title: &str) -> Value {
    let mut schema = settings().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// Draft 2020-12 without what would mislead an editor; see [`tidy`].
pub(super) fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with_transform(RecursiveTransform(tidy))
}

/// Largest whole number that every reader of JSON keeps exactly.
const WHOLE_MAX: i64 = (1 << 53) - 1;

/// A key without a value is a mistake, not a default: an `Option` must not allow null. `format: uint32` is
/// no format of JSON Schema, so the bound it stands for is written instead. And the bounds of an integer
/// type say nothing that a list of its values does not say better.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    let format = object.remove("format");
    let bound = match format.as_ref().and_then(Value::as_str) {
        Some("uint32") => Some(u32::MAX.into()),
        Some("uint64" | "int64") => Some(WHOLE_MAX),
        _ => None,
    };
    if let Some(bound) = bound {
        object.entry("minimum").or_insert_with(|| (-bound).into());
        object.entry("maximum").or_insert_with(|| bound.into());
    }
    if object.contains_key("enum") {
        object.remove("minimum");
        object.remove("maximum");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}
