//! The wire types of `POST /v4/timpush/batch` (trtc.io document 67553): its path, its query and its answer.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The path of the batch API.
pub const BATCH_PATH: &str = "/v4/timpush/batch";

/// Most accounts one call may name.
pub const MAX_ACCOUNTS: usize = 500;

/// Most bytes of a `DataId`.
pub const MAX_DATA_ID_BYTES: usize = 64;

/// The body of an answer. Strings borrow from it where they hold no escapes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchAnswer<'a> {
    /// Was the call taken?
    pub action_status: ActionStatus,
    /// The vendor's words; empty where all is well.
    #[serde(borrow, default)]
    pub error_info: Cow<'a, str>,
    /// 0, or a code of the vendor's tables.
    pub error_code: i64,
    /// `batch_…`; empty where the call failed.
    #[serde(borrow, default)]
    pub task_id: Cow<'a, str>,
    /// The accounts of an accepted call that failed all the same.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error_list: Option<Vec<ErrorEntry<'a>>>,
}

/// `ActionStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ActionStatus {
    /// Accepted, which is not delivered.
    Ok,
    /// Refused as a whole.
    Fail,
}

/// One account of `ErrorList`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry<'a> {
    /// Why it failed.
    #[serde(rename = "ErrorCode")]
    pub error_code: i64,
    /// The vendor's words; often absent.
    #[serde(borrow, default, rename = "ErrorInfo", skip_serializing_if = "str::is_empty")]
    pub error_info: Cow<'a, str>,
    /// The account.
    #[serde(borrow, rename = "To_Account")]
    pub to_account: Cow<'a, str>,
}
