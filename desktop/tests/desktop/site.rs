//! A site that is no Headroom, but of which the window thinks so: pages that are one large link each, and alerts as a test wants
//! them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running site; it ends with the test.
pub(crate) struct Site {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<(String, String)>>>,
    /// `None`: nobody is signed in.
    pages: Arc<Mutex<Option<Vec<i64>>>>,
}

/// A page on which a click anywhere follows the link.
fn page(title: &str, link: &str, target: &str) -> String {
    format!(
        "<!doctype html><title>{title}</title><a href=\"{link}\" target=\"{target}\" \
         style=\"position:fixed;inset:0;background:lightblue\">{title}</a>"
    )
}

impl Site {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, pages) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Some(Vec::new()))));
        let (seen, waiting) = (Arc::clone(&asked), Arc::clone(&pages));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, waiting) = (Arc::clone(&seen), Arc::clone(&waiting));
                // A browser opens connections beforehand, and says nothing on them for a while.
                std::thread::spawn(move || converse(stream, &seen, &waiting));
            }
        });
        Self { url, asked, pages }
    }

    /// Says which alerts are pages that nobody has.
    pub(crate) fn pages(&self, alerts: impl IntoIterator<Item = i64>) {
        *self.pages.lock().unwrap() = Some(alerts.into_iter().collect());
    }

    /// All sessions are over.
    pub(crate) fn ends_sessions(&self) {
        *self.pages.lock().unwrap() = None;
    }

    /// Whether a path was asked for.
    pub(crate) fn was_asked(&self, path: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|(asked, _)| asked == path)
    }

    /// The cookies that came with each request for a path.
    pub(crate) fn cookies(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(asked, _)| asked == path).map(|(_, cookie)| cookie.clone()).collect()
    }
}

/// Hears one request out and answers it.
fn converse(mut stream: TcpStream, asked: &Mutex<Vec<(String, String)>>, pages: &Mutex<Option<Vec<i64>>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = reader.by_ref().lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let headers: Vec<String> =
        lines.take_while(|line| !line.is_empty()).map(|line| line.to_ascii_lowercase()).collect();
    let header = |name: &str| headers.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    // What is sent is of no interest, but whoever sends wants to be heard out.
    let length = header("content-length:").parse().unwrap_or(0);
    let _ = std::io::copy(&mut reader.take(length), &mut std::io::sink());
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push((path.clone(), header("cookie:").to_owned()));
    let pages = pages.lock().unwrap().clone();
    let status = if pages.is_none() && path.starts_with("/api/") { "401 Unauthorized" } else { "200 OK" };
    let (kind, further, body) = answer(&path, &pages.unwrap_or_default());
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n{further}\r\n{body}",
        body.len()
    );
}

/// Open alerts as the API tells them.
fn alerts(pages: &[i64]) -> String {
    let alerts: Vec<serde_json::Value> = pages
        .iter()
        .map(|id| {
            serde_json::json!({
                "id": id, "version": 1, "episode": 1, "reopened": 0, "title": "Saturated", "text": "No slot is free.",
                "pool": format!("pool-{id}"), "state": "firing", "severity": "page", "dry_run": false
            })
        })
        .collect();
    serde_json::json!({ "at": "2026-11-27T09:00:00Z", "version": 1, "alerts": alerts }).to_string()
}

fn answer(path: &str, pages: &[i64]) -> (&'static str, &'static str, String) {
    let html = "text/html; charset=utf-8";
    match path {
        "/" => (html, "", page("One", "https://elsewhere.example/runbook", "_blank")),
        "/alerts/2" => (html, "", page("Two", "/table.csv", "")),
        "/alerts/3" => (html, "", page("Three", "headroom-desktop:again", "")),
        "/alerts/4" => (html, "", page("Four", "/five", "_blank")),
        "/alerts/6" => (
            html,
            "Set-Cookie: headroom=of-another-port; Path=/; HttpOnly; SameSite=Lax\r\nSet-Cookie: theme=dark; Path=/\r\n",
            page("Six", "/five", ""),
        ),
        "/alerts/8" => (html, "Set-Cookie: headroom=; Path=/; Max-Age=0\r\n", page("Eight", "/five", "")),
        "/alerts/9" => {
            (html, "Set-Cookie: headroom=anew; Path=/; HttpOnly; SameSite=Lax\r\n", page("Nine", "/five", ""))
        }
        "/login" => (html, "", page("Sign in", "/five", "")),
        "/help" => (html, "", "<input type=\"hidden\" name=\"csrf\" value=\"abc\">".to_owned()),
        _ if path.starts_with("/api/v1/alerts?") => ("application/json", "", alerts(pages)),
        "/five" => (html, "", page("Five", "ssh://elsewhere.example", "")),
        "/table.csv" => (
            "text/csv",
            "Content-Disposition: attachment; filename=\"../../table.csv\"\r\n",
            "pool,slots\nci,10\n".to_owned(),
        ),
        _ => ("application/json", "", "{}".to_owned()),
    }
}
