//! `validate` for code hosts: what each of them reads, word for word, and held to its schema.

use std::path::Path;

use serde_json::Value;

use crate::bench::Bench;
use crate::golden::golden;

/// A workspace in a subfolder, with mistakes of every kind: at a place, of a whole file, and a warning.
fn bench() -> Bench {
    let bench = Bench::with_endpoint("30", "http://127.0.0.1:9");
    let file = std::fs::read_to_string(bench.path("pushplan.yaml")).unwrap();
    bench.write("push/pushplan.yaml", &file);
    bench.write("push/campaigns/people.csv", "user_id,city\nann,Lyon\n");
    bench.write(
        "push/campaigns/a, b.yaml",
        "campaign: sale\naudience: { csv: people.csv, account: userid }\nmessage:\n  title: \"100% für {{town}}\"\n  \
         body: \"{{city}}\"\n",
    );
    bench.write(
        "push/campaigns/gone.yaml",
        "campaign: gone\naudience: { csv: gone.csv, account: id }\nmessage: { body: b }\n",
    );
    bench.write(
        "push/campaigns/query.yaml",
        "campaign: query\naudience: { command: [duckdb], format: csv, account: id }\nmessage: { body: \"{{city}}\" }\n",
    );
    bench
}

#[test]
fn each_code_host_gets_what_it_reads() {
    let bench = bench();
    for (format, file) in [
        ("github", "validate.github.txt"),
        ("gitlab", "validate.gitlab.json"),
        ("sarif", "validate.sarif.json"),
    ] {
        let said = bench.run(&["-C", "push", "validate", "--format", format]).code(1);
        let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
        golden(&format!("cli/golden/{file}"), &said.stdout.replace(&version, "\"version\": \"VERSION\""));
        assert!(said.stderr.contains("did you mean `user_id`?"), "the log has no words: {}", said.stderr);
        let absolute = bench.path("push");
        let same = bench.run(&["-C", absolute.to_str().unwrap(), "validate", "--format", format]).code(1);
        assert_eq!(same.stdout, said.stdout);
    }
}

#[test]
fn sarif_keeps_to_the_schema_of_sarif() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/sarif-2.1.0.json");
    let mut schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // The published pattern of a language, which we do not give, ends in a bracket that none has opened.
    for thing in ["run", "toolComponent"] {
        schema["definitions"][thing]["properties"]["language"]["pattern"] = "".into();
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let check = |report: &Value| {
        let errors: Vec<String> = validator.iter_errors(report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    };
    let bench = bench();
    check(&bench.run(&["-C", "push", "validate", "--format", "sarif"]).code(1).json());
    for file in ["a, b", "gone", "query"] {
        std::fs::remove_file(bench.path(&format!("push/campaigns/{file}.yaml"))).unwrap();
    }
    bench
        .write("push/campaigns/c.yaml", "campaign: c\naudience: { accounts: [ann] }\nmessage: { body: b }\n");
    let mut report = bench.run(&["-C", "push", "validate", "--format", "sarif"]).code(0).json();
    check(&report);
    report["runs"][0]["columnKind"] = "bytes".into();
    assert!(!validator.is_valid(&report), "the schema refuses nothing");
}
