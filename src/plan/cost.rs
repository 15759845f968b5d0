//! What personalisation costs: a message of one's own is a call of one's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::build::Placed;
use super::known::Group;
use super::predict::Sizes;
use crate::audience::{Audience, Interner, Value, encode};
use crate::campaign::Rate;

/// The calls of a plan beside those it would take with fewer personal values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
        let sizes = &plan.totals.sizes;
        let (calls, seconds) = (sizes.calls(), sizes.seconds(rate));
        let mut alike = Sizes::new();
        alike.push_packed(plan.recipients());
        let factor = if alike.calls() == 0 { 1.0 } else { calls as f64 / alike.calls() as f64 };
        let mut columns: Vec<_> = plan
            .without
            .iter()
            .filter(|_| factor >= WARN_FACTOR)
            .map(|(column, sizes)| ColumnCost {
                column: column.clone(),
                calls_without: sizes.calls(),
                seconds: seconds - sizes.seconds(rate),
            })
            .collect();
        columns.sort_by_key(|cost| cost.calls_without);
        Self { calls_alike: alike.calls(), factor, seconds: seconds - alike.seconds(rate), columns }
    }

    /// Does it make enough calls out of few to warn of it?
    pub fn is_worth_a_warning(&self) -> bool {
        self.factor >= WARN_FACTOR && self.factor * self.calls_alike as f64 > WARN_CALLS as f64
    }
}

/// The calls of a plan if the templates did not use a column, for each of its columns: messages whose tuples differ
/// in it alone become one. Nothing is rendered anew, so that this is an estimate where a template only tests the
/// column; and where there are too many tuples to know them all, what the known ones come to stands for the others.
///
/// Empty where the plan has as few calls as it can.
pub(super) fn without_each_column(
    audience: &Audience,
    used: &[u32],
    group_of_tuple: &[Option<u32>],
    placed: &Placed,
) -> Vec<(String, Sizes)> {
    let groups = &placed.known.groups;
    let counted: u64 = groups.iter().map(|group| u64::from(group.recipients)).sum();
    let all = audience.len() - placed.skipped.values().sum::<u64>();
    if (groups.len() as f64) < WARN_FACTOR && counted == all {
        return Vec::new();
    }
    let scale = all as f64 / counted.max(1) as f64;
    let columns = audience.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            let mut sizes = Sizes::new();
            for recipients in recipients_without(audience, used, group_of_tuple, groups, index) {
                sizes.push_packed((f64::from(recipients) * scale).round() as u64);
            }
            (column.clone(), sizes)
        })
        .collect()
}

fn recipients_without(
    audience: &Audience,
    used: &[u32],
    group_of_tuple: &[Option<u32>],
    groups: &[Group],
    column: usize,
) -> Vec<u32> {
    let mut merged = Merged::new(groups.len());
    let mut rests = Interner::default();
    let mut group_of_rest = Vec::new();
    let mut recipients = vec![0; groups.len()];
    let mut rest = String::new();
    for (tuple, (group, used)) in audience.tuples().zip(group_of_tuple.iter().zip(used)) {
        let Some(group) = *group else { continue };
        recipients[group as usize] += used;
        rest.clear();
        // Messages of different waves stay apart.
        encode(&mut rest, Value::Number(&groups[group as usize].wave.to_string()));
        for (index, value) in audience.values(tuple).into_iter().enumerate() {
            if index != column {
                encode(&mut rest, value);
            }
        }
        let (index, is_new) = rests.intern(&rest);
        if is_new {
            group_of_rest.push(group);
        } else {
            merged.merge(group_of_rest[index as usize], group);
        }
    }
    let mut sums = vec![0; groups.len()];
    for (group, recipients) in (0..).zip(recipients) {
        sums[merged.first_of(group) as usize] += recipients;
    }
    sums.retain(|&sum| sum > 0);
    sums
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
