//! Rate limits: five ways to let through only so much in so much time, as pure rules over a clock that is passed in.
//!
//! All arithmetic is in whole numbers, so a limit holds exactly and for ever. A key (a tenant, a token, an address) has a
//! [`State`] of its own; where several limits apply, all must admit ([`admit_all`]), and none is charged unless all do.
//!
//! | limit | never more than | why one would want it |
//! |---|---|---|
//! | token bucket | `burst + floor(t · rate)` in any time `t` | bursts after a rest, a mean rate |
//! | leaky bucket | one every `period / rate`, `depth` waiting | a constant drain behind it |
//! | fixed window | `most` in each window of the clock; twice that around its edge | cheap; where an edge does not matter |
//! | sliding log | `most` in any window | exact; remembers every admission |
//! | sliding buckets | `most` in any window, sometimes fewer | nearly exact; remembers a few counts |

use crate::Millis;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "algorithm", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Limit {
    /// A bucket of `burst` tokens into which `rate` tokens flow every `period_ms`.
    TokenBucket {
        /// Most tokens in the bucket, at least 1.
        burst: u32,
        /// Tokens that flow in, at least 1.
        rate: u32,
        /// In this time, at least 1 ms.
        period_ms: u32,
    },
    /// A queue that is served at `rate` every `period_ms`; what finds `depth` waiting is refused, what waits is told how long.
    LeakyBucket {
        /// Most that wait, 0 or more.
        depth: u32,
        /// Served, at least 1.
        rate: u32,
        /// In this time, at least 1 ms.
        period_ms: u32,
    },
    /// At most `most` in each window that begins at a multiple of `window_ms`.
    FixedWindow {
        /// At least 1.
        most: u32,
        /// At least 1 ms.
        window_ms: u32,
    },
    /// At most `most` in any window of `window_ms`.
    SlidingLog {
        /// At least 1.
        most: u32,
        /// At least 1 ms.
        window_ms: u32,
    },
    /// The same, from counts of `buckets` parts of the window: what came in a part that is only partly inside counts whole.
    SlidingBuckets {
        /// At least 1.
        most: u32,
        /// At least 1 ms; a multiple of `buckets` is counted most finely.
        window_ms: u32,
        /// At least 1.
        buckets: u32,
    },
}

/// What a limit remembers of a key. A new key begins with the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Token bucket: tokens times `period_ms` that are missing. Leaky bucket: when the last in the queue is served, in
    /// ms times `rate`. Fixed window: admissions in the window.
    level: u128,
    /// When `level` was true, or which window it is of.
    at: Millis,
    /// Sliding limits: instants or bucket numbers, each with how many were admitted then, oldest first.
    admitted: VecDeque<(Millis, u32)>,
}

/// What a limit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go ahead, after this many milliseconds (0 but for the leaky bucket).
    Admit {
        /// Wait.
        after_ms: Millis,
    },
    /// It may not; the soonest that it might be admitted if nothing else is until then. `None` if never: it asks for more
    /// than the limit ever lets through at once.
    Refuse {
        /// Wait.
        retry_after_ms: Option<Millis>,
    },
}

impl Verdict {
    /// Whether it may go ahead.
    pub fn admits(self) -> bool {
        matches!(self, Self::Admit { .. })
    }
}

const NOW: Verdict = Verdict::Admit { after_ms: 0 };

fn refuse(after: Option<Millis>) -> Verdict {
    Verdict::Refuse { retry_after_ms: after }
}

impl Limit {
    /// What is wrong with a limit.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(self) -> Result<(), String> {
        let numbers = match self {
            Self::TokenBucket { burst, rate, period_ms } => {
                vec![("burst", burst), ("rate", rate), ("period_ms", period_ms)]
            }
            Self::LeakyBucket { rate, period_ms, .. } => vec![("rate", rate), ("period_ms", period_ms)],
            Self::FixedWindow { most, window_ms } | Self::SlidingLog { most, window_ms } => {
                vec![("most", most), ("window_ms", window_ms)]
            }
            Self::SlidingBuckets { most, window_ms, buckets } => {
                if buckets > window_ms {
                    return Err(format!("buckets is {buckets}, expected at most window_ms {window_ms}"));
                }
                vec![("most", most), ("window_ms", window_ms), ("buckets", buckets)]
            }
        };
        match numbers.into_iter().find(|(_, number)| *number == 0) {
            Some((field, _)) => Err(format!("{field} is 0, expected at least 1")),
            None => Ok(()),
        }
    }

    /// Asks for `cost` at `now`, and charges it if it is admitted. Time that goes back is taken to stand still.
    pub fn ask(self, state: &mut State, now: Millis, cost: u32) -> Verdict {
        let (verdict, after) = self.look(state, now, cost);
        if verdict.admits() {
            *state = after;
        }
        verdict
    }

    /// The verdict, and the state after it if it admits.
    fn look(self, state: &State, now: Millis, cost: u32) -> (Verdict, State) {
        let mut next = state.clone();
        let verdict = match self {
            Self::TokenBucket { burst, rate, period_ms } => token_bucket(&mut next, now, cost, burst, rate, period_ms),
            Self::LeakyBucket { depth, rate, period_ms } => leaky_bucket(&mut next, now, cost, depth, rate, period_ms),
            Self::FixedWindow { most, window_ms } => fixed_window(&mut next, now, cost, most, window_ms),
            Self::SlidingLog { most, window_ms } => {
                let now = now.max(next.at);
                sliding(&mut next, now, cost, most, Millis::from(window_ms), 1)
            }
            Self::SlidingBuckets { most, window_ms, buckets } => {
                let width = Millis::from(window_ms.div_ceil(buckets));
                let now = now.max(next.at);
                // A window that begins inside a part holds the rest of that part, so one part more than fit is counted.
                sliding(&mut next, now, cost, most, width * (Millis::from(buckets) + 1), width)
            }
        };
        (verdict, next)
    }
}

/// Asks several limits, each with its state: admitted if all admit, and then all are charged. The wait is the longest.
pub fn admit_all(limits: &mut [(Limit, &mut State)], now: Millis, cost: u32) -> Verdict {
    let mut after_all = Vec::with_capacity(limits.len());
    let (mut after_ms, mut retry, mut refused, mut never) = (0, 0, false, false);
    for (limit, state) in limits.iter() {
        let (verdict, next) = limit.look(state, now, cost);
        match verdict {
            Verdict::Admit { after_ms: own } => after_ms = after_ms.max(own),
            Verdict::Refuse { retry_after_ms } => {
                refused = true;
                match retry_after_ms {
                    Some(own) => retry = retry.max(own),
                    None => never = true,
                }
            }
        }
        after_all.push(next);
    }
    if refused {
        return refuse((!never).then_some(retry));
    }
    for ((_, state), next) in limits.iter_mut().zip(after_all) {
        **state = next;
    }
    Verdict::Admit { after_ms }
}

fn token_bucket(state: &mut State, now: Millis, cost: u32, burst: u32, rate: u32, period_ms: u32) -> Verdict {
    let (rate, period) = (u128::from(rate), u128::from(period_ms));
    let now = now.max(state.at);
    let flowed = (now - state.at).unsigned_abs();
    // What is missing shrinks as tokens flow in.
    let missing = state.level.saturating_sub(u128::from(flowed) * rate);
    let (most, wanted) = (u128::from(burst) * period, u128::from(cost) * period);
    if wanted > most {
        return refuse(None);
    }
    if missing + wanted <= most {
        state.level = missing + wanted;
        state.at = now;
        return NOW;
    }
    let short = missing + wanted - most;
    refuse(Millis::try_from(short.div_ceil(rate)).ok())
}

fn leaky_bucket(state: &mut State, now: Millis, cost: u32, depth: u32, rate: u32, period_ms: u32) -> Verdict {
    let (rate, period) = (u128::from(rate), u128::from(period_ms));
    let now = now.max(state.at);
    // Instants are counted in 1/rate ms from `at`, so that the drain is exact.
    let passed = u128::from((now - state.at).unsigned_abs()) * rate;
    let ahead = state.level.saturating_sub(passed);
    let wanted = u128::from(cost) * period;
    // The one that is being served waits no more; `depth` others may.
    if ahead + wanted > (u128::from(depth) + 1) * period {
        let most = (u128::from(depth) + 1) * period;
        if wanted > most {
            return refuse(None);
        }
        return refuse(Millis::try_from((ahead + wanted - most).div_ceil(rate)).ok());
    }
    state.level = ahead + wanted;
    state.at = now;
    Verdict::Admit { after_ms: Millis::try_from(ahead.div_ceil(rate)).unwrap_or(Millis::MAX) }
}

fn fixed_window(state: &mut State, now: Millis, cost: u32, most: u32, window_ms: u32) -> Verdict {
    let width = Millis::from(window_ms);
    let now = now.max(state.at);
    let window = now.div_euclid(width) * width;
    let used = if state.at.div_euclid(width) * width == window { state.level } else { 0 };
    if cost > most {
        return refuse(None);
    }
    if used + u128::from(cost) > u128::from(most) {
        return refuse(Some(window + width - now));
    }
    state.level = used + u128::from(cost);
    state.at = now;
    NOW
}

/// A window of `span` over admissions that are noted by parts of `width` (1 for each instant).
fn sliding(state: &mut State, now: Millis, cost: u32, most: u32, span: Millis, width: Millis) -> Verdict {
    let part = now.div_euclid(width) * width;
    // A part is out of every window that ends now when its end is.
    while state.admitted.front().is_some_and(|(start, _)| start + span <= part) {
        state.admitted.pop_front();
    }
    if cost > most {
        return refuse(None);
    }
    let used: u64 = state.admitted.iter().map(|(_, count)| u64::from(*count)).sum();
    let room = u64::from(most).saturating_sub(used);
    if u64::from(cost) > room {
        let mut freed = room;
        for (start, count) in &state.admitted {
            freed += u64::from(*count);
            if freed >= u64::from(cost) {
                return refuse(Some(start + span - now));
            }
        }
        return refuse(None);
    }
    state.at = now;
    match state.admitted.back_mut() {
        Some((start, count)) if *start == part => *count += cost,
        _ if cost > 0 => state.admitted.push_back((part, cost)),
        _ => {}
    }
    NOW
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> impl Strategy<Value = Limit> {
        let number = 1_u32..20;
        let time = 1_u32..2_000;
        prop_oneof![
            (number.clone(), number.clone(), time.clone()).prop_map(|(burst, rate, period_ms)| Limit::TokenBucket {
                burst,
                rate,
                period_ms
            }),
            (0_u32..20, number.clone(), time.clone()).prop_map(|(depth, rate, period_ms)| Limit::LeakyBucket {
                depth,
                rate,
                period_ms
            }),
            (number.clone(), time.clone()).prop_map(|(most, window_ms)| Limit::FixedWindow { most, window_ms }),
            (number.clone(), time.clone()).prop_map(|(most, window_ms)| Limit::SlidingLog { most, window_ms }),
            (number, time, 1_u32..12).prop_map(|(most, window_ms, buckets)| Limit::SlidingBuckets {
                most,
                window_ms: window_ms.max(buckets),
                buckets
            }),
        ]
    }

    /// Steps in time and costs; what was admitted: when it goes ahead, and its cost.
    fn play(limit: Limit, steps: &[(Millis, u32)]) -> Vec<(Millis, u32)> {
        let (mut state, mut now, mut admitted) = (State::default(), 1_000, Vec::new());
        for (step, cost) in steps {
            now += step;
            if let Verdict::Admit { after_ms } = limit.ask(&mut state, now, *cost) {
                admitted.push((now + after_ms, *cost));
            }
        }
        admitted
    }

    /// The most that was admitted in any window `[t, t + span)`; windows that begin with an admission are enough.
    fn most_in(admitted: &[(Millis, u32)], span: Millis) -> u64 {
        let sums = admitted.iter().map(|(from, _)| {
            admitted.iter().filter(|(at, _)| at >= from && *at < from + span).map(|(_, cost)| u64::from(*cost)).sum()
        });
        sums.max().unwrap_or_default()
    }

    proptest! {
        #[test]
        fn no_window_gets_more_than_was_promised(
            limit in limits(),
            steps in prop::collection::vec((0_i64..300, 0_u32..4), 1..200),
        ) {
            let admitted = play(limit, &steps);
            match limit {
                Limit::TokenBucket { burst, rate, period_ms } => {
                    for span in [1, 7, 100, i64::from(period_ms), 3 * i64::from(period_ms) + 1] {
                        let flow = u64::from(rate) * span.unsigned_abs() / u64::from(period_ms);
                        prop_assert!(most_in(&admitted, span) <= u64::from(burst) + flow);
                    }
                }
                Limit::LeakyBucket { rate, period_ms, .. } => {
                    // Everything begins at least `cost · period / rate` after the one before it began.
                    for pair in admitted.windows(2) {
                        let apart = (pair[1].0 - pair[0].0 + 1) * i64::from(rate);
                        prop_assert!(apart >= i64::from(pair[0].1) * i64::from(period_ms), "{pair:?}");
                    }
                }
                Limit::FixedWindow { most, window_ms } => {
                    let width = i64::from(window_ms);
                    for (at, _) in &admitted {
                        let start = at.div_euclid(width) * width;
                        let sum: u32 = admitted.iter().filter(|(t, _)| (start..start + width).contains(t)).map(|a| a.1).sum();
                        prop_assert!(sum <= most);
                    }
                    prop_assert!(most_in(&admitted, width) <= 2 * u64::from(most), "twice around an edge, never more");
                }
                Limit::SlidingLog { most, window_ms } | Limit::SlidingBuckets { most, window_ms, .. } => {
                    prop_assert!(most_in(&admitted, i64::from(window_ms)) <= u64::from(most));
                }
            }
        }

        #[test]
        fn the_wait_that_is_told_is_long_enough_and_no_longer(
            limit in limits(),
            steps in prop::collection::vec((0_i64..200, 1_u32..4), 1..60),
            cost in 1_u32..6,
        ) {
            let (mut state, mut now) = (State::default(), 0);
            for (step, cost) in steps {
                now += step;
                limit.ask(&mut state, now, cost);
            }
            match limit.ask(&mut state.clone(), now, cost) {
                Verdict::Admit { .. } => {}
                Verdict::Refuse { retry_after_ms: Some(wait) } => {
                    prop_assert!(wait > 0);
                    prop_assert!(limit.ask(&mut state.clone(), now + wait, cost).admits(), "too short");
                    prop_assert!(!limit.ask(&mut state.clone(), now + wait - 1, cost).admits(), "too long");
                }
                Verdict::Refuse { retry_after_ms: None } => {
                    let much_later = now + 1_000_000_000;
                    prop_assert!(!limit.ask(&mut state.clone(), much_later, cost).admits(), "it would be, some day");
                }
            }
        }

        #[test]
        fn what_one_limit_refuses_no_other_is_charged_for(
            a in limits(), b in limits(),
            steps in prop::collection::vec((0_i64..200, 1_u32..4), 1..60),
        ) {
            let (mut one, mut two, mut now) = (State::default(), State::default(), 0);
            for (step, cost) in steps {
                now += step;
                let (before_one, before_two) = (one.clone(), two.clone());
                let alone = a.ask(&mut one.clone(), now, cost).admits() && b.ask(&mut two.clone(), now, cost).admits();
                let verdict = admit_all(&mut [(a, &mut one), (b, &mut two)], now, cost);
                prop_assert_eq!(verdict.admits(), alone);
                if !alone {
                    prop_assert_eq!((&one, &two), (&before_one, &before_two));
                }
            }
        }
    }

    #[test]
    fn a_fixed_window_lets_twice_as_many_through_around_its_edge_and_a_sliding_one_does_not() {
        let minute = 60_000;
        let burst: Vec<(Millis, u32)> = std::iter::once((minute - 1_001, 0))
            .chain(std::iter::repeat_n((0, 1), 150))
            .chain(std::iter::once((2, 0)))
            .chain(std::iter::repeat_n((0, 1), 150))
            .collect();
        let within = |limit| most_in(&play(limit, &burst), minute);
        assert_eq!(within(Limit::FixedWindow { most: 100, window_ms: 60_000 }), 200);
        assert_eq!(within(Limit::SlidingLog { most: 100, window_ms: 60_000 }), 100);
        assert_eq!(within(Limit::SlidingBuckets { most: 100, window_ms: 60_000, buckets: 6 }), 100);
    }

    #[test]
    fn a_bucket_is_full_after_a_rest_and_drains_evenly() {
        let bucket = Limit::TokenBucket { burst: 3, rate: 1, period_ms: 1_000 };
        let mut state = State::default();
        let asked: Vec<bool> = [0, 0, 0, 0, 999, 1_000].map(|now| bucket.ask(&mut state, now, 1).admits()).to_vec();
        assert_eq!(asked, [true, true, true, false, false, true]);
        let queue = Limit::LeakyBucket { depth: 2, rate: 2, period_ms: 1_000 };
        let mut state = State::default();
        let waits: Vec<Verdict> = (0..4).map(|_| queue.ask(&mut state, 0, 1)).collect();
        let admit = |after_ms| Verdict::Admit { after_ms };
        assert_eq!(waits, [admit(0), admit(500), admit(1_000), refuse(Some(500))]);
    }

    #[test]
    fn limits_that_make_no_sense_are_told_by_field() {
        let none = Limit::TokenBucket { burst: 1, rate: 0, period_ms: 1 };
        assert_eq!(none.check(), Err("rate is 0, expected at least 1".into()));
        let fine = Limit::SlidingBuckets { most: 1, window_ms: 5, buckets: 6 };
        assert!(fine.check().is_err_and(|problem| problem.starts_with("buckets is 6")));
        assert_eq!(Limit::LeakyBucket { depth: 0, rate: 1, period_ms: 1 }.check(), Ok(()));
    }
}
