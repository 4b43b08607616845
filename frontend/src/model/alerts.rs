//! Alerts: the board, the list and one alert.

use headroom_domain::alert::outcome::Outcome;

use super::{ChartModel, Link, Named, OfferedAction, PanelState, TableState};

/// How an alert is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertState {
    /// It fires, and nobody has it.
    Firing,
    /// Somebody has it.
    Acknowledged,
    /// Somebody put it off.
    Snoozed,
    /// A silence keeps it from people.
    Silenced,
    /// Another alert explains it.
    Inhibited,
    /// Nobody can tell whether it still fires.
    NoData,
    /// It has not fired yet.
    Pending,
    /// It is over.
    Resolved,
}

impl AlertState {
    /// As pages say it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Firing => "Firing",
            Self::Acknowledged => "Acknowledged",
            Self::Snoozed => "Snoozed",
            Self::Silenced => "Silenced",
            Self::Inhibited => "Inhibited",
            Self::NoData => "No data, state held",
            Self::Pending => "Pending",
            Self::Resolved => "Resolved",
        }
    }
}

/// Why something that somebody did was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertConflict {
    /// What happened instead: `Dana Okafor acknowledged this 14 s before you.`
    pub sentence: String,
    /// What they said.
    pub note: String,
    /// What was typed, kept.
    pub typed: String,
    /// Somebody has it: joining and taking over are offered.
    pub is_taken: bool,
}

/// An alert in a list.
#[derive(Debug, Clone)]
pub struct AlertRow {
    /// Its number.
    pub id: i64,
    /// Its version, for what is done about it.
    pub version: u64,
    /// How it is shown.
    pub state: AlertState,
    /// Somebody is woken for it.
    pub is_page: bool,
    /// The page is an urgent one.
    pub critical: bool,
    /// It comes and goes.
    pub flapping: bool,
    /// What is broken, how much: `ingress-eu: 20x budget burn; 50 of 60000 claims rejected in 1 h`.
    pub sentence: String,
    /// The rule as people call it.
    pub title: String,
    /// The pool.
    pub pool: Option<Named>,
    /// The tenant; `None` = the pool as a whole.
    pub tenant: Option<Named>,
    /// Further facts, a fragment each.
    pub facts: Vec<String>,
    /// Tenants that are hit, worst first.
    pub hits: Vec<Named>,
    /// How many are hit.
    pub hits_total: i64,
    /// When it fired.
    pub fired_ms: i64,
    /// When it was over.
    pub resolved_ms: Option<i64>,
    /// Who has it, `You` if it is the reader.
    pub owner: Option<String>,
    /// The reader has it.
    pub is_mine: bool,
    /// When they took it on.
    pub acked_ms: Option<i64>,
    /// What they said.
    pub note: String,
    /// Who else is on it.
    pub participants: Vec<String>,
    /// Until when it is put off.
    pub snoozed_until_ms: Option<i64>,
    /// Why nobody is told, if nobody is: `until 10:05 by Dana Okafor`.
    pub hidden_why: Option<String>,
    /// The alert that explains it.
    pub explained_by: Option<i64>,
    /// Alerts that it explains: number and whom they are about.
    pub explains: Vec<(i64, String)>,
    /// Who is asked next, and when.
    pub asks: Option<(String, i64)>,
    /// How often it came back.
    pub reopened: u32,
    /// Which time it happens.
    pub episode: u32,
    /// Where it is written what to do.
    pub runbook: Option<String>,
    /// Whoever takes it on has to say something.
    pub needs_note: bool,
    /// When the reader's shift ends, if they are on call and it may be put off so long.
    pub shift_ends_ms: Option<i64>,
    /// What it turned out to be, if somebody said so.
    pub outcome: Option<Outcome>,
    /// What was not done, if something was tried.
    pub conflict: Option<AlertConflict>,
}

impl AlertRow {
    /// Where its page is.
    pub fn href(&self) -> String {
        format!("/alerts/{}", self.id)
    }

    /// True if somebody has it.
    pub fn is_taken(&self) -> bool {
        self.owner.is_some()
    }

    /// True if something can be done about it.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, AlertState::Resolved | AlertState::Pending)
    }
}

/// Which alerts of the board are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shown {
    /// All that is not put off or explained.
    #[default]
    Open,
    /// What the reader has.
    Mine,
    /// What somebody has.
    Acknowledged,
    /// What was put off.
    Snoozed,
    /// What others explain.
    Inhibited,
    /// All of it.
    All,
}

impl Shown {
    /// Every choice.
    pub const ALL: [Self; 6] = [Self::Open, Self::Mine, Self::Acknowledged, Self::Snoozed, Self::Inhibited, Self::All];

    /// The word in the address.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mine => "mine",
            Self::Acknowledged => "acked",
            Self::Snoozed => "snoozed",
            Self::Inhibited => "inhibited",
            Self::All => "all",
        }
    }

    /// As the choice is called.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Mine => "Mine",
            Self::Acknowledged => "Acked",
            Self::Snoozed => "Snoozed",
            Self::Inhibited => "Inhibited",
            Self::All => "All",
        }
    }

    /// Whether an alert is shown.
    pub fn fits(self, row: &AlertRow) -> bool {
        match self {
            Self::Open => !matches!(row.state, AlertState::Snoozed | AlertState::Inhibited),
            Self::Mine => row.is_mine,
            Self::Acknowledged => row.state == AlertState::Acknowledged,
            Self::Snoozed => row.state == AlertState::Snoozed,
            Self::Inhibited => row.state == AlertState::Inhibited,
            Self::All => true,
        }
    }
}

/// The alerts of the board.
#[derive(Debug, Clone, Default)]
pub struct AlertBoard {
    /// What is shown, in its order.
    pub rows: Vec<AlertRow>,
    /// Which of them.
    pub shown: Shown,
    /// How many each choice has, in the order of [`Shown::ALL`].
    pub counts: [i64; 6],
    /// The reader may do something about them.
    pub may_act: bool,
    /// Whoever takes something on has to say something.
    pub needs_note: bool,
    /// Where a form leads back to.
    pub back: String,
    /// Everything before this was judged.
    pub watermark_ms: Option<i64>,
    /// Nobody judged anything for too long.
    pub is_behind: bool,
    /// Who is on call, a sentence.
    pub on_call: Option<String>,
    /// What is wrong with telling people, a sentence each.
    pub warnings: Vec<String>,
    /// Where receivers are looked after, if one of the warnings is about them and the reader may.
    pub receivers_href: Option<String>,
    /// When the last one was over.
    pub last_resolved_ms: Option<i64>,
    /// What became of several at once, a sentence each.
    pub results: Vec<String>,
    /// How many a silence keeps from people.
    pub silenced: i64,
    /// What nobody could be told, the newest first.
    pub undelivered: Vec<Undelivered>,
    /// The reader may have it sent again.
    pub may_replay: bool,
}

/// A message that was given up.
#[derive(Debug, Clone)]
pub struct Undelivered {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at_ms: i64,
    /// To whom.
    pub receiver: String,
    /// What it would have told.
    pub message: String,
    /// The alert that it is about.
    pub alert: Option<i64>,
    /// It would have woken somebody.
    pub is_page: bool,
    /// Why it was given up.
    pub reason: String,
}

/// What the list of alerts shows.
#[derive(Debug, Clone)]
pub struct AlertsModel {
    /// `61 alerts, 9 pages, median ack 2 m 10 s`
    pub summary: String,
    /// The newest first.
    pub rows: Vec<AlertHistoryRow>,
    /// Sorting, paging.
    pub table: TableState,
    /// Choices: word, label, whether it is the present one; state, then severity.
    pub states: Vec<(Link, bool)>,
    /// The same for severity.
    pub lanes: Vec<(Link, bool)>,
    /// Whether the list can be trusted.
    pub state: PanelState,
}

/// An alert in the history.
#[derive(Debug, Clone)]
pub struct AlertHistoryRow {
    /// The alert.
    pub row: AlertRow,
    /// From firing to the first acknowledgement.
    pub ack_after_ms: Option<i64>,
    /// From firing to its end.
    pub lasted_ms: Option<i64>,
    /// Why it was over.
    pub why: Option<&'static str>,
}

/// Something in the timeline of an alert.
#[derive(Debug, Clone)]
pub struct TimelineRow {
    /// When.
    pub at_ms: i64,
    /// What, a few words.
    pub what: String,
    /// Who, if somebody did it.
    pub who: Option<String>,
    /// What they said.
    pub note: String,
    /// Shape of its mark: `state-crit`, `state-ok`, `state-info`.
    pub shape: &'static str,
    /// More about it.
    pub href: Option<String>,
}

/// A message about an alert.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at_ms: i64,
    /// To whom.
    pub receiver: String,
    /// What it told.
    pub message: String,
    /// How that went: `sent after 2 attempts`, `given up: 400`.
    pub state: String,
    /// It could not be delivered.
    pub is_dead: bool,
}

/// A tier of a rule, as it is now.
#[derive(Debug, Clone)]
pub struct TierRow {
    /// `W1`.
    pub name: String,
    /// Who is told.
    pub lane: &'static str,
    /// `burn 11.2 over 1 h, 20 over 5 min; fires above 8`
    pub burns: String,
    /// `50 of 60,000`
    pub counted: String,
    /// What it says.
    pub says: &'static str,
}

/// One alert.
#[derive(Debug, Clone)]
pub struct AlertModel {
    /// The alert.
    pub row: AlertRow,
    /// The reader may do something about it.
    pub may_act: bool,
    /// One pool or many, who is hit: the first line.
    pub scope: String,
    /// Why somebody was paged, a sentence.
    pub why: String,
    /// Facts: name and value.
    pub facts: Vec<(String, String)>,
    /// Tiers of its rule.
    pub tiers: Vec<TierRow>,
    /// What to do: rendered and safe; with the steps that were done.
    pub runbook: Option<AlertRunbook>,
    /// What can be done at once: previews.
    pub playbook: Vec<OfferedAction>,
    /// What is left of the budget, a plain sentence.
    pub budget: Option<String>,
    /// Burn, budget, occupancy.
    pub charts: Vec<ChartModel>,
    /// Newest first: of the alert and around it.
    pub timeline: Vec<TimelineRow>,
    /// Newest first.
    pub deliveries: Vec<DeliveryRow>,
    /// The reader may have what was given up sent again.
    pub may_replay: bool,
    /// Other episodes: link, what ended them.
    pub episodes: Vec<(Link, String)>,
}

/// A runbook beside an alert.
#[derive(Debug, Clone)]
pub struct AlertRunbook {
    /// Its title.
    pub title: String,
    /// Where all of it is.
    pub href: String,
    /// Version and when it was last tested, a few words.
    pub version: String,
    /// HTML that the server made from Markdown; raw HTML in it was escaped.
    pub html: String,
    /// Its sections with numbered steps.
    pub sections: Vec<AlertSection>,
}

/// A section of a runbook beside an alert.
#[derive(Debug, Clone)]
pub struct AlertSection {
    /// Its heading.
    pub heading: String,
    /// Its steps.
    pub steps: Vec<AlertStep>,
}

/// A step of a runbook beside an alert.
#[derive(Debug, Clone)]
pub struct AlertStep {
    /// Its number.
    pub number: i32,
    /// HTML that the server made from Markdown.
    pub html: String,
    /// Who did it, and when.
    pub done: Option<(String, i64)>,
}

/// How a rule did.
#[derive(Debug, Clone)]
pub struct QualityRow {
    /// The rule as people call it.
    pub title: String,
    /// Its slug.
    pub slug: String,
    /// Episodes that fired.
    pub fires: i64,
    /// Of these, pages.
    pub pages: i64,
    /// Part of the time in which it fired.
    pub firing: f64,
    /// Part of the episodes that somebody acknowledged.
    pub acked: f64,
    /// Median time to that.
    pub median_ack_ms: Option<i64>,
    /// Episodes that nobody acknowledged.
    pub never_acked: i64,
    /// It fires too much.
    pub is_noisy: bool,
    /// What its alerts turned out to be: `3 false alarm, 1 fixed`; empty if nobody said so.
    pub outcomes: String,
    /// Those that were false alarms.
    pub false_alarms: i64,
}

/// How all rules did.
#[derive(Debug, Clone)]
pub struct QualityModel {
    /// Most fires first.
    pub rows: Vec<QualityRow>,
    /// The same as CSV.
    pub csv_href: String,
}
