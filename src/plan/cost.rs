//! What personalisation costs: a message of one's own is a call of one's own.

use super::{MAX_RECIPIENTS_A_CALL, Plan};
use crate::audience::{Interner, encode};

/// The calls of a plan beside those it would take with fewer personal values.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Cost {
    /// Calls if everybody got the same message: `ceil(recipients / 500)`.
    pub calls_alike: u64,
    /// How many times more calls the plan has; 1.0 where personalisation costs nothing.
    pub factor: f64,
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
}

/// From this factor on, personalisation is worth a warning and a look at its columns.
pub const WARN_FACTOR: f64 = 2.0;

/// Up to this many calls nobody waits long enough to mind.
pub const WARN_CALLS: u64 = 100;

impl Cost {
    /// The cost of a plan.
    pub fn of(plan: &Plan) -> Self {
        let calls = u64::from(plan.calls());
        let calls_alike = calls_for(u64::from(plan.audience.len()));
        let factor = if calls_alike == 0 { 1.0 } else { calls as f64 / calls_alike as f64 };
        let mut columns = Vec::new();
        if factor >= WARN_FACTOR {
            for (index, column) in plan.audience.columns().iter().enumerate() {
                columns
                    .push(ColumnCost { column: column.clone(), calls_without: calls_without(plan, index) });
            }
            columns.sort_by_key(|cost| cost.calls_without);
        }
        Self { calls_alike, factor, columns }
    }

    /// Does it make enough calls out of few to warn of it?
    pub fn is_worth_a_warning(&self) -> bool {
        self.factor >= WARN_FACTOR && self.factor * self.calls_alike as f64 > WARN_CALLS as f64
    }
}

/// The calls' recipients if everybody got the same message.
pub(super) fn sizes_alike(recipients: u32) -> impl Iterator<Item = u16> {
    let full = recipients / u32::from(MAX_RECIPIENTS_A_CALL);
    let rest = (recipients % u32::from(MAX_RECIPIENTS_A_CALL)) as u16;
    (0..full).map(|_| MAX_RECIPIENTS_A_CALL).chain((rest > 0).then_some(rest))
}

fn calls_for(recipients: u64) -> u64 {
    recipients.div_ceil(u64::from(MAX_RECIPIENTS_A_CALL))
}

/// Calls if the templates did not use the column with this index: messages whose tuples differ in it alone
/// become one. Nothing is rendered anew, so that a template which merely tests the column counts as using it.
fn calls_without(plan: &Plan, column: usize) -> u64 {
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
    let mut recipients = vec![0_u64; plan.messages.len()];
    for (index, message) in (0..).zip(&plan.messages) {
        recipients[merged.first_of(index) as usize] += u64::from(message.recipients);
    }
    recipients.into_iter().map(calls_for).sum()
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
