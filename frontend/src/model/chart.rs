//! Charts and heatmaps: drawn by the server, with the rows that prove them.

use super::{EventRow, Link, PanelState};

/// A chart over time. The same rows feed the drawing, the table below it and its CSV.
#[derive(Debug, Clone)]
pub struct ChartModel {
    /// Unique on the page, `[a-z0-9-]`, for example `occupancy`.
    pub id: String,
    /// Panel title, for example `Global occupancy trend`.
    pub title: String,
    /// What the numbers are, beside the title: for example `average and peak per hour, % of capacity`.
    pub subtitle: String,
    /// What the chart shows in one or two sentences: "Rose from 58 % to 78 %; peak 93 % on 19 Nov 14:05."
    pub description: String,
    /// One drawing per width, 1:1 in CSS pixels. The page shows the one that fits; give the compact one always.
    pub variants: Vec<ChartVariant>,
    /// What the lines and areas are.
    pub legend: Vec<LegendEntry>,
    /// Start of the time axis.
    pub from_ms: i64,
    /// End of the time axis; exclusive.
    pub to_ms: i64,
    /// Length of one row's interval.
    pub step_ms: i64,
    /// Columns of the data table, after the time column.
    pub columns: Vec<ChartColumn>,
    /// Rows of the data table in time order. At most 750; the step grows with the range.
    pub rows: Vec<ChartRow>,
    /// What happened meanwhile: deploys, scale events, clock changes. Letters match the drawing.
    pub annotations: Vec<EventRow>,
    /// The same rows as CSV.
    pub csv_href: String,
    /// Whether the chart can be trusted.
    pub state: PanelState,
}

impl ChartModel {
    /// A chart of something that was never measured.
    pub fn empty(id: &str, title: &str, from_ms: i64, to_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            subtitle: String::new(),
            description: String::new(),
            variants: Vec::new(),
            legend: Vec::new(),
            from_ms,
            to_ms,
            step_ms: to_ms - from_ms,
            columns: Vec::new(),
            rows: Vec::new(),
            annotations: Vec::new(),
            csv_href: String::new(),
            state: PanelState::Empty { text: "Nothing was measured in this range.".to_owned(), action: None },
        }
    }
}

/// One drawing of a chart.
#[derive(Debug, Clone)]
pub struct ChartVariant {
    /// Which width this is.
    pub width: ChartWidth,
    /// An `<svg>` with `width` and `height`, no fixed colours, every label escaped.
    /// The figure around it carries title and description, so the SVG needs no `role`.
    pub svg: String,
    /// The plotting area inside the SVG, in its pixels; the crosshair needs it.
    pub plot: PlotArea,
}

/// The widths charts are drawn at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartWidth {
    /// 326 × 220: phones.
    Compact,
    /// 560 × 240: half a page, tablets.
    Medium,
    /// 760 × 260: two thirds of a page.
    Wide,
    /// 1120 × 320: the whole page.
    Full,
}

impl ChartWidth {
    /// Class suffix.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Medium => "medium",
            Self::Wide => "wide",
            Self::Full => "full",
        }
    }

    /// Width and height in CSS pixels.
    pub fn size(self) -> (u32, u32) {
        match self {
            Self::Compact => (326, 220),
            Self::Medium => (560, 240),
            Self::Wide => (760, 260),
            Self::Full => (1120, 320),
        }
    }
}

/// Edges of the plotting area in CSS pixels from the drawing's top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlotArea {
    /// x of `from_ms`.
    pub left: i32,
    /// x of `to_ms`.
    pub right: i32,
    /// y of the top of the value axis.
    pub top: i32,
    /// y of the bottom of the value axis.
    pub bottom: i32,
}

/// One series in the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegendEntry {
    /// Series name, unescaped.
    pub label: String,
    /// How it is drawn.
    pub mark: LegendMark,
    /// Number of the chart colour, 1–6; 0 is `other` (grey).
    pub colour: u8,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegendMark {
    /// A line, dashed by colour number as the charts dash it.
    Line,
    /// A filled band (peak envelope, stack).
    Band,
    /// Bars.
    Bar,
    /// A step line without fill (capacity).
    Step,
}

/// A column of a chart's data table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartColumn {
    /// Heading, for example `Average occupancy`.
    pub label: String,
    /// How its values are written.
    pub unit: Unit,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A ratio, shown in percent with one decimal.
    Ratio,
    /// Slots, whole.
    Slots,
    /// Slots, an average: one decimal.
    MeanSlots,
    /// Slot-hours, one decimal; the value is in slot-hours.
    SlotHours,
    /// A count of things.
    Count,
    /// Milliseconds, shown as a duration.
    Millis,
    /// A plain number (extra signals).
    Number,
}

/// One row of a chart's data table: an interval and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartRow {
    /// Start of the interval; its end is `from_ms + step_ms`.
    pub from_ms: i64,
    /// One value per column; `None` where nothing was measured.
    pub values: Vec<Option<f64>>,
    /// True for the last interval while it is still filling.
    pub incomplete: bool,
}

/// Peak per hour of day and weekday (or per hour and pool).
#[derive(Debug, Clone)]
pub struct HeatmapModel {
    /// Unique on the page.
    pub id: String,
    /// Panel title, for example `When we saturate`.
    pub title: String,
    /// What a cell is: `highest occupancy in that hour, last 6 weeks`.
    pub subtitle: String,
    /// Column headings, usually the 24 hours.
    pub columns: Vec<String>,
    /// Rows, usually Monday to Sunday.
    pub rows: Vec<HeatmapRow>,
    /// Lower and upper end of the colour scale as ratios, stated in the legend; usually `(0.0, 1.0)`.
    pub scale: (f64, f64),
    /// The same cells as CSV.
    pub csv_href: String,
    /// Whether it can be trusted.
    pub state: PanelState,
}

/// One row of a heatmap.
#[derive(Debug, Clone)]
pub struct HeatmapRow {
    /// Row heading, for example `Mon`.
    pub label: String,
    /// One cell per column.
    pub cells: Vec<HeatmapCell>,
}

/// One cell of a heatmap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeatmapCell {
    /// Highest occupancy (a ratio); `None` if nothing was measured in any such hour.
    pub peak: Option<f64>,
    /// Average occupancy of the same hours.
    pub mean: Option<f64>,
    /// Rejected claims in those hours; `None` if rejections are not measured.
    pub rejections: Option<i64>,
}

/// A chart that is only a picture: a small multiple or a spark line.
#[derive(Debug, Clone)]
pub struct SmallMultiple {
    /// Where the picture leads.
    pub link: Link,
    /// An `<svg>` of 326 × 120.
    pub svg: String,
    /// What it shows, as text.
    pub description: String,
}
