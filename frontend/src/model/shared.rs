//! Small values that several pages share.

use headroom_domain::pool::{OCCUPANCY_CRIT, OCCUPANCY_WARN};

/// A link target with its label, for example a pool's slug and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Lower-case identifier used in URLs.
    pub slug: String,
    /// What people call it. Equal to the slug if nobody chose a name.
    pub name: String,
}

/// Whether the data behind a panel can be trusted, and what to say if not.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum PanelState {
    /// Complete and fresh.
    #[default]
    Ready,
    /// There is nothing to show yet, or nothing matches the filters.
    Empty {
        /// One sentence, for example "No samples yet for ingress-eu."
        text: String,
        /// What the reader can do about it.
        action: Option<Link>,
    },
    /// Some sources are missing from the totals.
    Partial {
        /// For example "2 of 8 pools sent nothing in this window (ci-runners, batch-us). Totals leave them out."
        text: String,
    },
    /// Nothing new has arrived for a while; the values stay, marked.
    Stale {
        /// The newest sample.
        last_ms: i64,
    },
    /// The panel could not be built; the rest of the page still works.
    Failed {
        /// Cause in plain words, for example "the database did not answer in 5 s".
        text: String,
        /// Identifier of the request, as in the log.
        id: String,
    },
}

/// A link with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The visible text.
    pub label: String,
    /// Path and query on this server.
    pub href: String,
}

/// The highest value in a window, and when it was reached. It stands beside every average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// In the metric's own unit (a ratio for occupancy).
    pub value: f64,
    /// Start of the interval that held it. `None` if only the value was kept.
    pub at_ms: Option<i64>,
}

/// Money in minor units of a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// Cents, pence, …
    pub minor: i64,
    /// ISO 4217 code, for example `EUR`.
    pub currency: String,
}

/// How close a pool or tenant is to its limit. Thresholds: 80 % and 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Below 80 %.
    Ok,
    /// From 80 % to below 95 %.
    Watch,
    /// From 95 % to 100 %.
    Critical,
    /// Above 100 %: more in use than there is capacity for.
    Over,
    /// No current value.
    Unknown,
}

impl Level {
    /// Level of an occupancy ratio.
    pub fn of(occupancy: Option<f64>) -> Self {
        match occupancy {
            None => Self::Unknown,
            Some(ratio) if ratio > 1.0 => Self::Over,
            Some(ratio) if ratio >= OCCUPANCY_CRIT => Self::Critical,
            Some(ratio) if ratio >= OCCUPANCY_WARN => Self::Watch,
            Some(_) => Self::Ok,
        }
    }

    /// The word that always stands beside the mark.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "room left",
            Self::Watch => "getting full",
            Self::Critical => "nearly full",
            Self::Over => "over capacity",
            Self::Unknown => "unknown",
        }
    }
}

/// Sorting and paging of a table, as the URL asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableState {
    /// Column id, one of the page's sortable columns.
    pub sort: String,
    /// True for descending.
    pub descending: bool,
    /// Text filter (`q`), empty if none.
    pub q: String,
    /// Cursor of the first row shown; `None` for the first page.
    pub cursor: Option<String>,
    /// Cursor of the next page; `None` on the last page.
    pub next: Option<String>,
    /// Cursor of the previous page; `None` if this is the first page. `Some("")` leads to the first page.
    pub previous: Option<String>,
    /// 1-based number of the first row shown; 0 if there are no rows.
    pub first_row: i64,
    /// Rows that match the filters, over all pages.
    pub total: i64,
    /// The same rows as CSV: same filters, sort and columns, all pages.
    pub csv_href: String,
}

/// One thing that happened to or around a pool or tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// When it happened.
    pub at_ms: i64,
    /// What kind of thing.
    pub kind: EventKind,
    /// One sentence, for example "capacity 18,800 → 20,000".
    pub text: String,
    /// Who or what did it: a user, a job, a source. `None` if unknown.
    pub actor: Option<String>,
    /// Where to read more.
    pub href: Option<String>,
    /// The letter on the chart, if it is drawn there (`A`, `B`, …).
    pub letter: Option<char>,
}

/// Kinds of events on timelines and in histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A deployment.
    Deploy,
    /// A swap of deployment slots.
    Swap,
    /// Capacity changed, by a person or an autoscaler.
    Scale,
    /// A setting changed.
    Configuration,
    /// An edit in Headroom itself (audit).
    Edit,
    /// An import or another batch of data.
    Import,
    /// Anything else: an incident, a holiday, a clock change.
    Note,
}

impl EventKind {
    /// The word shown in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Swap => "swap",
            Self::Scale => "scale",
            Self::Configuration => "configuration",
            Self::Edit => "edit",
            Self::Import => "import",
            Self::Note => "note",
        }
    }
}
