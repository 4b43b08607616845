//! The head and the ten most expensive rows of a report as a picture of 1600 × 900, for slides and chats.

use super::Frame;
use super::letters::{BOLD, REGULAR, drawable, lines, width};
use headroom_domain::format;
use headroom_domain::report::{Cell, Document};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

/// Size of the picture.
const SIZE: (u32, u32) = (1600, 900);
/// Rows that are shown.
const ROWS: usize = 10;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    Arc::new(fonts)
});

struct Drawing {
    svg: String,
    family: String,
}

impl Drawing {
    fn text(&mut self, (x, y): (f32, f32), size: f32, is_bold: bool, colour: &str, anchor: &str, text: &str) {
        let weight = if is_bold { 600 } else { 400 };
        let text = escaped(&drawable(text));
        // Writing into memory does not fail.
        let _ = write!(
            self.svg,
            r#"<text x="{x}" y="{y}" font-family="{}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}">{text}</text>"#,
            self.family
        );
    }

    fn rect(&mut self, (x, y): (f32, f32), (width, height): (f32, f32), colour: &str) {
        let _ = write!(self.svg, r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}"/>"#);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The words of a total for a card.
fn total(document: &Document, key: &str) -> String {
    match document.table("waste").and_then(|table| table.total_of(key)) {
        Some(Cell::Money(Some(minor))) => format::money_short(minor, document.money()),
        Some(cell) => cell.shown(document.money()),
        None => format::UNKNOWN.to_owned(),
    }
}

// By name: this is no page, and no token reaches it.
const INK: &str = "black";
const SOFT: &str = "dimgray";
const USED: &str = "steelblue";
const IDLE: &str = "darkorange";
const RULE: &str = "lightgray";

/// Draws it. `None` if the picture cannot be made, which a test rules out.
pub fn png(document: &Document, frame: &Frame) -> Option<Vec<u8>> {
    let (wide, high) = SIZE;
    let family = FONTS.faces().next().and_then(|face| face.families.first()).map(|(name, _)| name.clone())?;
    let mut d = Drawing {
        svg: format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">"#
        ),
        family,
    };
    d.rect((0.0, 0.0), (wide as f32, high as f32), "white");
    d.text((60.0, 84.0), 42.0, true, INK, "start", &document.title);
    let state = format!(
        "{} · {} to {}, {} · {}",
        frame.organisation,
        frame.time(document.from_ms),
        frame.time(document.to_ms),
        document.zone,
        frame.state
    );
    d.text((60.0, 124.0), 22.0, false, SOFT, "start", &cut(&state, 22.0, 1_480.0));
    let has_money = document.currency.is_some();
    let cards = [
        ("Reserved but unused", total(document, "waste")),
        ("Idle", total(document, if has_money { "idle_minor" } else { "idle_slot_ms" })),
        ("Promised", total(document, if has_money { "spend_minor" } else { "reserved_slot_ms" })),
        ("Could be saved safely", total(document, if has_money { "saves_minor" } else { "saves_slot_ms" })),
    ];
    for (at, (label, value)) in cards.iter().enumerate() {
        let x = 60.0 + at as f32 * 375.0;
        d.text((x, 178.0), 20.0, false, SOFT, "start", label);
        d.text((x, 228.0), 44.0, true, INK, "start", value);
    }
    let heads = [
        ("Tenant in pool", 60.0, "start"),
        ("Used of what was promised", 560.0, "start"),
        ("Idle", 1_150.0, "end"),
        ("Right-size to", 1_330.0, "end"),
        ("Saves", 1_540.0, "end"),
    ];
    for (label, x, anchor) in heads {
        d.text((x, 288.0), 20.0, true, SOFT, anchor, label);
    }
    d.rect((60.0, 302.0), (1_480.0, 2.0), RULE);
    if let Some(table) = document.table("waste") {
        for (at, row) in table.rows.iter().take(ROWS).enumerate() {
            let y = 344.0 + at as f32 * 48.0;
            let cell = |key: &str| table.cell(&row.cells, key);
            let shown = |key: &str| cell(key).map(|cell| cell.shown(document.money())).unwrap_or_default();
            let subject = format!("{} in {}", shown("tenant"), shown("pool"));
            d.text((60.0, y), 22.0, false, INK, "start", &cut(&subject, 22.0, 480.0));
            if let Some(Cell::Ratio(used, all)) = cell("used_of_reserved") {
                let share = headroom_domain::occupancy::ratio(*used, *all).unwrap_or_default().clamp(0.0, 1.0) as f32;
                d.rect((560.0, y - 18.0), (280.0, 20.0), IDLE);
                d.rect((560.0, y - 18.0), (280.0 * share, 20.0), USED);
            }
            d.text((860.0, y), 22.0, false, INK, "start", &shown("used_of_reserved"));
            d.text(
                (1_150.0, y),
                22.0,
                false,
                INK,
                "end",
                &shown(if has_money { "idle_minor" } else { "idle_slot_ms" }),
            );
            let to = match cell("right_size_slots") {
                Some(Cell::Level(Some(slots))) => format::count(*slots),
                _ => "keep".to_owned(),
            };
            d.text((1_330.0, y), 22.0, false, INK, "end", &to);
            d.text(
                (1_540.0, y),
                22.0,
                false,
                INK,
                "end",
                &shown(if has_money { "saves_minor" } else { "saves_slot_ms" }),
            );
        }
        let more = table.rows.len().saturating_sub(ROWS);
        let foot = if more > 0 { format!("and {more} more rows · {}", frame.link) } else { frame.link.clone() };
        d.text((60.0, 862.0), 18.0, false, SOFT, "start", &cut(&foot, 18.0, 1_480.0));
    }
    d.svg.push_str("</svg>");
    let options = Options { fontdb: Arc::clone(&FONTS), ..Options::default() };
    let tree = Tree::from_str(&d.svg, &options).ok()?;
    let mut pixels = Pixmap::new(wide, high)?;
    resvg::render(&tree, Transform::default(), &mut pixels.as_mut());
    pixels.encode_png().ok()
}

/// The part of a text that fits.
fn cut(text: &str, size: f32, most: f32) -> String {
    let text = drawable(text);
    if width(&text, size, false) <= most {
        return text;
    }
    let first = lines(&text, size, false, most - width("…", size, false)).into_iter().next().unwrap_or_default();
    format!("{first}…")
}
