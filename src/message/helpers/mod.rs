//! What a template can call. [`HELPERS`] is the one list: the checks, the documentation and the tests read it.
//!
//! Every helper is strict: a missing or null argument is an error, and so is one it cannot read. Only
//! `default` may look at a value that is not there.

mod call;
mod compare;
mod date;
mod number;
mod strict;
mod text;

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use handlebars::Handlebars;

use call::{Check, Own, Run};

pub(super) use call::Given;
pub(super) use strict::{NEED, PRINT};

/// A helper of the template language.
#[derive(Debug)]
pub struct Helper {
    /// Its name in a template.
    pub name: &'static str,
    /// What it does, and what it refuses.
    pub about: &'static str,
    /// A template, over the columns of [`EXAMPLE_ROW`].
    pub example: &'static str,
    /// What the example comes to.
    pub result: &'static str,
    pub(super) block: bool,
    pub(super) params: RangeInclusive<usize>,
    pub(super) options: &'static [&'static str],
    pub(super) kind: Kind,
}

/// Who runs a helper.
#[derive(Debug)]
pub(super) enum Kind {
    /// Handlebars itself. Its helpers let missing and null values pass, so their arguments are wrapped in
    /// [`NEED`] when a template is compiled.
    Engine,
    /// This crate: what a call's literal arguments can be held to before there is a row, and the call.
    Own { check: Option<Check>, run: Run },
}

/// The row that the examples of [`HELPERS`] run on, as JSON.
pub const EXAMPLE_ROW: &str = r#"{"city":"Lyon","nick":"","orders":"12","spent":"1234567.5","vip":true,
    "due":"2026-11-24T18:30:00Z","items":["tea","jam"],"address":{"city":"Paris"}}"#;

const fn engine_helper(
    name: &'static str,
    about: &'static str,
    example: &'static str,
    result: &'static str,
) -> Helper {
    Helper { name, about, example, result, block: true, params: 1..=1, options: &[], kind: Kind::Engine }
}

/// All helpers, in the order in which documentation shows them.
pub const HELPERS: &[Helper] = &[
    Helper {
        name: "default",
        about: "The first value that is there: not missing, not null, not empty. The last one must be",
        example: r#"Hi {{default nick "friend"}}"#,
        result: "Hi friend",
        block: false,
        params: 2..=8,
        options: &[],
        kind: Kind::Own { check: None, run: strict::default },
    },
    Helper {
        name: "upper",
        about: "Upper case, by Unicode's rules for no language in particular",
        example: "{{upper city}}",
        result: "LYON",
        block: false,
        params: 1..=1,
        options: &[],
        kind: Kind::Own { check: None, run: text::upper },
    },
    Helper {
        name: "lower",
        about: "Lower case, by Unicode's rules for no language in particular",
        example: "{{lower city}}",
        result: "lyon",
        block: false,
        params: 1..=1,
        options: &[],
        kind: Kind::Own { check: None, run: text::lower },
    },
    Helper {
        name: "truncate",
        about: "At most so many characters as a reader counts them (an emoji is one), the ending included; \
                `end` is what marks the cut, `…` by default",
        example: "{{truncate city 3}} {{truncate city 3 end=\"\"}}",
        result: "Ly… Lyo",
        block: false,
        params: 2..=2,
        options: &["end"],
        kind: Kind::Own { check: Some(text::check_truncate), run: text::truncate },
    },
    Helper {
        name: "date",
        about: "A date, a date and time (ISO 8601) or unix seconds, by a strftime format with English names. \
                An instant is shown in `tz` (IANA, UTC by default); a date or time without an offset is \
                shown as it is written",
        example: "{{date due \"%A %-d %B, %H:%M\" tz=\"Europe/Paris\"}}",
        result: "Tuesday 24 November, 19:30",
        block: false,
        params: 2..=2,
        options: &["tz"],
        kind: Kind::Own { check: Some(date::check), run: date::date },
    },
    Helper {
        name: "number",
        about: "A number with its thousands separated; `decimals` (0 to 20) rounds half away from zero and \
                fills up, `thousands` and `point` are the separators, `,` and `.` by default",
        example: r#"{{number spent}} {{number spent decimals=2 thousands="." point=","}}"#,
        result: "1,234,567.5 1.234.567,50",
        block: false,
        params: 1..=1,
        options: &["decimals", "thousands", "point"],
        kind: Kind::Own { check: Some(number::check), run: number::number },
    },
    engine_helper(
        "if",
        "The block where the value is true: not false, 0, empty text or an empty list. The texts `false` and \
         `0`, as a CSV file has them, are not empty: write `(eq opted_in true)`",
        "{{#if vip}}Dear member{{else}}Hello{{/if}}",
        "Dear member",
    ),
    engine_helper(
        "unless",
        "The block where `if` would not write it",
        "{{#unless vip}}Join us{{else}}Welcome back{{/unless}}",
        "Welcome back",
    ),
    engine_helper(
        "each",
        "The block for every item of a list, which is `this` in it; not inside another `each`",
        "{{#each items as |item|}}{{item}}{{#unless @last}}, {{/unless}}{{/each}}",
        "tea, jam",
    ),
    engine_helper(
        "with",
        "The block with an object's fields as its variables; columns are `@root.column` in it",
        "{{#with address}}{{city}}{{/with}}",
        "Paris",
    ),
    comparison("eq", "Equal", r#"{{#if (eq city "Lyon")}}Bonjour{{/if}}"#, "Bonjour", compare::eq),
    comparison("ne", "Not equal", "{{#if (ne orders 0)}}Thank you{{/if}}", "Thank you", compare::ne),
    comparison("lt", "Less than", "{{lt orders 3}}", "false", compare::lt),
    comparison("lte", "Less than or equal", "{{lte orders 12}}", "true", compare::lte),
    comparison("gt", "Greater than", "{{gt orders 3}}", "true", compare::gt),
    comparison("gte", "Greater than or equal", "{{gte orders 13}}", "false", compare::gte),
    logic(
        "and",
        "Are all true, as `if` sees it",
        2..=8,
        "{{#if (and vip (gt orders 9))}}Gold{{/if}}",
        "Gold",
    ),
    logic("or", "Is one true, as `if` sees it", 2..=8, "{{#if (or vip nick)}}yes{{/if}}", "yes"),
    logic("not", "Is it not true, as `if` sees it", 1..=1, "{{#if (not nick)}}no nick{{/if}}", "no nick"),
];

const fn comparison(
    name: &'static str,
    about: &'static str,
    example: &'static str,
    result: &'static str,
    run: Run,
) -> Helper {
    let kind = Kind::Own { check: None, run };
    Helper { name, about, example, result, block: false, params: 2..=2, options: &[], kind }
}

const fn logic(
    name: &'static str,
    about: &'static str,
    params: RangeInclusive<usize>,
    example: &'static str,
    result: &'static str,
) -> Helper {
    Helper { name, about, example, result, block: false, params, options: &[], kind: Kind::Engine }
}

/// The helper of this name.
pub(super) fn find(name: &str) -> Option<&'static Helper> {
    HELPERS.iter().find(|helper| helper.name == name)
}

/// The engine with the helpers. It holds no template and never changes.
pub(super) fn engine() -> &'static Handlebars<'static> {
    static ENGINE: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
        let mut engine = Handlebars::new();
        engine.register_escape_fn(handlebars::no_escape);
        for helper in HELPERS {
            if let Kind::Own { run, .. } = helper.kind {
                engine.register_helper(helper.name, Box::new(Own(run)));
            }
        }
        engine.register_helper(NEED, Box::new(Own(strict::need)));
        engine.register_helper(PRINT, Box::new(Own(strict::print)));
        engine
    });
    &ENGINE
}
