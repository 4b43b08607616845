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

    /// The database said this time in answer to a question that was sent at `asked`, and the answer is there now.
    pub(super) fn set(&self, asked: Instant, at: Millis) {
        self.learn(asked, Instant::now(), at);
    }

    fn learn(&self, asked: Instant, answered: Instant, at: Millis) {
        // Milliseconds that are not full are cut off.
        let (most, least) = (at - self.elapsed(asked), at - self.elapsed(answered) - 1);
        let before = self.offset_ms.load(Ordering::Relaxed);
        self.offset_ms.store(distance(before, least, most), Ordering::Relaxed);
    }
}

/// The distance of the clocks by what was reckoned before and what an answer allows, in milliseconds: the database looked at its clock
/// after it was asked (`most`) and before its answer was there (`least`).
///
/// Without better knowledge it is the largest that is possible, so that nobody is told of more time than there is. What was learnt
/// before stays as long as it is possible: a quick answer says more than a slow one, and a clock that followed each would run to and fro
/// by as much as answers take. A clock that was put forward by less than an answer takes shows with the next quick one.
fn distance(before: Millis, least: Millis, most: Millis) -> Millis {
    if (least..=most).contains(&before) { before } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_slow_answer_does_not_unsettle_the_clock_and_a_changed_one_does() {
        // Learnt from the first answer, made better by a quick one, kept through slow ones.
        assert_eq!(distance(0, 990, 1_080), 1_080);
        assert_eq!(distance(1_080, 998, 1_003), 1_003);
        assert_eq!(distance(1_003, 930, 1_500), 1_003);
        // The database's clock was put forward, or back.
        assert_eq!(distance(1_003, 5_000, 5_002), 5_002);
        assert_eq!(distance(1_003, -70, 20), 20);
    }

    #[test]
    fn it_says_what_the_database_said() {
        let clock = Clock::default();
        let after = |ms: u64| clock.base + Duration::from_millis(ms);
        // The database's clock says 1,000,000 when this one begins.
        clock.learn(after(10), after(12), 1_000_011);
        assert_eq!(clock.offset_ms.load(Ordering::Relaxed), 1_000_001);
        clock.learn(after(20), after(400), 1_000_300);
        assert_eq!(clock.offset_ms.load(Ordering::Relaxed), 1_000_001, "an answer that was long on its way");
        let now = clock.now();
        assert!((1_000_001..1_100_000).contains(&now), "{now}");
    }
}
