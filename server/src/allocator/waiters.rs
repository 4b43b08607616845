//! Callers that wait for a claim to be decided. There may be a hundred thousand, so their times are in order,
//! and all of them are looked at only for callers that hung up.

use super::Reply;
use super::way::Way;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Whether callers went away is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Somebody who waits for a claim to be decided.
pub(super) struct Waiter {
    pub(super) pool: i32,
    pub(super) until: Instant,
    pub(super) since: Instant,
    /// Nobody else knows the claim: if this one goes away, so does the claim.
    pub(super) alone: bool,
    /// The way of the claim, with whoever asked for it first.
    pub(super) way: Option<Box<Way>>,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// All that wait.
#[derive(Default)]
pub(super) struct Waiters {
    of: HashMap<Uuid, Vec<Waiter>>,
    by_until: BTreeSet<(Instant, Uuid)>,
    count: usize,
    looked: Option<Instant>,
}

impl Waiters {
    /// How many callers wait.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn add(&mut self, claim: Uuid, waiter: Waiter) {
        self.by_until.insert((waiter.until, claim));
        self.count += 1;
        self.of.entry(claim).or_default().push(waiter);
    }

    /// All that wait for a claim, who do so no longer.
    pub(super) fn take(&mut self, claim: Uuid) -> Vec<Waiter> {
        let waiters = self.of.remove(&claim).unwrap_or_default();
        for waiter in &waiters {
            self.by_until.remove(&(waiter.until, claim));
        }
        self.count -= waiters.len();
        waiters
    }

    /// Those that do not wait longer.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<(Uuid, Waiter)> {
        let mut over = Vec::new();
        while let Some((_, claim)) = self.by_until.first().copied().filter(|(until, _)| *until <= now) {
            for waiter in self.take(claim) {
                if waiter.until <= now {
                    over.push((claim, waiter));
                } else {
                    self.add(claim, waiter);
                }
            }
        }
        over
    }

    /// Those whose pool is none of these any more.
    pub(super) fn outside(&mut self, is_here: impl Fn(i32) -> bool) -> Vec<(Uuid, Waiter)> {
        let gone = |waiters: &Vec<Waiter>| waiters.first().is_some_and(|waiter| !is_here(waiter.pool));
        let claims: Vec<Uuid> = self.of.iter().filter(|(_, waiters)| gone(waiters)).map(|(claim, _)| *claim).collect();
        claims.into_iter().flat_map(|claim| self.take(claim).into_iter().map(move |waiter| (claim, waiter))).collect()
    }

    /// Claims that nobody wants any more, with their pool.
    pub(super) fn abandoned(&mut self, now: Instant) -> Vec<(i32, Uuid)> {
        if self.looked.is_some_and(|at| now.saturating_duration_since(at) < LOOK_EVERY) {
            return Vec::new();
        }
        self.looked = Some(now);
        let nobody = |waiters: &Vec<Waiter>| waiters.iter().all(|waiter| waiter.alone && waiter.reply.is_closed());
        let of = self.of.iter().filter(|(_, waiters)| nobody(waiters));
        of.filter_map(|(claim, waiters)| Some((waiters.first()?.pool, *claim))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(pool: i32, until: Instant, alone: bool) -> (Waiter, oneshot::Receiver<Reply>) {
        let (reply, answer) = oneshot::channel();
        (Waiter { pool, until, since: until, alone, way: None, reply }, answer)
    }

    #[test]
    fn each_is_told_once_in_its_time() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut waiters = Waiters::default();
        let mut open = Vec::new();
        for (claim, ms) in [(first, 10), (first, 30), (first, 10), (second, 20)] {
            let (waiter, answer) = waiter(1, at(ms), false);
            waiters.add(claim, waiter);
            open.push(answer);
        }
        let times = |over: Vec<(Uuid, Waiter)>| -> Vec<(Uuid, u128)> {
            over.into_iter().map(|(claim, waiter)| (claim, (waiter.until - start).as_millis())).collect()
        };
        assert_eq!((waiters.count(), times(waiters.overdue(at(9))).len()), (4, 0));
        assert_eq!(times(waiters.overdue(at(10))), [(first, 10), (first, 10)]);
        assert_eq!(times(waiters.overdue(at(25))), [(second, 20)]);
        assert_eq!(waiters.count(), 1);
        assert_eq!((waiters.take(first).len(), waiters.count(), waiters.by_until.len()), (1, 0, 0));
    }

    #[test]
    fn what_nobody_wants_is_told_and_who_lost_its_pool_is_found() {
        let now = Instant::now();
        let mut waiters = Waiters::default();
        let mut open = Vec::new();
        for (number, pool, alone, stays) in
            [(1, 1, true, false), (2, 1, true, true), (3, 2, false, false), (4, 2, true, true)]
        {
            let (waiter, answer) = waiter(pool, now, alone);
            waiters.add(Uuid::from_u128(number), waiter);
            if stays {
                open.push(answer);
            }
        }
        assert_eq!(waiters.abandoned(now), [(1, Uuid::from_u128(1))]);
        assert!(waiters.abandoned(now).is_empty(), "not looked at again so soon");
        assert_eq!(waiters.outside(|pool| pool == 1).len(), 2);
        assert_eq!((waiters.count(), waiters.overdue(now).len(), waiters.count()), (2, 2, 0));
    }
}
