//! A machine whose clock is wrong is told so before it sends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use crate::bench::Bench;

/// A server that accepts every call and tells this time of day, if any.
fn server(date: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let date = date.map_or(String::new(), |date| format!("Date: {date}\r\n"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            assert!(head.starts_with("post") || !head.contains("usersig"), "{head}");
            let answer = if head.starts_with("post") {
                r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"TaskId":"batch_1"}"#
            } else {
                ""
            };
            let length = answer.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\n{date}Connection: close\r\nContent-Length: {length}\r\n\r\n{answer}"
            );
            reader.into_inner().write_all(answer.as_bytes()).unwrap();
        }
    });
    endpoint
}

fn apply(date: Option<&'static str>) -> String {
    let bench = Bench::with_endpoint("unlimited", &server(date));
    bench.write_campaign(1, 1, "");
    let said = bench.apply().code(0);
    assert!(
        said.stdout.ends_with("1 planned = 1 accepted + 0 failed + 0 in doubt + 0 skipped + 0 remaining\n")
    );
    said.stderr
}

#[test]
fn a_clock_that_is_far_from_the_servers_is_warned_of() {
    let said = apply(Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert!(said.contains("warning: this machine's clock is "), "{said}");
    assert!(said.contains(" ahead of the one of app shop's server"), "{said}");
    let said = apply(Some("Fri, 06 Nov 2893 08:49:37 GMT"));
    assert!(said.contains(" behind the one of app shop's server"), "{said}");
}

#[test]
fn a_server_that_tells_no_time_is_sent_to_all_the_same() {
    assert!(!apply(None).contains("clock"));
}

#[test]
fn a_clock_that_agrees_is_not_spoken_of() {
    let bench = Bench::with_sandbox("unlimited", pushplan::sandbox::Config::default());
    bench.write_campaign(1, 1, "");
    assert!(!bench.apply().code(0).stderr.contains("clock"));
}
