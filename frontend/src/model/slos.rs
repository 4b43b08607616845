//! Error budgets: the table, a pool's own page, and which pools are ready to be watched.

use super::{ChartModel, Field, Named};

/// A budget.
#[derive(Debug, Clone)]
pub struct SloRow {
    /// The pool.
    pub pool: Named,
    /// The indicator's word and label.
    pub sli: Named,
    /// What is promised, such as `99.99 %`.
    pub objective: String,
    /// The part that is left, 1 = all of it; below 0 it is overdrawn; `None` where nothing was counted.
    pub left: Option<f64>,
    /// How fast it was used in the last hour.
    pub burn_1h: Option<f64>,
    /// One plain sentence.
    pub says: String,
}

/// A budget on a pool's own page, with the form that sets it. It posts to `/slos/objective`: hidden `pool`, `sli` and `version`, and
/// `budget`; empty = what holds elsewhere.
#[derive(Debug, Clone)]
pub struct SloDetail {
    /// The budget.
    pub row: SloRow,
    /// `Allowed since 22 Oct: 1 in 10,000 claims (3,120). Used: 1,186.`
    pub counted: String,
    /// Where the objective comes from, in words.
    pub set_for: String,
    /// Version of what was set for this pool; 0 = nothing was.
    pub version: i32,
    /// What is typed.
    pub budget: Field,
    /// How fast it was used over some windows, the shortest first.
    pub burns: Vec<SloBurn>,
    /// What was left, over 30 days, and what will be; `None` where nothing was counted.
    pub chart: Option<ChartModel>,
}

/// How fast a budget was used over a window.
#[derive(Debug, Clone, PartialEq)]
pub struct SloBurn {
    /// `6 h`
    pub window: String,
    /// The burn, 1 = it lasts exactly 30 days; `None` where nothing was counted.
    pub burn: Option<f64>,
    /// Above which burn somebody is told, and whether that is a page.
    pub mark: Option<(bool, f64)>,
}

/// Something that a pool needs to be watched well.
#[derive(Debug, Clone)]
pub struct ReadyCheck {
    /// In words.
    pub label: String,
    /// It is there.
    pub is_done: bool,
    /// What is there, or what to do.
    pub says: String,
    /// Where it can be done.
    pub href: String,
}

/// Whether a pool is ready to be watched.
#[derive(Debug, Clone)]
pub struct ReadyRow {
    /// The pool.
    pub pool: Named,
    /// What it needs.
    pub checks: Vec<ReadyCheck>,
}

/// Everything on `/slos`.
#[derive(Debug, Clone)]
pub struct SlosModel {
    /// Budgets, those with least left first, as many as are shown.
    pub rows: Vec<SloRow>,
    /// How many there are.
    pub total: i64,
    /// How many of them nothing was counted of, and are left out.
    pub idle: i64,
    /// Of one pool: its budgets.
    pub detail: Option<(Named, Vec<SloDetail>)>,
    /// Which pools are ready, those with most missing first, as many as are shown.
    pub ready: Vec<ReadyRow>,
    /// How many pools there are.
    pub pools: i64,
    /// Of these, with nothing missing.
    pub ready_pools: i64,
    /// Who looks may set objectives.
    pub writes: bool,
    /// Why what was typed was refused, where it belongs to no field.
    pub error: Option<String>,
    /// The export link.
    pub csv_href: String,
}
