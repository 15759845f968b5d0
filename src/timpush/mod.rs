//! The vendor's batch push API, as a client sees it: signing, calling, and saying what an answer means.
//!
//! It follows the vendor's page "UserID-Targeted Push" (trtc.io document 67553) and the error code tables
//! (trtc.io documents 34348 and 74196). What to *do* about an outcome is the executor's to decide; nothing
//! here retries, waits or counts.

pub mod answer;
pub mod call;
pub mod classify;
pub mod client;
pub mod secret;
pub mod usersig;
pub mod wire;
