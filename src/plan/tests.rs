//! What a plan promises about any audience and any messages.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::time::Duration;

use proptest::prelude::*;

use super::summary::Summaries;
use super::*;
use crate::audience::Value;
use crate::campaign::{MaxFailures, OnInDoubt, Rate};

fn header() -> RunHeader {
    RunHeader {
        run_id: "sale@once".to_owned(),
        campaign: "sale".to_owned(),
        occurrence: "once".to_owned(),
        app: "shop".to_owned(),
        from: "administrator".to_owned(),
        expires_at: None,
        delivery: Delivery {
            max_failures: MaxFailures::Share(0.05),
            on_in_doubt: OnInDoubt::Hold,
            timeout: Duration::from_secs(10),
            in_flight: 16,
        },
        content_digest: "c0ffee".to_owned(),
        first_batch: 1,
    }
}

/// An audience with the columns `name` and `city`.
fn audience(rows: &[(String, String, String)]) -> Audience {
    let rows: Vec<_> = rows
        .iter()
        .map(|(account, name, city)| (account.as_str(), vec![Value::Text(name), Value::Text(city)]))
        .collect();
    Audience::of(&["name", "city"], &rows)
}

/// Renders the name's first letter and the city, so that several tuples come to one message.
#[expect(clippy::unnecessary_wraps, reason = "the form that `build` asks for")]
fn render(values: &[Value<'_>]) -> Result<String, Infallible> {
    let text = |index: usize| values[index].text().unwrap();
    Ok(format!(r#"{{"Title":"{}","Desc":"{}"}}"#, text(0).get(..1).unwrap_or_default(), text(1)))
}

#[expect(clippy::unnecessary_wraps, reason = "the form that `build` asks for")]
fn data_id<E>(batch: u32) -> Result<String, E> {
    Ok(format!("sale/once/{batch}"))
}

fn plan_of(rows: &[(String, String, String)]) -> Plan {
    build(header(), audience(rows), &mut render, &data_id, &|_, _| false).unwrap()
}

/// `count` people of one name and city, told apart by their account.
fn people(count: u32, name: &str, city: &str) -> Vec<(String, String, String)> {
    (0..count).map(|n| (format!("{name}-{city}-{n}"), name.to_owned(), city.to_owned())).collect()
}

fn sizes(plan: &Plan) -> Vec<u16> {
    plan.batches().map(|batch| batch.recipients()).collect()
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
    fn packing_partitions_the_audience(rows in rows()) {
        let plan = plan_of(&rows);
        let mut expected: BTreeMap<&str, String> = BTreeMap::new();
        for (account, name, city) in &rows {
            let values = [Value::Text(name), Value::Text(city)];
            expected.entry(account).or_insert_with(|| render(&values).unwrap());
        }

        let mut got = BTreeMap::new();
        let mut randoms = HashSet::new();
        for (batch, number) in plan.batches().zip(1..) {
            prop_assert_eq!(batch.number, number);
            prop_assert!((1..=500).contains(&batch.recipients()));
            prop_assert!(batch.msg_random != 0 && randoms.insert(batch.msg_random));
            prop_assert_eq!(batch.data_id, format!("sale/once/{number}"));
            for account in batch.accounts() {
                let message = plan.messages()[batch.message as usize].json.to_string();
                prop_assert!(got.insert(account, message).is_none(), "{} twice", account);
            }
            let mut json = String::new();
            batch.accounts_json(&mut json);
            let accounts: Vec<String> = serde_json::from_str(&json).unwrap();
            prop_assert!(batch.accounts().eq(accounts.iter()));
        }
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn messages_and_recipients_keep_the_order_of_the_audience(rows in rows()) {
        let plan = plan_of(&rows);
        let place: HashMap<&str, u32> = (0..plan.audience().len()).map(|r| (plan.audience().account(r), r)).collect();
        let mut first_of_message = Vec::new();
        let mut previous: Option<(u32, u32)> = None;
        for batch in plan.batches() {
            for account in batch.accounts() {
                let here = (batch.message, place[account]);
                prop_assert!(previous.is_none_or(|before| before < here));
                if previous.is_none_or(|(message, _)| message != batch.message) {
                    first_of_message.push(here.1);
                }
                previous = Some(here);
            }
        }
        prop_assert!(first_of_message.is_sorted());
        prop_assert_eq!(first_of_message.len(), plan.messages().len());
        for (message, index) in plan.messages().iter().zip(0_u32..) {
            let batches: Vec<_> = plan.batches().filter(|batch| batch.message == index).collect();
            prop_assert_eq!(batches.iter().map(|b| u32::from(b.recipients())).sum::<u32>(), message.recipients);
            prop_assert_eq!(batches.len() as u32, message.recipients.div_ceil(500), "packed as full as can be");
        }
    }

    #[test]
    fn equal_inputs_give_equal_plans(rows in rows()) {
        let describe = |plan: &Plan| {
            let batches: Vec<_> = plan
                .batches()
                .map(|b| (b.message, b.msg_random, b.data_id.to_owned(), b.accounts().map(str::to_owned).collect::<Vec<_>>()))
                .collect();
            (plan.digest(), plan.messages().to_vec(), batches)
        };
        prop_assert_eq!(describe(&plan_of(&rows)), describe(&plan_of(&rows)));
    }
}

#[test]
fn a_tuple_is_rendered_once() {
    let rows = [people(700, "a", "A"), people(700, "b", "A")].concat();
    let mut calls = 0;
    let mut counting = |values: &[Value<'_>]| {
        calls += 1;
        render(values)
    };
    let plan = build(header(), audience(&rows), &mut counting, &data_id, &|_, _| false).unwrap();
    assert_eq!((calls, sizes(&plan)), (2, vec![500, 200, 500, 200]));
}

#[test]
fn the_digest_changes_with_whatever_apply_would_do() {
    let rows = people(3, "a", "A");
    let build_with = |change: &dyn Fn(&mut RunHeader)| {
        let mut header = header();
        change(&mut header);
        build(header, audience(&rows), &mut render, &data_id, &|_, _| false).unwrap().digest()
    };
    let shouting = |values: &[Value<'_>]| render(values).map(|json| json.to_uppercase());
    let taken = plan_of(&rows).batches().next().unwrap().msg_random;
    let digests = HashSet::from([
        build_with(&|_| {}),
        build_with(&|header| header.run_id.push('x')),
        build_with(&|header| header.campaign.push('x')),
        build_with(&|header| header.occurrence.push('x')),
        build_with(&|header| header.app.push('x')),
        build_with(&|header| header.from.push('x')),
        build_with(&|header| header.content_digest.push('x')),
        build_with(&|header| header.expires_at = Some(Timestamp::UNIX_EPOCH)),
        build_with(&|header| header.delivery.max_failures = MaxFailures::Count(5)),
        build_with(&|header| header.delivery.on_in_doubt = OnInDoubt::Resend),
        build_with(&|header| header.delivery.timeout += Duration::from_nanos(1)),
        build_with(&|header| header.delivery.in_flight += 1),
        plan_of(&rows[..2]).digest(),
        plan_of(&people(3, "b", "A")).digest(),
        build(header(), audience(&rows), &mut { shouting }, &data_id, &|_, _| false).unwrap().digest(),
        build(header(), audience(&rows), &mut render, &|n| Ok(n.to_string()), &|_, _| false)
            .unwrap()
            .digest(),
        build(header(), audience(&rows), &mut render, &data_id, &|random, _| random == taken)
            .unwrap()
            .digest(),
    ]);
    assert_eq!(digests.len(), 17);
}

#[test]
fn recipients_that_cannot_be_rendered_are_told_at_once_with_their_rows() {
    let rows = [people(2, "good", "A"), people(2, "bad", "A"), people(1, "bad", "B")].concat();
    let mut failing = |values: &[Value<'_>]| match values[0].text() {
        Some("bad") => Err("no such thing"),
        _ => Ok("{}".to_owned()),
    };
    let error = build(header(), audience(&rows), &mut failing, &data_id, &|_, _| false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "messages cannot be rendered\n  test:3: no such thing\n  test:5: no such thing"
    );
}

/// The number of batches is known only after packing, so that the last DataId decides.
#[test]
fn a_data_id_that_fails_is_told_with_its_batch() {
    let mut render = |_: &[Value<'_>]| Ok("{}".to_owned());
    let data_id = |batch: u32| if batch < 10 { Ok(batch.to_string()) } else { Err("is too long") };
    let error =
        build(header(), audience(&people(4999, "a", "A")), &mut render, &data_id, &|_, _| false).unwrap_err();
    assert_eq!(error.to_string(), "the DataId of batch 10: is too long");
}

#[test]
fn a_msg_random_that_another_run_used_with_the_same_data_id_is_avoided() {
    let rows = people(1200, "a", "A");
    let used: HashSet<(u32, String)> =
        plan_of(&rows).batches().map(|b| (b.msg_random, b.data_id.to_owned())).collect();
    let taken = |random: u32, data_id: &str| used.contains(&(random, data_id.to_owned()));
    let again = build(header(), audience(&rows), &mut render, &data_id, &taken).unwrap();
    assert_eq!(again.calls(), 3);
    assert!(again.batches().all(|b| !used.contains(&(b.msg_random, b.data_id.to_owned()))));
}

#[test]
fn an_empty_audience_is_a_plan_without_batches() {
    let plan = plan_of(&[]);
    let summary = plan.summary(&Rate { calls_per_second: Some(30.0), recipients_per_second: None });
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
    let summary = plan_of(&rows).summary(&Rate { calls_per_second: Some(2.0), recipients_per_second: None });
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
    let rate = Rate { calls_per_second: Some(10.0), recipients_per_second: None };
    assert!(plan_of(&rows).summary(&rate).personalisation.is_worth_a_warning());
    assert!(!plan_of(&rows[1..]).summary(&rate).personalisation.is_worth_a_warning());
}

/// Scripts rest on these names.
#[test]
fn the_json_of_a_plan() {
    let summary = plan_of(&people(501, "a", "A"))
        .summary(&Rate { calls_per_second: Some(4.0), recipients_per_second: None });
    insta::assert_snapshot!(serde_json::to_string_pretty(&Summaries::new(vec![summary])).unwrap());
}
