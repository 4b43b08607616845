//! Runbooks as pages show them: Markdown becomes HTML in which nothing runs and no link leads astray.
//!
//! Raw HTML is text, pictures are their descriptions, and a link is kept if it leads to a page of ours or to `http` or `https`.
//! `{pool}`, `{tenant}` and `{alert}` stand for what the reader came from.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeStream, html};

/// What a part of an address may hold as it is.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What placeholders stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fill {
    /// Slug of the pool.
    pub pool: Option<String>,
    /// Slug of the tenant.
    pub tenant: Option<String>,
    /// Number of the alert.
    pub alert: Option<String>,
}

impl Fill {
    fn pairs(&self) -> [(&'static str, Option<&str>); 3] {
        [("{pool}", self.pool.as_deref()), ("{tenant}", self.tenant.as_deref()), ("{alert}", self.alert.as_deref())]
    }

    /// A text with what is known; what is not stays as it is.
    fn text<'a>(&self, text: CowStr<'a>) -> CowStr<'a> {
        let known = self.pairs().into_iter().filter_map(|(mark, value)| Some((mark, value?)));
        known.fold(
            text,
            |text, (mark, value)| {
                if text.contains(mark) { text.replace(mark, value).into() } else { text }
            },
        )
    }

    /// An address with what is known; `None` if something in it is not.
    fn address(&self, address: &str) -> Option<String> {
        let mut filled = address.to_owned();
        for (mark, value) in self.pairs() {
            if filled.contains(mark) {
                filled = filled.replace(mark, &utf8_percent_encode(value?, PART).to_string());
            }
        }
        // Another runbook is read on behalf of the same thing.
        if filled.starts_with("/runbooks/") && !filled.contains(['?', '#']) {
            let mut before = '?';
            for (name, value) in [("pool", &self.pool), ("tenant", &self.tenant), ("alert", &self.alert)] {
                if let Some(value) = value {
                    filled.extend([
                        before.to_string().as_str(),
                        name,
                        "=",
                        &utf8_percent_encode(value, PART).to_string(),
                    ]);
                    before = '&';
                }
            }
        }
        Some(filled)
    }
}

/// Whether a link may lead there. A browser reads a backslash as a slash and skips line ends, so such an address is refused.
fn is_safe(address: &str) -> bool {
    let is_odd = address.contains('\\') || address.chars().any(char::is_control);
    let is_ours = (address.starts_with('/') && !address.starts_with("//")) || address.starts_with('#');
    let lower = address.to_ascii_lowercase();
    !is_odd && (is_ours || lower.starts_with("http://") || lower.starts_with("https://"))
}

/// A step of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number; steps are numbered through.
    pub number: u64,
    /// HTML.
    pub html: String,
}

/// A section of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Heading.
    pub heading: String,
    /// Its numbered steps.
    pub steps: Vec<Step>,
}

/// What a runbook is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The first heading.
    pub title: String,
    /// Sections in order.
    pub sections: Vec<Section>,
    /// Where its links lead, as they are written.
    pub links: Vec<String>,
}

/// A text as HTML, without its title, which the page itself shows.
pub fn html(body: &str, fill: &Fill) -> String {
    let mut out = String::new();
    html::push_html(&mut out, events(body, fill).into_iter());
    out
}

fn parse(body: &str) -> impl Iterator<Item = Event<'_>> {
    TextMergeStream::new(Parser::new_ext(body, Options::ENABLE_TABLES))
}

/// What is shown of a text.
fn events<'a>(body: &'a str, fill: &Fill) -> Vec<Event<'a>> {
    let mut shown = Vec::new();
    let (mut titles, mut in_title) = (0, false);
    // Whether the links that are open are kept.
    let mut links = Vec::new();
    for event in parse(body) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) => {
                titles += 1;
                in_title = titles == 1;
                if !in_title {
                    shown.push(Event::Start(Tag::Heading {
                        level: HeadingLevel::H2,
                        id: None,
                        classes: Vec::new(),
                        attrs: Vec::new(),
                    }));
                }
            }
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => {
                if !in_title {
                    shown.push(Event::End(TagEnd::Heading(HeadingLevel::H2)));
                }
                in_title = false;
            }
            _ if in_title => {}
            Event::Html(text) | Event::InlineHtml(text) | Event::Text(text) => shown.push(Event::Text(fill.text(text))),
            Event::Code(text) => shown.push(Event::Code(fill.text(text))),
            Event::Start(Tag::HtmlBlock) => shown.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => shown.push(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => {}
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let address = fill.address(&dest_url).filter(|address| is_safe(address));
                links.push(address.is_some());
                if let Some(address) = address {
                    shown.push(Event::Start(Tag::Link { link_type, dest_url: address.into(), title, id }));
                }
            }
            Event::End(TagEnd::Link) => {
                if links.pop() == Some(true) {
                    shown.push(Event::End(TagEnd::Link));
                }
            }
            other => shown.push(other),
        }
    }
    shown
}

/// Title, sections, steps and links of a text.
pub fn outline(body: &str, fill: &Fill) -> Outline {
    let mut outline = Outline::default();
    let mut heading: Option<(HeadingLevel, String)> = None;
    for event in parse(body) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => heading = Some((level, String::new())),
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, so_far)) = &mut heading {
                    so_far.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => match heading.take() {
                Some((HeadingLevel::H1, text)) if outline.title.is_empty() => {
                    text.trim().clone_into(&mut outline.title);
                }
                Some((HeadingLevel::H1 | HeadingLevel::H2, text)) => {
                    outline.sections.push(Section { heading: text.trim().to_owned(), steps: Vec::new() });
                }
                _ => {}
            },
            Event::Start(Tag::Link { dest_url, .. }) => outline.links.push(dest_url.to_string()),
            _ => {}
        }
    }
    steps(body, fill, &mut outline);
    outline
}

/// The text of HTML that was made here, in one line of at most so many characters.
pub fn plain(html: &str, most: usize) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if in_tag => {}
            _ => text.push(c),
        }
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Fills in the numbered steps: the items of numbered lists that stand in no other list.
fn steps(body: &str, fill: &Fill, outline: &mut Outline) {
    let mut section: Option<usize> = None;
    let (mut depth, mut number, mut from) = (0, None, 0);
    let events = events(body, fill);
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => {
                section = Some(section.map_or(0, |section| section + 1));
            }
            Event::Start(Tag::List(first)) => {
                if depth == 0 {
                    number = *first;
                }
                depth += 1;
            }
            Event::End(TagEnd::List(_)) => depth -= 1,
            Event::Start(Tag::Item) if depth == 1 => from = at + 1,
            Event::End(TagEnd::Item) if depth == 1 => {
                let found = section.and_then(|section| outline.sections.get_mut(section)).zip(number);
                if let Some((section, now)) = found {
                    let mut html = String::new();
                    html::push_html(&mut html, events[from..at].iter().cloned());
                    section.steps.push(Step { number: now, html: html.trim().to_owned() });
                    number = Some(now + 1);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Fill {
        Fill { pool: Some("eu/1 a".into()), tenant: None, alert: Some("7".into()) }
    }

    #[test]
    fn nothing_runs_and_no_link_leads_astray() {
        for (text, expected) in [
            ("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n"),
            ("<script>alert(1)</script>\n", "<p>&lt;script&gt;alert(1)&lt;/script&gt;\n</p>\n"),
            ("[x](javascript:alert(1))", "<p>x</p>\n"),
            ("[x](JaVaScRiPt:alert(1))", "<p>x</p>\n"),
            ("[x](data:text/html,x)", "<p>x</p>\n"),
            ("[x](//elsewhere.example)", "<p>x</p>\n"),
            ("[x](</\\elsewhere.example>)", "<p>x</p>\n"),
            ("[x](</&#9;/elsewhere.example>)", "<p>x</p>\n"),
            ("[x](pools)", "<p>x</p>\n"),
            ("![<i>](https://a.example/x.png)", "<p>&lt;i&gt;</p>\n"),
            ("[x](/pools \"a\")", "<p><a href=\"/pools\" title=\"a\">x</a></p>\n"),
            ("[x](https://a.example/?a=1&b=2)", "<p><a href=\"https://a.example/?a=1&amp;b=2\">x</a></p>\n"),
            ("<https://a.example>", "<p><a href=\"https://a.example\">https://a.example</a></p>\n"),
            ("[x](#a)", "<p><a href=\"#a\">x</a></p>\n"),
        ] {
            assert_eq!(html(text, &Fill::default()), expected, "{text}");
        }
    }

    #[test]
    fn the_text_of_a_step_is_one_line() {
        let step =
            &outline("# A\n\n## B\n\n1. See `a < b` & [it](/pools):\n   - x\n", &Fill::default()).sections[0].steps[0];
        assert_eq!(plain(&step.html, 100), "See a < b & it: x");
        assert_eq!(plain(&step.html, 5), "See …");
    }

    #[test]
    fn placeholders_are_filled_in_where_they_are_known() {
        let text = "{pool} and {tenant}: `{pool}` [a](/pools/{pool}?tab=map) [b](/tenants/{tenant})";
        assert_eq!(
            html(text, &filled()),
            "<p>eu/1 a and {tenant}: <code>eu/1 a</code> <a href=\"/pools/eu%2F1%20a?tab=map\">a</a> b</p>\n"
        );
        assert_eq!(
            html("[c](/runbooks/c)", &filled()),
            "<p><a href=\"/runbooks/c?pool=eu%2F1%20a&amp;alert=7\">c</a></p>\n"
        );
        let hostile = Fill { pool: Some("<img src=x>\" onload=\"x".into()), ..Fill::default() };
        let shown = html("{pool} [a](/pools/{pool})", &hostile);
        // A quotation mark in text is text; in an address it is escaped.
        let address =
            shown.split_once("href=\"").and_then(|(_, rest)| rest.split_once("\">")).map(|(address, _)| address);
        assert!(!shown.contains("<img"), "{shown}");
        assert_eq!(address, Some("/pools/%3Cimg%20src%3Dx%3E%22%20onload%3D%22x"));
    }

    #[test]
    fn a_runbook_has_a_title_sections_and_numbered_steps() {
        let text = "# Pool `a` is full\n\nWhy.\n\n## First\n\n1. Look at [it](/pools/{pool}).\n2. Two:\n   - a\n   - b\n\nText.\n\n## Then\n\n3. Third\n\n## Why\n\n- no step\n";
        let outline = outline(text, &filled());
        assert_eq!(outline.title, "Pool a is full");
        assert_eq!(outline.links, ["/pools/{pool}"]);
        let told: Vec<(&str, Vec<u64>)> = outline
            .sections
            .iter()
            .map(|section| (section.heading.as_str(), section.steps.iter().map(|step| step.number).collect()))
            .collect();
        assert_eq!(told, [("First", vec![1, 2]), ("Then", vec![3]), ("Why", vec![])]);
        assert!(outline.sections[0].steps[0].html.contains("href=\"/pools/eu%2F1%20a\""), "{outline:?}");
        assert!(outline.sections[0].steps[1].html.contains("<li>b</li>"), "{outline:?}");
        assert!(!html(text, &filled()).contains("<h1"), "the page has its own");
        assert!(html("# A\n# B", &filled()).contains("<h2>B</h2>"));
    }
}
