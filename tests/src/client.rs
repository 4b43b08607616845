//! A small HTTP client that shows a test exactly what the service answered: no redirect is followed, no answer is
//! unpacked, no status is an error.

use anyhow::{Context, Result, ensure};
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::people;

/// What the service answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and address, for messages.
    pub asked: String,
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as text; what is no UTF-8 is replaced.
    pub body: String,
}

impl Answer {
    /// A header's text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of a cookie that the answer sets; `None` if it sets none, or takes it away.
    pub fn set_cookie(&self, name: &str) -> Option<String> {
        let start = format!("{name}=");
        let all = self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let mut values = all.filter_map(|value| value.strip_prefix(&start)?.split(';').next().map(str::to_owned));
        values.find(|value| !value.is_empty())
    }

    /// Fails unless the status is this one, showing the beginning of the body.
    pub fn expect(self, status: u16) -> Result<Self> {
        let start: String = self.body.chars().take(600).collect();
        ensure!(self.status == status, "{}: expected {status}, found {}: {start}", self.asked, self.status);
        Ok(self)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{}: the body is no JSON: {}", self.asked, self.body))
    }

    /// The problem (RFC 9457) of a refused request: of this status, and whole.
    pub fn problem(&self, status: u16) -> Result<Value> {
        let this = self.clone().expect(status)?;
        ensure!(
            this.header("content-type") == "application/problem+json",
            "{}: an error is a problem, found {}: {}",
            this.asked,
            this.header("content-type"),
            this.body
        );
        let problem = this.json()?;
        for member in ["type", "title", "detail"] {
            let text = problem[member].as_str().unwrap_or_default();
            ensure!(!text.is_empty(), "{}: the problem has no {member}: {problem}", this.asked);
        }
        ensure!(problem["status"] == status, "{}: the problem says another status: {problem}", this.asked);
        Ok(problem)
    }

    /// The rows of a CSV, header first.
    pub fn csv(&self) -> Result<Vec<Vec<String>>> {
        ensure!(self.header("content-type").starts_with("text/csv"), "{}: no CSV: {}", self.asked, self.body);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(self.body.as_bytes());
        let rows = reader.records().map(|row| Ok(row?.iter().map(str::to_owned).collect()));
        rows.collect::<Result<_>>().with_context(|| format!("{}: the CSV cannot be read", self.asked))
    }
}

/// A client of one service.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    cookie: Option<String>,
    /// The API is asked as a browser asks it: with the session and its proof.
    is_browser: bool,
    csrf: String,
}

impl Client {
    /// The administrator of [`people`] as a client of the service at an address without a slash at its end: its token goes
    /// to the API, its session to the pages.
    pub fn new(base: &str) -> Result<Self> {
        let (name, value) = people::cookie();
        let nobody = Self::nobody(base)?;
        Ok(nobody.with_token(people::TOKEN).with_cookie(&format!("{name}={value}"), people::CSRF))
    }

    /// Somebody who has not signed in.
    pub fn nobody(base: &str) -> Result<Self> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_gzip().build()?;
        Ok(Self { http, base: base.to_owned(), token: None, cookie: None, is_browser: false, csrf: String::new() })
    }

    /// Somebody who has not signed in and trusts a certificate.
    pub fn nobody_trusting(base: &str, certificate: &reqwest::Certificate) -> Result<Self> {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_gzip();
        Ok(Self { http: builder.add_root_certificate(certificate.clone()).build()?, ..Self::nobody(base)? })
    }

    /// The same with a token for the API.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// The same with cookies, and what forms carry.
    #[must_use]
    pub fn with_cookie(self, cookie: &str, csrf: &str) -> Self {
        Self { cookie: Some(cookie.to_owned()), csrf: csrf.to_owned(), ..self }
    }

    /// The same, asking the API as a page of the session does.
    #[must_use]
    pub fn as_browser(self) -> Self {
        Self { is_browser: true, ..self }
    }

    /// The same with something else in its forms.
    #[must_use]
    pub fn with_proof(self, csrf: &str) -> Self {
        Self { csrf: csrf.to_owned(), ..self }
    }

    /// Reads as a program does.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[], None).await
    }

    /// Reads as a browser does.
    pub async fn page(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")], None).await
    }

    /// Sends JSON.
    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Result<Answer> {
        self.send(method, path, &[("content-type", "application/json")], Some(body.to_string().into_bytes())).await
    }

    /// Sends JSON by POST.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.json(Method::POST, path, body).await
    }

    /// Sends JSON by PUT.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.json(Method::PUT, path, body).await
    }

    /// Sends JSON by POST under a key, so that it is done once however often it is sent.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Result<Answer> {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send(Method::POST, path, &headers, Some(body.to_string().into_bytes())).await
    }

    /// Sends a form as a browser does from a page of the service.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.append_pair("csrf", &self.csrf).extend_pairs(fields).finish();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
            ("origin", self.base.as_str()),
        ];
        self.send(Method::POST, path, &headers, Some(body.into_bytes())).await
    }

    /// Sends a form with a file as a browser does from a page of the service.
    pub async fn upload(&self, path: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Result<Answer> {
        const BOUNDARY: &str = "----HeadroomTests7MA4YWxkTrZu0gW";
        let mut body = Vec::with_capacity(file.1.len() + 1024);
        for (name, value) in [("csrf", self.csrf.as_str())].iter().chain(fields) {
            let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: text/csv\r\n\r\n",
            file.0
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file.1);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [
            ("content-type", kind.as_str()),
            ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
            ("origin", self.base.as_str()),
        ];
        self.send(Method::POST, path, &headers, Some(body)).await
    }

    /// Sends anything.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer> {
        let asked = format!("{method} {}", path.chars().take(200).collect::<String>());
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        let has = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let is_api = ["/api/", "/events", "/prom/"].iter().any(|start| path.starts_with(start)) || path == "/metrics";
        if let Some(token) = self.token.as_ref().filter(|_| is_api && !has("authorization")) {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            // Other cookies go along with the session's, as a browser sends them.
            let own = self.cookie.as_ref().filter(|_| !is_api && name.eq_ignore_ascii_case("cookie"));
            request = match own {
                Some(own) => request.header(*name, format!("{value}; {own}")),
                None => request.header(*name, *value),
            };
        }
        if let Some(cookie) = self.cookie.as_ref().filter(|_| (self.is_browser || !is_api) && !has("cookie")) {
            request = request.header("cookie", cookie);
        }
        if self.is_browser && is_api {
            request = request.header("x-csrf-token", &self.csrf);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let mut response = request.send().await.with_context(|| format!("{asked}: no answer"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let is_endless = headers.get("content-type").is_some_and(|kind| kind.as_bytes() == b"text/event-stream");
        let body = if is_endless {
            // A stream of events does not end: its beginning is shown.
            response.chunk().await.map(Option::unwrap_or_default)
        } else {
            response.bytes().await
        };
        let body = body.with_context(|| format!("{asked}: the answer is cut"))?;
        Ok(Answer { asked, status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}
