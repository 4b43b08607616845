//! What exists in the demo world, as plain values: ready to be written to any store.

use super::catalogue::{self, PoolPlan};
use super::curve::Curve;
use super::events;
use super::noise;
use super::taxi::Taxi;
use crate::zones;
use headroom_domain::calendar::Effect;
use headroom_domain::change::ChangeKind;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::pool::{PoolKind, Properties, Service};
use headroom_domain::reservation::ReservationKind;
use headroom_domain::{DAY_MS, MINUTE_MS, Millis};

/// A region pools stand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoRegion {
    /// Slug.
    pub slug: &'static str,
    /// Name.
    pub name: &'static str,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoTenant {
    /// Slug.
    pub slug: &'static str,
    /// Name.
    pub name: &'static str,
    /// Tier, for example `gold`.
    pub tier: &'static str,
    /// 0 is served first.
    pub priority: i16,
    /// Weight in fair sharing.
    pub weight: i32,
    /// Who pays.
    pub cost_centre: &'static str,
    /// Who answers.
    pub owner: &'static str,
}

/// Whether an extra signal goes up and down or counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalKind {
    /// A level.
    Gauge,
    /// Events per minute.
    Counter,
}

impl SignalKind {
    /// The word used in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// An extra signal of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoSignal {
    /// Number within the pool, from 1.
    pub number: i16,
    /// `[a-z][a-z0-9_]*`.
    pub name: &'static str,
    /// Unit; may be empty.
    pub unit: &'static str,
    /// Gauge or counter.
    pub kind: SignalKind,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoPool {
    /// Slug.
    pub slug: &'static str,
    /// Name.
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Pattern.
    pub kind: PoolKind,
    /// Properties.
    pub properties: Properties,
    /// Configured slots at the instant the world was made.
    pub slots: i64,
    /// Least size of an elastic pool.
    pub min_slots: Option<i64>,
    /// Greatest size of an elastic pool.
    pub max_slots: Option<i64>,
    /// Millionths of a euro per slot and hour.
    pub unit_cost_micros: i64,
    /// Owning team.
    pub owner: &'static str,
    /// Runbook.
    pub runbook_url: String,
    /// Labels.
    pub labels: Vec<(&'static str, &'static str)>,
    /// Services it carries.
    pub services: Vec<Service>,
    /// Extra signals.
    pub signals: Vec<DemoSignal>,
    /// Slug of its region.
    pub region: &'static str,
    /// IANA zone of its own days.
    pub zone: &'static str,
    /// How often live samples come.
    pub feed_period_ms: i64,
}

/// The most slots a tenant may hold in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoQuota {
    /// Index of the pool.
    pub pool: usize,
    /// Index of the tenant.
    pub tenant: usize,
    /// Slots.
    pub slots: i64,
}

/// Slots promised to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoReservation {
    /// Index of the pool.
    pub pool: usize,
    /// Index of the tenant.
    pub tenant: usize,
    /// Guaranteed or burst.
    pub kind: ReservationKind,
    /// First instant.
    pub from_ms: Millis,
    /// First instant after it; `None` = until further notice.
    pub to_ms: Option<Millis>,
    /// Guaranteed slots.
    pub baseline: i64,
    /// Most slots.
    pub ceiling: Option<i64>,
    /// Most idle slots lent.
    pub lending_limit: Option<i64>,
    /// Most slots borrowed.
    pub borrowing_limit: Option<i64>,
    /// Why it exists.
    pub note: &'static str,
}

/// A step of a pool's capacity; holds until the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoCapacity {
    /// Index of the pool.
    pub pool: usize,
    /// From when.
    pub from_ms: Millis,
    /// Configured slots.
    pub configured: i64,
    /// Of these, taken out on purpose.
    pub planned_down: i64,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: &'static str,
}

/// Something that happened around the pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoChange {
    /// When.
    pub at_ms: Millis,
    /// What kind.
    pub kind: ChangeKind,
    /// Index of the pool; `None` = all pools.
    pub pool: Option<usize>,
    /// What happened.
    pub title: String,
    /// Where to read on.
    pub url: String,
    /// Who reported it.
    pub source: &'static str,
    /// Who did it.
    pub actor: &'static str,
}

/// Something that is known to come, or came.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoEvent {
    /// Index of the pool; `None` = all pools.
    pub pool: Option<usize>,
    /// When it begins.
    pub start_ms: Millis,
    /// When it is over.
    pub end_ms: Millis,
    /// What kind it is.
    pub tag: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it does to demand.
    pub effect: Effect,
}

/// The demo world.
#[derive(Debug, Clone)]
pub struct World {
    /// The seed it was made from.
    pub seed: u64,
    /// The instant it was made for, a whole minute. Keep it and make the same world again.
    pub now_ms: Millis,
    /// Name of the organisation.
    pub organisation: &'static str,
    /// Currency of the unit costs.
    pub currency: &'static str,
    /// Zone of the organisation.
    pub zone: &'static str,
    /// Regions.
    pub regions: Vec<DemoRegion>,
    /// Pools.
    pub pools: Vec<DemoPool>,
    /// Tenants.
    pub tenants: Vec<DemoTenant>,
    /// Quotas.
    pub quotas: Vec<DemoQuota>,
    /// Reservations.
    pub reservations: Vec<DemoReservation>,
    /// Capacity history, by pool and time; every pool's first step lies before all history.
    pub capacity_steps: Vec<DemoCapacity>,
    /// Events of the calendar in time order.
    pub events: Vec<DemoEvent>,
    /// Change events in time order.
    pub changes: Vec<DemoChange>,
    pub(super) plans: Vec<PoolPlan>,
    pub(super) curves: Vec<Curve>,
    pub(super) taxi: Taxi,
    pub(super) new_york: ZoneSlice,
}

impl World {
    /// The world of a seed at an instant, floored to the minute.
    pub fn new(seed: u64, now_ms: Millis) -> Self {
        let now_ms = now_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let plans = catalogue::pools();
        let tenants = catalogue::tenants();
        let quotas = catalogue::quotas(&plans);
        let reservations = catalogue::reservations(now_ms);
        let capacity_steps = events::capacity_steps(&plans, now_ms);
        let changes = events::changes(noise::key(seed, 1), &plans, &capacity_steps, now_ms);
        let curves = (0..plans.len())
            .map(|pool| {
                Curve::new(
                    noise::key(seed, 100 + pool as u64),
                    pool,
                    &plans,
                    &quotas,
                    &reservations,
                    &capacity_steps,
                    now_ms,
                )
            })
            .collect();
        let margin = 400 * DAY_MS;
        let new_york =
            zones::slice("America/New_York", now_ms - margin, now_ms + margin).unwrap_or_else(ZoneSlice::utc);
        Self {
            seed,
            now_ms,
            organisation: "Headroom Demo",
            currency: "EUR",
            zone: "Europe/Berlin",
            regions: catalogue::regions(),
            pools: plans.iter().map(PoolPlan::pool).collect(),
            tenants,
            quotas,
            reservations,
            capacity_steps,
            events: events::calendar(now_ms),
            changes,
            plans,
            curves,
            taxi: Taxi::read(),
            new_york,
        }
    }

    /// Index of a pool by its slug.
    pub fn pool_index(&self, slug: &str) -> Option<usize> {
        self.pools.iter().position(|p| p.slug == slug)
    }
}
