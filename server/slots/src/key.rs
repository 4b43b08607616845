//! Chance: keys under which a claim may be asked for again, and the spread of retries.
#![expect(clippy::disallowed_methods, reason = "this room stands alone: it has no clock or source of ids to be given")]

use std::time::Duration;
use uuid::Uuid;

/// A key that nobody else uses.
pub(crate) fn fresh() -> String {
    Uuid::now_v7().simple().to_string()
}

/// A pause between three quarters and five quarters of another, so that many who were refused together do not come back
/// together.
pub(crate) fn spread(pause: Duration) -> Duration {
    /// Steps of the spread.
    const STEPS: u32 = 1 << 16;
    let chance = (Uuid::now_v7().as_u128() as u32) % STEPS;
    pause * 3 / 4 + pause / 2 * chance / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_pauses_stay_near() {
        assert_ne!(fresh(), fresh());
        let pause = Duration::from_secs(4);
        for _ in 0..100 {
            assert!((Duration::from_secs(3)..=Duration::from_secs(5)).contains(&spread(pause)));
        }
    }
}
