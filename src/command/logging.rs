//! Log lines on stderr. Results never go through here.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::LogFormat;

/// Starts logging: warnings, with `-v` our own steps, with `-vv` the libraries' too. `PUSHPLAN_LOG` takes a filter
/// such as `pushplan=debug` and wins.
pub(super) fn start(verbose: u8, format: LogFormat) {
    let (ours, others) = match verbose {
        0 => ("warn", LevelFilter::ERROR),
        1 => ("debug", LevelFilter::WARN),
        _ => ("trace", LevelFilter::DEBUG),
    };
    let filter = EnvFilter::builder().with_default_directive(others.into());
    let filter = match std::env::var("PUSHPLAN_LOG") {
        Ok(wish) => filter.parse_lossy(wish),
        Err(_) => filter.parse_lossy(format!("pushplan={ours}")),
    };
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(super::output::stderr_has_color()).compact().init(),
        LogFormat::Json => log.json().init(),
    }
}
