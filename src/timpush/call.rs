//! One call, ready to be sent: its body as bytes.
//!
//! Bodies are put together from JSON text that was made once at plan time. Building them through
//! `serde_json::Value` costs ten times the rest of a call, and the driver builds tens of thousands a second.

use std::ops::Range;

use bytes::Bytes;

/// The body of one batch. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Call {
    body: Bytes,
    accounts: Range<usize>,
}

impl Call {
    /// Writes the body of a batch (trtc.io document 67553).
    ///
    /// - `from`: `From_Account`, as plain text.
    /// - `accounts_json`: `To_Account`, the JSON text of an array of 1 to 500 strings.
    /// - `message_json`: `OfflinePushInfo`, the JSON text of an object.
    /// - `data_id`: `DataId`, as plain text of at most 64 bytes; left out of the body when empty.
    ///
    /// The two JSON texts are copied as they are: that they are well-formed is the caller's promise.
    pub fn new(from: &str, accounts_json: &str, msg_random: u32, message_json: &str, data_id: &str) -> Self {
        const KEYS_AND_NUMBERS: usize = 128;
        let mut body = Vec::with_capacity(
            KEYS_AND_NUMBERS + from.len() + accounts_json.len() + message_json.len() + data_id.len(),
        );
        body.extend_from_slice(br#"{"From_Account":"#);
        push_json(&mut body, from);
        body.extend_from_slice(br#","To_Account":"#);
        let accounts = body.len()..body.len() + accounts_json.len();
        body.extend_from_slice(accounts_json.as_bytes());
        body.extend_from_slice(br#","MsgRandom":"#);
        push_json(&mut body, &msg_random);
        body.extend_from_slice(br#","OfflinePushInfo":"#);
        body.extend_from_slice(message_json.as_bytes());
        if !data_id.is_empty() {
            body.extend_from_slice(br#","DataId":"#);
            push_json(&mut body, data_id);
        }
        body.push(b'}');
        Self { body: body.into(), accounts }
    }

    /// The whole body, JSON text.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// `To_Account`, the JSON text of an array of strings.
    pub fn accounts_json(&self) -> &[u8] {
        &self.body[self.accounts.clone()]
    }
}

fn push_json<T: serde::Serialize + ?Sized>(body: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(body, value)
        .expect("strings and integers always serialise, and a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn the_body_is_what_serde_would_have_written(
            from in ".{0,20}",
            accounts in prop::collection::vec(".{1,12}", 1..20),
            msg_random: u32,
            title in ".{0,40}",
            data_id in ".{1,20}",
        ) {
            let accounts_json = json!(accounts).to_string();
            let message = json!({ "Title": title });
            let call = Call::new(&from, &accounts_json, msg_random, &message.to_string(), &data_id);
            let expected = json!({
                "From_Account": from,
                "To_Account": accounts,
                "MsgRandom": msg_random,
                "OfflinePushInfo": message,
                "DataId": data_id,
            });
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(call.body()).unwrap(), expected);
            prop_assert_eq!(call.accounts_json(), accounts_json.as_bytes());
        }
    }

    #[test]
    fn an_empty_data_id_is_left_out() {
        let call = Call::new("admin", r#"["a"]"#, 7, "{}", "");
        assert_eq!(
            call.body().as_ref(),
            br#"{"From_Account":"admin","To_Account":["a"],"MsgRandom":7,"OfflinePushInfo":{}}"#
        );
    }
}
