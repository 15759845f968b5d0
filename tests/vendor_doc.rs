//! Holds the table of codes in `docs/vendor.md` to what the client makes of them, asked over a real connection.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use pushplan::timpush::{Call, Client, ClientConfig};

/// What the vendor numbers its refusals with, as far as its tables go.
const NUMBERED: [std::ops::Range<i64>; 6] =
    [60_000..60_040, 70_000..70_510, 80_000..80_010, 90_000..90_060, 90_990..91_005, 93_000..93_005];

/// Code to class, as the page says it; the last row's codes are examples.
fn documented() -> BTreeMap<i64, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/vendor.md");
    let page = std::fs::read_to_string(path).expect("readable");
    let (_, codes) = page.split_once("### Codes\n").expect("the page has the section");
    let mut documented = BTreeMap::new();
    for row in codes.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for code in cells[2].split_whitespace().filter_map(|word| word.parse().ok()) {
            let twice = documented.insert(code, cells[1].trim_matches('`').to_owned());
            assert_eq!(twice, None, "{code} stands in two rows");
        }
    }
    documented
}

/// A server that refuses each call with the code that the call has for its MsgRandom.
fn refuse_by_msg_random() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // The client closes when it is done.
            let _ = stream.and_then(answer_all);
        }
    });
    endpoint
}

fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    let mut requests = BufReader::new(stream.try_clone()?);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while requests.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut body = vec![0; length];
        requests.read_exact(&mut body)?;
        let body: serde_json::Value = serde_json::from_slice(&body)?;
        let answer = format!(
            r#"{{"ActionStatus":"FAIL","ErrorInfo":"","ErrorCode":{},"TaskId":""}}"#,
            body["MsgRandom"]
        );
        // In one piece: the second of two small ones would wait for an acknowledgement.
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        stream.write_all(answer.as_bytes())?;
    }
}

#[tokio::test]
async fn the_page_gives_every_code_the_class_that_it_has() {
    let client = Client::new(ClientConfig {
        endpoint: refuse_by_msg_random(),
        sdk_app_id: 1_400_000_000,
        identifier: "administrator".to_owned(),
        secret: "any".into(),
        timeout: Duration::from_secs(60),
        in_flight: 1,
    })
    .expect("a client");
    let documented = documented();
    assert!(documented.len() > 50, "{documented:?}");
    let mut wrong = Vec::new();
    for code in NUMBERED.into_iter().flatten().chain(documented.keys().copied()) {
        let msg_random = u32::try_from(code).expect("a code is not negative");
        let call = Call::new("administrator", r#"["ann"]"#, msg_random, "{}", "sale/once/1");
        let class = client.batch(&call).await.class();
        let page = documented.get(&code).map_or("rejected", String::as_str);
        if class != page {
            wrong.push(format!("{code} is {class}, and the page says {page}"));
        }
    }
    assert!(wrong.is_empty(), "docs/vendor.md:\n{}", wrong.join("\n"));
}
