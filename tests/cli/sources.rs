//! Sources beyond files, through the real binary: what is run or opened, and what only with a person's word.

use pushplan::audience::{self, Access, Keep, Value};
use pushplan::campaign::{AudienceSpec, Exclusion, Postgres, SecretRef, Source};
use pushplan::sandbox::Config;

use crate::bench::{Bench, Said};
use crate::postgres::Server;

/// A campaign whose audience is the output of a program that leaves a trace.
fn with_command(output: &str) -> Bench {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write(
        "campaigns/c.yaml",
        &format!(
            "campaign: c\naudience:\n  command: [sh, -c, \"touch ran; {output}\"]\n  format: csv\n  account: id\n\
             message: {{ body: \"News from {{{{city}}}}\" }}\n"
        ),
    );
    bench
}

#[test]
fn a_program_runs_only_with_the_flag() {
    let bench = with_command("echo id,city; echo u1,Paris");
    let said = bench.run(&["validate"]).code(0);
    assert!(said.stderr.contains("the columns of `command` are not checked"), "{}", said.stderr);
    bench.run(&["validate", "--allow-commands"]).code(0);
    for args in [&["plan"][..], &["apply", "--auto-approve"]] {
        let said = bench.run(args).code(1);
        assert!(said.stderr.contains("--allow-commands"), "{}", said.stderr);
    }
    assert!(!bench.path("campaigns/ran").exists());

    bench.run(&["plan", "--allow-commands"]).code(0);
    assert!(bench.path("campaigns/ran").exists());
    bench.run(&["apply", "--auto-approve", "--allow-commands"]).code(0);
    assert_eq!(bench.ledger().pushes().len(), 1);
}

#[test]
fn a_program_that_fails_sends_nothing() {
    let bench = with_command("echo id,city; echo u1,Paris; echo no such table >&2; exit 3");
    let said = bench.run(&["apply", "--auto-approve", "--allow-commands"]).code(1);
    assert!(
        said.stderr.contains("exit status: 3") && said.stderr.contains("no such table"),
        "{}",
        said.stderr
    );
    assert_eq!(bench.ledger().carried_out, 0);
}

/// A campaign whose audience is a query's result, and the environment that holds the connection string.
fn with_query(query: &str) -> Bench {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write(
        "campaigns/c.yaml",
        &format!(
            "campaign: c\naudience:\n  postgres:\n    query: |\n      {query}\n    dsn: {{ env: SHOP_DB }}\n  account: id\n\
             message: {{ body: \"News from {{{{city}}}}\" }}\n"
        ),
    );
    bench
}

fn run(bench: &Bench, args: &[&str], env: &[(&str, &str)]) -> Said {
    Said::of(bench.command(args).envs(env.iter().copied()).output().unwrap())
}

#[test]
fn a_query_is_sent_to_whom_it_names() {
    let server = Server::shared();
    server.run("create table buyers as select 'u' || n as id, 'city ' || n % 3 as city from generate_series(1, 5000) n");
    let bench = with_query("select id, city from buyers order by id; ");
    let dsn = server.dsn();
    let said = run(&bench, &["apply", "--auto-approve"], &[("SHOP_DB", &dsn)]).code(0);
    assert!(said.stdout.contains("total: 5000 planned = 5000 accepted"), "{}", said.stdout);
    assert_eq!(bench.ledger().pushes().len(), 5000);
}

/// A pull request's file must not make the one who checks it connect anywhere.
#[test]
fn validate_and_plan_open_no_connection_unless_allowed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let dsn = format!("postgresql://me:hush@{}/shop?connect_timeout=1", listener.local_addr().unwrap());
    let bench = with_query("select 1");
    let said = run(&bench, &["validate"], &[("SHOP_DB", &dsn)]).code(0);
    assert!(said.stderr.contains("the columns of `postgres` are not checked"), "{}", said.stderr);
    let said = run(&bench, &["plan"], &[("SHOP_DB", &dsn)]).code(1);
    assert!(said.stderr.contains("--allow-connections"), "{}", said.stderr);
    assert!(listener.accept().is_err(), "somebody connected");

    drop(listener);
    let said = run(&bench, &["plan", "--allow-connections"], &[("SHOP_DB", &dsn)]).code(1);
    assert!(
        said.stderr.contains("cannot connect to the database of the environment variable SHOP_DB"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("hush"), "{}", said.stderr);
    let said = bench.run(&["plan", "--allow-connections"]).code(1);
    assert!(said.stderr.contains("SHOP_DB is not set"), "{}", said.stderr);
}

#[test]
fn a_query_that_fails_is_no_short_audience() {
    let server = Server::shared();
    server.run("create table kept (id text, city text)");
    let dsn = server.dsn();
    for (query, told) in [
        ("select 'u1' as id, 'Paris' as town -- no city", "`city`"),
        ("select 'u1' as id, 1 as city, 2 as city", "has the column `city` twice"),
        ("select id from nowhere", "relation \"nowhere\" does not exist"),
        ("select $1::text as id, 'x' as city", "has parameters"),
        ("select 1) to program 'true' --", "syntax error"),
        ("create table pwned()", "returns no rows"),
        ("insert into kept values ('u1', 'x') returning id, city", "read-only"),
        (
            "select 'u' || n as id, case when n = 9000 then pg_terminate_backend(pg_backend_pid()) end as city \
             from generate_series(1, 20000) n",
            "terminating connection",
        ),
        (
            "select 'u' || n as id, 1 / (4000 - n) || '' as city from generate_series(1, 9000) n",
            "division by zero",
        ),
    ] {
        let said = run(&with_query(query), &["plan", "--allow-connections"], &[("SHOP_DB", &dsn)]).code(1);
        assert!(said.stderr.contains(told), "{query}:\n{}", said.stderr);
    }
}

#[test]
fn a_connection_is_encrypted_and_its_certificate_checked_where_sslmode_asks() {
    let server = Server::shared();
    let bench = with_query(
        "select 'u1' as id, case when ssl then 'secret' else 'open' end as city from pg_stat_ssl where pid = pg_backend_pid()",
    );
    let (dsn, certificate) = (server.dsn_with_tls(), server.certificate());
    let certificate = certificate.to_str().unwrap();
    let said =
        run(&bench, &["plan", "--allow-connections"], &[("SHOP_DB", &dsn), ("SSL_CERT_FILE", certificate)])
            .code(0);
    assert!(said.stdout.contains("News from secret"), "{}", said.stdout);

    let said = run(&bench, &["plan", "--allow-connections"], &[("SHOP_DB", &dsn)]).code(1);
    assert!(said.stderr.contains("certificate") && said.stderr.contains("SSL_CERT_FILE"), "{}", said.stderr);
}

#[test]
fn a_column_keeps_its_type_and_a_list_may_be_a_query() {
    let server = Server::shared();
    server.run("create domain level as int");
    let folder = tempfile::tempdir().unwrap();
    let dsn = folder.path().join("dsn");
    std::fs::write(&dsn, server.dsn()).unwrap();
    let query = |query: &str| {
        Source::Postgres(Postgres { query: query.to_owned(), dsn: SecretRef::File(dsn.clone()) })
    };
    let columns = [
        ("null::text", Value::Null),
        ("''", Value::Text("")),
        (r"E'a\tb\nc\\N é'", Value::Text("a\tb\nc\\N é")),
        ("true", Value::Bool(true)),
        ("7::int8", Value::Number("7")),
        ("7::level", Value::Number("7")),
        ("-1.50::numeric", Value::Number("-1.50")),
        ("0.1::float8", Value::Number("0.1")),
        ("'NaN'::float8", Value::Text("NaN")),
        ("'{\"a\": [1]}'::jsonb", Value::Json("{\"a\": [1]}")),
        ("date '2026-11-24'", Value::Text("2026-11-24")),
        ("timestamptz '2026-11-24 09:00+08'", Value::Text("2026-11-24 01:00:00+00")),
    ];
    let select: Vec<String> = columns.iter().zip(0..).map(|((sql, _), n)| format!("{sql} as c{n}")).collect();
    let spec = AudienceSpec {
        source: query(&format!("select n as id, {} from generate_series(1, 20000) n", select.join(", "))),
        account: "id".to_owned(),
        filter: None,
        suppress: None,
        exclude: vec![Exclusion {
            source: query("select generate_series(1, 19999)::text as gone"),
            account: "gone".to_owned(),
            filter: None,
        }],
        expect_min: None,
        expect_max: None,
        max_bad_rows: 0.0,
    };
    let carry: Vec<String> = (0..columns.len()).map(|n| format!("c{n}")).collect();
    let audience = audience::read(&spec, &carry, Access::Connections, Keep(None), &|_| {}).unwrap();
    let mut accounts = Vec::new();
    audience
        .each(|recipient| {
            accounts.push(recipient.account().to_owned());
            Ok::<(), pushplan::spill::Error>(())
        })
        .unwrap();
    assert_eq!(accounts, ["20000"]);
    let tuple = audience.tuples().last().expect("somebody's values");
    assert_eq!(audience.values(tuple), columns.map(|(_, value)| value));
    assert_eq!(audience.place(tuple).to_string(), "the query's result:1");
    assert!(
        audience::read(&spec, &carry, Access::Files, Keep(None), &|_| {}).is_err(),
        "no connection without a word"
    );
}
