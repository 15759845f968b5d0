//! `schedule:` as an author writes it. Its check is in `check`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// When the campaign is due: exactly one of `at`, `cron` and `every`. Wall-clock times that a change of the
/// clocks skips run right after it; those it repeats run once, the first time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSchedule {
    /// One instant or several: a local time of `timezone`, or one with an offset or `Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "2026-11-24T09:00", example = "2026-11-24T09:00:00Z")]
    pub at: Option<Instants>,
    /// Five fields: minute, hour, day of month, month, day of week. Names (`MON`, `JAN`), `L` (last) and `#`
    /// (the nth: `FRI#2`) can be used. Matches local times of `timezone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "0 9 * * MON", example = "30 18 L * *")]
    pub cron: Option<String>,
    /// The distance of occurrences, from `starts` on, counted on the wall clock: `2d` keeps the time of day.
    /// At least `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "2d", example = "12h")]
    pub every: Option<String>,
    /// The IANA time zone of all local times; `UTC` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "Asia/Shanghai", example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// No occurrence before it: a date, or a time as in `at`. `every` counts from it, and needs a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "2026-11-24", example = "2026-11-24T09:00")]
    pub starts: Option<String>,
    /// No occurrence after it: a date, whose whole day still counts, or a time as in `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "2026-12-31")]
    pub ends: Option<String>,
    /// Local dates without an occurrence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["2026-12-24", "2026-12-25"])]
    pub except: Vec<String>,
    /// How long after its instant an occurrence may still be sent, as `2h`. Where it is left out: until the next
    /// occurrence, and `24h` at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "2h", example = "30m")]
    pub expires_after: Option<String>,
    /// What becomes of an occurrence that nobody ran in its window.
    #[serde(default)]
    pub missed: Missed,
    /// The times are meant in each recipient's own time zone, which stands in `timezone_column`. Each zone is a wave
    /// of the run, with its own window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time: Option<bool>,
    /// The column of the audience that holds the recipient's IANA time zone. Needed with `local_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = &"timezone")]
    pub timezone_column: Option<String>,
    /// What becomes of recipients whose time zone is missing or not known, with `local_time`. Default: `skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_timezone: Option<UnknownTimezone>,
    /// Hours in which nothing is sent: by the recipient's clock with `local_time`, else by that of `timezone`. What
    /// falls into them waits for their end, and expires where its window ends before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = super::QUIET_HOURS), example = "22:00-08:00")]
    pub quiet_hours: Option<String>,
}

/// What becomes of recipients whose time zone is missing or not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownTimezone {
    /// They get nothing, and are counted as skipped.
    #[default]
    Skip,
    /// The campaign's `timezone` stands for theirs.
    Default,
}

/// What becomes of an occurrence that nobody ran in its window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// It is not sent, and is recorded as skipped.
    #[default]
    Skip,
    /// It is sent late, every one of them.
    Send,
    /// It is sent late where no later one has come; the others are skipped.
    Latest,
}

/// One instant or a list of them, as written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Instants {
    /// `at: 2026-11-24T09:00`
    One(String),
    /// `at: [2026-11-24T09:00, 2026-11-25T09:00]`
    Many(Vec<String>),
}

// By hand, because an untagged enum would say "did not match any variant" instead of what is wrong.
impl<'de> Deserialize<'de> for Instants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Instants;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time such as 2026-11-24T09:00, or a list of them")
            }

            fn visit_str<E>(self, text: &str) -> Result<Instants, E> {
                Ok(Instants::One(text.to_owned()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Instants, A::Error> {
                Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq)).map(Instants::Many)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Instants {
    fn schema_name() -> Cow<'static, str> {
        "Instants".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One instant or a list of them.",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 }
            ]
        })
    }
}
