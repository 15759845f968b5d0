//! The sandbox's HTTP server: connections, the rules that span calls (rate, duplicates), and faults.
//!
//! It stands on hyper's connections rather than on axum's server, because only a connection of one's own can
//! be broken from within a handler.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Query as QueryOf;
use axum::http::{Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::Config;
use super::faults::{Dice, Fault, Throw};
use super::ledger::{Arrival, Delivery, Ledger};
use super::rules::{self, Batch, Doorman, Refusal};
use crate::timpush::answer::{ActionStatus, BatchAnswer, ErrorEntry};

/// Longest body that is read.
const LONGEST_BODY: usize = 1 << 20;

const NOT_IMPORTED: i64 = 70107;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Server {
    config: Config,
    doorman: Doorman,
    start: Instant,
    state: Mutex<State>,
}

/// What the calls so far leave behind for those to come.
#[derive(Debug)]
struct State {
    dice: Dice,
    window: Window,
    ledger: Ledger,
}

/// The calls let in within the last second.
#[derive(Debug, Default)]
struct Window {
    calls: VecDeque<Arrival>,
    recipients: u64,
    /// MsgRandom → when it was last carried out. Entries older than a second stay until the map is swept.
    seen: HashMap<u32, u64>,
}

/// The connection is to be reset.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox breaks the connection")]
struct Reset;

/// Takes connections until it is dropped.
pub(super) async fn listen(listener: std::net::TcpListener, server: Arc<Server>) {
    let listener =
        TcpListener::from_std(listener).expect("the runtime has its I/O driver, and the socket is one");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&server)));
            }
            Err(error) => {
                // Mostly a lack of file descriptors, which passes.
                tracing::warn!(%error, "the sandbox cannot take a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>) {
    // Without it, an answer may wait for the client's delayed acknowledgement; it is no worse than slow.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| server.answer(request));
    let mut http = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let reset = (&mut http).await.is_err_and(|error| {
        std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<Reset>)
    });
    if reset {
        // Closing without lingering sends a reset in place of an orderly end.
        let _ = http.into_parts().io.into_inner().set_zero_linger();
    }
}

impl Server {
    pub(super) fn new(config: Config) -> Self {
        Self {
            doorman: Doorman::new(config.app.clone()),
            start: Instant::now(),
            state: Mutex::new(State {
                dice: Dice::new(config.faults.clone()),
                window: Window::default(),
                ledger: Ledger::default(),
            }),
            config,
        }
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).ledger.clone()
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Reset> {
        let (head, body) = request.into_parts();
        if head.method == Method::HEAD {
            // No call: somebody compares clocks by the `Date` that every answer has.
            return Ok(page(StatusCode::OK));
        }
        let Ok(body) = to_bytes(Body::new(body), LONGEST_BODY).await else {
            return Ok(page(StatusCode::PAYLOAD_TOO_LARGE));
        };
        let (throw, answer) = {
            let batch = self.check(&head.method, &head.uri).and_then(|()| rules::read(&body));
            self.decide(batch)
        };
        tokio::time::sleep(throw.latency).await;
        match throw.fault {
            None | Some(Fault::Throttle) => Ok(json(answer)),
            Some(Fault::ResetBefore | Fault::ResetAfter) => Err(Reset),
            Some(Fault::BadGateway) => Ok(page(StatusCode::BAD_GATEWAY)),
            Some(Fault::Unavailable) => Ok(page(StatusCode::SERVICE_UNAVAILABLE)),
            Some(Fault::GatewayTimeout) => Ok(page(StatusCode::GATEWAY_TIMEOUT)),
            Some(Fault::Garbage) => Ok(json("<html>It works!</html>")),
            Some(Fault::Truncated) => Ok(cut(answer)),
            Some(Fault::Hang) => std::future::pending().await,
        }
    }

    fn check(&self, method: &Method, uri: &axum::http::Uri) -> Result<(), Refusal> {
        rules::check_target(method == Method::POST, uri.path())?;
        let query = QueryOf::<rules::Query>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
        let now = jiff::Timestamp::now().as_second();
        self.doorman.check(&query, now.try_into().unwrap_or(0))
    }

    /// Throws the dice over a call, carries it out where they let it, and writes its answer.
    fn decide(&self, batch: Result<Batch, Refusal>) -> (Throw, Vec<u8>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let at_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let throw = state.dice.throw();
        if let Some(fault) = throw.fault {
            *state.ledger.faults.entry(fault).or_default() += 1;
        }
        let taken = batch.and_then(|batch| {
            if self.config.record {
                state.ledger.arrivals.push(Arrival { at_us, recipients: count(&batch) });
            }
            match throw.fault {
                Some(Fault::Throttle) => Err(Refusal { code: 60007, text: "calls are too frequent" }),
                // Nobody will read what is answered.
                _ if !throw.acts => Ok(Vec::new()),
                _ => self.carry_out(&mut state, at_us, &batch),
            }
        });
        let answer = taken.unwrap_or_else(|Refusal { code, text }| {
            *state.ledger.refused.entry(code).or_default() += 1;
            write(ActionStatus::Fail, code, text, "", None)
        });
        (throw, answer)
    }

    fn carry_out(&self, state: &mut State, at_us: u64, batch: &Batch) -> Result<Vec<u8>, Refusal> {
        let State { window, ledger, .. } = state;
        let recipients = count(batch);
        window.let_in(
            Arrival { at_us, recipients },
            self.config.calls_per_second,
            self.config.recipients_per_second,
        )?;
        let missing = |account: &rules::Account| self.config.missing.contains(account.0.as_ref());
        let errors: Vec<ErrorEntry> = batch
            .accounts
            .iter()
            .filter(|account| missing(account))
            .map(|account| ErrorEntry {
                error_code: NOT_IMPORTED,
                error_info: "".into(),
                to_account: account.0.as_ref().into(),
            })
            .collect();
        let failed = u32::try_from(errors.len()).unwrap_or(recipients);
        if failed == recipients {
            // "All failed" is a FAIL on the vendor's page, with the code of the one reason there is.
            return Err(Refusal { code: NOT_IMPORTED, text: "no account is imported" });
        }
        let task_id = format!("batch_{at_us:x}_{:08x}", batch.msg_random);
        let error_list = (failed > 0).then_some(errors);
        if window.is_duplicate(batch.msg_random, at_us) {
            ledger.duplicates += 1;
        } else {
            ledger.carried_out += 1;
            ledger.recipients += u64::from(recipients - failed);
            if self.config.record {
                let accounts_json = if failed == 0 {
                    batch.accounts_json.into()
                } else {
                    let there: Vec<&str> =
                        batch.accounts.iter().filter(|a| !missing(a)).map(|a| a.0.as_ref()).collect();
                    serde_json::to_string(&there).expect("strings always serialise").into()
                };
                let data_id = batch.data_id.as_ref().into();
                ledger.deliveries.push(Delivery {
                    at_us,
                    msg_random: batch.msg_random,
                    data_id,
                    accounts_json,
                });
            }
        }
        Ok(write(ActionStatus::Ok, 0, "", &task_id, error_list))
    }
}

fn count(batch: &Batch) -> u32 {
    u32::try_from(batch.accounts.len()).expect("a batch has at most 500 accounts")
}

impl Window {
    /// Lets a call in, or refuses it because the second that ends with it would hold too much.
    fn let_in(&mut self, call: Arrival, calls: Option<u32>, recipients: Option<u32>) -> Result<(), Refusal> {
        while let Some(first) = self.calls.front()
            && first.at_us + 1_000_000 <= call.at_us
        {
            self.recipients -= u64::from(first.recipients);
            self.calls.pop_front();
        }
        let full =
            |limit: Option<u32>, would_hold: u64| limit.is_some_and(|limit| would_hold > u64::from(limit));
        let recipients_then = self.recipients + u64::from(call.recipients);
        if full(calls, self.calls.len() as u64 + 1) || full(recipients, recipients_then) {
            return Err(Refusal { code: 60011, text: "the app's calls are too frequent" });
        }
        self.calls.push_back(call);
        self.recipients = recipients_then;
        Ok(())
    }

    /// Was this MsgRandom carried out within the second before? If not, it is from now on.
    fn is_duplicate(&mut self, msg_random: u32, at_us: u64) -> bool {
        let is_old = |seen_us: u64| seen_us + 1_000_000 <= at_us;
        if self.seen.len() > 2 * self.calls.len() + 1000 {
            self.seen.retain(|_, seen_us| !is_old(*seen_us));
        }
        if self.seen.get(&msg_random).is_some_and(|seen_us| !is_old(*seen_us)) {
            return true;
        }
        self.seen.insert(msg_random, at_us);
        false
    }
}

fn write(
    action_status: ActionStatus,
    error_code: i64,
    error_info: &str,
    task_id: &str,
    error_list: Option<Vec<ErrorEntry>>,
) -> Vec<u8> {
    let answer = BatchAnswer {
        action_status,
        error_info: error_info.into(),
        error_code,
        task_id: task_id.into(),
        error_list,
    };
    serde_json::to_vec(&answer).expect("an answer of strings and integers always serialises")
}

fn json(answer: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(answer.into());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn page(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("<html><h1>{status}</h1></html>")));
    *response.status_mut() = status;
    response
}

/// An answer that announces its length and breaks off halfway.
fn cut(answer: Vec<u8>) -> Response<Body> {
    let length = answer.len();
    let half = Bytes::from(answer).slice(..length / 2);
    let mut response = json(Body::new(Half::Whole(half)));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

/// A body that gives its bytes, waits until they are sent, and fails.
enum Half {
    Whole(Bytes),
    Given,
    Sent,
}

impl HttpBody for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match std::mem::replace(&mut *self, Self::Sent) {
            Self::Whole(bytes) => {
                *self = Self::Given;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Given => {
                // hyper writes out what it has when a body has nothing for it.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Sent => Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(window: &mut Window, at_us: u64, recipients: u32) -> Option<i64> {
        window.let_in(Arrival { at_us, recipients }, Some(3), Some(100)).err().map(|refusal| refusal.code)
    }

    #[test]
    fn no_sliding_second_holds_more_calls_than_the_rate() {
        let mut window = Window::default();
        for at_us in [900_000, 950_000, 1_100_000] {
            assert_eq!(let_in(&mut window, at_us, 1), None);
        }
        assert_eq!(let_in(&mut window, 1_899_999, 1), Some(60011));
        assert_eq!(let_in(&mut window, 1_900_000, 1), None, "the first call has left the second");
        assert_eq!(let_in(&mut window, 1_900_001, 1), Some(60011));
    }

    #[test]
    fn no_sliding_second_holds_more_recipients_than_the_rate() {
        let mut window = Window::default();
        assert_eq!(let_in(&mut window, 0, 60), None);
        assert_eq!(let_in(&mut window, 1, 41), Some(60011));
        assert_eq!(let_in(&mut window, 2, 40), None, "a refused call takes up no room");
        assert_eq!(let_in(&mut window, 1_000_000, 60), None);
    }

    #[test]
    fn a_msg_random_is_dropped_within_a_second_and_good_again_after() {
        let mut window = Window::default();
        assert!(!window.is_duplicate(7, 0));
        assert!(window.is_duplicate(7, 999_999));
        assert!(!window.is_duplicate(8, 999_999));
        assert!(!window.is_duplicate(7, 1_000_000));
    }

    #[test]
    fn memory_does_not_grow_with_the_calls_of_the_past() {
        let mut window = Window::default();
        for msg_random in 0..100_000 {
            window.is_duplicate(msg_random, u64::from(msg_random) * 10_000);
        }
        assert!(window.seen.len() <= 1001, "{}", window.seen.len());
    }

    #[test]
    fn a_duplicate_is_answered_as_if_it_had_been_carried_out() {
        let server = Server::new(Config::default());
        let body = br#"{"From_Account":"a","To_Account":["ann"],"MsgRandom":7,"OfflinePushInfo":{}}"#;
        let answers = [(); 2].map(|()| server.decide(rules::read(body)).1);
        for answer in answers {
            assert_eq!(
                serde_json::from_slice::<BatchAnswer>(&answer).unwrap().action_status,
                ActionStatus::Ok
            );
        }
        let ledger = server.ledger();
        assert_eq!((ledger.carried_out, ledger.duplicates, ledger.arrivals.len()), (1, 1, 2));
    }
}
