//! The command line: what there is to say, and one file a command. No command holds logic: it reads the files,
//! calls the library, prints a report and ends with an [`Exit`].

mod agenda;
mod apply;
mod cancel;
mod completions;
mod context;
mod exit;
mod failure;
mod failures;
mod init;
mod logging;
mod man;
mod output;
mod pause;
mod plan;
mod planned;
mod planning;
mod resolve;
mod resume;
mod retry;
mod sandbox;
mod schema;
mod show;
mod state;
mod status;
mod target;
mod timers;
mod upcoming;
mod usersig;
mod validate;
mod when;
mod who;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

pub use exit::Exit;
pub use failure::Failure;

/// The version, with the commit where the build knows it.
const VERSION: &str = env!("PUSHPLAN_VERSION");

/// Push campaigns as code.
///
/// Campaigns are YAML files. `validate` checks them, `plan` shows what would be sent, `apply` sends it and can
/// be run again without harm, `status` shows where every recipient stands.
#[derive(Debug, Parser)]
#[command(name = "pushplan", version = VERSION, after_help = exit::TABLE, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// Look for pushplan.yaml in this folder (or above it) instead of the current one
    #[arg(short = 'C', long, value_name = "DIR", global = true)]
    workspace: Option<PathBuf>,
    /// Let campaigns read files outside the workspace's folder
    #[arg(long, global = true)]
    allow_outside: bool,
    /// Let `plan` connect to the databases that campaigns name as the source of their audience; `apply` does so as it is
    #[arg(long, global = true)]
    allow_connections: bool,
    /// Let `plan` and `apply` run the programs that campaigns name as the source of their audience
    #[arg(long, global = true)]
    allow_commands: bool,
    /// Say more on stderr; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// How log lines on stderr are written
    #[arg(long, value_name = "FORMAT", default_value = "text", global = true)]
    log_format: LogFormat,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// How a result is written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// How a plan is written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    Text,
    Json,
    /// For a comment on a pull request: accounts are masked, and it is short enough for one
    Markdown,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a repository to begin with: samples, schemas, editor settings, workflows; overwrites nothing
    Init(init::Args),
    /// Check campaign files and the workspace: all mistakes of all files at once
    Validate(validate::Args),
    /// Print the JSON Schemas of campaign and workspace files
    Schema(schema::Args),
    /// Show what would be sent, and send nothing
    Plan(plan::Args),
    /// Show a plan that `plan -o` has saved
    Show(show::Args),
    /// Show what is due in the next days, and whether there is time for it
    Upcoming(upcoming::Args),
    /// Send what is due, or go on where an earlier apply stopped
    Apply(apply::Args),
    /// Show every run and where its recipients stand
    Status(status::Args),
    /// List the recipients of a run that failed, with code and text
    Failures(failures::Args),
    /// Let failed recipients be tried again by the next apply
    Retry(retry::Args),
    /// Say what became of batches in doubt
    Resolve(resolve::Args),
    /// Hold a run back; a runner that is sending it stops within a second
    Pause(who::Word),
    /// Let a paused run go on with the next apply
    Resume(who::Word),
    /// Give up what remains of a run: it is counted as skipped, and never sent
    Cancel(who::Word),
    /// Have systemd apply what is due: a hardened service and its timers
    Systemd(timers::Systemd),
    /// Print the line with which cron applies what is due
    Crontab(timers::Service),
    /// Verify, export, import, back up or adopt the state
    State(state::Args),
    /// Print a UserSig, to try the vendor's API by hand
    Usersig(usersig::Args),
    /// Serve the vendor's API on loopback, with faults on demand
    Sandbox(sandbox::Args),
    /// Print what a shell needs to complete the command line
    Completions(completions::Args),
    /// Print the manual page, or write those of all commands
    Man(man::Args),
}

/// Runs the process's command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too; clap knows which stream is meant.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    output::choose_color(cli.global.color);
    logging::start(cli.global.verbose, cli.global.log_format);
    let global = &cli.global;
    let result = match cli.command {
        Command::Init(args) => init::run(global, &args),
        Command::Validate(args) => validate::run(global, &args),
        Command::Schema(args) => schema::run(&args),
        Command::Plan(args) => plan::run(global, &args),
        Command::Show(args) => show::run(&args),
        Command::Upcoming(args) => upcoming::run(global, &args),
        Command::Apply(args) => apply::run(global, &args),
        Command::Status(args) => status::run(global, &args),
        Command::Failures(args) => failures::run(global, &args),
        Command::Retry(args) => retry::run(global, &args),
        Command::Resolve(args) => resolve::run(global, &args),
        Command::Pause(args) => pause::run(global, &args),
        Command::Resume(args) => resume::run(global, &args),
        Command::Cancel(args) => cancel::run(global, &args),
        Command::Systemd(args) => timers::systemd(global, &args),
        Command::Crontab(args) => timers::crontab(global, &args),
        Command::State(args) => state::run(global, &args),
        Command::Usersig(args) => usersig::run(global, &args),
        Command::Sandbox(args) => sandbox::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failure(&failure);
            failure.exit().into()
        }
    }
}
