//! The vendors' length limits (trtc.io document 77715). They are warnings: a vendor cuts what is too long.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

/// Whose limit it is where all vendors are advised to keep to one.
pub const ALL_VENDORS: &str = "all";

/// Advised most bytes of `Ext`.
const EXT_BYTES_ADVISED: usize = 1024;

/// Most bytes of an APNs or FCM payload.
const PAYLOAD_BYTES_MAX: usize = 4096;

/// Title and body, in UTF-16 code units.
const LIMITS: [(&str, usize, usize); 6] = [
    ("Huawei", 60, 600),
    ("Honor", 50, 400),
    ("Xiaomi", 50, 128),
    ("OPPO", 50, 50),
    ("vivo", 40, 100),
    ("Meizu", 32, 100),
];

/// OPPO's body limit with `PushStyle` 1.
const OPPO_BODY_STYLE_1: usize = 128;

/// A text that a vendor will cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LengthWarning {
    /// Whose limit it is: `Huawei`, `APNs`; [`ALL_VENDORS`] for the advice on `Ext`.
    pub vendor: &'static str,
    /// The vendor key: `Title`, `Desc`, `Ext`, or `payload` for the whole.
    pub field: &'static str,
    /// How long it is: UTF-16 code units for `Title` and `Desc`, bytes for `Ext` and `payload`.
    pub length: usize,
    /// The limit in the same unit.
    pub limit: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'a> {
    #[serde(borrow, default)]
    title: Cow<'a, str>,
    #[serde(borrow, default)]
    desc: Cow<'a, str>,
    #[serde(borrow, default)]
    ext: Cow<'a, str>,
    #[serde(borrow, default)]
    multi_language_content: Vec<Translation<'a>>,
    #[serde(default)]
    android_info: AndroidInfo,
    #[serde(borrow, default)]
    apns_info: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Translation<'a> {
    #[serde(borrow, default)]
    title: Cow<'a, str>,
    #[serde(borrow, default)]
    desc: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct AndroidInfo {
    push_style: i64,
    google_image: String,
}

/// The limits a rendered message breaks, of all vendors: which of them serve a recipient is not known here.
///
/// The longest title and body of all languages count. The APNs and FCM payloads are built by the vendor; what
/// is measured is the parts of them that this message decides, so a payload may be a little longer still.
/// A message this module cannot read (`raw` keys of an unforeseen shape) has no warnings.
pub fn lint(message_json: &str) -> Vec<LengthWarning> {
    let Ok(message) = serde_json::from_str::<Message<'_>>(message_json) else { return Vec::new() };
    let longest = |own: &str, translated: for<'a> fn(&'a Translation<'_>) -> &'a str| {
        let translated = message.multi_language_content.iter().map(translated);
        translated.chain([own]).map(utf16_len).max().unwrap_or_default()
    };
    let title = longest(&message.title, |translation| &translation.title);
    let desc = longest(&message.desc, |translation| &translation.desc);

    let mut warnings = Vec::new();
    let mut hold = |vendor, field, length, limit| {
        if length > limit {
            warnings.push(LengthWarning { vendor, field, length, limit });
        }
    };
    for (vendor, title_max, desc_max) in LIMITS {
        let styled = vendor == "OPPO" && message.android_info.push_style == 1;
        hold(vendor, "Title", title, title_max);
        hold(vendor, "Desc", desc, if styled { OPPO_BODY_STYLE_1 } else { desc_max });
    }
    // Neither payload has more in it than the message, but for the names of a few keys.
    if message_json.len() > PAYLOAD_BYTES_MAX / 2 {
        hold("APNs", "payload", apns_payload(&message), PAYLOAD_BYTES_MAX);
        hold("FCM", "payload", fcm_payload(&message), PAYLOAD_BYTES_MAX);
    }
    hold(ALL_VENDORS, "Ext", message.ext.len(), EXT_BYTES_ADVISED);
    warnings
}

/// Is the message's `Ext` absent, empty or JSON text? Some vendors drop an `Ext` that is something else.
pub fn ext_is_json(message_json: &str) -> bool {
    serde_json::from_str::<Message<'_>>(message_json).map_or(true, |message| {
        message.ext.is_empty() || serde_json::from_str::<serde::de::IgnoredAny>(&message.ext).is_ok()
    })
}

fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

fn apns_payload(message: &Message<'_>) -> usize {
    let info: Json =
        message.apns_info.and_then(|info| serde_json::from_str(info.get()).ok()).unwrap_or_default();
    let title = info["Title"].as_str().unwrap_or(&message.title);
    let mut alert = json!({ "title": title, "body": message.desc });
    if let Some(subtitle) = info["SubTitle"].as_str() {
        alert["subtitle"] = subtitle.into();
    }
    let mut aps = json!({ "alert": alert });
    for (key, vendor_key) in [("sound", "Sound"), ("interruption-level", "InterruptionLevel")] {
        if let Some(value) = info[vendor_key].as_str() {
            aps[key] = value.into();
        }
    }
    json!({ "aps": aps, "ext": message.ext, "image": info["Image"] }).to_string().len()
}

fn fcm_payload(message: &Message<'_>) -> usize {
    let notification =
        json!({ "title": message.title, "body": message.desc, "image": message.android_info.google_image });
    json!({ "notification": notification, "data": { "ext": message.ext } }).to_string().len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ext_is_json, lint};

    fn broken(message: &serde_json::Value) -> Vec<(&'static str, &'static str, usize, usize)> {
        lint(&message.to_string()).into_iter().map(|w| (w.vendor, w.field, w.length, w.limit)).collect()
    }

    #[test]
    fn the_strictest_common_lengths_break_no_limit() {
        assert_eq!(broken(&json!({ "Title": "t".repeat(32), "Desc": "d".repeat(50) })), []);
    }

    #[test]
    fn each_vendor_has_its_own_limit() {
        assert_eq!(
            broken(&json!({ "Title": "t".repeat(51), "Desc": "d".repeat(101) })),
            [
                ("Honor", "Title", 51, 50),
                ("Xiaomi", "Title", 51, 50),
                ("OPPO", "Title", 51, 50),
                ("OPPO", "Desc", 101, 50),
                ("vivo", "Title", 51, 40),
                ("vivo", "Desc", 101, 100),
                ("Meizu", "Title", 51, 32),
                ("Meizu", "Desc", 101, 100),
            ]
        );
    }

    #[test]
    fn lengths_are_utf_16_code_units() {
        assert_eq!(broken(&json!({ "Title": "é".repeat(32) })), []);
        assert_eq!(broken(&json!({ "Title": "😀".repeat(17) })), [("Meizu", "Title", 34, 32)]);
    }

    #[test]
    fn the_longest_translation_counts() {
        let message = json!({ "Title": "t", "MultiLanguageContent": [
            { "Language": "en", "Title": "t".repeat(33), "Desc": "d" }, { "Language": "de", "Title": "t" },
        ]});
        assert_eq!(broken(&message), [("Meizu", "Title", 33, 32)]);
    }

    #[test]
    fn oppo_takes_more_with_push_style_1() {
        let message =
            |length: usize| json!({ "Desc": "d".repeat(length), "AndroidInfo": { "PushStyle": 1 } });
        assert_eq!(broken(&message(100)), []);
        assert!(broken(&message(129)).contains(&("OPPO", "Desc", 129, 128)));
    }

    #[test]
    fn ext_and_payload_are_measured_in_bytes() {
        assert_eq!(broken(&json!({ "Ext": "é".repeat(512) })), []);
        assert_eq!(broken(&json!({ "Ext": "é".repeat(513) })), [("all", "Ext", 1026, 1024)]);
        let vendors: Vec<_> = broken(&json!({ "Ext": "e".repeat(4096) }))
            .iter()
            .map(|(vendor, field, ..)| (*vendor, *field))
            .collect();
        assert_eq!(vendors, [("APNs", "payload"), ("FCM", "payload"), ("all", "Ext")]);
    }

    #[test]
    fn an_ext_that_is_no_json_text_is_found() {
        for (ext, is_json) in [("", true), ("{\"a\":1}", true), ("7", true), ("a=1", false), ("{a:1}", false)]
        {
            assert_eq!(ext_is_json(&json!({ "Ext": ext }).to_string()), is_json, "{ext}");
        }
        assert!(ext_is_json("{}"));
    }
}
