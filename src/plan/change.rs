//! What a run changes against the last one of its campaign.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Its recipients, whatever became of them.
    pub recipients: u64,
    /// Hex digest of what its campaign's file said.
    pub content_digest: String,
    /// The JSON text of its first message; `None` where it has none.
    pub message: Option<String>,
}

/// What is other than in the last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The last run of the campaign.
    pub run: String,
    /// When that was frozen; RFC 3339.
    #[schemars(with = "String")]
    pub frozen_at: Timestamp,
    /// How many recipients it had.
    pub recipients: u64,
    /// Does the campaign's file say something else now?
    pub content: bool,
    /// The texts in which the first messages of both runs differ.
    pub texts: Vec<TextChange>,
}

/// A text of the first message that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextChange {
    /// `title` or `body`.
    pub field: String,
    /// As it was sent.
    pub before: String,
    /// As it would be.
    pub now: String,
}

impl Plan {
    /// What the run changes against the last one.
    pub fn change(&self, last: &Last) -> Change {
        let now = self.totals.samples.first().map(|sample| sample.message.as_str());
        Change {
            run: last.run.clone(),
            frozen_at: last.frozen_at,
            recipients: last.recipients,
            content: last.content_digest != self.header.content_digest,
            texts: text_changes(last.message.as_deref(), now),
        }
    }
}

/// The vendor's keys of title and body, and what authors call them.
const TEXTS: [(&str, &str); 2] = [("Title", "title"), ("Desc", "body")];

fn text_changes(before: Option<&str>, now: Option<&str>) -> Vec<TextChange> {
    let parse =
        |json: Option<&str>| json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let (before, now): (serde_json::Value, serde_json::Value) = (parse(before), parse(now));
    let text = |message: &serde_json::Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
    TEXTS
        .into_iter()
        .map(|(key, field)| TextChange {
            field: field.to_owned(),
            before: text(&before, key),
            now: text(&now, key),
        })
        .filter(|change| change.before != change.now)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_that_differ_are_told() {
        let changes =
            text_changes(Some(r#"{"Title":"Hi","Desc":"old"}"#), Some(r#"{"Title":"Hi","Desc":"new"}"#));
        let body = TextChange { field: "body".into(), before: "old".into(), now: "new".into() };
        assert_eq!(changes, [body]);
    }

    #[test]
    fn a_message_that_is_not_there_has_empty_texts() {
        assert_eq!(text_changes(None, None), []);
        assert_eq!(text_changes(None, Some(r#"{"Desc":"new"}"#)).len(), 1);
    }
}
