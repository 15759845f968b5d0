//! Servers that no HTTP library would build: each is a script over a TCP connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use pushplan::outcome::Outcome;

use super::*;

const ACCEPTED: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"TaskId":"batch_1"}"#;

/// Runs the script on each connection, one after the other, and hands out what it returns. The thread ends
/// with the test's process.
fn serve<T: Send + 'static>(
    mut script: impl FnMut(TcpStream) -> T + Send + 'static,
) -> (String, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver): (Sender<T>, _) = channel();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            if sender.send(script(stream)).is_err() {
                break;
            }
        }
    });
    (endpoint, receiver)
}

/// Reads one request whole and returns its first line; empty where the client hung up instead.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return text.lines().next().unwrap_or_default().to_owned();
            }
        }
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => request.extend_from_slice(&chunk[..read]),
            Ok(0) | Err(_) => return String::new(),
        }
    }
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The outcome of a call that is read whole and then answered with these bytes and an orderly close.
async fn answered_with(bytes: impl Into<Vec<u8>>) -> Outcome {
    let bytes = bytes.into();
    let (endpoint, _served) = serve(move |mut stream| {
        read_request(&mut stream);
        // The client may hang up first, where it has seen enough.
        let _ = stream.write_all(&bytes);
    });
    send(&client(endpoint, PATIENT)).await
}

#[tokio::test]
async fn an_answer_that_is_not_whole_is_in_doubt() {
    for bytes in [
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-Le".to_owned(),
        answer(""),
        answer("hello"),
        answer(ACCEPTED).replace('}', ""),
        "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".to_owned() + ACCEPTED,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_owned(),
        "SMTP ready\r\n".to_owned(),
    ] {
        let outcome = answered_with(bytes.clone()).await;
        assert_eq!(outcome.class(), "in_doubt", "{bytes:?}: {outcome:?}");
    }
    assert_eq!(answered_with(answer(ACCEPTED)).await.class(), "accepted");
}

#[tokio::test]
async fn a_huge_answer_is_in_doubt_and_not_kept() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n".to_owned();
    let outcome = answered_with(head + &" ".repeat(2 << 20) + ACCEPTED).await;
    assert_eq!(outcome.class(), "in_doubt");
    assert!(outcome.answer().unwrap().text.contains("longer than"), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_of_500_failures_is_read_whole() {
    let accounts: Vec<String> = (0..500).map(|i| format!("user-{i:0>100}")).collect();
    let errors: Vec<_> = accounts
        .iter()
        .map(|a| serde_json::json!({ "ErrorCode": 70107, "ErrorInfo": "x".repeat(500), "To_Account": a }))
        .collect();
    let body =
        serde_json::json!({ "ActionStatus": "OK", "ErrorCode": 0, "TaskId": "b", "ErrorList": errors });
    let bytes = answer(&body.to_string());
    let (endpoint, _served) = serve(move |mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(bytes.as_bytes());
    });
    let accounts = serde_json::to_string(&accounts).unwrap();
    let outcome = client(endpoint, PATIENT).batch(&call(1, &accounts)).await;
    let Outcome::Accepted { failed, .. } = outcome else { panic!("{}", outcome.class()) };
    assert_eq!(failed.len(), 500);
}

#[tokio::test]
async fn an_answer_that_drips_past_the_time_is_in_doubt() {
    let (endpoint, _served) = serve(|mut stream| {
        read_request(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
        let mut drops = head.bytes().chain(std::iter::repeat(b' '));
        while stream.write_all(&[drops.next().unwrap_or(b' ')]).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let outcome = send(&client(endpoint, IMPATIENT)).await;
    assert_eq!(outcome.class(), "in_doubt");
    assert!(outcome.answer().unwrap().text.contains("no answer within"), "{outcome:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let outcome = answered_with("HTTP/1.1 307 x\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(outcome.class(), "in_doubt");
    assert!(outcome.answer().unwrap().text.contains("307"), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_cannot_be_talked_to_is_not_reached() {
    // Port 1 is never given to a test's own server, and nothing else answers there.
    let refused = send(&client("http://127.0.0.1:1", PATIENT)).await;
    assert_eq!(refused.class(), "unreached", "{refused:?}");

    let dns = send(&client("https://no-such-host.invalid", PATIENT)).await;
    assert_eq!(dns.class(), "unreached", "{dns:?}");

    let (plain, _served) = serve(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        // Wait for the client to give up, for closing at once could reset what was just written.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let tls = send(&client(plain.replace("http:", "https:"), PATIENT)).await;
    assert_eq!(tls.class(), "unreached", "{tls:?}");
}

#[tokio::test]
async fn a_call_carries_what_the_vendor_asks_for() {
    let (endpoint, requests) = serve(|mut stream| {
        let request = read_request(&mut stream);
        stream.write_all(answer(ACCEPTED).as_bytes()).unwrap();
        request
    });
    assert_eq!(send(&client(endpoint, PATIENT)).await.class(), "accepted");
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /v4/timpush/batch?usersig="), "{request}");
    for part in ["&identifier=administrator", "&sdkappid=1400000000", "&contenttype=json", "&random="] {
        assert!(request.contains(part), "{part} in {request}");
    }
}

#[tokio::test]
async fn a_usersig_that_the_server_repeats_is_cut_out() {
    let (endpoint, requests) = serve(|mut stream| {
        let request = read_request(&mut stream);
        let echo = serde_json::json!({ "ActionStatus": "FAIL", "ErrorCode": 90001, "ErrorInfo": request });
        stream.write_all(answer(&echo.to_string()).as_bytes()).unwrap();
        request
    });
    let outcome = client(endpoint, PATIENT).batch(&call(1, r#"["ann"]"#)).await;
    let request = requests.recv().unwrap();
    let usersig = request.split_once("usersig=").and_then(|(_, rest)| rest.split_once('&')).unwrap().0;
    assert_eq!(outcome.class(), "rejected");
    let shown = format!("{outcome:?}");
    assert!(shown.contains("usersig=[UserSig]&"), "{shown}");
    assert!(!shown.contains(usersig), "{shown}");
}

#[tokio::test]
async fn a_call_whose_idle_connection_was_closed_goes_out_on_a_fresh_one() {
    // The server closes the connection after the first answer and waits until the client has closed its
    // side too; so the second call finds a pool in which the connection is known to be gone.
    let (endpoint, requests) = serve(|mut stream| {
        let request = read_request(&mut stream);
        stream.write_all(answer(ACCEPTED).as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        request
    });
    let client = client(endpoint, PATIENT);
    for _ in 0..20 {
        assert_eq!(send(&client).await.class(), "accepted");
        // The runtime has to go on meanwhile: it is the client's connection that notices the close.
        while requests.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_meets_a_closing_connection_is_not_sent_twice_and_not_wrongly_called_unsent() {
    // As above, but the next call does not wait, and so meets the close at any moment. Whatever it comes to,
    // it must agree with the number of requests that the server has read.
    let (endpoint, requests) = serve(|mut stream| {
        let mut read = 0;
        if !read_request(&mut stream).is_empty() {
            read += 1;
            let _ = stream.write_all(answer(ACCEPTED).as_bytes());
            let _ = stream.shutdown(Shutdown::Write);
            read += usize::from(!read_request(&mut stream).is_empty());
        }
        read
    });
    let client = client(endpoint, PATIENT);
    let (mut accepted, mut in_doubt) = (0, 0);
    for _ in 0..200 {
        match send(&client).await.class() {
            "accepted" => accepted += 1,
            "in_doubt" => in_doubt += 1,
            "unreached" => {}
            other => panic!("{other}"),
        }
    }
    drop(client);
    let read: usize = requests.try_iter().sum();
    assert!(
        (accepted..=accepted + in_doubt).contains(&read),
        "{accepted} accepted, {in_doubt} in doubt, {read} read"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_up_first_was_reached_only_where_it_read_something() {
    let (endpoint, read) = serve(|mut stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap_or(1)
    });
    let client = client(endpoint, PATIENT);
    for _ in 0..100 {
        let outcome = send(&client).await;
        match outcome.class() {
            "unreached" => assert_eq!(read.recv().unwrap(), 0, "{outcome:?}"),
            "in_doubt" => assert!(read.recv().is_ok()),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_call_read_on_a_reused_connection_and_then_dropped_is_in_doubt() {
    let (endpoint, _served) = serve(|mut stream| {
        read_request(&mut stream);
        stream.write_all(answer(ACCEPTED).as_bytes()).unwrap();
        read_request(&mut stream);
    });
    let client = client(endpoint, PATIENT);
    assert_eq!(send(&client).await.class(), "accepted");
    let outcome = send(&client).await;
    assert_eq!(outcome.class(), "in_doubt", "{outcome:?}");
}
