//! From a YAML file to a checked [`Campaign`], and from `pushplan.yaml` to a checked [`Workspace`].
//!
//! ```text
//! bytes ── yaml ──► JSON value + Document ── check (JSON Schema) ──► raw ── resolve ──► Campaign
//! ```
//!
//! The `raw` types are what an author may write (serde and schemars); a [`Campaign`] is what the rest of
//! the crate may rely on: every unit parsed, every path resolved, every default filled in. Only
//! `loader` touches the file system. Nothing here reads an audience or renders a template.

mod check;
mod document;
mod file;
mod gates;
mod loader;
mod raw;
mod resolve;
pub mod schedule;
pub mod schema;
mod secret;
mod spec;
mod units;
mod workspace;
mod yaml;

pub use document::{Document, Place};
pub use file::{Absent, Checked, read_campaign, read_workspace};
pub use gates::{Gates, SendingHours};
pub use loader::{LoadOptions, Loaded, list, load, load_workspace};
pub use spec::{
    AudienceSpec, Campaign, Command, Delivery, Draft, Exclusion, Files, Filter, Format, MaxFailures,
    MessageSpec, Node, OnInDoubt, Postgres, Scalar, Source, Test,
};
pub use units::{parse_duration, parse_share, percent, share_of};
pub use workspace::{App, Endpoint, FILE_NAME, Rate, STATE, SecretRef, StateLocation, Workspace};
pub use yaml::parse as parse_yaml;
