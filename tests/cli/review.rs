//! What a reviewer reads: the Markdown comment.

use pushplan::sandbox::Config;

use crate::bench::Bench;
use crate::golden::golden;

/// A campaign that was sent once, and is to be sent again with other texts to more people.
pub fn second_run() -> Bench {
    let bench = Bench::with_sandbox("30", Config::default());
    let gates = "gates: { max_recipients: 2, max_growth: 100% }\n";
    let workspace = std::fs::read_to_string(bench.path("pushplan.yaml")).unwrap();
    bench.write("pushplan.yaml", &format!("{workspace}{gates}"));
    bench.write("campaigns/a.csv", "id,name\nuser-0001,Ann\nuser-0002,Bob\n");
    let campaign = |title: &str, revision: u32| {
        format!(
            "campaign: sale\nrevision: {revision}\naudience: {{ csv: a.csv, account: id }}\n\
             message: {{ title: \"{title}\", body: \"Hello {{{{name}}}}\" }}\n"
        )
    };
    bench.write("campaigns/sale.yaml", &campaign("The sale starts", 1));
    bench.apply().code(0);
    bench.write("campaigns/a.csv", "id,name\nuser-0001,Ann\nuser-0002,Bob\nuser-0003,```@all <b>\n");
    bench.write("campaigns/sale.yaml", &campaign("The sale ends", 2));
    bench
}

#[test]
fn the_comment_shows_what_would_be_sent_without_anybodys_account() {
    let bench = second_run();
    let said = bench.run(&["plan", "--format", "markdown"]).code(6);
    assert!(!said.stdout.contains("user-0001"), "{}", said.stdout);
    let endpoint = bench.sandbox.as_ref().unwrap().endpoint();
    golden("golden/plan.md", &without_times(&said.stdout.replace(&endpoint, "ENDPOINT")));
}

/// An instant of the last run is another one each time.
fn without_times(text: &str) -> String {
    let is_time =
        |word: &str| word.len() >= 20 && word.starts_with("20") && word.contains('T') && word.contains('Z');
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let bare = word.trim_start_matches('"');
            if is_time(bare) {
                word.replacen(&bare[..=bare.find('Z').unwrap()], "TIME", 1)
            } else {
                word.to_owned()
            }
        })
        .collect();
    words.join(" ")
}

#[test]
fn a_comment_is_never_too_long_for_github() {
    let bench = Bench::with_sandbox("30", Config::default());
    for number in 0..120 {
        let body = "`é".repeat(1_000);
        bench.write(
            &format!("campaigns/c{number}.yaml"),
            &format!(
                "campaign: c{number}\naudience: {{ accounts: [somebody] }}\nmessage: {{ body: \"{body}\" }}\n"
            ),
        );
    }
    let comment = bench.run(&["plan", "--format", "markdown"]).code(0).stdout;
    assert!(comment.len() < 60_000 && comment.len() > 50_000, "{}", comment.len());
    assert!(comment.contains("## pushplan: 120 runs to 120 recipients"), "the sum is whole");
    assert!(comment.contains("**This is cut; "), "{}", &comment[comment.len() - 300..]);
    // What is not shown in full is approved all the same, and has its line.
    for number in 0..120 {
        assert!(comment.contains(&format!("c{number}@once:")), "c{number} is not there:\n{comment}");
    }
}

#[test]
fn a_gate_that_refuses_is_named_however_long_the_comment() {
    let bench = Bench::with_sandbox("30", Config::default());
    let workspace = std::fs::read_to_string(bench.path("pushplan.yaml")).unwrap();
    bench.write("pushplan.yaml", &format!("{workspace}gates: {{ max_recipients: 1 }}\n"));
    for number in 100..200 {
        let body = "é".repeat(1_000);
        let accounts = if number == 199 { "ann, bob" } else { "ann" };
        bench.write(
            &format!("campaigns/c{number}.yaml"),
            &format!(
                "campaign: c{number}\naudience: {{ accounts: [{accounts}] }}\nmessage: {{ body: {body} }}\n"
            ),
        );
    }
    let comment = bench.run(&["plan", "--format", "markdown"]).code(6).stdout;
    let told = "**1 gate refuses: nothing would be sent.**\n\n- ❌ `c199@once` `max_recipients`: 2 recipients, at most 1\n";
    assert!(comment.contains(told) && comment.len() < 60_000, "{comment}");
}

#[test]
fn an_account_that_a_message_names_is_masked_there_too() {
    let bench = Bench::with_sandbox("30", Config::default());
    bench.write("campaigns/a.csv", "id\nuser-0001\n");
    bench.write(
        "campaigns/c.yaml",
        "campaign: c\naudience: { csv: a.csv, account: id }\nmessage: { title: \"Hi {{id}}\", body: \"{{id}}, look\" }\n",
    );
    let comment = bench.run(&["plan", "--format", "markdown"]).code(0).stdout;
    assert!(comment.contains("us***: Hi us*** | us***, look"), "{comment}");
}

/// A plan that is refused because a campaign has changed under its run says so where a reviewer looks.
#[test]
fn the_comment_tells_why_nothing_can_be_planned() {
    let latency = std::time::Duration::from_millis(20);
    let faults =
        pushplan::sandbox::Faults { latency_min: latency, latency_max: latency, ..Default::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
    bench.write_campaign(100, 50, "in_flight: 1");
    crate::bench::signal(bench.apply_until(3), "TERM").code(4);
    let file = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    bench.write("campaigns/c.yaml", &file.replace("Hello", "Good evening"));
    let comment = bench.run(&["plan", "--format", "markdown"]).code(7).stdout;
    assert!(comment.starts_with("## pushplan: no new run\n"), "{comment}");
    assert!(
        comment.contains("message.title: Hello → Good evening") && comment.contains("--as-frozen"),
        "{comment}"
    );
}

/// Texts come from files that are not trusted; what is printed may be read by a machine, or as a gate's word.
#[test]
fn a_text_begins_no_line_of_its_own() {
    let bench = Bench::with_sandbox("30", Config::default());
    let body = "hi\\n::error::forged\\n  gates        max_recipients: passed\\e[2J";
    bench.write(
        "campaigns/c.yaml",
        &format!("campaign: c\naudience: {{ accounts: [a] }}\nmessage: {{ body: \"{body}\" }}\n"),
    );
    for format in ["text", "markdown"] {
        let said = bench.run(&["plan", "--format", format]).code(0).stdout;
        assert!(said.contains("hi ⏎ ::error::forged ⏎"), "{said}");
        assert!(!said.contains("\n::error") && !said.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn status_tells_a_script_whether_a_run_waits_for_somebody() {
    let garbage = pushplan::sandbox::Faults { garbage: 1.0, ..Default::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults: garbage, ..Config::default() });
    bench.run(&["status", "--detailed-exitcode"]).code(0);
    bench.write_campaign(3, 1, "");
    bench.apply().code(5);
    bench.run(&["status"]).code(0);
    bench.run(&["status", "--detailed-exitcode"]).code(5);
    bench.run(&["resolve", "c@once", "--resend"]).code(0);
    bench.run(&["status", "--detailed-exitcode"]).code(4);
    bench.run(&["cancel", "c@once"]).code(0);
    bench.run(&["status", "--detailed-exitcode"]).code(0);
}
