//! Claims that wait for room in a pool: in what order, for how long, and in which place.
//!
//! A queue may hold a hundred thousand claims, and something is asked of it with every statement, so nothing that is asked often
//! looks at all of them.

use crate::Millis;
use crate::allocation::Ask;
use crate::lease::Reason;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use uuid::Uuid;

/// Place in the queue: priority first, then arrival.
pub(crate) type Rank = (Reverse<u8>, u64);

/// Arrivals that are counted together.
const BLOCK: u64 = 1_024;

/// A claim that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) ask: Ask,
    pub(crate) since: Millis,
    pub(crate) until: Millis,
    /// A rate limit lets it through then.
    pub(crate) from: Millis,
    /// Why it was not granted last time.
    pub(crate) reason: Reason,
}

impl Waiting {
    /// How long it has waited, milliseconds: not less than nothing, also where the owner's clock was put back meanwhile.
    pub(crate) fn waited_ms(&self, now: Millis) -> Millis {
        (now - self.since).max(0)
    }
}

/// The claims that wait in one pool.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<Rank, Waiting>,
    ranks: HashMap<Uuid, Rank>,
    arrivals: u64,
    by_until: BTreeSet<(Millis, Rank)>,
    /// Those that a rate limit does not let through yet: they have their place, but are not looked at.
    by_from: BTreeSet<(Millis, Rank)>,
    by_tenant: BTreeMap<i32, BTreeSet<Rank>>,
    /// The first of each tenant.
    heads: BTreeSet<Rank>,
    /// How many wait of each block of arrivals, in the order of ranks.
    blocks: BTreeMap<Rank, usize>,
}

fn block_of((priority, arrival): Rank) -> Rank {
    (priority, arrival / BLOCK)
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts a claim behind all that came before it with its priority.
    pub(crate) fn push(&mut self, waiting: Waiting) -> Rank {
        let rank = (Reverse(waiting.ask.priority), self.arrivals);
        self.arrivals += 1;
        self.ranks.insert(waiting.ask.claim, rank);
        self.by_until.insert((waiting.until, rank));
        if waiting.from > waiting.since {
            self.by_from.insert((waiting.from, rank));
        } else {
            self.line_up(waiting.ask.tenant, rank);
        }
        *self.blocks.entry(block_of(rank)).or_default() += 1;
        self.waiting.insert(rank, waiting);
        rank
    }

    fn line_up(&mut self, tenant: i32, rank: Rank) {
        let own = self.by_tenant.entry(tenant).or_default();
        if own.first().is_none_or(|head| rank < *head) {
            if let Some(head) = own.first() {
                self.heads.remove(head);
            }
            self.heads.insert(rank);
        }
        own.insert(rank);
    }

    /// Those whose time has come are looked at.
    pub(crate) fn ripen(&mut self, now: Millis) {
        while let Some((from, rank)) = self.by_from.first().copied().filter(|(from, _)| *from <= now) {
            self.by_from.remove(&(from, rank));
            if let Some(tenant) = self.waiting.get(&rank).map(|waiting| waiting.ask.tenant) {
                self.line_up(tenant, rank);
            }
        }
    }

    pub(crate) fn remove(&mut self, rank: Rank) -> Option<Waiting> {
        let waiting = self.waiting.remove(&rank)?;
        self.ranks.remove(&waiting.ask.claim);
        self.by_until.remove(&(waiting.until, rank));
        self.by_from.remove(&(waiting.from, rank));
        if let Some(own) = self.by_tenant.get_mut(&waiting.ask.tenant) {
            own.remove(&rank);
            if self.heads.remove(&rank) {
                self.heads.extend(own.first());
            }
            if own.is_empty() {
                self.by_tenant.remove(&waiting.ask.tenant);
            }
        }
        if let Some(count) = self.blocks.get_mut(&block_of(rank)) {
            *count -= 1;
            if *count == 0 {
                self.blocks.remove(&block_of(rank));
            }
        }
        Some(waiting)
    }

    pub(crate) fn get(&self, rank: Rank) -> Option<&Waiting> {
        self.waiting.get(&rank)
    }

    pub(crate) fn set_reason(&mut self, rank: Rank, reason: Reason) {
        if let Some(waiting) = self.waiting.get_mut(&rank) {
            waiting.reason = reason;
        }
    }

    pub(crate) fn rank_of(&self, claim: Uuid) -> Option<Rank> {
        self.ranks.get(&claim).copied()
    }

    /// The place of a rank, from 1.
    pub(crate) fn position(&self, rank: Rank) -> usize {
        let block = block_of(rank);
        let before: usize = self.blocks.range(..block).map(|(_, count)| count).sum();
        before + self.waiting.range((block.0, block.1 * BLOCK)..=rank).count()
    }

    /// The first after a place of those that are the first of their tenant.
    pub(crate) fn head_after(&self, rank: Option<Rank>) -> Option<Rank> {
        let after = rank.map_or(Bound::Unbounded, Bound::Excluded);
        self.heads.range((after, Bound::Unbounded)).next().copied()
    }

    /// The next of a tenant after a place.
    pub(crate) fn next_of(&self, tenant: i32, rank: Rank) -> Option<Rank> {
        self.by_tenant.get(&tenant)?.range((Bound::Excluded(rank), Bound::Unbounded)).next().copied()
    }

    /// The first of a tenant.
    pub(crate) fn first_of(&self, tenant: i32, most: usize) -> Vec<Rank> {
        self.by_tenant.get(&tenant).map(|own| own.iter().take(most).copied().collect()).unwrap_or_default()
    }

    /// Tenants with claims that wait.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = i32> {
        self.by_tenant.keys().copied()
    }

    /// How many wait, by priority.
    pub(crate) fn by_priority(&self) -> BTreeMap<u8, usize> {
        let mut counts = BTreeMap::new();
        for ((Reverse(priority), _), count) in &self.blocks {
            *counts.entry(*priority).or_default() += count;
        }
        counts
    }

    /// When the next is let through by a rate limit.
    pub(crate) fn next_from(&self) -> Option<Millis> {
        self.by_from.first().map(|(from, _)| *from)
    }

    /// When the next has waited long enough.
    pub(crate) fn next_until(&self) -> Option<Millis> {
        self.by_until.first().map(|(until, _)| *until)
    }

    /// Those that have waited long enough, longest first.
    pub(crate) fn late(&self, now: Millis, most: usize) -> Vec<Rank> {
        self.by_until.iter().take_while(|(until, _)| *until <= now).take(most).map(|(_, rank)| *rank).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waiting(number: u128, tenant: i32, priority: u8, until: Millis) -> Waiting {
        let ask = Ask { claim: Uuid::from_u128(number), tenant, priority, ..Ask::default() };
        Waiting { ask, since: 0, until, from: until / 2, reason: Reason::Full }
    }

    proptest! {
        /// Everything that is kept beside the claims says the same as looking at all of them.
        #[test]
        fn what_is_counted_is_what_is_there(
            steps in prop::collection::vec((0..3_u8, 0..5_i32, 0..4_u8, 0..50_i64), 1..400),
            gap in 0..3_000_u64,
        ) {
            let mut queue = Queue::default();
            let mut all: Vec<Rank> = Vec::new();
            for (number, (what, tenant, priority, until)) in steps.into_iter().enumerate() {
                if what == 0 && !all.is_empty() {
                    let rank = all.remove(until as usize % all.len());
                    prop_assert!(queue.remove(rank).is_some() && queue.remove(rank).is_none());
                } else {
                    all.push(queue.push(waiting(number as u128, tenant, priority, until)));
                    queue.arrivals += gap;
                }
            }
            all.sort_unstable();
            prop_assert_eq!(queue.next_from(), all.iter().filter_map(|r| queue.get(*r)).map(|w| w.from).filter(|f| *f > 0).min());
            queue.ripen(12);
            prop_assert!(queue.next_from().is_none_or(|from| from > 12));
            prop_assert_eq!(queue.len(), all.len());
            prop_assert_eq!(queue.waiting.keys().copied().collect::<Vec<_>>(), all.clone());
            for (place, rank) in all.iter().enumerate() {
                prop_assert_eq!(queue.position(*rank), place + 1);
                let claim = queue.get(*rank).expect("it waits").ask.claim;
                prop_assert_eq!(queue.rank_of(claim), Some(*rank));
            }
            let of = |f: &dyn Fn(&Waiting) -> bool| -> Vec<Rank> {
                all.iter().filter(|rank| queue.get(**rank).is_some_and(f)).copied().collect()
            };
            for tenant in 0..5 {
                prop_assert_eq!(queue.first_of(tenant, usize::MAX), of(&|w| w.ask.tenant == tenant && w.from <= 12));
                let own = queue.first_of(tenant, usize::MAX);
                prop_assert!(own.windows(2).all(|pair| queue.next_of(tenant, pair[0]) == Some(pair[1])));
                prop_assert_eq!(queue.tenants().any(|t| t == tenant), !own.is_empty());
            }
            let mut heads: Vec<Rank> = (0..5).filter_map(|tenant| queue.first_of(tenant, 1).pop()).collect();
            heads.sort_unstable();
            let mut walked: Vec<Rank> = Vec::new();
            while let Some(rank) = queue.head_after(walked.last().copied()) {
                walked.push(rank);
            }
            prop_assert_eq!(walked, heads);
            for priority in 0..4 {
                let count = queue.by_priority().get(&priority).copied().unwrap_or_default();
                prop_assert_eq!(count, of(&|w| w.ask.priority == priority).len());
            }
            let mut late = queue.late(25, usize::MAX);
            late.sort_unstable();
            prop_assert_eq!(late, of(&|w| w.until <= 25));
            prop_assert_eq!(queue.next_until(), all.iter().filter_map(|r| queue.get(*r)).map(|w| w.until).min());
        }
    }
}
