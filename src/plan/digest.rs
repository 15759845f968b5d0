//! Digests: what makes two plans the same one. All are SHA-256; people see them in hex.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Plan;
use crate::campaign::{MaxFailures, OnInDoubt};

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

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
