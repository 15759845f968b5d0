//! Digests: what makes two contents, audiences or plans the same one. All are SHA-256; people see them in hex.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Plan;
use crate::campaign::{Campaign, MaxFailures, Node, OnInDoubt};

/// Everything that a run says, apart from to whom: From_Account, the DataId template and the message's templates.
/// How the file is laid out, its comments and its other keys do not count.
pub fn content(campaign: &Campaign) -> String {
    content_of(&campaign.from, &campaign.data_id, &campaign.message.root)
}

fn content_of(from: &str, data_id: &str, message: &Node) -> String {
    let mut feed = Feed::new("pushplan.content/1");
    feed.text(from);
    feed.text(data_id);
    feed.node(message);
    hex(&feed.finish())
}

/// A digest as people see it: 64 lower-case hexadecimal digits.
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

pub(super) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Everything that apply would do. The accounts of a batch follow from the audience (its digest holds them), the
/// messages and the order of packing.
pub(super) fn plan(plan: &Plan) -> [u8; 32] {
    let mut feed = Feed::new("pushplan.plan/1");
    let header = &plan.header;
    for text in [
        &header.run_id,
        &header.campaign,
        &header.occurrence,
        &header.app,
        &header.from,
        &header.content_digest,
    ] {
        feed.text(text);
    }
    feed.text(&header.expires_at.map_or_else(String::new, |instant| instant.to_string()));
    match header.delivery.max_failures {
        MaxFailures::Share(share) => feed.tagged(b's', share.to_bits()),
        MaxFailures::Count(count) => feed.tagged(b'c', count),
    }
    feed.tagged(
        match header.delivery.on_in_doubt {
            OnInDoubt::Hold => b'h',
            OnInDoubt::Resend => b'r',
        },
        u64::from(header.delivery.in_flight),
    );
    feed.number(header.delivery.timeout.as_secs());
    feed.number(u64::from(header.delivery.timeout.subsec_nanos()));

    feed.0.update(plan.audience.digest());
    feed.number(plan.messages.len() as u64);
    for message in &plan.messages {
        feed.0.update(message.digest);
    }
    for message in &plan.message_of_tuple {
        feed.0.update(message.to_le_bytes());
    }
    feed.number(plan.slots.len() as u64);
    for batch in plan.batches() {
        feed.number(u64::from(batch.message));
        feed.number(u64::from(batch.recipients()));
        feed.number(u64::from(batch.msg_random));
        feed.text(batch.data_id);
    }
    feed.finish()
}

/// Feeds a hash so that no two different inputs feed the same bytes: every length and every choice is told.
struct Feed(Sha256);

impl Feed {
    /// The name keeps digests of different things, and of later formats, apart.
    fn new(name: &str) -> Self {
        let mut feed = Self(Sha256::new());
        feed.text(name);
        feed
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn tagged(&mut self, tag: u8, number: u64) {
        self.0.update([tag]);
        self.number(number);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text);
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Literal(value) => {
                self.0.update(b"v");
                self.text(&value.to_string());
            }
            // Where it is written is not what it says.
            Node::Text { text, pointer: _ } => {
                self.0.update(b"t");
                self.text(text);
            }
            Node::List(items) => {
                self.tagged(b'l', items.len() as u64);
                for item in items {
                    self.node(item);
                }
            }
            Node::Object(entries) => {
                self.tagged(b'o', entries.len() as u64);
                for (key, value) in entries {
                    self.text(key);
                    self.node(value);
                }
            }
            Node::JsonText(inner) => {
                self.0.update(b"j");
                self.node(inner);
            }
        }
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn text(text: &str, pointer: &str) -> Node {
        Node::Text { text: text.to_owned(), pointer: pointer.to_owned() }
    }

    fn object(key: &str, value: Node) -> Node {
        Node::Object(vec![(key.to_owned(), value)])
    }

    #[test]
    fn the_content_is_what_is_said_and_not_where_it_is_written() {
        let here = content_of("admin", "{{batch}}", &object("Title", text("Hi", "/message/title")));
        let there = content_of("admin", "{{batch}}", &object("Title", text("Hi", "/message/raw/Title")));
        assert_eq!(here, there);
        assert_eq!(here.len(), 64);
    }

    #[test]
    fn different_contents_have_different_digests() {
        let literal = |value: serde_json::Value| object("Title", Node::Literal(value));
        let messages = [
            object("Title", text("Hi", "")),
            object("Title", text("Ho", "")),
            object("Desc", text("Hi", "")),
            object("Title", Node::List(vec![text("Hi", "")])),
            object("Title", Node::List(vec![text("H", ""), text("i", "")])),
            object("Title", Node::JsonText(Box::new(text("Hi", "")))),
            literal("Hi".into()),
            literal(1.into()),
            literal("1".into()),
            Node::Object(Vec::new()),
        ];
        let mut digests: HashSet<_> = messages.iter().map(|m| content_of("admin", "{{batch}}", m)).collect();
        digests.insert(content_of("other", "{{batch}}", &messages[0]));
        digests.insert(content_of("admin", "{{run}}", &messages[0]));
        assert_eq!(digests.len(), messages.len() + 2);
    }
}
