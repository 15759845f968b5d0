//! Who may do what to a state in a database: roles and their rights, encryption, formats, and what no message shows.

use pushplan::sandbox::Config;

use crate::bench::{Bench, Said};

/// The rights of a role that runs `apply` and the operator's commands, as the README gives them.
const RUNNER: &str = "CREATE ROLE {role} LOGIN; CREATE SCHEMA pushplan AUTHORIZATION {role};";

/// The rights of a role that runs `plan` and `status`, given before there are tables.
const READER: &str = "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA pushplan TO {role};
                      ALTER DEFAULT PRIVILEGES FOR ROLE {runner} IN SCHEMA pushplan GRANT SELECT ON TABLES TO {role};";

impl Bench {
    /// A role of this database with these rights.
    fn make_role(&self, kind: &str, rights: &str) -> String {
        let role = format!("{kind}_{}", self.place.database);
        let runner = format!("runner_{}", self.place.database);
        self.place.run(&rights.replace("{role}", &role).replace("{runner}", &runner));
        role
    }

    /// From now on the workspace connects as this role; its password is `hush-hush`.
    fn connect_as(&self, role: &str) {
        let url = self.place.server.dsn_of(&self.place.database);
        self.write("state-url", &url.replace("postgres@", &format!("{role}:hush-hush@")));
    }
}

fn bench() -> Bench {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(1_000, 2, "");
    bench
}

#[track_caller]
fn refused(said: Said, words: &str) {
    let said = said.code(1);
    assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
}

#[test]
fn a_role_with_the_readmes_rights_is_enough_and_a_reader_only_reads() {
    let bench = bench();
    let runner = bench.make_role("runner", RUNNER);
    let reader = bench.make_role("reader", READER);
    bench.connect_as(&reader);
    bench.run(&["plan"]).code(0);

    bench.connect_as(&runner);
    bench.apply().code(0);
    bench.run(&["state", "verify"]).code(0);

    bench.connect_as(&reader);
    bench.run(&["plan"]).code(0);
    bench.run(&["status", "c@once"]).code(0);
    refused(bench.apply(), "permission denied");
    refused(bench.run(&["cancel", "c@once"]), "Shared state");
    bench.place.run(&format!("DROP OWNED BY {reader}; DROP OWNED BY {runner}; DROP ROLE {runner}, {reader}"));
}

#[test]
fn a_role_without_rights_is_told_what_it_lacks_and_no_message_shows_the_url() {
    let bench = bench();
    let stranger = bench.make_role("stranger", "CREATE ROLE {role} LOGIN");
    bench.connect_as(&stranger);
    let said = bench.run(&["apply", "--auto-approve", "-vv"]).code(1);
    assert!(
        said.stderr.contains("permission denied") && said.stderr.contains("Shared state"),
        "{}",
        said.stderr
    );
    bench.place.run(&format!("DROP ROLE {stranger}"));
    let gone = bench.run(&["status", "-vv"]).code(1);
    bench.write("state-url", "postgres://me:hush-hush@127.0.0.1:1/db?connect_timeout=1");
    let closed = bench.run(&["status", "-vv"]).code(1);
    bench.write("state-url", "no url, but hush-hush all the same");
    let none = bench.run(&["status", "-vv"]).code(1);
    assert!(none.stderr.contains("holds no connection string"), "{}", none.stderr);
    for said in [said, gone, closed, none] {
        assert!(!format!("{}{}", said.stdout, said.stderr).contains("hush"), "{}", said.stderr);
    }
    assert_eq!(bench.ledger().arrivals.len(), 0);
}

#[test]
fn an_encrypted_connection_checks_the_servers_certificate() {
    let bench = bench();
    let server = &bench.place.server;
    bench.write("state-url", &server.dsn_of(&bench.place.database).replace("disable", "verify-full"));
    refused(bench.run(&["status"]), "certificate");
    let trusting =
        bench.command(&["apply", "--auto-approve"]).env("SSL_CERT_FILE", server.certificate()).output();
    Said::of(trusting.unwrap()).code(0);
}

#[test]
fn a_state_of_an_older_format_is_brought_to_the_newest_by_the_next_apply() {
    let bench = bench();
    bench.apply().code(0);
    // What format 1 was.
    bench.place.run("DROP TABLE pushplan.content; UPDATE pushplan.identity SET format = 1");
    refused(bench.run(&["status"]), "it still has format 1, which the next apply brings to format 2");
    bench.apply().code(0);
    bench.run(&["state", "verify"]).code(0);
    assert!(bench.run(&["status"]).code(0).stdout.contains("finished"));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let bench = bench();
    bench.apply().code(0);
    bench.place.run("UPDATE pushplan.identity SET format = 99");
    for args in [&["status"][..], &["apply", "--auto-approve"], &["pause", "c@once"], &["state", "verify"]] {
        refused(bench.run(args), "has state format 99");
    }
}

#[test]
fn a_database_that_cannot_hold_every_text_is_refused() {
    let bench = bench();
    let latin = format!("latin_{}", bench.place.database);
    bench.place.server.run(&format!("CREATE DATABASE {latin} TEMPLATE template0 ENCODING 'LATIN1'"));
    bench.write("state-url", &bench.place.server.dsn_of(&latin));
    refused(bench.apply(), "LATIN1");
    bench.place.server.drop_database(&latin);
}
