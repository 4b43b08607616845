use super::reference::{capacity_at, everybody, share_at, wanted_at};
use super::*;
use crate::admission::Share;
use crate::allocation::{Ask, Effects, Known, Limits, Pool, Report, Service, Stored};
use crate::lease::{Mode, Policy};
use crate::occupancy::Sums;
use proptest::prelude::*;
use uuid::Uuid;

const START: Millis = 1_800_000_000_000 / MINUTE_MS * MINUTE_MS;

fn at(minute: i64) -> Millis {
    START + minute * MINUTE_MS
}

fn promise(tenant: i32, from: i64, to: i64, baseline: i64) -> Promise {
    Promise {
        pool: 1,
        tenant,
        from_ms: at(from),
        to_ms: Some(at(to)),
        baseline,
        ceiling: None,
        lending_limit: None,
        borrowing_limit: None,
    }
}

fn capacity(slots: u32) -> Vec<Capacity> {
    vec![Capacity { from_ms: 0, slots }]
}

fn tenant(key: i32, priority: u8) -> Tenant {
    Tenant { key, quota: None, priority }
}

fn slot_minutes(slot_ms: i128) -> i128 {
    assert_eq!(slot_ms % 60_000, 0, "whole minutes");
    slot_ms / 60_000
}

#[test]
fn who_is_promised_slots_gets_them_back_and_the_others_are_short() {
    let demand = Demand::of_steps(START, 180, vec![(1, vec![(0, Some(0)), (60, Some(6))]), (2, vec![(0, Some(12))])]);
    let promises = [promise(1, 0, 120, 4)];
    let rules = Rules { capacity: &capacity(10), tenants: &[], promises: &promises, raised: &[] };
    let out = replay(&demand, &rules);
    let (owner, other) = (out.tenants[&1], out.tenants[&2]);
    // Hour 1: 2 holds 10 (4 lent). Hour 2: 1 has its 4 back and waits for 2 more; 2 holds 6. Hour 3: nobody gives back.
    assert_eq!(slot_minutes(owner.held_slot_ms), 120 * 4);
    assert_eq!(slot_minutes(owner.unmet_slot_ms), 120 * 2);
    assert_eq!(slot_minutes(owner.reserved_slot_ms), 120 * 4);
    assert_eq!(slot_minutes(owner.idle_slot_ms), 60 * 4);
    assert_eq!(slot_minutes(owner.lent_slot_ms), 60 * 4);
    assert_eq!(owner.wasted_slot_ms(), 0);
    assert_eq!(slot_minutes(owner.borrowed_slot_ms), 60 * 4, "after its promise it holds what is promised to nobody");
    assert_eq!(slot_minutes(other.held_slot_ms), 60 * 10 + 120 * 6);
    assert_eq!((other.taken_back, other.unmet_minutes, owner.unmet_minutes), (4, 180, 120));
    assert_eq!((out.pool.unmet_minutes, out.pool.unknown_minutes), (180, 0));
    let hour = &out.riskiest[0];
    assert_eq!((hour.from_ms, hour.short, hour.headroom), (at(60), 8, -8));
    assert_eq!(hour.worst, Some(Short { tenant: 2, unmet_slot_ms: 6 * 3_600_000, slots: 6 }));
}

#[test]
fn a_reservation_of_its_own_priority_keeps_what_was_borrowed_longer() {
    // The pool of ten is full of what 2 and 3 borrowed when 1 wants its four.
    let demand = Demand::of_steps(
        START,
        20,
        vec![(1, vec![(0, Some(0)), (10, Some(4))]), (2, vec![(0, Some(5))]), (3, vec![(0, Some(5))])],
    );
    let promises = [promise(1, 0, 20, 4), promise(3, 0, 20, 0)];
    let raised = [Raised { tenant: 3, from_ms: at(0), to_ms: None, priority: 7 }];
    let rules = Rules { capacity: &capacity(10), tenants: &[], promises: &promises, raised: &[] };
    let taken = |rules: &Rules<'_>| {
        let out = replay(&demand, rules);
        [2, 3].map(|key: i32| out.tenants[&key].taken_back)
    };
    assert_eq!(taken(&rules), [2, 2], "equals give in turns");
    assert_eq!(taken(&Rules { raised: &raised, ..rules }), [4, 0]);
    let over = [Raised { to_ms: Some(at(10)), ..raised[0] }];
    assert_eq!(taken(&Rules { raised: &over, ..rules }), [2, 2], "it ended with the minute before");
    let low = [Raised { priority: 3, ..raised[0] }];
    assert_eq!(taken(&Rules { raised: &low, ..rules }), [2, 2], "nobody is made less important");
}

#[test]
fn what_is_not_known_is_left_out_and_not_zero() {
    let steps = |known: u32| vec![(0, Some(3)), (30, None), (30 + known, Some(3))];
    let demand = Demand::of_steps(START, 60, vec![(1, steps(10))]);
    let promises = [promise(1, 0, 60, 5), promise(2, 0, 60, 1)];
    let out = replay(&demand, &Rules { capacity: &capacity(10), tenants: &[], promises: &promises, raised: &[] });
    let (own, without) = (out.tenants[&1], out.tenants[&2]);
    assert_eq!((own.unknown_minutes, without.unknown_minutes, out.pool.unknown_minutes), (10, 10, 10));
    assert_eq!(slot_minutes(own.held_slot_ms), 50 * 3);
    assert_eq!(slot_minutes(own.idle_slot_ms), 50 * 2);
    assert_eq!(slot_minutes(without.idle_slot_ms), 50, "it wanted nothing while the pool was seen");
    let nothing = replay(
        &Demand::of_steps(START, 60, Vec::new()),
        &Rules { capacity: &[], tenants: &[], promises: &promises, raised: &[] },
    );
    assert_eq!((nothing.pool.unknown_minutes, nothing.pool.reserved_slot_ms), (60, 0));
    assert_eq!(nothing.riskiest, []);
}

#[test]
fn a_smaller_pool_takes_nothing_from_those_who_are_there() {
    let demand = Demand::of_steps(START, 20, vec![(1, vec![(0, Some(8)), (15, Some(1)), (16, Some(8))])]);
    let steps = [Capacity { from_ms: 0, slots: 8 }, Capacity { from_ms: at(10) - 1, slots: 5 }];
    let out = replay(&demand, &Rules { capacity: &steps, tenants: &[], promises: &[], raised: &[] });
    assert_eq!(slot_minutes(out.pool.held_slot_ms), 15 * 8 + 1 + 4 * 5);
    assert_eq!(slot_minutes(out.pool.unmet_slot_ms), 4 * 3);
}

#[test]
fn own_limits_are_told_apart_from_want_of_room() {
    let demand = Demand::of_steps(START, 1, vec![(1, vec![(0, Some(9))]), (2, vec![(0, Some(9))])]);
    let tenants = [Tenant { quota: Some(4), ..tenant(1, 5) }, tenant(2, 5)];
    let out = replay(&demand, &Rules { capacity: &capacity(10), tenants: &tenants, promises: &[], raised: &[] });
    let of =
        |key: i32| (slot_minutes(out.tenants[&key].unmet_slot_ms), slot_minutes(out.tenants[&key].limited_slot_ms));
    assert_eq!((of(1), of(2)), ((5, 5), (3, 0)));
}

#[test]
fn lent_slots_are_first_those_of_nobody_and_then_spread_exactly() {
    assert_eq!(spread(5, &[3, 0, 4, 3]).collect::<Vec<_>>(), [1, 0, 2, 2]);
    assert_eq!(spread(0, &[0, 0]).collect::<Vec<_>>(), [0, 0]);
    let demand =
        Demand::of_steps(START, 1, vec![(1, vec![(0, Some(0))]), (2, vec![(0, Some(0))]), (3, vec![(0, Some(9))])]);
    let mut promises = [promise(1, 0, 1, 4), promise(2, 0, 1, 4)];
    promises[1].lending_limit = Some(1);
    let out = replay(&demand, &Rules { capacity: &capacity(10), tenants: &[], promises: &promises, raised: &[] });
    let lent = |key: i32| slot_minutes(out.tenants[&key].lent_slot_ms);
    assert_eq!(slot_minutes(out.tenants[&3].borrowed_slot_ms), 7, "three are kept");
    assert_eq!((lent(1), lent(2)), (4, 1), "two of the seven were promised to nobody");
    assert_eq!(slot_minutes(out.pool.idle_slot_ms - out.pool.lent_slot_ms), 3);
}

#[test]
fn demand_of_a_minute_is_held_and_waiting_on_average_and_rejected() {
    let minute = |occupied, queue_ms, rejections, observed_ms| Sums {
        occupied_slot_ms: occupied,
        queue_ms,
        rejections,
        observed_ms,
        ..Sums::default()
    };
    assert_eq!(wanted(&minute(0, 0, 7, 0)), None, "not seen");
    assert_eq!(wanted(&minute(600_000, 0, 0, 60_000)), Some(10));
    assert_eq!(wanted(&minute(600_000, 60_000, 2, 60_000)), Some(13));
    assert_eq!(wanted(&minute(29_999, 0, 0, 60_000)), Some(0));
    assert_eq!(wanted(&minute(30_000, 0, 0, 60_000)), Some(1), "half up");
    assert_eq!(wanted(&minute(150_000, 0, 0, 30_000)), Some(5), "half the minute was seen");
}

#[test]
fn money_is_rounded_half_up_to_a_millionth() {
    assert_eq!(cost_micros(3_600_000, 2_400), 2_400);
    assert_eq!(cost_micros(1_800_000, 1), 1);
    assert_eq!(cost_micros(1_799_999, 1), 0);
    assert_eq!(cost_micros(-1_800_000, 1), 0);
}

#[test]
fn only_changes_are_kept_and_every_minute_is_there() {
    let wanted = vec![1, 2, 1, 2, UNKNOWN, 2, UNKNOWN, 2, 1, 2];
    let demand = Demand::of_minutes(START, vec![7, 8], wanted.clone());
    assert_eq!((demand.minutes(), demand.changes(), demand.end_ms()), (5, 3, at(5)));
    let back: Vec<u32> = (0..5).flat_map(|minute| demand.at(minute).expect("a minute of it").to_vec()).collect();
    assert_eq!((back, demand.at(5)), (wanted, None));
    let steps =
        vec![(7, vec![(4, Some(1)), (0, Some(1)), (2, Some(9)), (2, None), (9, Some(3))]), (8, vec![(0, Some(2))])];
    assert_eq!(Demand::of_steps(START, 5, steps), demand);
    let late = Demand::of_steps(START, 3, vec![(7, vec![(1, Some(4))])]);
    assert_eq!(late, Demand::of_minutes(START, vec![7], vec![UNKNOWN, 4, 4]));
    assert_eq!(Demand::of_steps(START, 2, vec![(7, vec![])]), Demand::of_minutes(START, vec![7], vec![UNKNOWN; 2]));
}

/// Small pools with everything that rules can say.
#[derive(Debug, Clone)]
struct Case {
    demand: Demand,
    capacity: Vec<Capacity>,
    tenants: Vec<Tenant>,
    promises: Vec<Promise>,
    raised: Vec<Raised>,
}

impl Case {
    fn rules(&self) -> Rules<'_> {
        Rules { capacity: &self.capacity, tenants: &self.tenants, promises: &self.promises, raised: &self.raised }
    }
}

fn case() -> impl Strategy<Value = Case> {
    let some = |most: u32| prop::option::weighted(0.4, 0..most);
    let steps = prop::collection::vec((0_u32..130, prop::option::weighted(0.9, 0_u32..14)), 1..14);
    let demand = (prop::collection::vec(steps, 1..6), 1_u32..130);
    let capacity = prop::collection::vec((-5_i64..130, 0_u32..24), 1..5);
    let tenants = prop::collection::vec((some(12), 3_u8..6), 0..7);
    let limits = (some(8), some(5), some(6));
    let own = prop::option::weighted(0.4, 0_u8..10);
    let promises =
        prop::collection::vec((1_i32..8, -9_i64..130, 1_i64..90, 0_i64..9, limits, any::<bool>(), own), 0..10);
    (demand, capacity, tenants, promises).prop_map(|((steps, minutes), mut capacity, tenants, promises)| {
        capacity.sort_unstable();
        capacity.dedup_by_key(|(from, _)| *from);
        let promises = promises.into_iter().map(|(tenant, from, minutes, baseline, limits, is_open, own)| {
            let (over, lending, borrowing) = limits;
            let promise = Promise {
                to_ms: (!is_open).then(|| at(from + minutes) + from),
                from_ms: at(from) - 7 * (minutes % 3),
                baseline,
                ceiling: over.map(|over| baseline + i64::from(over)),
                lending_limit: lending.map(i64::from),
                borrowing_limit: borrowing.map(i64::from),
                ..promise(tenant, 0, 0, 0)
            };
            let raised =
                own.map(|priority| Raised { tenant, from_ms: promise.from_ms, to_ms: promise.to_ms, priority });
            (promise, raised)
        });
        let (promises, raised): (Vec<Promise>, Vec<Option<Raised>>) = promises.unzip();
        Case {
            demand: Demand::of_steps(START, minutes, (1..).zip(steps).collect()),
            capacity: capacity.into_iter().map(|(from, slots)| Capacity { from_ms: at(from), slots }).collect(),
            tenants: (1..).zip(tenants).map(|(key, (quota, priority))| Tenant { key, quota, priority }).collect(),
            promises,
            raised: raised.into_iter().flatten().collect(),
        }
    })
}

/// The allocator's own state machine, played by the minute: claims of one slot that wait until the minute ends.
struct Machine {
    pool: Pool,
    leases: std::collections::BTreeMap<i32, Vec<Uuid>>,
    waiting: Vec<Uuid>,
    claims: u128,
    now: Millis,
}

impl Machine {
    fn new(slots: u32) -> Self {
        let policy = Policy { grace_ms: 0, queue_limit: u32::MAX, ..Policy::default() };
        let stored = |number| Stored { number, fence: 0, service: Service::In, node: None, held: None };
        let pool = Pool::new(policy, Mode::Open, Limits::new(), (1..=slots).map(stored).collect());
        Self { pool, leases: std::collections::BTreeMap::new(), waiting: Vec::new(), claims: 0, now: 0 }
    }

    fn act(&mut self, act: impl FnOnce(&mut Pool, Millis, &mut Effects)) -> bool {
        let mut fx = Effects::default();
        self.pool.begin();
        act(&mut self.pool, self.now, &mut fx);
        !fx.writes.is_empty()
    }

    /// Until nothing changes; what is to be given back is taken at once.
    fn settle(&mut self) {
        while self.act(|pool, now, fx| {
            pool.reap(now, fx);
        }) || self.act(Pool::tick)
        {}
    }

    fn held(&self, tenant: i32) -> u32 {
        self.pool.held_by_tenant().find(|(other, _)| *other == tenant).map_or(0, |(_, held)| held)
    }

    fn claim(&mut self, tenant: Tenant) {
        self.claims += 1;
        let claim = Uuid::from_u128(self.claims);
        let ask = Ask {
            claim,
            tenant: tenant.key,
            slots: 1,
            ttl_ms: Millis::MAX / 4,
            wait_ms: MINUTE_MS - 1,
            holder: claim.to_string(),
            priority: tenant.priority,
            ..Ask::default()
        };
        self.act(|pool, now, fx| pool.claim(ask, now, fx));
        self.leases.entry(tenant.key).or_default().push(claim);
        self.waiting.push(claim);
    }

    /// A minute: limits and size, then what is not wanted is given back, then claims in the order of the rules.
    fn minute(&mut self, capacity: u32, limits: Limits, order: &[Tenant], wanted: &reference::Wanted) {
        self.now += MINUTE_MS;
        self.pool.set_limits(limits.clone());
        self.act(|pool, _, fx| pool.resize(capacity, "test", fx));
        self.settle();
        let want = |key: i32| wanted.get(&key).copied().unwrap_or_default();
        for tenant in order {
            let pool = &self.pool;
            let mut leases = self.leases.remove(&tenant.key).unwrap_or_default();
            leases.retain(|claim| matches!(pool.known(*claim, 0), Known::Granted(_)));
            for claim in leases.split_off(leases.len().min(want(tenant.key) as usize)) {
                self.act(|pool, now, fx| {
                    pool.release(claim, Report::default(), "test", now, fx).expect("it is held");
                });
            }
            self.leases.insert(tenant.key, leases);
        }
        self.settle();
        let mut left: Vec<(Tenant, u32)> = Vec::new();
        for tenant in order {
            let claims = want(tenant.key) - self.held(tenant.key);
            let own = limits[&tenant.key].floor.saturating_sub(self.held(tenant.key)).min(claims);
            (0..own).for_each(|_| self.claim(*tenant));
            left.push((*tenant, claims - own));
        }
        for class in left.chunk_by_mut(|(one, _), (next, _)| one.priority == next.priority) {
            while class.iter().any(|(_, claims)| *claims > 0) {
                for (tenant, claims) in class.iter_mut().filter(|(_, claims)| *claims > 0) {
                    *claims -= 1;
                    self.claim(*tenant);
                }
            }
        }
        self.settle();
        for claim in std::mem::take(&mut self.waiting) {
            self.pool.withdraw(claim);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// The closed form gives the figures of the replay that asks for every slot.
    #[test]
    fn in_closed_form_it_is_what_it_is_slot_by_slot(case in case()) {
        prop_assert_eq!(replay(&case.demand, &case.rules()), reference::replay(&case.demand, &case.rules()));
    }

    /// Figures hold together.
    #[test]
    fn figures_add_up(case in case()) {
        let out = replay(&case.demand, &case.rules());
        let mut pool = Figures { unknown_minutes: out.pool.unknown_minutes, unmet_minutes: out.pool.unmet_minutes, ..Figures::default() };
        for figures in out.tenants.values() {
            prop_assert_eq!(
                figures.held_slot_ms - figures.borrowed_slot_ms,
                figures.reserved_slot_ms - figures.idle_slot_ms,
                "what is held within promises is what is not idle of them"
            );
            prop_assert!((0..=figures.idle_slot_ms).contains(&figures.lent_slot_ms));
            prop_assert!((0..=figures.unmet_slot_ms).contains(&figures.limited_slot_ms));
            prop_assert!(figures.unknown_minutes + figures.unmet_minutes <= out.minutes);
            pool.unmet_slot_ms += figures.unmet_slot_ms;
            pool.limited_slot_ms += figures.limited_slot_ms;
            pool.held_slot_ms += figures.held_slot_ms;
            pool.reserved_slot_ms += figures.reserved_slot_ms;
            pool.borrowed_slot_ms += figures.borrowed_slot_ms;
            pool.idle_slot_ms += figures.idle_slot_ms;
            pool.lent_slot_ms += figures.lent_slot_ms;
            pool.taken_back += figures.taken_back;
        }
        prop_assert_eq!(out.pool, pool);
        prop_assert!(pool.lent_slot_ms <= pool.borrowed_slot_ms);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The allocator's state machine, played with the same demand as claims and releases, gives every tenant the same number of
    /// slots in every minute.
    #[test]
    fn the_allocator_does_what_the_replay_says(case in case()) {
        let (demand, rules) = (&case.demand, case.rules());
        let order = everybody(demand, &rules);
        let most = case.capacity.iter().map(|step| step.slots).max().unwrap_or_default();
        let mut machine = Machine::new(most);
        let mut held: BTreeMap<i32, i128> = BTreeMap::new();
        let mut shares = crate::admission::Shares::default();
        let mut taken = BTreeMap::new();
        for minute in 0..demand.minutes() {
            let now = at(minute.into());
            let limits: Limits = order.iter().map(|one| (one.key, share_at(one, &rules, now))).collect();
            let wanted = wanted_at(demand, &order, minute);
            let capacity = capacity_at(rules.capacity, now);
            machine.minute(capacity, limits.clone(), &order, &wanted);
            shares.capacity = capacity;
            for (key, share) in limits {
                let held = shares.tenants.get(&key).map_or(0, |share| share.held);
                shares.tenants.insert(key, Share { held, ..share });
            }
            reference::play(&mut shares, &order, &wanted, &mut taken);
            for tenant in &order {
                let slots = machine.held(tenant.key);
                prop_assert_eq!(slots, shares.tenants[&tenant.key].held, "tenant {} in minute {}", tenant.key, minute);
                if wanted.contains_key(&tenant.key) {
                    *held.entry(tenant.key).or_default() += i128::from(slots) * i128::from(MINUTE_MS);
                }
            }
        }
        let out = replay(demand, &rules);
        for (key, figures) in &out.tenants {
            prop_assert_eq!(figures.held_slot_ms, held.get(key).copied().unwrap_or_default(), "tenant {}", key);
        }
    }
}
