//! The calendar of events: the list, the month, the form, and calendars of other programs.

use super::{Field, Named, PanelState, TableState};

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEvent {
    /// Its id.
    pub id: String,
    /// What people call it; empty if that is not the reader's.
    pub title: String,
    /// What kind of event it is.
    pub tag: String,
    /// Its pool; `None` = all pools.
    pub pool: Option<Named>,
    /// When it begins.
    pub start_ms: i64,
    /// When it is over.
    pub end_ms: i64,
    /// What it does, in words.
    pub says: String,
    /// A file that it came from.
    pub file: Option<String>,
    /// Who wrote it, changed it last, or took it from a file; empty if that is not the reader's.
    pub author: String,
}

/// How the calendar is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarView {
    /// One row an event.
    List,
    /// The days of a month.
    Month,
}

/// A day of the month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarDay {
    /// `Fri 27 Nov`.
    pub label: String,
    /// Day of the month.
    pub day: u32,
    /// It belongs to the month that is shown.
    pub is_of_month: bool,
    /// It is today.
    pub is_today: bool,
    /// What takes place on it.
    pub events: Vec<CalendarEvent>,
}

/// The days of a month, in whole weeks from Monday on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarMonth {
    /// `November 2026`.
    pub title: String,
    /// Weeks of seven days.
    pub weeks: Vec<Vec<CalendarDay>>,
    /// Address of the month before.
    pub earlier: String,
    /// Address of the month after.
    pub later: String,
}

/// `/calendar`
#[derive(Debug, Clone)]
pub struct CalendarModel {
    /// How it is shown.
    pub view: CalendarView,
    /// The other view's address, by view: list, month.
    pub views: [String; 2],
    /// One row an event, if it is a list.
    pub rows: Vec<CalendarEvent>,
    /// The month, if it is one.
    pub month: Option<CalendarMonth>,
    /// Past events are among them.
    pub shows_past: bool,
    /// The list with, or without, past events.
    pub past_href: String,
    /// The pool that is chosen; empty for all.
    pub pool: String,
    /// The tag that is chosen; empty for all.
    pub tag: String,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// Tags to choose from.
    pub tags: Vec<String>,
    /// Paging of the list.
    pub table: TableState,
    /// The calendar as iCalendar.
    pub feed_href: String,
    /// Nothing, or a failure.
    pub state: PanelState,
    /// The reader writes into the calendar.
    pub may_change: bool,
}

/// The form of an event.
#[derive(Debug, Clone, Default)]
pub struct CalendarForm {
    /// Id and version of the one that is changed; `None` for a new one.
    pub of: Option<(String, String)>,
    /// What people call it.
    pub title: Field,
    /// What kind of event it is.
    pub tag: Field,
    /// Slug of its pool; empty = all pools.
    pub pool: Field,
    /// When it begins, on the clock of `zone`.
    pub start: Field,
    /// When it is over.
    pub end: Field,
    /// IANA zone.
    pub zone: Field,
    /// A word of `headroom_domain::calendar::EFFECTS`.
    pub effect: Field,
    /// With a floor.
    pub slots: Field,
    /// With a factor.
    pub percent: Field,
    /// Like a weekday.
    pub weekday: Field,
    /// An error that belongs to no field.
    pub error: Option<String>,
}

/// `/calendar/new` and `/calendar/{event}`
#[derive(Debug, Clone)]
pub struct CalendarFormModel {
    /// What was typed.
    pub form: CalendarForm,
    /// What the event is, for those who do not change it.
    pub event: Option<CalendarEvent>,
    /// The reader may change it.
    pub may_change: bool,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// Tags that there are.
    pub tags: Vec<String>,
    /// Zones offered while typing.
    pub zones: Vec<String>,
}

/// The page that asks before an event is removed.
#[derive(Debug, Clone)]
pub struct CalendarDeleteModel {
    /// Which one.
    pub event: CalendarEvent,
    /// Its version.
    pub version: String,
}

/// What becomes of a file's events.
#[derive(Debug, Clone, Default)]
pub struct CalendarMapping {
    /// Slug of their pool; empty = all pools.
    pub pool: Field,
    /// `category`, `summary` or `fixed`.
    pub tag_from: Field,
    /// The tag of all.
    pub tag: Field,
    /// What they do.
    pub effect: Field,
    /// With a floor.
    pub slots: Field,
    /// With a factor.
    pub percent: Field,
    /// Like a weekday.
    pub weekday: Field,
}

/// `/calendar/import`
#[derive(Debug, Clone)]
pub struct CalendarImportModel {
    /// What becomes of its events.
    pub mapping: CalendarMapping,
    /// What was pasted.
    pub text: Field,
    /// What is wrong with the file.
    pub file_error: Option<String>,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// The zone of whole days.
    pub zone: String,
}

/// What becomes of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarChange {
    /// It comes.
    New,
    /// It changes what was taken before.
    Changed,
    /// It is there as it is.
    Same,
    /// It goes.
    Removed,
    /// It cannot be taken.
    Refused,
}

impl CalendarChange {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Same => "as it is",
            Self::Removed => "goes",
            Self::Refused => "refused",
        }
    }
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarRow {
    /// Line of its component.
    pub line: usize,
    /// What it is called.
    pub title: String,
    /// When, if that could be read.
    pub times: Option<(i64, i64)>,
    /// Its tag and what it does.
    pub tag: String,
    /// What it does.
    pub says: String,
    /// What becomes of it.
    pub change: CalendarChange,
    /// Why it cannot be taken, a sentence each.
    pub problems: Vec<String>,
}

/// `/calendar/import/{import}`
#[derive(Debug, Clone)]
pub struct CalendarReviewModel {
    /// Its id.
    pub id: String,
    /// What the file is called.
    pub file: String,
    /// What the calendar is called.
    pub name: String,
    /// What becomes of its events.
    pub mapping: CalendarMapping,
    /// Its occurrences: those that cannot be taken first.
    pub rows: Vec<CalendarRow>,
    /// Rows that are not shown.
    pub more: usize,
    /// That come, change, stay, go, and cannot be taken.
    pub counts: [usize; 5],
    /// That lie too far from now.
    pub outside: usize,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// Why the last attempt was refused.
    pub error: Option<String>,
}
