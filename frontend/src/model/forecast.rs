//! What pools will need, and what to do about it.

use super::{ChartModel, Field, Named};

/// Everything on `/forecast`.
#[derive(Debug, Clone)]
pub struct ForecastsModel {
    /// Pools, those first that are full soonest.
    pub rows: Vec<ForecastRow>,
    /// Pools with a forecast, over all pages.
    pub total: i64,
    /// The rows beyond this page.
    pub next: Option<String>,
    /// All rows as CSV.
    pub csv_href: String,
    /// What the file holds, where it does not hold all.
    pub csv_note: Option<String>,
}

/// A pool in the list.
#[derive(Debug, Clone)]
pub struct ForecastRow {
    /// The pool.
    pub pool: Named,
    /// Slots wanted now.
    pub wanted: Option<i64>,
    /// Capacity now, in slots.
    pub capacity: i64,
    /// The most that is wanted in the next 48 hours, at 0.95.
    pub p95: Option<i64>,
    /// When it is full.
    pub full: FullIn,
    /// Part of the hours within the range of 80 %.
    pub coverage: Option<f64>,
    /// Typical miss: sum of errors over sum of what came.
    pub wape: Option<f64>,
    /// What happens with plans: `shadow`, `recommend` or `apply`.
    pub mode: &'static str,
    /// Whether predicting pays; `None` before the first choice.
    pub pays: Option<bool>,
    /// Why.
    pub reason: String,
}

/// When a pool is full, in words, with how urgent that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullIn {
    /// For example `21 d (as likely as not)`.
    pub text: String,
    /// How urgent.
    pub urgency: Urgency,
}

/// How urgent something foreseen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Now or within a day.
    Critical,
    /// Within the month.
    Warn,
    /// Not soon.
    Fine,
    /// Nobody can say.
    Unknown,
}

/// Everything on `/forecast/{pool}`.
#[derive(Debug, Clone)]
pub struct ForecastModel {
    /// The pool.
    pub pool: Named,
    /// The most important in a sentence.
    pub summary: String,
    /// When and from what it was made.
    pub basis: String,
    /// Why there is no fan.
    pub too_little: Option<String>,
    /// The fan.
    pub chart: Option<ChartModel>,
    /// How good it has been.
    pub accuracy: AccuracyBox,
    /// The plan.
    pub plan: PlanBox,
    /// What somebody tries.
    pub what_if: WhatIfBox,
    /// What days took.
    pub ledger: LedgerBox,
    /// Decisions.
    pub decisions: DecisionsBox,
    /// A past day, forecast beside what came.
    pub past: PastBox,
    /// Whether the viewer may change how it is scaled.
    pub may_change: bool,
    /// What was wrong with a form of this page.
    pub error: Option<String>,
}

/// How good forecasts have been.
#[derive(Debug, Clone, Default)]
pub struct AccuracyBox {
    /// Hours that are judged.
    pub hours: usize,
    /// Typical miss.
    pub wape: Option<f64>,
    /// The worst day and its miss, in words.
    pub worst: Option<String>,
    /// Part of the hours within the range of 80 %.
    pub coverage_80: Option<f64>,
    /// Part of the hours below the quantile of 0.95.
    pub coverage_95: Option<f64>,
    /// Typical miss of "same as last week".
    pub naive: Option<f64>,
    /// Typical miss of the model in the same hours.
    pub compared: Option<f64>,
    /// The model does not beat last week's pattern.
    pub naive_wins: bool,
    /// Ranges have been too narrow.
    pub too_narrow: bool,
    /// Ranges have been too wide.
    pub too_wide: bool,
    /// Hours and weekdays that are forecast much worse, in words.
    pub weak: Vec<String>,
    /// Part of the judged hours were forecast afterwards, from what was known before each.
    pub replayed: Option<String>,
}

/// The recommended schedule.
#[derive(Debug, Clone, Default)]
pub struct PlanBox {
    /// What it rests on and why, in words.
    pub why: String,
    /// What happens with it.
    pub mode: &'static str,
    /// Steps in the order of time.
    pub steps: Vec<StepRow>,
    /// More is needed than the maximum allows, in words.
    pub breach: Option<String>,
    /// What it is expected to come to, in words.
    pub expected: String,
    /// Until when recommendations are ignored and why.
    pub ignored: Option<String>,
    /// Steps can be taken here: Headroom gives out the slots.
    pub can_apply: bool,
    /// Applying is the main thing to do, because the forecast is trusted.
    pub apply_is_primary: bool,
    /// Version of the policy, for its forms.
    pub version: String,
    /// The fields of the form that ignores.
    pub ignore_until: Field,
    /// The reason.
    pub ignore_why: Field,
}

/// A step of the schedule.
#[derive(Debug, Clone)]
pub struct StepRow {
    /// When to act.
    pub at_ms: i64,
    /// When it is in effect.
    pub effective_ms: i64,
    /// Slots before.
    pub from: i64,
    /// Slots after.
    pub to: i64,
    /// Why.
    pub why: String,
    /// What it costs more or less until the next, in words; `None` if money is not shown or unknown.
    pub cost: Option<String>,
    /// The greatest probability of an hour until the next step that more is wanted; `None` if nothing is foreseen.
    pub risk: Option<f64>,
    /// It comes after the start of the hour that needs it.
    pub late: bool,
}

/// What somebody tries.
#[derive(Debug, Clone, Default)]
pub struct WhatIfBox {
    /// Level of the forecast.
    pub level: Field,
    /// Growth of demand.
    pub growth: Field,
    /// Smallest change.
    pub change: Field,
    /// Cooldown.
    pub cooldown: Field,
    /// What the plan comes to, in words: as it is, and as tried.
    pub result: Vec<(String, String, String, String)>,
    /// Whether something was tried.
    pub is_tried: bool,
}

/// What days took, by four rules.
#[derive(Debug, Clone, Default)]
pub struct LedgerBox {
    /// Sums over the days, by rule.
    pub totals: Vec<LedgerRow>,
    /// Days that are added up.
    pub days: usize,
    /// What was saved, in words.
    pub says: String,
    /// By day as CSV.
    pub csv_href: String,
}

/// A rule's sums.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    /// The rule.
    pub name: &'static str,
    /// Slot-hours provided.
    pub slot_hours: String,
    /// Against the reference, in words.
    pub beside: String,
    /// Minutes in which more was wanted.
    pub violations: String,
    /// Part of what was wanted that was not there.
    pub unmet: String,
}

/// A part of the decisions.
#[derive(Debug, Clone, Default)]
pub struct DecisionsBox {
    /// They, newest first.
    pub rows: Vec<DecisionRow>,
    /// Where the newest are, if these are older ones.
    pub newest: Option<String>,
    /// Where older ones are, if there are any.
    pub older: Option<String>,
    /// These and older ones as a file.
    pub csv_href: String,
}

/// A decision.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// When.
    pub at_ms: i64,
    /// Capacity before and wanted, in words.
    pub change: String,
    /// Why.
    pub why: String,
    /// What it was made from, in words.
    pub inputs: String,
    /// What became of it.
    pub outcome: String,
}

/// A past day.
#[derive(Debug, Clone, Default)]
pub struct PastBox {
    /// The day, `YYYY-MM-DD`, with what is wrong with it.
    pub day: Field,
    /// How it went, in words.
    pub says: String,
    /// Forecast and what came.
    pub chart: Option<ChartModel>,
}

/// Everything on `/forecast/{pool}/policy`.
#[derive(Debug, Clone)]
pub struct ScalingPolicyModel {
    /// The pool.
    pub pool: Named,
    /// `shadow`, `recommend` or `apply`.
    pub mode: Field,
    /// `guard` or `forecast`.
    pub basis: Field,
    /// Never less.
    pub min: Field,
    /// Never more.
    pub max: Field,
    /// Level in per cent.
    pub level: Field,
    /// Minutes until slots are there.
    pub lead: Field,
    /// Minutes of hold.
    pub hold: Field,
    /// Per cent of the band.
    pub band: Field,
    /// Smallest change.
    pub change: Field,
    /// Minutes of cooldown.
    pub cooldown: Field,
    /// What belongs to no field.
    pub error: Option<String>,
    /// Version of the policy.
    pub version: String,
    /// Whether Headroom gives out the pool's slots.
    pub is_tracked: bool,
}

/// A recommended step before it is taken.
#[derive(Debug, Clone)]
pub struct StepModel {
    /// The pool.
    pub pool: Named,
    /// Instant of the step, for its form.
    pub at: String,
    /// When to act, in words.
    pub when: String,
    /// When it is in effect, in words.
    pub there: String,
    /// Slots before.
    pub from: i64,
    /// Slots after.
    pub to: i64,
    /// Why, in words.
    pub why: String,
    /// Until when it lasts by the plan, in words.
    pub until: String,
    /// What it costs more or less until then, in words.
    pub cost: Option<String>,
    /// The greatest probability of an hour until then that more is wanted: as it is and after the step.
    pub risks: Option<(f64, f64)>,
    /// Slots that there are after it, because so many are promised later; `None` if it is what the step has.
    pub kept: Option<i64>,
    /// How patient the pool is, in words.
    pub patience: String,
    /// A change that is on trial and would be overtaken, in words.
    pub overtakes: Option<String>,
    /// Why it would be refused.
    pub refused: Option<String>,
    /// It can be taken back by itself: it takes slots away.
    pub is_guardable: bool,
    /// It is to be taken back by itself.
    pub is_guarded: bool,
    /// Rejected claims of 10,000 that it may have.
    pub rejected: Field,
    /// Minutes for which that is watched.
    pub minutes: Field,
    /// What belongs to no field.
    pub error: Option<String>,
}
