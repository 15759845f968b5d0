//! A code host on loopback: as much of the APIs of GitHub and GitLab as the workflows use, with their pages, their orders
//! and their limits. What it does not know it refuses.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

/// The token that every request has to carry, in the way of either host.
pub const TOKEN: &str = "a-token";

/// The longest description of a status that GitHub takes.
const LONGEST_DESCRIPTION: usize = 140;

/// Entries in the order in which they were made, by the path that lists them.
#[derive(Default)]
struct Lists {
    entries: BTreeMap<String, Vec<Value>>,
    last_id: u64,
}

impl Lists {
    fn add(&mut self, path: &str, mut entry: Value) -> Value {
        self.last_id += 1;
        entry["id"] = self.last_id.into();
        self.entries.entry(path.to_owned()).or_default().push(entry.clone());
        entry
    }

    fn of(&self, path: &str) -> Vec<Value> {
        self.entries.get(path).cloned().unwrap_or_default()
    }
}

pub struct CodeHost {
    /// `http://127.0.0.1:…`
    pub url: String,
    lists: Arc<Mutex<Lists>>,
    _runtime: tokio::runtime::Runtime,
}

impl CodeHost {
    pub fn start() -> Self {
        let lists = Arc::<Mutex<Lists>>::default();
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
        self.lists.lock().unwrap().add(list, entry);
    }

    /// A list as it was made, the oldest first.
    pub fn list(&self, list: &str) -> Vec<Value> {
        self.lists.lock().unwrap().of(list)
    }
}

async fn answer(lists: Arc<Mutex<Lists>>, request: Request<Body>) -> Response {
    let headers = request.headers();
    let bearer = headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"));
    if !bearer && headers.get("private-token").is_none_or(|value| value != TOKEN) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let mut lists = lists.lock().unwrap();
    if method == Method::GET {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        return match get(&lists, &path, query) {
            Some(found) => Json(found).into_response(),
            None => StatusCode::BAD_REQUEST.into_response(),
        };
    }
    let Ok(mut entry) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if method == Method::POST {
        let list = match status_of_commit(&path, &mut entry) {
            Ok(list) => list,
            Err(code) => return code.into_response(),
        };
        return (StatusCode::CREATED, Json(lists.add(&list, entry))).into_response();
    }
    let id = path.rsplit_once('/').and_then(|(_, id)| id.parse::<u64>().ok());
    let entries = lists.entries.values_mut().flatten();
    match entries.into_iter().find(|old| old["id"].as_u64() == id && old["body"].is_string()) {
        Some(old) => old["body"] = entry["body"].take(),
        None => return StatusCode::NOT_FOUND.into_response(),
    }
    StatusCode::OK.into_response()
}

/// What is listed under a path, in the host's order, a page of it; `None` where the query is not known.
fn get(lists: &Lists, path: &str, mut query: HashMap<&str, &str>) -> Option<Value> {
    let is_github = path.starts_with("/repos/");
    let page: usize = query.remove("page").unwrap_or("1").parse().ok()?;
    let default = if is_github { "30" } else { "20" };
    let per_page = query.remove("per_page").unwrap_or(default).parse::<usize>().ok()?.min(100);
    let paged = |found: Vec<Value>| -> Vec<Value> {
        found.into_iter().skip(page.saturating_sub(1) * per_page).take(per_page).collect()
    };

    if let Some(commit) = path.strip_suffix("/status").filter(|_| is_github) {
        // The combined status: the latest of each context, in no order that anybody promises.
        return Some(
            json!({ "statuses": paged(latest(lists.of(&format!("{commit}/statuses")), "context")) }),
        );
    }
    let mut found = lists.of(path);
    if path.ends_with("/statuses") {
        let all = query.remove("all") == Some("true");
        if is_github {
            found.reverse();
        } else if !all {
            found = latest(found, "name");
        }
    } else if path.ends_with("/notes") {
        found.reverse();
    } else if path.ends_with("/pulls") || path.ends_with("/merge_requests") {
        let state = query.remove("state")?;
        found.retain(|entry| entry["state"] == state);
        let base = query.remove(if is_github { "base" } else { "target_branch" })?;
        found.retain(|entry| entry["base"]["ref"] == base || entry["target_branch"] == base);
        let order = if is_github {
            [query.remove("sort")?, query.remove("direction")?]
        } else {
            [query.remove("order_by")?, query.remove("sort")?]
        };
        if ![["updated", "desc"], ["updated_at", "desc"]].contains(&order) {
            return None;
        }
        found.sort_by_key(|entry| std::cmp::Reverse(entry["updated_at"].as_str().unwrap().to_owned()));
    } else if !path.ends_with("/comments") {
        return None;
    }
    query.is_empty().then(|| paged(found).into())
}

/// The last entry of each name.
fn latest(mut entries: Vec<Value>, name: &str) -> Vec<Value> {
    let names: Vec<Value> = entries.iter().map(|entry| entry[name].clone()).collect();
    let mut index = 0;
    entries.retain(|_| {
        index += 1;
        !names[index..].contains(&names[index - 1])
    });
    entries
}

/// Where a new entry is listed. A status is written to `…/statuses/COMMIT` and read elsewhere, in a form that is the host's.
fn status_of_commit(path: &str, entry: &mut Value) -> Result<String, StatusCode> {
    let Some((project, commit)) = path.split_once("/statuses/") else { return Ok(path.to_owned()) };
    let is_short =
        entry["description"].as_str().is_none_or(|text| text.chars().count() <= LONGEST_DESCRIPTION);
    if entry["state"] != "success" || !entry["context"].is_string() || !is_short {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    if project.starts_with("/repos/") {
        return Ok(format!("{project}/commits/{commit}/statuses"));
    }
    let fields = entry.as_object_mut().expect("it has a state");
    for (theirs, ours) in [("context", "name"), ("state", "status")] {
        let value = fields.remove(theirs).expect("it was looked at");
        fields.insert(ours.to_owned(), value);
    }
    Ok(format!("{project}/repository/commits/{commit}/statuses"))
}
