//! What pools will need, how right that was, what to do about it, and what it saved.
//!
//! `refresh` is the job's: once for each complete hour it forecasts every pool (`demand` says what was wanted), and writes the
//! forecast, what was foreseen for later judgement, the day's choice and its ledger in one transaction. `scale` turns the newest
//! forecast into a plan at any instant, decides, and applies. `change` changes the capacity, `tell` tells
//! programs outside, `outlook` is the week ahead for reports, `view` is what pages and the API read.

mod change;
mod demand;
mod outlook;
mod refresh;
mod scale;
mod tell;
mod view;

pub use change::{Guard, StepPreview};
pub use demand::queued;
pub use outlook::{Day, OUTLOOK_DAYS, PoolOutlook, outlook};
pub use refresh::Refreshed;
pub use scale::{Basis, Decided, Planned, Settings, Wish};
pub use view::{Forecasts, MOST_DECISIONS, MOST_LISTED, PastDay, PoolForecast, Row, WhatIf};

use headroom_domain::calendar::Event;
use headroom_domain::exhaustion::Exhaustion;
use headroom_domain::forecast::daily::Daily;
use headroom_domain::forecast::online::{Accuracy, Outlook};
use headroom_domain::{DAY_MS, MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// Hours that are forecast: a week.
pub const HORIZON_HOURS: usize = 168;
/// Days that are looked at for when a pool is full.
pub const HORIZON_DAYS: usize = 90;
/// Fewer days of history are too little for a fan.
pub const FEWEST_DAYS: usize = 14;
/// Below a coverage of this, ranges of 80 % were too narrow; above the second, too wide.
pub const HONEST: (f64, f64) = (0.7, 0.9);
/// What was foreseen and decided is kept this long.
pub const KEPT_MS: Millis = 62 * DAY_MS;
/// Choices, ledgers and decisions are kept this long.
pub const LEDGER_KEPT_MS: Millis = 400 * DAY_MS;

/// A figure of what is used or waits now that is older than this is none.
const LIVE_FRESH_MS: Millis = 15 * MINUTE_MS;

/// What a refresh says of a pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Said {
    /// The hours to come.
    pub outlook: Outlook,
    /// How right it was.
    pub accuracy: Accuracy,
    /// The days to come, from the one in which the outlook begins.
    pub daily: Daily,
    /// When it is full.
    pub exhaustion: Exhaustion,
    /// Slots to add to what is wanted now, by the day's choice.
    pub headroom: f64,
    /// Hours of the last eight weeks of which the demand is known.
    pub known_hours: usize,
}

/// The events of a pool, past and to come.
async fn events(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> super::Result<Vec<Event>> {
    Ok(headroom_store::event::of_pool(conn, pool, from, to).await?)
}
