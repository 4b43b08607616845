//! Who gets a slot: capacity, quotas, and what reservations promise.
//!
//! A tenant's *floor* is what active reservations guarantee it. The part of a floor that its owner does not use is lent to
//! others as far as its lending limit allows; what is not lent is kept free for it. Beyond its own floor a tenant borrows, up
//! to its borrowing limit. An owner who wants back what was lent is not refused: slots are reclaimed from those who borrowed.

use crate::reservation::Promise;
use std::collections::BTreeMap;

/// Priority of whoever has none.
pub const USUAL_PRIORITY: u8 = 5;

/// A tenant in a pool. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Slots it holds.
    pub held: u32,
    /// The most it may hold at all.
    pub quota: Option<u32>,
    /// Slots that reservations guarantee it now.
    pub floor: u32,
    /// The most it may hold by its reservations, floor included.
    pub ceiling: Option<u32>,
    /// Of its unused floor at most so many may be lent.
    pub lending_limit: Option<u32>,
    /// Beyond its floor it may hold at most so many.
    pub borrowing_limit: Option<u32>,
    /// Higher goes first, 0 to 9.
    pub priority: u8,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            held: 0,
            quota: None,
            floor: 0,
            ceiling: None,
            lending_limit: None,
            borrowing_limit: None,
            priority: USUAL_PRIORITY,
        }
    }
}

impl Share {
    /// Slots beyond its floor.
    pub fn borrowed(self) -> u32 {
        self.held.saturating_sub(self.floor)
    }

    /// Slots of its floor that are kept free for it: unused, and not to be lent.
    pub fn kept(self) -> u32 {
        let unused = self.floor.saturating_sub(self.held);
        unused - unused.min(self.lending_limit.unwrap_or(u32::MAX))
    }

    /// Which limit of its own it would pass if it held so many.
    pub fn limit(self, held: u64) -> Option<Reason> {
        let beyond = |limit: Option<u32>| limit.is_some_and(|limit| held > u64::from(limit));
        if beyond(self.quota) {
            Some(Reason::Quota)
        } else if beyond(self.ceiling) {
            Some(Reason::Ceiling)
        } else if beyond(self.borrowing_limit.map(|limit| limit.saturating_add(self.floor))) {
            Some(Reason::BorrowingLimit)
        } else {
            None
        }
    }
}

/// What some promises to one tenant come to together.
///
/// Promises that hold at the same time add up. A limit adds up only if each of them states it: one without leaves the tenant
/// without; but of a promise without a lending limit all of its own slots are lent, not those of the others. The order in which they come does not matter, and what was added can be taken out again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Promised {
    count: u64,
    baseline: u64,
    ceiling: Stated,
    lending_limit: Stated,
    borrowing_limit: Stated,
}

/// A limit as promises state it: by how many, and their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stated {
    by: u64,
    sum: u64,
}

impl Stated {
    fn add(&mut self, limit: Option<i64>) {
        if let Some(limit) = limit {
            self.by += 1;
            self.sum += u64::from(slots_of(limit));
        }
    }

    fn remove(&mut self, limit: Option<i64>) {
        if let Some(limit) = limit {
            self.by -= 1;
            self.sum -= u64::from(slots_of(limit));
        }
    }

    fn of(self, count: u64) -> Option<u32> {
        (count > 0 && self.by == count).then(|| u32::try_from(self.sum).unwrap_or(u32::MAX))
    }
}

/// A stored number of slots as it is counted here: below 0 is none.
fn slots_of(stored: i64) -> u32 {
    u32::try_from(stored.max(0)).unwrap_or(u32::MAX)
}

impl Promised {
    /// A promise begins.
    pub fn add(&mut self, promise: &Promise) {
        self.count += 1;
        self.baseline += u64::from(slots_of(promise.baseline));
        self.ceiling.add(promise.ceiling);
        self.lending_limit.add(promise.lending_limit.or(Some(promise.baseline)));
        self.borrowing_limit.add(promise.borrowing_limit);
    }

    /// A promise that was added ends.
    pub fn remove(&mut self, promise: &Promise) {
        self.count -= 1;
        self.baseline -= u64::from(slots_of(promise.baseline));
        self.ceiling.remove(promise.ceiling);
        self.lending_limit.remove(promise.lending_limit.or(Some(promise.baseline)));
        self.borrowing_limit.remove(promise.borrowing_limit);
    }

    /// A tenant's share under these promises; what it holds, its quota and its priority stay.
    #[must_use]
    pub fn share(&self, share: Share) -> Share {
        Share {
            floor: u32::try_from(self.baseline).unwrap_or(u32::MAX),
            ceiling: self.ceiling.of(self.count),
            lending_limit: self.lending_limit.of(self.count),
            borrowing_limit: self.borrowing_limit.of(self.count),
            ..share
        }
    }
}

/// Why a claim is not granted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It asks for more than the pool has at all.
    MoreThanPool,
    /// The tenant's quota.
    Quota,
    /// The ceiling of its reservations.
    Ceiling,
    /// Its borrowing limit.
    BorrowingLimit,
    /// All slots are held.
    Full,
    /// What is free is kept for other tenants' reservations.
    Reserved,
}

/// What becomes of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Granted.
    Grant,
    /// The tenant may have it by its reservation, and others have it now: from each of these so many are to be taken back.
    Reclaim(Vec<(i32, u32)>),
    /// Not now.
    Refuse(Reason),
}

/// A pool: its effective capacity, and who holds what by tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    /// Slots that may be used now.
    pub capacity: u32,
    /// By tenant.
    pub tenants: BTreeMap<i32, Share>,
}

impl Shares {
    /// Slots that are held.
    pub fn held(&self) -> u64 {
        self.tenants.values().map(|share| u64::from(share.held)).sum()
    }

    /// Slots that are kept for tenants other than one.
    fn kept_for_others(&self, tenant: i32) -> u64 {
        let others = self.tenants.iter().filter(|(other, _)| **other != tenant);
        others.map(|(_, share)| u64::from(share.kept())).sum()
    }

    /// Decides about `slots` for a tenant; all of them or none.
    pub fn decide(&self, tenant: i32, slots: u32) -> Decision {
        let own = self.tenants.get(&tenant).copied().unwrap_or_default();
        let after = u64::from(own.held) + u64::from(slots);
        if slots > self.capacity {
            return Decision::Refuse(Reason::MoreThanPool);
        }
        if let Some(reason) = own.limit(after) {
            return Decision::Refuse(reason);
        }
        let free = u64::from(self.capacity).saturating_sub(self.held());
        let open = free.saturating_sub(self.kept_for_others(tenant));
        let short = u64::from(slots).saturating_sub(open);
        match short {
            0 => Decision::Grant,
            // What is kept for one owner is not another's to take: what was lent comes back from those who have it.
            short if after <= u64::from(own.floor) => self.reclaim(tenant, short),
            _ if u64::from(slots) > free => Decision::Refuse(Reason::Full),
            _ => Decision::Refuse(Reason::Reserved),
        }
    }

    /// From whom slots are taken back: lowest priority first, then who borrowed most.
    fn reclaim(&self, tenant: i32, mut short: u64) -> Decision {
        let mut borrowers: Vec<(i32, Share)> = self
            .tenants
            .iter()
            .filter(|(other, share)| **other != tenant && share.borrowed() > 0)
            .map(|(t, s)| (*t, *s))
            .collect();
        borrowers.sort_by_key(|(other, share)| (share.priority, std::cmp::Reverse(share.borrowed()), *other));
        let mut taken = Vec::new();
        for (other, share) in borrowers {
            let from = u64::from(share.borrowed()).min(short);
            if from > 0 {
                taken.push((other, from as u32));
                short -= from;
            }
        }
        // More is promised or held within floors than the pool has: nobody has anything that is not theirs.
        if short > 0 { Decision::Refuse(Reason::Full) } else { Decision::Reclaim(taken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(capacity: u32, tenants: &[(i32, Share)]) -> Shares {
        Shares { capacity, tenants: tenants.iter().copied().collect() }
    }

    fn holds(held: u32) -> Share {
        Share { held, ..Share::default() }
    }

    #[test]
    fn a_claim_is_decided_by_the_first_limit_that_it_meets() {
        let floor = Share { floor: 4, lending_limit: Some(0), ..Share::default() };
        let lent = Share { floor: 4, ..Share::default() };
        for (what, shares, slots, expected) in [
            ("nobody there", pool(3, &[]), 3, Decision::Grant),
            ("too many at all", pool(3, &[]), 4, Decision::Refuse(Reason::MoreThanPool)),
            ("full", pool(3, &[(2, holds(2))]), 2, Decision::Refuse(Reason::Full)),
            ("quota", pool(9, &[(1, Share { quota: Some(2), ..holds(1) })]), 2, Decision::Refuse(Reason::Quota)),
            ("ceiling", pool(9, &[(1, Share { ceiling: Some(2), ..holds(1) })]), 2, Decision::Refuse(Reason::Ceiling)),
            (
                "borrowing",
                pool(9, &[(1, Share { floor: 1, borrowing_limit: Some(1), ..holds(1) })]),
                2,
                Decision::Refuse(Reason::BorrowingLimit),
            ),
            ("kept for the other", pool(6, &[(2, floor)]), 3, Decision::Refuse(Reason::Reserved)),
            ("beside what is kept", pool(6, &[(2, floor)]), 2, Decision::Grant),
            ("lent by the other", pool(6, &[(2, lent)]), 6, Decision::Grant),
            (
                "lent in part",
                pool(6, &[(2, Share { lending_limit: Some(1), ..lent })]),
                4,
                Decision::Refuse(Reason::Reserved),
            ),
        ] {
            assert_eq!(shares.decide(1, slots), expected, "{what}");
        }
    }

    #[test]
    fn an_owner_takes_back_what_was_lent_from_the_least_important_first() {
        let shares = pool(
            10,
            &[
                (1, Share { floor: 4, held: 1, ..Share::default() }),
                (2, Share { held: 5, priority: 5, ..Share::default() }),
                (3, Share { held: 4, floor: 2, priority: 1, ..Share::default() }),
            ],
        );
        assert_eq!(shares.decide(1, 3), Decision::Reclaim(vec![(3, 2), (2, 1)]));
        assert_eq!(shares.decide(1, 4), Decision::Refuse(Reason::Full), "beyond its floor it waits like others");
    }

    #[test]
    fn promises_add_up_and_one_without_a_limit_leaves_the_tenant_without() {
        let promise = |baseline, ceiling, lending_limit, borrowing_limit| Promise {
            pool: 1,
            tenant: 1,
            from_ms: 0,
            to_ms: None,
            baseline,
            ceiling,
            lending_limit,
            borrowing_limit,
        };
        let (first, second) = (promise(0, Some(5), Some(0), None), promise(3, Some(4), Some(2), Some(7)));
        let held = Share { held: 9, quota: Some(20), priority: 2, ..Share::default() };
        let both = Share { floor: 3, ceiling: Some(9), lending_limit: Some(2), borrowing_limit: None, ..held };
        for order in [[&first, &second], [&second, &first]] {
            let mut promised = Promised::default();
            for one in order {
                promised.add(one);
            }
            assert_eq!(promised.share(held), both);
            promised.remove(&first);
            let alone = Share { ceiling: Some(4), lending_limit: Some(2), borrowing_limit: Some(7), ..both };
            assert_eq!(promised.share(held), alone);
            promised.remove(&second);
            assert_eq!(promised, Promised::default());
            assert_eq!(promised.share(held), held);
        }
    }

    fn share() -> impl Strategy<Value = Share> {
        let some = |most: u32| prop::option::of(0..most);
        (0_u32..8, some(12), some(12), some(6), some(8), 0_u8..10).prop_map(
            |(floor, quota, ceiling, lending_limit, borrowing_limit, priority)| Share {
                held: 0,
                quota,
                floor,
                ceiling,
                lending_limit,
                borrowing_limit,
                priority,
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_comes_no_limit_is_passed_and_what_is_not_lent_is_there(
            shares in prop::collection::vec(share(), 1..6),
            spare in 0_u32..10,
            claims in prop::collection::vec((0_usize..6, 1_u32..5, any::<bool>()), 1..120),
        ) {
            let floors: u32 = shares.iter().map(|share| share.floor).sum();
            let mut pool = Shares { capacity: floors + spare, tenants: (0..).zip(shares).collect() };
            for (who, slots, releases) in claims {
                let who = (who % pool.tenants.len()) as i32;
                if releases {
                    let share = pool.tenants.entry(who).or_default();
                    share.held -= share.held.min(slots);
                    continue;
                }
                let own = pool.tenants[&who];
                match pool.decide(who, slots) {
                    Decision::Grant => pool.tenants.entry(who).or_default().held += slots,
                    Decision::Reclaim(from) => {
                        prop_assert!(own.held + slots <= own.floor);
                        let free = u64::from(pool.capacity) - pool.held() - pool.kept_for_others(who);
                        let taken: u64 = from.iter().map(|(_, count)| u64::from(*count)).sum();
                        prop_assert_eq!(free + taken, u64::from(slots), "no more than is needed");
                        for (other, count) in from {
                            let share = pool.tenants.entry(other).or_default();
                            prop_assert!(count <= share.borrowed(), "only what is borrowed");
                            share.held -= count;
                        }
                        pool.tenants.entry(who).or_default().held += slots;
                    }
                    Decision::Refuse(_) => {
                        // Within its floor, and within its own limits, nobody is ever refused: floors fit into the pool.
                        let after = own.held + slots;
                        let limited = own.quota.is_some_and(|quota| after > quota)
                            || own.ceiling.is_some_and(|ceiling| after > ceiling);
                        prop_assert!(after > own.floor || limited);
                    }
                }
                prop_assert!(pool.held() <= u64::from(pool.capacity));
                let own = pool.tenants[&who];
                prop_assert!(own.quota.is_none_or(|quota| own.held <= quota));
                prop_assert!(own.ceiling.is_none_or(|ceiling| own.held <= ceiling));
                prop_assert!(own.borrowing_limit.is_none_or(|limit| own.borrowed() <= limit));
                // What is kept for anybody is free right now.
                let kept: u64 = pool.tenants.values().map(|share| u64::from(share.kept())).sum();
                prop_assert!(pool.held() + kept <= u64::from(pool.capacity));
            }
        }
    }
}
