//! The planner: a pool's promises over time, the draft that changes them, and what it would do.
//!
//! Places on the timeline are parts of its width, `0.0` to `1.0`, reckoned by the server: a day of 25 hours is as long as it is.

use super::{Field, Link, Named};

/// Which form of the plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlanView {
    /// Bars over time.
    #[default]
    Timeline,
    /// Rows with every field.
    Table,
}

/// How much time is in view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlanZoom {
    /// A day by the hour.
    Hours,
    /// Three days.
    Days,
    /// A week.
    #[default]
    Week,
    /// Five weeks.
    Month,
}

impl PlanZoom {
    /// All, the closest first.
    pub const ALL: [Self; 4] = [Self::Hours, Self::Days, Self::Week, Self::Month];

    /// As the address names it.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Hours => "h",
            Self::Days => "d",
            Self::Week => "w",
            Self::Month => "m",
        }
    }

    /// As people name it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hours => "1 day",
            Self::Days => "3 days",
            Self::Week => "1 week",
            Self::Month => "5 weeks",
        }
    }

    /// Reads [`Self::slug`].
    pub fn parse(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|zoom| zoom.slug() == slug)
    }

    /// Days in view.
    pub const fn days(self) -> u32 {
        match self {
            Self::Hours => 1,
            Self::Days => 3,
            Self::Week => 7,
            Self::Month => 35,
        }
    }

    /// Minutes of one step of a bar.
    pub const fn snap_minutes(self) -> u32 {
        match self {
            Self::Hours => 15,
            Self::Days | Self::Week => 60,
            Self::Month => 1_440,
        }
    }

    /// The step in words.
    pub const fn snap_label(self) -> &'static str {
        match self {
            Self::Hours => "15 min",
            Self::Days | Self::Week => "1 h",
            Self::Month => "1 day",
        }
    }
}

/// `/planner`
#[derive(Debug, Clone)]
pub struct PlannerModel {
    /// The pool that is planned; `None` if there is none.
    pub pool: Option<Named>,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// Timeline or table.
    pub view: PlanView,
    /// How much is in view.
    pub zoom: PlanZoom,
    /// Days in view: `24 Nov – 1 Dec 2026`.
    pub range: String,
    /// First day in view: `2026-11-24`.
    pub from: String,
    /// The day after the last one in view.
    pub to: String,
    /// First day of the range before this one.
    pub earlier: String,
    /// First day of the range after this one.
    pub later: String,
    /// Who looks may edit.
    pub may_plan: bool,
    /// The draft that is edited.
    pub draft: Option<DraftHead>,
    /// Other drafts of this pool that one may look at.
    pub drafts: Vec<Link>,
    /// Bars.
    pub timeline: TimelineModel,
    /// The same as rows: published, and as the draft would have them.
    pub rows: Vec<PlanRow>,
    /// Rows that are not listed.
    pub rows_left: i64,
    /// What the draft does.
    pub review: Option<ReviewModel>,
    /// Why the last edit was refused.
    pub refused: Option<String>,
    /// What the table is edited with; `None` if it is for reading.
    pub sheet: Option<SheetModel>,
    /// Where the promises are taken away as a calendar; empty if there is none.
    pub ical_href: String,
    /// The promises as a file; empty if there is none.
    pub csv_href: String,
}

/// A draft in one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DraftHead {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whose, if it is not of who looks.
    pub owner: Option<String>,
    /// The version that an edit has to name.
    pub version: String,
    /// Changes in it.
    pub changes: usize,
    /// Conflicts that keep it from being published.
    pub conflicts: usize,
    /// When it was last saved: `09:41`, or with the day.
    pub saved: String,
    /// There is an edit to take back.
    pub can_undo: bool,
    /// There is an edit to do again.
    pub can_redo: bool,
    /// Who looks may change it.
    pub may_edit: bool,
}

impl DraftHead {
    /// `3 changes, 1 conflict`
    pub fn counts(&self) -> String {
        let changes = match self.changes {
            0 => "no changes yet".to_owned(),
            1 => "1 change".to_owned(),
            n => format!("{n} changes"),
        };
        match self.conflicts {
            0 => changes,
            1 => format!("{changes}, 1 conflict"),
            n => format!("{changes}, {n} conflicts"),
        }
    }

    /// Where it is reviewed.
    pub fn href(&self) -> String {
        format!("/planner/drafts/{}", self.id)
    }
}

/// Bars over time.
#[derive(Debug, Clone, Default)]
pub struct TimelineModel {
    /// First instant.
    pub from_ms: i64,
    /// First instant after it.
    pub to_ms: i64,
    /// Days, or months over days: the upper row of the axis.
    pub major: Vec<AxisPart>,
    /// Hours, or days: the lower row.
    pub minor: Vec<AxisPart>,
    /// Weekends.
    pub weekends: Vec<Span>,
    /// Where now is, if it is in view.
    pub now: Option<f64>,
    /// Where clocks change.
    pub jumps: Vec<ClockJump>,
    /// A row for each tenant.
    pub tracks: Vec<Track>,
    /// Promised against capacity.
    pub strip: StripModel,
    /// Bars that are left out.
    pub bars_left: i64,
}

/// A stretch of the width.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Span {
    /// Where it starts.
    pub start: f64,
    /// How wide it is.
    pub size: f64,
}

/// A part of the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisPart {
    /// Where.
    pub at: Span,
    /// What it says; empty where there is no room.
    pub label: String,
}

/// Where clocks change.
#[derive(Debug, Clone, PartialEq)]
pub struct ClockJump {
    /// Where.
    pub at: f64,
    /// `+1 h`
    pub label: String,
    /// `Clocks go from 02:00 to 03:00 on 29 Mar 2026`
    pub title: String,
}

/// A tenant's row.
#[derive(Debug, Clone)]
pub struct Track {
    /// The tenant.
    pub tenant: Named,
    /// Bars stacked on one another at most.
    pub lanes: u32,
    /// Its bars in the order of time.
    pub bars: Vec<PlanBar>,
}

/// One occurrence of a reservation.
#[derive(Debug, Clone)]
pub struct PlanBar {
    /// The reservation.
    pub reservation: String,
    /// Its name.
    pub name: String,
    /// Where.
    pub at: Span,
    /// Which lane of the row, from 0.
    pub lane: u32,
    /// First instant.
    pub from_ms: i64,
    /// First instant after it; `None` = until further notice.
    pub to_ms: Option<i64>,
    /// Slots.
    pub slots: i64,
    /// `600 · guaranteed`
    pub label: String,
    /// `28 Nov 00:00 to 30 Nov 12:00, 60 h, exceeds capacity by 50`
    pub said: String,
    /// How it is drawn.
    pub kind: PlanBarKind,
    /// Its mark.
    pub mark: PlanMark,
    /// Where it was before the draft moved it.
    pub was: Option<Span>,
    /// Its temporary changes, as parts of the bar.
    pub parts: Vec<AxisPart>,
    /// The time before its start in which its slots are kept free, as a part of the whole width.
    pub lead: f64,
    /// It goes on before what is in view.
    pub opens_before: bool,
    /// It goes on after what is in view.
    pub opens_after: bool,
    /// It is one of several occurrences.
    pub repeats: bool,
    /// It may be moved.
    pub may_move: bool,
}

/// How a bar is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanBarKind {
    /// Solid.
    Guaranteed,
    /// Dashed.
    Burst,
    /// Hatched: the draft takes it away.
    Cancelled,
}

/// What stands at the edge of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanMark {
    /// Published and unchanged.
    None,
    /// Of the draft.
    Draft,
    /// Waits for approval.
    Pending,
    /// Of the draft, and there is no room for it.
    Conflict,
}

impl PlanMark {
    /// The word that stands beside the mark.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "published",
            Self::Draft => "draft",
            Self::Pending => "waits for approval",
            Self::Conflict => "conflict",
        }
    }
}

/// Promised slots against capacity, on the axis of the timeline.
#[derive(Debug, Clone, Default)]
pub struct StripModel {
    /// The highest value that is drawn.
    pub top: i64,
    /// Promised, as the draft would have it: from a place on so much.
    pub promised: Vec<StripStep>,
    /// Promised before the draft; empty without one.
    pub before: Vec<StripStep>,
    /// What may be promised.
    pub limit: Vec<StripStep>,
    /// Where too much is promised.
    pub over: Vec<AxisPart>,
    /// `1,250 of 1,200 at most`
    pub peak: String,
    /// `capacity 1,200`
    pub limit_label: String,
    /// The same in a sentence, for those who do not see it.
    pub said: String,
}

/// From here on so much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StripStep {
    /// Where, as a part of the width.
    pub at: f64,
    /// When.
    pub at_ms: i64,
    /// How much.
    pub value: i64,
}

/// A reservation as a row.
#[derive(Debug, Clone)]
pub struct PlanRow {
    /// Its id.
    pub reservation: String,
    /// Its name.
    pub name: String,
    /// Whose.
    pub tenant: Named,
    /// Slots, with what they were.
    pub slots: String,
    /// What slots were before the draft.
    pub slots_was: Option<String>,
    /// `guaranteed`
    pub kind: String,
    /// `2026-11-28 00:00`
    pub start: String,
    /// `2026-11-30 12:00`, or `until further notice`.
    pub end: String,
    /// `60 h`; with the change of clocks if there is one.
    pub length: String,
    /// IANA zone.
    pub zone: String,
    /// How it repeats, in words; empty if it does not.
    pub repeat: String,
    /// Every other field that says something: label and value.
    pub more: Vec<(String, String)>,
    /// `approved`, `active`, …
    pub state: String,
    /// Its mark.
    pub mark: PlanMark,
    /// What is wrong with it: `over capacity by 50`.
    pub problem: Option<String>,
    /// Where it is edited; `None` if it cannot be.
    pub edit_href: Option<String>,
    /// Its cells that are edited in place, in the order of the columns; none if it cannot be.
    pub cells: Vec<PlanCell>,
}

/// A cell of the table that is edited in place.
#[derive(Debug, Clone)]
pub struct PlanCell {
    /// The field, as forms name it.
    pub field: &'static str,
    /// What it says, as it is written.
    pub text: String,
    /// What was written instead and could not be taken.
    pub fault: Option<PlanCellFault>,
}

/// What was written into a cell and could not be taken.
#[derive(Debug, Clone)]
pub struct PlanCellFault {
    /// What was written.
    pub typed: String,
    /// What is wrong with it.
    pub text: String,
}

/// What the table is edited with.
#[derive(Debug, Clone, Default)]
pub struct SheetModel {
    /// The bar that changes the selected rows.
    pub form: BulkForm,
    /// Tenants offered while typing.
    pub tenants: Vec<String>,
    /// Zones offered while typing.
    pub zones: Vec<String>,
    /// What was refused is told at its cells, and need not be told above the plan.
    pub says_it_all: bool,
}

/// What a change of many rows was filled with.
#[derive(Debug, Clone, Default)]
pub struct BulkForm {
    /// Reservations that are selected.
    pub picked: Vec<String>,
    /// `450`, `+50`, `-10%`
    pub slots: String,
    /// By how much they are moved.
    pub by: String,
    /// `hours`, else days.
    pub unit: String,
    /// Their new kind.
    pub kind: String,
    /// Their new zone.
    pub zone: String,
}

/// What a draft does, and what it takes to publish it.
#[derive(Debug, Clone, Default)]
pub struct ReviewModel {
    /// The draft.
    pub draft: DraftHead,
    /// The pool.
    pub pool: Option<Named>,
    /// What it changes.
    pub changes: Vec<ChangeRow>,
    /// What that does; `None` while it is not known.
    pub effect: Option<EffectModel>,
    /// What keeps it from being published.
    pub conflicts: Vec<ConflictRow>,
    /// What has to be confirmed.
    pub warnings: Vec<WarningRow>,
    /// Who is told.
    pub notified: String,
    /// What was published meanwhile and touches the same.
    pub merge: Option<MergeModel>,
    /// Stands for what was previewed.
    pub token: String,
    /// Why it is published.
    pub reason: Field,
    /// Whether somebody else has to approve it.
    pub approval: ApprovalModel,
    /// Why publishing was refused.
    pub error: Option<String>,
    /// Who looks may publish.
    pub may_publish: bool,
    /// Where they go on editing.
    pub back: String,
    /// The page on which it is shown, where edits come back to.
    pub here: String,
    /// Where it is published.
    pub publish_href: String,
}

/// One change of a draft.
#[derive(Debug, Clone)]
pub struct ChangeRow {
    /// The reservation.
    pub reservation: String,
    /// Its name.
    pub name: String,
    /// Whose.
    pub tenant: String,
    /// `28 Nov 00:00 – 30 Nov 12:00`
    pub when: String,
    /// What is done.
    pub verb: ChangeVerb,
    /// Its fields.
    pub fields: Vec<ChangedField>,
    /// Where it is edited.
    pub edit_href: String,
}

/// What is done to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeVerb {
    /// Made.
    Create,
    /// Changed.
    Edit,
    /// Taken back.
    Cancel,
}

impl ChangeVerb {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "new",
            Self::Edit => "changed",
            Self::Cancel => "cancelled",
        }
    }
}

/// A field that a change touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedField {
    /// Its label.
    pub label: String,
    /// What it was; empty = nothing.
    pub was: String,
    /// What it becomes; empty = nothing.
    pub becomes: String,
}

/// What a draft comes to.
#[derive(Debug, Clone, Default)]
pub struct EffectModel {
    /// Promised against capacity, before and after.
    pub strip: StripModel,
    /// The axis of the strip: its two ends.
    pub ends: (String, String),
    /// What it was reckoned from: `replay of the last 8 weeks`.
    pub basis: String,
    /// Figures of the whole pool.
    pub figures: Vec<EffectFigure>,
    /// Figures of each tenant that is touched.
    pub tenants: Vec<EffectTenant>,
    /// The hours in which most goes short: `Sat 28 Nov 14:00: 50 slots short for ml-batch`.
    pub riskiest: Vec<String>,
    /// What can be played, where that can be chosen.
    pub bases: Vec<BasisLink>,
    /// Why nothing is played.
    pub missing: Option<String>,
}

/// A demand that can be played.
#[derive(Debug, Clone)]
pub struct BasisLink {
    /// `Last weeks`
    pub label: String,
    /// Where that is shown.
    pub href: String,
    /// It is shown.
    pub is_chosen: bool,
}

/// One figure before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectFigure {
    /// `Saturated`
    pub label: String,
    /// `4 %`
    pub before: String,
    /// `31 %`
    pub after: String,
    /// Whether the change is for the better; `None` if it is neither.
    pub is_better: Option<bool>,
}

/// What it does to a tenant.
#[derive(Debug, Clone)]
pub struct EffectTenant {
    /// The tenant.
    pub tenant: Named,
    /// Its figures, the same ones for each.
    pub figures: Vec<EffectFigure>,
}

/// What keeps a draft from being published.
#[derive(Debug, Clone, Default)]
pub struct ConflictRow {
    /// `Over capacity by 50 slots, 28 Nov 00:00 – 29 Nov 12:00`
    pub text: String,
    /// With whose: `billing (250)`.
    pub with: Vec<String>,
    /// What would help.
    pub fixes: Vec<Fix>,
}

/// An edit that would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// `550 slots`
    pub label: String,
    /// What is posted.
    pub pairs: Vec<(String, String)>,
    /// A page to go to instead of an edit.
    pub href: Option<String>,
}

/// What has to be confirmed before it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarningRow {
    /// Its name in the form.
    pub key: String,
    /// What it says.
    pub text: String,
    /// It was confirmed.
    pub accepted: bool,
}

/// The plan moved while it was edited.
#[derive(Debug, Clone, Default)]
pub struct MergeModel {
    /// `The plan moved from v41 to v42 while you edited (Mika Lind, 09:38, 2 changes).`
    pub text: String,
    /// Head of the first column: `was (v41)`.
    pub was: String,
    /// `theirs (v42)`
    pub theirs: String,
    /// Fields that both changed.
    pub rows: Vec<MergeRow>,
    /// What came together by itself, a sentence each.
    pub merged: Vec<String>,
}

/// A field that both changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRow {
    /// The reservation's name.
    pub name: String,
    /// The field's label.
    pub label: String,
    /// Its name in the form.
    pub key: String,
    /// As it was.
    pub was: String,
    /// As it was published.
    pub theirs: String,
    /// As this draft has it.
    pub yours: String,
    /// `theirs`, `yours`, or empty while nothing is chosen.
    pub chosen: String,
}

/// Whether somebody else has to approve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ApprovalModel {
    /// Nobody has to.
    #[default]
    NotNeeded,
    /// Somebody has to: why.
    Needed(String),
    /// It waits: since when and by whom, and whether who looks may decide.
    Proposed {
        /// `Mika Lind asked for approval at 09:38`
        text: String,
        /// Who looks may approve or reject it.
        may_decide: bool,
    },
    /// Somebody did: who and when.
    Approved(String),
    /// Somebody did not: who, when and why.
    Rejected(String),
}

/// `/planner/edit`: the form of a reservation.
#[derive(Debug, Clone)]
pub struct ReservationFormModel {
    /// The pool.
    pub pool: Named,
    /// The draft it goes into; empty = one's own.
    pub draft: String,
    /// The draft's version.
    pub version: String,
    /// The reservation; `None` for a new one.
    pub reservation: Option<String>,
    /// Its name as it is; empty for a new one.
    pub title: String,
    /// Every field.
    pub form: TermsForm,
    /// Tenants to choose from.
    pub tenants: Vec<Named>,
    /// Zones offered while typing.
    pub zones: Vec<String>,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// Where it goes back to.
    pub back: String,
    /// Occurrences to come, one of which may be skipped.
    pub occurrences: Vec<OccurrenceRow>,
    /// What became of it.
    pub history: Vec<HistoryRow>,
    /// The tab that is open.
    pub tab: FormTab,
    /// The draft cancels it.
    pub is_cancelled: bool,
}

/// A tab of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FormTab {
    /// Its fields.
    #[default]
    Fields,
    /// Its occurrences.
    Occurrences,
    /// Its history.
    History,
}

impl FormTab {
    /// As the address names it.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Fields => "",
            Self::Occurrences => "occurrences",
            Self::History => "history",
        }
    }

    /// Reads [`Self::slug`].
    pub fn parse(slug: &str) -> Self {
        [Self::Occurrences, Self::History].into_iter().find(|tab| tab.slug() == slug).unwrap_or_default()
    }
}

/// The fields of a reservation's terms.
#[derive(Debug, Clone, Default)]
pub struct TermsForm {
    /// `name`
    pub name: Field,
    /// `tenant`
    pub tenant: Field,
    /// `kind`
    pub kind: Field,
    /// `start`
    pub start: Field,
    /// `end`
    pub end: Field,
    /// `zone`
    pub zone: Field,
    /// `repeat`
    pub repeat: Field,
    /// `except`
    pub except: Field,
    /// `slots`
    pub slots: Field,
    /// `ceiling`
    pub ceiling: Field,
    /// `lending_limit`
    pub lending_limit: Field,
    /// `borrowing_limit`
    pub borrowing_limit: Field,
    /// `lead_minutes`
    pub lead_minutes: Field,
    /// `release_after_minutes`
    pub release_after_minutes: Field,
    /// `priority`
    pub priority: Field,
    /// `shrink`
    pub shrink: Field,
    /// `drain_until`
    pub drain_until: Field,
    /// `overrides`
    pub overrides: Field,
    /// `note`
    pub note: Field,
}

/// One occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OccurrenceRow {
    /// Its day: `2026-11-28`.
    pub day: String,
    /// `Sat 28 Nov 09:00 – 17:00, 8 h`
    pub text: String,
    /// It is left out.
    pub is_skipped: bool,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// When.
    pub at_ms: i64,
    /// Who.
    pub who: String,
    /// From where: `UI`, `API token deploy`, `CSV`.
    pub via: String,
    /// Why.
    pub reason: String,
    /// What.
    pub fields: Vec<ChangedField>,
    /// What it was as a whole: `new`, `changed`, `cancelled`.
    pub verb: ChangeVerb,
}

/// `/planner/policy`
#[derive(Debug, Clone)]
pub struct PlanPolicyModel {
    /// The pool.
    pub pool: Named,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// `reject`, `allow-to`, `warn`.
    pub overcommit: Field,
    /// Per cent beyond the capacity.
    pub percent: Field,
    /// Longest length in days.
    pub longest_days: Field,
    /// Somebody approves from so many slots on.
    pub approve_from_slots: Field,
    /// Somebody approves what starts within so many minutes.
    pub approve_within_minutes: Field,
    /// Rolling caps, one a line: `tenant: slots over hours`.
    pub caps: Field,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// The version the form was filled from.
    pub version: String,
    /// Who looks may change it.
    pub may_change: bool,
}

/// `/planner/publications`
#[derive(Debug, Clone)]
pub struct PublicationsModel {
    /// The pool.
    pub pool: Option<Named>,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// What was published, the newest first.
    pub rows: Vec<PublicationRow>,
    /// Who looks may take one back.
    pub may_revert: bool,
    /// Where older ones are; empty if there are none.
    pub older_href: String,
}

/// One publication.
#[derive(Debug, Clone)]
pub struct PublicationRow {
    /// Its id.
    pub id: String,
    /// The plan's version with it: `v42`.
    pub version: String,
    /// When.
    pub at_ms: i64,
    /// Who.
    pub who: String,
    /// From where: `UI`, `API`, `CSV`.
    pub via: String,
    /// Why.
    pub reason: String,
    /// What.
    pub changes: Vec<ChangeRow>,
    /// What took it back, or what it took back.
    pub note: Option<String>,
}
