//! What an author should know before a plan is sent. Nothing here stops it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::cost::Cost;
use crate::campaign::OnInDoubt;
use crate::message::LengthWarning;

/// Something that is allowed, and perhaps not meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// A vendor cuts what is longer than its limit.
    Length {
        /// The vendor; `all` for the advice on `Ext`.
        vendor: String,
        /// The vendor's key, or `payload`.
        field: String,
        /// The limit: UTF-16 code units of `Title` and `Desc`, else bytes.
        limit: usize,
        /// The longest that a recipient would get.
        longest: usize,
        /// How many recipients would get something longer than the limit.
        recipients: u64,
    },
    /// What is in doubt is sent again: somebody may get it twice.
    Resends,
    /// Recipients of the audience who are in no wave.
    Skipped {
        /// How many.
        recipients: u64,
        /// Why they get nothing.
        why: String,
    },
    /// Personal values make small calls out of large ones.
    Personalisation {
        /// Calls if everybody got the same message.
        calls_alike: u64,
        /// Calls of this plan.
        calls: u64,
        /// The dearest column.
        column: String,
        /// Calls if the templates did not use that column.
        calls_without: u64,
        /// Seconds that personalisation adds at the configured rate.
        seconds: f64,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length { vendor, field, limit, longest, recipients } => write!(
                f,
                "{vendor} cuts {field} at {limit}: {recipients} recipients would get up to {longest}"
            ),
            Self::Resends => {
                f.write_str("`on_in_doubt: resend`: who is in a call whose answer is lost may get it twice")
            }
            Self::Skipped { recipients, why } => {
                write!(f, "{recipients} recipients of the audience get nothing: {why}")
            }
            Self::Personalisation { calls_alike, calls, column, calls_without, seconds } => write!(
                f,
                "personal values make {calls} calls out of {calls_alike} ({:.1} times as many) and cost {:.2} hours; \
                 without `{column}` it would be {calls_without} calls",
                *calls as f64 / (*calls_alike).max(1) as f64,
                seconds / 3600.0,
            ),
        }
    }
}

/// What is too long, gathered message by message.
#[derive(Debug, Default)]
pub(super) struct Lengths(BTreeMap<(&'static str, &'static str, usize), (usize, u64)>);

impl Lengths {
    /// The warnings of a message with so many recipients.
    pub(super) fn add(&mut self, warnings: &[LengthWarning], recipients: u64) {
        for &LengthWarning { vendor, field, length, limit } in warnings {
            let (longest, all) = self.0.entry((vendor, field, limit)).or_default();
            *longest = length.max(*longest);
            *all += recipients;
        }
    }

    pub(super) fn finish(self) -> Vec<Warning> {
        let lengths = self.0.into_iter();
        lengths
            .map(|((vendor, field, limit), (longest, recipients))| Warning::Length {
                vendor: vendor.to_owned(),
                field: field.to_owned(),
                limit,
                longest,
                recipients,
            })
            .collect()
    }
}

/// All warnings of a plan: who may get it twice, who gets nothing, lengths by vendor, then what personalisation costs.
pub(super) fn warnings(plan: &Plan, cost: &Cost) -> Vec<Warning> {
    let resends = plan.header.delivery.on_in_doubt == OnInDoubt::Resend;
    let skipped = plan.skipped.iter();
    let skipped = skipped.map(|(why, &recipients)| Warning::Skipped { recipients, why: why.to_string() });
    let mut warnings: Vec<Warning> = resends
        .then_some(Warning::Resends)
        .into_iter()
        .chain(skipped)
        .chain(plan.lengths.iter().cloned())
        .collect();
    if let (true, Some(dearest)) = (cost.is_worth_a_warning(), cost.columns.first()) {
        warnings.push(Warning::Personalisation {
            calls_alike: cost.calls_alike,
            calls: plan.calls(),
            column: dearest.column.clone(),
            calls_without: dearest.calls_without,
            seconds: cost.seconds,
        });
    }
    warnings
}
