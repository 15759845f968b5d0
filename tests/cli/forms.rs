//! The forms of JSON that machines rely on: each against its published schema, and against the golden file of its
//! version. Schemas and golden files of older versions stay, and keep fitting each other.

use std::path::{Path, PathBuf};

use pushplan::sandbox::{Config, Faults};
use serde_json::Value;

use crate::bench::Bench;
use crate::golden::{golden, timeless};

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")
}

fn validator(form: &str) -> jsonschema::Validator {
    let schema = std::fs::read(published().join(format!("{form}.schema.json"))).unwrap();
    jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap()
}

#[track_caller]
fn fits(form: &str, document: &Value) {
    let errors: Vec<String> = validator(form)
        .iter_errors(document)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{form}: {errors:?}\n{document:#}");
}

/// Holds a document to the schema and to the golden file of its form.
#[track_caller]
fn is_published(form: &str, document: Value) {
    fits(form, &document);
    golden(&format!("golden/{form}.json"), &format!("{:#}\n", timeless(document)));
}

/// A campaign `c` to three people.
fn bench(config: Config) -> Bench {
    let bench = Bench::with_sandbox("30", config);
    bench.write_campaign(3, 1, "in_flight: 1");
    bench
}

/// One of the three was never imported.
fn one_fails() -> Bench {
    bench(Config { missing: ["u1".to_owned()].into(), ..Config::default() })
}

/// No answer can be read.
fn nobody_knows() -> Bench {
    bench(Config { faults: Faults { garbage: 1.0, ..Faults::default() }, ..Config::default() })
}

#[test]
fn the_plan() {
    let bench = crate::review::second_run();
    is_published("plan.output.1", bench.run(&["plan", "--format", "json"]).code(6).json());
    // What `--until` adds, and what a saved plan says.
    let until = bench.run(&["plan", "--format", "json", "--until", "1d"]).code(6).json();
    assert!(until["calendar"].is_object());
    fits("plan.output.1", &until);
    bench.run(&["plan", "-o", "saved.plan"]).code(6);
    fits("plan.output.1", &bench.run(&["show", "saved.plan", "--format", "json"]).code(0).json());
}

#[test]
fn mistakes() {
    let bench = one_fails();
    bench.write(
        "campaigns/d.yaml",
        "campaign: d\naudience: { csv: audience.csv, account: idd }\nmessage: { body: b }\n",
    );
    bench.write(
        "campaigns/e.yaml",
        "campaign: e\naudience: { csv: gone.csv, account: id }\nmessage: { body: b }\n",
    );
    is_published("diagnostics.output.1", bench.run(&["validate", "--format", "json"]).code(1).json());
}

#[test]
fn the_calendar() {
    let bench = bench(Config::default());
    let campaign = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    let rows: String = (0..100).map(|i| format!("u{i},{i}\n")).collect();
    bench.write("campaigns/audience.csv", &format!("id,city\n{rows}"));
    let schedule = "schedule: { at: 2130-01-01T08:00, expires_after: 2s }\n";
    bench.write("campaigns/c.yaml", &format!("{campaign}{schedule}"));
    let said = bench.run(&["upcoming", "--until", "2130-01-02T00:00Z", "--format", "json"]).code(0).json();
    assert!(said["runs"][0]["late"].is_object(), "{said:#}");
    is_published("calendar.output.1", said);
}

#[test]
fn where_everybody_stands_and_who_failed() {
    let bench = one_fails();
    bench.apply().code(3);
    fits("status.output.1", &bench.run(&["status", "--format", "json"]).code(0).json());
    is_published("failures.output.1", bench.run(&["failures", "c@once", "--format", "json"]).code(0).json());
}

#[test]
fn one_run_in_full() {
    let bench = nobody_knows();
    fits("status.output.1", &bench.run(&["status", "--format", "json"]).code(0).json());
    bench.apply().code(5);
    let run = bench.run(&["status", "c@once", "--format", "json"]).code(0).json();
    assert_eq!(run["runs"][0]["in_doubt"][0]["recipients"], 3);
    assert_eq!(run["runs"][0]["timeline"][0]["what"], "frozen");
    is_published("status.output.1", run);
}

#[test]
fn events() {
    let mut kept = String::new();
    for bench in [one_fails(), nobody_knows()] {
        bench.run(&["apply", "--auto-approve", "--events", "events.ndjson"]);
        for line in std::fs::read_to_string(bench.path("events.ndjson")).unwrap().lines() {
            let line = serde_json::from_str(line).unwrap();
            fits("events.output.1", &line);
            kept += &format!("{}\n", timeless(line));
        }
    }
    golden("golden/events.output.1.ndjson", &kept);
    let validator = validator("events.output.1");
    let wrong = serde_json::json!({ "at": "2026-11-24T09:00:00Z", "event": "batch_begun", "run": "c@once" });
    assert!(!validator.is_valid(&wrong), "the schema refuses nothing");
}

/// Versions that are no longer written too: who reads what was written then still has its schema.
#[test]
fn every_version_has_its_schema_and_a_golden_file_that_keeps_to_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut forms = 0;
    for entry in std::fs::read_dir(published()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(form) = name.strip_suffix(".schema.json").filter(|form| form.contains(".output.")) else {
            continue;
        };
        let file = ["json", "ndjson"].map(|ending| folder.join(format!("{form}.{ending}")));
        let file =
            file.iter().find(|file| file.exists()).unwrap_or_else(|| panic!("{form} has no golden file"));
        let text = std::fs::read_to_string(file).unwrap();
        for document in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            fits(form, &document.unwrap());
        }
        let version = form.replace(".output.", "/");
        assert!(text.contains(&format!("pushplan.{version}")), "{form} is of another version");
        forms += 1;
    }
    assert!(forms >= 6, "{forms}");
}

/// What the program writes is what is published, and nothing of it is missing.
#[test]
fn published_schemas_are_up_to_date() {
    let bench = Bench::with_endpoint("30", "http://127.0.0.1:9");
    bench.run(&["schema", "--write", "made", "--output"]).code(0);
    for entry in std::fs::read_dir(bench.path("made")).unwrap() {
        let made = entry.unwrap();
        let kept = std::fs::read_to_string(published().join(made.file_name())).unwrap_or_default();
        let made_text = std::fs::read_to_string(made.path()).unwrap();
        assert!(
            kept == made_text,
            "{:?}: run `cargo run -- schema --write schema --output`",
            made.file_name()
        );
    }
    bench.run(&["schema", "--check", "made"]).code(0);
    let printed = bench.run(&["schema", "events"]).code(0).stdout;
    assert_eq!(printed, std::fs::read_to_string(bench.path("made/events.output.1.schema.json")).unwrap());

    // Editors need two of them.
    bench.run(&["schema", "--write", "editor"]).code(0);
    let mut names: Vec<_> =
        std::fs::read_dir(bench.path("editor")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["campaign.schema.json", "workspace.schema.json"]);
    bench.write("editor/campaign.schema.json", "{}\n");
    let said = bench.run(&["schema", "--check", "editor"]).code(1);
    assert!(said.stderr.contains("editor/campaign.schema.json is out of date"), "{}", said.stderr);
    bench.run(&["schema", "--check", "nowhere"]).code(1);
}
