//! Rate limits: five ways to let through only so much in so much time, as pure rules over a clock that is passed in.
//!
//! All arithmetic is in whole numbers, so a limit holds exactly and for ever. A key (a tenant, a token, an address) has a
//! [`State`] of its own; where several limits apply, all must admit ([`Verdict::and`]), and none is charged unless all do.
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

/// Most instants that a sliding log remembers of a key, and most parts of a window.
pub const MAX_REMEMBERED: u32 = 10_000;

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
        /// At least 1, at most [`MAX_REMEMBERED`].
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
        /// At least 1, at most [`MAX_REMEMBERED`].
        buckets: u32,
    },
}

/// What a limit remembers of a key. A new key begins with the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Token bucket: tokens times `period_ms` that are missing. Leaky bucket: when the last in the queue is served, in
    /// ms times `rate`. Fixed window: admissions in the window. Sliding limits: the sum of `admitted`.
    level: u128,
    /// When `level` was true, or which window it is of.
    at: Millis,
    /// Sliding limits: instants or bucket numbers, each with how many were admitted then, oldest first.
    admitted: VecDeque<(Millis, u32)>,
}

impl State {
    /// Admissions that are remembered one by one, or by parts.
    pub fn admissions(&self) -> usize {
        self.admitted.len()
    }
}

/// What a limit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go ahead, after this many milliseconds (0 but for the leaky bucket).
    Admit {
        /// Wait.
        after_ms: Millis,
    },
    /// It may not; the soonest that it might be admitted, with as much patience, if nothing else is until then. `None` if
    /// never: it asks for more than the limit ever lets through at once.
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

    /// What two limits say together: admitted if both admit. The wait is the longer.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Admit { after_ms: one }, Self::Admit { after_ms: two }) => Self::Admit { after_ms: one.max(two) },
            (Self::Refuse { retry_after_ms: one }, Self::Refuse { retry_after_ms: two }) => {
                refuse(one.zip(two).map(|(one, two)| one.max(two)))
            }
            (refused @ Self::Refuse { .. }, _) | (_, refused) => refused,
        }
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
        if let Some((field, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(format!("{field} is 0, expected at least 1"));
        }
        match self {
            Self::SlidingLog { most, .. } if most > MAX_REMEMBERED => {
                Err(format!("most is {most}, expected at most {MAX_REMEMBERED}; sliding-buckets has no such bound"))
            }
            Self::SlidingBuckets { buckets, .. } if buckets > MAX_REMEMBERED => {
                Err(format!("buckets is {buckets}, expected at most {MAX_REMEMBERED}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether `cost` is admitted at `now`, by one who waits for `patience_ms` at most. Time that goes back is taken to stand
    /// still.
    pub fn look(self, state: &State, now: Millis, cost: u32, patience_ms: Millis) -> Verdict {
        let now = now.max(state.at);
        match self {
            Self::TokenBucket { burst, rate, period_ms } => {
                let (most, wanted) = (times(burst, period_ms), times(cost, period_ms));
                match (missing(state, now, rate) + wanted).checked_sub(most) {
                    _ if wanted > most => refuse(None),
                    None | Some(0) => NOW,
                    Some(short) => refuse(Millis::try_from(short.div_ceil(rate.into())).ok()),
                }
            }
            Self::LeakyBucket { depth, rate, period_ms } => {
                let (ahead, wanted) = (missing(state, now, rate), times(cost, period_ms));
                // The one that is being served waits no more; `depth` others may.
                let most = times(1, period_ms) + times(depth, period_ms);
                if wanted > most {
                    return refuse(None);
                }
                let until = |work: u128| Millis::try_from(work.div_ceil(rate.into())).unwrap_or(Millis::MAX);
                let after_ms = until(ahead);
                let too_many = (ahead + wanted).saturating_sub(most);
                if too_many == 0 && after_ms <= patience_ms {
                    return Verdict::Admit { after_ms };
                }
                refuse(Some(until(too_many).max(after_ms - patience_ms)))
            }
            Self::FixedWindow { most, .. } if cost > most => refuse(None),
            Self::FixedWindow { most, window_ms } => {
                let (window, used) = in_window(state, now, window_ms);
                if used + u128::from(cost) > u128::from(most) {
                    return refuse(Some(window + Millis::from(window_ms) - now));
                }
                NOW
            }
            Self::SlidingLog { most, .. } | Self::SlidingBuckets { most, .. } => {
                self.look_back(state, now, cost.into(), most.into())
            }
        }
    }

    /// Takes `cost`, which was admitted at this instant.
    pub fn charge(self, state: &mut State, now: Millis, cost: u32) {
        let now = now.max(state.at);
        match self {
            Self::TokenBucket { rate, period_ms, .. } | Self::LeakyBucket { rate, period_ms, .. } => {
                state.level = missing(state, now, rate) + times(cost, period_ms);
            }
            Self::FixedWindow { window_ms, .. } => {
                state.level = in_window(state, now, window_ms).1 + u128::from(cost);
            }
            Self::SlidingLog { .. } | Self::SlidingBuckets { .. } => {
                let (span, width) = self.parts();
                let part = now.div_euclid(width) * width;
                while let Some((_, count)) = state.admitted.pop_front_if(|(start, _)| *start + span <= part) {
                    state.level -= u128::from(count);
                }
                state.level += u128::from(cost);
                match state.admitted.back_mut() {
                    Some((start, count)) if *start == part => *count += cost,
                    _ if cost > 0 => state.admitted.push_back((part, cost)),
                    _ => {}
                }
            }
        }
        state.at = now;
    }

    /// From when on a key is as good as new, if nothing more is asked under it: nothing is lost if it is forgotten then.
    pub fn forgets_at(self, state: &State) -> Millis {
        match self {
            Self::TokenBucket { rate, .. } | Self::LeakyBucket { rate, .. } => {
                let after = Millis::try_from(state.level.div_ceil(rate.into())).unwrap_or(Millis::MAX);
                state.at.saturating_add(after)
            }
            Self::FixedWindow { window_ms, .. } => in_window(state, state.at, window_ms).0 + Millis::from(window_ms),
            Self::SlidingLog { .. } | Self::SlidingBuckets { .. } => {
                // The part in which the last came is out of all windows with the part that begins then.
                state.admitted.back().map_or(state.at, |(start, _)| start + self.parts().0)
            }
        }
    }

    /// The span that a sliding limit looks back, and how finely.
    fn parts(self) -> (Millis, Millis) {
        match self {
            Self::SlidingBuckets { window_ms, buckets, .. } => {
                let width = Millis::from(window_ms.div_ceil(buckets));
                // A window that begins inside a part holds the rest of that part, so one part more than fit is counted.
                (width * (Millis::from(buckets) + 1), width)
            }
            Self::SlidingLog { window_ms, .. } | Self::FixedWindow { window_ms, .. } => (window_ms.into(), 1),
            Self::TokenBucket { period_ms, .. } | Self::LeakyBucket { period_ms, .. } => (period_ms.into(), 1),
        }
    }

    fn look_back(self, state: &State, now: Millis, cost: u128, most: u128) -> Verdict {
        let (span, width) = self.parts();
        let part = now.div_euclid(width) * width;
        if cost > most {
            return refuse(None);
        }
        // A part is out of every window that ends now when its end is.
        let over = state.admitted.iter().take_while(|(start, _)| start + span <= part);
        let (gone, sum) = over.fold((0, 0), |(gone, sum), (_, count)| (gone + 1, sum + u128::from(*count)));
        let mut room = most.saturating_sub(state.level - sum);
        if cost <= room {
            return NOW;
        }
        for (start, count) in state.admitted.iter().skip(gone) {
            room += u128::from(*count);
            if room >= cost {
                return refuse(Some(start + span - now));
            }
        }
        refuse(None)
    }
}

fn times(count: u32, ms: u32) -> u128 {
    u128::from(count) * u128::from(ms)
}

/// What of a bucket's level is not made up for yet: time flows in at `rate`.
fn missing(state: &State, now: Millis, rate: u32) -> u128 {
    state.level.saturating_sub(u128::from((now - state.at).unsigned_abs()) * u128::from(rate))
}

/// The window of the clock that an instant is in, and what was admitted in it.
fn in_window(state: &State, now: Millis, window_ms: u32) -> (Millis, u128) {
    let width = Millis::from(window_ms);
    let window = now.div_euclid(width) * width;
    (window, if state.at.div_euclid(width) * width == window { state.level } else { 0 })
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

    /// Asks, with all patience, and charges what is admitted.
    fn asks(limit: Limit, state: &mut State, now: Millis, cost: u32) -> Verdict {
        let verdict = limit.look(state, now, cost, Millis::MAX);
        if verdict.admits() {
            limit.charge(state, now, cost);
        }
        verdict
    }

    /// Steps in time and costs; what was admitted: when it goes ahead, and its cost.
    fn play(limit: Limit, steps: &[(Millis, u32)]) -> Vec<(Millis, u32)> {
        let (mut state, mut now, mut admitted) = (State::default(), 1_000, Vec::new());
        for (step, cost) in steps {
            now += step;
            if let Verdict::Admit { after_ms } = asks(limit, &mut state, now, *cost) {
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
            patience in prop_oneof![Just(0), 0..2_000_i64, Just(Millis::MAX)],
        ) {
            let (mut state, mut now) = (State::default(), 0);
            for (step, cost) in steps {
                now += step;
                asks(limit, &mut state, now, cost);
            }
            let look = |at: Millis| limit.look(&state, at, cost, patience);
            match look(now) {
                Verdict::Admit { after_ms } => prop_assert!(after_ms <= patience),
                Verdict::Refuse { retry_after_ms: Some(wait) } => {
                    prop_assert!(wait > 0);
                    prop_assert!(look(now + wait).admits(), "too short");
                    prop_assert!(!look(now + wait - 1).admits(), "too long");
                }
                Verdict::Refuse { retry_after_ms: None } => {
                    prop_assert!(!look(now + 1_000_000_000).admits(), "it would be, some day");
                }
            }
        }

        #[test]
        fn what_is_forgotten_is_as_good_as_new(
            limit in limits(),
            steps in prop::collection::vec((0_i64..200, 0_u32..4), 1..60),
            later in prop::collection::vec((0_i64..200, 0_u32..4), 1..20),
        ) {
            let (mut state, mut now) = (State::default(), 0);
            for (step, cost) in steps {
                now += step;
                asks(limit, &mut state, now, cost);
            }
            let (mut new, mut now) = (State::default(), limit.forgets_at(&state));
            for (step, cost) in later {
                prop_assert_eq!(asks(limit, &mut state, now, cost), asks(limit, &mut new, now, cost));
                now += step;
            }
        }

        #[test]
        fn a_verdict_of_two_is_that_of_the_stricter(a in 0_i64..3, b in 0_i64..3, kinds in 0_u8..9) {
            let of = |kind: u8, ms: Millis| match kind {
                0 => Verdict::Admit { after_ms: ms },
                1 => refuse(Some(ms)),
                _ => refuse(None),
            };
            let (one, two) = (of(kinds % 3, a), of(kinds / 3, b));
            prop_assert_eq!(one.and(two), two.and(one));
            prop_assert_eq!(one.and(two).admits(), one.admits() && two.admits());
            let longer = match (one, two) {
                (Verdict::Admit { .. }, Verdict::Admit { .. }) => Verdict::Admit { after_ms: a.max(b) },
                (Verdict::Refuse { retry_after_ms: Some(_) }, Verdict::Refuse { retry_after_ms: Some(_) }) => {
                    refuse(Some(a.max(b)))
                }
                (Verdict::Refuse { retry_after_ms: Some(_) }, Verdict::Admit { .. }) => refuse(Some(a)),
                (Verdict::Admit { .. }, Verdict::Refuse { retry_after_ms: Some(_) }) => refuse(Some(b)),
                _ => refuse(None),
            };
            prop_assert_eq!(one.and(two), longer);
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
        let asked: Vec<bool> = [0, 0, 0, 0, 999, 1_000].map(|now| asks(bucket, &mut state, now, 1).admits()).to_vec();
        assert_eq!(asked, [true, true, true, false, false, true]);
        let queue = Limit::LeakyBucket { depth: 2, rate: 2, period_ms: 1_000 };
        let mut state = State::default();
        let waits: Vec<Verdict> = (0..4).map(|_| asks(queue, &mut state, 0, 1)).collect();
        let admit = |after_ms| Verdict::Admit { after_ms };
        assert_eq!(waits, [admit(0), admit(500), admit(1_000), refuse(Some(500))]);
        assert_eq!(queue.look(&state, 500, 1, 999), refuse(Some(1)), "for whom a second is too long");
        assert_eq!(queue.look(&state, 500, 1, 1_000), admit(1_000));
    }

    #[test]
    fn limits_that_make_no_sense_are_told_by_field() {
        let none = Limit::TokenBucket { burst: 1, rate: 0, period_ms: 1 };
        assert_eq!(none.check(), Err("rate is 0, expected at least 1".into()));
        let fine = Limit::SlidingBuckets { most: 1, window_ms: 5, buckets: 6 };
        assert!(fine.check().is_err_and(|problem| problem.starts_with("buckets is 6")));
        let log = |most| Limit::SlidingLog { most, window_ms: 1 };
        assert!(log(MAX_REMEMBERED).check().is_ok());
        assert!(log(MAX_REMEMBERED + 1).check().is_err_and(|problem| problem.starts_with("most is 10001, expected")));
        let parts = |buckets| Limit::SlidingBuckets { most: 1, window_ms: 20_000, buckets };
        assert!(parts(MAX_REMEMBERED).check().is_ok() && parts(MAX_REMEMBERED + 1).check().is_err());
        assert_eq!(Limit::LeakyBucket { depth: 0, rate: 1, period_ms: 1 }.check(), Ok(()));
    }
}
