//! What a browser asked for: path, query, cookies. Read without ever refusing: a page answers any address.

use crate::app::window::Asked;
use crate::net::Peer;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::{ACCEPT, COOKIE, HOST};
use axum::http::request::Parts;
use headroom_frontend::model::{Compare, Density, Theme};
use headroom_frontend::url::UrlState;
use std::convert::Infallible;

/// Pairs of a query that are looked at; the rest is ignored.
const MAX_PAIRS: usize = 500;

/// One request for a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visit {
    /// Path without query.
    pub path: String,
    /// Path and query as asked.
    pub address: String,
    /// Whether it was a GET (or HEAD).
    pub reads: bool,
    /// Whether the connection is encrypted.
    pub is_private: bool,
    /// `Host`, for examples on the help page.
    pub host: String,
    pairs: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    accepts_csv: bool,
}

impl Visit {
    /// The first value of a parameter; empty counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// Whether a parameter is there, be it empty: a form sends its empty fields too.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|(name, _)| name == key)
    }

    /// All values of a parameter, each once.
    pub(crate) fn all(&self, key: &str) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        for (_, value) in self.pairs.iter().filter(|(k, v)| k == key && !v.is_empty()) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        values
    }

    /// Gives a parameter one value.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.forget(key);
        self.pairs.push((key.to_owned(), value.to_owned()));
    }

    /// Drops a parameter.
    pub(crate) fn forget(&mut self, key: &str) {
        self.pairs.retain(|(k, _)| k != key);
    }

    /// A cookie, percent-decoded.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let (_, value) = self.cookies.iter().find(|(k, _)| k == name)?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    /// Whether a table is wanted as CSV, and which one if the page has several.
    pub(crate) fn csv(&self) -> Option<&str> {
        (self.accepts_csv || self.get("format") == Some("csv")).then(|| self.get("table").unwrap_or_default())
    }

    /// The filters as the use cases read them; the zone falls back to the preference.
    pub(crate) fn asked(&self) -> Asked {
        let own = |key: &str| self.get(key).map(str::to_owned);
        Asked {
            from: own("from"),
            to: own("to"),
            tz: own("tz").or_else(|| self.cookie("hr_tz").filter(|tz| crate::zones::is_known(tz))),
            pools: self.all("pool"),
            tenants: self.all("tenant"),
            stamps: self.all("stamp"),
            compare: own("cmp"),
        }
    }

    /// The address's state, with the view parameters named.
    pub(crate) fn url(&self, view: &[&str]) -> UrlState {
        UrlState {
            from: self.get("from").map(str::to_owned),
            to: self.get("to").map(str::to_owned),
            tz: self.get("tz").map(str::to_owned),
            pools: self.all("pool"),
            tenants: self.all("tenant"),
            stamps: self.all("stamp"),
            compare: self.get("cmp").and_then(Compare::parse),
            view: view
                .iter()
                .filter_map(|key| self.get(key).map(|value| ((*key).to_owned(), value.to_owned())))
                .collect(),
            kiosk: self.get("kiosk") == Some("1"),
        }
    }

    /// The theme: forced by the address, else the preference.
    pub(crate) fn theme(&self) -> Theme {
        let forced = self.get("theme").and_then(Theme::parse);
        forced.or_else(|| Theme::parse(&self.cookie("hr_theme")?)).unwrap_or_default()
    }

    /// The density: forced by the address, else the preference.
    pub(crate) fn density(&self) -> Density {
        let forced = self.get("density").and_then(Density::parse);
        forced.or_else(|| Density::parse(&self.cookie("hr_density")?)).unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let lines = parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        Ok(Self {
            path: parts.uri.path().to_owned(),
            address: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            reads: parts.method.is_safe(),
            is_private: parts.extensions.get::<Peer>().is_some_and(|peer| peer.is_private),
            host: parts.uri.authority().map_or_else(|| header(HOST).to_owned(), ToString::to_string),
            pairs: url::form_urlencoded::parse(query.as_bytes()).into_owned().take(MAX_PAIRS).collect(),
            cookies,
            accepts_csv: header(ACCEPT).starts_with("text/csv"),
        })
    }
}

/// The name in a path such as `/pools/{pool}`. One that is no text (bad percent-encoding) is a name
/// that nothing has.
#[derive(Debug, Clone)]
pub(crate) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let name = RawPathParams::from_request_parts(parts, state)
            .await
            .ok()
            .and_then(|params| params.iter().next().map(|(_, value)| value.to_owned()));
        Ok(Self(name.unwrap_or_else(|| char::REPLACEMENT_CHARACTER.to_string())))
    }
}
