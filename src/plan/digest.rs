//! Digests: what makes two plans the same one. All are SHA-256; people see them in hex.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Key, RunHeader};
use crate::campaign::schedule::Wave;
use crate::campaign::{MaxFailures, OnInDoubt};

/// A digest as people see it: 64 lower-case hexadecimal digits.
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What a message is known by.
pub fn key(message_json: &str) -> Key {
    *Sha256::digest(message_json).first_chunk().expect("a digest is longer than a key")
}

/// The digests of an audience and of a plan, taken batch by batch in sending order.
///
/// The audience's is over the carried columns' names and what each batch sends to whom. The plan's is over that and
/// everything else that apply would do.
pub struct Digests {
    audience: Feed,
    plan: Feed,
    is_late: bool,
}

impl Digests {
    /// Of a run whose templates and schedule use these columns.
    pub fn new(header: &RunHeader, columns: &[String]) -> Self {
        let mut audience = Feed::new("pushplan.audience/2");
        let mut plan = Feed::new("pushplan.plan/2");
        plan.header(header);
        audience.number(columns.len() as u64);
        for column in columns {
            audience.text(column);
        }
        Self { audience, plan, is_late: header.is_late }
    }

    /// The batches that follow have this message.
    pub fn message(&mut self, key: &Key) {
        self.audience.bytes(key);
    }

    /// The next batch. `wave` is an index into the waves of [`Digests::finish`].
    pub fn batch(&mut self, accounts_json: &str, wave: u32, msg_random: u32, data_id: &str) {
        self.audience.text(accounts_json);
        self.plan.number(u64::from(wave) << 32 | u64::from(msg_random));
        self.plan.text(data_id);
    }

    /// The audience's digest and the plan's.
    pub fn finish(mut self, waves: &[Wave]) -> ([u8; 32], [u8; 32]) {
        let audience = self.audience.finish();
        self.plan.bytes(&audience);
        if self.is_late {
            for wave in waves {
                self.plan.text(wave.zone.as_deref().unwrap_or_default());
            }
        } else {
            self.plan.text(&serde_json::to_string(waves).expect("waves are plain data"));
        }
        (audience, self.plan.finish())
    }
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

    fn header(&mut self, header: &RunHeader) {
        for text in [
            &header.run_id,
            &header.campaign,
            &header.occurrence,
            &header.app,
            &header.from,
            &header.content_digest,
        ] {
            self.text(text);
        }
        // Planned a second later, a late run has other windows, and is the same run.
        self.text(&match header.expires_at {
            _ if header.is_late => "late".to_owned(),
            None => String::new(),
            Some(instant) => instant.to_string(),
        });
        match header.delivery.max_failures {
            MaxFailures::Share(share) => self.tagged(b's', share.to_bits()),
            MaxFailures::Count(count) => self.tagged(b'c', count),
        }
        self.tagged(
            match header.delivery.on_in_doubt {
                OnInDoubt::Hold => b'h',
                OnInDoubt::Resend => b'r',
            },
            u64::from(header.delivery.in_flight),
        );
        self.number(header.delivery.timeout.as_secs());
        self.number(u64::from(header.delivery.timeout.subsec_nanos()));
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Bytes of a length that is always the same.
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn tagged(&mut self, tag: u8, number: u64) {
        self.bytes(&[tag]);
        self.number(number);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
