//! `pushplan systemd` and `pushplan crontab`: what starts `apply` by the clock.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::Timestamp;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::{Global, context, output};
use crate::audience::Access;
use crate::campaign::SecretRef;
use crate::report;
use crate::timer::{self, Host, Unit};

/// Arguments of `systemd`.
#[derive(Debug, clap::Args)]
pub(super) struct Systemd {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the units
    Print(Units),
    /// Write the units, and say how to start them
    Install {
        #[command(flatten)]
        units: Units,
        /// The folder for the units
        #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
        dir: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Units {
    /// A timer for each campaign that elapses when it is due, instead of one that looks every minute
    #[arg(long)]
    per_campaign: bool,
    #[command(flatten)]
    service: Service,
}

/// Arguments of `crontab`, and of both.
#[derive(Debug, clap::Args)]
pub(super) struct Service {
    /// What units, user and the folder in /var/lib are called
    #[arg(long, default_value = "pushplan", value_parser = name)]
    name: String,
    /// The program that is to be started; this one, where it is left out
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// A name that systemd takes for a user and for a unit.
fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && text.len() <= 31 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("write 1 to 31 of a-z, 0-9 and `-`, the first a letter".to_owned())
}

pub(super) fn systemd(global: &Global, args: &Systemd) -> Result<Exit, Failure> {
    let (Action::Print(units) | Action::Install { units, .. }) = &args.action;
    let context = context::load_campaigns(global, &[], Access::Files)?;
    let host = host(global, &context, &units.service)?;
    for obstacle in timer::obstacles(&host, &context.workspace, &context.campaigns) {
        output::say(&format!("note: {obstacle}"));
    }
    let made = if units.per_campaign {
        for campaign in context.campaigns.iter().filter(|campaign| campaign.schedule.is_none()) {
            output::say(&format!("note: campaign {} has no schedule, and gets no timer", campaign.id));
        }
        timer::per_campaign(&host, &context.campaigns, Timestamp::now())
    } else {
        timer::every_minute(&host)
    };
    match &args.action {
        Action::Print(_) => output::print(&report::timer::units(&made))?,
        Action::Install { dir, .. } => {
            let removed = install(dir, &host.name, &made)?;
            output::print(&report::timer::installed(dir, &host, &made, &removed))?;
        }
    }
    Ok(Exit::Done)
}

pub(super) fn crontab(global: &Global, args: &Service) -> Result<Exit, Failure> {
    let context = context::load_campaigns(global, &[], Access::Files)?;
    let host = host(global, &context, args)?;
    for (who, secret) in timer::secrets(&context.workspace, &context.campaigns) {
        if !matches!(secret, SecretRef::File(_)) {
            output::say(&format!("note: {who} has its secret where cron has none; write `{{ file: … }}`"));
        }
    }
    output::print(&timer::crontab(&host))?;
    Ok(Exit::Done)
}

fn host(global: &Global, context: &Context, args: &Service) -> Result<Host, Failure> {
    let absolute = |path: &Path| {
        path.canonicalize().map(|path| path.display().to_string()).map_err(|source| Failure::File {
            action: "find",
            path: path.to_owned(),
            source,
        })
    };
    let program = match &args.program {
        Some(program) => absolute(program)?,
        None => {
            std::env::current_exe().as_deref().map_or_else(|_| absolute(Path::new("pushplan")), absolute)?
        }
    };
    let flags = [("--allow-outside", global.allow_outside), ("--allow-commands", global.allow_commands)];
    let credentials =
        timer::secrets(&context.workspace, &context.campaigns).filter_map(|(_, secret)| match secret {
            SecretRef::Credential(name) => Some(name.clone()),
            SecretRef::Env(_) | SecretRef::File(_) => None,
        });
    Ok(Host {
        name: args.name.clone(),
        program,
        workspace: absolute(&context.workspace.root)?,
        options: flags.iter().filter(|(_, given)| *given).map(|(flag, _)| (*flag).to_owned()).collect(),
        credentials: credentials.collect(),
    })
}

/// Writes the units, and removes those of an earlier call that are no longer wanted, whose names it gives back.
///
/// # Errors
/// Also where one of these files is somebody else's; then nothing is written.
fn install(dir: &Path, name: &str, units: &[Unit]) -> Result<Vec<String>, Failure> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Failure::File { action, path, source }
    };
    let ours = |path: &Path| std::fs::read_to_string(path).ok().filter(|text| text.starts_with(timer::MARK));
    for unit in units {
        let path = dir.join(&unit.name);
        if path.exists() && ours(&path).is_none() {
            let path = path.display();
            return Err(Failure::Other(format!(
                "{path} is not a unit that `pushplan systemd install` has written\n\
                 Move it out of the way, or give the units another --name."
            )));
        }
    }
    let mut removed = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed("read", dir))? {
        let path = entry.map_err(failed("read", dir))?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_wanted = units.iter().any(|unit| unit.name == file);
        if !is_wanted && ours(&path).is_some_and(|text| timer::belongs(name, &file, &text)) {
            std::fs::remove_file(&path).map_err(failed("remove", &path))?;
            // What `systemctl enable` made; there may be none.
            let _ = std::fs::remove_file(dir.join("timers.target.wants").join(&file));
            removed.push(file);
        }
    }
    removed.sort();
    for unit in units {
        let path = dir.join(&unit.name);
        std::fs::write(&path, &unit.text).map_err(failed("write", &path))?;
    }
    Ok(removed)
}
