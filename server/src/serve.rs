//! The running server: one router over all doors, jobs beside it, an orderly end.

use crate::allocator::Allocator;
use crate::app::App;
use crate::auth::lookup::TokenLookup;
use crate::auth::session::Sessions;
use crate::connections::{self, Tls};
use crate::db::Db;
use crate::http::entry::Entry;
use crate::http::{self, ApiRoute};
use crate::net::{Peer, Range, Surroundings};
use crate::outward::Outward;
use crate::state::AppState;
use crate::{assets, clock, jobs, notify, pages, telemetry};
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::limit::RequestBodyLimitLayer;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;

/// A request is answered within this, whatever the database does.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);
/// A large file over a slow line takes longer: a megabyte in five seconds is enough.
const UPLOAD_DEADLINE: Duration = Duration::from_mins(2);
/// Most bytes of a body that is not an ingest batch.
pub const MAX_BODY: usize = 2 * 1024 * 1024;
/// Longest path and query that is looked at.
pub(crate) const MAX_URI: usize = 16 * 1024;

/// Name of the session's cookie on encrypted connections; browsers hold such names to their promises.
pub const PRIVATE_COOKIE: &str = "__Host-headroom";
/// Its name on others.
pub const OPEN_COOKIE: &str = "headroom";

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    db: Db,
}

/// The whole router, but for sessions.
fn router(state: AppState, entries: &[(ApiRoute, Arc<Entry>)]) -> Router {
    Router::new()
        .merge(pages::router(&state))
        .merge(http::router(entries))
        .route("/assets/{*path}", get(assets::serve))
        .fallback_service(pages::not_found(&state))
        .layer(RequestBodyLimitLayer::new(http::ingest::MAX_BODY_BYTES))
        .layer(middleware::from_fn(in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(bounded_address))
        // Outside the layers that refuse by themselves, so that their answers are pages and problems too.
        .layer(middleware::from_fn_with_state(state.clone(), pages::problem_pages))
        .layer(middleware::from_fn(http::complete_all))
        .layer(
            CompressionLayer::new()
                .quality(tower_http::CompressionLevel::Fastest)
                // What follows the audit trail reads line by line: nothing may wait in a compressor.
                .compress_when(
                    SizeAbove::new(512)
                        .and(NotForContentType::new("font/woff2"))
                        .and(NotForContentType::new("application/x-ndjson"))
                        .and(NotForContentType::new("text/event-stream")),
                ),
        )
        .layer(middleware::from_fn(observe))
        .with_state(state)
}

/// The whole service: the router behind sessions, which differ by how private the connection is, and the short way for
/// programs beside it.
///
/// Where it is encrypted the cookie is bound to this host and travels on encrypted connections only. Where it is not, a
/// cookie marked so would never come back.
fn service(state: AppState, around: Surroundings) -> Router {
    let sessions = |name: &'static str, secure: bool| {
        SessionManagerLayer::new(Sessions::new(state.app.db.clone()))
            .with_name(name)
            .with_secure(secure)
            .with_http_only(true)
            .with_same_site(SameSite::Lax)
            .with_path("/")
    };
    let (private, open) = (sessions(PRIVATE_COOKIE, true), sessions(OPEN_COOKIE, false));
    let entries = http::entries(&state);
    let routes = router(state.clone(), &entries);
    let (private, open) = (routes.clone().layer(private), routes.clone().layer(open));
    // A program that shows a token has no session.
    let programs = http::entry::programs(state, entries, routes);
    let choose = move |mut request: Request| {
        let peer = around.recognise(&request);
        request.extensions_mut().insert(peer);
        let is_programs = request.uri().path().starts_with(http::entry::PREFIX);
        let chosen = if is_programs && request.headers().contains_key(AUTHORIZATION) {
            programs.clone()
        } else if peer.is_private {
            private.clone()
        } else {
            open.clone()
        };
        async move { chosen.oneshot(request).await }
    };
    Router::new().fallback_service(tower::service_fn(choose))
}

/// How a server runs.
#[derive(Debug, Default)]
pub struct Options {
    /// Without background jobs in this process.
    pub no_jobs: bool,
    /// Proxies whose word about a request is believed.
    pub proxies: Vec<Range>,
    /// Certificates, if it speaks TLS itself.
    pub tls: Option<Tls>,
    /// Services outside.
    pub outward: Outward,
    /// Where other servers reach this one; the address it listens on if it is left out.
    pub peer_url: Option<String>,
}

/// Starts jobs and the listener.
pub fn start(db: Db, listener: TcpListener, options: Options) -> std::io::Result<Server> {
    let address = listener.local_addr()?;
    let cancel = CancellationToken::new();
    let samples = Arc::new(Notify::new());
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let peer_url = options.peer_url.unwrap_or_else(|| format!("{scheme}://{address}"));
    let (allocator, committers) = Allocator::start(&db, peer_url.clone(), &cancel);
    let app = App::new(db.clone()).reaching(options.outward).allocating(allocator);
    let outward = app.outward.clone();
    let jobs_app = app.clone();
    let tokens = TokenLookup::start(db.clone());
    let metrics = telemetry::counters();
    tokio::spawn(telemetry::upkeep(metrics.clone(), cancel.clone()));
    let state = AppState { app, metrics, tokens, samples: samples.clone() };
    let around = Surroundings { tls: options.tls.is_some(), proxies: options.proxies };
    let (with_jobs, tls) = (!options.no_jobs, options.tls);
    let app = service(state, around).into_make_service_with_connect_info::<SocketAddr>();
    let stop = cancel.clone();
    let mailer = outward.mail.clone().filter(|_| with_jobs);
    let teller = with_jobs.then(|| notify::worker::Worker::new(db.clone(), outward));
    let letters_db = db.clone();
    let task = tokio::spawn(async move {
        let jobs = tokio::spawn({
            let stop = stop.clone();
            async move {
                if with_jobs {
                    jobs::run_all(jobs_app, peer_url, samples, stop).await;
                }
            }
        });
        let telling = teller.map(|worker| tokio::spawn(worker.run(stop.clone())));
        let writing = mailer.map(|mailer| tokio::spawn(notify::letters::run(letters_db, mailer, stop.clone())));
        let ended = stop.clone().cancelled_owned();
        if let Err(error) = connections::serve(listener, tls, app, ended).await {
            tracing::error!(%error, "the listener failed");
        }
        stop.cancel();
        let _ = jobs.await;
        if let Some(telling) = telling {
            let _ = telling.await;
        }
        if let Some(writing) = writing {
            let _ = writing.await;
        }
        let _ = committers.await;
    });
    Ok(Server { address, cancel, task, db })
}

impl Server {
    /// Waits until the server ends by itself, which it does when it cannot keep its promises.
    pub async fn failed(&self) {
        self.cancel.cancelled().await;
    }

    /// Stops accepting, finishes what is under way (at most ten seconds), ends the jobs.
    pub async fn stop(self) {
        self.cancel.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        self.db.close().await;
    }
}

/// A bound on the time, whatever the database does.
async fn in_time(request: Request, next: Next) -> Response {
    let deadline = if pages::takes_long(request.method(), request.uri()) { UPLOAD_DEADLINE } else { DEADLINE };
    let answer = tokio::time::timeout(deadline, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

/// A bound on the address, before anything looks at it.
async fn bounded_address(request: Request, next: Next) -> Response {
    match too_long(request.uri()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// The answer to a request whose address is too long.
pub(crate) fn too_long(uri: &Uri) -> Option<Response> {
    uri.path_and_query().filter(|path| path.as_str().len() > MAX_URI)?;
    let detail = format!("the address is longer than {MAX_URI} bytes");
    Some(http::error::ApiError::new(StatusCode::URI_TOO_LONG, "uri", detail).into_response())
}

/// Headers of every answer, a log line and a counter.
async fn observe(request: Request, next: Next) -> Response {
    let observed = Observed::begin(&request);
    observed.end(next.run(request).await)
}

/// What is remembered of a request until its answer.
#[derive(Debug)]
pub(crate) struct Observed {
    started: Instant,
    is_private: bool,
    method: Method,
    route: Option<MatchedPath>,
}

impl Observed {
    /// A request that came.
    pub(crate) fn begin(request: &Request) -> Self {
        Self {
            started: Instant::now(),
            is_private: request.extensions().get::<Peer>().is_some_and(|peer| peer.is_private),
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
        }
    }

    /// Puts headers on its answer, logs and counts it.
    pub(crate) fn end(self, mut response: Response) -> Response {
        let Self { started, is_private, method, route } = self;
        let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let id = clock::nonce();
        let status = response.status();
        let elapsed = started.elapsed();
        metrics::histogram!("http_request_duration_seconds", "route" => route.to_owned()).record(elapsed.as_secs_f64());
        metrics::counter!("http_requests_total", "route" => route.to_owned(), "status" => status.as_u16().to_string())
            .increment(1);
        if status.is_server_error() {
            tracing::warn!(%method, route, status = status.as_u16(), duration_ms = elapsed.as_millis(), %id, "request failed");
        } else {
            tracing::debug!(%method, route, status = status.as_u16(), duration_ms = elapsed.as_millis(), %id, "request");
        }
        let headers = response.headers_mut();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
        }
        // What somebody may see is nobody else's, and nobody's after a change of rights. Assets say themselves how long they
        // last.
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        // Whoever came once by an encrypted connection comes by no other for a year.
        if is_private {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        if let Ok(value) = HeaderValue::try_from(id) {
            headers.insert(HeaderName::from_static("x-request-id"), value);
        }
        response
    }
}

/// The answer to a request that panicked.
pub(crate) fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text =
        panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    tracing::error!(panic = text.unwrap_or_default(), "a request panicked");
    http::error::ApiError::from(crate::app::AppError::Internal("a request panicked".into())).into_response()
}
