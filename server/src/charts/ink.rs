//! Sentinel colours: what plotters writes while drawing, and what the page reads instead.
//!
//! plotters only knows red, green and blue. Each ink is drawn as `#0100NN`; afterwards the quoted sentinel becomes a
//! custom property of the page, together with the attributes plotters has no word for (dashes, round joins, a halo).

use super::spec::{Colour, Level};
use plotters::style::RGBColor;

/// Fine geometry is drawn at four times its size and scaled back, because plotters only knows whole pixels.
pub(super) const FINE: i32 = 4;

/// Everything that can be painted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Areas and markers of a series.
    Fill(Colour),
    /// Lines of a series, dashed by colour.
    Stroke(Colour),
    /// The part of a line that is not final yet.
    Unfinished(Colour),
    /// Hatched area of slots set apart.
    SetApart,
    /// Hatched area where nothing was observed.
    Missing,
    /// Threshold bands.
    Band(Level),
    /// Value lines.
    Grid,
    /// The line that means full.
    FullLine,
    /// Base line and tick marks.
    Axis,
    /// Rule of the present.
    Now,
    /// Rule of an annotation.
    Event,
    /// Edge of an annotation's circle, round at its ends.
    BadgeEdge,
    /// Inside of an annotation's circle, round at its ends.
    Badge,
    /// Small text: axis, units.
    Quiet,
    /// Text that names a series or a gap, with a halo so that it stays readable on lines.
    Word,
    /// The letter in an annotation's circle.
    Letter,
    /// Names of threshold bands.
    LevelWord(Level),
}

impl Ink {
    const ALL: [Self; 37] = {
        use Colour::{Five, Four, One, Other, Six, Three, Two};
        [
            Self::Fill(Other),
            Self::Fill(One),
            Self::Fill(Two),
            Self::Fill(Three),
            Self::Fill(Four),
            Self::Fill(Five),
            Self::Fill(Six),
            Self::Stroke(Other),
            Self::Stroke(One),
            Self::Stroke(Two),
            Self::Stroke(Three),
            Self::Stroke(Four),
            Self::Stroke(Five),
            Self::Stroke(Six),
            Self::Unfinished(Other),
            Self::Unfinished(One),
            Self::Unfinished(Two),
            Self::Unfinished(Three),
            Self::Unfinished(Four),
            Self::Unfinished(Five),
            Self::Unfinished(Six),
            Self::SetApart,
            Self::Missing,
            Self::Band(Level::Warn),
            Self::Band(Level::Crit),
            Self::Grid,
            Self::FullLine,
            Self::Axis,
            Self::Now,
            Self::Event,
            Self::BadgeEdge,
            Self::Badge,
            Self::Quiet,
            Self::Word,
            Self::Letter,
            Self::LevelWord(Level::Warn),
            Self::LevelWord(Level::Crit),
        ]
    };

    fn code(self) -> u8 {
        let level = |l: Level| u8::from(l == Level::Crit);
        match self {
            Self::Fill(c) => c.number(),
            Self::Stroke(c) => 0x10 + c.number(),
            Self::Unfinished(c) => 0x20 + c.number(),
            Self::SetApart => 0x30,
            Self::Missing => 0x31,
            Self::Band(l) => 0x32 + level(l),
            Self::Grid => 0x40,
            Self::FullLine => 0x41,
            Self::Axis => 0x42,
            Self::Now => 0x43,
            Self::Event => 0x44,
            Self::BadgeEdge => 0x45,
            Self::Badge => 0x46,
            Self::Quiet => 0x50,
            Self::Word => 0x51,
            Self::Letter => 0x52,
            Self::LevelWord(l) => 0x53 + level(l),
        }
    }

    /// The colour plotters draws with.
    pub(super) fn sentinel(self) -> RGBColor {
        RGBColor(1, 0, self.code())
    }

    /// The quoted value, and any attributes after it, that stand in the page.
    fn written(self, hatch_id: &str) -> String {
        let dashes = |css: &[i32]| css.iter().map(|d| (d * FINE).to_string()).collect::<Vec<_>>().join(" ");
        match self {
            Self::Fill(c) => format!("\"var({})\"", property(c)),
            Self::Stroke(c) => {
                let dash: &[i32] = match c {
                    Colour::Other | Colour::One => &[],
                    Colour::Two => &[6, 3],
                    Colour::Three => &[2, 2],
                    Colour::Four => &[8, 3, 2, 3],
                    Colour::Five => &[4, 4],
                    Colour::Six => &[1, 3],
                };
                let dash =
                    if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", dashes(dash)) };
                format!("\"var({})\" stroke-linejoin=\"round\"{dash}", property(c))
            }
            Self::Unfinished(c) => format!("\"var({})\" stroke-dasharray=\"{}\"", property(c), dashes(&[3, 3])),
            Self::SetApart => format!("\"url(#{hatch_id}-set)\""),
            Self::Missing => format!("\"url(#{hatch_id}-gap)\""),
            Self::Band(Level::Warn) => "\"var(--hr-band-warn)\"".into(),
            Self::Band(Level::Crit) => "\"var(--hr-band-crit)\"".into(),
            Self::Grid => "\"var(--hr-grid)\"".into(),
            Self::FullLine => "\"var(--hr-text-2)\"".into(),
            Self::Axis => "\"var(--hr-border-strong)\"".into(),
            Self::Now => format!("\"var(--hr-text-3)\" stroke-dasharray=\"{}\"", dashes(&[3, 3])),
            Self::Event => format!("\"var(--hr-border-strong)\" stroke-dasharray=\"{}\"", dashes(&[1, 3])),
            Self::BadgeEdge => "\"var(--hr-text-2)\" stroke-linecap=\"round\"".into(),
            Self::Badge => "\"var(--hr-surface)\" stroke-linecap=\"round\"".into(),
            Self::Quiet => "\"var(--hr-axis)\"".into(),
            Self::Word => format!("\"var(--hr-text-2)\" {HALO}"),
            Self::Letter => "\"var(--hr-text)\"".into(),
            Self::LevelWord(Level::Warn) => "\"var(--hr-warn)\"".into(),
            Self::LevelWord(Level::Crit) => "\"var(--hr-crit)\"".into(),
        }
    }
}

/// The custom property of a series colour.
pub(super) fn property(colour: Colour) -> String {
    match colour {
        Colour::Other => "--hr-chart-other".to_owned(),
        colour => format!("--hr-chart-{}", colour.number()),
    }
}

/// The surface shows around the letters, so that a line behind them does not cross them out.
const HALO: &str = "stroke=\"var(--hr-surface)\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\"";

/// Replaces every sentinel, and removes what every page already says: full opacity and the font.
pub(super) fn settle(drawn: &str, hatch_id: &str) -> String {
    let mut svg = drawn.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "");
    for ink in Ink::ALL {
        let sentinel = format!("\"#0100{:02X}\"", ink.code());
        if svg.contains(&sentinel) {
            svg = svg.replace(&sentinel, &ink.written(hatch_id));
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_ink_has_a_sentinel_of_its_own() {
        let codes: BTreeSet<u8> = Ink::ALL.iter().map(|i| i.code()).collect();
        assert_eq!(codes.len(), Ink::ALL.len());
    }

    #[test]
    fn no_colour_is_left_behind() {
        for ink in Ink::ALL {
            let RGBColor(r, g, b) = ink.sentinel();
            let settled = settle(&format!("<a fill=\"#{r:02X}{g:02X}{b:02X}\"/>"), "x");
            assert!(
                !settled.contains("#0") && settled.contains("\"var(--hr-") || settled.contains("url(#x-"),
                "{settled}"
            );
        }
    }
}
