//! `serve`: the cheapest server that an HTTP library allows, so that it is not what is measured. It takes
//! everything, and tells at the end of its input what arrived and when.
//!
//! - `--record FILE` keeps each call's body as a line.
//! - `--latency-min MS --latency-max MS` answers after as long, drawn evenly.
//! - `--rate N` also tells by how much the tightest N + 1 calls took longer than a second.
//! - `--refuse-after N` answers the calls after the first N with a refusal that stops the run.

use std::convert::Infallible;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use hyper::Method;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pushplan::sandbox::{Arrival, max_in_sliding_second};
use tokio::net::TcpListener;

const ACCEPTED: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"TaskId":"batch_1"}"#;
/// "The app's plan has expired" (trtc.io document 34348): no other call of the run would be taken either.
const REFUSED: &str = r#"{"ActionStatus":"FAIL","ErrorInfo":"expired","ErrorCode":60020}"#;

struct Server {
    latency_ms: (u64, u64),
    refuse_after: u64,
    calls: AtomicU64,
    /// When each call arrived, since 1970.
    arrivals: Mutex<Vec<Duration>>,
    record: Option<Mutex<BufWriter<File>>>,
    rate: Option<u64>,
}

pub fn run(args: &[String]) {
    let server = Arc::new(Server {
        latency_ms: (
            super::number(args, "--latency-min").unwrap_or(0),
            super::number(args, "--latency-max").unwrap_or(0),
        ),
        refuse_after: super::number(args, "--refuse-after").unwrap_or(u64::MAX),
        calls: AtomicU64::new(0),
        arrivals: Mutex::default(),
        rate: super::number(args, "--rate"),
        record: super::option(args, "--record")
            .map(|path| Mutex::new(BufWriter::new(File::create(path).expect("a file to record to")))),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let serving = Arc::clone(&server);
    std::thread::spawn(move || runtime.block_on(listen(serving)));
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("the input's end");
    server.tell();
}

async fn listen(server: Arc<Server>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = service_fn(|request| server.answer(request));
            // A client that goes away is the client's affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        // Who asks for the time alone makes no call.
        if request.method() == Method::HEAD {
            return Ok(Response::default());
        }
        let arrived = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        self.arrivals.lock().expect("no panic").push(arrived);
        let body = to_bytes(Body::new(request.into_body()), usize::MAX).await.unwrap_or_default();
        if let Some(record) = &self.record {
            let mut record = record.lock().expect("no panic");
            record.write_all(&body).and_then(|()| record.write_all(b"\n")).expect("a disk with room");
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        if let (min, max @ 1..) = self.latency_ms {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(min..=max))).await;
        }
        Ok(Response::new(Body::from(if number < self.refuse_after { ACCEPTED } else { REFUSED })))
    }

    /// What arrived: how many calls, when the first, in how many seconds, how many in the busiest second, and how
    /// many a second up to the 95th of 100: the last ones may be few that were tried again.
    fn tell(&self) {
        let mut arrivals = self.arrivals.lock().expect("no panic").clone();
        arrivals.sort_unstable();
        let first = arrivals.first().copied().unwrap_or_default();
        let seconds = arrivals.last().copied().unwrap_or_default().saturating_sub(first).as_secs_f64();
        let most = arrivals.len() * 95 / 100;
        let most_seconds =
            arrivals.get(most).copied().unwrap_or_default().saturating_sub(first).as_secs_f64();
        let per_second = if most_seconds > 0.0 { most as f64 / most_seconds } else { 0.0 };
        let since_first: Vec<Arrival> = arrivals
            .iter()
            .map(|at| Arrival { at_us: at.saturating_sub(first).as_micros() as u64, recipients: 1 })
            .collect();
        let busiest = max_in_sliding_second(&since_first).calls;
        let rate = self.rate.map_or(usize::MAX, |rate| rate as usize);
        let spans =
            arrivals.iter().zip(arrivals.iter().skip(rate)).map(|(from, to)| to.saturating_sub(*from));
        let slack_ms = spans.min().map_or(0.0, |span| (span.as_secs_f64() - 1.0) * 1e3);
        if let Some(record) = &self.record {
            record.lock().expect("no panic").flush().expect("a disk with room");
        }
        println!(
            "{{\"calls\": {}, \"first_at\": {:.6}, \"seconds\": {seconds:.6}, \"busiest_second\": {busiest}, \
             \"calls_per_second\": {per_second:.1}, \"slack_ms\": {slack_ms:.3}}}",
            arrivals.len(),
            first.as_secs_f64()
        );
    }
}
