use super::*;
use crate::HOUR_MS;
use crate::lease::{Beats, BreakerRule, By, KeyedLimit};
use crate::throttle::Limit;
use proptest::prelude::*;

fn empty(slots: u32) -> Vec<Stored> {
    (1..=slots).map(|number| Stored { number, fence: 0, service: Service::In, node: None, held: None }).collect()
}

fn pool(slots: u32, policy: Policy, limits: Limits) -> Pool {
    Pool::new(policy, Mode::Open, limits, empty(slots))
}

fn ask(id: u128, tenant: i32, slots: u32) -> Ask {
    Ask {
        claim: Uuid::from_u128(id),
        tenant,
        slots,
        ttl_ms: 10_000,
        holder: format!("holder-{id}"),
        priority: 5,
        actor: "test".to_owned(),
        ..Ask::default()
    }
}

fn waits(id: u128, tenant: i32, slots: u32) -> Ask {
    Ask { wait_ms: 60_000, ..ask(id, tenant, slots) }
}

/// Asks, and gives the answer if there is one.
fn asked(pool: &mut Pool, ask: Ask, now: Millis) -> Option<Answer> {
    let mut fx = Effects::default();
    pool.begin();
    let claim = ask.claim;
    pool.claim(ask, now, &mut fx);
    fx.answers.into_iter().find(|(other, _)| *other == claim).map(|(_, answer)| answer)
}

fn granted(answer: Option<Answer>) -> Lease {
    match answer {
        Some(Answer::Granted(lease)) => lease,
        other => panic!("not granted: {other:?}"),
    }
}

fn refused(answer: Option<Answer>) -> Reason {
    match answer {
        Some(Answer::Refused(reason, _)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn release(pool: &mut Pool, id: u128, now: Millis) -> Vec<(Uuid, Answer)> {
    let mut fx = Effects::default();
    pool.begin();
    pool.release(Uuid::from_u128(id), Report::default(), "test", now, &mut fx).expect("it is held");
    pool.begin();
    pool.tick(now, &mut fx);
    fx.answers
}

#[test]
fn a_claim_gets_all_its_slots_or_none() {
    let mut pool = pool(5, Policy::default(), Limits::new());
    assert_eq!(granted(asked(&mut pool, ask(1, 1, 3), 0)).slots.len(), 3);
    assert_eq!(refused(asked(&mut pool, ask(2, 1, 3), 0)), Reason::Full);
    assert_eq!(refused(asked(&mut pool, ask(3, 1, 6), 0)), Reason::MoreThanPool);
    assert_eq!(granted(asked(&mut pool, ask(4, 1, 2), 0)).slots[0], Fenced { slot: 4, fence: 1 });
    assert_eq!((pool.held(), pool.picture(0).as_str()), (5, "ooooo"));
}

#[test]
fn who_waits_is_served_by_priority_and_then_by_arrival_and_not_overtaken() {
    let mut pool = pool(4, Policy::default(), Limits::new());
    granted(asked(&mut pool, ask(1, 1, 2), 0));
    granted(asked(&mut pool, ask(2, 1, 2), 0));
    for wanted in [waits(3, 1, 3), waits(4, 1, 1), Ask { priority: 9, ..waits(5, 1, 1) }] {
        assert_eq!(asked(&mut pool, wanted, 0), None);
    }
    assert_eq!(pool.known(Uuid::from_u128(4), 1_000), Known::Queued(3, 59_000));
    let served: Vec<Uuid> = release(&mut pool, 1, 1_000).into_iter().map(|(claim, _)| claim).collect();
    assert_eq!(served, [Uuid::from_u128(5)], "three slots come first, one may not slip by");
    assert_eq!(refused(asked(&mut pool, ask(6, 1, 1), 1_000)), Reason::Full, "nor may a new claim");
    let served: Vec<Uuid> = release(&mut pool, 2, 2_000).into_iter().map(|(claim, _)| claim).collect();
    assert_eq!(served, [Uuid::from_u128(3)]);
    let waited = pool.leases().find(|lease| lease.claim == Uuid::from_u128(3)).expect("served").waited_ms;
    assert_eq!(waited, 2_000);
}

#[test]
fn nobody_waited_less_than_nothing_where_the_clock_is_put_back() {
    let mut pool = pool(1, Policy::default(), Limits::new());
    granted(asked(&mut pool, ask(1, 1, 1), 1_000));
    assert_eq!(asked(&mut pool, waits(2, 1, 1), 1_000), None);
    let served = release(&mut pool, 1, 928).into_iter().map(|(_, answer)| granted(Some(answer)).waited_ms);
    assert_eq!(served.collect::<Vec<_>>(), [0]);
}

#[test]
fn a_wait_ends_and_the_queue_is_bounded() {
    let mut pool = pool(1, Policy { queue_limit: 2, ..Policy::default() }, Limits::new());
    granted(asked(&mut pool, ask(1, 1, 1), 0));
    asked(&mut pool, waits(2, 1, 1), 0);
    asked(&mut pool, waits(3, 1, 1), 0);
    assert_eq!(refused(asked(&mut pool, waits(4, 1, 1), 0)), Reason::QueueFull);
    let mut fx = Effects::default();
    pool.tick(59_999, &mut fx);
    assert_eq!(fx.answers, []);
    pool.tick(60_000, &mut fx);
    assert!(fx.answers.iter().all(|(_, answer)| matches!(answer, Answer::Refused(Reason::WaitedTooLong, _))));
    assert_eq!((fx.answers.len(), pool.waiting()), (2, 0));
    assert_eq!(pool.known(Uuid::from_u128(2), 0), Known::Ended(End::Refused(Reason::WaitedTooLong)));
}

#[test]
fn a_lease_ends_and_is_not_raised_from_the_dead() {
    let policy = Policy { lock_delay_ms: 5_000, longest_hold_ms: Some(15_000), ..Policy::default() };
    let mut pool = pool(1, policy, Limits::new());
    let claim = granted(asked(&mut pool, ask(1, 1, 1), 0)).claim;
    let mut fx = Effects::default();
    pool.begin();
    let lease = pool.renew(claim, 10_000, Report::default(), "test", 8_000, &mut fx).expect("it is held");
    assert_eq!(lease.expires_at, 15_000, "not beyond the longest hold");
    pool.begin();
    assert!(pool.renew(claim, 10_000, Report::default(), "test", 15_000, &mut fx).is_none());
    assert_eq!(pool.picture(15_000), "l", "leaked until it is taken back");
    assert_eq!(pool.reap(15_000 + EXPIRY_MARGIN_MS, &mut fx).expired, 1);
    assert_eq!(pool.known(claim, 16_000), Known::Ended(End::Expired));
    assert_eq!(refused(asked(&mut pool, ask(2, 1, 1), 19_000)), Reason::Full, "it rests");
    assert_eq!(granted(asked(&mut pool, ask(3, 1, 1), 21_000)).slots, [Fenced { slot: 1, fence: 3 }]);
}

#[test]
fn what_is_reserved_is_granted_however_many_wait_before() {
    let owner = Share { floor: 2, lending_limit: Some(0), ..Share::default() };
    let mut pool = pool(3, Policy { queue_limit: 5_000, ..Policy::default() }, Limits::from([(1, owner)]));
    granted(asked(&mut pool, ask(1, 2, 1), 0));
    for id in 10..2_010 {
        assert_eq!(asked(&mut pool, waits(id, 2, 1), 0), None);
    }
    assert_eq!(refused(asked(&mut pool, ask(2, 2, 1), 0)), Reason::Full, "whoever came first lacks room");
    granted(asked(&mut pool, ask(3, 1, 1), 0));
    granted(asked(&mut pool, waits(4, 1, 1), 0));
    assert_eq!(asked(&mut pool, waits(5, 1, 1), 0), None, "no more than was promised");
    assert!(matches!(pool.known(Uuid::from_u128(5), 0), Known::Queued(2_001, 60_000)));
}

#[test]
fn claims_that_waited_too_long_are_refused_a_part_at_a_time() {
    let mut pool = pool(1, Policy { queue_limit: 5_000, ..Policy::default() }, Limits::new());
    granted(asked(&mut pool, ask(1, 2, 1), 0));
    for id in 10..2_510 {
        assert_eq!(asked(&mut pool, waits(id, 2, 1), 0), None);
    }
    let mut told = Vec::new();
    for _ in 0..3 {
        let mut fx = Effects::default();
        pool.begin();
        pool.tick(60_000, &mut fx);
        told.push(fx.answers.len());
    }
    assert_eq!((told, pool.waiting()), (vec![LATE, LATE, 500], 0));
}

#[test]
fn what_comes_back_goes_to_its_owner_however_many_borrowers_wait_before_it() {
    let owner = Share { floor: 3, priority: 1, ..Share::default() };
    let mut pool = pool(4, Policy { grace_ms: 1_000, ..Policy::default() }, Limits::from([(1, owner)]));
    for id in 10..14 {
        granted(asked(&mut pool, ask(id, 2, 1), 0));
    }
    for id in 20..40 {
        assert_eq!(asked(&mut pool, Ask { priority: 9, ..waits(id, 2, 1) }, 0), None);
    }
    assert_eq!(asked(&mut pool, Ask { priority: 1, ..waits(1, 1, 2) }, 0), None);
    assert_eq!(asked(&mut pool, Ask { priority: 1, ..waits(2, 1, 1) }, 0), None);
    let mut fx = Effects::default();
    for now in [1_000, 2_000, 3_000, 4_000] {
        pool.begin();
        pool.reap(now, &mut fx);
        pool.begin();
        pool.tick(now, &mut fx);
    }
    assert!([1, 2].iter().all(|id| matches!(pool.known(Uuid::from_u128(*id), 0), Known::Granted(_))));
    assert_eq!(pool.held_by_tenant().collect::<Vec<_>>(), [(1, 3), (2, 1)], "and no more was taken than was owed");
}

#[test]
fn an_owner_gets_back_what_it_lent_after_the_grace() {
    let floor = Share { floor: 2, ..Share::default() };
    let mut pool = pool(3, Policy::default(), Limits::from([(1, floor)]));
    let long = |id| Ask { ttl_ms: 600_000, ..ask(id, 2, 1) };
    let first = granted(asked(&mut pool, long(1), 0)).claim;
    granted(asked(&mut pool, long(2), 1));
    granted(asked(&mut pool, long(3), 2));
    assert_eq!(refused(asked(&mut pool, ask(4, 1, 1), 10)), Reason::Reclaiming);
    let noticed = || pool.leases().filter(|lease| lease.notice.is_some()).map(|lease| lease.claim).collect::<Vec<_>>();
    assert_eq!(noticed(), [Uuid::from_u128(3)], "the newest, and no more than is needed");
    assert_eq!(asked(&mut pool, waits(5, 1, 1), 20), None);
    let mut fx = Effects::default();
    assert_eq!(pool.checkpoint(first, "test", 30, &mut fx), Some(None), "nobody asked it");
    pool.begin();
    assert!(pool.checkpoint(Uuid::from_u128(3), "test", 30, &mut fx).flatten().is_some());
    assert!(pool.checkpoint(Uuid::from_u128(3), "test", 30, &mut fx).is_none(), "once");
    pool.begin();
    let mut fx = Effects::default();
    pool.tick(31, &mut fx);
    assert!(matches!(&fx.answers[..], [(claim, Answer::Granted(_))] if *claim == Uuid::from_u128(5)));
    // The second slot of the floor: nobody acknowledges, so the grace decides.
    assert_eq!(asked(&mut pool, waits(6, 1, 1), 40), None);
    pool.begin();
    let mut fx = Effects::default();
    assert_eq!(pool.reap(30_039, &mut fx).taken, 0);
    assert_eq!(pool.reap(30_040, &mut fx).taken, 1);
    assert_eq!(pool.known(Uuid::from_u128(2), 30_040), Known::Ended(End::Taken));
}

#[test]
fn the_more_important_take_slots_only_if_the_policy_says_so() {
    for preempt in [false, true] {
        let mut pool = pool(2, Policy { preempt, grace_ms: 1_000, ..Policy::default() }, Limits::new());
        granted(asked(&mut pool, Ask { priority: 1, ..ask(1, 1, 1) }, 0));
        granted(asked(&mut pool, Ask { priority: 3, ..ask(2, 1, 1) }, 1));
        asked(&mut pool, Ask { priority: 7, ..waits(3, 2, 1) }, 10);
        let mut fx = Effects::default();
        pool.begin();
        let reaped = pool.reap(1_010, &mut fx);
        assert_eq!(reaped.taken, usize::from(preempt));
        pool.begin();
        pool.tick(1_011, &mut fx);
        let served = fx.answers.iter().any(|(claim, _)| *claim == Uuid::from_u128(3));
        assert_eq!(served, preempt);
        assert_eq!(
            pool.known(Uuid::from_u128(2), 1_011),
            Known::Granted(pool.leases.get(&Uuid::from_u128(2)).expect("held"))
        );
    }
}

#[test]
fn all_rate_limits_must_admit() {
    let limit = |by, most| KeyedLimit { by, limit: Limit::FixedWindow { most, window_ms: 1_000 } };
    let policy = Policy { limits: vec![limit(By::Pool, 3), limit(By::Tenant, 2)], ..Policy::default() };
    let mut pool = pool(100, policy, Limits::new());
    for (id, tenant, expected) in [(1, 1, true), (2, 1, true), (3, 1, false), (4, 2, true), (5, 2, false)] {
        let answer = asked(&mut pool, ask(id, tenant, 1), 0);
        assert_eq!(matches!(answer, Some(Answer::Granted(_))), expected, "claim {id}");
    }
    assert_eq!(asked(&mut pool, ask(6, 1, 1), 400), Some(Answer::Refused(Reason::RateLimit, Some(600))));
    granted(asked(&mut pool, ask(7, 1, 1), 1_000));
}

#[test]
fn failing_work_opens_the_breaker_and_a_probe_closes_it() {
    let rule = BreakerRule { least: 3, probes: 1, cooldown_ms: 1_000, ..BreakerRule::default() };
    let mut pool = pool(10, Policy { breaker: Some(rule), ..Policy::default() }, Limits::new());
    for id in 1..=3 {
        granted(asked(&mut pool, ask(id, 1, 1), 0));
        let mut fx = Effects::default();
        let report = Report { outcome: Some(Outcome::Failed), ..Report::default() };
        pool.begin();
        pool.release(Uuid::from_u128(id), report, "test", 0, &mut fx).expect("it is held");
    }
    assert_eq!(asked(&mut pool, ask(4, 1, 1), 400), Some(Answer::Refused(Reason::BreakerOpen, Some(600))));
    granted(asked(&mut pool, ask(5, 1, 1), 1_000));
    assert_eq!(refused(asked(&mut pool, ask(6, 1, 1), 1_000)), Reason::BreakerOpen, "one probe at a time");
    let mut fx = Effects::default();
    pool.begin();
    let report = Report { outcome: Some(Outcome::Ok), ..Report::default() };
    pool.release(Uuid::from_u128(5), report, "test", 1_100, &mut fx).expect("it is held");
    granted(asked(&mut pool, ask(7, 1, 1), 1_200));
}

#[test]
fn an_operator_holds_drains_shrinks_and_cordons() {
    let mut pool = pool(4, Policy { grace_ms: 1_000, ..Policy::default() }, Limits::new());
    granted(asked(&mut pool, ask(1, 1, 2), 0));
    pool.set_policy(pool.policy().clone(), Mode::Held);
    assert_eq!(refused(asked(&mut pool, ask(2, 1, 1), 0)), Reason::Held);
    pool.set_policy(pool.policy().clone(), Mode::Open);
    let mut fx = Effects::default();
    pool.begin();
    pool.resize(1, "test", &mut fx);
    assert_eq!((pool.picture(0).as_str(), pool.in_service()), ("odxx", 1));
    pool.begin();
    assert!(pool.cordon(1, true, "test", &mut fx));
    pool.begin();
    pool.release(Uuid::from_u128(1), Report::default(), "test", 5, &mut fx).expect("it is held");
    assert_eq!(pool.picture(5), "xxxx");
    pool.begin();
    pool.resize(4, "test", &mut fx);
    pool.begin();
    assert_eq!((pool.picture(5).as_str(), pool.in_service()), ("x...", 3));
    assert!(pool.cordon(1, false, "test", &mut fx));
    assert_eq!(pool.picture(5), "....");
}

#[test]
fn dead_holders_lose_their_slots_unless_all_are_silent() {
    let beats = Beats { interval_ms: 1_000, intervals: 3, margin_ms: 0, suspected_phi: 8.0 };
    let mut pool = pool(10, Policy { heartbeats: Some(beats), ..Policy::default() }, Limits::new());
    let mut fx = Effects::default();
    for id in 1..=10 {
        granted(asked(&mut pool, Ask { ttl_ms: 600_000, ..ask(id, 1, 1) }, 0));
        pool.beat(&format!("holder-{id}"), None, 0, 0, &mut fx).expect("its own generation");
    }
    for now in (1_000..=9_000).step_by(1_000) {
        for id in 2..=10 {
            pool.beat(&format!("holder-{id}"), None, 0, now, &mut fx).expect("its own generation");
        }
    }
    pool.begin();
    assert_eq!((pool.reap(9_500, &mut fx).dead, pool.held()), (1, 9), "one of ten is dead");
    pool.begin();
    assert_eq!((pool.reap(13_000, &mut fx).dead, pool.is_silent_together()), (0, true), "nine of nine is a network");
    pool.begin();
    pool.beat("holder-2", None, 1, 13_100, &mut fx).expect("a later generation");
    assert_eq!(pool.held(), 8, "who starts again has given up what it held");
    assert_eq!(pool.beat("holder-2", None, 0, 13_200, &mut fx), Err(1));
    assert!(!pool.may_act("holder-2", 1, 0) && pool.may_act("holder-2", 1, 1));
}

#[test]
fn a_holder_of_one_tenant_is_not_ended_by_another_tenants_of_the_same_name() {
    let beats = Beats { interval_ms: 1_000, intervals: 3, margin_ms: 0, suspected_phi: 8.0 };
    let mut pool = pool(4, Policy { heartbeats: Some(beats), ..Policy::default() }, Limits::new());
    let mut fx = Effects::default();
    let named = |id, tenant| Ask { holder: "worker".to_owned(), ..ask(id, tenant, 1) };
    granted(asked(&mut pool, named(1, 1), 0));
    granted(asked(&mut pool, named(2, 2), 0));
    pool.begin();
    for generation in [0, 9] {
        pool.beat("worker", Some(&[2]), generation, 1_000, &mut fx).expect("no later generation");
    }
    assert_eq!(pool.held(), 1, "only its own");
    assert!(pool.known(Uuid::from_u128(1), 1_000) != Known::Unknown && pool.may_act("worker", 1, 0));
    assert!(!pool.may_act("worker", 2, 0), "its own earlier generation is replaced");
    // Nor can a name be taken before the other one uses it.
    pool.beat("later", Some(&[2]), 9, 1_000, &mut fx).expect("the first");
    assert!(pool.may_act("later", 1, 0) && !pool.may_act("later", 2, 0));
    // Who may act for all beats for all.
    pool.beat("worker", None, 10, 2_000, &mut fx).expect("a later generation");
    assert!(!pool.may_act("worker", 1, 9) && !pool.may_act("worker", 2, 9));
    pool.beat("new", None, 3, 2_000, &mut fx).expect("the first");
    assert!(!pool.may_act("new", 1, 2), "it beat before it was known for whom");
}

#[test]
fn shards_and_places_are_kept() {
    let mut pool = pool(6, Policy { shards: Some(3), ..Policy::default() }, Limits::new());
    let at = |id, shard, node: &str| Ask { shard: Some(shard), node: Some(node.to_owned()), ..ask(id, 1, 1) };
    assert_eq!(granted(asked(&mut pool, at(1, 2, "a"), 0)).slots[0].slot, 3);
    assert_eq!(granted(asked(&mut pool, at(2, 2, "a"), 0)).slots[0].slot, 6);
    assert_eq!(refused(asked(&mut pool, at(3, 2, "a"), 0)), Reason::Full);
    release(&mut pool, 1, 1);
    let mut fx = Effects::default();
    pool.begin();
    pool.claim(at(4, 2, "b"), 2, &mut fx);
    assert_eq!(fx.writes[0].event.kind, EventKind::Reassign, "shard 2 moved from a to b");
    let word = |id| Ask { affinity: Some("cache".to_owned()), ..ask(id, 1, 1) };
    let first = granted(asked(&mut pool, word(5), 3)).slots[0].slot;
    release(&mut pool, 5, 4);
    granted(asked(&mut pool, Ask { node: Some("a".to_owned()), ..ask(6, 1, 1) }, 5));
    release(&mut pool, 6, 6);
    assert_eq!(granted(asked(&mut pool, word(7), 7)).slots[0].slot, first);
}

/// The database's side of the writes: each must find the fence that it expects.
fn accept(stored: &mut [Stored], fx: &Effects) {
    let mut written = HashSet::new();
    for write in &fx.writes {
        assert!(written.insert(write.slot), "a slot is written once a statement: {write:?}");
        let slot = &mut stored[write.slot as usize - 1];
        assert_eq!(slot.fence, write.expect, "{write:?}");
        slot.service = write.service;
        match write.change {
            Change::Claim => {
                assert!(slot.held.is_none(), "{write:?}");
                slot.fence += 1;
                slot.held = Some(Held {
                    claim: write.claim,
                    tenant: write.tenant,
                    priority: write.priority,
                    holder: write.holder.clone(),
                    claimed_at: 0,
                    expires_at: 0,
                    ends_at: None,
                });
            }
            Change::Renew => assert_eq!(slot.held.as_ref().map(|held| held.claim), Some(write.claim)),
            Change::End | Change::Expire => {
                assert_eq!(slot.held.take().map(|held| held.claim), Some(write.claim));
                slot.fence += 1;
            }
            Change::Serve => {}
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Claim { tenant: i32, slots: u32, wait: bool, priority: u8 },
    Release(usize),
    Renew(usize),
    Pass(Millis),
    Resize(u32),
    Checkpoint(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..4_i32, 1..5_u32, any::<bool>(), 0..10_u8)
            .prop_map(|(tenant, slots, wait, priority)| Step::Claim { tenant, slots, wait, priority }),
        4 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::Renew),
        3 => (1..9_000_i64).prop_map(Step::Pass),
        1 => (0..13_u32).prop_map(Step::Resize),
        1 => any::<usize>().prop_map(Step::Checkpoint),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    #[test]
    fn whatever_comes_memory_and_store_agree_and_no_limit_is_passed(
        steps in steps(),
        quota in prop::option::of(1..8_u32),
        floor in 0..5_u32,
        preempt in any::<bool>(),
        lock_delay_ms in prop_oneof![Just(0), Just(2_000)],
    ) {
        let limits = Limits::from([
            (1, Share { quota, ..Share::default() }),
            (2, Share { floor, ..Share::default() }),
        ]);
        let mut stored = empty(12);
        let policy = Policy { preempt, lock_delay_ms, grace_ms: 3_000, ..Policy::default() };
        let mut pool = Pool::new(policy, Mode::Open, limits, stored.clone());
        let (mut now, mut next, mut answered) = (0, 0_u128, HashMap::new());
        for step in steps {
            pool.begin();
            let mut fx = Effects::default();
            let mut held: Vec<Uuid> = pool.leases().map(|lease| lease.claim).collect();
            held.sort_unstable();
            let pick = |at: usize| (!held.is_empty()).then(|| held[at % held.len()]);
            match step {
                Step::Claim { tenant, slots, wait, priority } => {
                    next += 1;
                    let wait_ms = if wait { 20_000 } else { 0 };
                    pool.claim(Ask { wait_ms, priority, ..ask(next, tenant, slots) }, now, &mut fx);
                }
                Step::Release(at) => {
                    if let Some(claim) = pick(at) {
                        prop_assert!(pool.release(claim, Report::default(), "test", now, &mut fx).is_some());
                    }
                }
                Step::Renew(at) => {
                    if let Some(claim) = pick(at) {
                        pool.renew(claim, 10_000, Report::default(), "test", now, &mut fx);
                    }
                }
                Step::Pass(time) => {
                    now += time;
                    pool.reap(now, &mut fx);
                    pool.tick(now, &mut fx);
                }
                Step::Resize(capacity) => pool.resize(capacity, "test", &mut fx),
                Step::Checkpoint(at) => {
                    if let Some(claim) = pick(at) {
                        pool.checkpoint(claim, "test", now, &mut fx);
                    }
                }
            }
            accept(&mut stored, &fx);
            for (claim, answer) in fx.answers {
                if let Answer::Granted(lease) = &answer {
                    prop_assert!(lease.slots.iter().all(|held| stored[held.slot as usize - 1].fence == held.fence));
                }
                prop_assert!(answered.insert(claim, answer).is_none(), "answered once");
            }
            for (slot, mine) in stored.iter().zip(&pool.slots) {
                prop_assert_eq!((slot.fence, slot.service), (mine.fence, mine.service));
                prop_assert_eq!(slot.held.as_ref().map(|held| held.claim), mine.claim);
                prop_assert!(!(slot.held.is_some() && pool.free.contains(&slot.number)));
            }
            let by_tenant = |tenant: i32| stored.iter().flat_map(|s| &s.held).filter(|h| h.tenant == tenant).count();
            for (tenant, held) in pool.held_by_tenant() {
                prop_assert_eq!(by_tenant(tenant), held as usize);
            }
            prop_assert!(quota.is_none_or(|quota| by_tenant(1) <= quota as usize));
        }
        // Loading what is stored gives the same pool.
        let again = Pool::new(pool.policy.clone(), Mode::Open, pool.shares.tenants.clone(), stored);
        prop_assert_eq!(again.held(), pool.held());
        prop_assert_eq!(again.leases.keys().collect::<HashSet<_>>(), pool.leases.keys().collect::<HashSet<_>>());
    }
}

#[test]
fn a_slot_rests_after_what_is_stored_was_read_again() {
    let policy = Policy { lock_delay_ms: 5_000, ..Policy::default() };
    let mut pool = pool(2, policy, Limits::new());
    let mut stored = empty(2);
    let mut fx = Effects::default();
    pool.begin();
    pool.claim(ask(1, 1, 1), 0, &mut fx);
    pool.begin();
    pool.claim(ask(2, 1, 1), 0, &mut fx);
    accept(&mut stored, &fx);
    let mut fx = Effects::default();
    pool.begin();
    assert_eq!(pool.reap(10_020, &mut fx).expired, 2);
    accept(&mut stored, &fx);
    // Somebody had the second slot since, so whoever it is that must not know yet is not the one that is remembered.
    stored[1].fence += 2;
    pool.load(stored);
    assert_eq!(granted(asked(&mut pool, ask(3, 1, 1), 10_030)).slots[0].slot, 2);
    assert_eq!(refused(asked(&mut pool, ask(4, 1, 1), 15_019)), Reason::Full, "the first rests");
    assert_eq!(granted(asked(&mut pool, ask(5, 1, 1), 15_020)).slots[0].slot, 1);
}

#[test]
fn a_slot_that_leaves_and_comes_back_rests_as_long() {
    let policy = Policy { lock_delay_ms: 5_000, ..Policy::default() };
    let mut pool = pool(1, policy, Limits::new());
    granted(asked(&mut pool, ask(1, 1, 1), 0));
    let mut fx = Effects::default();
    pool.begin();
    pool.resize(0, "test", &mut fx);
    pool.begin();
    assert_eq!(pool.reap(10_020, &mut fx).expired, 1);
    pool.begin();
    pool.resize(1, "test", &mut fx);
    assert_eq!(refused(asked(&mut pool, ask(2, 1, 1), 15_019)), Reason::Full);
    granted(asked(&mut pool, ask(3, 1, 1), 15_020));
}

/// Statements until nothing is left to do, and the most slots that one of them wrote.
fn rounds(pool: &mut Pool, now: Millis) -> (usize, usize) {
    let (mut count, mut most) = (0, 0);
    while pool.next_due().is_some_and(|at| at <= now) {
        let mut fx = Effects::default();
        pool.begin();
        pool.reap(now, &mut fx);
        pool.tick(now, &mut fx);
        most = most.max(fx.writes.len());
        count += 1;
    }
    (count, most)
}

#[test]
fn the_largest_pool_grows_and_shrinks_a_part_at_a_time() {
    let all = crate::lease::MAX_TRACKED_SLOTS;
    let mut pool = pool(all, Policy::default(), Limits::new());
    for (size, number) in [(10, 1), (all, 2)] {
        let mut fx = Effects::default();
        granted(asked(&mut pool, ask(number, 1, 5), 0));
        pool.begin();
        pool.resize(size, "test", &mut fx);
        assert_eq!(fx.writes.len(), 4_000);
        assert_eq!(rounds(&mut pool, 0), ((all - 10).div_ceil(4_000) as usize - 1, 4_000));
        assert_eq!((pool.in_service(), pool.free.len()), (size, size as usize - 5 * number as usize));
    }
    let mut fx = Effects::default();
    pool.begin();
    pool.resize(3, "test", &mut fx);
    assert_eq!(refused(asked(&mut pool, ask(3, 1, 1), 0)), Reason::Full, "nothing beyond the size that it will have");
    pool.begin();
    pool.resize(all, "test", &mut fx);
    assert_eq!(granted(asked(&mut pool, ask(4, 1, 1), 0)).slots.len(), 1, "the last word counts");
}

#[test]
fn leases_that_end_together_are_ended_a_part_at_a_time_by_their_slots() {
    let mut pool = pool(30_000, Policy::default(), Limits::new());
    for id in 0..3 {
        granted(asked(&mut pool, ask(id, 1, 10_000), 0));
    }
    assert_eq!(rounds(&mut pool, 10_020), (3, 10_000), "a lease is never ended in part");
    for id in 10..20_010 {
        granted(asked(&mut pool, ask(id, 1, 1), 20_000));
    }
    assert_eq!(rounds(&mut pool, 30_020), (5, 4_000));
    assert_eq!(pool.held(), 0);
}

#[test]
fn slots_that_are_written_already_are_drained_with_the_next_statement() {
    let mut pool = pool(5, Policy::default(), Limits::new());
    granted(asked(&mut pool, ask(1, 1, 2), 0));
    let mut fx = Effects::default();
    pool.begin();
    pool.release(Uuid::from_u128(1), Report::default(), "test", 1, &mut fx).expect("it is held");
    pool.claim(ask(2, 1, 1), 1, &mut fx);
    assert_eq!(pool.drain(Some(&[1, 3, 9]), 1, &mut fx), 1, "the holder of the third");
    assert!([1, 3].iter().all(|number| pool.cordon(*number, true, "test", &mut fx)));
    assert!(!pool.cordon(9, true, "test", &mut fx) && !pool.cordon(0, true, "test", &mut fx));
    assert_eq!(pool.picture(1), "..d..");
    assert_eq!(rounds(&mut pool, 1).1, 2);
    assert_eq!(pool.picture(1), "x.d..");
    release(&mut pool, 2, 2);
    assert_eq!(pool.picture(2), "x.x..");
}

/// A pool of ten whose breaker opened at 0 for a second, and lets one through at a time then.
fn with_open_breaker() -> Pool {
    let rule = BreakerRule { least: 3, probes: 1, cooldown_ms: 1_000, ..BreakerRule::default() };
    let mut pool = pool(10, Policy { breaker: Some(rule), ..Policy::default() }, Limits::new());
    granted(asked(&mut pool, ask(100, 1, 1), 0));
    for id in 101..=103 {
        granted(asked(&mut pool, ask(id, 1, 1), 0));
        reports(&mut pool, id, Outcome::Failed, 0);
    }
    pool
}

fn reports(pool: &mut Pool, id: u128, outcome: Outcome, now: Millis) {
    let report = Report { outcome: Some(outcome), ..Report::default() };
    pool.begin();
    pool.release(Uuid::from_u128(id), report, "test", now, &mut Effects::default()).expect("it is held");
}

#[test]
fn a_probe_whose_statement_is_refused_leaves_its_place_to_another() {
    let mut pool = with_open_breaker();
    let mut stored = empty(10);
    for slot in &mut stored {
        slot.fence = pool.slots[slot.number as usize - 1].fence;
    }
    granted(asked(&mut pool, ask(1, 1, 1), 1_000));
    pool.load(stored.clone());
    granted(asked(&mut pool, ask(2, 1, 1), 1_000));
    // One that was accepted has its place after reading again, and its outcome counts.
    let held = Held {
        claim: Uuid::from_u128(2),
        tenant: 1,
        priority: 5,
        holder: String::new(),
        claimed_at: 1_000,
        expires_at: 11_000,
        ends_at: None,
    };
    stored[0] = Stored { fence: stored[0].fence + 1, held: Some(held), ..stored[0].clone() };
    pool.load(stored);
    assert_eq!(refused(asked(&mut pool, ask(3, 1, 1), 1_000)), Reason::BreakerOpen);
    reports(&mut pool, 2, Outcome::Ok, 1_100);
    assert_eq!(pool.breaker(1_100), Some(crate::breaker::Position::Closed));
}

#[test]
fn what_began_before_the_breaker_opened_is_no_probe() {
    let mut pool = with_open_breaker();
    granted(asked(&mut pool, ask(1, 1, 1), 1_000));
    let half_open = pool.breaker(1_000);
    let report = Report { outcome: Some(Outcome::Ok), ..Report::default() };
    for now in 1_001..1_010 {
        pool.begin();
        pool.renew(Uuid::from_u128(100), 10_000, report.clone(), "test", now, &mut Effects::default()).expect("held");
    }
    assert_eq!(pool.breaker(1_010), half_open);
    reports(&mut pool, 100, Outcome::Failed, 1_010);
    assert_eq!(pool.breaker(1_010), half_open);
    reports(&mut pool, 1, Outcome::Cancelled, 1_020);
    granted(asked(&mut pool, ask(2, 1, 1), 1_030));
}

#[test]
fn who_waits_is_not_served_while_the_breaker_is_open() {
    let rule = BreakerRule { least: 1, probes: 1, cooldown_ms: 1_000, ..BreakerRule::default() };
    let mut pool = pool(2, Policy { breaker: Some(rule), ..Policy::default() }, Limits::new());
    granted(asked(&mut pool, ask(1, 1, 1), 0));
    granted(asked(&mut pool, ask(2, 1, 1), 0));
    for id in 3..6 {
        assert_eq!(asked(&mut pool, waits(id, 1, 1), 0), None);
    }
    reports(&mut pool, 1, Outcome::Failed, 0);
    assert_eq!(release(&mut pool, 2, 10), []);
    assert_eq!(pool.next_due(), Some(1_000), "it is looked at again when it opens");
    let mut fx = Effects::default();
    pool.begin();
    pool.tick(1_000, &mut fx);
    assert!(matches!(&fx.answers[..], [(claim, Answer::Granted(_))] if *claim == Uuid::from_u128(3)), "one probe");
    assert!(pool.next_due() > Some(1_000));
    // Nor does a place in the queue take the place of a probe.
    pool.begin();
    pool.withdraw(Uuid::from_u128(4));
    reports(&mut pool, 3, Outcome::Ok, 1_100);
    assert!(matches!(pool.known(Uuid::from_u128(5), 1_100), Known::Granted(_)), "closed again");
}

#[test]
fn a_tenant_over_its_own_limit_keeps_nobody_else_however_much_it_asks_for() {
    let limited = |quota, ceiling, borrowing_limit| Share { quota, ceiling, borrowing_limit, ..Share::default() };
    for (limit, reason) in [
        (limited(Some(2), None, None), Reason::Quota),
        (limited(None, Some(2), None), Reason::Ceiling),
        (limited(None, None, Some(2)), Reason::BorrowingLimit),
    ] {
        let mut pool = pool(10, Policy { queue_limit: 5_000, ..Policy::default() }, Limits::from([(1, limit)]));
        granted(asked(&mut pool, ask(1, 1, 2), 0));
        granted(asked(&mut pool, ask(2, 2, 8), 0));
        for id in 10..2_010 {
            assert_eq!(asked(&mut pool, waits(id, 1, 1), 0), None);
        }
        for id in [3, 4] {
            assert_eq!(asked(&mut pool, waits(id, 3, 4), 0), None);
        }
        assert_eq!(refused(asked(&mut pool, ask(5, 1, 1), 0)), reason, "while the pool is full");
        let served: Vec<Uuid> = release(&mut pool, 2, 1).into_iter().map(|(claim, _)| claim).collect();
        assert_eq!(served, [3, 4].map(Uuid::from_u128));
        let mut fx = Effects::default();
        pool.begin();
        pool.tick(60_000, &mut fx);
        assert!(fx.answers.iter().all(|(_, answer)| matches!(answer, Answer::Refused(told, _) if *told == reason)));
        assert_eq!(fx.answers.len(), LATE);
    }
}

#[test]
fn within_a_tenant_over_its_limit_nobody_overtakes_but_a_claim_that_never_fits() {
    let limit = Share { quota: Some(4), ..Share::default() };
    let mut pool = pool(10, Policy::default(), Limits::from([(1, limit)]));
    granted(asked(&mut pool, ask(1, 1, 3), 0));
    assert_eq!(asked(&mut pool, waits(2, 1, 5), 0), None);
    assert_eq!(asked(&mut pool, waits(3, 1, 2), 0), None);
    let mut fx = Effects::default();
    pool.begin();
    pool.claim(waits(4, 1, 1), 0, &mut fx);
    assert_eq!(fx.notes.iter().map(|note| note.event.reason).collect::<Vec<_>>(), [Some("quota")], "by the one before");
    assert_eq!(refused(asked(&mut pool, ask(5, 1, 1), 0)), Reason::Quota);
    let served: Vec<Uuid> = release(&mut pool, 1, 1).into_iter().map(|(claim, _)| claim).collect();
    assert_eq!(served, [3, 4].map(Uuid::from_u128), "more than the quota keeps only itself");
}

#[test]
fn a_claim_that_lacks_room_is_told_so_though_it_was_over_its_quota_before() {
    let limit = Share { quota: Some(1), ..Share::default() };
    let mut pool = pool(2, Policy::default(), Limits::from([(1, limit)]));
    granted(asked(&mut pool, ask(1, 1, 1), 0));
    granted(asked(&mut pool, ask(2, 2, 1), 0));
    assert_eq!(asked(&mut pool, waits(3, 1, 1), 0), None);
    pool.set_limits(Limits::new());
    let mut fx = Effects::default();
    pool.tick(60_000, &mut fx);
    assert_eq!(fx.answers, [(Uuid::from_u128(3), Answer::Refused(Reason::WaitedTooLong, Some(1_000)))]);
}

#[test]
fn a_claim_of_many_slots_of_a_shard_is_not_overtaken_within_it_and_keeps_no_other() {
    let mut pool = pool(6, Policy { shards: Some(3), ..Policy::default() }, Limits::new());
    let of = |id, shard, slots| Ask { shard: Some(shard), ..waits(id, 1, slots) };
    granted(asked(&mut pool, of(1, 0, 1), 0));
    assert_eq!(asked(&mut pool, of(2, 0, 2), 0), None);
    assert_eq!(asked(&mut pool, of(3, 0, 1), 0), None, "nor may a claim of one");
    granted(asked(&mut pool, of(4, 1, 1), 0));
    let served: Vec<Uuid> = release(&mut pool, 1, 1).into_iter().map(|(claim, _)| claim).collect();
    assert_eq!(served, [Uuid::from_u128(2)]);
}

#[test]
fn who_waits_for_slots_of_this_statement_is_served_with_the_next() {
    let mut pool = pool(2_000, Policy { queue_limit: 5_000, ..Policy::default() }, Limits::new());
    granted(asked(&mut pool, ask(1, 1, 2_000), 0));
    for id in 10..1_510 {
        assert_eq!(asked(&mut pool, waits(id, 1, 1), 0), None);
    }
    let mut fx = Effects::default();
    pool.begin();
    pool.release(Uuid::from_u128(1), Report::default(), "test", 1, &mut fx).expect("it is held");
    assert_eq!(rounds(&mut pool, 1), (2, 2 * ROUND), "and as many at a time as a statement bears, one after the other");
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn a_leaky_bucket_lets_claims_through_one_after_the_other() {
    let leaky = Limit::LeakyBucket { depth: 2, rate: 1, period_ms: 1_000 };
    let policy = Policy { limits: vec![KeyedLimit { by: By::Tenant, limit: leaky }], ..Policy::default() };
    let mut pool = pool(10, policy, Limits::new());
    granted(asked(&mut pool, ask(1, 1, 1), 0));
    assert_eq!(asked(&mut pool, ask(2, 1, 1), 0), Some(Answer::Refused(Reason::RateLimit, Some(1_000))));
    let patient = |id, wait_ms| Ask { wait_ms, ..ask(id, 1, 1) };
    assert_eq!(asked(&mut pool, patient(3, 400), 0), Some(Answer::Refused(Reason::RateLimit, Some(600))));
    let mut fx = Effects::default();
    pool.begin();
    pool.claim(patient(4, 60_000), 0, &mut fx);
    assert_eq!((fx.answers.len(), fx.notes[0].event.reason), (0, Some("rate-limit")));
    assert_eq!(asked(&mut pool, patient(5, 2_000), 0), None);
    assert_eq!(asked(&mut pool, patient(6, 60_000), 0), Some(Answer::Refused(Reason::RateLimit, Some(1_000))));
    granted(asked(&mut pool, ask(7, 2, 1), 0));
    assert!(matches!(pool.known(Uuid::from_u128(5), 0), Known::Queued(2, 2_000)));
    let mut served = Vec::new();
    for now in [999, 1_000, 1_999, 2_000] {
        let mut fx = Effects::default();
        pool.begin();
        pool.tick(now, &mut fx);
        served.extend(fx.answers.into_iter().map(|(claim, answer)| (claim, now, granted(Some(answer)).waited_ms)));
    }
    assert_eq!(served, [(Uuid::from_u128(4), 1_000, 1_000), (Uuid::from_u128(5), 2_000, 2_000)]);
}

#[test]
fn who_is_refused_otherwise_is_not_charged() {
    let limit = KeyedLimit { by: By::Pool, limit: Limit::FixedWindow { most: 2, window_ms: 1_000 } };
    let mut pool = pool(1, Policy { limits: vec![limit], queue_limit: 0, ..Policy::default() }, Limits::new());
    for id in 1..10 {
        assert_eq!(refused(asked(&mut pool, waits(id, 1, 1), 0)), Reason::QueueFull);
    }
    granted(asked(&mut pool, ask(10, 1, 1), 0));
}

/// A pool of which each slot has a holder that beats every ten seconds, each in its own phase and somewhat irregular, and the
/// time of the last beats.
fn beating(beats: Beats, phases: &[Millis]) -> (Pool, Millis) {
    let policy = Policy { heartbeats: Some(beats), longest_ttl_ms: 10_000_000, ..Policy::default() };
    let mut pool = pool(phases.len() as u32, policy, Limits::new());
    let mut fx = Effects::default();
    for (id, _) in (0..).zip(phases) {
        granted(asked(&mut pool, Ask { ttl_ms: 10_000_000, ..ask(id, 1, 1) }, 0));
    }
    let last = 15 * beats.interval_ms;
    for round in 0..15 {
        for (id, phase) in (0..).zip(phases) {
            let off = (phase * (round + 7)) % (beats.interval_ms / 10);
            let now = round * beats.interval_ms + phase + off;
            if now < last {
                pool.beat(&format!("holder-{id}"), None, 0, now, &mut fx).expect("its own generation");
            }
        }
    }
    (pool, last)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn when_the_network_is_gone_nobody_is_buried_in_whatever_order_they_fall_silent(
        phases in prop::collection::vec(0..10_000_i64, 2..150),
        intervals in 3..=5_u32,
        margin_ms in 0..3_000_i64,
        cut in 35..=100_usize,
    ) {
        let beats = Beats { interval_ms: 10_000, intervals, margin_ms, suspected_phi: 8.0 };
        let (mut pool, last) = beating(beats, &phases);
        let cut = (phases.len() * cut).div_ceil(100).max(2);
        let mut buried = 0;
        for now in (last..last + 200_000).step_by(500) {
            let mut fx = Effects::default();
            pool.begin();
            for (id, phase) in phases.iter().enumerate().skip(cut) {
                if (now + phase) % 10_000 < 500 {
                    pool.beat(&format!("holder-{id}"), None, 0, now, &mut fx).expect("its own generation");
                }
            }
            buried += pool.reap(now, &mut fx).dead;
        }
        prop_assert_eq!((buried, pool.is_silent_together()), (0, true));
    }

    #[test]
    fn a_few_dead_among_many_that_beat_are_buried_in_time(
        phases in prop::collection::vec(0..10_000_i64, 10..150),
        intervals in 3..=5_u32,
        dead in 0.0..0.3_f64,
    ) {
        let beats = Beats { interval_ms: 10_000, intervals, margin_ms: 2_000, suspected_phi: 8.0 };
        let (mut pool, last) = beating(beats, &phases);
        let dead = ((phases.len() as f64 * dead) as usize).max(1);
        let end = last + beats.policy().timeout_ms() + 500;
        let mut buried = 0;
        for now in (last..=end).step_by(500) {
            let mut fx = Effects::default();
            pool.begin();
            for (id, phase) in phases.iter().enumerate().skip(dead) {
                if (now + phase) % 10_000 < 500 {
                    pool.beat(&format!("holder-{id}"), None, 0, now, &mut fx).expect("its own generation");
                }
            }
            buried += pool.reap(now, &mut fx).dead;
        }
        prop_assert_eq!((buried, pool.is_silent_together()), (dead, false));
    }
}

#[test]
fn names_that_beat_and_hold_nothing_are_bounded_and_who_holds_is_remembered() {
    let policy = Policy { heartbeats: Some(Beats { interval_ms: HOUR_MS, ..Beats::default() }), ..Policy::default() };
    let mut pool = pool(2, policy, Limits::new());
    let mut fx = Effects::default();
    let mut beat = |pool: &mut Pool, id: u128, now| {
        pool.beat(&format!("holder-{id}"), None, 3, now, &mut fx).expect("no later generation");
    };
    beat(&mut pool, 1, 0);
    beat(&mut pool, 2, 0);
    beat(&mut pool, 3, 1);
    granted(asked(&mut pool, Ask { generation: 3, ..ask(1, 1, 1) }, 2));
    granted(asked(&mut pool, Ask { generation: 3, ..ask(2, 1, 1) }, 2));
    for id in 10..10 + REMEMBERED_IDLE as u128 {
        beat(&mut pool, id, 5);
    }
    assert_eq!(pool.holders.len(), REMEMBERED_IDLE + 2);
    assert!(pool.may_act("holder-3", 1, 0) && !pool.may_act("holder-1", 1, 0), "the third is forgotten");
    // Who holds nothing any more is one of many.
    beat(&mut pool, 1, 6);
    release(&mut pool, 1, 7);
    release(&mut pool, 2, 7);
    assert_eq!((pool.holders.len(), pool.idle.len()), (REMEMBERED_IDLE, REMEMBERED_IDLE));
    assert!(pool.may_act("holder-2", 1, 0) && !pool.may_act("holder-1", 1, 0));
    pool.load(empty(2));
    assert_eq!(pool.idle.len(), REMEMBERED_IDLE);
    pool.reap(6 * HOUR_MS, &mut Effects::default());
    assert_eq!((pool.holders.len(), pool.idle.len()), (0, 0));
}

#[test]
fn slots_are_taken_back_from_the_least_important_whether_or_not_they_have_a_quota() {
    let owner = Share { floor: 2, ..Share::default() };
    let limited = Share { quota: Some(4), priority: 1, ..Share::default() };
    let mut pool = pool(4, Policy::default(), Limits::from([(1, owner), (2, limited)]));
    let of = |id, tenant, priority| Ask { priority, ttl_ms: 600_000, ..ask(id, tenant, 1) };
    granted(asked(&mut pool, of(1, 2, 1), 0));
    granted(asked(&mut pool, of(2, 3, 9), 1));
    granted(asked(&mut pool, of(3, 3, 4), 2));
    granted(asked(&mut pool, of(4, 4, 0), 3));
    let noticed = |pool: &Pool| {
        let mut claims: Vec<u128> =
            pool.leases().filter(|lease| lease.notice.is_some()).map(|lease| lease.claim.as_u128()).collect();
        claims.sort_unstable();
        claims
    };
    assert_eq!(refused(asked(&mut pool, ask(5, 1, 1), 10)), Reason::Reclaiming);
    assert_eq!(noticed(&pool), [4], "the one without quota and of no importance");
    // Neither other limits nor reading again makes anybody more or less important.
    pool.set_limits(Limits::from([(1, owner), (2, limited)]));
    let held = |claim: u128| pool.leases[&Uuid::from_u128(claim)].clone();
    let stored: Vec<Stored> = (1..=4)
        .map(|number| {
            let lease = held(number.into());
            let held = Held {
                claim: lease.claim,
                tenant: lease.tenant,
                priority: lease.priority,
                holder: lease.holder,
                claimed_at: lease.claimed_at,
                expires_at: lease.expires_at,
                ends_at: None,
            };
            Stored { number, fence: 1, service: Service::In, node: None, held: Some(held) }
        })
        .collect();
    pool.load(stored);
    assert_eq!(refused(asked(&mut pool, ask(6, 1, 2), 20)), Reason::Reclaiming);
    assert_eq!(noticed(&pool), [1, 4], "then the one whose quota says so");
    // Of one tenant the least important first.
    let mut pool = Pool::new(Policy::default(), Mode::Open, Limits::from([(1, owner)]), empty(3));
    for (id, priority) in [(1, 9), (2, 4), (3, 7)] {
        granted(asked(&mut pool, of(id, 3, priority), 0));
    }
    assert_eq!(refused(asked(&mut pool, ask(4, 1, 1), 10)), Reason::Reclaiming);
    assert_eq!(noticed(&pool), [2]);
}
