//! The product's own type on paper: which letters there are, and how wide text is.

use headroom_domain::format::NNBSP;
use std::sync::LazyLock;
use ttf_parser::Face;

/// Inter, weight 400.
pub(super) static REGULAR: &[u8] = include_bytes!("../../../assets/print/inter-regular.ttf");
/// Inter, weight 600.
pub(super) static BOLD: &[u8] = include_bytes!("../../../assets/print/inter-semibold.ttf");

static FACES: LazyLock<Option<(Face<'static>, Face<'static>)>> =
    LazyLock::new(|| Some((Face::parse(REGULAR, 0).ok()?, Face::parse(BOLD, 0).ok()?)));

/// Stands for a letter that the type does not have.
const MISSING: char = '?';

fn face(is_bold: bool) -> Option<&'static Face<'static>> {
    FACES.as_ref().map(|(regular, bold)| if is_bold { bold } else { regular })
}

/// Text in letters that there are.
pub(super) fn drawable(text: &str) -> String {
    let known = |c: char| face(false).is_some_and(|face| face.glyph_index(c).is_some());
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            NNBSP => '\u{a0}',
            c if known(c) => c,
            _ => MISSING,
        })
        .collect()
}

/// How wide a text is at a size, in the unit of the size.
pub(super) fn width(text: &str, size: f32, is_bold: bool) -> f32 {
    let Some(face) = face(is_bold) else { return 0.0 };
    let advance = |c| face.glyph_index(c).and_then(|glyph| face.glyph_hor_advance(glyph)).unwrap_or_default();
    let units: u32 = text.chars().map(|c| u32::from(advance(c))).sum();
    units as f32 * size / f32::from(face.units_per_em())
}

/// A text in lines no wider than `most`; a word that is wider is cut.
pub(super) fn lines(text: &str, size: f32, is_bold: bool, most: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        for piece in pieces(word, size, is_bold, most) {
            let longer = if line.is_empty() { piece.clone() } else { format!("{line} {piece}") };
            if line.is_empty() || width(&longer, size, is_bold) <= most {
                line = longer;
            } else {
                lines.push(std::mem::replace(&mut line, piece));
            }
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A word, in pieces if it is wider than a line.
fn pieces(word: &str, size: f32, is_bold: bool, most: f32) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for c in word.chars() {
        let longer = format!("{piece}{c}");
        if !piece.is_empty() && width(&longer, size, is_bold) > most {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    pieces.push(piece);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_percent_and_names_can_be_drawn() {
        let text = "€\u{202f}35,112.00 · 11.8\u{202f}% – “Łódź” −3 × ž";
        assert_eq!(drawable(text), text.replace('\u{202f}', "\u{a0}"));
        assert_eq!(drawable("a\u{1f600}\nb"), "a?b");
        assert!(width("1,463", 8.0, false) > 0.0 && width("1,463", 8.0, true) > width("1,463", 8.0, false));
    }

    #[test]
    fn lines_are_no_wider_than_asked_and_lose_nothing() {
        let text = "What was promised and not used, of what was promised, and averylongwordwithoutanyplacetobreakit.";
        let lines = lines(text, 8.0, false, 90.0);
        assert!(lines.len() > 3 && lines.iter().all(|line| width(line, 8.0, false) <= 90.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
    }
}
