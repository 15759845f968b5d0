//! What the vendor's API says in its own words: limits, regions and the values of enumerated fields.
//!
//! A leaf: types only. Nothing here knows campaigns, sends, or decides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest DataId, in bytes (trtc.io document 67553).
pub const DATA_ID_BYTES_MAX: usize = 64;
/// Longest `LaId` of a Live Activity, in bytes (trtc.io document 77715).
pub const LA_ID_BYTES_MAX: usize = 64;

/// Where an app lives; calls to another region answer 60026 (trtc.io document 67553).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// `console.tim.qq.com`
    China,
    /// `adminapisgp.im.qcloud.com`
    Singapore,
    /// `adminapikr.im.qcloud.com`
    Seoul,
    /// `adminapiger.im.qcloud.com`
    Frankfurt,
    /// `adminapiusa.im.qcloud.com`
    SiliconValley,
    /// `adminapiidn.im.qcloud.com`
    Jakarta,
}

impl Region {
    /// The API's domain.
    pub fn domain(self) -> &'static str {
        match self {
            Self::China => "console.tim.qq.com",
            Self::Singapore => "adminapisgp.im.qcloud.com",
            Self::Seoul => "adminapikr.im.qcloud.com",
            Self::Frankfurt => "adminapiger.im.qcloud.com",
            Self::SiliconValley => "adminapiusa.im.qcloud.com",
            Self::Jakarta => "adminapiidn.im.qcloud.com",
        }
    }
}

/// `HuaWeiImportance`, `HonorImportance` (trtc.io document 77715).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Importance {
    /// Information and marketing: shown silently.
    Low,
    /// Services and messages: shown with sound.
    Normal,
}

/// `GooglePriority` (trtc.io document 77715).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GooglePriority {
    /// Delivery may wait while the device sleeps.
    Normal,
    /// Delivery at once.
    High,
}

/// `InterruptionLevel` of APNs (trtc.io document 77715).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InterruptionLevel {
    /// Lights the screen and plays a sound.
    Active,
    /// Sounds even when the device is muted; needs Apple's permission.
    Critical,
    /// Into the list, without sound or light.
    Passive,
    /// Breaks through Focus; needs the entitlement.
    TimeSensitive,
}

/// `Event` of a Live Activity (trtc.io document 77715).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LiveActivityEvent {
    /// New content.
    Update,
    /// The activity ends.
    End,
}
