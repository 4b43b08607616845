//! What a chart shows, before any pixel is chosen.

use headroom_domain::Millis;
use headroom_domain::localtime::ZoneSlice;

/// A chart over time.
#[derive(Debug, Clone)]
pub struct ChartSpec {
    /// Unique on the page, `[a-z0-9-]`; other characters are left out of the ids made from it.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Start of the time axis.
    pub from_ms: Millis,
    /// End of the time axis, exclusive.
    pub to_ms: Millis,
    /// The present. Nothing is missing after it, and a rule marks it if the axis goes on beyond it.
    pub now_ms: Millis,
    /// The zone of the time axis and of all times in words.
    pub zone: ZoneSlice,
    /// What the values are.
    pub axis: Axis,
    /// Levels from which a value matters, ascending.
    pub thresholds: Vec<Threshold>,
    /// What is drawn, the most important first.
    pub lines: Vec<Line>,
    /// What happened meanwhile; lettered in time order.
    pub annotations: Vec<Annotation>,
}

/// The value axis. It always holds zero, and it always holds every value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Axis {
    /// Ratios shown in percent: 0 to 100 %, further if a value is above.
    Occupancy,
    /// Slots.
    Slots,
    /// Whole things per interval, for example `rejected claims`.
    Count {
        /// What is counted.
        unit: String,
    },
    /// Any other number, for example of an extra signal.
    Number {
        /// Its unit; may be empty.
        unit: String,
    },
}

/// How urgent a threshold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth watching.
    Warn,
    /// Act now.
    Crit,
}

/// A value from which on things are worth watching or critical: a filled band up to the next threshold or the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The value, in the axis' terms.
    pub from: f64,
    /// How urgent.
    pub level: Level,
}

/// A chart colour: it carries its dash and its marker, so that no line is told by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Grey, thin: what stands for all the rest, for the past, or for a limit.
    Other,
    /// Blue, solid, circle.
    One,
    /// Rust, dashed, square.
    Two,
    /// Teal, short dashes, triangle.
    Three,
    /// Magenta, dash and dot, diamond.
    Four,
    /// Olive, even dashes, cross.
    Five,
    /// Indigo, dotted, plus.
    Six,
}

impl Colour {
    /// The six series colours in order.
    pub const SERIES: [Self; 6] = [Self::One, Self::Two, Self::Three, Self::Four, Self::Five, Self::Six];

    /// Its number, 1 to 6; 0 is grey.
    pub const fn number(self) -> u8 {
        match self {
            Self::Other => 0,
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
            Self::Five => 5,
            Self::Six => 6,
        }
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A line through the middle of each interval.
    Line,
    /// Level over each interval, for what changes in steps.
    Step,
    /// A step line with a hatched area below it: slots set apart.
    HatchedStep,
    /// A bar per interval, for counts.
    Bars,
    /// Only the band between [`Point::low`] and [`Point::high`], without a line.
    Band,
}

/// The least and the greatest value within each interval, drawn as a band behind the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the band is called, for example `peak band`.
    pub legend: String,
    /// What its upper edge is called, for example `Peak`.
    pub upper: String,
    /// How the upper edge is written in the data table.
    pub unit: Unit,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A ratio, in percent with one decimal.
    Ratio,
    /// Slots, whole.
    Slots,
    /// Slots, an average: one decimal.
    MeanSlots,
    /// A count of things.
    Count,
    /// Milliseconds, as a duration.
    Millis,
    /// A plain number.
    Number,
}

/// One series.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// How it is drawn.
    pub mark: Mark,
    /// In which colour.
    pub colour: Colour,
    /// How its values are written.
    pub unit: Unit,
    /// Whether [`Point::low`] and [`Point::high`] are drawn, and how they are called.
    pub envelope: Option<Envelope>,
    /// The values, in time order.
    pub points: Vec<Point>,
}

/// One interval of a series, half-open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Start.
    pub from_ms: Millis,
    /// End.
    pub to_ms: Millis,
    /// The value; `None` = not observed, which is drawn as a gap.
    pub value: Option<f64>,
    /// Lower edge of the envelope.
    pub low: Option<f64>,
    /// Upper edge of the envelope.
    pub high: Option<f64>,
    /// Whether the interval is still filling.
    pub incomplete: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// When.
    pub at_ms: Millis,
    /// What, for the list below the chart; not drawn.
    pub text: String,
}
