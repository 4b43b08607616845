//! A site that is no Headroom, but of which the window thinks so: pages that are one large link each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A running site; it ends with the test.
pub(crate) struct Site {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<(String, String)>>>,
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
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let Some(first) = lines.next() else { continue };
                let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let cookie = headers.iter().find(|line| line.to_ascii_lowercase().starts_with("cookie:"));
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().push((path.clone(), cookie.cloned().unwrap_or_default()));
                let (kind, further, body) = answer(&path);
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n{further}\r\n{body}",
                    body.len()
                );
            }
        });
        Self { url, asked }
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

fn answer(path: &str) -> (&'static str, &'static str, String) {
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
        "/five" => (html, "", page("Five", "ssh://elsewhere.example", "")),
        "/table.csv" => (
            "text/csv",
            "Content-Disposition: attachment; filename=\"../../table.csv\"\r\n",
            "pool,slots\nci,10\n".to_owned(),
        ),
        _ => ("application/json", "", "{}".to_owned()),
    }
}
