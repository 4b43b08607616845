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
        // Milliseconds that are not full are cut off.
        let (most, least) = (at - self.elapsed(asked), at - self.elapsed(Instant::now()) - 1);
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
        let asked = Instant::now();
        clock.set(asked, 1_700_000_000_000);
        let known = clock.offset_ms.load(Ordering::Relaxed);
        assert!((1_700_000_000_000..1_700_000_001_000).contains(&clock.now()), "{}", clock.now());
        // An answer that was long on its way.
        std::thread::sleep(Duration::from_millis(30));
        clock.set(asked, clock.now());
        assert_eq!(clock.offset_ms.load(Ordering::Relaxed), known);
    }
}
