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
use headroom_domain::scaling::Choice;
use headroom_domain::{DAY_MS, MINUTE_MS, Millis};
use headroom_store::pool::{self, CapacityStep, Pool};
use headroom_store::promise::{self, Stored};
use headroom_store::scaling::{self, Policy};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::BTreeMap;

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

/// What people arranged for a pool: forecasts and plans rest on it alike.
struct Arranged {
    pool: Pool,
    policy: Policy<Settings>,
    /// The newest choice and its day.
    choice: Option<(i64, Choice)>,
    steps: Vec<CapacityStep>,
    promises: Vec<Stored>,
}

/// Reads that of several pools at once, with the promises of `[from, to)`; pools that are gone are left out.
async fn arranged(conn: &mut PgConnection, keys: &[i32], from: Millis, to: Millis) -> super::Result<Vec<Arranged>> {
    let pools = pool::by_keys(conn, keys).await?;
    let mut policies: BTreeMap<i32, Policy<Settings>> =
        scaling::policies(conn, Some(keys)).await?.into_iter().collect();
    let mut choices: BTreeMap<i32, (i64, Choice)> =
        scaling::choices(conn, Some(keys)).await?.into_iter().map(|(key, day, choice)| (key, (day, choice))).collect();
    let mut steps = pool::capacity(conn, Some(keys)).await?;
    let mut promises: BTreeMap<i32, Vec<Stored>> = BTreeMap::new();
    for one in promise::during(conn, Some(keys), None, from, to).await? {
        promises.entry(one.reservation.pool).or_default().push(one);
    }
    let arranged = |pool: Pool| Arranged {
        policy: policies.remove(&pool.key).unwrap_or_default(),
        choice: choices.remove(&pool.key),
        steps: steps.remove(&pool.key).unwrap_or_default(),
        promises: promises.remove(&pool.key).unwrap_or_default(),
        pool,
    };
    Ok(pools.into_iter().map(arranged).collect())
}

/// The events of a pool, past and to come.
async fn events(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> super::Result<Vec<Event>> {
    Ok(headroom_store::event::of_pool(conn, pool, from, to).await?)
}
