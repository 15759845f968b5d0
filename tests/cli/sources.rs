//! Sources beyond files, through the real binary: what is run or opened, and what only with a person's word.

use pushplan::sandbox::Config;

use crate::bench::Bench;

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
