//! What a source's rows become, from real files to the audience.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::campaign::{AudienceSpec, Exclusion, Filter, Scalar, Source, Test};

/// A folder with audience files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn csv(&self, text: impl AsRef<[u8]>) -> AudienceSpec {
        spec(Source::Csv(self.write("a.csv", text).into()))
    }

    fn jsonl(&self, text: impl AsRef<[u8]>) -> AudienceSpec {
        spec(Source::Jsonl(self.write("a.jsonl", text).into()))
    }
}

/// Everybody of a source whose accounts are in the column `id`; here for the tests of single sources too.
pub(super) fn spec(source: Source) -> AudienceSpec {
    AudienceSpec {
        source,
        account: "id".to_owned(),
        filter: None,
        suppress: None,
        exclude: Vec::new(),
        expect_min: None,
        expect_max: None,
        max_bad_rows: 0.0,
    }
}

pub(super) fn column(column: &str, test: Test) -> Filter {
    Filter::Column { column: column.to_owned(), test, pointer: String::new() }
}

fn is(name: &str, value: &str) -> Filter {
    column(name, Test::Eq(Scalar::Text(value.to_owned())))
}

fn read_with(spec: &AudienceSpec, carry: &[&str]) -> Result<Audience, Error> {
    read_bounded(Bounds::USUAL, spec, carry)
}

fn read_bounded(bounds: Bounds, spec: &AudienceSpec, carry: &[&str]) -> Result<Audience, Error> {
    let carry: Vec<String> = carry.iter().map(|c| (*c).to_owned()).collect();
    read::read_within(bounds, spec, &carry, Access::Programs, Keep(None), &|_| {})
}

/// Accounts with the text of their only carried column.
fn pairs(list: &[Listed]) -> Vec<(&str, Value<'_>)> {
    list.iter().map(|listed| (listed.account.as_str(), listed.values()[0])).collect()
}

/// The malformed rows of an audience that is refused for them: line and reason.
fn bad_rows(spec: &AudienceSpec) -> Vec<(u64, String)> {
    match read_with(spec, &[]) {
        Err(Error::BadRows(bad)) => bad.samples.into_iter().map(|s| (s.place.line, s.reason)).collect(),
        other => panic!("expected malformed rows, got {other:?}"),
    }
}

fn compress(name: &str, text: &str) -> Vec<u8> {
    if name.ends_with("gz") {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap()
    } else {
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }
}

#[test]
fn csv_takes_what_spreadsheets_write() {
    let files = Files::new();
    let text = "\u{feff}id,name,city\r\nu1,Ann,\"Washington, D.C.\"\r\n\r\nu2,\"say \"\"hi\"\"\",\"two\nlines\"\r\nu3,,x";
    let audience = read_with(&files.csv(text), &["name", "city"]).unwrap();
    let list = audience.list();
    let rows: Vec<_> = list.iter().map(|listed| (listed.account.as_str(), listed.values())).collect();
    assert_eq!(
        rows,
        [
            ("u1", vec![Value::Text("Ann"), Value::Text("Washington, D.C.")]),
            ("u2", vec![Value::Text("say \"hi\""), Value::Text("two\nlines")]),
            ("u3", vec![Value::Text(""), Value::Text("x")]),
        ]
    );
    assert_eq!(audience.stats().rows, 3);
}

#[test]
fn a_malformed_csv_row_is_told_with_its_physical_line() {
    let files = Files::new();
    for end in ["\n", "\r\n"] {
        let rows: [&[u8]; 9] = [
            b"id,name",
            b"u1,\"two\nlines\"", // lines 2 and 3
            b"",
            b"u2",
            b"u3,a,b",
            b",nobody",
            b"u\x014,control",
            b"u5,\xff",
            b"u6,fine",
        ];
        let mut bytes = rows.join(end.as_bytes());
        bytes.extend(end.as_bytes());
        let expected = [
            (5, "has 1 field, the header has 2"),
            (6, "has 3 fields, the header has 2"),
            (7, "the account is empty"),
            (8, "the account holds a control character"),
            (9, "is not UTF-8"),
        ];
        assert_eq!(bad_rows(&files.csv(bytes)), expected.map(|(line, reason)| (line, reason.to_owned())));
    }
}

#[test]
fn all_malformed_rows_are_told_at_once_up_to_twenty() {
    let files = Files::new();
    let text = format!("id,name\n{}", "u1\n".repeat(50));
    assert_eq!(bad_rows(&files.csv(text)).len(), 20);
}

#[test]
fn a_share_of_malformed_rows_may_pass_and_is_counted() {
    let files = Files::new();
    let good: String = (0..98).map(|n| format!("u{n},x\n")).collect();
    let mut spec = files.csv(format!("id,name\n{good}broken\nbroken\n"));
    spec.max_bad_rows = 0.02;
    let audience = read_with(&spec, &[]).unwrap();
    assert_eq!((audience.stats().rows, audience.stats().bad, audience.stats().recipients), (100, 2, 98));
    assert_eq!(audience.bad_rows().iter().map(|bad| bad.place.line).collect::<Vec<_>>(), [100, 101]);

    spec.max_bad_rows = 0.019;
    let message = read_with(&spec, &[]).unwrap_err().to_string();
    assert!(message.contains("2 of the 100"), "{message}");
    assert!(message.contains("a.csv:100: has 1 field, the header has 2"), "{message}");
    assert!(message.contains("`max_bad_rows` allows 1.9%"), "{message}");
}

/// The parser takes an open quote for a field that runs to the next quote, or to the end: thousands of people
/// would be one malformed row, within any share.
#[test]
fn an_open_quote_is_never_one_malformed_row() {
    let files = Files::new();
    let good: String = (0..1000).map(|n| format!("u{n},x\n")).collect();

    for last in ["u,\"open\n", "u,\"open", "\"u\n"] {
        let mut spec = files.csv(format!("id,name\n{good}{last}"));
        spec.max_bad_rows = 1.0;
        let error = read_with(&spec, &[]).unwrap_err();
        assert!(matches!(error, Error::OpenQuote { line: 1002, .. }), "{error}");
    }

    let mut spec = files.csv(format!("id,name\nu,\"open\n{}", "v,x\n".repeat(5 << 20)));
    spec.max_bad_rows = 1.0;
    let error = read_with(&spec, &[]).unwrap_err();
    assert!(matches!(error, Error::OpenQuote { line: 2, .. }), "{error}");

    let mut spec = files.csv(format!("id,name\nu,\"open\n{good}u,\"and, closed\n{good}"));
    spec.max_bad_rows = 0.1;
    match read_with(&spec, &[]).unwrap_err() {
        Error::BadRows(bad) => assert_eq!((bad.bad, bad.rows, bad.samples[0].place.line), (1002, 2002, 2)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_row_beyond_a_mebibyte_is_malformed() {
    let files = Files::new();
    let long = "x".repeat(1 << 20);
    assert_eq!(bad_rows(&files.csv(format!("id,name\nu1,{long}\nu2,x\n")))[0].0, 2);
    let jsonl = files.jsonl(format!("{{\"id\":\"u1\",\"x\":\"{long}\"}}\n{{\"id\":\"u2\"}}\n[]\n"));
    let lines: Vec<u64> = bad_rows(&jsonl).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 3]);
}

#[test]
fn a_header_must_name_each_column_once() {
    let files = Files::new();
    let header = |text: &str| read_with(&files.csv(text), &[]).unwrap_err().to_string();
    assert!(header("id,name,id\nu,x,y\n").ends_with("has the column `id` twice"));
    assert!(header("").ends_with("is missing: there is nothing in it"));
    assert!(header("user,name\nu,x\n").contains("has no column `id`; it has user, name"));
    let mut spec = files.csv("id,name\nu,x\n");
    spec.filter = Some(is("nam", "x"));
    assert!(read_with(&spec, &[]).unwrap_err().to_string().ends_with("did you mean `name`?"));
}

#[test]
fn jsonl_keeps_the_type_of_a_value() {
    let files = Files::new();
    let values = [
        ("\"text\"", Value::Text("text")),
        ("\"a\\\"\\u00e9\"", Value::Text("a\"é")),
        ("1.10", Value::Number("1.10")),
        ("123456789012345678901234567890", Value::Number("123456789012345678901234567890")),
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("null", Value::Null),
        ("[1, 2]", Value::Json("[1, 2]")),
        ("{\"a\": 1}", Value::Json("{\"a\": 1}")),
    ];
    let mut text: String = values
        .iter()
        .enumerate()
        .map(|(n, (json, _))| format!("{{\"x\": {json} ,\"id\":\"u{n}\"}}\r\n"))
        .collect();
    text.push_str("\n{\"id\": 42}");
    let audience = read_with(&files.jsonl(format!("\u{feff}{text}")), &["x"]).unwrap();
    let mut expected: Vec<_> = values.map(|(_, value)| value).to_vec();
    expected.push(Value::Missing);
    assert_eq!(pairs(&audience.list()).into_iter().map(|(_, value)| value).collect::<Vec<_>>(), expected);
    assert_eq!(audience.list()[9].account, "42", "a whole number may be an account");
    assert_eq!(audience.list()[9].place.line, 11, "blank lines count as lines");
}

/// A source of these files, in this order.
fn several(paths: &[PathBuf]) -> crate::campaign::Files {
    crate::campaign::Files { name: "part-*".into(), paths: paths.to_vec() }
}

#[test]
fn several_files_are_one_audience_and_each_row_knows_its_file() {
    let files = Files::new();
    let parts = [
        files.write("part-1.csv", "id,city\nu1,A\nu2,B\n"),
        files.write("part-2.csv.gz", compress("gz", "city,extra,id\nC,x,u2\nD,x,u3\n")),
    ];
    let mut spec = spec(Source::Csv(several(&parts)));
    let audience = read_with(&spec, &["city"]).unwrap();
    assert_eq!(
        pairs(&audience.list()),
        [("u1", Value::Text("A")), ("u2", Value::Text("B")), ("u3", Value::Text("D"))]
    );
    assert_eq!((audience.stats().rows, audience.stats().duplicates), (4, 1));
    let place = audience.list()[2].place.clone();
    assert_eq!(place, Place { source: parts[1].display().to_string(), line: 3 });

    files.write("part-1.csv", "id,city\nu1\n");
    let message = read_with(&spec, &["city"]).unwrap_err().to_string();
    assert!(message.starts_with("part-* has malformed rows: 1 of the 3 read"), "{message}");
    assert!(message.contains("part-1.csv:2: has 1 field"), "{message}");

    let rows = [files.write("1.jsonl", "{\"id\":\"u1\"}\n"), files.write("2.jsonl", "{\"id\":\"u9\"}\n")];
    spec.source = Source::Jsonl(several(&rows));
    assert_eq!(read_with(&spec, &[]).unwrap().accounts(), ["u1", "u9"]);
}

#[test]
fn every_file_must_have_the_columns_that_are_used() {
    let files = Files::new();
    let parts = [
        files.write("1.csv", "id,city,lang\nu1,A,en\n"),
        files.write("2.csv", "lang,id,new\nen,u2,x\n"),
        files.write("3.csv", "city,lang,id\nC,en,u3\n"),
    ];
    let source = Source::Csv(several(&parts));
    let known = columns(&source, Access::Files).unwrap().unwrap();
    assert_eq!((known.names, known.complete), (vec!["id".to_owned(), "lang".to_owned()], true));
    let lacking = |column: &str, part: usize| (column.to_owned(), parts[part].clone());
    assert_eq!(known.partial, [lacking("city", 1), lacking("new", 0)]);
    let message = read_with(&spec(source), &["city"]).unwrap_err().to_string();
    assert!(message.contains("2.csv has no column `city`"), "{message}");
}

#[test]
fn a_malformed_jsonl_row_is_told_with_its_line() {
    let files = Files::new();
    let rows: [&[u8]; 11] = [
        b"{\"id\":\"u1\"}",
        b"",
        b"[\"u2\"]",
        b"{\"id\":\"u3\"",
        b"{\"id\":\"u4\"} {}",
        b"{\"name\":\"x\"}",
        b"{\"id\":null}",
        b"{\"id\":1.5}",
        b"{\"id\":\"a\\u0000\"}",
        b"{\"id\":\"u5\",\"id\":\"u6\"}",
        b"{\"id\":\"\xff\"}",
    ];
    let bad = bad_rows(&files.jsonl(rows.join(&b"\n"[..])));
    assert_eq!(bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(bad[0].1, "is not a usable JSON object: invalid type: sequence, expected an object");
    assert!(bad[7].1.contains("the key `id` stands twice"), "{}", bad[7].1);
}

#[test]
fn compressed_files_are_read_by_their_ending() {
    let files = Files::new();
    for name in ["a.csv.gz", "a.csv.zst", "a.CSV.GZ"] {
        let name_lower = name.to_lowercase();
        // Two members, as `cat a.gz b.gz` makes them.
        let bytes = [compress(&name_lower, "id,name\nu1,x\n"), compress(&name_lower, "u2,y\n")].concat();
        let audience = read_with(&spec(Source::Csv(files.write(name, bytes).into())), &[]).unwrap();
        assert_eq!(audience.accounts(), ["u1", "u2"], "{name}");
    }
}

#[test]
fn a_cut_compressed_file_is_never_a_short_audience() {
    let files = Files::new();
    let rows: String = (0..3000).map(|n| format!("u{},x{n}\n", n * 7919 % 3001)).collect();
    for name in ["a.csv.gz", "a.csv.zst"] {
        let whole = compress(name, &format!("id,name\n{rows}"));
        for cut in [0, 1, 5, 20, whole.len() / 2, whole.len() - 1] {
            let mut spec = spec(Source::Csv(files.write(name, &whole[..cut]).into()));
            spec.max_bad_rows = 1.0;
            let error = read_with(&spec, &[]).expect_err("cut");
            assert!(matches!(error, Error::Damaged { .. }), "{name} cut at {cut}: {error}");
        }
    }
}

#[test]
fn the_first_row_of_an_account_that_matches_counts() {
    let files = Files::new();
    let mut spec = files.csv("id,lang,city\nu1,de,A\nu2,en,B\nu1,en,C\nu1,en,C\nu2,en,D\n");
    spec.filter = Some(is("lang", "en"));
    let audience = read_with(&spec, &["city"]).unwrap();
    assert_eq!(pairs(&audience.list()), [("u2", Value::Text("B")), ("u1", Value::Text("C"))]);
    let stats =
        Stats { rows: 5, filtered: 1, duplicates: 2, conflicting: 1, recipients: 2, ..Stats::default() };
    assert_eq!(*audience.stats(), stats);
    assert_eq!(audience.list()[1].place.line, 4);
}

/// Somebody with two rows who has opted out in one of them has opted out.
#[test]
fn suppression_looks_at_every_row_of_an_account() {
    let files = Files::new();
    let mut spec = files.csv("id,lang,out\nu1,en,no\nu2,en,no\nu1,de,yes\nu3,de,yes\nu3,en,no\n");
    spec.filter = Some(is("lang", "en"));
    spec.suppress = Some(is("out", "yes"));
    let audience = read_with(&spec, &[]).unwrap();
    assert_eq!(audience.accounts(), ["u2"]);
    assert_eq!((audience.stats().suppressed, audience.stats().filtered), (2, 2));
}

#[test]
fn excluded_accounts_get_nothing() {
    let files = Files::new();
    let mut spec = files.csv("id,name\nu1,a\nu2,b\nu2,b\nu3,c\n");
    let list = files
        .write("gone.jsonl", "{\"user\":\"u2\",\"why\":\"bounced\"}\n{\"user\":\"u3\",\"why\":\"moved\"}\n");
    spec.exclude = vec![
        Exclusion {
            source: Source::Jsonl(list.into()),
            account: "user".into(),
            filter: Some(is("why", "bounced")),
        },
        Exclusion { source: Source::Accounts(vec!["u9".into()]), account: "account".into(), filter: None },
    ];
    let audience = read_with(&spec, &["name"]).unwrap();
    assert_eq!(audience.accounts(), ["u1", "u3"]);
    assert_eq!((audience.stats().excluded, audience.stats().duplicates), (1, 1));
    assert_eq!(audience.list()[1].values(), [Value::Text("c")]);
}

/// A row lost from the audience is a push too few; a row lost from a suppression list is a push to somebody who
/// must not get it.
#[test]
fn a_suppression_list_must_be_whole() {
    let files = Files::new();
    let mut spec = files.csv("id\nu1\n");
    spec.max_bad_rows = 1.0;
    let list = files.write("gone.csv", "id,why\nu1\n");
    spec.exclude = vec![Exclusion { source: Source::Csv(list.into()), account: "id".into(), filter: None }];
    let error = read_with(&spec, &[]).unwrap_err().to_string();
    assert!(error.contains("gone.csv:2") && error.ends_with("a suppression list must be whole"), "{error}");
}

#[test]
fn accounts_of_the_campaign_file_are_an_audience() {
    let mut list = spec(Source::Accounts(["b", "a", "b"].map(str::to_owned).to_vec()));
    list.account = "account".to_owned();
    let audience = read_with(&list, &[]).unwrap();
    assert_eq!(
        (audience.accounts(), audience.stats().duplicates),
        (["b", "a"].map(str::to_owned).to_vec(), 1)
    );
    assert!(matches!(read_with(&list, &["city"]), Err(Error::NoColumn { .. })));

    list.source = Source::Accounts(vec!["a".to_owned(), String::new()]);
    assert_eq!(bad_rows(&list), [(2, "the account is empty".to_owned())]);
}

#[test]
fn a_missing_file_is_named() {
    let error = read_with(&spec(Source::Csv(PathBuf::from("/nowhere/buyers.csv").into())), &[])
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cannot read the audience file /nowhere/buyers.csv: No such file"), "{error}");
}

#[test]
fn columns_are_known_before_the_audience_is_read() {
    let files = Files::new();
    let of = |source| columns(&source, Access::Files).unwrap().map(|c| (c.names, c.complete)).unwrap();
    let csv = Source::Csv(files.write("a.csv.gz", compress("gz", "id,name\nbroken")).into());
    assert_eq!(of(csv), (vec!["id".to_owned(), "name".to_owned()], true));
    let rows =
        format!("{{\"id\":1,\"b\":1}}\nbroken\n{{\"a\":1,\"id\":2}}\n{}{{\"late\":1}}", "{}\n".repeat(997));
    let jsonl = Source::Jsonl(files.write("a.jsonl", rows).into());
    assert_eq!(of(jsonl), (["id", "b", "a"].map(str::to_owned).to_vec(), false));
    assert_eq!(of(Source::Accounts(Vec::new())), (vec!["account".to_owned()], true));
}

/// One row of the model: account, lang, opted out, city.
type ModelRow = (u8, u8, bool, u8);

fn model_csv(rows: &[ModelRow]) -> String {
    let rows = rows.iter().map(|(id, lang, out, city)| format!("u{id},l{lang},{out},c{city}\n"));
    std::iter::once("id,lang,out,city\n".to_owned()).chain(rows).collect()
}

/// The rules, said as simply as they can be.
fn model(rows: &[ModelRow], excluded: &HashSet<u8>, suppress: bool) -> (Vec<(String, String)>, Stats) {
    let mut stats = Stats { rows: rows.len() as u64, ..Stats::default() };
    let opted_out: HashSet<u8> = rows.iter().filter(|row| suppress && row.2).map(|row| row.0).collect();
    let mut winners: HashMap<u8, u8> = HashMap::new();
    let mut recipients = Vec::new();
    for &(id, lang, _, city) in rows {
        if lang != 0 {
            stats.filtered += 1;
        } else if let Some(winner) = winners.get(&id) {
            stats.duplicates += 1;
            stats.conflicting += u64::from(*winner != city);
        } else {
            winners.insert(id, city);
            if excluded.contains(&id) {
                stats.excluded += 1;
            } else if opted_out.contains(&id) {
                stats.suppressed += 1;
            } else {
                recipients.push((format!("u{id}"), format!("c{city}")));
            }
        }
    }
    stats.recipients = recipients.len() as u64;
    (recipients, stats)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_audience_is_what_the_rules_say(
        rows in prop::collection::vec((0_u8..30, 0_u8..2, prop::bool::weighted(0.1), 0_u8..4), 0..120),
        excluded in prop::collection::hash_set(0_u8..30, 0..5),
        suppress: bool,
        tuples in 0_u32..5,
    ) {
        let files = Files::new();
        let mut spec = files.csv(model_csv(&rows));
        spec.filter = Some(is("lang", "l0"));
        spec.suppress = suppress.then(|| column("out", Test::Eq(Scalar::Bool(true))));
        let list = excluded.iter().map(|id| format!("u{id}")).collect();
        spec.exclude =
            vec![Exclusion { source: Source::Accounts(list), account: "account".into(), filter: None }];
        let audience = read_bounded(Bounds { memory: 0, tuples }, &spec, &["city"]).unwrap();

        let (recipients, stats) = model(&rows, &excluded, suppress);
        let list = audience.list();
        let got: Vec<_> = pairs(&list)
            .into_iter()
            .map(|(account, city)| (account.to_owned(), city.text().unwrap().to_owned()))
            .collect();
        prop_assert_eq!(got, recipients);
        prop_assert_eq!(*audience.stats(), stats);
        prop_assert_eq!(
            stats.rows,
            stats.bad + stats.filtered + stats.duplicates + stats.excluded + stats.suppressed + stats.others
                + stats.recipients
        );
    }

    /// Many blocks, two threads: the same bytes give the same audience.
    #[test]
    fn bytes_alone_decide(seed in 0_u32..1000) {
        let files = Files::new();
        let ids = (0..30_000_u32).map(|n| n.wrapping_mul(2_654_435_761).wrapping_add(seed) % 20_011);
        let text: String = std::iter::once("id,city\n".to_owned())
            .chain(ids.map(|id| format!("u{id},c{}\n", id % 13)))
            .collect();
        let spec = files.csv(text);
        let (one, two) = (read_with(&spec, &["city"]).unwrap(), read_with(&spec, &["city"]).unwrap());
        prop_assert_eq!(one.list(), two.list());
        prop_assert_eq!(one.stats(), two.stats());
        // What goes to a file and what does not is the same audience, too.
        let three = read_bounded(Bounds { memory: 0, tuples: 5 }, &spec, &["city"]).unwrap();
        prop_assert!(three.spilled() > 0 && one.spilled() == 0);
        let values = |list: Vec<Listed>| list.into_iter().map(|l| (l.account.clone(), format!("{:?}", l.values()))).collect::<Vec<_>>();
        prop_assert_eq!(values(one.list()), values(three.list()));
        prop_assert_eq!(one.stats(), three.stats());
    }

    /// Any bytes are an audience or an error.
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(
        prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'{'), Just(b':'), Just(0), any::<u8>()],
        0..80,
    )) {
        let files = Files::new();
        for header in ["id,name\n", ""] {
            let mut spec = files.csv([header.as_bytes(), &bytes].concat());
            spec.max_bad_rows = 1.0;
            let _ = read_with(&spec, &[]);
        }
        let mut spec = files.jsonl(&bytes);
        spec.max_bad_rows = 1.0;
        let _ = read_with(&spec, &["name"]);
    }
}

#[test]
fn progress_counts_rows() {
    let files = Files::new();
    let text: String =
        std::iter::once("id\n".to_owned()).chain((0..10_000).map(|n| format!("u{n}\n"))).collect();
    let seen = std::cell::RefCell::new(Vec::new());
    let progress = |reading: Reading| seen.borrow_mut().push(reading.rows);
    read(&files.csv(text), &[], Access::Files, Keep(None), &progress).unwrap();
    let seen = seen.into_inner();
    assert!(seen.is_sorted() && seen.len() > 1);
    assert_eq!(seen.last(), Some(&10_000));
}

#[test]
fn a_folder_is_no_audience() {
    let files = Files::new();
    let path: &Path = files.0.path();
    assert!(matches!(read_with(&spec(Source::Jsonl(path.to_owned().into())), &[]), Err(Error::Io { .. })));
}
