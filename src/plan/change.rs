//! What a run changes against the last one of its campaign.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Plan;

/// What earlier runs have to say about a new one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// The last run of the same campaign that was frozen; `None` where there is none.
    pub last: Option<Last>,
    /// Recipients of the app's other runs that were frozen within 24 hours, but for those who were skipped.
    pub of_day: u64,
}

/// The last run of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Its id.
    pub run: String,
    /// When it was frozen.
    pub frozen_at: Timestamp,
    /// Its recipients, but for those who were skipped.
    pub recipients: u64,
    /// Hex digest of what its campaign's file said.
    pub content_digest: String,
    /// What the file said: [`Campaign::content_json`](crate::campaign::Campaign::content_json). `None` where an earlier
    /// pushplan did not keep it.
    pub content_json: Option<String>,
}

/// What is other than in the last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The last run of the campaign.
    pub run: String,
    /// When that was frozen; RFC 3339.
    #[schemars(with = "String")]
    pub frozen_at: Timestamp,
    /// How many recipients it had, but for those who were skipped.
    pub recipients: u64,
    /// Does the campaign's file say something else now?
    pub content: bool,
    /// What the file says otherwise, in the order of its keys; empty also where it is not known what it said.
    pub fields: Vec<FieldChange>,
}

/// A value of the campaign's file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// Where it stands in the file: `message.title`.
    pub field: String,
    /// What it was, a text as it is and all else as JSON; null where it was not there.
    pub before: Option<String>,
    /// What it is; null where it is gone.
    pub now: Option<String>,
}

impl Plan {
    /// What the run changes against the last one.
    pub fn change(&self, last: &Last) -> Change {
        let before = last.content_json.as_deref().unwrap_or_default();
        Change {
            run: last.run.clone(),
            frozen_at: last.frozen_at,
            recipients: last.recipients,
            content: last.content_digest != self.header.content_digest,
            fields: field_changes(before, &self.header.content_json),
        }
    }
}

/// The values in which two campaign files differ, from their JSON texts; none where one of them is empty.
pub fn field_changes(before: &str, now: &str) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if let (Ok(before), Ok(now)) = (serde_json::from_str(before), serde_json::from_str(now)) {
        compare("", Some(&before), Some(&now), &mut changes);
    }
    changes
}

fn compare(field: &str, before: Option<&Value>, now: Option<&Value>, changes: &mut Vec<FieldChange>) {
    if before == now {
        return;
    }
    if before.is_none_or(Value::is_object) && now.is_none_or(Value::is_object) {
        let nothing = Map::new();
        let [before, now] = [before, now].map(|side| side.and_then(Value::as_object).unwrap_or(&nothing));
        let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let field = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
            compare(&field, before.get(key), now.get(key), changes);
        }
        return;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    changes.push(FieldChange { field: field.to_owned(), before: before.map(text), now: now.map(text) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(before: &str, now: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let told = |FieldChange { field, before, now }| (field, before, now);
        field_changes(before, now).into_iter().map(told).collect()
    }

    #[test]
    fn only_what_differs_is_told_by_its_place_in_the_file() {
        let before = r#"{"message":{"title":"Hi","body":"old"},"audience":{"where":{"orders":{"gte":3}}}}"#;
        let now = r#"{"audience":{"where":{"orders":{"gte":5}}},"message":{"title":"Hi","body":"new"}}"#;
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            changes(before, now),
            [
                ("audience.where.orders.gte".to_owned(), some("3"), some("5")),
                ("message.body".to_owned(), some("old"), some("new")),
            ]
        );
        assert_eq!(changes(now, now), []);
    }

    #[test]
    fn a_part_that_comes_or_goes_is_told_value_by_value() {
        let told = changes(r#"{"a":1}"#, r#"{"a":1,"ext":{"url":"app://sale","n":[1,2]}}"#);
        let names: Vec<&str> = told.iter().map(|(field, ..)| field.as_str()).collect();
        assert_eq!(names, ["ext.n", "ext.url"]);
        assert!(told.iter().all(|(_, before, _)| before.is_none()));
        let gone = changes(r#"{"ext":{"url":1}}"#, r#"{"ext":"none"}"#);
        assert_eq!(gone, [("ext".to_owned(), Some(r#"{"url":1}"#.to_owned()), Some("none".to_owned()))]);
    }

    #[test]
    fn nothing_is_told_where_one_side_is_not_known() {
        assert_eq!(changes("", r#"{"a":1}"#), []);
    }
}
