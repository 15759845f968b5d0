//! What personalisation costs: a message of one's own is a call of one's own.

use super::{MAX_RECIPIENTS_A_CALL, Plan, predict};
use crate::audience::{Interner, encode};
use crate::campaign::Rate;

/// The calls of a plan beside those it would take with fewer personal values.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Cost {
    /// Calls if everybody got the same message: `ceil(recipients / 500)`.
    pub calls_alike: u64,
    /// How many times more calls the plan has; 1.0 where personalisation costs nothing.
    pub factor: f64,
    /// Seconds that it adds to the run at the app's rate.
    pub seconds: f64,
    /// What each carried column costs, dearest first. Empty where the factor is below [`WARN_FACTOR`].
    pub columns: Vec<ColumnCost>,
}

/// What one column costs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ColumnCost {
    /// The column.
    pub column: String,
    /// Calls if the templates did not use it.
    pub calls_without: u64,
    /// Seconds that these calls would take less, at the app's rate.
    pub seconds: f64,
}

/// From this factor on, personalisation is worth a warning and a look at its columns.
pub const WARN_FACTOR: f64 = 2.0;

/// Up to this many calls nobody waits long enough to mind.
pub const WARN_CALLS: u64 = 100;

impl Cost {
    /// The cost of a plan at its app's rate.
    pub fn of(plan: &Plan, rate: &Rate) -> Self {
        let calls = u64::from(plan.calls());
        let seconds = predict::seconds(rate, plan.batches().map(|batch| batch.recipients()));
        let alike = Load::of(&[plan.audience.len()], rate);
        let factor = if alike.calls == 0 { 1.0 } else { calls as f64 / alike.calls as f64 };
        let mut columns = Vec::new();
        if factor >= WARN_FACTOR {
            for (index, column) in plan.audience.columns().iter().enumerate() {
                let without = Load::of(&recipients_without(plan, index), rate);
                columns.push(ColumnCost {
                    column: column.clone(),
                    calls_without: without.calls,
                    seconds: seconds - without.seconds,
                });
            }
            columns.sort_by_key(|cost| cost.calls_without);
        }
        Self { calls_alike: alike.calls, factor, seconds: seconds - alike.seconds, columns }
    }

    /// Does it make enough calls out of few to warn of it?
    pub fn is_worth_a_warning(&self) -> bool {
        self.factor >= WARN_FACTOR && self.factor * self.calls_alike as f64 > WARN_CALLS as f64
    }
}

/// What messages with so many recipients each come to.
struct Load {
    calls: u64,
    seconds: f64,
}

impl Load {
    fn of(recipients: &[u32], rate: &Rate) -> Self {
        let sizes = || recipients.iter().flat_map(|&recipients| packed(recipients));
        Self { calls: sizes().count() as u64, seconds: predict::seconds(rate, sizes()) }
    }
}

/// The sizes of a message's batches: all full but the last.
pub(super) fn packed(recipients: u32) -> impl Iterator<Item = u16> {
    let full = u32::from(MAX_RECIPIENTS_A_CALL);
    let rest = u16::try_from(recipients % full).expect("the rest is below 500");
    (0..recipients / full).map(|_| MAX_RECIPIENTS_A_CALL).chain((rest > 0).then_some(rest))
}

/// The recipients of each message if the templates did not use the column with this index: messages whose
/// tuples differ in it alone become one. Nothing is rendered anew, so that this is an estimate where a template
/// only tests the column.
fn recipients_without(plan: &Plan, column: usize) -> Vec<u32> {
    let mut merged = Merged::new(plan.messages.len());
    let mut rests = Interner::default();
    let mut message_of_rest = Vec::new();
    let mut rest = String::new();
    for (tuple, &message) in plan.audience.tuples().zip(&plan.message_of_tuple) {
        rest.clear();
        for (index, value) in plan.audience.values(tuple).into_iter().enumerate() {
            if index != column {
                encode(&mut rest, value);
            }
        }
        let (index, is_new) = rests.intern(&rest).expect("a part of the tuples fits where all of them do");
        if is_new {
            message_of_rest.push(message);
        } else {
            merged.merge(message_of_rest[index as usize], message);
        }
    }
    let mut recipients = vec![0; plan.messages.len()];
    for (index, message) in (0..).zip(&plan.messages) {
        recipients[merged.first_of(index) as usize] += message.recipients;
    }
    recipients
}

/// Messages that have become one: a union-find, each set named after its lowest message.
struct Merged(Vec<u32>);

impl Merged {
    fn new(messages: usize) -> Self {
        Self((0..).take(messages).collect())
    }

    fn first_of(&mut self, mut message: u32) -> u32 {
        while self.0[message as usize] != message {
            let above = self.0[self.0[message as usize] as usize];
            self.0[message as usize] = above;
            message = above;
        }
        message
    }

    fn merge(&mut self, one: u32, other: u32) {
        let (one, other) = (self.first_of(one), self.first_of(other));
        self.0[one.max(other) as usize] = one.min(other);
    }
}
