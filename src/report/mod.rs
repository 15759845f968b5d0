//! Views of plans, runs, events and mistakes: text for people, JSON for machines. Nothing is computed here.

pub mod annotations;
pub mod calendar;
pub mod diagnostics;
pub mod events;
pub mod failures;
pub mod markdown;
pub mod number;
pub mod plan;
pub mod planning;
pub mod progress;
pub mod sandbox;
pub mod status;
pub mod timer;

/// JSON as a machine reads it and a person can: indented, with a final newline.
fn json_text(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
