//! What a sandbox saw and carried out: the other side of the story that a state tells.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::faults::Fault;

/// What a sandbox saw and carried out, from its start on.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Every well-formed call that arrived, in order, whatever became of it.
    pub arrivals: Vec<Arrival>,
    /// Every call that was carried out, in order.
    pub deliveries: Vec<Delivery>,
    /// How many calls were carried out.
    pub carried_out: u64,
    /// How many recipients those had, missing accounts left out.
    pub recipients: u64,
    /// How many calls were dropped in silence, because their MsgRandom was seen within the second before.
    pub duplicates: u64,
    /// Refused calls by code, those of the rate and of [`Fault::Throttle`] among them.
    pub refused: BTreeMap<i64, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<Fault, u64>,
}

/// A well-formed call that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Microseconds from the sandbox's start until the call was read whole.
    pub at_us: u64,
    /// How many accounts it named.
    pub recipients: u32,
}

/// A call that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When it arrived, as in [`Arrival::at_us`].
    pub at_us: u64,
    /// Its MsgRandom.
    pub msg_random: u32,
    /// Its DataId; empty where it had none.
    pub data_id: Arc<str>,
    /// The accounts that got it: the JSON text of an array of strings. Kept as text, for it is written tens
    /// of thousands of times a second and read once.
    pub accounts_json: Arc<str>,
}

impl Delivery {
    /// The accounts that got it.
    pub fn accounts(&self) -> Vec<Cow<'_, str>> {
        #[derive(Deserialize)]
        struct Account<'a>(#[serde(borrow)] Cow<'a, str>);

        serde_json::from_str::<Vec<Account>>(&self.accounts_json)
            .expect("only accounts that were read from an array are kept")
            .into_iter()
            .map(|account| account.0)
            .collect()
    }
}

impl Ledger {
    /// How many pushes each account got.
    pub fn pushes(&self) -> HashMap<Cow<'_, str>, u32> {
        let mut pushes = HashMap::new();
        for account in self.deliveries.iter().flat_map(Delivery::accounts) {
            *pushes.entry(account).or_default() += 1;
        }
        pushes
    }

    /// How many pushes each account got of each batch, a batch being a MsgRandom and a DataId.
    pub fn pushes_by_batch(&self) -> HashMap<(Cow<'_, str>, u32, &str), u32> {
        let mut pushes = HashMap::new();
        for delivery in &self.deliveries {
            for account in delivery.accounts() {
                *pushes.entry((account, delivery.msg_random, &*delivery.data_id)).or_default() += 1;
            }
        }
        pushes
    }
}

/// The most that any second held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Busiest {
    /// Calls.
    pub calls: u64,
    /// Recipients; not necessarily of the same second.
    pub recipients: u64,
}

/// The most calls and recipients in any sliding second. Two calls exactly a second apart do not share one.
///
/// The arrivals must be in order of time, as a [`Ledger`] holds them.
pub fn max_in_sliding_second(arrivals: &[Arrival]) -> Busiest {
    let mut busiest = Busiest::default();
    let mut recipients = 0;
    let mut first = 0;
    for (last, arrival) in arrivals.iter().enumerate() {
        recipients += u64::from(arrival.recipients);
        while arrivals[first].at_us + 1_000_000 <= arrival.at_us {
            recipients -= u64::from(arrivals[first].recipients);
            first += 1;
        }
        busiest.calls = busiest.calls.max((last - first + 1) as u64);
        busiest.recipients = busiest.recipients.max(recipients);
    }
    busiest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_over_the_border_of_two_seconds_is_found() {
        let arrivals: Vec<_> = [900_000, 1_000_000, 1_100_000, 1_899_999, 1_900_000]
            .map(|at_us| Arrival { at_us, recipients: 10 })
            .into();
        assert_eq!(max_in_sliding_second(&arrivals), Busiest { calls: 4, recipients: 40 });
        assert_eq!(max_in_sliding_second(&[]), Busiest::default());
    }

    proptest! {
        #[test]
        fn it_agrees_with_counting_from_every_arrival(
            mut calls in prop::collection::vec((0u64..5_000_000, 1u32..500), 0..60)
        ) {
            calls.sort_unstable();
            let arrivals: Vec<_> =
                calls.into_iter().map(|(at_us, recipients)| Arrival { at_us, recipients }).collect();
            let window = |from: &Arrival| {
                let from = from.at_us;
                arrivals.iter().filter(move |a| (from..from + 1_000_000).contains(&a.at_us))
            };
            let found = max_in_sliding_second(&arrivals);
            prop_assert_eq!(found.calls, arrivals.iter().map(|a| window(a).count() as u64).max().unwrap_or(0));
            let most = arrivals.iter().map(|a| window(a).map(|b| u64::from(b.recipients)).sum()).max();
            prop_assert_eq!(found.recipients, most.unwrap_or(0));
        }
    }
}
