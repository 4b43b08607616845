//! What a tenant is billed for: slot time used, promised, wasted, borrowed and lent, exactly.

use crate::HOUR_MS;
use crate::occupancy::Sums;

/// Millionths of a currency's unit in its minor unit (a cent).
const MICROS_PER_MINOR: i128 = 10_000;

/// Exact slot time of one tenant in one pool over a stretch of time. All fields are slot-milliseconds and add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meter {
    /// Held.
    pub used_slot_ms: i64,
    /// Promised.
    pub reserved_slot_ms: i64,
    /// Promised and not held: the integral of `max(0, R - U)` (M10).
    pub idle_slot_ms: i64,
    /// Of the idle time, what others held meanwhile: an estimate by the hour, see [`lent`].
    pub lent_slot_ms: i64,
}

impl Meter {
    /// The exact part of a stretch of a tenant's history; what it lent is not in it.
    pub fn of(sums: &Sums) -> Self {
        Self {
            used_slot_ms: sums.occupied_slot_ms,
            reserved_slot_ms: sums.reserved_slot_ms,
            idle_slot_ms: sums.reserved_idle_slot_ms,
            lent_slot_ms: 0,
        }
    }

    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        self.used_slot_ms += other.used_slot_ms;
        self.reserved_slot_ms += other.reserved_slot_ms;
        self.idle_slot_ms += other.idle_slot_ms;
        self.lent_slot_ms += other.lent_slot_ms;
    }

    /// Held beyond what is promised: the integral of `max(0, U - R)`. Exact, because what is held within promises is what is not
    /// idle of them: `U - max(0, U - R) = R - max(0, R - U)` at every instant.
    pub fn borrowed_slot_ms(&self) -> i64 {
        self.used_slot_ms - self.reserved_slot_ms + self.idle_slot_ms
    }

    /// Promised, not held, and lent to nobody.
    pub fn wasted_slot_ms(&self) -> i64 {
        self.idle_slot_ms - self.lent_slot_ms
    }

    /// What is paid for: promises whether they are used or not, and what is held beyond them.
    pub fn billed_slot_ms(&self) -> i64 {
        self.reserved_slot_ms + self.borrowed_slot_ms()
    }

    /// The amount in minor units (cents) at a price in millionths per slot and hour: rounded half up, once for each bill's row.
    pub fn amount_minor(&self, unit_cost_micros: i64) -> i64 {
        let per_minor = i128::from(HOUR_MS) * MICROS_PER_MINOR;
        let parts = i128::from(self.billed_slot_ms()) * i128::from(unit_cost_micros);
        i64::try_from((parts + per_minor / 2).div_euclid(per_minor)).unwrap_or(i64::MAX)
    }
}

/// How much of its idle promises a tenant lent in an hour: sums of the pool, of all its tenants in a fixed order, and whose.
///
/// History does not say whose slots were borrowed. What all borrowed comes first from capacity promised to nobody; the rest is
/// spread over the lenders in proportion to their idle promises, so that together they lent exactly that and none more than was
/// idle. Within the hour it counts as if all happened at once, so it is an estimate, and lending limits are not known to it.
pub fn lent(pool: &Sums, tenants: &[Sums], whose: usize) -> i64 {
    let wide = |f: fn(&Sums) -> i64| -> i128 { tenants.iter().map(|sums| i128::from(f(sums))).sum() };
    let idle = wide(|sums| sums.reserved_idle_slot_ms);
    let borrowed = wide(|sums| Meter::of(sums).borrowed_slot_ms().max(0));
    let nobodys = (i128::from(pool.capacity_slot_ms) - wide(|sums| sums.reserved_slot_ms)).max(0);
    let lent = (borrowed - nobodys).clamp(0, idle);
    if lent == 0 {
        return 0;
    }
    let upto =
        |n: usize| tenants[..n].iter().map(|sums| i128::from(sums.reserved_idle_slot_ms)).sum::<i128>() * lent / idle;
    (upto(whose + 1) - upto(whose)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn promises_are_paid_whether_used_or_not_and_so_is_what_is_borrowed() {
        // Two hours: 10 promised, 4 and then 13 used.
        let meter = Meter {
            used_slot_ms: 17 * HOUR_MS,
            reserved_slot_ms: 20 * HOUR_MS,
            idle_slot_ms: 6 * HOUR_MS,
            lent_slot_ms: 2 * HOUR_MS,
        };
        assert_eq!(meter.borrowed_slot_ms(), 3 * HOUR_MS);
        assert_eq!(meter.wasted_slot_ms(), 4 * HOUR_MS);
        assert_eq!(meter.billed_slot_ms(), 23 * HOUR_MS);
        assert_eq!(meter.amount_minor(45_000), 104, "23 x 0.045 = 1.035, half a cent goes up");
        assert_eq!(Meter::default().amount_minor(i64::MAX), 0);
    }

    proptest! {
        #[test]
        fn borrowed_is_the_integral_of_what_is_held_beyond_promises(
            steps in prop::collection::vec((0_i64..50, 0_i64..50, 1_i64..100_000), 0..40),
        ) {
            let mut sums = Sums::default();
            let (mut borrowed, mut billed) = (0, 0);
            for (used, reserved, ms) in steps {
                sums.occupied_slot_ms += used * ms;
                sums.reserved_slot_ms += reserved * ms;
                sums.reserved_idle_slot_ms += (reserved - used).max(0) * ms;
                borrowed += (used - reserved).max(0) * ms;
                billed += used.max(reserved) * ms;
            }
            prop_assert_eq!(Meter::of(&sums).borrowed_slot_ms(), borrowed);
            prop_assert_eq!(Meter::of(&sums).billed_slot_ms(), billed);
        }

        #[test]
        fn lenders_together_lent_what_was_borrowed_of_promises(
            capacity in 0_i64..1_000,
            tenants in prop::collection::vec((0_i64..200, 0_i64..200), 1..8),
        ) {
            let sums: Vec<Sums> = tenants
                .iter()
                .map(|(used, reserved)| Sums {
                    occupied_slot_ms: *used,
                    reserved_slot_ms: *reserved,
                    reserved_idle_slot_ms: (reserved - used).max(0),
                    ..Sums::default()
                })
                .collect();
            let pool = Sums { capacity_slot_ms: capacity, ..Sums::default() };
            let parts: Vec<i64> = (0..sums.len()).map(|whose| lent(&pool, &sums, whose)).collect();
            for (part, sums) in parts.iter().zip(&sums) {
                prop_assert!((0..=sums.reserved_idle_slot_ms).contains(part));
            }
            let borrowed: i64 = tenants.iter().map(|(used, reserved)| (used - reserved).max(0)).sum();
            let promised: i64 = tenants.iter().map(|(_, reserved)| reserved).sum();
            let idle: i64 = sums.iter().map(|sums| sums.reserved_idle_slot_ms).sum();
            prop_assert_eq!(parts.iter().sum::<i64>(), (borrowed - (capacity - promised).max(0)).clamp(0, idle));
        }
    }
}
