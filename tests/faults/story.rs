//! The state's story against the server's.

use std::collections::{BTreeMap, BTreeSet};

use pushplan::state::{self, Tally};

use crate::bench::Bench;

/// How many pushes a server really made to each account.
pub type Pushes = BTreeMap<String, u32>;

/// The run that these tests send.
const RUN: &str = "c@once";

/// What the state says of the run.
#[derive(Debug)]
pub struct Story {
    pub tally: Tally,
    pub in_doubt: BTreeSet<String>,
    pub failed: BTreeSet<String>,
    /// Does it wait for a person's `resume`?
    pub paused: bool,
}

impl Story {
    /// Reads it; `None` where nothing was frozen.
    pub fn of(bench: &Bench) -> Option<Self> {
        let mut store = state::open_to_read(&bench.place.location()).unwrap()?;
        if store.runs().unwrap().is_empty() {
            return None;
        }
        let mut failed = BTreeSet::new();
        store.failures(RUN, &mut |failure| assert!(failed.insert(failure.failed.account))).unwrap();
        let mut in_doubt = BTreeSet::new();
        for note in store.in_doubt(RUN).unwrap() {
            let payload = store.payload(RUN, note.batch).unwrap();
            in_doubt.extend(serde_json::from_str::<Vec<String>>(&payload.accounts_json).unwrap());
        }
        assert_eq!(store.verify().unwrap(), Vec::<String>::new());
        let run = store.run(RUN).unwrap();
        Some(Self { tally: run.tally, in_doubt, failed, paused: run.hold.is_some() })
    }

    /// At any moment: the equation holds, and the server has made no push that the state holds for unsent.
    #[track_caller]
    pub fn check_midway(&self, pushes: &Pushes) {
        let Tally { accepted, in_doubt, .. } = self.tally;
        assert!(self.tally.balances(), "{:?}", self.tally);
        let again: Vec<_> = pushes.iter().filter(|(_, count)| **count > 1).collect();
        assert!(again.is_empty(), "pushed more than once: {again:?}");
        let reached = pushes.len() as u64;
        assert!((accepted..=accepted + in_doubt).contains(&reached), "{reached} were pushed, {self:?}");
        assert!(self.failed.iter().all(|account| !pushes.contains_key(account)), "{self:?}");
    }

    /// When nothing remains: each of the audience that is neither failed nor in doubt got one push, each in doubt
    /// at most one, each failed none, and nobody else any.
    #[track_caller]
    pub fn check_settled(&self, pushes: &Pushes, audience: &BTreeSet<String>) {
        self.check_midway(pushes);
        assert_eq!((self.tally.remaining, self.tally.skipped), (0, 0), "{self:?}");
        assert_eq!(self.tally.planned, audience.len() as u64);
        assert_eq!(self.tally.in_doubt, self.in_doubt.len() as u64);
        assert_eq!(self.tally.failed, self.failed.len() as u64);
        for account in audience {
            let count = pushes.get(account).copied().unwrap_or(0);
            let settled = !self.in_doubt.contains(account) && !self.failed.contains(account);
            assert!(count == 1 || !settled, "{account} is accepted, and got {count} pushes");
        }
        let strangers: Vec<_> = pushes.keys().filter(|account| !audience.contains(*account)).collect();
        assert!(strangers.is_empty(), "pushed to people who are not in the audience: {strangers:?}");
    }
}

/// The pushes of the bench's sandbox.
pub fn pushes(bench: &Bench) -> Pushes {
    bench.ledger().pushes().into_iter().map(|(account, count)| (account.into_owned(), count)).collect()
}

/// The accounts that [`Bench::write_campaign`] writes.
pub fn audience(accounts: usize) -> BTreeSet<String> {
    (0..accounts).map(|i| format!("u{i}")).collect()
}

/// Somebody else's audience, put in place of the first one while the run is unfinished.
pub fn change_audience(bench: &Bench) -> BTreeSet<String> {
    bench.write("campaigns/audience.csv", "id,city\nsomebody-else,nowhere\n");
    ["somebody-else".to_owned()].into()
}
