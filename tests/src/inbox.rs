//! A receiver of messages over HTTP that writes down what it gets and answers as it is told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Post {
    /// Where to.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub raw: Bytes,
    /// Its body.
    pub body: Value,
    /// What it was answered.
    pub status: u16,
}

impl Post {
    /// Its `Idempotency-Key`.
    pub fn key(&self) -> &str {
        self.headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// A header beside the usual ones.
    pub header: Option<(&'static str, String)>,
    /// Body.
    pub body: String,
    /// How long it takes.
    pub after: Duration,
}

impl Reply {
    /// An empty answer.
    pub fn status(status: u16) -> Self {
        Self { status, header: None, body: String::new(), after: Duration::ZERO }
    }

    /// With a body.
    #[must_use]
    pub fn with(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }
}

/// Answers a message: its path, its key, and the how manieth with that path and key it is, from 1.
pub type Manners = Box<dyn Fn(&str, &str, usize) -> Reply + Send + Sync>;

#[derive(Default)]
struct Shared {
    posts: Mutex<Vec<Post>>,
    seen: Mutex<HashMap<(String, String), usize>>,
    manners: Mutex<Option<Manners>>,
    /// Answers wait for a permit while this is set.
    gate: Mutex<Option<Arc<Semaphore>>>,
}

/// A running receiver.
pub struct Inbox {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Inbox {
    /// Starts one on a free port. It takes everything.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::default());
        let kept = shared.clone();
        let app = Router::new()
            .fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| take(kept.clone(), uri, headers, body));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { url, shared, task })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of a path on it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Says how it answers from here on.
    pub fn answer(&self, manners: impl Fn(&str, &str, usize) -> Reply + Send + Sync + 'static) {
        *self.shared.manners.lock().expect("nobody panicked with it") = Some(Box::new(manners));
    }

    /// Lets no answer out before a permit is given.
    pub fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.shared.gate.lock().expect("nobody panicked with it") = Some(gate.clone());
        gate
    }

    /// Answers at once from here on.
    pub fn release(&self) {
        if let Some(gate) = self.shared.gate.lock().expect("nobody panicked with it").take() {
            gate.close();
        }
    }

    /// What came so far, oldest first.
    pub fn posts(&self) -> Vec<Post> {
        self.shared.posts.lock().map(|posts| posts.clone()).unwrap_or_default()
    }

    /// What came to a path.
    pub fn at_path(&self, path: &str) -> Vec<Post> {
        self.posts().into_iter().filter(|post| post.path == path).collect()
    }

    /// The message of this number at a path, counted from 0, when it has come.
    pub async fn post(&self, path: &str, number: usize) -> Result<Post> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(post) = self.at_path(path).get(number) {
                return Ok(post.clone());
            }
            if Instant::now() > deadline {
                bail!("message {number} did not come to {path}; {} did", self.at_path(path).len());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The only message at a path.
    pub fn only(&self, path: &str) -> Result<Post> {
        let mut posts = self.at_path(path);
        let post = posts.pop().with_context(|| format!("nothing came to {path}"))?;
        anyhow::ensure!(posts.is_empty(), "{} messages came to {path}, not one", posts.len() + 1);
        Ok(post)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(shared: Arc<Shared>, uri: Uri, headers: HeaderMap, raw: Bytes) -> Response {
    let body = serde_json::from_slice(&raw).unwrap_or_default();
    let path = uri.path().to_owned();
    let mut post = Post { path: path.clone(), headers, raw, body, status: 0 };
    let number = {
        let mut seen = shared.seen.lock().expect("nobody panicked with it");
        let number = seen.entry((path.clone(), post.key().to_owned())).or_default();
        *number += 1;
        *number
    };
    let reply = {
        let manners = shared.manners.lock().expect("nobody panicked with it");
        manners.as_ref().map_or_else(|| Reply::status(200), |manners| manners(&path, post.key(), number))
    };
    post.status = reply.status;
    shared.posts.lock().expect("nobody panicked with it").push(post);
    let gate = shared.gate.lock().expect("nobody panicked with it").clone();
    if let Some(gate) = gate
        && let Ok(permit) = gate.acquire().await
    {
        permit.forget();
    }
    tokio::time::sleep(reply.after).await;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, reply.body).into_response();
    if let Some((name, value)) = reply.header
        && let Ok(value) = value.try_into()
    {
        response.headers_mut().insert(name, value);
    }
    response
}
