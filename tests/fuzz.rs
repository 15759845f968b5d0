//! Damaged input of every kind that people and networks hand in: nothing may panic, hang, or eat memory.
//!
//! Each target takes valid input and damages it, by a seed: `PUSHPLAN_FUZZ_CASES=N` sets how many cases each target
//! tries, and a case that fails names its seed. What the results must *be* is tested elsewhere.

use std::path::Path;
use std::time::{Duration, Instant};

use pushplan::audience::{self, Access, Keep};
use pushplan::campaign::{AudienceSpec, Source, read_campaign, read_workspace};
use pushplan::message::Templates;
use pushplan::outcome::Outcome;
use pushplan::state::{SqliteStore, Store};
use pushplan::timpush::classify;

/// As many as take a few seconds in all.
const CASES: u64 = 3_000;

/// No case takes a hundredth of this; it tells a hang from a slow machine.
const HANG: Duration = Duration::from_secs(20);

/// Most memory that the whole process may ever have had, in KiB.
const MEMORY_MAX_KIB: u64 = 1 << 20;

/// Pieces that have meaning to one of the parsers.
const TOKENS: &[&str] = &[
    "{{",
    "}}",
    "{{#if a}}",
    "{{/if}}",
    "{{#each a}}",
    "\"",
    "'",
    "\\",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "😀",
    ",",
    "\n",
    "\r",
    "\t",
    "&a ",
    "*a",
    "- ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "|",
    ">",
    "!!str ",
    "%",
    "99999999999999999999",
    "-1",
    "1e999",
    "null",
    "true",
    "~",
    "0x7f",
    "2026-13-45",
    "ErrorCode",
    "\"ErrorList\":[",
    "é",
    "\u{fffd}",
];

fn cases() -> u64 {
    std::env::var("PUSHPLAN_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES)
}

/// Takes pieces out, doubles them, swaps bytes, puts tokens in.
fn damage(input: &[u8], seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = input.to_vec();
    for _ in 0..random.usize(1..8) {
        let at = random.usize(0..=bytes.len());
        let end = (at + random.usize(0..40)).min(bytes.len());
        match random.u8(0..6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                let times = random.usize(1..50);
                bytes.splice(at..at, piece.repeat(times));
            }
            2 if at < bytes.len() => bytes[at] = random.u8(..),
            3 => bytes.truncate(at),
            _ => {
                let token = TOKENS[random.usize(0..TOKENS.len())].repeat(random.usize(1..4));
                bytes.splice(at..at, token.into_bytes());
            }
        }
    }
    bytes
}

/// Runs a target over all its seeds, and says what it tried.
fn fuzz(name: &str, inputs: &[Vec<u8>], mut target: impl FnMut(Vec<u8>)) {
    let started = Instant::now();
    for seed in 0..cases() {
        let input = damage(&inputs[seed as usize % inputs.len()], seed);
        let begun = Instant::now();
        let kept = input.clone();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(input)));
        let shown = String::from_utf8_lossy(&kept);
        assert!(caught.is_ok(), "{name}: seed {seed} panics on:\n{shown}");
        assert!(begun.elapsed() < HANG, "{name}: seed {seed} takes {:?} on:\n{shown}", begun.elapsed());
    }
    let memory = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    assert!(memory.is_none_or(|kib| kib < MEMORY_MAX_KIB), "{name}: {memory:?} KiB");
    println!("fuzz: {name}: {} inputs in {:.1} s", cases(), started.elapsed().as_secs_f64());
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/campaigns"))
}

fn samples(name: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder().join(name)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn campaign_files() {
    let inputs = [samples("valid"), samples("invalid")].concat();
    fuzz("campaign YAML", &inputs, |bytes| {
        let checked =
            read_campaign(Path::new("c.yaml"), bytes, folder(), &|name| Ok(vec![name.into()]), None);
        if let Some(campaign) = checked.campaign {
            let constants = [("campaign", "c"), ("occurrence", "once")];
            let _ = Templates::compile(&campaign.document, &campaign.message, &constants);
        }
    });
}

#[test]
fn workspace_files() {
    let inputs = [samples("workspace/valid"), samples("workspace/invalid")].concat();
    fuzz("workspace YAML", &inputs, |bytes| {
        let _ = read_workspace(Path::new("pushplan.yaml"), bytes, folder());
    });
}

#[test]
fn templates() {
    let inputs: Vec<Vec<u8>> = pushplan::message::helpers::HELPERS
        .iter()
        .map(|helper| {
            format!(
                "campaign: c\naudience: {{ accounts: [a] }}\nmessage:\n  body: |-\n    {}\n",
                helper.example
            )
            .into()
        })
        .collect();
    let constants = [("campaign", "c"), ("occurrence", "once")];
    fuzz("templates", &inputs, |bytes| {
        let Some(campaign) =
            read_campaign(Path::new("c.yaml"), bytes, folder(), &|name| Ok(vec![name.into()]), None).campaign
        else {
            return;
        };
        if let Ok(templates) = Templates::compile(&campaign.document, &campaign.message, &constants) {
            let values = vec![audience::Value::Text("x"); templates.columns().len()];
            let _ = templates.render(&values);
        }
    });
}

fn audience_rows(name: &str, source: fn(std::path::PathBuf) -> Source, input: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut spec = AudienceSpec {
        source: source(path.clone()),
        account: "id".to_owned(),
        filter: None,
        suppress: None,
        exclude: Vec::new(),
        expect_min: None,
        expect_max: None,
        max_bad_rows: 0.0,
    };
    let carry = ["city".to_owned()];
    fuzz(name, &[input.as_bytes().to_vec()], |bytes| {
        spec.max_bad_rows = f64::from(bytes.len() as u32 % 2);
        std::fs::write(&path, bytes).unwrap();
        let _ = audience::columns(&spec.source, Access::Files);
        if let Ok(audience) = audience::read(&spec, &carry, Access::Files, Keep(None), &|_| ()) {
            let stats = audience.stats();
            let counted = stats.bad + stats.filtered + stats.duplicates + stats.excluded + stats.suppressed;
            assert_eq!(stats.rows, counted + stats.recipients, "every row has one fate");
        }
    });
}

#[test]
fn csv_rows() {
    audience_rows(
        "CSV rows",
        |path| Source::Csv(path.into()),
        "id,city\nu1,Paris\nu2,\"Washington, D.C.\"\nu3,\"two\nlines\"\nu4,東京\n",
    );
}

#[test]
fn jsonl_rows() {
    audience_rows(
        "JSONL rows",
        |path| Source::Jsonl(path.into()),
        "{\"id\":\"u1\",\"city\":\"Paris\"}\n{\"id\":2,\"city\":null}\n{\"id\":\"u3\",\"city\":{\"a\":[1,2.5e3]}}\n",
    );
}

#[test]
fn answers() {
    let inputs = [
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"TaskId":"batch_1"}"#,
        r#"{"ActionStatus":"FAIL","ErrorInfo":"Invalid format of MsgRandom","ErrorCode":90001,"TaskId":""}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"TaskId":"t","ErrorList":[{"ErrorCode":70107,"To_Account":"u1"}]}"#,
    ];
    let inputs = inputs.map(|text| text.as_bytes().to_vec());
    let accounts = br#"["u1","u2"]"#;
    fuzz("API answers", &inputs, |bytes| {
        for status in [200, 404, 502] {
            if let Outcome::Accepted { failed, .. } = classify(status, &bytes, accounts) {
                assert!(status == 200 && failed.len() <= 2);
                assert!(failed.iter().all(|f| ["u1", "u2"].contains(&f.account.as_str())));
            }
        }
    });
}

#[test]
fn state_imports() {
    let folder = tempfile::tempdir().unwrap();
    let dump = r#"{"format":"pushplan.state/1"}
{"table":"identity","row":{"one":1,"lineage":"ab","serial":3}}
{"table":"run","row":{"id":1,"name":"c@once","campaign":"c","occurrence":"once","app":"shop","from_account":"a","content_digest":"","audience_digest":"","plan_digest":"","expires_at":null,"delivery":"{\"max_failures\":{\"Share\":0.05},\"on_in_doubt\":\"Hold\",\"timeout\":{\"secs\":10,\"nanos\":0},\"in_flight\":64}","frozen_at":0,"hold":null,"planned":2,"accepted":2,"failed":0,"in_doubt":0,"skipped":0,"remaining":0}}
{"table":"message","row":{"run":1,"number":0,"json":"{}"}}
{"table":"batch","row":{"id":4294967297,"msg_random":7,"data_id":"d","message":0,"recipients":2,"status":"accepted","attempts":1,"failed":0,"code":null,"text":null}}
{"table":"account","row":{"batch":4294967297,"json":["u1","u2"]}}
{"table":"change","row":{"serial":1,"batch":4294967297,"attempt":1,"what":"begun","at":0,"code":null,"text":null,"task_id":null}}
{"table":"change","row":{"serial":2,"batch":4294967297,"attempt":1,"what":"accepted","at":1,"code":null,"text":null,"task_id":"t"}}
"#;
    let path = folder.path().join("state.db");
    let mut store = SqliteStore::open_unchecked(&path).unwrap();
    store.import(&mut dump.as_bytes()).expect("undamaged, it is taken");
    assert_eq!(store.runs().unwrap().len(), 1);

    let path = folder.path().join("damaged.db");
    let mut store = SqliteStore::open_unchecked(&path).unwrap();
    let mut made = 0;
    fuzz("state import", &[dump.as_bytes().to_vec()], |bytes| {
        if store.import(&mut bytes.as_slice()).is_ok() {
            // Damage that does not matter. The next case needs a state without a run.
            assert_eq!(store.verify().unwrap(), Vec::<String>::new());
            made += 1;
            let fresh = folder.path().join(format!("damaged-{made}.db"));
            store = SqliteStore::open_unchecked(&fresh).unwrap();
        } else {
            assert!(store.runs().unwrap().is_empty(), "a refused dump leaves nothing");
        }
    });
}
