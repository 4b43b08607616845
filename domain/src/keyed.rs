//! What the rate limits of a pool remember, by key.
//!
//! A key is forgotten when it is as good as new by its own limit, so that forgetting never lets more through. Whoever asks names
//! keys freely, so their number is bounded, for each limit apart: with all of them remembered, new ones are refused.

use crate::Millis;
use crate::allocation::Ask;
use crate::lease::{By, KeyedLimit};
use crate::throttle::{State, Verdict};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Keys that are remembered of a pool, over all its limits,
const KEYS: usize = 100_000;
/// and admissions of limits that remember each.
const ADMISSIONS: usize = 1_000_000;
/// Keys of a limit that are forgotten with a claim, if it is time: more than one claim brings.
const FORGOTTEN: usize = 4;

/// The keys of one limit.
#[derive(Debug, Default)]
struct Keys {
    states: HashMap<Arc<str>, (State, Millis)>,
    /// When each may be forgotten.
    by_end: BTreeSet<(Millis, Arc<str>)>,
    admissions: usize,
}

/// The rate limits of a pool.
#[derive(Debug, Default)]
pub(crate) struct Throttles {
    limits: Vec<(KeyedLimit, Keys)>,
}

impl Throttles {
    pub(crate) fn new(limits: &[KeyedLimit]) -> Self {
        Self { limits: limits.iter().map(|limit| (*limit, Keys::default())).collect() }
    }

    /// Whether all limits admit a claim, and when; then all are charged.
    pub(crate) fn admit(&mut self, ask: &Ask, now: Millis) -> Verdict {
        let share = self.limits.len().max(1);
        let mut verdict = Verdict::Admit { after_ms: 0 };
        for (keyed, keys) in &mut self.limits {
            keys.forget(now);
            let key = key(keyed.by, ask);
            let known = keys.states.get(&*key).map(|(state, _)| state);
            let own = keyed.limit.look(known.unwrap_or(&State::default()), now, ask.slots, ask.wait_ms);
            let full = (known.is_none() && keys.states.len() >= KEYS / share) || keys.admissions >= ADMISSIONS / share;
            verdict = verdict.and(own);
            if full && keyed.by != By::Pool {
                let soonest = keys.by_end.first().map_or(1_000, |(at, _)| (at - now).max(1));
                verdict = verdict.and(Verdict::Refuse { retry_after_ms: Some(soonest) });
            }
        }
        if verdict.admits() {
            for (keyed, keys) in &mut self.limits {
                keys.charge(*keyed, &key(keyed.by, ask), now, ask.slots);
            }
        }
        verdict
    }
}

fn key(by: By, ask: &Ask) -> Arc<str> {
    match by {
        By::Pool => "".into(),
        By::Tenant => ask.tenant.to_string().into(),
        By::Token => ask.keys.token.as_str().into(),
        By::User => ask.keys.user.as_str().into(),
        By::Address => ask.keys.address.as_str().into(),
        By::Region => ask.keys.region.as_str().into(),
        By::Endpoint => ask.keys.endpoint.as_str().into(),
    }
}

impl Keys {
    fn forget(&mut self, now: Millis) {
        for _ in 0..FORGOTTEN {
            if self.by_end.first().is_none_or(|(at, _)| *at > now) {
                return;
            }
            let Some((_, key)) = self.by_end.pop_first() else { return };
            if let Some((state, _)) = self.states.remove(&key) {
                self.admissions -= state.admissions();
            }
        }
    }

    fn charge(&mut self, keyed: KeyedLimit, key: &Arc<str>, now: Millis, cost: u32) {
        let (state, end) = self.states.entry(Arc::clone(key)).or_default();
        let before = (state.admissions(), *end);
        keyed.limit.charge(state, now, cost);
        *end = keyed.limit.forgets_at(state);
        self.admissions = self.admissions + state.admissions() - before.0;
        self.by_end.remove(&(before.1, Arc::clone(key)));
        self.by_end.insert((*end, Arc::clone(key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HOUR_MS;
    use crate::allocation::LimitKeys;
    use crate::throttle::Limit;

    const HOURLY: Limit = Limit::FixedWindow { most: 1, window_ms: HOUR_MS as u32 };

    fn of(user: usize) -> Ask {
        let keys = LimitKeys { user: format!("user-{user}"), ..LimitKeys::default() };
        Ask { slots: 1, keys, tenant: user as i32, ..Ask::default() }
    }

    fn throttles(limits: &[(By, Limit)]) -> Throttles {
        let limits: Vec<KeyedLimit> = limits.iter().map(|(by, limit)| KeyedLimit { by: *by, limit: *limit }).collect();
        Throttles::new(&limits)
    }

    #[test]
    fn keys_are_forgotten_by_their_own_window_and_new_ones_refused_while_there_are_too_many() {
        let mut all = throttles(&[(By::User, HOURLY)]);
        assert!((0..KEYS).all(|user| all.admit(&of(user), 0).admits()));
        let half = HOUR_MS / 2;
        assert_eq!(all.admit(&of(KEYS), half), Verdict::Refuse { retry_after_ms: Some(half) }, "too many");
        assert_eq!(all.admit(&of(0), half), Verdict::Refuse { retry_after_ms: Some(half) }, "nothing begins anew");
        assert_eq!(all.limits[0].1.states.len(), KEYS);
        assert!((KEYS..KEYS + 10).all(|user| all.admit(&of(user), HOUR_MS).admits()), "the hour is over");
        assert_eq!(all.limits[0].1.states.len(), KEYS - 30, "a few are forgotten at a time");
    }

    #[test]
    fn who_fills_the_keys_of_one_limit_leaves_the_others() {
        let plenty = Limit::TokenBucket { burst: 1_000_000, rate: 1, period_ms: 1_000_000 };
        let mut all = throttles(&[(By::User, HOURLY), (By::Pool, plenty)]);
        assert!((0..KEYS / 2).all(|user| all.admit(&of(user), 0).admits()));
        let charged = all.limits[1].1.states[""].0.clone();
        assert!(!all.admit(&of(KEYS), 0).admits());
        assert_eq!(all.limits[1].1.states[""].0, charged, "what one refuses no other is charged for");
    }

    #[test]
    fn admissions_that_are_remembered_one_by_one_are_bounded_too() {
        let log = Limit::SlidingLog { most: 1_000, window_ms: 10_000 };
        let mut all = throttles(&[(By::User, log)]);
        let mut admitted = 0;
        for now in 0..1_000 {
            admitted += (0..1_100).filter(|user| all.admit(&of(*user), now).admits()).count();
        }
        assert_eq!((admitted, all.limits[0].1.admissions), (ADMISSIONS, ADMISSIONS));
        assert_eq!(all.admit(&of(0), 10_900), Verdict::Refuse { retry_after_ms: Some(8) }, "too many");
        assert!(all.admit(&of(0), 10_908).admits(), "some are forgotten");
        let counted: usize = all.limits[0].1.states.values().map(|(state, _)| state.admissions()).sum();
        assert_eq!(all.limits[0].1.admissions, counted);
    }
}
