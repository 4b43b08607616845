//! The calls.

use crate::error::{Error, Result};
use crate::key;
use crate::lease::{Keeping, Lease};
use crate::wire::{
    Ask, AskBody, BatchAnswer, BatchBody, Beat, BeatsAnswer, BeatsBody, ClaimAnswer, FenceAnswer, FenceBody, Granted,
    Look, Operation, ReleaseBody, RenewBody, Report, ResultAnswer, Superseded, millis,
};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long an answer may take beyond what the server was asked to wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a server that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest that the server lets one call wait.
const LONGEST_POLL: Duration = Duration::from_secs(10);
/// Pause before the first repetition; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The server is not asked again more often than this, whatever it says.
const SHORTEST_RETRY: Duration = Duration::from_millis(50);

/// A client of one server. Clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    bearer: HeaderValue,
    patience: Duration,
}

impl std::fmt::Debug for Client {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// Pauses between repetitions.
#[derive(Debug)]
struct Pauses(Duration);

impl Pauses {
    fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    /// The next one, not shorter than the server wants.
    fn next(&mut self, least: Duration) -> Duration {
        let pause = key::spread(self.0);
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        pause.max(least)
    }
}

impl Client {
    /// A client of the server at an address such as `https://headroom.example.org`, with an API token of scope `allocate`.
    ///
    /// # Errors
    /// [`Error::Unauthorised`] if the token has characters that no token has, [`Error::Unreachable`] if the machine has no
    /// means of encryption.
    pub fn new(base: &str, token: &str) -> Result<Self> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| Error::Unauthorised("an API token is letters, digits and underscores".to_owned()))?;
        bearer.set_sensitive(true);
        let http = reqwest::Client::builder()
            .connect_timeout(ANSWER_WITHIN)
            .user_agent(concat!("headroom-slots/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::without_answer(&error))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), bearer, patience: PATIENCE })
    }

    /// The same with another patience towards a server that does not answer: 15 s if nothing else is said.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    // ------------------------------------------------------------ claims

    /// Claims slots, all or none, and waits for them as long as the ask says: in the server's queue, and between refusals that
    /// may pass for as long as the server wants.
    ///
    /// Who may want to stop waiting uses [`Client::claim_unless`]: a future that is dropped leaves its claim in the queue.
    ///
    /// # Errors
    /// [`Error::Refused`] with the last reason if the time to wait is over. See [`Error`] for the rest.
    pub async fn claim(&self, pool: &str, ask: &Ask) -> Result<Granted> {
        self.claim_unless(pool, ask, &CancellationToken::new()).await
    }

    /// The same, until the caller does not want to wait any longer. The queue is left then; that takes as long as the server
    /// takes to answer, 10 s at most if it does.
    ///
    /// # Errors
    /// [`Error::GivenUp`] if the caller gave up. See [`Error`] for the rest.
    pub async fn claim_unless(&self, pool: &str, ask: &Ask, given_up: &CancellationToken) -> Result<Granted> {
        let until = Instant::now() + ask.wait;
        let mut wait = ask.wait;
        loop {
            let refusal = match self.claim_within(pool, ask, wait, given_up).await {
                Err(refusal @ Error::Refused { .. }) => refusal,
                other => return other,
            };
            let left = until.saturating_duration_since(Instant::now());
            let Error::Refused { retry_after, reason, .. } = &refusal else { return Err(refusal) };
            let pause = key::spread((*retry_after).max(SHORTEST_RETRY));
            // A key stands for one claim: whoever chose it wants one decision. And no patience makes the pool larger.
            if ask.key.is_some() || reason == "more-than-pool" || pause >= left {
                return Err(refusal);
            }
            sleep_unless(pause, given_up).await?;
            wait = until.saturating_duration_since(Instant::now());
        }
    }

    /// Claims slots as [`Client::claim`] does, but takes the first refusal for an answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn try_claim(&self, pool: &str, ask: &Ask) -> Result<Granted> {
        self.claim_within(pool, ask, ask.wait, &CancellationToken::new()).await
    }

    /// Claims slots and keeps them until the [`Lease`] is released or dropped.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn lease(&self, pool: &str, ask: &Ask) -> Result<Lease> {
        let granted = self.claim(pool, ask).await?;
        Ok(self.keep(granted, Keeping { ttl: ask.ttl, generation: ask.generation, ..Keeping::default() }))
    }

    /// Keeps what was claimed until the [`Lease`] is released or dropped.
    pub fn keep(&self, granted: Granted, keeping: Keeping) -> Lease {
        Lease::start(self.clone(), granted, keeping)
    }

    /// One claim, asked for until there is an answer.
    async fn claim_within(
        &self,
        pool: &str,
        ask: &Ask,
        wait: Duration,
        given_up: &CancellationToken,
    ) -> Result<Granted> {
        let key = ask.key.clone().unwrap_or_else(key::fresh);
        let path = format!("/api/v1/pools/{}/claims", segment(pool));
        let body = AskBody::of(ask, wait);
        let give_up = Instant::now() + wait + self.patience;
        let mut pauses = Pauses::new();
        // Whether there may be a claim under the key: one that is known to wait, or one whose answer was lost.
        let mut may_be_made = false;
        loop {
            let asked = Instant::now();
            let mut request = self
                .request(Method::POST, &path, wait.min(LONGEST_POLL) + ANSWER_WITHIN)
                .header("idempotency-key", &key);
            if let Some(trace) = &ask.traceparent {
                request = request.header("traceparent", trace);
            }
            let error = match self.answer::<ClaimAnswer>(body_of(request, &body)).await {
                Ok(answer) => {
                    may_be_made = true;
                    match self.decided(pool, answer, asked, give_up, given_up).await {
                        Ok(granted) => return Ok(granted),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            let again = match &error {
                // Turned away at the door, where nobody looked whether there is a claim under this key: one that is in the
                // queue would be granted to nobody.
                Error::Refused { reason, retry_after, .. } if may_be_made && reason == "overloaded" => {
                    Some(*retry_after)
                }
                error => error.again_after(),
            };
            let Some(least) = again else { return Err(error) };
            may_be_made |= matches!(error, Error::Unknown(_));
            let pause = pauses.next(least);
            if Instant::now() + pause >= give_up {
                return Err(match error {
                    Error::Unreachable(text)
                    | Error::Unavailable { detail: text, .. }
                    | Error::Refused { detail: text, .. }
                        if may_be_made =>
                    {
                        Error::Unknown(text)
                    }
                    other => other,
                });
            }
            tracing::debug!(%error, %pool, "no answer to a claim: asking again under the same key");
            sleep_unless(pause, given_up).await?;
        }
    }

    /// Follows a claim that waits until it is decided. Whoever gives up leaves the queue.
    async fn decided(
        &self,
        pool: &str,
        answer: ClaimAnswer,
        asked: Instant,
        give_up: Instant,
        given_up: &CancellationToken,
    ) -> Result<Granted> {
        let claim = answer.claim;
        let mut look = answer.look(asked);
        loop {
            match look {
                Look::Granted(_) | Look::Queued { .. } if given_up.is_cancelled() => {
                    let _ = self.release(pool, claim, &Report::cancelled()).await;
                    return Err(Error::GivenUp);
                }
                Look::Granted(granted) => return Ok(granted),
                Look::Queued { .. } if Instant::now() < give_up => {}
                Look::Queued { .. } => {
                    let _ = self.release(pool, claim, &Report::cancelled()).await;
                    return Err(waited_too_long("it still waited when the caller's patience ended"));
                }
                Look::Rejected => return Err(waited_too_long("it was refused while nobody was listening")),
                Look::Ended(how) => return Err(Error::Lost(format!("the claim was {how} before its answer arrived"))),
            }
            let left = give_up.saturating_duration_since(Instant::now());
            let next = tokio::select! {
                next = self.look(pool, claim, left.min(LONGEST_POLL)) => next,
                // The queue is left at once: a look may be dropped.
                () = given_up.cancelled() => Ok(Look::Queued { claim, position: 0 }),
            };
            look = match next {
                Ok(look) => look,
                // The queue is in the memory of one server. Without it the same is asked for again under its key.
                Err(Error::Invalid(problem)) if problem.status == 404 => {
                    return Err(Error::Unknown("the server does not know the claim any more".to_owned()));
                }
                Err(error) => return Err(error),
            };
        }
    }

    /// Looks at a claim. If it waits, the answer comes when it is decided, or after `wait` (at most 10 s).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn look(&self, pool: &str, claim: Uuid, wait: Duration) -> Result<Look> {
        let wait = wait.min(LONGEST_POLL);
        let path = format!("/api/v1/pools/{}/claims/{claim}?wait_ms={}", segment(pool), millis(wait));
        let asked = Instant::now();
        let answer: ClaimAnswer = self.answer(self.request(Method::GET, &path, wait + ANSWER_WITHIN)).await?;
        Ok(answer.look(asked))
    }

    /// Asks once for more time: so much from now, or the pool's usual time to live.
    ///
    /// # Errors
    /// [`Error::Lost`] if the claim holds nothing any more. See [`Error`] for the rest.
    pub async fn renew(&self, pool: &str, claim: Uuid, ttl: Option<Duration>, report: &Report) -> Result<Granted> {
        self.renew_within(pool, claim, ttl, report, ANSWER_WITHIN).await
    }

    pub(crate) async fn renew_within(
        &self,
        pool: &str,
        claim: Uuid,
        ttl: Option<Duration>,
        report: &Report,
        within: Duration,
    ) -> Result<Granted> {
        let path = format!("/api/v1/pools/{}/claims/{claim}/renew", segment(pool));
        let body = RenewBody { ttl_ms: ttl.map(millis), report };
        let asked = Instant::now();
        let answer: ClaimAnswer = self.answer(body_of(self.request(Method::POST, &path, within), &body)).await?;
        match answer.look(asked) {
            Look::Granted(granted) => Ok(granted),
            other => Err(Error::Lost(format!("the claim stands otherwise: {other:?}"))),
        }
    }

    /// Gives slots back, or leaves the queue. Asked again until there is an answer or patience ends; doing it twice is no error.
    ///
    /// # Errors
    /// [`Error::Lost`] if the slots were taken away before. See [`Error`] for the rest.
    pub async fn release(&self, pool: &str, claim: Uuid, report: &Report) -> Result<()> {
        let path = format!("/api/v1/pools/{}/claims/{claim}/release", segment(pool));
        self.until_answered(&path, &ReleaseBody { report }).await
    }

    /// Acknowledges a notice: the work is safe, and the slots go at once.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Invalid`] if nobody asked the holder to end.
    pub async fn checkpoint(&self, pool: &str, claim: Uuid) -> Result<()> {
        let path = format!("/api/v1/pools/{}/claims/{claim}/checkpoint", segment(pool));
        self.until_answered(&path, &serde_json::json!({})).await
    }

    /// Several operations at once, at most 1,000: each is done or refused on its own, together they share a commit. Sent once; a
    /// claim that is to be asked for again when its answer is lost needs a key of the caller's.
    ///
    /// # Errors
    /// See [`Error`]; of each operation on its own, where the call as a whole was answered.
    pub async fn batch(&self, pool: &str, operations: &[Operation]) -> Result<Vec<Result<Look>>> {
        let path = format!("/api/v1/pools/{}/claims/batch", segment(pool));
        let asked = Instant::now();
        let request = body_of(self.request(Method::POST, &path, LONGEST_POLL), &BatchBody::of(operations));
        let answer: BatchAnswer = self.answer(request).await?;
        let one = |result: ResultAnswer| match (result.claim, result.problem) {
            (Some(claim), _) => Ok(claim.look(asked)),
            (None, problem) => Err(Error::of(result.status, None, &problem.unwrap_or_default().to_string())),
        };
        Ok(answer.results.into_iter().map(one).collect())
    }

    /// Something that may be done twice, until there is an answer.
    async fn until_answered(&self, path: &str, body: &impl Serialize) -> Result<()> {
        let give_up = Instant::now() + self.patience;
        let mut pauses = Pauses::new();
        loop {
            let request = body_of(self.request(Method::POST, path, ANSWER_WITHIN.min(self.patience)), body);
            let Err(error) = self.answer::<ClaimAnswer>(request).await else { return Ok(()) };
            let Some(least) = error.again_after() else { return Err(error) };
            let pause = pauses.next(least);
            if Instant::now() + pause >= give_up {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    // ------------------------------------------------------------ holders and fences

    /// Says that holders are alive. Gives those that have been replaced by a later generation: they must end.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn heartbeat(&self, pool: &str, beats: &[Beat]) -> Result<Vec<Superseded>> {
        let path = format!("/api/v1/pools/{}/heartbeats", segment(pool));
        let request = body_of(self.request(Method::POST, &path, ANSWER_WITHIN), &BeatsBody { beats });
        Ok(self.answer::<BeatsAnswer>(request).await?.superseded)
    }

    /// What a resource asks before it lets a holder write: what is left of the lease under this fence; `None` if the fence is
    /// an old one or the lease is over, and the write is to be refused.
    ///
    /// # Errors
    /// See [`Error`]. A resource that gets no answer refuses the write.
    pub async fn verify(&self, pool: &str, slot: u32, fence: i64) -> Result<Option<Duration>> {
        let body = FenceBody { pool, slot, fence };
        let request = body_of(self.request(Method::POST, "/api/v1/fences/verify", ANSWER_WITHIN), &body);
        match self.answer::<FenceAnswer>(request).await {
            Ok(answer) => Ok(Some(Duration::from_millis(answer.remaining_ms))),
            Err(Error::Invalid(problem)) if problem.kind.ends_with("#stale-fence") => Ok(None),
            Err(error) => Err(error),
        }
    }

    // ------------------------------------------------------------ anything

    /// Calls any other part of the API once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value> {
        let request = self.request(method, path, LONGEST_POLL);
        self.answer(match body {
            Some(body) => body_of(request, body),
            None => request,
        })
        .await
    }

    fn request(&self, method: Method, path: &str, within: Duration) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.bearer.clone())
            .timeout(within)
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = request.send().await.map_err(|error| Error::without_answer(&error))?;
        let status = response.status();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.text().await.map_err(|error| Error::without_answer(&error))?;
        if !status.is_success() {
            return Err(Error::of(status.as_u16(), seconds.map(Duration::from_secs), &body));
        }
        // Something was answered that is not ours, such as a proxy's page: what was done is not known.
        serde_json::from_str(&body).map_err(|error| Error::Unknown(format!("the answer cannot be read: {error}")))
    }
}

/// A pause in which nothing is claimed.
async fn sleep_unless(pause: Duration, given_up: &CancellationToken) -> Result<()> {
    tokio::select! {
        () = tokio::time::sleep(pause) => Ok(()),
        () = given_up.cancelled() => Err(Error::GivenUp),
    }
}

fn waited_too_long(detail: &str) -> Error {
    Error::Refused { reason: "waited-too-long".to_owned(), retry_after: SHORTEST_RETRY, detail: detail.to_owned() }
}

/// A request with a JSON body. A body of ours can always be written.
fn body_of(request: RequestBuilder, body: &impl Serialize) -> RequestBuilder {
    request.header(CONTENT_TYPE, "application/json").body(serde_json::to_vec(body).unwrap_or_default())
}

/// A slug as a part of a path: whatever else it holds cannot reach beyond its part.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::{Stub, granted};

    #[test]
    fn a_slug_stays_one_part_of_a_path() {
        assert_eq!(segment("ci-runners"), "ci-runners");
        assert_eq!(segment("a/b?c#d é"), "a%2Fb%3Fc%23d%20%C3%A9");
    }

    #[test]
    fn a_client_does_not_show_its_token() {
        let client = Client::new("http://localhost/", "hr_secret").expect("a client");
        assert!(!format!("{client:?}").contains("secret"));
        assert!(matches!(Client::new("http://localhost", "a\nb"), Err(Error::Unauthorised(_))));
    }

    #[tokio::test]
    async fn a_lost_answer_is_asked_for_again_under_the_same_key() {
        // The first answer is cut off, the second is a gateway's, the third says that the outcome is unknown.
        let stub = Stub::start(|n, _| match n {
            0 => None,
            1 => Some((502, "bad gateway".to_owned())),
            2 => Some((503, r#"{"type":"about:blank#outcome-unknown","outcome":"unknown"}"#.to_owned())),
            _ => Some((201, granted(30_000))),
        })
        .await;
        let client = stub.client();
        let granted = client.claim("lanes", &Ask::new("acme")).await.expect("granted in the end");
        assert_eq!(granted.slots.len(), 1);
        let seen = stub.seen();
        assert_eq!(seen.len(), 4);
        assert!(!seen[0].key.is_empty() && seen.iter().all(|one| one.key == seen[0].key), "{seen:?}");
        assert!(seen.iter().all(|one| one.body == seen[0].body), "{seen:?}");
    }

    #[tokio::test]
    async fn without_any_answer_the_outcome_is_unknown() {
        let stub = Stub::start(|_, _| None).await;
        let client = stub.client().with_patience(Duration::from_millis(400));
        let error = client.claim("lanes", &Ask::new("acme")).await.expect_err("no answer");
        assert!(matches!(error, Error::Unknown(_)), "{error:?}");
    }

    #[tokio::test]
    async fn without_a_connection_nothing_was_done() {
        let client =
            Client::new("http://127.0.0.1:1", "t").expect("a client").with_patience(Duration::from_millis(300));
        let error = client.claim("lanes", &Ask::new("acme")).await.expect_err("nobody listens");
        assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_refusal_is_asked_again_under_a_new_key_while_there_is_time() {
        let full = r#"{"type":"about:blank#not-granted","detail":"full","reason":"full"}"#;
        let stub = Stub::start(move |n, _| match n {
            0 => Some((429, full.to_owned())),
            _ => Some((201, granted(30_000))),
        })
        .await;
        let client = stub.client();
        let ask = Ask { wait: Duration::from_secs(5), ..Ask::new("acme") };
        client.claim("lanes", &ask).await.expect("granted in the end");
        let seen = stub.seen();
        assert_eq!(seen.len(), 2);
        assert_ne!(seen[0].key, seen[1].key);
        // And once only, if that is wanted.
        let stub = Stub::start(move |_, _| Some((429, full.to_owned()))).await;
        let error = stub.client().try_claim("lanes", &ask).await.expect_err("refused");
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        assert_eq!(stub.seen().len(), 1);
    }

    #[tokio::test]
    async fn a_claim_that_may_have_been_made_is_not_given_up_for_a_refusal_at_the_door() {
        let busy = r#"{"type":"about:blank#not-granted","detail":"busy","reason":"overloaded"}"#;
        let stub = Stub::start(move |n, _| match n {
            0 => None,
            1 => Some((429, busy.to_owned())),
            _ => Some((201, granted(30_000))),
        })
        .await;
        stub.client().claim("lanes", &Ask::new("acme")).await.expect("granted in the end");
        let seen = stub.seen();
        assert!(seen.len() == 3 && seen.iter().all(|one| one.key == seen[0].key), "{seen:?}");
        // Nor is one that is known to wait.
        let queued = granted(0).replace(r#""state":"granted""#, r#""state":"queued""#);
        let stub = Stub::start(move |n, _| match n {
            0 => Some((202, queued.clone())),
            1 => Some((429, busy.to_owned())),
            _ => Some((201, granted(30_000))),
        })
        .await;
        let ask = Ask { wait: Duration::from_secs(5), ..Ask::new("acme") };
        stub.client().claim("lanes", &ask).await.expect("granted in the end");
        let seen = stub.seen();
        assert!(seen.len() == 3 && seen[2].key == seen[0].key, "{seen:?}");
        // Whoever was turned away at first has nothing there.
        let stub = Stub::start(move |_, _| Some((429, busy.to_owned()))).await;
        let error = stub.client().try_claim("lanes", &Ask::new("acme")).await.expect_err("refused");
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        // What was not told until patience ended is not known.
        let stub = Stub::start(move |n, _| (n > 0).then(|| (429, busy.to_owned()))).await;
        let client = stub.client().with_patience(Duration::from_millis(700));
        let error = client.claim("lanes", &Ask::new("acme")).await.expect_err("no answer");
        assert!(matches!(error, Error::Unknown(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_wait_of_less_than_nothing_costs_nobody_the_claim() {
        let odd = granted(30_000).replace(r#""waited_ms":0"#, r#""waited_ms":-72"#);
        let stub = Stub::start(move |_, _| Some((201, odd.clone()))).await;
        let granted = stub.client().claim("lanes", &Ask::new("acme")).await.expect("granted");
        assert_eq!((granted.waited, stub.seen().len()), (Duration::ZERO, 1));
    }
}
