//! Digests: what makes two plans the same one. All are SHA-256; people see them in hex.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::RunHeader;
use crate::campaign::{MaxFailures, OnInDoubt};

/// A digest as people see it: 64 lower-case hexadecimal digits.
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Feeds a hash so that no two different inputs feed the same bytes: every length and every choice is told.
pub(super) struct Feed(Sha256);

impl Feed {
    /// The name keeps digests of different things, and of later formats, apart.
    pub(super) fn new(name: &str) -> Self {
        let mut feed = Self(Sha256::new());
        feed.text(name);
        feed
    }

    pub(super) fn header(&mut self, header: &RunHeader) {
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
        self.text(&header.expires_at.map_or_else(String::new, |instant| instant.to_string()));
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

    pub(super) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Bytes of a length that is always the same.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn tagged(&mut self, tag: u8, number: u64) {
        self.bytes(&[tag]);
        self.number(number);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
