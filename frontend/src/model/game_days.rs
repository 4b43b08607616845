//! Game days: the list with what each found, and the form.

use super::{Field, Named};
use headroom_domain::game_day::Breakage;

/// Everything on `/game-days`.
#[derive(Debug, Clone)]
pub struct GameDaysModel {
    /// The newest first.
    pub rows: Vec<GameDayRow>,
    /// Where older ones are, if there are any.
    pub next: Option<String>,
    /// Whether the newest of all is among them.
    pub is_first: bool,
    /// Whether the viewer may write game days down.
    pub may_record: bool,
    /// Whether the viewer sees all tenants and pools; who does not is shown none.
    pub is_whole: bool,
}

/// A game day.
#[derive(Debug, Clone)]
pub struct GameDayRow {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub title: String,
    /// The day, such as `2026-11-20`.
    pub held_on: String,
    /// Who ran it.
    pub run_by: String,
    /// Slugs of its pools.
    pub pools: Vec<String>,
    /// What was tried.
    pub tried: String,
    /// What happened.
    pub happened: String,
    /// What is to follow; may be empty.
    pub follow_ups: String,
    /// What was broken.
    pub breakages: Vec<Breakage>,
    /// What was found though nothing was broken; `None` = nobody counted.
    pub false_findings: Option<i64>,
    /// Who wrote it last.
    pub author: String,
    /// When.
    pub written_ms: i64,
}

/// Everything on the form of a game day.
#[derive(Debug, Clone, Default)]
pub struct GameDayFormModel {
    /// Its number and title; `None` = a new one.
    pub subject: Option<Named>,
    /// The version that was seen.
    pub version: String,
    /// The day.
    pub held_on: Field,
    /// What it is called.
    pub title: Field,
    /// Who ran it.
    pub run_by: Field,
    /// Slugs of pools, separated by commas.
    pub pools: Field,
    /// What was tried.
    pub tried: Field,
    /// What was broken, one a line.
    pub breakages: Field,
    /// What was found though nothing was broken.
    pub false_findings: Field,
    /// What happened.
    pub happened: Field,
    /// What is to follow.
    pub follow_ups: Field,
    /// What belongs to no field.
    pub error: Option<String>,
}
