//! The batches of a plan in sending order, read from its pools one after the other.

use std::borrow::Cow;

use super::known::Accounts;
use super::others::Messages;
use super::{Key, MAX_RECIPIENTS_A_CALL, Plan};
use crate::audience::decode;
use crate::spill::{self, Texts};

/// One API call.
#[derive(Debug)]
pub struct Batch<'b> {
    /// In sending order.
    pub number: u32,
    /// Which of the plan's messages, counted from 0 in sending order.
    pub message: u32,
    /// Is it the first batch of its message?
    pub begins_message: bool,
    /// Index into [`Plan::waves`].
    pub wave: u32,
    /// Number of recipients, 1 to 500.
    pub recipients: u16,
    /// To_Account, in order, as the text of a JSON array.
    pub accounts_json: &'b str,
    plan: &'b Plan,
    pub(super) key: Key,
    text: Text<'b>,
}

/// Where the text of a message is.
#[derive(Debug, Clone, Copy)]
enum Text<'b> {
    Json(&'b str),
    Tuple(&'b str),
}

impl Batch<'_> {
    /// MsgRandom; never 0, and in no other batch of the run.
    pub fn msg_random(&self) -> u32 {
        self.plan.msg_random(self.number)
    }

    /// DataId; at most 64 bytes.
    pub fn data_id(&self) -> String {
        (self.plan.data_id)(self.number)
    }

    /// OfflinePushInfo as it is sent: the JSON text of an object.
    pub fn message_json(&self) -> Cow<'_, str> {
        match self.text {
            Text::Json(json) => Cow::Borrowed(json),
            Text::Tuple(tuple) => Cow::Owned((self.plan.render)(&decode(tuple))),
        }
    }
}

/// The batches of a plan, in sending order.
#[derive(Debug)]
pub struct Batches<'p> {
    plan: &'p Plan,
    /// The number of the next batch.
    number: u32,
    /// The wave at hand, in the order of [`Plan::waves`].
    rank: usize,
    /// The next group of known messages.
    group: usize,
    accounts: Accounts<'p>,
    texts: Texts<'p>,
    others: Messages<'p>,
    /// The message at hand.
    message: Message,
    /// Messages begun.
    messages: u32,
    accounts_json: Vec<u8>,
}

#[derive(Debug, Default)]
struct Message {
    key: Key,
    /// Recipients that are not in a batch yet.
    left: u32,
    /// The text of its tuple where it is one of the others, else its JSON.
    text: String,
    is_other: bool,
}

impl<'p> Batches<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        let wave = plan.order.first().copied().unwrap_or_default();
        Self {
            plan,
            number: plan.header.first_batch,
            rank: 0,
            group: 0,
            accounts: plan.known.accounts(),
            texts: plan.known.texts(wave),
            others: plan.others.wave(wave),
            message: Message::default(),
            messages: 0,
            accounts_json: Vec::new(),
        }
    }

    /// The next batch; `None` behind the last. No iterator: a batch borrows what the next one is written over.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    #[expect(clippy::should_implement_trait, reason = "an iterator's items cannot borrow from it")]
    pub fn next(&mut self) -> Result<Option<Batch<'_>>, spill::Error> {
        let begins_message = self.message.left == 0;
        if begins_message && !self.begin_message()? {
            return Ok(None);
        }
        let recipients = self.message.left.min(MAX_RECIPIENTS_A_CALL.into());
        self.message.left -= recipients;
        self.accounts_json.clear();
        for index in 0..recipients {
            let account = if self.message.is_other { self.others.account() } else { self.accounts.next()? };
            self.accounts_json.push(if index == 0 { b'[' } else { b',' });
            push_json_string(&mut self.accounts_json, account);
        }
        self.accounts_json.push(b']');
        let number = self.number;
        self.number += 1;
        let Message { key, text, is_other, .. } = &self.message;
        Ok(Some(Batch {
            number,
            message: self.messages - 1,
            begins_message,
            wave: self.rank as u32,
            recipients: recipients as u16,
            accounts_json: std::str::from_utf8(&self.accounts_json).expect("accounts are texts"),
            plan: self.plan,
            key: *key,
            text: if *is_other { Text::Tuple(text) } else { Text::Json(text) },
        }))
    }

    /// Takes up the next message; false where there is none.
    fn begin_message(&mut self) -> Result<bool, spill::Error> {
        let text = &mut self.message.text;
        text.clear();
        while let Some(&wave) = self.plan.order.get(self.rank) {
            if let Some(group) = self.plan.known.groups.get(self.group).filter(|group| group.wave == wave) {
                self.group += 1;
                let json = self.texts.next()?.expect("every group has its text");
                text.push_str(std::str::from_utf8(json).expect("a message is a text"));
                (self.message.key, self.message.left, self.message.is_other) =
                    (group.key, group.recipients, false);
                self.messages += 1;
                return Ok(true);
            }
            if let Some((key, recipients)) = self.others.next()? {
                text.push_str(self.others.tuple());
                (self.message.key, self.message.left, self.message.is_other) = (key, recipients, true);
                self.messages += 1;
                return Ok(true);
            }
            self.rank += 1;
            if let Some(&wave) = self.plan.order.get(self.rank) {
                self.texts = self.plan.known.texts(wave);
                self.others = self.plan.others.wave(wave);
            }
        }
        Ok(false)
    }
}

/// Appends an account as a JSON string. An account holds no control character, so that only two need a `\`.
fn push_json_string(json: &mut Vec<u8>, account: &[u8]) {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\');
    json.push(b'"');
    if account.iter().any(is_special) {
        for byte in account {
            if is_special(byte) {
                json.push(b'\\');
            }
            json.push(*byte);
        }
    } else {
        json.extend_from_slice(account);
    }
    json.push(b'"');
}
