//! Runs the sample files of `tests/campaigns`: the valid ones pass the published schema and the parser, the
//! invalid ones fail with the message that stands beside them.

use std::fs;
use std::path::{Path, PathBuf};

use pushplan::audience::Access;
use pushplan::campaign::{LoadOptions, load, parse_yaml, read_campaign, read_workspace};
use pushplan::diagnostic::Diagnostics;
use pushplan::prepare;
use pushplan::report::diagnostics::text;

const WIDTH: usize = 100;
/// What only a reader with more rights could know is no mistake of the file.
const UNKNOWN: &str = "columns-not-checked";
/// Rules of the schema alone: where one is broken, the published file must say so too.
const SCHEMA_CODES: [&str; 6] =
    ["unknown-key", "wrong-type", "no-value", "bad-value", "empty", "missing-key"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/campaigns")
}

fn samples(name: &str) -> Vec<PathBuf> {
    let folder = folder().join(name);
    let entries = fs::read_dir(&folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    assert!(!files.is_empty(), "{} holds no samples", folder.display());
    files
}

fn check_campaign(file: &Path) -> Diagnostics {
    let options = LoadOptions { current_dir: folder(), allow_outside: false };
    let mut loaded = load(&[file.to_owned()], &options);
    for draft in &loaded.drafts {
        loaded.diagnostics.append(prepare::check(draft, Access::Files));
    }
    loaded.diagnostics.sort();
    let known = loaded.diagnostics.into_iter().filter(|diagnostic| diagnostic.code != UNKNOWN);
    known.fold(Diagnostics::new(), |mut known, diagnostic| {
        known.push(diagnostic);
        known
    })
}

fn check_workspace(file: &Path) -> Diagnostics {
    let shown = file.strip_prefix(folder()).expect("a sample");
    read_workspace(shown, fs::read(file).expect("readable"), &folder()).1
}

/// Does the schema that editors use let the file pass? Files that are not YAML count as passing: there
/// an editor has a message of its own.
fn published_schema_accepts(schema: &str, file: &Path) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(schema);
    let schema = serde_json::from_slice(&fs::read(path).expect("the schema is there")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    parse_yaml(file, fs::read(file).expect("readable")).map_or(true, |(value, _)| validator.is_valid(&value))
}

fn expect_valid(samples: Vec<PathBuf>, schema: &str, check: fn(&Path) -> Diagnostics) {
    for file in samples {
        let diagnostics = check(&file);
        assert!(diagnostics.is_empty(), "{}\n{}", file.display(), text(&diagnostics, false, WIDTH));
        assert!(published_schema_accepts(schema, &file), "{}: the schema refuses it", file.display());
    }
}

fn expect_golden(samples: Vec<PathBuf>, schema: &str, check: fn(&Path) -> Diagnostics) {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for file in samples {
        let diagnostics = check(&file);
        assert!(!diagnostics.is_empty(), "{} passes", file.display());
        let shown = text(&diagnostics, false, WIDTH);
        let golden = file.with_extension("txt");
        if update {
            fs::write(&golden, &shown).expect("writable");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(shown, expected, "{}: see tests/README.md", golden.display());
        if diagnostics.iter().any(|diagnostic| SCHEMA_CODES.contains(&diagnostic.code)) {
            assert!(!published_schema_accepts(schema, &file), "{}: the schema lets it pass", file.display());
        }
    }
}

#[test]
fn valid_campaigns_pass_the_schema_and_the_parser() {
    expect_valid(samples("valid"), "campaign.schema.json", check_campaign);
}

#[test]
fn invalid_campaigns_fail_with_their_message() {
    expect_golden(samples("invalid"), "campaign.schema.json", check_campaign);
}

#[test]
fn valid_workspaces_pass_the_schema_and_the_parser() {
    expect_valid(samples("workspace/valid"), "workspace.schema.json", check_workspace);
}

#[test]
fn invalid_workspaces_fail_with_their_message() {
    expect_golden(samples("workspace/invalid"), "workspace.schema.json", check_workspace);
}

proptest::proptest! {
    /// Whatever becomes of a valid file, it is a campaign or a list of mistakes, and never a panic.
    #[test]
    fn a_mutilated_campaign_is_read_or_refused(
        sample in 0..5usize,
        cuts in proptest::collection::vec((proptest::num::usize::ANY, proptest::num::usize::ANY, ".{0,3}"), 1..4),
    ) {
        let files = samples("valid");
        let file = &files[sample % files.len()];
        let mut yaml = fs::read_to_string(file).expect("readable");
        for (at, len, inserted) in cuts {
            let bounds: Vec<usize> = (0..=yaml.len()).filter(|at| yaml.is_char_boundary(*at)).collect();
            let from = at % bounds.len();
            let to = (from + len % 12).min(bounds.len() - 1);
            yaml.replace_range(bounds[from]..bounds[to], &inserted);
        }
        let workspace = fs::read(folder().join("pushplan.yaml")).expect("readable");
        let (workspace, _) = read_workspace(Path::new("pushplan.yaml"), workspace, &folder());
        let checked = read_campaign(file, yaml.clone().into_bytes(), &folder(), &|name| Ok(vec![name.into()]), workspace.as_ref());
        proptest::prop_assert!(checked.campaign.is_some() || checked.diagnostics.has_errors(), "{yaml}");
        let _ = text(&checked.diagnostics, false, WIDTH);
    }
}
