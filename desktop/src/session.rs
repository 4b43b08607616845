//! The session of somebody who is signed in: one cookie, as the server gave it to the web view.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::address::Address;

/// Names of the server's cookie, on encrypted connections and on others.
const NAMES: [&str; 2] = ["__Host-headroom", "headroom"];
/// Longest value that is kept.
const MAX_VALUE: usize = 500;

/// A session's cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    name: String,
    value: String,
}

/// Its value opens the server to whoever reads it, so it is never printed.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Session {
    /// One of some cookies, if it is there.
    pub(crate) fn among<'a>(cookies: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let found = cookies.into_iter().find(|(name, value)| is_sound(name, value));
        found.map(|(name, value)| Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// Reads what [`Session::keep`] wrote.
    pub(crate) fn read(kept: &str) -> Result<Self> {
        let session: Self = serde_json::from_str(kept).context("what was kept of a sign-in is not as expected")?;
        ensure!(is_sound(&session.name, &session.value), "what was kept of a sign-in is not as expected");
        Ok(session)
    }

    /// As it is kept.
    pub(crate) fn keep(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// The header of a request.
    pub(crate) fn header(&self) -> String {
        format!("{}={}", self.name, self.value)
    }

    /// As the web view takes it.
    pub(crate) fn cookie(&self, address: &Address) -> wry::cookie::Cookie<'static> {
        wry::cookie::Cookie::build((self.name.clone(), self.value.clone()))
            .domain(address.domain().to_owned())
            .path("/")
            .http_only(true)
            .secure(address.is_private())
            .same_site(wry::cookie::SameSite::Lax)
            .build()
    }
}

fn is_sound(name: &str, value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.+/%".contains(&byte);
    NAMES.contains(&name) && (1..=MAX_VALUE).contains(&value.len()) && value.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_kept_and_never_printed() {
        let cookies = [("hr_form", "x"), ("headroom", "c2VjcmV0"), ("other", "y")];
        let session = Session::among(cookies).unwrap();
        assert_eq!(session.header(), "headroom=c2VjcmV0");
        assert_eq!(Session::read(&session.keep().unwrap()).unwrap(), session);
        assert!(!format!("{session:?}").contains("c2VjcmV0"));
        assert_eq!(Session::among([("headroom", "")]), None);
        assert_eq!(Session::among([("headroom", "a; b=c\r\n")]), None);
        assert_eq!(Session::among([("headroom_theme", "dark")]), None);
    }

    #[test]
    fn what_was_kept_is_checked() {
        for wrong in ["", "{}", r#"{"name":"a","value":"b"}"#, r#"{"name":"headroom","value":"a\nb"}"#] {
            let refusal = format!("{:#}", Session::read(wrong).unwrap_err());
            assert!(refusal.contains("not as expected"), "{refusal}");
        }
    }

    #[test]
    fn the_cookie_is_bound_to_its_server() {
        let session = Session::among([("__Host-headroom", "abc")]).unwrap();
        let cookie = session.cookie(&Address::parse("https://headroom.example.org:8443").unwrap());
        assert_eq!((cookie.domain(), cookie.path()), (Some("headroom.example.org"), Some("/")));
        assert_eq!((cookie.secure(), cookie.http_only()), (Some(true), Some(true)));
        let plain = session.cookie(&Address::parse("http://127.0.0.1:8080").unwrap());
        assert_eq!(plain.secure(), Some(false));
    }
}
