//! What every store promises, asked of both: the runner and the commands do not know which one they have.

use std::collections::HashSet;

use jiff::Timestamp;
use pushplan::campaign::StateLocation;
use pushplan::outcome::{Answer, FailedAccount, Outcome};
use pushplan::state::{
    self, Attempt, Batch, Change, Error, Hold, Holder, Note, RunStatus, SkipReason, Status, Store, Tally,
};

use crate::{place, place_file};

const RUN: &str = "sale@once";

/// Three batches of two accounts: the first two of one message, the third of another. Nothing is sent yet.
const DUMP: &str = r#"{"format":"pushplan.state/3"}
{"row":{"lineage":"abc","one":1,"serial":7},"table":"identity"}
{"row":{"accepted":0,"app":"shop","audience_digest":"a","campaign":"sale","content_digest":"c","delivery":"DELIVERY","expires_at":null,"failed":0,"from_account":"administrator","frozen_at":1764028800000,"hold":null,"id":1,"in_doubt":0,"name":"sale@once","occurrence":"once","plan_digest":"p","planned":6,"remaining":6,"skipped":0,"waits_until":null},"table":"run"}
{"row":{"answered":1764028800000,"id":"sale"},"table":"campaign"}
{"row":{"json":"{\"Title\":\"Hello\"}","number":0,"run":1},"table":"message"}
{"row":{"json":"{\"Title\":\"Hi \\u0000 é\"}","number":1,"run":1},"table":"message"}
{"row":{"attempts":0,"code":null,"data_id":"sale/1","failed":0,"id":4294967297,"message":0,"msg_random":11,"recipients":2,"status":"pending","text":null,"wave":0},"table":"batch"}
{"row":{"attempts":0,"code":null,"data_id":"sale/2","failed":0,"id":4294967298,"message":0,"msg_random":4294967295,"recipients":2,"status":"pending","text":null,"wave":0},"table":"batch"}
{"row":{"attempts":0,"code":null,"data_id":"sale/3","failed":0,"id":4294967299,"message":1,"msg_random":13,"recipients":2,"status":"pending","text":null,"wave":0},"table":"batch"}
{"row":{"batch":4294967297,"json":["ann","bob"]},"table":"account"}
{"row":{"batch":4294967298,"json":["Zoë","dan"]},"table":"account"}
{"row":{"batch":4294967299,"json":["eve","\"f\\"]},"table":"account"}
{"row":{"at":1764028800000,"run":1,"serial":1,"what":"frozen","who":"ann on host","why":""},"table":"event"}
"#;

fn dump() -> String {
    let delivery = serde_json::to_string(&pushplan::campaign::Delivery::default()).unwrap();
    DUMP.replace("DELIVERY", &delivery.replace('"', "\\\""))
}

fn holder() -> Holder {
    Holder::this_process("test")
}

fn write(place: &StateLocation) -> Box<dyn Store> {
    state::open_to_write(place, &holder()).unwrap()
}

/// A state that holds [`DUMP`].
fn filled(place: &StateLocation) -> Box<dyn Store> {
    let mut store = write(place);
    store.import(&mut dump().as_bytes()).unwrap();
    store
}

fn note(why: &str) -> Note {
    Note { who: "ann".to_owned(), why: why.to_owned() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_764_028_800 + second).unwrap()
}

fn attempt(batch: u32, number: u32) -> Attempt {
    Attempt { batch, number }
}

fn begin(batch: u32) -> Change {
    Change::Begin(attempt(batch, 1))
}

fn accepted(batch: u32, failed: &[(&str, i64)]) -> Change {
    let failed = failed
        .iter()
        .map(|(account, code)| FailedAccount {
            account: (*account).to_owned(),
            answer: Answer::new(*code, "not imported"),
        })
        .collect();
    Change::Settle(attempt(batch, 1), Outcome::Accepted { task_id: "t".to_owned(), failed })
}

fn statuses(batches: &[Batch]) -> Vec<Status> {
    batches.iter().map(|batch| batch.state.status).collect()
}

fn export(store: &dyn Store) -> String {
    let mut lines = Vec::new();
    store.export(&mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

/// Each promise, as a test of each store.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        mod in_a_file {$(
            #[test]
            fn $promise() {
                let folder = tempfile::tempdir().unwrap();
                super::$promise(&super::place_file::Place::new(folder.path()).location());
            }
        )*}
        mod in_a_database {$(
            #[test]
            fn $promise() {
                let folder = tempfile::tempdir().unwrap();
                super::$promise(&super::place::Place::new(folder.path()).location());
            }
        )*}
    };
}

promises!(
    nothing_is_there_before_the_first_write,
    a_dump_comes_back_as_it_was,
    a_dump_that_does_not_fit_leaves_nothing,
    a_group_of_changes_is_there_whole_or_not_at_all,
    open_attempts_become_in_doubt_once,
    a_call_gets_what_was_frozen,
    failed_accounts_are_named_and_tried_again_in_batches_of_their_own,
    a_persons_word_is_heard_beside_the_runner,
    the_last_attempts_of_the_app_are_remembered,
    missed_occurrences_and_waiting_are_kept,
    a_second_runner_is_told_who_the_first_is,
    whatever_a_vendor_says_can_be_kept,
    verify_sees_through_a_wrong_count,
    what_is_not_there_is_named,
    what_was_cancelled_stays_so,
    what_is_done_with_is_not_held_back,
    who_takes_a_run_up_learns_that_it_was_held_meanwhile,
    what_is_adopted_is_in_doubt_with_and_without_a_watermark,
    half_an_adoption_is_none,
    an_export_and_a_check_are_of_one_moment,
);

fn nothing_is_there_before_the_first_write(place: &StateLocation) {
    assert!(state::open_to_read(place).unwrap().is_none());
    drop(write(place));
    let store = state::open_to_read(place).unwrap().unwrap();
    assert_eq!(store.runs().unwrap(), []);
    assert_eq!(store.identity().unwrap().serial, 0);
    let lineage = store.identity().unwrap().lineage;
    drop(store);
    assert_eq!(write(place).identity().unwrap().lineage, lineage, "it is made once");
}

fn a_dump_comes_back_as_it_was(place: &StateLocation) {
    let mut store = filled(place);
    assert_eq!(export(store.as_ref()), dump());
    assert_eq!(store.verify().unwrap(), [""; 0]);
    let again = store.import(&mut dump().as_bytes()).unwrap_err();
    assert!(again.to_string().contains("holds runs already"), "{again}");
    // What is numbered by the database goes on after what was imported.
    store.take_up(RUN, &note(""), at(1)).unwrap();
    assert_eq!(store.events(RUN).unwrap().len(), 2);
}

fn a_dump_that_does_not_fit_leaves_nothing(place: &StateLocation) {
    let mut store = write(place);
    for (from, to) in [
        ("\"recipients\":2", "\"recipients\":3"),
        ("\"msg_random\":11", "\"msg_random\":\"eleven\""),
        ("\"serial\":7", "\"serial\":\"seven\""),
    ] {
        let dump = dump().replacen(from, to, 1);
        assert!(store.import(&mut dump.as_bytes()).is_err(), "{to}");
        drop(store);
        store = write(place);
        assert_eq!(store.runs().unwrap(), [], "{to}");
    }
}

fn a_group_of_changes_is_there_whole_or_not_at_all(place: &StateLocation) {
    let mut store = filled(place);
    let serial = store.identity().unwrap().serial;
    store.commit(RUN, &[begin(1), begin(2), accepted(1, &[]), Change::Begin(attempt(3, 1))], at(1)).unwrap();
    assert_eq!(store.identity().unwrap().serial, serial + 1);
    let refused = store.commit(RUN, &[accepted(2, &[]), begin(2)], at(2)).unwrap_err();
    assert!(matches!(refused, Error::Illegal(_)), "{refused}");
    let refused = store.commit(RUN, &[accepted(2, &[]), begin(4)], at(2)).unwrap_err();
    assert!(matches!(refused, Error::UnknownBatch { batch: 4, .. }), "{refused}");
    assert_eq!(store.identity().unwrap().serial, serial + 1);

    // A mistake of the caller's is not one of the database's: it goes on.
    store.commit(RUN, &[accepted(2, &[])], at(3)).unwrap();
    let tally = Tally { planned: 6, accepted: 4, in_doubt: 2, ..Tally::default() };
    assert_eq!(store.run(RUN).unwrap().tally, tally);
    assert_eq!(store.verify().unwrap(), [""; 0]);
    drop(store);
    assert_eq!(state::open_to_read(place).unwrap().unwrap().run(RUN).unwrap().tally, tally);
}

fn open_attempts_become_in_doubt_once(place: &StateLocation) {
    let mut store = filled(place);
    store.commit(RUN, &[begin(1), begin(2), accepted(2, &[])], at(1)).unwrap();
    drop(store);
    let mut store = write(place);
    for _ in 0..2 {
        let batches = store.take_up(RUN, &note("next"), at(2)).unwrap().batches;
        assert_eq!(statuses(&batches), [Status::InDoubt, Status::Accepted, Status::Pending]);
    }
    let notes = store.in_doubt(RUN).unwrap();
    assert_eq!((notes.len(), notes[0].batch, notes[0].msg_random), (1, 1, 11));
    assert!(notes[0].answer.text.contains("died"), "{notes:?}");
    store.decree(RUN, "resolved", &[Change::Resend(1)], &note("seen"), at(3)).unwrap();
    assert_eq!(store.run(RUN).unwrap().tally.remaining, 4);
    store.commit(RUN, &[Change::Begin(attempt(1, 2)), Change::Skip(3, SkipReason::Expired)], at(4)).unwrap();
    assert_eq!(store.verify().unwrap(), [""; 0]);
    let events = store.events(RUN).unwrap();
    let told: Vec<&str> = events.iter().map(|event| event.what.as_str()).collect();
    assert_eq!(told, ["frozen", "taken up", "taken up", "resolved"]);
    assert_eq!((events[3].why.as_str(), events[3].at), ("seen", at(3)));
}

fn a_call_gets_what_was_frozen(place: &StateLocation) {
    let mut store = filled(place);
    for (batch, message, msg_random, accounts) in [
        (1, r#"{"Title":"Hello"}"#, 11, ["ann", "bob"]),
        (3, r#"{"Title":"Hi \u0000 é"}"#, 13, ["eve", "\"f\\"]),
        (2, r#"{"Title":"Hello"}"#, u32::MAX, ["Zoë", "dan"]),
    ] {
        let payload = store.payload(RUN, batch).unwrap();
        assert_eq!((&*payload.message_json, payload.msg_random), (message, msg_random));
        assert_eq!(payload.data_id, format!("sale/{batch}"));
        assert_eq!(serde_json::from_str::<Vec<String>>(&payload.accounts_json).unwrap(), accounts);
    }
    assert!(store.has_key(13, "sale/3").unwrap() && !store.has_key(13, "sale/1").unwrap());
    assert_eq!(store.waves(RUN).unwrap().len(), 1);
    assert_eq!(store.batches(RUN).unwrap(), 3);
    let pending = ["ann", "bob", "Zoë", "dan", "eve", "\"f\\"].map(str::to_owned);
    assert_eq!(store.pending_accounts(RUN).unwrap(), HashSet::from(pending));
}

fn failed_accounts_are_named_and_tried_again_in_batches_of_their_own(place: &StateLocation) {
    let mut store = filled(place);
    let rejected = Change::Settle(attempt(3, 1), Outcome::Rejected(Answer::new(90001, "malformed")));
    store
        .commit(
            RUN,
            &[
                begin(1),
                begin(2),
                begin(3),
                accepted(1, &[("bob", 70107)]),
                accepted(2, &[("Zoë", 1)]),
                rejected,
            ],
            at(1),
        )
        .unwrap();
    let mut failed = Vec::new();
    store
        .failures(RUN, &mut |failure| {
            failed.push((failure.batch, failure.failed.account, failure.failed.answer.code));
        })
        .unwrap();
    failed.sort();
    let named = [(1, "bob", 70107), (2, "Zoë", 1), (3, "\"f\\", 90001), (3, "eve", 90001)];
    assert_eq!(failed, named.map(|(batch, account, code)| (batch, account.to_owned(), code)));

    assert_eq!(store.retry(RUN, &|answer| answer.code == 1, &note("imported now"), at(2)).unwrap(), 1);
    assert_eq!(store.retry(RUN, &|answer| answer.code == 90001, &note("mended"), at(2)).unwrap(), 2);
    assert_eq!(store.verify().unwrap(), [""; 0]);
    let batches = store.take_up(RUN, &note(""), at(3)).unwrap().batches;
    let (whole, new) = (batches[2], batches[3]);
    assert_eq!((batches.len(), whole.state.status, whole.state.attempts), (4, Status::Pending, 1));
    assert_eq!((new.recipients, new.state), (1, state::BatchState::default()));
    let payload = store.payload(RUN, 4).unwrap();
    assert_eq!((payload.accounts_json.as_str(), &*payload.data_id), ("[\"Zoë\"]", "sale/2"));
    assert!(![11, u32::MAX, 13].contains(&payload.msg_random));
    let tally = Tally { planned: 6, accepted: 2, failed: 1, remaining: 3, ..Tally::default() };
    assert_eq!(store.run(RUN).unwrap().tally, tally);
}

fn a_persons_word_is_heard_beside_the_runner(place: &StateLocation) {
    let mut runner = filled(place);
    runner.take_up(RUN, &note(""), at(1)).unwrap();
    runner.commit(RUN, &[begin(1)], at(1)).unwrap();
    let mut person = state::open_beside(place).unwrap();
    person.set_hold(RUN, Some(Hold::Paused), "paused", &note("wrong link"), at(2)).unwrap();
    assert_eq!(runner.holds().unwrap(), [(RUN.to_owned(), Hold::Paused)].into());
    // What was in flight is still written down.
    runner.commit(RUN, &[accepted(1, &[])], at(3)).unwrap();
    let run = person.run(RUN).unwrap();
    assert_eq!((run.hold, run.status(), run.tally.accepted), (Some(Hold::Paused), RunStatus::Paused, 2));
    person.set_hold(RUN, None, "resumed", &note(""), at(4)).unwrap();
    assert_eq!(runner.holds().unwrap(), [].into());
    assert_eq!(runner.events(RUN).unwrap().last().unwrap().what, "resumed");
}

fn the_last_attempts_of_the_app_are_remembered(place: &StateLocation) {
    let mut store = filled(place);
    assert_eq!(store.last_attempts("shop", 10, at(0)).unwrap(), [0_u16; 0]);
    store.commit(RUN, &[begin(1), begin(2), Change::Withdraw(attempt(1, 1))], at(10)).unwrap();
    assert_eq!(store.last_attempts("shop", 10, at(9)).unwrap(), [2, 2]);
    assert_eq!(store.last_attempts("shop", 1, at(9)).unwrap(), [2]);
    assert_eq!(store.last_attempts("another", 10, at(9)).unwrap(), [0_u16; 0]);
    // Times of other machines are not believed: see `state::postgres`.
    let much_later = store.last_attempts("shop", 10, at(11)).unwrap();
    assert_eq!(much_later.is_empty(), matches!(place, StateLocation::Sqlite(_)));
}

fn missed_occurrences_and_waiting_are_kept(place: &StateLocation) {
    let mut store = filled(place);
    store.settle(&[], &[("sale", at(60)), ("news", at(5))], &note(""), at(60)).unwrap();
    store.settle(&[], &[("sale", at(30))], &note(""), at(61)).unwrap();
    let answered = store.answered().unwrap();
    assert_eq!((answered["sale"], answered["news"]), (at(60), at(5)), "it moves forward only");

    store.set_waiting(RUN, at(600), &note(""), at(62)).unwrap();
    assert_eq!(store.run(RUN).unwrap().status(), RunStatus::Waiting);
    assert_eq!(store.open_runs().unwrap().len(), 1);
    store.take_up(RUN, &note(""), at(600)).unwrap();
    assert_eq!(store.find(RUN).unwrap().unwrap().status(), RunStatus::Unfinished);
    assert_eq!(store.find("sale@never").unwrap(), None);
}

fn a_second_runner_is_told_who_the_first_is(place: &StateLocation) {
    let first = write(place);
    let Err(Error::Held { holder, .. }) = state::open_to_write(place, &holder()) else {
        panic!("two runners")
    };
    assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "test"));
    assert_eq!(holder.host, state::host_name());
    let age = Timestamp::now().duration_since(holder.since);
    assert!(age.as_secs() < 3_600, "since {}", holder.since);
    drop(first);
    drop(write(place));
}

fn whatever_a_vendor_says_can_be_kept(place: &StateLocation) {
    let mut store = filled(place);
    let answer = Answer::new(i64::MIN, "a\0b é \u{1F600} ' \\ \" %s $1 ?1");
    store.commit(RUN, &[begin(1), Change::Settle(attempt(1, 1), Outcome::InDoubt(answer))], at(1)).unwrap();
    let kept = store.in_doubt(RUN).unwrap().remove(0).answer;
    assert_eq!(kept.code, i64::MIN);
    assert!(kept.text.ends_with("b é \u{1F600} ' \\ \" %s $1 ?1"), "{kept}");
}

fn verify_sees_through_a_wrong_count(place: &StateLocation) {
    let mut store = filled(place);
    store.commit(RUN, &[begin(1), accepted(1, &[("ann", 5)])], at(1)).unwrap();
    let dump = export(store.as_ref());
    for (from, to, told) in [
        ("\"accepted\":1,", "\"accepted\":2,", "come to"),
        ("\"attempts\":1", "\"attempts\":2", "journal"),
        ("[\"Zoë\",\"dan\"]", "[\"ann\",\"dan\"]", "in another one"),
        ("\"message\":1,", "\"message\":9,", "has no message"),
    ] {
        assert!(dump.contains(from), "{from} in {dump}");
        let other = tempfile::tempdir().unwrap();
        let mut fresh = write(&place_file::Place::new(other.path()).location());
        let refused = fresh.import(&mut dump.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(refused.to_string().contains(told), "{told}: {refused}");
    }
}

fn what_is_not_there_is_named(place: &StateLocation) {
    let mut store = filled(place);
    let Err(Error::UnknownRun { run, nearest, .. }) = store.run("sale@onc") else { panic!("there is none") };
    assert_eq!((run.as_str(), nearest.as_deref()), ("sale@onc", Some(RUN)));
    assert!(store.payload(RUN, 9).is_err());
    assert!(store.commit("sale@never", &[], at(1)).is_err());
    store.commit(RUN, &[begin(1)], at(1)).unwrap();
}

fn what_was_cancelled_stays_so(place: &StateLocation) {
    drop(filled(place));
    let mut person = state::open_beside(place).unwrap();
    let mut say = |hold, what| person.set_hold(RUN, hold, what, &note(""), at(1)).unwrap();
    assert_eq!(say(Some(Hold::Paused), "paused"), Some(Hold::Paused));
    assert_eq!(say(Some(Hold::Cancelled), "cancelled"), Some(Hold::Cancelled));
    assert_eq!(say(Some(Hold::Paused), "paused again"), Some(Hold::Cancelled));
    assert_eq!(say(Some(Hold::Breaker), "paused by the breaker"), Some(Hold::Cancelled));
    assert_eq!(say(None, "resumed"), Some(Hold::Cancelled));
    let run = person.run(RUN).unwrap();
    assert_eq!((run.status(), run.tally.remaining), (RunStatus::Cancelled, 6));
    let told: Vec<String> = person.events(RUN).unwrap().into_iter().map(|event| event.what).collect();
    assert_eq!(told, ["frozen", "paused", "cancelled"]);
}

fn what_is_done_with_is_not_held_back(place: &StateLocation) {
    let mut store = filled(place);
    let all = [begin(1), begin(2), begin(3), accepted(1, &[]), accepted(2, &[]), accepted(3, &[])];
    store.commit(RUN, &all, at(1)).unwrap();
    assert_eq!(store.set_hold(RUN, Some(Hold::Cancelled), "cancelled", &note(""), at(2)).unwrap(), None);
    assert_eq!(store.run(RUN).unwrap().status(), RunStatus::Finished);
    assert_eq!(store.events(RUN).unwrap().len(), 1);
}

fn who_takes_a_run_up_learns_that_it_was_held_meanwhile(place: &StateLocation) {
    let mut runner = filled(place);
    assert_eq!(runner.take_up(RUN, &note(""), at(1)).unwrap().hold, None);
    let mut person = state::open_beside(place).unwrap();
    for hold in [Hold::Paused, Hold::Cancelled] {
        person.set_hold(RUN, Some(hold), "held", &note(""), at(2)).unwrap();
        let taken = runner.take_up(RUN, &note(""), at(3)).unwrap();
        assert_eq!((taken.hold, taken.batches.len()), (Some(hold), 3));
    }
}

fn what_is_adopted_is_in_doubt_with_and_without_a_watermark(place: &StateLocation) {
    for forgotten in [false, true] {
        let mut store = if forgotten { write(place) } else { filled(place) };
        if forgotten {
            store.decree(RUN, "resolved", &[Change::Resend(1), Change::Resend(2)], &note(""), at(1)).unwrap();
        }
        drop(store);
        if let StateLocation::Sqlite(path) = place
            && forgotten
        {
            for suffix in ["", ".serial"] {
                std::fs::remove_file(format!("{}.watermark{suffix}", path.display())).unwrap();
            }
        }
        let mut store = state::open_unchecked(place, &holder()).unwrap();
        let adopted = store.adopt(&note("restored"), at(2)).unwrap();
        let has_watermark = matches!(place, StateLocation::Sqlite(_)) && !forgotten;
        assert_eq!((adopted.lost.len(), adopted.had_watermark), (0, has_watermark));
        let run = store.run(RUN).unwrap();
        assert_eq!((run.status(), run.tally.in_doubt), (RunStatus::InDoubt, 6));
        assert_eq!(store.verify().unwrap(), [""; 0]);
    }
}

fn half_an_adoption_is_none(place: &StateLocation) {
    let StateLocation::Sqlite(path) = place else { return };
    let store = filled(place);
    let serial = store.identity().unwrap().serial;
    drop(store);
    // A run that cannot be written down twice: the adoption fails at its last step.
    let watermark = r#"{"lineage":"abc","serial":99,"runs":["lost@once","lost@once"]}"#;
    std::fs::write(format!("{}.watermark", path.display()), watermark).unwrap();
    state::open_unchecked(place, &holder()).unwrap().adopt(&note(""), at(1)).unwrap_err();
    let store = state::open_to_read(place).unwrap().unwrap();
    assert_eq!((store.identity().unwrap().serial, store.run(RUN).unwrap().tally.remaining), (serial, 6));
    assert!(matches!(state::open_to_write(place, &holder()), Err(Error::Behind { .. })));
}

/// A stream in whose middle a runner commits.
struct Midway<'s> {
    lines: Vec<u8>,
    runner: &'s mut dyn Store,
    committed: bool,
}

impl std::io::Write for Midway<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lines.extend(bytes);
        if !self.committed && String::from_utf8_lossy(&self.lines).contains("\"table\":\"run\"") {
            self.runner.commit(RUN, &[begin(1), accepted(1, &[("ann", 5)])], at(1)).unwrap();
            self.committed = true;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn an_export_and_a_check_are_of_one_moment(place: &StateLocation) {
    let mut runner = filled(place);
    let reader = state::open_to_read(place).unwrap().unwrap();
    let mut out = Midway { lines: Vec::new(), runner: runner.as_mut(), committed: false };
    reader.export(&mut out).unwrap();
    assert!(out.committed);
    assert_eq!(String::from_utf8(out.lines).unwrap(), dump(), "it is the state before the commit");
    assert_eq!(reader.verify().unwrap(), [""; 0]);
    assert_eq!(reader.run(RUN).unwrap().tally.accepted, 1, "the moment is over");
}
