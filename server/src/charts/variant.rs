//! The widths charts are drawn at.

/// A size in CSS pixels. Charts are never scaled: text that shrinks with its picture cannot be read on a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variant {
    /// 326 × 120: one of many small multiples.
    Mini,
    /// 326 × 220: phones.
    Compact,
    /// 560 × 240: half a page, tablets, print.
    Medium,
    /// 760 × 260: two thirds of a page.
    Wide,
    /// 1120 × 320: the whole page.
    Full,
}

impl Variant {
    /// All of them, smallest first.
    pub const ALL: [Self; 5] = [Self::Mini, Self::Compact, Self::Medium, Self::Wide, Self::Full];

    /// Width and height in CSS pixels.
    pub const fn size(self) -> (i32, i32) {
        match self {
            Self::Mini => (326, 120),
            Self::Compact => (326, 220),
            Self::Medium => (560, 240),
            Self::Wide => (760, 260),
            Self::Full => (1120, 320),
        }
    }

    /// The word used in ids and class names.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Mini => "mini",
            Self::Compact => "compact",
            Self::Medium => "medium",
            Self::Wide => "wide",
            Self::Full => "full",
        }
    }

    /// Most points drawn per series: with the least and the greatest of every second pixel no peak is lost.
    pub(super) const fn most_points(self) -> usize {
        let one_per_pixel = self.size().0 as usize;
        if one_per_pixel < 720 { one_per_pixel } else { 720 }
    }

    /// Size of axis text in CSS pixels; never below 11.
    pub(super) const fn axis_px(self) -> f64 {
        match self {
            Self::Mini | Self::Compact => 11.0,
            Self::Medium | Self::Wide | Self::Full => 12.0,
        }
    }

    /// Whether there is room for words in the right margin.
    pub(super) const fn roomy(self) -> bool {
        matches!(self, Self::Medium | Self::Wide | Self::Full)
    }

    /// Most value labels worth having on the axis, zero included.
    pub(super) const fn value_lines(self) -> usize {
        match self {
            Self::Mini => 3,
            Self::Compact | Self::Medium | Self::Wide => 6,
            Self::Full => 7,
        }
    }
}
