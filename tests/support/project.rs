//! A repository of campaigns on a code host, as `init` makes it, and a runner of its jobs: their shell steps are run as they
//! stand, each job in a clone of its own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use pushplan::sandbox::{Config, Delivery};
use serde_json::{Value, json};

use crate::bench::{Bench, KEY, Said};
use crate::code_host::{CodeHost, TOKEN};
use crate::postgres::Server;

/// A YAML file as JSON.
pub fn yaml(path: &Path) -> Value {
    let parsed = pushplan::campaign::parse_yaml(path, std::fs::read(path).unwrap());
    parsed.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", path.display())).0
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
pub enum Host {
    Github,
    Gitlab,
}

pub const HOSTS: [Host; 2] = [Host::Github, Host::Gitlab];

/// A repository of campaigns on a code host, somebody's clone of it in `desk`, and a runner of its jobs, each of which
/// begins with a clone of its own.
pub struct Project {
    pub host: Host,
    pub bench: Bench,
    pub code_host: CodeHost,
    pub database: Option<(Arc<Server>, String)>,
    /// What every job finds in its environment.
    pub env: BTreeMap<String, String>,
    /// What `${{ … }}` stands for.
    pub values: RefCell<BTreeMap<String, String>>,
    pub branches: RefCell<Vec<String>>,
    pub jobs: Cell<u32>,
}

impl Project {
    /// As `init` makes it, on branch `main`.
    pub fn fresh(host: Host, config: Config) -> Self {
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
    pub fn with(host: Host, config: Config) -> Self {
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

    pub fn new(host: Host) -> Self {
        Self::with(host, Config::default())
    }

    pub fn git(&self, folder: &str, args: &[&str]) -> String {
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

    pub fn tip(&self, branch: &str) -> String {
        self.git("desk", &["rev-parse", branch])
    }

    /// Commits what lies on the desk, and pushes its branch.
    pub fn commit(&self, why: &str) {
        self.git("desk", &["add", "--all"]);
        self.git("desk", &["commit", "--quiet", "--allow-empty", "--message", why]);
        self.git("desk", &["push", "--quiet", "--force", "origin", "HEAD"]);
    }

    pub fn write(&self, campaign: &str, audience: &str, more: &str) {
        let yaml =
            format!("campaign: {campaign}\naudience: {{ {audience} }}\nmessage: {{ body: Hello }}\n{more}\n");
        self.bench.write(&format!("desk/campaigns/{campaign}.yaml"), &yaml);
    }

    /// A branch from `main` that brings a campaign to an account of its name.
    pub fn propose(&self, campaign: &str) {
        self.switch(campaign);
        self.write(campaign, &format!("accounts: [{campaign}]"), "");
        self.commit("Bring a campaign");
    }

    /// A new branch from `main`.
    pub fn switch(&self, branch: &str) {
        self.git("desk", &["checkout", "--quiet", "-B", branch, "main"]);
    }

    pub fn number(&self, branch: &str) -> String {
        let mut branches = self.branches.borrow_mut();
        let known = branches.iter().position(|known| known == branch);
        let index = known.unwrap_or_else(|| {
            branches.push(branch.to_owned());
            branches.len() - 1
        });
        (index + 7).to_string()
    }

    /// Merges a branch, as its pull request's button does.
    pub fn merge(&self, branch: &str) {
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

    /// A campaign's whole way: its branch, the plan of its pull request, the merge.
    pub fn bring_in(&self, campaign: &str) {
        self.propose(campaign);
        self.land(campaign);
    }

    /// A pull request that is planned and merged.
    pub fn land(&self, branch: &str) {
        self.plan(branch).code(0);
        self.merge(branch);
    }

    pub fn comments(&self, branch: &str) -> Vec<String> {
        let number = self.number(branch);
        let list = match self.host {
            Host::Github => format!("/repos/o/r/issues/{number}/comments"),
            Host::Gitlab => format!("/projects/1/merge_requests/{number}/notes"),
        };
        let comments = self.code_host.list(&list);
        comments.iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }

    pub fn statuses_of(&self, commit: &str) -> String {
        match self.host {
            Host::Github => format!("/repos/o/r/commits/{commit}/statuses"),
            Host::Gitlab => format!("/projects/1/repository/commits/{commit}/statuses"),
        }
    }

    pub fn statuses(&self, commit: &str) -> Vec<Value> {
        self.code_host.list(&self.statuses_of(commit))
    }

    /// Adds a status, as another job does.
    pub fn add_status(&self, commit: &str, name: &str, description: &str) {
        let name_key = if self.host == Host::Github { "context" } else { "name" };
        let address = "https://code.example/another-job";
        let status = json!({ name_key: name, "description": description, "target_url": address });
        self.code_host.add(&self.statuses_of(commit), status);
    }

    /// Shell of a runner; all it says is on stdout.
    pub fn shell(&self, shell: &[&str], script: &str, env: &BTreeMap<String, String>) -> Said {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", &format!("exec 2>&1\n{script}")]);
        command.current_dir(self.bench.path("job")).env_clear();
        Said::of(command.envs(env).output().unwrap())
    }

    /// A fresh clone, at a commit.
    pub fn clone_at(&self, commit: &str) {
        let clone = self.bench.path("job");
        if clone.exists() {
            std::fs::remove_dir_all(&clone).unwrap();
        }
        let origin = format!("file://{}", self.bench.path("origin.git").display());
        self.git(".", &["clone", "--quiet", &origin, "job"]);
        self.git("job", &["checkout", "--quiet", "--detach", commit]);
    }

    /// The file of a workflow; a job's own is that of its commit.
    pub fn workflow(&self, file: &str) -> Value {
        yaml(&self.bench.path("desk").join(file))
    }

    /// Runs a job for a commit.
    pub fn job(&self, job: &str, commit: &str, env: &[(&str, &str)]) -> Said {
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

    pub fn gitlab(&self, job: &str, commit: &str, env: &BTreeMap<String, String>) -> Said {
        let file = self.workflow(".gitlab-ci.yml");
        let lines = file[job]["script"].as_array().unwrap_or_else(|| panic!("no job {job}"));
        let script: String = lines.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect();
        self.clone_at(commit);
        self.shell(&["sh", "-e"], &script, env)
    }

    pub fn github(&self, job: &str, commit: &str, env: &BTreeMap<String, String>) -> Said {
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
    pub fn plan(&self, branch: &str) -> Said {
        self.of_pull_request("plan", branch)
    }

    pub fn of_pull_request(&self, job: &str, branch: &str) -> Said {
        let (number, head) = (self.number(branch), self.tip(branch));
        {
            let mut values = self.values.borrow_mut();
            values.insert("github.event.pull_request.number".to_owned(), number.clone());
            values.insert("github.event.pull_request.head.sha".to_owned(), head.clone());
        }
        self.job(job, &head, &[("CI_MERGE_REQUEST_IID", &number)])
    }

    /// What GitLab gives to jobs of a protected branch in the environment `production`.
    pub fn production(&self) -> Vec<(&'static str, &str)> {
        match self.env.get("SHOP_DB") {
            Some(dsn) => vec![("PUSHPLAN_STATE_URL", dsn), ("PUSHPLAN_SHOP_KEY", KEY)],
            None => Vec::new(),
        }
    }

    pub fn apply(&self) -> Said {
        self.apply_at(&self.tip("main"))
    }

    /// The job of this commit, which may be run long after it, or again.
    pub fn apply_at(&self, commit: &str) -> Said {
        self.job("apply", commit, &self.production())
    }

    pub fn due(&self) -> Said {
        self.job("due", &self.tip("main"), &self.production())
    }

    pub fn drift(&self) -> Said {
        self.job("drift", &self.tip("main"), &[])
    }

    /// The accounts that got a push, once for each.
    pub fn pushed(&self) -> Vec<String> {
        let ledger = self.bench.ledger();
        let mut pushed: Vec<String> =
            ledger.deliveries.iter().flat_map(Delivery::accounts).map(Into::into).collect();
        pushed.sort_unstable();
        pushed
    }

    /// Adds people to the database's audience.
    pub fn add_people(&self, values: &str) {
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
