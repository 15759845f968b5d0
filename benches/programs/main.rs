//! The programs that `benches/run` measures beside `pushplan`: each is one side of a comparison, or the server
//! between two sides. They are run by hand as `cargo bench --bench programs -- NAME …`.

#![allow(missing_docs, reason = "a program, not a library")]

mod journal;
mod load;
mod scan;
mod serve;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let (name, args) = args.split_first().expect("usage: programs scan|serve|load|journal …");
    match name.as_str() {
        "scan" => scan::run(args),
        "serve" => serve::run(args),
        "load" => load::run(args),
        "journal" => journal::run(args),
        other => panic!("there is no program {other}"),
    }
}

/// The value after `--name`, where it is given.
fn option<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == name)?;
    Some(args.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")))
}

/// As [`option`], for a number.
fn number(args: &[String], name: &str) -> Option<u64> {
    option(args, name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} needs a number")))
}
