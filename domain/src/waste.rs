//! What was promised and not used (M10), where that time went, and what of it somebody can do something about.
//!
//! Everything is exact slot-milliseconds of one tenant in one pool; an hour is the unit in which others' use is set against it,
//! because history does not say whose idle slots somebody held.

use crate::occupancy::{Sums, ratio};

/// Where idle time went. The parts add up to all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// Kept free before a start, as was asked.
    pub lead_slot_ms: i64,
    /// Could not have been used: capacity was planned down.
    pub planned_slot_ms: i64,
    /// Others held it meanwhile.
    pub lent_slot_ms: i64,
    /// Nobody had anything of it.
    pub unused_slot_ms: i64,
}

impl Split {
    /// Divides the idle time of an hour. What it was first wins: lead, then planned down, then lent; the rest is unused.
    /// `lead`, `planned` and `lent` are what there was of each, and none counts beyond what was idle.
    pub fn of(idle: i64, lead: i64, planned: i64, lent: i64) -> Self {
        let idle = idle.max(0);
        let lead_slot_ms = lead.clamp(0, idle);
        let planned_slot_ms = planned.clamp(0, idle - lead_slot_ms);
        let lent_slot_ms = lent.clamp(0, idle - lead_slot_ms - planned_slot_ms);
        Self {
            lead_slot_ms,
            planned_slot_ms,
            lent_slot_ms,
            unused_slot_ms: idle - lead_slot_ms - planned_slot_ms - lent_slot_ms,
        }
    }

    /// All of it.
    pub fn idle_slot_ms(&self) -> i64 {
        self.lead_slot_ms + self.planned_slot_ms + self.lent_slot_ms + self.unused_slot_ms
    }

    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        self.lead_slot_ms += other.lead_slot_ms;
        self.planned_slot_ms += other.planned_slot_ms;
        self.lent_slot_ms += other.lent_slot_ms;
        self.unused_slot_ms += other.unused_slot_ms;
    }
}

/// How much of what lies idle in a pool in an hour could not have been used because capacity was planned down, and a tenant's part.
///
/// It is what was promised beyond the capacity that was left, at most what was planned down, spread over the tenants in
/// proportion to what they had idle. Planned-down slots that were promised to nobody hurt nobody.
pub fn planned_down(pool: &Sums, planned_slot_ms: i64, tenants: &[Sums], whose: usize) -> i64 {
    let wide = |f: fn(&Sums) -> i64| -> i128 { tenants.iter().map(|sums| i128::from(f(sums))).sum() };
    let idle = wide(|sums| sums.reserved_idle_slot_ms);
    let beyond = (wide(|sums| sums.reserved_slot_ms) - i128::from(pool.capacity_slot_ms)).max(0);
    let lost = beyond.min(planned_slot_ms.max(0).into()).min(idle);
    if lost == 0 {
        return 0;
    }
    // Parts are differences of rounded running sums, so that they add up to all of it.
    let upto =
        |n: usize| tenants[..n].iter().map(|sums| i128::from(sums.reserved_idle_slot_ms)).sum::<i128>() * lost / idle;
    (upto(whose + 1) - upto(whose)) as i64
}

/// Exact slot time of one tenant in one pool over a stretch, with what it comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waste {
    /// Promised.
    pub reserved_slot_ms: i64,
    /// Held, within promises and beyond.
    pub used_slot_ms: i64,
    /// Promised and not held, by where it went.
    pub idle: Split,
    /// Claims that were served.
    pub served: i64,
    /// Time of which anything is known.
    pub observed_ms: i64,
}

impl Waste {
    /// One hour.
    pub fn of(sums: &Sums, lead: i64, planned: i64, lent: i64) -> Self {
        Self {
            reserved_slot_ms: sums.reserved_slot_ms,
            used_slot_ms: sums.occupied_slot_ms,
            idle: Split::of(sums.reserved_idle_slot_ms, lead, planned, lent),
            served: (sums.claims - sums.rejections).max(0),
            observed_ms: sums.observed_ms,
        }
    }

    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        self.reserved_slot_ms += other.reserved_slot_ms;
        self.used_slot_ms += other.used_slot_ms;
        self.idle.add(&other.idle);
        self.served += other.served;
        self.observed_ms += other.observed_ms;
    }

    /// Held of what was promised: the integral of `min(R, U)`, which is `R - max(0, R - U)`.
    pub fn used_of_it_slot_ms(&self) -> i64 {
        self.reserved_slot_ms - self.idle.idle_slot_ms()
    }

    /// Held beyond promises: the integral of `max(0, U - R)` (A5).
    pub fn unreserved_slot_ms(&self) -> i64 {
        self.used_slot_ms - self.used_of_it_slot_ms()
    }

    /// What is paid for: promises whether they are used or not, and what is held beyond them.
    pub fn billed_slot_ms(&self) -> i64 {
        self.reserved_slot_ms + self.unreserved_slot_ms()
    }

    /// M10: what was promised and not used, of what was promised.
    pub fn share(&self) -> Option<f64> {
        ratio(self.idle.idle_slot_ms(), self.reserved_slot_ms)
    }

    /// A1, utilisation: how much of what was promised was used.
    pub fn utilisation(&self) -> Option<f64> {
        ratio(self.used_of_it_slot_ms(), self.reserved_slot_ms)
    }

    /// A2, coverage: how much of what was used had been promised.
    pub fn coverage(&self) -> Option<f64> {
        ratio(self.used_of_it_slot_ms(), self.used_slot_ms)
    }

    /// What one served claim cost, in millionths of the currency, at a price per slot and hour, rounded half up.
    pub fn per_claim_micros(&self, unit_cost_micros: i64) -> Option<i64> {
        if self.served <= 0 {
            return None;
        }
        let whole = i128::from(self.served) * i128::from(crate::HOUR_MS);
        let parts = i128::from(self.billed_slot_ms()) * i128::from(unit_cost_micros);
        i64::try_from((parts + whole / 2).div_euclid(whole)).ok()
    }
}

/// Slot time in an hour that a tenant paid for twice: its promises lay idle, and in the same hour it held as much without any, in
/// these or in other pools. `parts` are the idle and the unreserved slot time of its pools.
pub fn idle_beside_unreserved(parts: impl IntoIterator<Item = (i64, i64)>) -> i64 {
    let (idle, unreserved) =
        parts.into_iter().fold((0_i64, 0_i64), |(idle, more), part| (idle + part.0.max(0), more + part.1.max(0)));
    idle.min(unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HOUR_MS;
    use proptest::prelude::*;

    fn sums(reserved: i64, used: i64) -> Sums {
        Sums {
            reserved_slot_ms: reserved * HOUR_MS,
            occupied_slot_ms: used * HOUR_MS,
            reserved_idle_slot_ms: (reserved - used).max(0) * HOUR_MS,
            observed_ms: HOUR_MS,
            ..Sums::default()
        }
    }

    #[test]
    fn utilisation_and_coverage_are_two_numbers() {
        // An hour with 10 promised and 4 used, an hour with 10 promised and 16 used.
        let mut waste = Waste::of(&sums(10, 4), 0, 0, 0);
        waste.add(&Waste::of(&sums(10, 16), 0, 0, 0));
        assert_eq!((waste.utilisation(), waste.coverage()), (Some(0.7), Some(0.7)), "14 of 20 promised, 14 of 20 used");
        assert_eq!(waste.unreserved_slot_ms(), 6 * HOUR_MS);
        assert_eq!(waste.share(), Some(0.3));
        assert_eq!(waste.billed_slot_ms(), 26 * HOUR_MS);
        assert_eq!(Waste::default().share(), None, "nothing promised is not nothing wasted");
        assert_eq!(Waste::of(&sums(0, 3), 0, 0, 0).utilisation(), None);
    }

    #[test]
    fn idle_time_is_what_it_was_first() {
        assert_eq!(
            Split::of(10, 4, 3, 9),
            Split { lead_slot_ms: 4, planned_slot_ms: 3, lent_slot_ms: 3, unused_slot_ms: 0 }
        );
        assert_eq!(Split::of(10, 0, 0, 4), Split { lent_slot_ms: 4, unused_slot_ms: 6, ..Split::default() });
        assert_eq!(Split::of(10, 99, 1, 1), Split { lead_slot_ms: 10, ..Split::default() });
    }

    #[test]
    fn capacity_that_is_planned_down_hurts_where_it_was_promised() {
        // 20 slots, 8 of them planned down for an hour; 15 promised: of the 12 left 3 too few.
        let pool = Sums { capacity_slot_ms: 12 * HOUR_MS, ..Sums::default() };
        let tenants = [sums(9, 3), sums(6, 4)];
        let parts: Vec<i64> = (0..2).map(|whose| planned_down(&pool, 8 * HOUR_MS, &tenants, whose)).collect();
        // Idle are 6 and 2: three quarters and a quarter of the 3.
        assert_eq!(parts, [3 * HOUR_MS * 3 / 4, 3 * HOUR_MS / 4]);
        assert_eq!(planned_down(&pool, HOUR_MS, &tenants, 0) + planned_down(&pool, HOUR_MS, &tenants, 1), HOUR_MS);
        assert_eq!(planned_down(&pool, 0, &tenants, 0), 0, "too much promised, and nothing planned down");
    }

    #[test]
    fn idle_and_unreserved_at_once_is_counted_once() {
        assert_eq!(idle_beside_unreserved([(5, 0), (0, 3)]), 3);
        assert_eq!(idle_beside_unreserved([(5, 0), (2, 0)]), 0);
        assert_eq!(idle_beside_unreserved([(1, 0), (0, 9), (2, 0)]), 3);
    }

    #[test]
    fn a_claim_costs_what_is_billed_over_what_was_served() {
        let mut hour = sums(10, 4);
        (hour.claims, hour.rejections) = (12, 2);
        // 10 slot-hours at 0.045 for 10 claims.
        assert_eq!(Waste::of(&hour, 0, 0, 0).per_claim_micros(45_000), Some(45_000));
        (hour.claims, hour.rejections) = (3, 0);
        assert_eq!(Waste::of(&hour, 0, 0, 0).per_claim_micros(100_000), Some(333_333));
        assert_eq!(Waste::of(&sums(10, 4), 0, 0, 0).per_claim_micros(45_000), None, "nothing was served");
    }

    proptest! {
        #[test]
        fn parts_add_up(idle in 0_i64..1_000, lead in -5_i64..1_000, planned in -5_i64..1_000, lent in -5_i64..1_000) {
            let split = Split::of(idle, lead, planned, lent);
            prop_assert_eq!(split.idle_slot_ms(), idle);
            for part in [split.lead_slot_ms, split.planned_slot_ms, split.lent_slot_ms, split.unused_slot_ms] {
                prop_assert!((0..=idle).contains(&part));
            }
        }

        #[test]
        fn what_is_used_is_used_of_it_and_beyond(hours in prop::collection::vec((0_i64..50, 0_i64..50), 0..30)) {
            let mut waste = Waste::default();
            let (mut within, mut beyond) = (0, 0);
            for (reserved, used) in hours {
                waste.add(&Waste::of(&sums(reserved, used), 0, 0, 0));
                within += reserved.min(used) * HOUR_MS;
                beyond += (used - reserved).max(0) * HOUR_MS;
            }
            prop_assert_eq!(waste.used_of_it_slot_ms(), within);
            prop_assert_eq!(waste.unreserved_slot_ms(), beyond);
            prop_assert!(waste.idle.idle_slot_ms() <= waste.reserved_slot_ms);
        }

        #[test]
        fn what_planned_down_took_is_no_more_than_was_planned_down_or_idle(
            capacity in 0_i64..100, planned in 0_i64..100,
            tenants in prop::collection::vec((0_i64..60, 0_i64..60), 1..6),
        ) {
            let pool = Sums { capacity_slot_ms: capacity * HOUR_MS, ..Sums::default() };
            let tenants: Vec<Sums> = tenants.into_iter().map(|(reserved, used)| sums(reserved, used)).collect();
            let parts: Vec<i64> = (0..tenants.len()).map(|whose| planned_down(&pool, planned * HOUR_MS, &tenants, whose)).collect();
            prop_assert!(parts.iter().sum::<i64>() <= planned * HOUR_MS);
            for (part, sums) in parts.iter().zip(&tenants) {
                prop_assert!((0..=sums.reserved_idle_slot_ms).contains(part));
            }
        }
    }
}
