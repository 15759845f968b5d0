//! `load URL BODIES`: posts each line of a file, 64 calls in flight, and does nothing else: what `oha` does with
//! `-Z`, for machines on which it cannot be installed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

const IN_FLIGHT: usize = 64;

pub fn run(args: &[String]) {
    let [url, bodies] = args else { panic!("usage: load URL BODIES") };
    let bodies = Bytes::from(std::fs::read(bodies).expect("a file of bodies"));
    let lines: Arc<[Bytes]> = bodies
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| bodies.slice_ref(line))
        .collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let next = Arc::new(AtomicUsize::new(0));
        let workers = (0..IN_FLIGHT).map(|_| {
            let (client, url, lines, next) =
                (client.clone(), url.clone(), Arc::clone(&lines), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(body) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = client.post(&url).body(body.clone()).send().await.expect("an answer");
                    answer.bytes().await.expect("an answer's body");
                }
            })
        });
        futures_util::future::join_all(workers).await;
    });
}
