//! Error pages: they keep the shell, the navigation and the search.

use super::Link;

/// Everything on an error page.
#[derive(Debug, Clone)]
pub struct ErrorModel {
    /// HTTP status. Texts exist for 400, 401, 403, 404, 405, 409, 413, 422, 429, 503 and the rest of 5xx.
    pub status: u16,
    /// What happened, a sentence: "No pool called ingres-eu." Empty for the status's own text.
    pub what: String,
    /// What it means and what to do. Empty for the status's own text.
    pub hint: String,
    /// Closest existing things, best first, at most three: "Did you mean ingress-eu?"
    pub suggestions: Vec<Link>,
    /// Seconds until a retry makes sense (429, 503); the same number as the `Retry-After` header.
    pub retry_after_s: Option<u64>,
    /// Identifier of the request, as in the log; empty to leave it out.
    pub id: String,
    /// Where Retry leads: the path that failed, for GET requests. `None` after a POST. Before sign-in it is where signing in
    /// leads back to (`/login?next=…`).
    pub retry_href: Option<String>,
}
