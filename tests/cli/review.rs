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
    let said = second_run().run(&["plan", "--format", "markdown"]).code(6);
    assert!(!said.stdout.contains("user-0001"), "{}", said.stdout);
    golden("golden/plan.md", &without_times(&said.stdout));
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
    assert!(comment.contains("**This is cut: "), "{}", &comment[comment.len() - 300..]);
}
