//! The machine that `apply` is to run on, and what would keep it from running there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::campaign::{Campaign, SecretRef, Source, StateLocation, Workspace};

/// Folders of which a service with a system of its own sees nothing, or something else.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// What the units are made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// What the units are called, and the service's user and folder: `/var/lib/NAME`.
    pub name: String,
    /// The program, absolute.
    pub program: String,
    /// The folder that holds `pushplan.yaml`, absolute.
    pub workspace: String,
    /// Further options, such as `--allow-commands`.
    pub options: Vec<String>,
    /// Names of the credentials that hold keys and connection strings; each is a file of `/etc/NAME`.
    pub credentials: BTreeSet<String>,
}

impl Host {
    /// The command line that sends what is due.
    pub(super) fn command(&self) -> Vec<String> {
        let mut words = vec![self.program.clone(), "-C".to_owned(), self.workspace.clone()];
        words.extend(self.options.iter().cloned());
        words.extend(["apply", "--due", "--auto-approve"].map(str::to_owned));
        words
    }
}

/// The secrets that a workspace and its campaigns name, each with what needs it.
pub fn secrets<'a>(
    workspace: &'a Workspace,
    campaigns: &'a [Campaign],
) -> impl Iterator<Item = (String, &'a SecretRef)> {
    let apps = workspace
        .apps
        .iter()
        .filter_map(|(name, app)| Some((format!("app {name}"), app.secret_key.as_ref()?)));
    let databases = campaigns.iter().flat_map(|campaign| {
        let audience = &campaign.audience;
        let sources = audience.exclude.iter().map(|exclusion| &exclusion.source).chain([&audience.source]);
        sources.filter_map(|source| match source {
            Source::Postgres(postgres) => Some((format!("campaign {}", campaign.id), &postgres.dsn)),
            Source::Accounts(_)
            | Source::Csv(_)
            | Source::Jsonl(_)
            | Source::Parquet(_)
            | Source::Command(_) => None,
        })
    });
    let state = match &workspace.state {
        StateLocation::Sqlite(_) => None,
        StateLocation::Postgres(dsn) => Some(("the state".to_owned(), dsn)),
    };
    apps.chain(state).chain(databases)
}

/// What the service could not do as things are, each with what to do about it.
pub fn obstacles(host: &Host, workspace: &Workspace, campaigns: &[Campaign]) -> Vec<String> {
    let name = &host.name;
    let mut obstacles = Vec::new();
    for (what, path) in [("the program", &host.program), ("the workspace", &host.workspace)] {
        if HIDDEN.iter().any(|hidden| Path::new(path).starts_with(hidden)) {
            obstacles.push(format!(
                "{what} is {path}, which the service cannot see; put it elsewhere: the program into /usr/local/bin, \
                 the workspace into /srv"
            ));
        }
    }
    let folder = format!("/var/lib/{name}");
    if let StateLocation::Sqlite(state) = &workspace.state
        && !state.starts_with(&folder)
    {
        obstacles.push(format!(
            "the state is {}, and the service can write in {folder} alone; let pushplan.yaml have `state: {{ sqlite: {folder}/state.db }}`",
            state.display()
        ));
    }
    for (who, secret) in secrets(workspace, campaigns) {
        let found = match secret {
            SecretRef::Credential(_) => continue,
            SecretRef::Env(variable) => {
                format!("in the environment variable {variable}, which a service does not have")
            }
            SecretRef::File(path) => {
                format!("in {}, which the service's user may not be able to read", path.display())
            }
        };
        obstacles.push(format!(
            "{who} has its secret {found}; write `{{ credential: NAME }}` and put it into /etc/{name}/NAME, for root alone"
        ));
    }
    let runs_programs = |campaign: &&Campaign| matches!(campaign.audience.source, Source::Command(_));
    if let Some(campaign) = campaigns.iter().find(runs_programs)
        && !host.options.iter().any(|option| option == "--allow-commands")
    {
        obstacles.push(format!("campaign {} runs a program; add `--allow-commands`", campaign.id));
    }
    obstacles
}
