//! The page colour for the browser's own surfaces, read from the tokens so that it is written once.

/// `--hr-bg` of the light and the dark theme.
pub(crate) fn page_colours() -> (&'static str, &'static str) {
    const TOKENS: &str = include_str!("../../../assets/tokens.css");
    let mut values = TOKENS
        .split("--hr-bg:")
        .skip(1)
        .filter_map(|rest| rest.split(';').next())
        .map(str::trim);
    (values.next().unwrap_or("white"), values.next().unwrap_or("black"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_themes_have_a_page_colour() {
        let (light, dark) = page_colours();
        assert!(light.starts_with('#') && dark.starts_with('#') && light != dark);
    }
}
