//! The database's clock, reckoned between two looks at it. It only decides when it is worth asking the database, and what a
//! caller is told about the time left; whether a lease is over the database says.

use headroom_domain::Millis;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// The distance between this process's monotonic clock and the database's.
#[derive(Debug)]
pub struct Clock {
    base: Instant,
    offset_ms: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { base: Instant::now(), offset_ms: AtomicI64::new(0) }
    }
}

impl Clock {
    fn elapsed(&self, at: Instant) -> Millis {
        at.saturating_duration_since(self.base).as_millis() as Millis
    }

    /// The database's time now.
    pub fn now(&self) -> Millis {
        self.elapsed(Instant::now()) + self.offset_ms.load(Ordering::Relaxed)
    }

    /// The database said this time in answer to a question that was sent at `asked`: it was that late at least.
    pub(super) fn set(&self, asked: Instant, at: Millis) {
        self.offset_ms.store(at - self.elapsed(asked), Ordering::Relaxed);
    }
}
