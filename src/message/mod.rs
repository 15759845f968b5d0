//! From a campaign's message to rendered OfflinePushInfo JSON text.
//!
//! [`Templates::compile`] checks every string of a message once and turns the whole message into a short
//! program; [`Templates::render`] runs it for one tuple of values. A message's strings are Handlebars
//! templates over the audience's columns and two constants, `campaign` and `occurrence`.
//!
//! Rendering is strict. A value that is missing or null is an error wherever a template looks at it, in
//! `{{#if}}` too, unless it stands in `default`. Nothing is HTML-escaped; in `Ext` a value is escaped so that
//! the JSON text stays one. [`helpers`] lists what a template can call.
//!
//! Not here: which recipients share a message (`plan` renders once a distinct tuple), and what the vendor's
//! keys are (`campaign` builds the tree). This module touches no file, no clock and no network.

mod compile;
mod data_id;
mod escape;
pub mod helpers;
mod lint;
mod place;
mod program;
mod render;
mod template;
mod variables;

pub use data_id::{DATA_ID_BYTES_MAX, DataId};
pub use lint::{ALL_VENDORS, LengthWarning, ext_is_json, lint};
pub use program::Templates;
pub use render::{RenderError, Why};

#[cfg(test)]
mod tests;
