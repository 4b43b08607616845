//! What one pool looks like at an instant: demand, what fits, who holds it.

use super::catalogue::{Demand, EDGE, INGRESS, PoolPlan, QUERY, RUNNERS, Rhythm, STREAM, TOKENS};
use super::noise::{key, share, wander, whole};
use super::world::{DemoCapacity, DemoQuota, DemoReservation, World};
use headroom_domain::accumulate::{Counters, Reading, TenantReading};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};

/// Minutes in a week.
const WEEK: usize = 7 * 1440;
/// Minutes in a day.
const DAY: usize = 1440;
/// 1970-01-05 was a Monday.
const FIRST_MONDAY_MS: Millis = 4 * DAY_MS;

/// Demand is lifted to a share of capacity for a while: campaigns, retries, a slow neighbour.
#[derive(Debug, Clone, Copy)]
struct Lift {
    from_ms: Millis,
    to_ms: Millis,
    /// Share of capacity at its middle.
    to_share: f64,
}

/// A promise that may hold at an instant.
#[derive(Debug, Clone, Copy)]
struct Promise {
    tenant: usize,
    from_ms: Millis,
    to_ms: Millis,
    slots: i64,
}

/// Effective capacity from an instant on.
#[derive(Debug, Clone, Copy)]
struct Step {
    from_ms: Millis,
    configured: i64,
    planned_down: i64,
}

/// Everything needed to read one pool quickly: tables instead of trigonometry, sorted lists instead of searches.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    key: u64,
    /// Share of capacity by minute of the local week; empty where the recorded city decides.
    week: Vec<f64>,
    east_ms: Millis,
    steps: Vec<Step>,
    lifts: Vec<Lift>,
    promises: Vec<Promise>,
    /// By tenant of the pool: index, part, quota, busy-ness by minute of the local day.
    members: Vec<Member>,
    /// Nothing was sent in this stretch.
    gap: Option<(Millis, Millis)>,
    now_ms: Millis,
}

#[derive(Debug, Clone)]
struct Member {
    tenant: usize,
    part: f64,
    quota: i64,
    rhythm: Vec<f64>,
}

/// A pool at an instant, before tenants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct State {
    pub(super) configured: i64,
    pub(super) planned_down: i64,
    /// Effective capacity.
    pub(super) capacity: i64,
    /// Slots in use if there were no limit.
    pub(super) demand: f64,
    pub(super) occupied: i64,
}

impl State {
    /// Share of the demand that finds no slot.
    pub(super) fn blocked(&self) -> f64 {
        if self.demand > self.occupied as f64 && self.occupied >= self.capacity {
            (self.demand - self.occupied as f64) / self.demand
        } else {
            0.0
        }
    }

    /// Occupied over capacity.
    pub(super) fn load(&self) -> f64 {
        self.occupied as f64 / self.capacity.max(1) as f64
    }
}

impl Curve {
    pub(super) fn new(
        of: u64,
        pool: usize,
        plans: &[PoolPlan],
        quotas: &[DemoQuota],
        reservations: &[DemoReservation],
        steps: &[DemoCapacity],
        now_ms: Millis,
    ) -> Self {
        let plan = &plans[pool];
        let (week, east) = match plan.demand {
            Demand::Taxi { .. } => (Vec::new(), 1),
            Demand::Wave { east, floor, swing, busiest, weekend } => (week(floor, swing, busiest, weekend), east),
        };
        let promises = reservations
            .iter()
            .filter(|r| r.pool == pool)
            .map(|r| Promise {
                tenant: r.tenant,
                from_ms: r.from_ms,
                to_ms: r.to_ms.unwrap_or(Millis::MAX),
                slots: r.baseline,
            })
            .collect();
        let members = plan
            .tenants
            .iter()
            .map(|&(tenant, part, rhythm)| Member {
                tenant,
                part,
                quota: quotas.iter().find(|q| q.pool == pool && q.tenant == tenant).map_or(plan.slots, |q| q.slots),
                rhythm: day(rhythm),
            })
            .collect();
        Self {
            key: of,
            week,
            east_ms: east * HOUR_MS,
            steps: steps
                .iter()
                .filter(|s| s.pool == pool)
                .map(|s| Step { from_ms: s.from_ms, configured: s.configured, planned_down: s.planned_down })
                .collect(),
            lifts: lifts(of, pool, now_ms),
            promises,
            members,
            gap: (pool == STREAM)
                .then(|| (now_ms - 5 * DAY_MS - 7 * HOUR_MS, now_ms - 5 * DAY_MS - 2 * HOUR_MS - 40 * MINUTE_MS)),
            now_ms,
        }
    }

    fn step(&self, at: Millis) -> Step {
        let after = self.steps.partition_point(|s| s.from_ms <= at);
        self.steps[after.saturating_sub(1)]
    }

    /// Whether nothing was sent at an instant.
    pub(super) fn silent(&self, at: Millis) -> bool {
        self.gap.is_some_and(|(from, to)| (from..to).contains(&at))
    }

    /// The lift at an instant: how far it has risen, 0 to 1, and to which share.
    fn lift(&self, at: Millis) -> Option<(f64, f64)> {
        let before = self.lifts.partition_point(|l| l.from_ms <= at);
        let lift = self.lifts.get(before.checked_sub(1)?).filter(|l| at < l.to_ms)?;
        let through = (at - lift.from_ms) as f64 / (lift.to_ms - lift.from_ms) as f64;
        // Up within the first fifth, down within the last.
        Some(((5.0 * through).min(5.0 * (1.0 - through)).min(1.0), lift.to_share))
    }

    /// Demand as a share of the slots the pool has today.
    fn demand(&self, plan: &PoolPlan, world: &World, at: Millis) -> f64 {
        let base = match plan.demand {
            Demand::Taxi { floor, swing } => {
                let wall = at + i64::from(world.new_york.offset_at(at).0) * 1000;
                floor + swing * world.taxi.at(wall)
            }
            Demand::Wave { .. } => {
                let minute = (at + self.east_ms - FIRST_MONDAY_MS).div_euclid(MINUTE_MS);
                self.week[minute.rem_euclid(WEEK as i64) as usize]
            }
        };
        let back = ((self.now_ms - at) as f64 / (100 * DAY_MS) as f64).clamp(0.0, 1.2);
        let growth = 1.0 - (1.0 - plan.hundred_days_ago) * back;
        // A short burst now and then: what an average hides and a peak shows.
        let burst = (wander(self.key ^ 6, at, 9 * MINUTE_MS) - 0.7).max(0.0) * 4.0;
        let chance = 0.4 * wander(self.key ^ 1, at, 7 * HOUR_MS)
            + 0.3 * wander(self.key ^ 2, at, 40 * MINUTE_MS)
            + 0.3 * wander(self.key ^ 3, at, 3 * MINUTE_MS)
            + burst;
        base * growth * (1.0 + plan.noise * chance)
    }

    pub(super) fn state(&self, plan: &PoolPlan, world: &World, at: Millis) -> State {
        let Step { configured, planned_down, .. } = self.step(at);
        let capacity = (configured - planned_down).max(0);
        let mut demand = self.demand(plan, world, at) * plan.slots as f64;
        if let Some((risen, to_share)) = self.lift(at) {
            let ripple = 1.0 + 0.012 * wander(self.key ^ 4, at, 4 * MINUTE_MS);
            demand += (to_share * ripple * capacity as f64 - demand).max(0.0) * risen;
        }
        let overrun = plan.overrun * wander(self.key ^ 5, at, 20 * MINUTE_MS).max(0.0);
        let most = capacity + (capacity as f64 * overrun) as i64;
        State { configured, planned_down, capacity, demand, occupied: (demand.round() as i64).clamp(0, most) }
    }

    /// Who holds the occupied slots, exactly: the parts add up to the whole.
    pub(super) fn divide(
        &self,
        plan: &PoolPlan,
        state: &State,
        at: Millis,
        duration_ms: Millis,
        into: &mut Vec<TenantReading>,
    ) {
        let minute = (at + self.east_ms).div_euclid(MINUTE_MS).rem_euclid(DAY as i64) as usize;
        let mut weights = [0.0; 16];
        let mut total = 0.0;
        for (i, member) in self.members.iter().enumerate() {
            let own = 1.0 + 0.12 * wander(key(self.key, 20 + i as u64), at, 50 * MINUTE_MS);
            weights[i] = member.part * member.rhythm[minute] * own;
            total += weights[i];
        }
        let occupied = state.occupied;
        let mut left = occupied;
        into.clear();
        // A quota holds unless the pool counts late.
        let quota = |m: &Member| if plan.overrun > 0.0 { m.quota * 21 / 20 } else { m.quota };
        for (weight, member) in weights.iter().zip(&self.members) {
            let slots = ((occupied as f64 * weight / total) as i64).min(quota(member)).min(left);
            left -= slots;
            let reserved = self.promised(member.tenant, at);
            into.push(TenantReading {
                tenant: member.tenant as i32 + 1,
                occupied: slots,
                reserved,
                ..TenantReading::default()
            });
        }
        // What rounding and quotas left over goes to those with room, the largest first.
        for (reading, member) in into.iter_mut().zip(&self.members) {
            let more = (quota(member) - reading.occupied).clamp(0, left);
            reading.occupied += more;
            left -= more;
        }
        if let Some(first) = into.first_mut() {
            first.occupied += left;
        }
        self.count(plan, state, at, duration_ms, into);
    }

    fn promised(&self, tenant: usize, at: Millis) -> i64 {
        self.promises.iter().filter(|p| p.tenant == tenant && p.from_ms <= at && at < p.to_ms).map(|p| p.slots).sum()
    }

    /// Claims of the tenants within the duration.
    fn count(&self, plan: &PoolPlan, state: &State, at: Millis, duration_ms: Millis, tenants: &mut [TenantReading]) {
        let per_slot = duration_ms as f64 / 1000.0 / plan.hold_s;
        let blocked = state.blocked();
        // Close to full some claims wait although slots come free in time.
        let late = blocked.max(((state.load() - 0.96) * 0.5).max(0.0));
        for (i, tenant) in tenants.iter_mut().enumerate() {
            let of = key(self.key, 60 + i as u64);
            let served = whole(tenant.occupied as f64 * per_slot, of, at);
            let refused = whole(served as f64 * blocked * plan.impatience, of ^ 1, at);
            let waited = whole(served as f64 * (late - blocked * plan.impatience).max(0.0), of ^ 2, at).min(served);
            // Waiting grows with what is in the way: a second when it begins, minutes when much is blocked.
            let wait_ms = 400.0 + 40_000.0 * blocked + 500.0 * share(of ^ 3, at);
            tenant.counters = Counters {
                claims: served + refused,
                rejections: refused,
                waited,
                queue_ms: (waited as f64 * wait_ms) as i64,
            };
        }
    }

    /// Extra signals at an instant, in thousandths, in the order of the plan.
    pub(super) fn signals(&self, plan: &PoolPlan, state: &State, pool: usize, at: Millis) -> Vec<i64> {
        let (load, blocked) = (state.load(), state.blocked());
        let near = |period: i64, number: u64| wander(key(self.key, number), at, period * MINUTE_MS);
        let queue = state.demand * blocked + (load - 0.9).max(0.0) * 300.0;
        let per_minute = state.occupied as f64 * 60.0 / plan.hold_s;
        let slow = 1.0 + 0.2 * near(25, 81);
        let values: Vec<f64> = match pool {
            INGRESS | EDGE => {
                let errors = per_minute * (0.000_3 + blocked * 0.1) * (1.0 + 0.8 * near(4, 82));
                vec![state.occupied as f64 * 1.7 * slow, errors, queue]
            }
            super::catalogue::BATCH => vec![queue * 3.0 + 40.0 * slow, 60.0 + queue * 4.0],
            QUERY => vec![per_minute * 0.004 * slow, state.occupied as f64 * 0.011 * slow],
            TOKENS => vec![(state.capacity - state.occupied) as f64, state.capacity as f64 / 4.0, per_minute * blocked],
            STREAM => {
                // Behind one slow partition the lag piles up for an hour now and then.
                let hot = (near(75, 83) - 0.75).max(0.0) * 160_000.0;
                let lag = 900.0 + 4_000.0 * (load - 0.6).max(0.0) * slow + queue * 900.0;
                vec![lag + hot * 0.3, lag * 0.2 + hot, 0.4 * near(10, 84).max(0.0) * 10.0]
            }
            RUNNERS => vec![queue * 0.8 + 2.0 * slow, 6.0 + queue * 5.0, per_minute],
            _ => vec![38.0 + 6.0 * near(600, 85), (near(300, 86) - 0.6).max(0.0) * 12.0, state.occupied as f64 * 0.5],
        };
        values.into_iter().map(|v| (v.max(0.0) * 1000.0).round() as i64).collect()
    }

    /// Milliseconds to answer that a share `q` of the claims stays under, `0.0 < q < 1.0`.
    pub(super) fn latency_ms(&self, plan: &PoolPlan, state: &State, at: Millis, q: f64) -> f64 {
        // Waiting in a queue grows like 1 / (1 - load); full means blocked claims wait on top.
        let load = state.load().min(0.99);
        let crowd = 1.0 + 0.25 * load / (1.05 - load);
        let median = plan.latency_ms * crowd * (1.0 + 0.08 * wander(self.key ^ 9, at, 12 * MINUTE_MS));
        // A logistic quantile function is close to a normal one and needs no table.
        let tail = (q / (1.0 - q)).ln() / 1.702;
        median * (0.45 * tail).exp() + 9_000.0 * state.blocked() * q * q
    }
}

impl World {
    /// One pool from `at` on for `duration_ms`; `None` where nothing was sent. Tenant keys are indexes into
    /// [`World::tenants`] plus one. Pure in seed, pool and instant.
    pub fn reading(&self, pool: usize, at: Millis, duration_ms: Millis) -> Option<Reading> {
        let mut reading = Reading::default();
        self.read_into(pool, at, duration_ms, &mut reading).then_some(reading)
    }

    /// The same into a value that is used again and again; false where nothing was sent.
    pub fn read_into(&self, pool: usize, at: Millis, duration_ms: Millis, reading: &mut Reading) -> bool {
        let (Some(curve), Some(plan)) = (self.curves.get(pool), self.plans.get(pool)) else { return false };
        if curve.silent(at) {
            return false;
        }
        let state = curve.state(plan, self, at);
        reading.at = at;
        reading.duration_ms = duration_ms;
        reading.capacity = state.capacity;
        (reading.occupied, reading.reserved, reading.counters) = (None, None, None);
        curve.divide(plan, &state, at, duration_ms, &mut reading.tenants);
        true
    }

    /// Extra signals of a pool at an instant: number of the signal and value in thousandths of its unit. None where
    /// nothing was sent.
    pub fn signals(&self, pool: usize, at: Millis) -> Vec<(i16, i64)> {
        let (Some(curve), Some(plan)) = (self.curves.get(pool), self.plans.get(pool)) else { return Vec::new() };
        if curve.silent(at) {
            return Vec::new();
        }
        let state = curve.state(plan, self, at);
        (1..).zip(curve.signals(plan, &state, pool, at)).collect()
    }

    /// Milliseconds to answer that a share `q` of a pool's claims stays under (`0.95` = P95); `None` where nothing was
    /// sent.
    pub fn latency_ms(&self, pool: usize, at: Millis, q: f64) -> Option<f64> {
        let (curve, plan) = (self.curves.get(pool)?, self.plans.get(pool)?);
        let q = q.clamp(0.001, 0.999);
        (!curve.silent(at)).then(|| curve.latency_ms(plan, &curve.state(plan, self, at), at, q))
    }

    /// Configured slots, and how many of them are taken out on purpose, of a pool at an instant.
    pub fn capacity(&self, pool: usize, at: Millis) -> Option<(i64, i64)> {
        let step = self.curves.get(pool)?.step(at);
        Some((step.configured, step.planned_down))
    }
}

/// Share of capacity by minute of the week, Monday first.
fn week(floor: f64, swing: f64, busiest: f64, weekend: f64) -> Vec<f64> {
    let busy = |hour: f64| (0.5 + 0.5 * ((hour - busiest) / 24.0 * std::f64::consts::TAU).cos()).powf(1.3);
    (0..WEEK)
        .map(|minute| {
            let hours = minute as f64 / 60.0;
            // Saturday begins and ends over a few hours, not at a stroke of midnight.
            let into = ((hours - 116.0) / 8.0).clamp(0.0, 1.0) - ((hours - 164.0) / 4.0).clamp(0.0, 1.0);
            let day = 1.0 - (1.0 - weekend) * into;
            floor + swing * busy(hours % 24.0) * day
        })
        .collect()
}

/// How busy a tenant is by minute of the day, about 1 on average.
fn day(rhythm: Rhythm) -> Vec<f64> {
    let (busiest, depth) = match rhythm {
        Rhythm::Flat => (12.0, 0.0),
        Rhythm::Day => (13.0, 0.30),
        Rhythm::Evening => (20.0, 0.25),
        Rhythm::Night => (3.0, 0.35),
    };
    (0..DAY).map(|m| 1.0 + depth * ((m as f64 / 60.0 - busiest) / 24.0 * std::f64::consts::TAU).cos()).collect()
}

/// When a pool was driven to its limit: chosen days, a busy hour, some chance in the minutes.
fn lifts(of: u64, pool: usize, now: Millis) -> Vec<Lift> {
    // Days back, UTC hour, minutes, share of capacity.
    let chosen: &[(i64, i64, i64, f64)] = match pool {
        INGRESS => &[
            (93, 22, 40, 1.03),
            (71, 23, 55, 1.05),
            (64, 22, 90, 1.06),
            (48, 22, 35, 1.03),
            (27, 23, 50, 1.04),
            (13, 22, 45, 1.03),
            (4, 23, 30, 1.02),
        ],
        EDGE => &[
            (80, 1, 60, 1.03),
            (59, 1, 50, 1.04),
            (38, 2, 45, 1.03),
            (24, 1, 40, 1.05),
            (10, 1, 60, 1.04),
            (3, 1, 50, 1.05),
        ],
        QUERY => &[
            (86, 9, 60, 1.05),
            (72, 9, 50, 1.04),
            (58, 9, 70, 1.06),
            (51, 9, 40, 1.03),
            (37, 9, 45, 1.04),
            (23, 9, 35, 1.03),
            (9, 9, 55, 1.04),
            (2, 9, 40, 1.03),
        ],
        TOKENS => &[(66, 14, 25, 1.08), (33, 14, 20, 1.06), (6, 14, 15, 1.05)],
        STREAM => &[(40, 16, 80, 1.02), (17, 16, 60, 1.02)],
        RUNNERS => &[(77, 13, 60, 1.10), (49, 13, 45, 1.08), (21, 13, 50, 1.08), (7, 13, 40, 1.06)],
        super::catalogue::BATCH => &[(90, 7, 100, 1.03), (62, 7, 90, 1.03), (34, 7, 80, 1.02), (20, 7, 60, 1.02)],
        _ => &[],
    };
    let midnight = now.div_euclid(DAY_MS) * DAY_MS;
    let mut lifts: Vec<Lift> = chosen
        .iter()
        .map(|&(days, hour, minutes, to_share)| {
            let jitter = (share(key(of, 11), days) * 40.0) as i64 * MINUTE_MS;
            let from_ms = midnight - days * DAY_MS + hour * HOUR_MS + jitter;
            Lift { from_ms, to_ms: from_ms + minutes * MINUTE_MS, to_share }
        })
        .collect();
    lifts.sort_by_key(|l| l.from_ms);
    lifts
}
