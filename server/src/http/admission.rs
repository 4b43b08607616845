//! How many claims are under way at a time: beyond that a claim is refused at the door, before it costs anything.
//!
//! A server that takes in more than it can serve serves nobody in time. Renewals and releases pass: they keep what is held, or
//! make room.

use super::error::ApiError;
use crate::allocator::Allocator;
use crate::app::AppError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use headroom_domain::lease::Reason;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Claims under way beside those that wait for room in their pool, which cost nothing while they wait.
const MOST: usize = 512;

/// Counts the claims under way.
#[derive(Debug, Clone)]
pub struct Door {
    under_way: Arc<AtomicUsize>,
    allocator: Option<Allocator>,
}

impl Door {
    /// The door of an allocator.
    pub fn of(allocator: Option<Allocator>) -> Self {
        Self { under_way: Arc::default(), allocator }
    }

    fn enter(&self) -> Option<Inside> {
        let waiting = self.allocator.as_ref().map_or(0, Allocator::waiting);
        let inside = Inside(Arc::clone(&self.under_way));
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        // One that does not get in is counted out when `inside` goes.
        (before.saturating_sub(waiting) < MOST).then_some(inside)
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
pub async fn admit(State(door): State<Door>, request: Request, next: Next) -> Response {
    let Some(_inside) = door.enter() else {
        metrics::counter!("slot_shed_total").increment(1);
        let full = AppError::NotGranted { reason: Reason::Overloaded, retry_after_ms: Some(1_000) };
        return ApiError::from(full).into_response();
    };
    next.run(request).await
}
