//! The browser's files, embedded by the build script: stylesheet, icons, fonts, browser module.
//!
//! Names carry a hash of the content, so a browser may keep a file for ever, and a new version has a new name.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};

/// A file and its compressed forms.
#[derive(Debug)]
struct Asset {
    /// What the program calls it: `app.css`, `fonts/inter-latin-wght-normal.woff2`.
    logical: &'static str,
    /// Where a browser finds it: `/assets/app-1a2b3c4d5e.css`.
    url: &'static str,
    content_type: &'static str,
    identity: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The address of a file by its logical name, for example `app.css`; `None` for the browser module while no bundle was built.
pub fn url(logical: &str) -> Option<&'static str> {
    ASSETS.iter().find(|asset| asset.logical == logical).map(|asset| asset.url)
}

/// Answers `GET /assets/{*path}`.
pub async fn serve(uri: Uri, headers: HeaderMap) -> Response<Body> {
    let Some(asset) = ASSETS.iter().find(|asset| asset.url == uri.path()) else {
        return not_found();
    };
    let (encoding, bytes) = best_form(asset, &headers);
    // The name has the content's hash, and each form of it is a representation of its own.
    let etag = format!("\"{}{}\"", asset.url.trim_start_matches("/assets/"), encoding.suffix());

    let mut response = if is_known(&headers, &etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(bytes));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        if let Some(name) = encoding.header() {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    };
    let out = response.headers_mut();
    out.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        out.insert(ETAG, etag);
    }
    response
}

/// A file of an older version is gone. The answer must not be kept: a rolling update may bring the name a moment later.
fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("no such file: reload the page for its current addresses\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A form of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    fn header(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => "+br",
            Self::Gzip => "+gzip",
            Self::Identity => "",
        }
    }
}

/// The smallest form that the browser takes.
fn best_form(asset: &Asset, headers: &HeaderMap) -> (Encoding, &'static [u8]) {
    let forms = [(Encoding::Brotli, asset.brotli), (Encoding::Gzip, asset.gzip)];
    for (encoding, bytes) in forms {
        if let (Some(name), Some(bytes)) = (encoding.header(), bytes)
            && accepts(headers, name)
        {
            return (encoding, bytes);
        }
    }
    (Encoding::Identity, asset.identity)
}

/// Whether `Accept-Encoding` names this coding with a quality above zero (RFC 9110, 12.5.3). A bare `*` is not taken up:
/// who sends it is no browser and may not be able to decode.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
            let refused = parts
                .filter_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .any(|quality| quality.parse::<f32>().is_ok_and(|quality| quality <= 0.0));
            named && !refused
        })
}

/// Whether the browser has this representation already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, headers: &[(&'static str, &str)]) -> Response<Body> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header value"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(serve(path.parse().expect("a path"), map))
    }

    fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[test]
    fn what_every_page_needs_is_embedded() {
        let needed = ["app.css", "icons.svg", "app/icon.svg", "app/icon-180.png", "app/manifest.webmanifest"];
        for logical in needed.into_iter().chain(["fonts/inter-latin-wght-normal.woff2"]) {
            let address = url(logical).unwrap_or_else(|| panic!("{logical} is missing"));
            let response = get(address, &[]);
            assert_eq!(response.status(), StatusCode::OK, "{address}");
            assert!(header(&response, "cache-control").contains("immutable"));
        }
        assert_eq!(url("no-such.css"), None);
    }

    #[test]
    fn the_stylesheet_knows_the_fonts_by_their_hashed_names() {
        let css = ASSETS.iter().find(|asset| asset.logical == "app.css").expect("the stylesheet");
        let text = str::from_utf8(css.identity).expect("it is text");
        let font = url("fonts/inter-latin-wght-normal.woff2").expect("the font");
        assert!(text.contains(font));
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let address = url("app.css").expect("the stylesheet");
        let first = get(address, &[]);
        let again = get(address, &[("if-none-match", header(&first, "etag"))]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = get(address, &[("if-none-match", "\"something-else\"")]);
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn an_unknown_name_is_not_found_and_not_kept() {
        for path in ["/assets/app.css", "/assets/", "/assets/../Cargo.toml"] {
            let response = get(path, &[]);
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(header(&response, "cache-control"), "no-store");
        }
    }

    #[test]
    fn the_browser_chooses_the_coding() {
        let asset = Asset {
            logical: "a.css",
            url: "/assets/a-1.css",
            content_type: "text/css",
            identity: b"identity",
            brotli: Some(b"brotli"),
            gzip: Some(b"gzip"),
        };
        let cases = [
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip", Encoding::Gzip),
            ("br;q=0, gzip;q=0.5", Encoding::Gzip),
            ("br;q=0.000", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("*", Encoding::Identity),
            ("", Encoding::Identity),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().expect("a header value"));
            assert_eq!(best_form(&asset, &headers).0, expected, "{value}");
        }
    }
}
