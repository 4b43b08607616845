//! Who and what is in the demo world. Numbers here are chosen, not drawn: a demo should tell a story.

use super::world::{
    DemoPool, DemoQuota, DemoRegion, DemoReservation, DemoSignal, DemoTenant,
    SignalKind::{self, Counter, Gauge},
};
use headroom_domain::pool::{Consistency, Granting, Lifetime, OnLoss, PoolKind, Properties, Service, Sizing};
use headroom_domain::reservation::ReservationKind;
use headroom_domain::{DAY_MS, HOUR_MS, Millis};

// Tenants by index, in the order of `tenants`.
const ACME: usize = 0;
const BILLING: usize = 1;
const ML: usize = 2;
const CHECKOUT: usize = 3;
const REPORTS: usize = 4;
const MOBILE: usize = 5;
const ADS: usize = 6;
const FRAUD: usize = 7;
const PARTNERS: usize = 8;
const MEDIA: usize = 9;
const TOOLS: usize = 10;
const LEGACY: usize = 11;

// Pools by index, in the order of `pools`.
pub(super) const INGRESS: usize = 0;
pub(super) const BATCH: usize = 1;
pub(super) const EDGE: usize = 2;
pub(super) const QUERY: usize = 3;
pub(super) const TOKENS: usize = 4;
pub(super) const STREAM: usize = 5;
pub(super) const RUNNERS: usize = 6;
pub(super) const STAGING: usize = 7;

/// When a tenant is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rhythm {
    /// All day alike.
    Flat,
    /// Office hours.
    Day,
    /// After work.
    Evening,
    /// While people sleep.
    Night,
}

/// What decides the demand for a pool's slots, as a share of its capacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Demand {
    /// `floor + swing` times the recorded city.
    Taxi { floor: f64, swing: f64 },
    /// A day's wave.
    Wave {
        /// Hours east of UTC of its days.
        east: i64,
        /// Share at the quietest time.
        floor: f64,
        /// What the busiest time adds.
        swing: f64,
        /// Local hour of the busiest time.
        busiest: f64,
        /// What is left of the swing at weekends.
        weekend: f64,
    },
}

/// A pool with what moves it.
#[derive(Debug, Clone)]
pub(super) struct PoolPlan {
    pub(super) slug: &'static str,
    name: &'static str,
    description: &'static str,
    kind: PoolKind,
    properties: Properties,
    pub(super) slots: i64,
    bounds: Option<(i64, i64)>,
    unit_cost_micros: i64,
    pub(super) owner: &'static str,
    labels: &'static [(&'static str, &'static str)],
    services: &'static [(&'static str, &'static str, bool)],
    signals: &'static [(&'static str, &'static str, SignalKind)],
    region: &'static str,
    zone: &'static str,
    pub(super) demand: Demand,
    /// Demand a hundred days ago as a share of today's.
    pub(super) hundred_days_ago: f64,
    /// Relative size of what chance adds.
    pub(super) noise: f64,
    /// How far above its capacity the pool may run, as a share: it counts late.
    pub(super) overrun: f64,
    /// Seconds a slot is held.
    pub(super) hold_s: f64,
    /// Of claims that find the pool full, the share that is rejected and not just late.
    pub(super) impatience: f64,
    /// Median milliseconds to answer when there is room.
    pub(super) latency_ms: f64,
    /// Tenants with their part of the use.
    pub(super) tenants: &'static [(usize, f64, Rhythm)],
}

impl PoolPlan {
    pub(super) fn pool(&self) -> DemoPool {
        DemoPool {
            slug: self.slug,
            name: self.name,
            description: self.description,
            kind: self.kind,
            properties: self.properties,
            slots: self.slots,
            min_slots: self.bounds.map(|b| b.0),
            max_slots: self.bounds.map(|b| b.1),
            unit_cost_micros: self.unit_cost_micros,
            owner: self.owner,
            runbook_url: format!("https://runbooks.example.com/pools/{}", self.slug),
            labels: self.labels.to_vec(),
            services: self
                .services
                .iter()
                .map(|&(service, endpoint, customer_facing)| Service {
                    service: service.into(),
                    endpoint: endpoint.into(),
                    customer_facing,
                })
                .collect(),
            signals: (1..)
                .zip(self.signals)
                .map(|(number, &(name, unit, kind))| DemoSignal { number, name, unit, kind })
                .collect(),
            region: self.region,
            zone: self.zone,
            feed_period_ms: super::live::PERIOD_MS,
        }
    }
}

pub(super) fn regions() -> Vec<DemoRegion> {
    vec![
        DemoRegion { slug: "eu-west", name: "Europe, west" },
        DemoRegion { slug: "us-east", name: "United States, east" },
    ]
}

pub(super) fn tenants() -> Vec<DemoTenant> {
    let tenant = |slug, name, tier, priority, weight, cost_centre, owner| DemoTenant {
        slug,
        name,
        tier,
        priority,
        weight,
        cost_centre,
        owner,
    };
    vec![
        tenant("acme-search", "Acme Search", "gold", 1, 300, "CC-1010", "search"),
        tenant("billing", "Billing", "gold", 0, 200, "CC-2040", "finance-platform"),
        tenant("ml-batch", "ML batch", "silver", 6, 200, "CC-3300", "data-science"),
        tenant("checkout", "Checkout", "gold", 0, 300, "CC-2010", "shop"),
        tenant("reports", "Reports", "bronze", 7, 100, "CC-2090", "business-intelligence"),
        tenant("mobile-api", "Mobile API", "gold", 2, 250, "CC-1200", "mobile"),
        tenant("ads-ranking", "Ads ranking", "silver", 4, 150, "CC-1500", "ads"),
        tenant("fraud-check", "Fraud check", "gold", 1, 120, "CC-2060", "risk"),
        tenant("partner-feed", "Partner feed", "silver", 5, 100, "CC-1800", "partners"),
        tenant("media-stream", "Media stream", "silver", 3, 120, "CC-1600", "media"),
        tenant("internal-tools", "Internal tools", "bronze", 8, 60, "CC-9000", "developer-experience"),
        tenant("legacy-etl", "Legacy ETL", "bronze", 9, 40, "CC-3100", "data-platform"),
    ]
}

const SERVED: Properties = Properties {
    sizing: Sizing::Static,
    granting: Granting::Assignable,
    lifetime: Lifetime::Ephemeral,
    consistency: Consistency::Strong,
    on_loss: OnLoss::Retry,
};

pub(super) fn pools() -> Vec<PoolPlan> {
    vec![
        PoolPlan {
            slug: "ingress-eu",
            name: "Ingress Europe",
            description: "Concurrent requests at the European front door; follows the city's day.",
            kind: PoolKind::Autoscaling,
            properties: Properties { sizing: Sizing::Dynamic, ..SERVED },
            slots: 20_000,
            bounds: Some((16_000, 24_000)),
            unit_cost_micros: 2_400,
            owner: "platform",
            labels: &[("env", "prod"), ("tier", "front"), ("region", "eu-west")],
            services: &[
                ("search", "/search", true),
                ("shop", "/checkout", true),
                ("mobile", "/v2", true),
                ("partners", "/feed", false),
            ],
            signals: &[
                ("active_connections", "connections", Gauge),
                ("http_5xx", "responses", Counter),
                ("queue_length", "requests", Gauge),
            ],
            region: "eu-west",
            zone: "Europe/Berlin",
            demand: Demand::Taxi { floor: 0.45, swing: 0.58 },
            hundred_days_ago: 0.88,
            noise: 0.04,
            overrun: 0.0,
            hold_s: 600.0,
            impatience: 0.50,
            latency_ms: 38.0,
            tenants: &[
                (ACME, 0.26, Rhythm::Day),
                (MOBILE, 0.20, Rhythm::Evening),
                (CHECKOUT, 0.15, Rhythm::Evening),
                (ADS, 0.12, Rhythm::Day),
                (BILLING, 0.10, Rhythm::Flat),
                (PARTNERS, 0.09, Rhythm::Flat),
                (FRAUD, 0.08, Rhythm::Flat),
            ],
        },
        PoolPlan {
            slug: "batch-us",
            name: "Batch United States",
            description: "Batch workers; training and exports fill the night.",
            kind: PoolKind::Fixed,
            properties: Properties { granting: Granting::Reservable, on_loss: OnLoss::Resume, ..SERVED },
            slots: 9_000,
            bounds: None,
            unit_cost_micros: 9_800,
            owner: "data-platform",
            labels: &[("env", "prod"), ("tier", "batch"), ("region", "us-east")],
            services: &[("training", "", false), ("exports", "", false)],
            signals: &[("jobs_queued", "jobs", Gauge), ("oldest_job_age", "s", Gauge)],
            region: "us-east",
            zone: "America/New_York",
            demand: Demand::Wave { east: -5, floor: 0.70, swing: 0.27, busiest: 20.5, weekend: 0.80 },
            hundred_days_ago: 0.80,
            noise: 0.04,
            overrun: 0.0,
            hold_s: 1_500.0,
            impatience: 0.30,
            latency_ms: 210.0,
            tenants: &[
                (ML, 0.46, Rhythm::Night),
                (REPORTS, 0.20, Rhythm::Night),
                (ADS, 0.18, Rhythm::Flat),
                (ACME, 0.10, Rhythm::Flat),
                (TOOLS, 0.05, Rhythm::Day),
                (LEGACY, 0.01, Rhythm::Night),
            ],
        },
        PoolPlan {
            slug: "edge-us",
            name: "Edge United States",
            description: "Edge connections shared by quota; counts late and runs over for a moment.",
            kind: PoolKind::TenantQuota,
            properties: Properties { consistency: Consistency::Eventual, ..SERVED },
            slots: 8_000,
            bounds: None,
            unit_cost_micros: 1_900,
            owner: "edge",
            labels: &[("env", "prod"), ("tier", "front"), ("region", "us-east")],
            services: &[("mobile", "/v2", true), ("media", "/live", true)],
            signals: &[
                ("nat_ports_in_use", "ports", Gauge),
                ("http_5xx", "responses", Counter),
                ("queue_length", "requests", Gauge),
            ],
            region: "us-east",
            zone: "America/New_York",
            demand: Demand::Wave { east: -5, floor: 0.53, swing: 0.45, busiest: 19.0, weekend: 1.05 },
            hundred_days_ago: 0.90,
            noise: 0.04,
            overrun: 0.04,
            hold_s: 900.0,
            impatience: 0.45,
            latency_ms: 24.0,
            tenants: &[
                (MOBILE, 0.34, Rhythm::Evening),
                (ACME, 0.22, Rhythm::Day),
                (ADS, 0.16, Rhythm::Flat),
                (CHECKOUT, 0.14, Rhythm::Evening),
                (PARTNERS, 0.08, Rhythm::Flat),
                (MEDIA, 0.06, Rhythm::Evening),
            ],
        },
        PoolPlan {
            slug: "query-eu",
            name: "Query Europe",
            description: "Query slots of the warehouse; the morning's reports meet at ten.",
            kind: PoolKind::Fixed,
            properties: Properties { granting: Granting::Reservable, ..SERVED },
            slots: 4_800,
            bounds: None,
            unit_cost_micros: 14_500,
            owner: "data",
            labels: &[("env", "prod"), ("tier", "warehouse"), ("region", "eu-west")],
            services: &[("warehouse", "interactive", true), ("warehouse", "scheduled", false)],
            signals: &[("cold_starts", "starts", Counter), ("bytes_scanned", "GB/s", Gauge)],
            region: "eu-west",
            zone: "Europe/Berlin",
            demand: Demand::Wave { east: 1, floor: 0.66, swing: 0.28, busiest: 10.5, weekend: 0.30 },
            hundred_days_ago: 0.86,
            noise: 0.06,
            overrun: 0.0,
            hold_s: 150.0,
            impatience: 0.40,
            latency_ms: 640.0,
            tenants: &[
                (REPORTS, 0.28, Rhythm::Day),
                (ACME, 0.22, Rhythm::Day),
                (ML, 0.18, Rhythm::Night),
                (BILLING, 0.16, Rhythm::Flat),
                (FRAUD, 0.10, Rhythm::Flat),
                (TOOLS, 0.06, Rhythm::Day),
            ],
        },
        PoolPlan {
            slug: "api-quota",
            name: "API quota",
            description: "Tokens of the partner interface, refilled every second.",
            kind: PoolKind::RateLimited,
            properties: Properties { on_loss: OnLoss::Drop, ..SERVED },
            slots: 4_000,
            bounds: None,
            unit_cost_micros: 300,
            owner: "platform",
            labels: &[("env", "prod"), ("tier", "limits")],
            services: &[("partners", "/feed", true)],
            signals: &[
                ("tokens_left", "tokens", Gauge),
                ("refill_rate", "tokens/s", Gauge),
                ("throttled", "requests", Counter),
            ],
            region: "eu-west",
            zone: "Europe/Berlin",
            demand: Demand::Wave { east: 1, floor: 0.56, swing: 0.34, busiest: 19.0, weekend: 0.55 },
            hundred_days_ago: 0.85,
            noise: 0.06,
            overrun: 0.0,
            hold_s: 60.0,
            impatience: 0.85,
            latency_ms: 12.0,
            tenants: &[
                (PARTNERS, 0.34, Rhythm::Flat),
                (MOBILE, 0.28, Rhythm::Evening),
                (BILLING, 0.14, Rhythm::Day),
                (CHECKOUT, 0.14, Rhythm::Evening),
                (TOOLS, 0.10, Rhythm::Day),
            ],
        },
        PoolPlan {
            slug: "stream-01",
            name: "Stream 01",
            description: "Consumers tied to partitions of the event stream.",
            kind: PoolKind::Partitioned,
            properties: Properties {
                granting: Granting::Reservable,
                lifetime: Lifetime::LongLived,
                on_loss: OnLoss::Resume,
                ..SERVED
            },
            slots: 1_200,
            bounds: None,
            unit_cost_micros: 21_000,
            owner: "data",
            labels: &[("env", "prod"), ("tier", "stream"), ("region", "eu-west")],
            services: &[("events", "consume", false), ("fraud", "score", true)],
            signals: &[
                ("consumer_lag", "messages", Gauge),
                ("hot_partition_lag", "messages", Gauge),
                ("reassignments", "moves", Counter),
            ],
            region: "eu-west",
            zone: "Europe/Berlin",
            demand: Demand::Wave { east: 1, floor: 0.66, swing: 0.20, busiest: 17.0, weekend: 0.80 },
            hundred_days_ago: 0.72,
            noise: 0.02,
            overrun: 0.0,
            hold_s: 5_400.0,
            impatience: 0.20,
            latency_ms: 31.0,
            tenants: &[
                (MEDIA, 0.38, Rhythm::Evening),
                (FRAUD, 0.22, Rhythm::Flat),
                (ADS, 0.20, Rhythm::Flat),
                (BILLING, 0.12, Rhythm::Flat),
                (ACME, 0.08, Rhythm::Day),
            ],
        },
        PoolPlan {
            slug: "ci-runners",
            name: "CI runners",
            description: "Build and test runners; quiet at weekends.",
            kind: PoolKind::Autoscaling,
            properties: Properties { sizing: Sizing::Dynamic, ..SERVED },
            slots: 1_160,
            bounds: Some((400, 1_600)),
            unit_cost_micros: 31_000,
            owner: "developer-experience",
            labels: &[("env", "build"), ("tier", "ci")],
            services: &[("ci", "build", false), ("ci", "test", false)],
            signals: &[("queue_length", "jobs", Gauge), ("queue_time", "s", Gauge), ("jobs_done", "jobs", Counter)],
            region: "eu-west",
            zone: "Europe/Berlin",
            demand: Demand::Wave { east: 1, floor: 0.26, swing: 0.68, busiest: 14.0, weekend: 0.15 },
            hundred_days_ago: 0.92,
            noise: 0.09,
            overrun: 0.0,
            hold_s: 420.0,
            impatience: 0.0,
            latency_ms: 900.0,
            tenants: &[
                (TOOLS, 0.40, Rhythm::Day),
                (ACME, 0.20, Rhythm::Day),
                (CHECKOUT, 0.15, Rhythm::Day),
                (MOBILE, 0.15, Rhythm::Day),
                (ML, 0.10, Rhythm::Night),
            ],
        },
        PoolPlan {
            slug: "checkout-slots",
            name: "Checkout deployment slots",
            description: "Deployment slots of the checkout: blue, green and what is being tried.",
            kind: PoolKind::Staging,
            properties: Properties { lifetime: Lifetime::LongLived, on_loss: OnLoss::Drop, ..SERVED },
            slots: 40,
            bounds: None,
            unit_cost_micros: 190_000,
            owner: "shop",
            labels: &[("env", "staging"), ("tier", "shop")],
            services: &[("shop", "/checkout", true)],
            signals: &[
                ("swap_time", "s", Gauge),
                ("errors_after_swap", "errors", Counter),
                ("warm_slots", "slots", Gauge),
            ],
            region: "eu-west",
            zone: "Europe/Berlin",
            demand: Demand::Wave { east: 1, floor: 0.52, swing: 0.24, busiest: 15.0, weekend: 0.35 },
            hundred_days_ago: 0.90,
            noise: 0.08,
            overrun: 0.0,
            hold_s: 90_000.0,
            impatience: 0.0,
            latency_ms: 1_800.0,
            tenants: &[(CHECKOUT, 0.60, Rhythm::Flat), (BILLING, 0.25, Rhythm::Flat), (MOBILE, 0.15, Rhythm::Flat)],
        },
    ]
}

/// How much of its quota a tenant would use if it used exactly its part of a full pool.
fn quota_room(tenant: usize) -> f64 {
    match tenant {
        ACME => 1.18,
        BILLING => 1.25,
        ML => 1.40,
        CHECKOUT => 1.65,
        REPORTS => 1.90,
        LEGACY => 10.5,
        _ => 1.45,
    }
}

pub(super) fn quotas(plans: &[PoolPlan]) -> Vec<DemoQuota> {
    let mut quotas = Vec::new();
    for (pool, plan) in plans.iter().enumerate() {
        for (tenant, part, _) in plan.tenants {
            let slots = (plan.slots as f64 * part * quota_room(*tenant) / 10.0).ceil() as i64 * 10;
            quotas.push(DemoQuota { pool, tenant: *tenant, slots: slots.min(plan.slots) });
        }
    }
    quotas
}

pub(super) fn reservations(now: Millis) -> Vec<DemoReservation> {
    let always = |pool, tenant, baseline, note| DemoReservation {
        pool,
        tenant,
        kind: ReservationKind::Guaranteed,
        from_ms: now - 120 * DAY_MS,
        to_ms: None,
        baseline,
        ceiling: None,
        lending_limit: None,
        borrowing_limit: None,
        note,
    };
    // Whole hours, because people reserve in whole hours.
    let hour = |at: Millis| at.div_euclid(HOUR_MS) * HOUR_MS;
    vec![
        always(INGRESS, ACME, 3_000, "contract: search answers at any time"),
        always(INGRESS, CHECKOUT, 1_400, "contract: the shop sells at any time"),
        always(INGRESS, BILLING, 1_500, "invoices at the end of a month"),
        DemoReservation {
            ceiling: Some(5_200),
            borrowing_limit: Some(1_500),
            ..always(INGRESS, MOBILE, 2_200, "agreed with mobile")
        },
        // Far too much, and nobody noticed.
        DemoReservation {
            lending_limit: Some(0),
            ..always(BATCH, LEGACY, 900, "nightly load of the old warehouse, to be switched off")
        },
        always(BATCH, ML, 1_900, "training"),
        always(BATCH, REPORTS, 1_200, "month's end closes over night"),
        DemoReservation {
            kind: ReservationKind::Burst,
            from_ms: hour(now - 31 * DAY_MS),
            to_ms: Some(hour(now - 10 * DAY_MS)),
            ..always(BATCH, ML, 900, "training of the autumn model")
        },
        always(EDGE, MOBILE, 1_500, "agreed with mobile"),
        always(EDGE, ACME, 900, "contract: search answers at any time"),
        always(EDGE, PARTNERS, 700, "a partner that left in spring"),
        // Sized for the morning and idle the rest of the day.
        always(QUERY, REPORTS, 1_300, "morning reports"),
        always(QUERY, BILLING, 380, "invoices"),
        always(QUERY, TOOLS, 240, "dashboards of the office"),
        always(QUERY, ML, 400, "features for training"),
        DemoReservation {
            from_ms: hour(now - 6 * DAY_MS),
            to_ms: Some(hour(now + 24 * DAY_MS)),
            ceiling: Some(1_400),
            ..always(QUERY, FRAUD, 420, "season: more checks from now on")
        },
        always(STREAM, MEDIA, 240, "partitions of live events"),
        always(STREAM, FRAUD, 150, "partitions of payments"),
        always(RUNNERS, TOOLS, 180, "release builds"),
        always(STAGING, CHECKOUT, 10, "blue and green"),
        DemoReservation {
            from_ms: hour(now + 3 * DAY_MS),
            to_ms: Some(hour(now + 17 * DAY_MS)),
            ceiling: Some(6_000),
            ..always(INGRESS, CHECKOUT, 1_200, "season: discount weeks")
        },
    ]
}
