//! Output that is kept, to be read as a difference when it changes.

use std::path::Path;

use serde_json::Value;

/// Holds what was said to a file below `tests`, or writes that with `UPDATE_GOLDEN` set.
#[track_caller]
pub fn golden(name: &str, said: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, said).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == said, "{}: see tests/README.md\n{said}", path.display());
}

/// JSON with what is another thing each time replaced: instants, who it was, TaskIds, the sandbox's port.
pub fn timeless(mut json: Value) -> Value {
    replace(&mut json, "");
    json
}

fn replace(value: &mut Value, key: &str) {
    match value {
        Value::String(text) => {
            let stand_in = match key {
                "target" => "TARGET",
                "task_id" => "TASK",
                "who" => "SOMEBODY",
                _ if text.parse::<jiff::Timestamp>().is_ok() => "TIME",
                _ => return,
            };
            stand_in.clone_into(text);
        }
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, key)),
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| replace(value, key)),
        _ => {}
    }
}
