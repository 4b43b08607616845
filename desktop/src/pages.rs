//! Pages of the window's own: while a server starts, when it cannot be reached, when it is not who it says.

use std::fmt::Write as _;

use url::Url;

use crate::address::Address;

/// The product's colours.
const TOKENS: &str = include_str!("../../assets/tokens.css");
/// The address of a link by which a page of ours asks to start the server again.
pub(crate) const AGAIN: &str = "headroom-desktop:again";
/// A page that cannot be reached is tried again this often, seconds.
const RETRY_S: u32 = 4;

const STYLE: &str = "body{font:16px/1.5 Inter,system-ui,sans-serif;background:var(--hr-bg);color:var(--hr-text);margin:0;\
display:grid;place-items:center;min-height:100vh}main{max-width:36rem;padding:1.5rem}h1{font-size:1.5rem;margin:0 0 .5rem}\
p{margin:.5rem 0;color:var(--hr-text-2)}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--hr-surface-2);padding:.75rem;\
border-radius:.5rem;font-size:.8125rem}a.button{display:inline-block;margin-top:.75rem;padding:.5rem 1rem;border-radius:.5rem;\
background:var(--hr-accent);color:var(--hr-on-accent);text-decoration:none}a:focus-visible{outline:2px solid var(--hr-focus);outline-offset:2px}";

fn page(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>{head}<style>{TOKENS}{STYLE}</style>\
         </head><body><main><h1>{title}</h1>{body}</main></body></html>",
        title = escaped(title)
    )
}

/// While the server inside starts.
pub(crate) fn starting(what: &str) -> String {
    page("Starting Headroom", "", &format!("<p role=\"status\">{}</p>", escaped(what)))
}

/// The server of a page, for people: the one that is shown, or that of somebody's sign-in elsewhere.
fn host(address: &Address, wanted: &str) -> String {
    let other = Url::parse(wanted).ok().filter(|url| !address.owns(url.as_str()));
    let name = other.as_ref().and_then(Url::host_str);
    match (name, other.as_ref().and_then(Url::port)) {
        (Some(name), Some(port)) => format!("{name}:{port}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => address.host(),
    }
}

/// A server that does not answer; the page tries again by itself.
pub(crate) fn unreachable(address: &Address, wanted: &str, reason: &str) -> String {
    let host = host(address, wanted);
    let title = if host == address.host() { "Headroom cannot be reached" } else { "The sign-in cannot be reached" };
    let wanted = escaped(wanted);
    let head = format!("<meta http-equiv=\"refresh\" content=\"{RETRY_S};url={wanted}\">");
    let body = format!(
        "<p role=\"alert\">{} does not answer: {}.</p><p>It is tried again every {RETRY_S} seconds.</p>\
         <a class=\"button\" href=\"{wanted}\">Try again now</a>",
        escaped(&host),
        escaped(reason.trim_end_matches('.')),
    );
    page(title, &head, &body)
}

/// A server whose certificate proves nothing. There is no way past it, and it is not tried again by itself.
pub(crate) fn untrusted(address: &Address, wanted: &str, faults: &[&str]) -> String {
    let mut body = format!(
        "<p role=\"alert\">{} could not prove who it is, so nothing was sent to it: {}.</p>\
         <p>Somebody may be listening in, or its certificate was not made by anybody whom this computer trusts. Ask whoever runs the \
         server.</p>",
        escaped(&host(address, wanted)),
        escaped(&faults.join("; ")),
    );
    let _ = write!(body, "<a class=\"button\" href=\"{}\">Try again</a>", escaped(wanted));
    page("The connection is not safe", "", &body)
}

/// What draws the page ended more than once in a short time.
pub(crate) fn broken(wanted: &str) -> String {
    let body = format!(
        "<p role=\"alert\">The part of this program that draws pages ended twice in a short time, so this page is not drawn again \
         by itself. Your data is not touched by that.</p><a class=\"button\" href=\"{}\">Try again</a>",
        escaped(wanted)
    );
    page("This page cannot be drawn", "", &body)
}

/// The server inside ended by itself, or did not start.
pub(crate) fn ended(reason: &str, last_words: &str) -> String {
    let mut body = format!("<p role=\"alert\">{}</p>", escaped(reason));
    if !last_words.is_empty() {
        let _ = write!(body, "<p>The last that it said:</p><pre>{}</pre>", escaped(last_words));
    }
    let _ = write!(body, "<a class=\"button\" href=\"{AGAIN}\">Start it again</a>");
    page("Headroom stopped", "", &body)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_failure_becomes_markup() {
        let address = Address::parse("https://headroom.example.org").unwrap();
        let hostile = "\"><script>alert(1)</script>'&";
        for text in [
            unreachable(&address, hostile, hostile),
            untrusted(&address, hostile, &[hostile]),
            broken(hostile),
            ended(hostile, hostile),
            starting(hostile),
        ] {
            assert!(!text.contains("<script") && !text.contains(hostile), "{}", text.len());
            assert!(text.contains("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&amp;"));
        }
    }

    #[test]
    fn a_bad_certificate_is_a_sentence_without_a_way_past_it() {
        let address = Address::parse("https://headroom.example.org").unwrap();
        let text = untrusted(&address, "https://headroom.example.org/", &["it is out of date"]);
        assert!(text.contains("could not prove who it is") && text.contains("it is out of date"));
        assert!(!text.contains("refresh"), "only a person tries again");
        let text = unreachable(&address, "https://headroom.example.org/pools", "Connection refused.");
        assert!(text.contains("url=https://headroom.example.org/pools") && text.contains("Connection refused.</p>"));
    }

    #[test]
    fn a_failure_names_the_server_that_failed() {
        let address = Address::parse("https://headroom.example.org:8443").unwrap();
        let provider = "https://login.example.org:444/authorize?x";
        let text = unreachable(&address, provider, "Connection refused");
        assert!(text.contains("<p role=\"alert\">login.example.org:444 does not answer"), "{text}");
        assert!(text.contains("<title>The sign-in cannot be reached</title>"));
        assert!(untrusted(&address, provider, &["x"]).contains(">login.example.org:444 could not prove"));
        for own in ["https://headroom.example.org:8443/pools", "nonsense"] {
            let text = unreachable(&address, own, "Connection refused");
            assert!(text.contains("<p role=\"alert\">headroom.example.org:8443 does not answer"), "{text}");
            assert!(text.contains("<title>Headroom cannot be reached</title>"));
        }
    }
}
