//! What a plan promises about any audience and any messages.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use proptest::prelude::*;

use super::change::Past;
use super::summary::Summaries;
use super::*;
use crate::audience::{Audience, Bounds, Value};
use crate::campaign::schedule::Window;
use crate::campaign::{App, Endpoint, MaxFailures, OnInDoubt, Rate};

fn header() -> RunHeader {
    RunHeader {
        run_id: "sale@once".to_owned(),
        campaign: "sale".to_owned(),
        occurrence: "once".to_owned(),
        app: "shop".to_owned(),
        from: "administrator".to_owned(),
        expires_at: None,
        is_late: false,
        delivery: Delivery {
            max_failures: MaxFailures::Share(0.05),
            on_in_doubt: OnInDoubt::Hold,
            timeout: Duration::from_secs(10),
            in_flight: 16,
        },
        content_digest: "c0ffee".to_owned(),
        content_json: "{}".into(),
        first_batch: 1,
    }
}

fn app(calls_per_second: f64) -> App {
    App {
        sdk_app_id: 1_400_000_000,
        identifier: "administrator".to_owned(),
        endpoint: Endpoint::Sandbox,
        secret_key: None,
        rate: Rate { calls_per_second: Some(calls_per_second), recipients_per_second: None },
    }
}

/// An audience with the columns `name` and `city`.
fn audience(bounds: Bounds, rows: &[(String, String, String)]) -> Audience {
    let rows: Vec<_> = rows
        .iter()
        .map(|(account, name, city)| (account.as_str(), vec![Value::Text(name), Value::Text(city)]))
        .collect();
    Audience::of(bounds, &["name", "city"], &rows)
}

type Rendered = Result<String, &'static str>;
type Message = Box<dyn Fn(&[Value<'_>]) -> Rendered + Send + Sync>;
type Placing = Box<dyn Fn(&[Value<'_>]) -> Result<Wave, NoWave> + Send + Sync>;

/// What a test's run says.
struct Says {
    message: Message,
    wave: Placing,
    data_id: Box<dyn Fn(u32) -> Rendered + Send + Sync>,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            message: Box::new(|values| Ok(render(values))),
            wave: Box::new(|_| Ok(Wave::until(None))),
            data_id: Box::new(|batch| Ok(format!("sale/once/{batch}"))),
        }
    }
}

impl Content for Says {
    type Error = &'static str;

    fn message(&self, values: &[Value<'_>]) -> Rendered {
        (self.message)(values)
    }

    fn wave(&self, values: &[Value<'_>]) -> Result<Wave, NoWave> {
        (self.wave)(values)
    }

    fn data_id(&self, batch: u32) -> Rendered {
        (self.data_id)(batch)
    }
}

/// The name's first letter and the city, so that several tuples come to one message.
fn render(values: &[Value<'_>]) -> String {
    let text = |index: usize| values[index].text().unwrap();
    format!(r#"{{"Title":"{}","Desc":"{}"}}"#, text(0).get(..1).unwrap_or_default(), text(1))
}

fn built(says: Says, rows: &[(String, String, String)]) -> Result<Plan, Error<&'static str>> {
    build(header(), &audience(Bounds::USUAL, rows), says, None, &|_| {})
}

fn plan_of(rows: &[(String, String, String)]) -> Plan {
    built(Says::default(), rows).unwrap()
}

/// A batch as a test looks at it.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    number: u32,
    message: u32,
    begins: bool,
    wave: u32,
    msg_random: u32,
    data_id: String,
    json: String,
    accounts: Vec<String>,
}

fn sent(plan: &Plan) -> Vec<Sent> {
    let (mut batches, mut all) = (plan.batches(), Vec::new());
    while let Some(batch) = batches.next().unwrap() {
        let accounts: Vec<String> = serde_json::from_str(batch.accounts_json).unwrap();
        assert_eq!(accounts.len(), usize::from(batch.recipients));
        all.push(Sent {
            number: batch.number,
            message: batch.message,
            begins: batch.begins_message,
            wave: batch.wave,
            msg_random: batch.msg_random(),
            data_id: batch.data_id(),
            json: batch.message_json().into_owned(),
            accounts,
        });
    }
    assert_eq!(all.len() as u64, plan.calls());
    all
}

/// `count` people of one name and city, told apart by their account.
fn people(count: u32, name: &str, city: &str) -> Vec<(String, String, String)> {
    (0..count).map(|n| (format!("{name}-{city}-{n}"), name.to_owned(), city.to_owned())).collect()
}

fn sizes(plan: &Plan) -> Vec<usize> {
    sent(plan).iter().map(|batch| batch.accounts.len()).collect()
}

/// Bounds small enough to be met: any number of the tuples brings their own values, and nothing fits into memory.
fn bounds() -> impl Strategy<Value = Bounds> {
    prop_oneof![Just(Bounds::USUAL), (0_u32..8).prop_map(|tuples| Bounds { memory: 0, tuples })]
}

fn rows() -> impl Strategy<Value = Vec<(String, String, String)>> {
    prop::collection::vec(
        ("[a-z\"\\\\é]{1,3}", "[ab][xy]?", prop_oneof![9 => Just("A"), 1 => Just("B")]),
        0..1500,
    )
    .prop_map(|rows| rows.into_iter().map(|(account, name, city)| (account, name, city.to_owned())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn packing_partitions_the_audience(rows in rows(), bounds in bounds()) {
        let plan = build(header(), &audience(bounds, &rows), Says::default(), None, &|_| {}).unwrap();
        let mut expected: BTreeMap<&str, String> = BTreeMap::new();
        for (account, name, city) in &rows {
            let values = [Value::Text(name), Value::Text(city)];
            expected.entry(account).or_insert_with(|| render(&values));
        }

        let batches = sent(&plan);
        let (mut got, mut randoms, mut calls) = (BTreeMap::new(), HashSet::new(), BTreeMap::<&str, usize>::new());
        let mut messages: Vec<&str> = Vec::new();
        for (batch, number) in batches.iter().zip(1..) {
            prop_assert_eq!(batch.number, number);
            prop_assert!((1..=500).contains(&batch.accounts.len()));
            prop_assert!(batch.msg_random != 0 && randoms.insert(batch.msg_random));
            prop_assert_eq!(&batch.data_id, &format!("sale/once/{number}"));
            if batch.begins {
                prop_assert!(!messages.contains(&batch.json.as_str()), "one message, one place");
                messages.push(&batch.json);
            }
            prop_assert_eq!(batch.message as usize, messages.len() - 1);
            prop_assert_eq!(&batch.json, messages[messages.len() - 1]);
            *calls.entry(&batch.json).or_default() += 1;
            for account in &batch.accounts {
                prop_assert!(got.insert(account.as_str(), batch.json.clone()).is_none(), "{} twice", account);
            }
        }
        for (message, calls) in calls {
            let recipients = expected.values().filter(|json| *json == message).count();
            prop_assert_eq!(calls, recipients.div_ceil(500), "packed as full as can be");
        }
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn messages_and_recipients_keep_the_order_of_the_audience(rows in rows()) {
        let audience = audience(Bounds::USUAL, &rows);
        let plan = build(header(), &audience, Says::default(), None, &|_| {}).unwrap();
        let place: HashMap<String, usize> =
            audience.accounts().into_iter().enumerate().map(|(place, account)| (account, place)).collect();
        // Where the source first brings the values of a tuple that is somebody's.
        let used: HashSet<String> = audience.list().iter().map(|listed| format!("{:?}", listed.values())).collect();
        let mut first_row = HashMap::new();
        for (row, (_, name, city)) in rows.iter().enumerate() {
            let values = vec![Value::Text(name), Value::Text(city)];
            if used.contains(&format!("{values:?}")) {
                first_row.entry(render(&values)).or_insert(row);
            }
        }
        let batches = sent(&plan);
        let order: Vec<_> = batches
            .iter()
            .flat_map(|batch| batch.accounts.iter().map(|account| (first_row[&batch.json], place[account])))
            .collect();
        prop_assert!(order.is_sorted());
    }

    #[test]
    fn equal_inputs_give_equal_plans(rows in rows(), bounds in bounds()) {
        let of = |bounds| {
            let plan = build(header(), &audience(bounds, &rows), Says::default(), None, &|_| {}).unwrap();
            (plan.digest(), sent(&plan))
        };
        prop_assert_eq!(of(bounds), of(bounds));
        // Where the memory ends says nothing of the plan.
        prop_assert_eq!(of(bounds), of(Bounds { memory: 100_000, ..bounds }));
    }

    /// A wave for each name but the one that has none.
    #[test]
    fn waves_part_the_audience(rows in rows(), bounds in bounds()) {
        let at = |name: &str| (name != "b").then(|| Timestamp::from_second(100 - i64::from(name.as_bytes()[name.len() - 1])).unwrap());
        let wave = move |name: &str| {
            let opens_at = Some(at(name).ok_or(NoWave::UnknownTimezone)?);
            Ok(Wave { windows: vec![Window { opens_at, closes_at: None }], zone: Some(name.to_owned()) })
        };
        let says = Says { wave: Box::new(move |values| wave(values[0].text().unwrap())), ..Says::default() };
        let audience = audience(bounds, &rows);
        let plan = build(header(), &audience, says, None, &|_| {}).unwrap();
        let names: HashMap<String, String> = audience
            .list()
            .into_iter()
            .map(|listed| (listed.account.clone(), listed.values()[0].text().unwrap().to_owned()))
            .collect();
        let batches = sent(&plan);
        prop_assert!(batches.iter().map(|batch| batch.wave).is_sorted());
        prop_assert!(plan.waves().is_sorted());
        for batch in &batches {
            let zone = plan.waves()[batch.wave as usize].zone.as_ref().unwrap();
            prop_assert!(batch.accounts.iter().all(|account| names[account] == *zone));
        }
        let skipped = names.values().filter(|name| *name == "b").count() as u64;
        prop_assert_eq!(plan.skipped().get(&NoWave::UnknownTimezone).copied().unwrap_or_default(), skipped);
        let sent: u64 = batches.iter().map(|batch| batch.accounts.len() as u64).sum();
        prop_assert_eq!((sent, sent + skipped), (plan.recipients(), audience.len()));
    }
}

#[test]
fn a_tuple_is_rendered_once_and_one_of_nobody_never() {
    let mut rows = [people(700, "a", "A"), people(700, "b", "A")].concat();
    rows.push(("a-A-0".to_owned(), "a duplicate".to_owned(), "A".to_owned()));
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let message = move |values: &[Value<'_>]| {
        counted.fetch_add(1, Relaxed);
        Ok(render(values))
    };
    let plan = built(Says { message: Box::new(message), ..Says::default() }, &rows).unwrap();
    assert_eq!((calls.load(Relaxed), sizes(&plan)), (2, vec![500, 200, 500, 200]));
}

#[test]
fn the_digest_changes_with_whatever_apply_would_do() {
    let rows = people(3, "a", "A");
    let digest = |header: RunHeader, says: Says, taken: Option<Taken<'_>>| {
        build(header, &audience(Bounds::USUAL, &rows), says, taken, &|_| {}).unwrap().digest()
    };
    let changed = |change: &dyn Fn(&mut RunHeader)| {
        let mut header = header();
        change(&mut header);
        digest(header, Says::default(), None)
    };
    let said = |says| digest(header(), says, None);
    let first = sent(&plan_of(&rows))[0].msg_random;
    let digests = HashSet::from([
        changed(&|_| {}),
        changed(&|header| header.run_id.push('x')),
        changed(&|header| header.campaign.push('x')),
        changed(&|header| header.occurrence.push('x')),
        changed(&|header| header.app.push('x')),
        changed(&|header| header.from.push('x')),
        changed(&|header| header.content_digest.push('x')),
        changed(&|header| header.expires_at = Some(Timestamp::UNIX_EPOCH)),
        changed(&|header| header.is_late = true),
        changed(&|header| header.delivery.max_failures = MaxFailures::Count(5)),
        changed(&|header| header.delivery.on_in_doubt = OnInDoubt::Resend),
        changed(&|header| header.delivery.timeout += Duration::from_nanos(1)),
        changed(&|header| header.delivery.in_flight += 1),
        plan_of(&rows[..2]).digest(),
        plan_of(&people(3, "b", "A")).digest(),
        said(Says { message: Box::new(|values| Ok(render(values).to_uppercase())), ..Says::default() }),
        said(Says { wave: Box::new(|_| Ok(Wave::until(Some(Timestamp::UNIX_EPOCH)))), ..Says::default() }),
        said(Says { data_id: Box::new(|batch| Ok(batch.to_string())), ..Says::default() }),
        digest(header(), Says::default(), Some(&|random, _| random == first)),
    ]);
    assert_eq!(digests.len(), 19);

    // A late run's windows begin when it is planned: a second later it is the same plan.
    let late = |closes_at: &str| {
        let closes_at: Timestamp = closes_at.parse().unwrap();
        let header = RunHeader { is_late: true, expires_at: Some(closes_at), ..header() };
        digest(
            header,
            Says { wave: Box::new(move |_| Ok(Wave::until(Some(closes_at)))), ..Says::default() },
            None,
        )
    };
    assert_eq!(late("2026-11-24T09:00:00Z"), late("2026-11-24T09:00:01Z"));
}

#[test]
fn the_audience_s_digest_changes_with_who_gets_what() {
    let rows = [people(3, "a", "A"), people(2, "b", "B")].concat();
    let digest = |rows: &[_]| plan_of(rows).audience_digest();
    let mut other_city = rows.clone();
    other_city[4].2 = "C".to_owned();
    let mut swapped = rows.clone();
    swapped.swap(0, 1);
    let digests = HashSet::from([digest(&rows), digest(&rows[1..]), digest(&other_city), digest(&swapped)]);
    assert_eq!(digests.len(), 4);
    let with_a_duplicate = [rows.clone(), rows[..1].to_vec()].concat();
    assert_eq!(digest(&rows), digest(&with_a_duplicate), "what nobody sees does not count");
}

#[test]
fn recipients_that_cannot_be_rendered_are_told_at_once_with_their_rows() {
    let rows = [people(2, "good", "A"), people(2, "bad", "A"), people(1, "bad", "B")].concat();
    for bounds in [Bounds::USUAL, Bounds { memory: 0, tuples: 1 }] {
        let message = |values: &[Value<'_>]| match values[0].text() {
            Some("bad") => Err("no such thing"),
            _ => Ok("{}".to_owned()),
        };
        let says = Says { message: Box::new(message), ..Says::default() };
        let error = build(header(), &audience(bounds, &rows), says, None, &|_| {}).unwrap_err().to_string();
        assert!(error.starts_with("messages cannot be rendered\n  test:3: no such thing\n"), "{error}");
        assert!(error.ends_with("\n  test:5: no such thing"), "{error}");
    }
}

/// The number of batches is known only after packing, so that the last DataId decides.
#[test]
fn a_data_id_that_fails_is_told_with_its_batch() {
    let data_id = |batch: u32| if batch < 10 { Ok(batch.to_string()) } else { Err("is too long") };
    let says = Says { data_id: Box::new(data_id), ..Says::default() };
    let error = built(says, &people(4999, "a", "A")).unwrap_err();
    assert_eq!(error.to_string(), "the DataId of batch 10: is too long");
}

#[test]
fn a_msg_random_that_another_run_used_with_the_same_data_id_is_avoided() {
    let rows = people(1200, "a", "A");
    let used: HashSet<(u32, String)> =
        sent(&plan_of(&rows)).into_iter().map(|batch| (batch.msg_random, batch.data_id)).collect();
    let taken = |random: u32, data_id: &str| used.contains(&(random, data_id.to_owned()));
    let audience = audience(Bounds::USUAL, &rows);
    let again = build(header(), &audience, Says::default(), Some(&taken), &|_| {}).unwrap();
    assert_eq!(again.calls(), 3);
    assert!(sent(&again).into_iter().all(|batch| !used.contains(&(batch.msg_random, batch.data_id))));
}

#[test]
fn an_empty_audience_is_a_plan_without_batches() {
    let plan = plan_of(&[]);
    let summary = plan.summary(&app(30.0), &[], &Past::default());
    assert_eq!((plan.calls(), summary.recipients, summary.seconds_at_rate), (0, 0, 0.0));
    assert!(summary.data_ids.is_empty() && summary.samples.is_empty());
    assert!(!summary.personalisation.is_worth_a_warning());
}

/// Names cost: without them, one call a city would do.
#[test]
fn the_summary_names_the_column_that_costs_the_calls() {
    let rows: Vec<_> = (0..26_u8)
        .flat_map(|n| people(20, &char::from(b'a' + n).to_string(), if n % 2 == 0 { "A" } else { "B" }))
        .collect();
    let summary = plan_of(&rows).summary(&app(2.0), &[], &Past::default());
    let cost = &summary.personalisation;
    assert_eq!((summary.calls, cost.calls_alike, cost.factor), (26, 2, 13.0));
    let columns: Vec<_> = cost.columns.iter().map(|c| (c.column.as_str(), c.calls_without)).collect();
    assert_eq!(columns, [("name", 2), ("city", 26)]);
    assert_eq!((summary.seconds_at_rate, cost.seconds, cost.columns[0].seconds), (12.5, 12.0, 12.0));
    assert!(!cost.is_worth_a_warning(), "26 calls are soon made");
    assert_eq!(summary.data_ids, ["sale/once/1", "sale/once/26"]);
    assert_eq!(summary.samples[1].account, "b-B-0");
}

#[test]
fn many_small_calls_are_worth_a_warning() {
    let rows: Vec<_> = (0..101).map(|n| (format!("u{n}"), "a".to_owned(), format!("c{n}"))).collect();
    let app = app(10.0);
    assert!(plan_of(&rows).summary(&app, &[], &Past::default()).personalisation.is_worth_a_warning());
    assert!(!plan_of(&rows[1..]).summary(&app, &[], &Past::default()).personalisation.is_worth_a_warning());
}

/// Scripts rest on these names.
#[test]
fn the_json_of_a_plan() {
    let summary = plan_of(&people(501, "a", "A")).summary(&app(4.0), &[], &Past::default());
    insta::assert_snapshot!(serde_json::to_string_pretty(&Summaries::new(vec![summary])).unwrap());
}
