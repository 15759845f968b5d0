//! A code host on loopback: as much of the APIs of GitHub and GitLab as the workflows use. Lists, to which a POST adds
//! and of which PATCH or PUT replaces an entry by its id; statuses are the latest of each name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

/// The token that every request has to carry, in the way of either host.
pub const TOKEN: &str = "a-token";

type Lists = Arc<Mutex<BTreeMap<String, Vec<Value>>>>;

pub struct CodeHost {
    /// `http://127.0.0.1:…`
    pub url: String,
    lists: Lists,
    _runtime: tokio::runtime::Runtime,
}

impl CodeHost {
    pub fn start() -> Self {
        let lists = Lists::default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&lists);
        let router = Router::new().fallback(move |request| answer(Arc::clone(&shared), request));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, lists, _runtime: runtime }
    }

    /// Adds to a list, as somebody else's doing.
    pub fn add(&self, list: &str, entry: Value) {
        self.lists.lock().unwrap().entry(list.to_owned()).or_default().push(entry);
    }

    pub fn list(&self, list: &str) -> Vec<Value> {
        self.lists.lock().unwrap().get(list).cloned().unwrap_or_default()
    }
}

async fn answer(lists: Lists, request: Request<Body>) -> Response {
    let headers = request.headers();
    let bearer = headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"));
    if !bearer && headers.get("private-token").is_none_or(|value| value != TOKEN) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let mut lists = lists.lock().unwrap();
    if method == Method::GET {
        let found = lists.get(&path).cloned().unwrap_or_default();
        // GitHub's combined status of a commit.
        let combined = path.strip_suffix("/status").map(|commit| format!("{commit}/statuses"));
        return match combined {
            Some(path) => {
                Json(json!({ "statuses": lists.get(&path).cloned().unwrap_or_default() })).into_response()
            }
            None => Json(found).into_response(),
        };
    }
    let Ok(mut entry) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if method == Method::POST {
        let list = lists.entry(statuses_of_commit(&path)).or_default();
        let name = |entry: &Value| entry.get("context").or(entry.get("name")).cloned();
        list.retain(|old| name(old).is_none() || name(old) != name(&entry));
        entry["id"] = (list.len() + 1).into();
        list.push(entry);
        return StatusCode::CREATED.into_response();
    }
    let id = path.rsplit_once('/').and_then(|(_, id)| id.parse::<u64>().ok());
    let old = lists.values_mut().flatten().find(|old| old["id"].as_u64() == id && old["body"].is_string());
    match old {
        Some(old) => old["body"] = entry["body"].take(),
        None => return StatusCode::NOT_FOUND.into_response(),
    }
    StatusCode::OK.into_response()
}

/// Where both hosts have statuses read that are written to `…/statuses/SHA`.
fn statuses_of_commit(path: &str) -> String {
    match path.split_once("/statuses/") {
        Some((project, commit)) if project.starts_with("/repos/") => {
            format!("{project}/commits/{commit}/statuses")
        }
        Some((project, commit)) => format!("{project}/repository/commits/{commit}/statuses"),
        None => path.to_owned(),
    }
}
