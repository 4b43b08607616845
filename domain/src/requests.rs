//! What jobs of a log asked for, what of it they used, and how much shorter they could have asked: a time limit is the reservation of
//! a batch system, so this is its waste (M10), a proxy for that of slot reservations.
//!
//! A rule recommends a limit from the last runs of the same tenant, queue and size that had ended when the job was submitted; with
//! fewer than five, from those of the same tenant and queue, then of the same tenant; else what was asked for stays. Who runs longer
//! than recommended is charged all it asked for: it has to run again.

use crate::rightsize::percentile;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// Runs without which nothing is recommended.
const LEAST_RUNS: usize = 5;

/// A job that asked for slots and a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// When it was submitted, seconds.
    pub submit_s: i64,
    /// When it had ended, seconds.
    pub end_s: i64,
    /// Whose.
    pub tenant: i64,
    /// In which queue.
    pub queue: i64,
    /// Slots it asked for, from 1.
    pub asked_slots: i64,
    /// Slots it held, from 1.
    pub used_slots: i64,
    /// Seconds it asked for, from 1.
    pub asked_s: i64,
    /// Seconds it ran, from 1.
    pub run_s: i64,
}

impl Request {
    /// Slot-seconds it was promised.
    fn reserved(&self) -> i128 {
        i128::from(self.asked_slots) * i128::from(self.asked_s)
    }

    /// Slot-seconds of that which it used.
    fn used(&self) -> i128 {
        i128::from(self.used_slots.min(self.asked_slots)) * i128::from(self.run_s.min(self.asked_s))
    }

    /// Its size, in powers of two.
    fn size(&self) -> u32 {
        self.asked_slots.max(1).ilog2()
    }
}

/// How a limit is recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// This percentile of the last runs
    pub percentile: usize,
    /// times so many tenths,
    pub tenths: i64,
    /// of so many runs.
    pub last: usize,
}

impl Rule {
    /// From the boldest to the most careful.
    pub const FRONTIER: [Self; 8] = [
        Self { percentile: 90, tenths: 11, last: 50 },
        Self { percentile: 95, tenths: 12, last: 50 },
        Self { percentile: 95, tenths: 15, last: 50 },
        Self { percentile: 98, tenths: 15, last: 100 },
        Self { percentile: 100, tenths: 12, last: 100 },
        Self { percentile: 100, tenths: 15, last: 100 },
        Self { percentile: 100, tenths: 20, last: 200 },
        Self { percentile: 100, tenths: 30, last: 400 },
    ];
}

/// What a log asked for and used, in slot-seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Jobs.
    pub jobs: i64,
    /// Asked for.
    pub reserved: i128,
    /// Of that, used.
    pub used: i128,
}

/// What a rule would have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Slot-seconds that would not have been reserved.
    pub saved: i128,
    /// Jobs for which it recommended less than they asked for.
    pub lowered: i64,
    /// Of these, jobs that ran longer.
    pub overruns: i64,
}

/// What jobs asked for.
pub fn asked(requests: &[Request]) -> Asked {
    let mut sum = Asked::default();
    for request in requests {
        sum.jobs += 1;
        sum.reserved += request.reserved();
        sum.used += request.used();
    }
    sum
}

/// The last runs under each key, the finest first.
#[derive(Default)]
struct Runs {
    by: BTreeMap<(i64, Option<i64>, Option<u32>), VecDeque<i64>>,
}

fn keys(request: &Request) -> [(i64, Option<i64>, Option<u32>); 3] {
    let (tenant, queue) = (request.tenant, request.queue);
    [(tenant, Some(queue), Some(request.size())), (tenant, Some(queue), None), (tenant, None, None)]
}

impl Runs {
    fn remember(&mut self, request: &Request, most: usize) {
        for key in keys(request) {
            let runs = self.by.entry(key).or_default();
            if runs.len() >= most {
                runs.pop_front();
            }
            runs.push_back(request.run_s);
        }
    }

    fn recommend(&self, request: &Request, rule: &Rule) -> Option<i64> {
        let runs =
            keys(request).into_iter().filter_map(|key| self.by.get(&key)).find(|runs| runs.len() >= LEAST_RUNS)?;
        let mut sorted: Vec<i64> = runs.iter().copied().collect();
        sorted.sort_unstable();
        // Tenths of a second round up: a limit is never shorter than what was reckoned.
        Some((percentile(&sorted, rule.percentile)? * rule.tenths + 9) / 10)
    }
}

/// What a rule would have done to a log, in the order of submission. Only what had ended by then is known to it.
pub fn replay(requests: &[Request], rule: &Rule) -> Replayed {
    let mut runs = Runs::default();
    let mut running: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
    let mut sum = Replayed::default();
    for (at, request) in requests.iter().enumerate() {
        while let Some(Reverse((end, ended))) = running.peek().copied() {
            if end > request.submit_s {
                break;
            }
            running.pop();
            runs.remember(&requests[ended], rule.last);
        }
        running.push(Reverse((request.end_s, at)));
        let Some(limit) = runs.recommend(request, rule).filter(|limit| *limit < request.asked_s) else { continue };
        sum.lowered += 1;
        if request.run_s > limit {
            sum.overruns += 1;
        } else {
            sum.saved += i128::from(request.asked_slots) * i128::from(request.asked_s - limit);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job(at: i64, run_s: i64) -> Request {
        Request {
            submit_s: at * 1_000,
            end_s: at * 1_000 + run_s,
            tenant: 1,
            queue: 1,
            asked_slots: 4,
            used_slots: 4,
            asked_s: 900,
            run_s,
        }
    }

    #[test]
    fn a_limit_is_learnt_from_five_runs_that_ended() {
        let rule = Rule { percentile: 100, tenths: 12, last: 50 };
        let mut jobs: Vec<Request> = (0..7).map(|at| job(at, 100)).collect();
        // The sixth and the seventh know five runs of 100 s: 120 s in place of 900 s, for 4 slots.
        assert_eq!(replay(&jobs, &rule), Replayed { saved: 2 * 4 * 780, lowered: 2, overruns: 0 });
        jobs[6].run_s = 121;
        assert_eq!(replay(&jobs, &rule), Replayed { saved: 4 * 780, lowered: 2, overruns: 1 });
        let all = asked(&jobs);
        assert_eq!((all.jobs, all.reserved, all.used), (7, 7 * 4 * 900, 4 * (600 + 121)));
        // What still runs is not known.
        for job in &mut jobs {
            job.submit_s = 0;
        }
        assert_eq!(replay(&jobs, &rule), Replayed::default());
    }

    #[test]
    fn what_is_known_of_the_same_size_comes_first() {
        let rule = Rule { percentile: 100, tenths: 10, last: 50 };
        let mut jobs: Vec<Request> = (0..10).map(|at| job(at, if at % 2 == 0 { 10 } else { 500 })).collect();
        for job in jobs.iter_mut().filter(|job| job.run_s == 500) {
            job.asked_slots = 64;
        }
        jobs.push(job(20, 10));
        // Five large ones ran long, and five small ones short: a small one is recommended 10 s.
        let before = replay(&jobs[..10], &rule);
        let after = replay(&jobs, &rule);
        assert_eq!(after.saved - before.saved, 4 * 890);
    }

    proptest! {
        #[test]
        fn no_more_is_saved_than_was_wasted(
            jobs in prop::collection::vec((0_i64..50, 1_i64..200, 1_i64..200, 1_i64..9, 0_i64..3), 1..120),
        ) {
            let mut at = 0;
            let jobs: Vec<Request> = jobs
                .into_iter()
                .map(|(gap, run, asked, slots, tenant)| {
                    at += gap;
                    let run_s = run.min(asked);
                    Request { submit_s: at, end_s: at + run_s, tenant, queue: 0, asked_slots: slots, used_slots: slots, asked_s: asked, run_s }
                })
                .collect();
            let all = asked(&jobs);
            for rule in &Rule::FRONTIER {
                let found = replay(&jobs, rule);
                prop_assert!(found.saved >= 0 && found.saved <= all.reserved - all.used, "{:?} of {:?}", found, all);
                prop_assert!(found.overruns <= found.lowered && found.lowered <= all.jobs);
            }
        }
    }
}
