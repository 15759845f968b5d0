//! Views of plans, runs, events and mistakes: text for people, JSON for machines. Nothing is computed here.

pub mod annotations;
pub mod calendar;
pub mod diagnostics;
pub mod events;
pub mod failures;
pub mod form;
pub mod markdown;
pub mod number;
pub mod plan;
pub mod planning;
pub mod progress;
pub mod sandbox;
pub mod status;
pub mod timer;

/// JSON as a machine reads it and a person can: indented, with a final newline.
fn json_text(value: &impl serde::Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).expect("every view can be written as JSON"))
}
