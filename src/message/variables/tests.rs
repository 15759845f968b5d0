//! Which variables are found, what is refused, and that nothing missing gets through.

use crate::message::helpers::{EXAMPLE_ROW, HELPERS};
use crate::message::template::Template;
use crate::message::template::tests::{mistakes, render};

fn variables(template: &str) -> Vec<String> {
    let mut names: Vec<String> = Template::compile(template)
        .unwrap_or_else(|mistakes| panic!("{template}: {mistakes:?}"))
        .variables
        .into_iter()
        .map(|variable| {
            assert!(template[variable.at.clone()].contains(&variable.name), "{template}: {variable:?}");
            variable.name
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn every_helper_does_what_its_example_says() {
    for helper in HELPERS {
        assert_eq!(render(helper.example, EXAMPLE_ROW).unwrap(), helper.result, "{}", helper.name);
    }
}

#[test]
fn finds_variables_wherever_they_stand() {
    for (template, expected) in [
        ("{{a}} {{{b}}} {{& c}} {{! d }} {{!-- {{e}} --}}", &["a", "b", "c"][..]),
        ("{{this.a}} {{./b}} {{@root.c}} {{@root/d}} {{[e f]}}", &["a", "b", "c", "d", "e f"]),
        ("{{a.b.c}} {{d/e}} {{f.[0]}}", &["a", "d", "f"]),
        ("{{upper a}} {{default b c \"d\"}} {{date e f tz=g}}", &["a", "b", "c", "e", "f", "g"]),
        ("{{upper (default (lower a) b)}}", &["a", "b"]),
        ("{{#if a}}{{b}}{{else if c}}{{d}}{{else}}{{e}}{{/if}}", &["a", "b", "c", "d", "e"]),
        ("{{#if (and (gt a 1) b)}}{{#unless c}}x{{/unless}}{{/if}}", &["a", "b", "c"]),
        (
            "{{#each a as |i n|}}{{i.x}}{{n}}{{this}}{{y}}{{@index}}{{@root.b}}{{else}}{{c}}{{/each}}",
            &["a", "b", "c"],
        ),
        ("{{#with a}}{{x}}{{#if y}}{{upper z}}{{/if}}{{@root.b}}{{/with}}{{c}}", &["a", "b", "c"]),
    ] {
        assert_eq!(variables(template), expected, "{template}");
    }
}

#[test]
fn what_cannot_be_known_before_a_row_is_refused_with_the_reason() {
    for (template, expected) in [
        ("{{this}}", "`this` is the whole row here, not a column"),
        ("{{../a}}", "`../a` climbs out of its block"),
        ("{{#each a}}{{../b}}{{/each}}", "`../b` climbs out of its block"),
        ("{{@index}}", "there is no `@index` here"),
        ("{{lookup a b}}", "`lookup` is not supported: what it finds is known only when a row is there"),
        ("{{> part}}", "there are no partials"),
        ("{{* inline}}", "there are no decorators"),
        ("{{(upper a)}}", "the name of a helper cannot be computed"),
        ("{{#each a}}{{#each b}}{{/each}}{{/each}}", "an `each` stands inside another"),
        ("{{#each a}}{{#with b}}{{#each c}}{{/each}}{{/with}}{{/each}}", "an `each` stands inside another"),
        ("{{{{raw}}}}{{a}}{{{{/raw}}}}", "unknown helper `raw`"),
        ("{{#a}}x{{/a}}", "unknown helper `a`"),
    ] {
        assert_eq!(mistakes(template), [expected], "{template}");
    }
}

#[test]
fn helpers_are_held_to_their_arguments() {
    for (template, expected) in [
        ("{{uper a}}", "unknown helper `uper`"),
        ("{{upper}}", "`upper` is a helper and has no arguments here"),
        ("{{upper a b}}", "`upper` takes 1 arguments, not 2"),
        ("{{default a}}", "`default` takes 2 to 8 arguments, not 1"),
        ("{{number a decimal=2}}", "`number` has no option `decimal`"),
        ("{{#upper a}}x{{/upper}}", "`upper` is no block"),
        ("{{if a}}", "`if` is a block"),
        ("{{#if}}x{{/if}}", "`if` takes 1 arguments, not 0"),
        ("{{#if a as |b|}}x{{/if}}", "`if` gives no block parameter"),
        ("{{upper (a)}}", "brackets hold a helper with arguments"),
    ] {
        assert_eq!(mistakes(template), [expected], "{template}");
    }
}

#[test]
fn all_mistakes_come_at_once_each_at_its_place() {
    let template = "{{uper a}} {{#if (lowr b)}}{{> c}}{{/if}}";
    let mistakes = Template::compile(template).unwrap_err();
    let parts: Vec<&str> = mistakes.iter().map(|mistake| &template[mistake.at.clone()]).collect();
    assert_eq!(parts, ["uper", "lowr", "c"]);
    assert_eq!(mistakes[0].help.as_deref(), Some("did you mean `upper`?"));
}

#[test]
fn a_column_may_have_the_name_of_a_helper() {
    assert_eq!(render("{{this.date}} {{upper date}}", r#"{"date":"x"}"#).unwrap(), "x X");
    assert_eq!(render("{{log}} {{need}} {{print}}", r#"{"log":1,"need":2,"print":3}"#).unwrap(), "1 2 3");
}

#[test]
fn missing_and_null_are_errors_wherever_a_template_looks() {
    for template in [
        "{{a}}",
        "{{#if true}}{{a}}{{/if}}",
        "{{#if a}}{{/if}}",
        "{{#unless a}}{{/unless}}",
        "{{#each a}}{{/each}}",
        "{{#with a}}{{/with}}",
        "{{#if (and a b)}}{{/if}}",
        "{{#if (not a)}}{{/if}}",
        "{{#if b}}{{else if a}}{{/if}}",
        "{{upper a}}",
        "{{upper (lower a)}}",
        "{{default b a}}",
    ] {
        for (row, why) in [(r#"{"b":""}"#, "missing"), (r#"{"b":"","a":null}"#, "null")] {
            let error = render(template, row).expect_err(template).to_string();
            assert!(error.starts_with(&format!("/t: `a` is {why}; ")), "{template}: {error}");
        }
    }
}

#[test]
fn missing_and_null_inside_a_value_are_errors_too() {
    for (template, row, expected) in [
        ("{{a.b}}", r#"{"a":{}}"#, "/t: `a.b` is missing; "),
        ("{{a.b}}", r#"{"a":{"b":null}}"#, "/t: `a.b` is null; "),
        ("{{#each a}}{{this}}{{/each}}", r#"{"a":[1,null]}"#, "/t: `this` is null; "),
        ("{{#each a as |i|}}{{i.b}}{{/each}}", r#"{"a":[{"b":1},{}]}"#, "/t: `i.b` is missing; "),
        ("{{#with a}}{{#if b}}x{{/if}}{{/with}}", r#"{"a":{"c":1}}"#, "/t: `b` is missing; "),
    ] {
        let error = render(template, row).expect_err(template).to_string();
        assert!(error.starts_with(expected), "{template}: {error}");
    }
}

#[test]
fn a_list_or_an_object_is_not_printed() {
    for template in ["{{a}}", "{{upper a}}", "{{#if true}}{{a}}{{/if}}"] {
        let error = render(template, r#"{"a":{"b":1}}"#).expect_err(template).to_string();
        assert_eq!(error, "/t: `a` is a list or an object, not text; name one field of it");
    }
}

#[test]
fn a_branch_not_taken_needs_no_value() {
    assert_eq!(render("{{#if vip}}{{gift}}{{else}}hi{{/if}}", r#"{"vip":false}"#).unwrap(), "hi");
}
