//! The page colour for the browser's own surfaces, read from the tokens so that it is written once.

const TOKENS: &str = include_str!("../../../assets/tokens.css");

/// `--hr-bg` of the light and the dark theme.
pub(crate) fn page_colours() -> (&'static str, &'static str) {
    let mut values = TOKENS.split("--hr-bg:").skip(1).filter_map(|rest| rest.split(';').next()).map(str::trim);
    (values.next().unwrap_or("white"), values.next().unwrap_or("black"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a token in the n-th theme block: 0 light, 1 dark by system, 2 dark by choice.
    fn token(name: &str, block: usize) -> &'static str {
        let start = format!("--hr-{name}:");
        TOKENS
            .split(start.as_str())
            .nth(block + 1)
            .and_then(|rest| rest.split(';').next())
            .unwrap_or_else(|| panic!("token {name} is not in block {block}"))
    }

    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("a hex pair")) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_has_contrast_4_5_and_marks_have_3_in_both_themes() {
        const TEXT: &[(&str, &[&str])] = &[
            ("text", &["bg", "surface", "surface-2"]),
            ("text-2", &["bg", "surface", "surface-2"]),
            ("text-3", &["bg", "surface", "surface-2"]),
            ("accent", &["bg", "surface", "accent-subtle"]),
            ("on-accent", &["accent", "crit-solid", "ok-solid", "warn-solid"]),
            ("ok", &["surface", "ok-subtle"]),
            ("warn", &["surface", "warn-subtle"]),
            ("crit", &["surface", "crit-subtle"]),
            ("info", &["surface", "info-subtle"]),
        ];
        const MARKS: &[&str] = &[
            "border-strong",
            "focus",
            "chart-1",
            "chart-2",
            "chart-3",
            "chart-4",
            "chart-5",
            "chart-6",
            "chart-other",
            "slot-occ",
            "slot-res",
            "slot-leak",
            "slot-drain",
            "slot-off",
            "slot-free-line",
            "axis",
        ];
        for block in 0..3 {
            for (text, grounds) in TEXT {
                for ground in *grounds {
                    let ratio = contrast(token(text, block), token(ground, block));
                    assert!(ratio >= 4.5, "{text} on {ground}, block {block}: {ratio:.2}");
                }
            }
            for mark in MARKS {
                let ratio = contrast(token(mark, block), token("surface", block));
                assert!(ratio >= 3.0, "{mark} on surface, block {block}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn both_ways_into_the_dark_theme_are_the_same() {
        for name in ["bg", "surface", "text", "accent", "chart-1", "seq-9", "slot-res"] {
            assert_eq!(token(name, 1), token(name, 2), "{name}");
        }
    }

    #[test]
    fn both_themes_have_a_page_colour() {
        let (light, dark) = page_colours();
        assert!(light.starts_with('#') && dark.starts_with('#') && light != dark);
    }
}
