//! placeholder
pub mod diagnostics;
