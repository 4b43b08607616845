//! A report on A4 or Letter: real text in the product's own type, a head and a foot on every page, table heads that repeat.
//!
//! Nothing of it depends on when or where it is drawn, so the same figures are the same file.

use super::letters::{BOLD, REGULAR, drawable, lines, width};
use super::{Frame, utc};
use headroom_domain::report::{Cell, Document, Table};
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::text::{Font, TextDirection};

/// Rows of a table that are printed; the file has all.
const MOST_ROWS: usize = 2_000;
/// 15 mm, in points.
const MARGIN: f32 = 42.5;
/// Room for head and foot.
const HEAD: f32 = 24.0;
const FOOT: f32 = 30.0;
/// Sizes of type, in points.
const TITLE: f32 = 15.0;
const SECTION: f32 = 10.5;
const TEXT: f32 = 7.5;
/// Tables begin at this size and shrink down to [`LEAST`] until they fit.
const TABLE: f32 = 7.5;
const LEAST: f32 = 5.0;
/// Space between columns.
const GAP: f32 = 7.0;
/// A column of words is no wider than this before it is broken into lines.
const WIDEST_WORDS: f32 = 150.0;

/// Sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// 210 × 297 mm.
    A4,
    /// 8.5 × 11 in.
    Letter,
}

impl Paper {
    /// By its name; A4 unless it is `letter`.
    pub fn named(name: &str) -> Self {
        if name.eq_ignore_ascii_case("letter") { Self::Letter } else { Self::A4 }
    }

    /// Width and height in points.
    fn size(self) -> (f32, f32) {
        match self {
            Self::A4 => (595.276, 841.89),
            Self::Letter => (612.0, 792.0),
        }
    }
}

/// Something drawn.
enum Mark {
    Text { x: f32, y: f32, size: f32, is_bold: bool, is_grey: bool, text: String },
    Line { from: f32, to: f32, y: f32 },
}

/// Pages that are being filled.
struct Sheets {
    width: f32,
    height: f32,
    y: f32,
    pages: Vec<Vec<Mark>>,
}

impl Sheets {
    fn new((width, height): (f32, f32)) -> Self {
        Self { width, height, y: MARGIN + HEAD, pages: vec![Vec::new()] }
    }

    fn inner(&self) -> f32 {
        self.width - 2.0 * MARGIN
    }

    fn bottom(&self) -> f32 {
        self.height - MARGIN - FOOT
    }

    fn next(&mut self) {
        self.pages.push(Vec::new());
        self.y = MARGIN + HEAD;
    }

    /// Whether so much still fits below.
    fn has_room(&self, height: f32) -> bool {
        self.y + height <= self.bottom()
    }

    fn put(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn text(&mut self, x: f32, size: f32, is_bold: bool, is_grey: bool, text: &str) {
        let y = self.y + size;
        self.put(Mark::Text { x, y, size, is_bold, is_grey, text: text.to_owned() });
    }

    /// A paragraph.
    fn paragraph(&mut self, text: &str, size: f32, is_bold: bool, is_grey: bool) {
        for line in lines(&drawable(text), size, is_bold, self.inner()) {
            if !self.has_room(size * 1.4) {
                self.next();
            }
            self.text(MARGIN, size, is_bold, is_grey, &line);
            self.y += size * 1.4;
        }
    }

    fn rule(&mut self) {
        let (from, to, y) = (MARGIN, self.width - MARGIN, self.y);
        self.put(Mark::Line { from, to, y });
    }
}

/// How a table is set: where each column lies.
struct Setting {
    size: f32,
    widths: Vec<f32>,
}

/// What a row says, as it is drawn.
fn texts(cells: &[Cell], currency: &str) -> Vec<String> {
    cells.iter().map(|cell| drawable(&cell.shown(currency))).collect()
}

/// Total cells: what does not add up is left empty.
fn total_texts(table: &Table, currency: &str) -> Option<Vec<String>> {
    let total = table.total()?;
    let mut texts: Vec<String> = total
        .iter()
        .map(|cell| match cell {
            Cell::Level(_) | Cell::Price(_) | Cell::Time(_) => String::new(),
            cell => drawable(&cell.shown(currency)),
        })
        .collect();
    if let Some(first) = texts.first_mut() {
        "Total".clone_into(first);
    }
    Some(texts)
}

/// Widths of columns at a size: as wide as their figures and the longest word of their heads.
fn setting(table: &Table, rows: &[Vec<String>], total: Option<&[String]>, size: f32) -> Setting {
    let widths = table.columns.iter().enumerate().map(|(at, column)| {
        let head = drawable(&column.label);
        let head = head.split(' ').map(|word| width(word, size, true)).fold(0.0, f32::max);
        let body = rows.iter().filter_map(|row| row.get(at)).map(|text| width(text, size, false)).fold(0.0, f32::max);
        let total = total.and_then(|total| total.get(at)).map_or(0.0, |text| width(text, size, true));
        let is_words = table.rows.first().and_then(|row| row.cells.get(at)).is_some_and(|cell| !cell.is_number());
        let body = if is_words { body.min(WIDEST_WORDS) } else { body };
        head.max(body).max(total) + 0.5
    });
    Setting { size, widths: widths.collect() }
}

fn full_width(setting: &Setting) -> f32 {
    setting.widths.iter().sum::<f32>() + GAP * setting.widths.len().saturating_sub(1) as f32
}

/// The largest setting that fits, else the smallest, its columns of words made narrower.
fn fitting(table: &Table, rows: &[Vec<String>], total: Option<&[String]>, most: f32) -> Setting {
    let mut size = TABLE;
    loop {
        let mut found = setting(table, rows, total, size);
        let over = full_width(&found) - most;
        if over <= 0.0 {
            return found;
        }
        if size <= LEAST {
            let is_words =
                |at: usize| table.rows.first().and_then(|row| row.cells.get(at)).is_some_and(|cell| !cell.is_number());
            let words: f32 = (0..found.widths.len()).filter(|at| is_words(*at)).map(|at| found.widths[at]).sum();
            let factor = ((words - over) / words.max(1.0)).clamp(0.2, 1.0);
            for (at, width) in found.widths.iter_mut().enumerate() {
                if is_words(at) {
                    *width *= factor;
                }
            }
            return found;
        }
        size -= 0.5;
    }
}

impl Sheets {
    /// One row of a table, its cells broken into lines where they are too wide.
    fn row(&mut self, table: &Table, setting: &Setting, cells: &[String], is_bold: bool, repeat: Option<&[String]>) {
        let size = setting.size;
        let broken: Vec<Vec<String>> =
            cells.iter().zip(&setting.widths).map(|(text, most)| lines(text, size, is_bold, *most)).collect();
        let height = broken.iter().map(Vec::len).max().unwrap_or(1) as f32 * size * 1.3 + size * 0.5;
        if !self.has_room(height) {
            self.next();
            if let Some(head) = repeat {
                self.row(table, setting, head, true, None);
                self.rule();
                self.y += 2.0;
            }
        }
        let top = self.y;
        let mut x = MARGIN;
        for (at, (cell, most)) in broken.iter().zip(&setting.widths).enumerate() {
            let is_number = table.rows.first().and_then(|row| row.cells.get(at)).is_some_and(Cell::is_number);
            self.y = top;
            for line in cell {
                let left = if is_number { x + most - width(line, size, is_bold) } else { x };
                self.text(left, size, is_bold, false, line);
                self.y += size * 1.3;
            }
            x += most + GAP;
        }
        self.y = top + height;
    }

    fn table(&mut self, document: &Document, table: &Table, frame: &Frame) {
        let currency = document.money();
        let rows: Vec<Vec<String>> = table.rows.iter().take(MOST_ROWS).map(|row| texts(&row.cells, currency)).collect();
        let total = total_texts(table, currency);
        let setting = fitting(table, &rows, total.as_deref(), self.inner());
        let head: Vec<String> = table.columns.iter().map(|column| drawable(&column.label)).collect();
        if !self.has_room(90.0) {
            self.next();
        }
        self.y += 8.0;
        self.paragraph(&table.title, SECTION, true, false);
        self.paragraph(&table.basis, TEXT, false, true);
        self.y += 3.0;
        self.row(table, &setting, &head, true, None);
        self.rule();
        self.y += 2.0;
        for row in &rows {
            self.row(table, &setting, row, false, Some(&head));
        }
        if let Some(total) = &total {
            self.rule();
            self.y += 2.0;
            self.row(table, &setting, total, true, Some(&head));
        }
        if table.rows.len() > MOST_ROWS {
            let all = headroom_domain::format::count(table.rows.len() as i64);
            let shown = headroom_domain::format::count(MOST_ROWS as i64);
            self.paragraph(
                &format!("First {shown} of {all}; the full table as CSV: {}", frame.link),
                TEXT,
                false,
                true,
            );
        }
        for row in table.rows.iter().take(MOST_ROWS).filter(|row| !row.why.is_empty()) {
            self.paragraph(&format!("{}: {}", row.about(), row.why), TEXT - 0.5, false, true);
        }
    }
}

/// Draws a report. `None` if the type in the program cannot be read, which a test rules out.
pub fn pdf(document: &Document, frame: &Frame, paper: Paper) -> Option<Vec<u8>> {
    let (short, long) = paper.size();
    // Wide tables lie across.
    let is_wide = document.tables.iter().any(|table| {
        let rows: Vec<Vec<String>> =
            table.rows.iter().take(MOST_ROWS).map(|row| texts(&row.cells, document.money())).collect();
        full_width(&setting(table, &rows, None, TABLE)) > short - 2.0 * MARGIN
    });
    let mut sheets = Sheets::new(if is_wide { (long, short) } else { (short, long) });
    sheets.paragraph(&document.title, TITLE, true, false);
    let state = format!(
        "{} to {}, {} · {} · reckoned {}",
        frame.time(document.from_ms),
        frame.time(document.to_ms),
        document.zone,
        frame.state,
        frame.time(frame.made_ms)
    );
    sheets.paragraph(&state, TEXT, false, true);
    for (name, cell) in &document.facts {
        sheets.paragraph(&format!("{name}: {}", cell.shown(document.money())), TEXT, false, false);
    }
    for table in &document.tables {
        sheets.table(document, table, frame);
    }
    sheets.y += 8.0;
    if !sheets.has_room(60.0) {
        sheets.next();
    }
    sheets.paragraph("How this is computed", SECTION, true, false);
    for note in &document.notes {
        sheets.paragraph(note, TEXT, false, false);
    }
    if !frame.checksum.is_empty() {
        sheets.paragraph(&format!("SHA-256 of the figures: {}", frame.checksum), TEXT, false, true);
    }
    around(&mut sheets, document, frame);
    draw(sheets, document)
}

/// Head and foot of every page.
fn around(sheets: &mut Sheets, document: &Document, frame: &Frame) {
    let all = sheets.pages.len();
    let (left, right) = (MARGIN, sheets.width - MARGIN);
    let foot = sheets.height - MARGIN - FOOT + 12.0;
    let link = drawable(&format!("{} · figures until {}", frame.link, utc(document.to_ms)));
    let link = lines(&link, TEXT, false, right - left);
    for (at, page) in sheets.pages.iter_mut().enumerate() {
        let head = format!("{} · {} · {}", frame.organisation, document.title, document.zone);
        let head = lines(&drawable(&head), TEXT, false, right - left - 190.0).into_iter().next().unwrap_or_default();
        let number = drawable(&format!("reckoned {} · page {} of {all}", frame.time(frame.made_ms), at + 1));
        let mut put = |x: f32, y: f32, text: String| {
            page.push(Mark::Text { x, y, size: TEXT, is_bold: false, is_grey: true, text });
        };
        put(left, MARGIN + 6.0, head);
        put(right - width(&number, TEXT, false), MARGIN + 6.0, number);
        for (line, text) in link.iter().take(2).enumerate() {
            put(left, foot + 8.0 + line as f32 * 10.0, text.clone());
        }
        page.push(Mark::Line { from: left, to: right, y: MARGIN + 12.0 });
        page.push(Mark::Line { from: left, to: right, y: foot });
    }
}

fn draw(sheets: Sheets, document: &Document) -> Option<Vec<u8>> {
    let regular = Font::new(REGULAR.to_vec().into(), 0)?;
    let bold = Font::new(BOLD.to_vec().into(), 0)?;
    let mut out = krilla::Document::new();
    let title = Metadata::new().title(document.title.clone()).language("en".to_owned()).creator("Headroom".to_owned());
    out.set_metadata(title);
    let grey = |level: u8| Fill {
        paint: rgb::Color::new(level, level, level).into(),
        opacity: NormalizedF32::ONE,
        rule: krilla::paint::FillRule::default(),
    };
    for marks in sheets.pages {
        let mut page = out.start_page_with(PageSettings::from_wh(sheets.width, sheets.height)?);
        let mut surface = page.surface();
        for mark in marks {
            match mark {
                Mark::Text { x, y, size, is_bold, is_grey, text } => {
                    surface.set_stroke(None);
                    surface.set_fill(Some(grey(if is_grey { 90 } else { 20 })));
                    let font = if is_bold { &bold } else { &regular };
                    surface.draw_text(
                        Point::from_xy(x, y),
                        font.clone(),
                        size,
                        &text,
                        false,
                        TextDirection::LeftToRight,
                    );
                }
                Mark::Line { from, to, y } => {
                    let mut path = PathBuilder::new();
                    path.move_to(from, y);
                    path.line_to(to, y);
                    if let Some(path) = path.finish() {
                        surface.set_fill(None);
                        let paint = rgb::Color::new(140, 140, 140).into();
                        surface.set_stroke(Some(Stroke { paint, width: 0.5, ..Stroke::default() }));
                        surface.draw_path(&path);
                    }
                }
            }
        }
        surface.finish();
        page.finish();
    }
    out.finish().ok()
}
