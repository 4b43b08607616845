//! A server that answers as a test says, for what a real one cannot be made to do: losing answers.

use crate::client::Client;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) body: String,
}

/// Status and body; `None` breaks the connection after the request was read.
type Script = dyn Fn(usize, &Seen) -> Option<(u16, String)> + Send + Sync;

#[derive(Debug)]
pub(crate) struct Stub {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stub {
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let known = Arc::clone(&seen);
        let app =
            Router::new().fallback(move |request: Request| answer(request, Arc::clone(&known), Arc::clone(&script)));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Self { url, seen, task }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url, "hr_test").expect("a client")
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panicked").clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(request: Request, known: Arc<Mutex<Vec<Seen>>>, script: Arc<Script>) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let seen = Seen {
        path: parts.uri.to_string(),
        key: header("idempotency-key"),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let number = {
        let mut known = known.lock().expect("nobody panicked");
        known.push(seen.clone());
        known.len() - 1
    };
    // A panic in a handler ends the connection without an answer.
    let (status, text) = script(number, &seen).expect("the answer that the test wants to be lost");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert("retry-after", axum::http::HeaderValue::from_static("1"));
    response
}

/// A granted claim with so much left.
pub(crate) fn granted(remaining_ms: u64) -> String {
    format!(
        r#"{{"claim":"01890000-0000-7000-8000-000000000001","state":"granted","pool":"lanes","tenant":"acme","holder":"h",
            "priority":5,"slots":[{{"slot":1,"fence":7}}],"remaining_ms":{remaining_ms},"ends_in_ms":null,"waited_ms":0,
            "position":null,"remaining_wait_ms":null,"notice":null,"end":null}}"#
    )
}
