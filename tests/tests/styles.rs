//! Colours: every pair that people must tell apart has contrast, in both themes, and no colour is written twice.

use std::collections::BTreeMap;

use headroom_tests::source::{files, read, short, split};
use headroom_tests::workspace::root;

/// WCAG 2.2: ordinary text, and parts of a control or a drawing.
const TEXT: f64 = 4.5;
const SHAPE: f64 = 3.0;

/// Foregrounds, the backgrounds that they appear on, and how much contrast they need. Names without `--hr-`.
const PAIRS: &[(&[&str], &[&str], f64)] = &[
    (&["text", "text-2", "text-3"], &["bg", "surface", "surface-2"], TEXT),
    (&["text", "text-2"], &["surface-3"], TEXT),
    (&["accent", "accent-hover"], &["bg", "surface", "surface-2", "accent-subtle"], TEXT),
    (&["on-accent"], &["accent", "accent-hover", "ok-solid", "warn-solid", "crit-solid"], TEXT),
    (&["ok", "warn", "crit", "info"], &["bg", "surface", "surface-2"], TEXT),
    (&["ok"], &["ok-subtle"], TEXT),
    (&["warn"], &["warn-subtle"], TEXT),
    (&["crit"], &["crit-subtle"], TEXT),
    (&["info"], &["info-subtle"], TEXT),
    (&["text", "text-2"], &["ok-subtle", "warn-subtle", "crit-subtle", "info-subtle", "accent-subtle"], TEXT),
    (&["axis"], &["surface", "bg"], TEXT),
    (&["chart-1", "chart-2", "chart-3", "chart-4", "chart-5", "chart-6", "chart-other"], &["surface", "bg"], SHAPE),
    (&["slot-occ", "slot-res", "slot-leak", "slot-drain", "slot-off", "slot-free-line"], &["surface"], SHAPE),
    (&["border-strong", "focus"], &["bg", "surface", "surface-2"], SHAPE),
    (&["ok-solid", "warn-solid", "crit-solid"], &["bg", "surface"], SHAPE),
];

/// Files that must name a colour outside the tokens, and why.
const COLOURS_ALLOWED: &[(&str, &str)] = &[
    ("assets/tokens.css", "this is where colours are written"),
    ("assets/app/manifest.webmanifest", "a manifest is read without the page's styles"),
    ("server/src/charts/ink.rs", "the marks that plotters draws with, replaced by tokens before anything is served"),
];

type Theme = BTreeMap<String, String>;

/// The themes as a browser computes them: light, dark by the system's setting, dark by choice.
fn themes() -> [(&'static str, Theme); 3] {
    let css = read(&root().join("assets/tokens.css")).expect("the tokens are read");
    let light = block(&css, ":root {");
    let with = |name: &'static str, selector: &str| {
        let mut theme = light.clone();
        theme.extend(block(&css, selector));
        (name, theme)
    };
    let system = with("dark by the system", ":root:not([data-theme=\"light\"]) {");
    let chosen = with("dark by choice", ":root[data-theme=\"dark\"] {");
    [("light", light), system, chosen]
}

/// The custom properties of the first block with this selector.
fn block(css: &str, selector: &str) -> Theme {
    let start = css.find(selector).unwrap_or_else(|| panic!("tokens.css has no block {selector}")) + selector.len();
    let end = start + css[start..].find('}').expect("the block ends");
    let declarations =
        css[start..end].split(';').filter_map(|declaration| declaration.rsplit_once("--hr-")?.1.split_once(':'));
    declarations.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// Relative luminance (WCAG 2.2) of `#RRGGBB`.
fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let byte = hex.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let value = f64::from(byte.unwrap_or_else(|| panic!("{hex} is not #RRGGBB"))) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn contrast_is_computed_as_the_standard_does() {
    assert!((contrast("#000000", "#FFFFFF") - 21.0).abs() < 1e-9);
    assert!((contrast("#777777", "#FFFFFF") - 4.478).abs() < 0.001);
}

#[test]
fn every_pair_has_its_contrast_in_every_theme() {
    let mut faults = Vec::new();
    for (theme, tokens) in themes() {
        let colour = |name: &str| tokens.get(name).unwrap_or_else(|| panic!("there is no --hr-{name}")).as_str();
        for (foregrounds, backgrounds, least) in PAIRS {
            for (front, back) in foregrounds.iter().flat_map(|front| backgrounds.iter().map(move |back| (front, back)))
            {
                let found = contrast(colour(front), colour(back));
                if found < *least {
                    faults.push(format!("{theme}: {front} on {back} has {found:.2}:1, needs {least}:1"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn both_dark_blocks_say_the_same() {
    let [_, (_, system), (_, chosen)] = themes();
    assert_eq!(system, chosen);
}

#[test]
fn colours_are_written_in_the_tokens_only() {
    let mut faults = Vec::new();
    let mut check = |path: &str, line: usize, text: &str| {
        for colour in colours(text) {
            if !COLOURS_ALLOWED.iter().any(|(allowed, _)| *allowed == path) {
                faults.push(format!("{path}:{line} writes the colour {colour}: use a token of assets/tokens.css"));
            }
        }
    };
    for ending in [".css", ".svg", ".js", ".webmanifest"] {
        for folder in ["assets", "frontend"] {
            for path in files(folder, ending).expect("the folder is read") {
                for (number, line) in read(&path).expect("the file is read").lines().enumerate() {
                    check(&short(&path), number + 1, line);
                }
            }
        }
    }
    for folder in ["frontend", "server/src"] {
        for path in files(folder, ".rs").expect("the folder is read") {
            for (line, text) in split(&read(&path).expect("the file is read")).strings {
                check(&short(&path), line, &text);
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The colours that a text writes: `#` with 3, 4, 6 or 8 hexadecimal digits, and the functions.
fn colours(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('#') {
        let word: String =
            text[at + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
        let is_colour = matches!(word.len(), 3 | 4 | 6 | 8) && word.chars().all(|c| c.is_ascii_hexdigit());
        // `&#160;` is a character, and `url(#add)` an element.
        let before = text[..at].chars().next_back();
        if is_colour && !matches!(before, Some('&' | '(' | '/')) {
            found.push(format!("#{word}"));
        }
    }
    for function in ["rgb(", "rgba(", "hsl(", "hsla(", "oklch(", "oklab(", "lab(", "lch("] {
        let is_call = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
        if text.match_indices(function).any(|(at, _)| is_call(at)) {
            found.push(format!("{function}…)"));
        }
    }
    found
}

#[test]
fn the_check_sees_colours_and_nothing_else() {
    assert_eq!(colours("color: #fff; fill=\"#0E1217\""), ["#fff", "#0E1217"]);
    assert_eq!(colours("background: rgba(0, 0, 0, .5)"), ["rgba(…)"]);
    assert_eq!(colours("href=\"#section\" &#160; url(#add) icons.svg#gauge var(--hr-text) #12 label("), [""; 0]);
}
