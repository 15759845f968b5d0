//! The vendor's batch push API, as a client sees it: signing, calling, and saying what an answer means.
//!
//! It follows the vendor's page "UserID-Targeted Push" (trtc.io document 67553) and the codes of its answers. What
//! to *do* about an outcome is the executor's to decide; nothing here retries, waits or counts.

pub mod answer;
mod call;
mod classify;
mod client;
pub mod usersig;
pub mod wire;

pub use call::Call;
pub use classify::{classify, hint, may_pass_another_time, refusal};
pub use client::{Client, Config as ClientConfig, Error as ClientError};
pub use usersig::sign;
