//! Silences: what is kept from people for a while, and the form that makes one.

use super::Field;

/// Where in its life a silence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilencePhase {
    /// It hides.
    Active,
    /// It begins later.
    Planned,
    /// It is over.
    Ended,
}

/// An alert that is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenAlert {
    /// Its number.
    pub id: i64,
    /// Its rule, as people call it.
    pub title: String,
    /// Pool and tenant, as far as it has them.
    pub whose: String,
    /// What, how much of how much.
    pub says: String,
    /// It wakes people.
    pub is_page: bool,
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceRow {
    /// Its number.
    pub id: i64,
    /// What happens meanwhile counts for no promise.
    pub is_maintenance: bool,
    /// Where in its life it is.
    pub phase: SilencePhase,
    /// What it hides, a matcher each.
    pub matchers: Vec<String>,
    /// Why; empty if it is not the reader's.
    pub note: String,
    /// Who made it.
    pub author: String,
    /// From when.
    pub from_ms: i64,
    /// Until when, or when it ended.
    pub end_ms: i64,
    /// Who ended it early.
    pub ended_by: Option<String>,
    /// It ends when all that it hid is over.
    pub ends_with_alerts: bool,
    /// It hid nothing for a day.
    pub useless: bool,
    /// Alerts that fire now and that it hides, or would hide.
    pub hides: Vec<HiddenAlert>,
}

/// `/silences`
#[derive(Debug, Clone)]
pub struct SilencesModel {
    /// Those that hide first, then planned ones, then those that ended lately.
    pub rows: Vec<SilenceRow>,
    /// The form of a new one, or of one that is changed; `None` if the reader makes none.
    pub form: Option<SilenceForm>,
}

/// What a silence would do.
#[derive(Debug, Clone)]
pub struct SilencePreview {
    /// Alerts that fire now and that it would hide.
    pub hides: Vec<HiddenAlert>,
    /// What it names and nothing is called, a fragment each.
    pub unknown: Vec<String>,
}

/// The form of a silence.
#[derive(Debug, Clone, Default)]
pub struct SilenceForm {
    /// Number and version of the one that is changed; `None` for a new one.
    pub of: Option<(i64, String)>,
    /// `silence` or `maintenance`.
    pub kind: Field,
    /// `pool=edge-eu, severity=page`
    pub matchers: Field,
    /// When it begins; empty = now.
    pub from: Field,
    /// `1h`, `4h`, `1d` or `custom`.
    pub lasts: Field,
    /// Until when, if it lasts as long as is said here.
    pub until: Field,
    /// Why.
    pub note: Field,
    /// It ends when all that it hid is over.
    pub expire_on_resolve: bool,
    /// What it would do, if that was asked.
    pub preview: Option<SilencePreview>,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// It was opened on purpose or sent before: it stands above the list.
    pub is_first: bool,
}

/// The page that asks before a silence is ended.
#[derive(Debug, Clone)]
pub struct EndSilenceModel {
    /// Which one.
    pub row: SilenceRow,
}
