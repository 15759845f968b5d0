//! Builds a [`Plan`]: render each tuple once, group by message, pack, number, name.

use std::fmt;

use super::msg_random::MsgRandoms;
use super::{Message, Plan, RunHeader, Slot, cost, digest};
use crate::audience::{Audience, Interner, Place, Texts, Value};
use crate::campaign::schedule::Wave;

/// Recipients whose message fails that are told of before giving up.
const SAMPLES: usize = 20;

/// Why there is no plan. All of them are the author's to mend; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: fmt::Display> {
    /// Messages that cannot be rendered.
    #[error(transparent)]
    Render(RenderErrors<E>),
    /// A DataId that cannot be rendered, or is too long.
    #[error("the DataId of batch {batch}: {error}")]
    DataId {
        /// The batch's number.
        batch: u32,
        /// Why not.
        error: E,
    },
    /// More messages than can be kept.
    #[error(
        "the campaign renders to more than 4 GiB of different messages; split it, or use fewer personal values"
    )]
    TooManyMessages,
}

/// The first of the tuples whose message cannot be rendered; at least 1, at most 20.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderErrors<E>(pub Vec<(Place, E)>);

impl<E: fmt::Display> fmt::Display for RenderErrors<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages cannot be rendered")?;
        self.0.iter().try_for_each(|(place, error)| write!(f, "\n  {place}: {error}"))
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for RenderErrors<E> {}

/// Builds the plan of one run.
///
/// `render` gives the JSON text of the OfflinePushInfo for the values of a tuple (in the order of
/// [`Audience::columns`]); it is called once a tuple. `data_id` gives the DataId of a batch number. `taken` says
/// whether another run has used a MsgRandom with a DataId; the run's own earlier plan does not count, or the same
/// inputs would not give the same plan.
///
/// # Errors
/// Some recipient cannot be rendered, or a DataId is too long.
pub fn build<E: fmt::Display>(
    header: RunHeader,
    audience: Audience,
    render: &mut dyn FnMut(&[Value<'_>]) -> Result<String, E>,
    data_id: &dyn Fn(u32) -> Result<String, E>,
    taken: &dyn Fn(u32, &str) -> bool,
) -> Result<Plan, Error<E>> {
    let (message_of_tuple, texts) = render_tuples(&audience, render)?;
    let Grouped { order, recipients } = group(&audience, &message_of_tuple, texts.len());
    let messages: Vec<Message> = texts
        .iter()
        .zip(recipients)
        .map(|(json, recipients)| Message { json: json.into(), digest: digest::sha256(json), recipients })
        .collect();
    drop(texts);

    let mut slots = Vec::new();
    let mut data_ids = Texts::default();
    let mut randoms = MsgRandoms::new(&header.run_id);
    let mut first = 0;
    for (index, message) in (0..).zip(&messages) {
        for recipients in cost::packed(message.recipients) {
            let number = header.first_batch + data_ids.len();
            let data_id = data_id(number).map_err(|error| Error::DataId { batch: number, error })?;
            let msg_random = randoms.next(number, &message.digest, |random| taken(random, &data_id));
            data_ids.push(&data_id).map_err(|_| Error::TooManyMessages)?;
            slots.push(Slot { message: index, first, recipients, msg_random });
            first += u32::from(recipients);
        }
    }

    let waves = vec![Wave::until(header.expires_at)];
    let mut plan =
        Plan { header, waves, audience, messages, message_of_tuple, order, slots, data_ids, digest: [0; 32] };
    plan.digest = digest::plan(&plan);
    Ok(plan)
}

/// The message of each tuple, and the distinct messages. Tuples stand in the order of their first recipient,
/// and so do the messages.
fn render_tuples<E: fmt::Display>(
    audience: &Audience,
    render: &mut dyn FnMut(&[Value<'_>]) -> Result<String, E>,
) -> Result<(Vec<u32>, Texts), Error<E>> {
    let mut messages = Interner::default();
    let mut message_of_tuple = Vec::with_capacity(audience.tuples().len());
    let mut failed = Vec::new();
    for tuple in audience.tuples() {
        match render(&audience.values(tuple)) {
            Ok(json) => {
                let (message, _) = messages.intern(&json).map_err(|_| Error::TooManyMessages)?;
                message_of_tuple.push(message);
            }
            Err(error) => failed.push((audience.place(tuple), error)),
        }
        if failed.len() == SAMPLES {
            break;
        }
    }
    if failed.is_empty() {
        Ok((message_of_tuple, messages.into_texts()))
    } else {
        Err(Error::Render(RenderErrors(failed)))
    }
}

struct Grouped {
    /// The recipients, by message, and within one in the audience's order.
    order: Vec<u32>,
    /// How many recipients each message has.
    recipients: Vec<u32>,
}

/// A counting sort: two passes over the recipients, four bytes each.
fn group(audience: &Audience, message_of_tuple: &[u32], messages: u32) -> Grouped {
    let message_of = |recipient| message_of_tuple[audience.tuple_of(recipient).index()] as usize;
    let mut recipients = vec![0_u32; messages as usize];
    for recipient in 0..audience.len() {
        recipients[message_of(recipient)] += 1;
    }
    let mut next: Vec<u32> = recipients
        .iter()
        .scan(0, |sum, count| {
            let first = *sum;
            *sum += count;
            Some(first)
        })
        .collect();
    let mut order = vec![0; audience.len() as usize];
    for recipient in 0..audience.len() {
        let place = &mut next[message_of(recipient)];
        order[*place as usize] = recipient;
        *place += 1;
    }
    Grouped { order, recipients }
}
