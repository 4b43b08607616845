//! Text on a chart: how wide it will be, and a place for it where nothing else stands.

use super::ink::Ink;

/// Which end of the text is at its x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text at a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    pub(super) text: String,
    pub(super) x: f64,
    /// Middle of its height.
    pub(super) y: f64,
    pub(super) anchor: Anchor,
    /// Font size in CSS pixels.
    pub(super) px: f64,
    pub(super) ink: Ink,
    pub(super) bold: bool,
}

/// A box in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Box2 {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Box2 {
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

impl Label {
    /// The box the text is estimated to fill.
    pub(super) fn bounds(&self) -> Box2 {
        let width = width(&self.text, self.px);
        let left = match self.anchor {
            Anchor::Start => self.x,
            Anchor::Middle => self.x - width / 2.0,
            Anchor::End => self.x - width,
        };
        // Ascenders and descenders of one line, without the leading.
        let half = self.px * 0.58;
        Box2 { left, top: self.y - half, right: left + width, bottom: self.y + half }
    }
}

/// Width of a text in CSS pixels, estimated: no font is loaded on the server, so this errs on the wide side of Inter.
pub(super) fn width(text: &str, px: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * px
}

fn em(c: char) -> f64 {
    match c {
        '0'..='9' => 0.645,
        ' ' | '\u{202F}' | '.' | ',' | ':' | 'i' | 'j' | 'l' | '\'' | '|' | 'I' | '(' | ')' => 0.34,
        'f' | 'r' | 't' | '-' | '/' => 0.45,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 0.95,
        'A'..='Z' | '≥' | '+' | '\u{2212}' => 0.73,
        'a'..='z' | '–' => 0.61,
        _ if (c as u32) < 0x0500 => 0.75,
        _ => 1.1,
    }
}

/// The text, shortened with an ellipsis until it is at most `most` CSS pixels wide; empty if not even that fits.
pub(super) fn fit(text: &str, px: f64, most: f64) -> String {
    if width(text, px) <= most {
        return text.to_owned();
    }
    let mut kept: Vec<char> = Vec::new();
    let mut used = em('…') * px;
    for c in text.chars() {
        used += em(c) * px;
        if used > most {
            break;
        }
        kept.push(c);
    }
    let kept: String = kept.into_iter().collect();
    let kept = kept.trim_end();
    if kept.is_empty() { String::new() } else { format!("{kept}…") }
}

/// The text without characters that may not stand in a document; line breaks become spaces.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() && c != '\u{202F}' { ' ' } else { c })
        .filter(|c| !c.is_control() && !matches!(*c as u32, 0xFFFE | 0xFFFF))
        .collect()
}

/// The text as character data or attribute value.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_its_room() {
        assert_eq!(fit("acme-search", 11.0, 200.0), "acme-search");
        let cut = fit("a-very-long-tenant-name", 11.0, 60.0);
        assert!(cut.ends_with('…') && width(&cut, 11.0) <= 60.0, "{cut}");
        assert_eq!(fit("wide", 11.0, 3.0), "");
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(escape("</svg><script>'\"&"), "&lt;/svg&gt;&lt;script&gt;&#39;&quot;&amp;");
        assert_eq!(clean("a\u{0}b\nc"), "ab c");
    }
}
