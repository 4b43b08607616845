//! How many claims are under way at a time: beyond that a claim is refused at the door, before it costs anything.
//!
//! A server that takes in more than it can serve serves nobody in time. Renewals and releases pass: they keep what is held, or
//! make room.

use super::error::ApiError;
use crate::allocator::Allocator;
use crate::app::AppError;
use axum::response::{IntoResponse, Response};
use headroom_domain::lease::Reason;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Claims under way beside those that wait for room in their pool, which cost nothing while they wait: at most,
const MOST: usize = 512;
/// and at least, however slow the machine is.
const LEAST: usize = 32;
/// Where even the quickest claim of a step took longer, there is a queue that does not empty.
const TARGET: Duration = Duration::from_millis(100);
/// The bound is looked at this often.
const STEP: Duration = Duration::from_millis(100);
/// It grows by so many in a step without a queue; with one it shrinks by a third.
const GROWTH: usize = 8;

/// Counts the claims under way.
#[derive(Debug, Clone)]
pub struct Door {
    under_way: Arc<AtomicUsize>,
    bound: Arc<Mutex<Bound>>,
    allocator: Option<Allocator>,
}

impl Door {
    /// The door of an allocator.
    pub fn of(allocator: Option<Allocator>) -> Self {
        Self { under_way: Arc::default(), bound: Arc::default(), allocator }
    }

    fn waiting(&self) -> usize {
        self.allocator.as_ref().map_or(0, Allocator::waiting)
    }

    fn enter(&self) -> Option<Inside> {
        let waiting = self.waiting();
        let inside = Inside(Arc::clone(&self.under_way));
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        // One that does not get in is counted out when `inside` goes.
        let bound = self.bound.lock().map_or(MOST, |bound| bound.most);
        (before.saturating_sub(waiting) < bound).then_some(inside)
    }

    fn served(&self, took: Duration) {
        // Those that wait for room take long for a reason that is none of the server's.
        let busy = self.under_way.load(Ordering::Relaxed).saturating_sub(self.waiting());
        if let Ok(mut bound) = self.bound.lock() {
            bound.served(took, busy, Instant::now());
        }
    }
}

/// How many may be under way, by how long they take.
#[derive(Debug)]
struct Bound {
    most: usize,
    since: Instant,
    quickest: Option<Duration>,
}

impl Default for Bound {
    fn default() -> Self {
        Self { most: MOST, since: Instant::now(), quickest: None }
    }
}

impl Bound {
    fn served(&mut self, took: Duration, busy: usize, now: Instant) {
        let quickest = self.quickest.map_or(took, |quickest| quickest.min(took));
        self.quickest = Some(quickest);
        if now.saturating_duration_since(self.since) < STEP {
            return;
        }
        // Few that are slow are slow for another reason than their number.
        if quickest <= TARGET {
            self.most = (self.most + GROWTH).min(MOST);
        } else if busy >= LEAST {
            self.most = (self.most - self.most / 3).max(LEAST);
        }
        (self.since, self.quickest) = (now, None);
    }
}

/// Somebody inside; counted out when it goes, also when its caller hangs up.
struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a claim in, or refuses it at once.
pub async fn admit(door: &Door, work: impl Future<Output = Response>) -> Response {
    let Some(_inside) = door.enter() else {
        metrics::counter!("slot_shed_total").increment(1);
        let full = AppError::NotGranted { reason: Reason::Overloaded, retry_after_ms: Some(1_000) };
        return ApiError::from(full).into_response();
    };
    let began = Instant::now();
    let response = work.await;
    door.served(began.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_shrinks_while_a_queue_stands_and_grows_back() {
        let mut bound = Bound::default();
        let mut now = bound.since;
        let mut steps = |bound: &mut Bound, took: u64, busy: usize| {
            for _ in 0..100 {
                now += STEP;
                bound.served(Duration::from_millis(took), busy, now);
            }
            bound.most
        };
        assert_eq!(steps(&mut bound, 900, LEAST - 1), MOST, "few are slow for another reason");
        assert_eq!(steps(&mut bound, 900, 400), LEAST);
        assert_eq!(steps(&mut bound, 5, 400), MOST);
    }
}
