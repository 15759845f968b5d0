//! The `message` section: the vendor's OfflinePushInfo (trtc.io document 77715) with keys in snake_case.
//!
//! Every string is a template; numbers and enumerated values are not.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::vendor::{IntoNode, Misplaced, vendor_object};
use crate::campaign::spec::Node;
use crate::timpush::wire::{GooglePriority, Importance, InterruptionLevel, LiveActivityEvent};

vendor_object! {
    /// What they get. Every text is a Handlebars template over the audience's columns.
    #[schemars(rename = "Message", extend("minProperties" = 1))]
    RawMessage {
        /// 0 pushes to offline devices too (the vendor's default), 1 makes no offline push.
        #[schemars(extend("enum" = [0, 1]))]
        push_flag: u8 => "PushFlag",
        /// The notification's title.
        #[schemars(example = &"{{first_name}}, the sale starts now")]
        title: String => "Title",
        /// The notification's text.
        #[schemars(example = &"Up to 50% off in {{city}} until Sunday")]
        body: String => "Desc",
        /// Title and body by the device's language; needs client SDK 8.5.6870.
        #[schemars(length(min = 1))]
        multi_language: Vec<RawLanguage> => "MultiLanguageContent",
        /// Passed through to the app: an object, sent as JSON text, or the JSON text itself. 1 KB is advised.
        ext: RawExt => "Ext",
        /// Added to the app's badge.
        #[schemars(range(min = 1, max = 99))]
        badge_add_num: u8 => "BadgeAddNum",
        /// The app's badge is set to this; wins over `badge_add_num`. Huawei, Honor and Harmony take up to 99.
        #[schemars(range(max = 999))]
        badge_set_num: u16 => "BadgeSetNum",
        /// A push template of the vendor's console.
        push_template_id: String => "PushTemplateId",
        /// The console template's custom variables.
        push_template_param: Map<String, Value> => "PushTemplateParam",
        /// What holds on Android.
        android: RawAndroid => "AndroidInfo",
        /// What holds on Apple devices.
        apns: RawApns => "ApnsInfo",
        /// What holds on HarmonyOS.
        harmony: RawHarmony => "HarmonyInfo",
    }
}

vendor_object! {
    /// Title and body in one language.
    #[schemars(rename = "Language", extend("required" = ["language"]))]
    RawLanguage {
        /// The language's code.
        #[schemars(length(min = 1), example = &"zh-Hans")]
        language: String => "Language",
        /// The title in it.
        title: String => "Title",
        /// The body in it.
        body: String => "Desc",
    }
}

vendor_object! {
    /// What holds on Android, by vendor.
    #[schemars(
        rename = "Android",
        extend("dependentRequired" = {"oppo_notify_level": ["oppo_category"]})
    )]
    RawAndroid {
        /// Sound file in the app, with its ending.
        sound: String => "Sound",
        /// OPPO: 0 standard, 1 long text.
        #[schemars(extend("enum" = [0, 1]))]
        push_style: u8 => "PushStyle",
        /// Xiaomi's notification channel.
        xiaomi_channel_id: String => "XiaoMiChannelID",
        /// OPPO's notification channel.
        oppo_channel_id: String => "OPPOChannelID",
        /// OPPO's category of the message.
        #[schemars(example = &"MARKETING")]
        oppo_category: String => "OPPOCategory",
        /// OPPO: 1 in the list, 2 also on the lock screen, 16 also as banner, with sound; needs `oppo_category`.
        #[schemars(extend("enum" = [1, 2, 16]))]
        oppo_notify_level: u8 => "OPPONotifyLevel",
        /// OPPO's private message template.
        oppo_private_msg_template_id: String => "OPPOPrivateMsgTemplateId",
        /// Variables of the private template's title.
        oppo_private_title_parameters: Map<String, Value> => "OPPOPrivateTitleParameters",
        /// Variables of the private template's content.
        oppo_private_content_parameters: Map<String, Value> => "OPPOPrivateContentParameters",
        /// vivo: 0 operational, 1 system.
        #[schemars(extend("enum" = [0, 1]))]
        vivo_classification: u8 => "VIVOClassification",
        /// vivo's category of the message.
        #[schemars(example = &"MARKETING")]
        vivo_category: String => "VIVOCategory",
        /// vivo: 1 silent, 2 rings, 3 vibrates, 4 rings and vibrates.
        #[schemars(range(min = 1, max = 4))]
        vivo_notify_type: u8 => "VIVONotifyType",
        /// Huawei's importance of the message.
        huawei_importance: Importance => "HuaWeiImportance",
        /// Huawei's category of the message.
        #[schemars(example = &"MARKETING")]
        huawei_category: String => "HuaWeiCategory",
        /// Image on Huawei devices: an HTTPS address.
        huawei_image: String => "HuaWeiImage",
        /// Huawei's notification channel.
        huawei_channel_id: String => "HuaWeiChannelID",
        /// Honor's importance of the message.
        honor_importance: Importance => "HonorImportance",
        /// Image on Honor devices: an HTTPS address.
        honor_image: String => "HonorImage",
        /// Image through FCM: an HTTPS address.
        google_image: String => "GoogleImage",
        /// FCM's priority.
        google_priority: GooglePriority => "GooglePriority",
        /// FCM's notification channel.
        google_channel_id: String => "GoogleChannelID",
        /// Meizu: 0 public, 1 private.
        #[schemars(extend("enum" = [0, 1]))]
        meizu_notice_msg_type: u8 => "MeiZuNoticeMsgType",
    }
}

vendor_object! {
    /// What holds on Apple devices.
    #[schemars(rename = "Apns")]
    RawApns {
        /// 0 counts this push in the badge, 1 does not.
        #[schemars(extend("enum" = [0, 1]))]
        badge_mode: u8 => "BadgeMode",
        /// The title on Apple devices.
        title: String => "Title",
        /// The subtitle.
        subtitle: String => "SubTitle",
        /// Image: an HTTPS address.
        image: String => "Image",
        /// 1 lets the app's extension change the notification before it is shown.
        #[schemars(extend("enum" = [0, 1]))]
        mutable_content: u8 => "MutableContent",
        /// Sound file in the app, or `default`.
        #[schemars(example = &"default")]
        sound: String => "Sound",
        /// How much the notification may disturb.
        interruption_level: InterruptionLevel => "InterruptionLevel",
        /// 1 wakes the app in the background.
        #[schemars(extend("enum" = [1]))]
        content_available: u8 => "ContentAvailable",
        /// 1 sends it as a VoIP push.
        #[schemars(extend("enum" = [1]))]
        is_voip_push: u8 => "IsVoipPush",
        /// A change of a Live Activity.
        live_activity: RawLiveActivity => "LiveActivity",
    }
}

vendor_object! {
    /// A change of a Live Activity.
    #[schemars(rename = "LiveActivity", extend("required" = ["la_id", "event"]))]
    RawLiveActivity {
        /// The activity's id, at most 64 bytes.
        #[schemars(length(min = 1))]
        la_id: String => "LaId",
        /// What happens to it.
        event: LiveActivityEvent => "Event",
        /// The activity's new content, as the app defines it.
        content_state: Map<String, Value> => "ContentState",
        /// When it leaves the lock screen: Unix time in seconds.
        dismissal_date: i64 => "DismissalDate",
    }
}

vendor_object! {
    /// What holds on HarmonyOS.
    #[schemars(rename = "Harmony")]
    RawHarmony {
        /// The title on HarmonyOS.
        title: String => "Title",
        /// HarmonyOS's category of the message.
        #[schemars(example = &"MARKETING")]
        category: String => "Category",
        /// Image: an HTTPS address.
        image: String => "Image",
        /// Sound file in the app, with its ending.
        sound: String => "Sound",
        /// Seconds the sound plays.
        #[schemars(range(min = 1, max = 60))]
        sound_duration: u8 => "SoundDuration",
    }
}

/// An object, or JSON text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "Ext",
    transform = super::one_type,
    extend("type" = ["string", "object"], "examples" = [{"url": "app://sale"}])
)]
pub enum RawExt {
    /// JSON text, sent as it is once rendered.
    Text(String),
    /// Sent as JSON text.
    Object(Map<String, Value>),
}

impl IntoNode for RawExt {
    fn into_node(self, at: &str, misplaced: &mut Vec<Misplaced>) -> Node {
        match self {
            Self::Text(text) => text.into_node(at, misplaced),
            Self::Object(map) => Node::JsonText(Box::new(map.into_node(at, misplaced))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vendor's own list, in the order of its page.
    #[test]
    fn the_keys_are_those_of_the_vendor() {
        let keys =
            |table: &[(&str, &'static str)]| table.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(" ");
        assert_eq!(
            keys(RawMessage::KEYS),
            "PushFlag Title Desc MultiLanguageContent Ext BadgeAddNum BadgeSetNum PushTemplateId \
             PushTemplateParam AndroidInfo ApnsInfo HarmonyInfo"
        );
        assert_eq!(keys(RawLanguage::KEYS), "Language Title Desc");
        assert_eq!(
            keys(RawAndroid::KEYS),
            "Sound PushStyle XiaoMiChannelID OPPOChannelID OPPOCategory OPPONotifyLevel \
             OPPOPrivateMsgTemplateId OPPOPrivateTitleParameters OPPOPrivateContentParameters \
             VIVOClassification VIVOCategory VIVONotifyType HuaWeiImportance HuaWeiCategory HuaWeiImage \
             HuaWeiChannelID HonorImportance HonorImage GoogleImage GooglePriority GoogleChannelID \
             MeiZuNoticeMsgType"
        );
        assert_eq!(
            keys(RawApns::KEYS),
            "BadgeMode Title SubTitle Image MutableContent Sound InterruptionLevel ContentAvailable \
             IsVoipPush LiveActivity"
        );
        assert_eq!(keys(RawLiveActivity::KEYS), "LaId Event ContentState DismissalDate");
        assert_eq!(keys(RawHarmony::KEYS), "Title Category Image Sound SoundDuration");
    }
}
