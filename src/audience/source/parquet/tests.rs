//! Real files, written here and by DuckDB.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int8Array, Int32Array, Int64Array, LargeStringArray, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, UInt64Array,
    types::{Int16Type, Int64Type},
};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::option::of;
use proptest::prelude::*;

use crate::audience::tests::{self, column};
use crate::audience::{Access, Audience, Error, Keep, Value, columns, read};
use crate::campaign::{AudienceSpec, Exclusion, Filter, Scalar, Source, Test};

fn write(path: &Path, group_rows: usize, compression: Compression, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A file in a folder of its own.
fn file(group_rows: usize, columns: Vec<(&str, ArrayRef)>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(&path, group_rows, Compression::SNAPPY, columns);
    (folder, path)
}

fn texts(texts: impl IntoIterator<Item = &'static str>) -> ArrayRef {
    Arc::new(texts.into_iter().map(Some).collect::<StringArray>())
}

fn spec(path: &Path) -> AudienceSpec {
    tests::spec(Source::Parquet(path.to_owned().into()))
}

fn read_with(spec: &AudienceSpec, carry: &[&str]) -> Result<Audience, Error> {
    let carry: Vec<String> = carry.iter().map(|column| (*column).to_owned()).collect();
    read(spec, &carry, Access::Files, Keep(None), &|_| {})
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

#[test]
fn a_column_keeps_its_type() {
    use Value::{Bool, Null, Number, Text};

    let dictionary: DictionaryArray<Int16Type> = [Some("x"), Some("x"), None].into_iter().collect();
    let decimals = Decimal128Array::from(vec![150, -5, 0]).with_precision_and_scale(10, 2).unwrap();
    let moments = vec![1_795_510_800_000_500, -1, 0];
    let instants = TimestampMicrosecondArray::from(moments).with_timezone("UTC");
    let local = TimestampMillisecondArray::from(vec![1_795_510_800_000, -1, 0]);
    let (_folder, path) = file(
        100,
        vec![
            ("id", texts(["u1", "u2", "u3"])),
            ("text", Arc::new(StringArray::from(vec![Some("é"), Some(""), None]))),
            ("large", Arc::new(LargeStringArray::from(vec!["a", "b", "c"]))),
            ("dictionary", Arc::new(dictionary)),
            ("bytes", Arc::new(BinaryArray::from(vec![&b"x"[..], b"y", b"z"]))),
            ("bool", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
            ("small", Arc::new(Int8Array::from(vec![-1, 0, 1]))),
            ("whole", Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX]))),
            ("natural", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1]))),
            ("float", Arc::new(Float32Array::from(vec![0.1, f32::NAN, 3.0]))),
            ("double", Arc::new(Float64Array::from(vec![0.1, f64::INFINITY, -3.0]))),
            ("decimal", Arc::new(decimals)),
            ("date", Arc::new(Date32Array::from(vec![20_781, -1, 0]))),
            ("instant", Arc::new(instants)),
            ("local", Arc::new(local)),
        ],
    );
    let carry = [
        "text",
        "large",
        "dictionary",
        "bytes",
        "bool",
        "small",
        "whole",
        "natural",
        "float",
        "double",
        "decimal",
        "date",
        "instant",
        "local",
    ];
    let audience = read_with(&spec(&path), &carry).unwrap();
    let list = audience.list();
    let rows: Vec<_> = list.iter().map(crate::audience::Listed::values).collect();
    let expected = [
        vec![
            Text("é"),
            Text("a"),
            Text("x"),
            Text("x"),
            Bool(true),
            Number("-1"),
            Number("-9223372036854775808"),
            Number("18446744073709551615"),
            Number("0.1"),
            Number("0.1"),
            Number("1.50"),
            Text("2026-11-24"),
            Text("2026-11-24T09:00:00.0005Z"),
            Text("2026-11-24T09:00:00"),
        ],
        vec![
            Text(""),
            Text("b"),
            Text("x"),
            Text("y"),
            Bool(false),
            Number("0"),
            Number("0"),
            Number("0"),
            Text("NaN"),
            Text("inf"),
            Number("-0.05"),
            Text("1969-12-31"),
            Text("1969-12-31T23:59:59.999999Z"),
            Text("1969-12-31T23:59:59.999"),
        ],
        vec![
            Null,
            Text("c"),
            Null,
            Text("z"),
            Null,
            Number("1"),
            Number("9223372036854775807"),
            Number("1"),
            Number("3"),
            Number("-3"),
            Number("0.00"),
            Text("1970-01-01"),
            Text("1970-01-01T00:00:00Z"),
            Text("1970-01-01T00:00:00"),
        ],
    ];
    assert_eq!(rows, expected);
    let known = columns(&spec(&path).source, Access::Files).unwrap().unwrap();
    assert_eq!((known.names.len(), known.complete), (15, true));
}

#[test]
fn every_usual_compression_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(parquet::basic::ZstdLevel::default()),
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::LZ4_RAW,
    ] {
        let path = folder.path().join("a.parquet");
        write(&path, 100, compression, vec![("id", texts(["u1", "u2"]))]);
        assert_eq!(read_with(&spec(&path), &[]).unwrap().accounts(), ["u1", "u2"], "{compression:?}");
    }
}

/// What DuckDB makes of `user_id`, `first_name`, `city`, `lang`, `orders` (BIGINT) and `opted_out` (BOOLEAN).
#[test]
fn a_file_of_another_writer_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/campaigns/audiences/buyers.parquet");
    let mut spec = spec(&path);
    spec.account = "user_id".to_owned();
    spec.filter = Some(column("orders", Test::Gte(Scalar::Number(3.0))));
    let audience = read_with(&spec, &["city", "orders", "opted_out"]).unwrap();
    assert_eq!(audience.accounts(), ["alice"]);
    let list = audience.list();
    let values = list[0].values();
    assert_eq!(values, [Value::Text("Paris"), Value::Number("3"), Value::Bool(false)]);
    assert_eq!(audience.stats().filtered, 1);
}

#[test]
fn a_malformed_row_is_told_with_its_number() {
    let ids: ArrayRef = Arc::new(StringArray::from(vec![Some("u1"), None, Some(""), Some("u4")]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"x"[..], b"y", b"z", b"\xff"]));
    let (_folder, path) = file(2, vec![("id", ids), ("bytes", bytes)]);
    let error = read_with(&spec(&path), &["bytes"]).unwrap_err().to_string();
    for told in [":2: has no account", ":3: the account is empty", ":4: is not UTF-8"] {
        assert!(error.contains(&format!("a.parquet{told}")), "{error}");
    }
}

#[test]
fn a_column_that_cannot_be_used_is_named() {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])]);
    let (_folder, path) = file(2, vec![("id", texts(["u1"])), ("list", Arc::new(lists))]);
    let error = read_with(&spec(&path), &["list"]).unwrap_err().to_string();
    assert!(error.starts_with("the column `list` of ") && error.contains("List"), "{error}");
    assert_eq!(read_with(&spec(&path), &[]).unwrap().len(), 1, "what is not used may be anything");
    assert!(matches!(read_with(&spec(&path), &["lists"]), Err(Error::NoColumn { .. })));
}

/// A group that is passed over is not so much as decompressed.
#[test]
fn groups_in_which_the_filter_cannot_hold_are_not_read() {
    let (_folder, path) = file(
        2,
        vec![("id", texts(["u1", "u2", "u3", "u4", "u5"])), ("lang", texts(["de", "en", "fr", "it", "en"]))],
    );
    let mut bytes = std::fs::read(&path).unwrap();
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
        .parse_and_finish(&std::fs::File::open(&path).unwrap())
        .unwrap();
    for chunk in metadata.row_group(1).columns() {
        let (start, len) = chunk.byte_range();
        bytes[start as usize..(start + len) as usize].fill(0xff);
    }
    std::fs::write(&path, bytes).unwrap();

    let mut spec = spec(&path);
    spec.filter = Some(column("lang", Test::Eq(text("en"))));
    let audience = read_with(&spec, &["lang"]).unwrap();
    assert_eq!(audience.accounts(), ["u2", "u5"]);
    assert_eq!((audience.stats().rows, audience.stats().filtered), (5, 3));
    assert_eq!(audience.list()[0].place.line, 2);

    // Somebody's row in it may suppress them.
    spec.suppress = Some(column("lang", Test::Eq(text("xx"))));
    assert!(matches!(read_with(&spec, &[]), Err(Error::Damaged { .. })));

    let mut list = AudienceSpec { source: Source::Accounts(vec!["u5".to_owned()]), ..self::spec(&path) };
    list.account = "account".to_owned();
    let (source, filter) = (Source::Parquet(path.into()), spec.filter.clone());
    list.exclude = vec![Exclusion { source, account: "id".to_owned(), filter }];
    assert_eq!(read_with(&list, &[]).unwrap().stats().excluded, 1);
}

#[test]
fn a_cut_file_is_never_a_short_audience() {
    let (_folder, path) = file(2, vec![("id", texts(["u1", "u2", "u3", "u4", "u5"]))]);
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let error = read_with(&spec(&path), &[]).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "cut at {cut}: {error}");
    }
}

fn scalars() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        prop::sample::select(vec!["", "a", "ab", "b", "1970-01-03", "true", "2"]).prop_map(text),
        (-3_i32..4).prop_map(|n| Scalar::Number(f64::from(n) / 2.0)),
        any::<bool>().prop_map(Scalar::Bool),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let tests = prop_oneof![
        scalars().prop_map(Test::Eq),
        scalars().prop_map(Test::Ne),
        scalars().prop_map(Test::Lt),
        scalars().prop_map(Test::Lte),
        scalars().prop_map(Test::Gt),
        scalars().prop_map(Test::Gte),
        prop::collection::vec(scalars(), 1..3).prop_map(Test::In),
        prop::collection::vec(scalars(), 1..3).prop_map(Test::NotIn),
        any::<bool>().prop_map(Test::Exists),
        prop::sample::select(vec!["a", "1970", "b"]).prop_map(|t| Test::StartsWith(t.to_owned())),
        prop::sample::select(vec!["a", "-", "b"]).prop_map(|t| Test::Contains(t.to_owned())),
    ];
    let names = prop::sample::select(vec!["text", "whole", "double", "bool", "date"]);
    let columns = (names, tests).prop_map(|(name, test)| column(name, test));
    columns.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Any),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

type Row = (Option<String>, Option<i64>, Option<f64>, Option<bool>, Option<i32>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let texts = prop::sample::select(vec!["", "a", "ab", "abc", "b", "é"]).prop_map(str::to_owned);
    let doubles = prop::sample::select(vec![-1.5, -0.0, 0.0, 0.5, 1.0, f64::NAN, f64::INFINITY]);
    prop::collection::vec((of(texts), of(-2_i64..3), of(doubles), of(any::<bool>()), of(-1_i32..4)), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A group is passed over only where that changes nothing but the time it takes.
    #[test]
    fn passing_groups_over_changes_nothing(rows in rows(), filter in filters(), group_rows in 1_usize..5) {
        let ids: StringArray = (0..rows.len()).map(|n| Some(format!("u{n}"))).collect();
        let (_folder, path) = file(group_rows, vec![
            ("id", Arc::new(ids)),
            ("text", Arc::new(rows.iter().map(|row| row.0.as_deref()).collect::<StringArray>())),
            ("whole", Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>())),
            ("double", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>())),
            ("bool", Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>())),
            ("date", Arc::new(rows.iter().map(|row| row.4).collect::<Date32Array>())),
        ]);
        let mut spec = spec(&path);
        spec.filter = Some(filter);
        let pruned = read_with(&spec, &["text"]).unwrap();
        spec.suppress = Some(column("id", Test::Eq(text("nobody"))));
        let whole = read_with(&spec, &["text"]).unwrap();
        prop_assert_eq!(pruned.accounts(), whole.accounts());
        prop_assert_eq!(pruned.stats(), whole.stats());
    }

    /// Damage is an error or goes unnoticed; it is no panic.
    #[test]
    fn damaged_bytes_make_no_reader_panic(at in any::<prop::sample::Index>(), byte: u8) {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5]));
        let (_folder, path) =
            file(2, vec![("id", texts(["u1", "u2", "u3", "u4", "u5"])), ("n", numbers)]);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        std::fs::write(&path, bytes).unwrap();
        let _ = read_with(&spec(&path), &["n"]);
    }
}
