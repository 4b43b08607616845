//! What is known about a stretch of time: exact sums, from which every average follows.

use serde::{Deserialize, Serialize};

/// Sums over one stretch of time of one pool, one tenant in a pool, or a total over pools.
///
/// All `*_slot_ms` fields are slot-milliseconds (slots times milliseconds). They add up exactly,
/// so a longer stretch is the field-wise sum of its parts, except `max_occupied`, which is the
/// greatest of its parts. A stretch with `observed_ms == 0` was not seen: it is missing, not zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Effective capacity (configured minus planned-down, never below 0).
    pub capacity_slot_ms: i64,
    /// Occupied slots; may exceed the capacity, which is then data and not an error.
    pub occupied_slot_ms: i64,
    /// Slots promised by reservations.
    pub reserved_slot_ms: i64,
    /// Promised and not used: the integral of `max(0, reserved - used)`, per tenant.
    pub reserved_idle_slot_ms: i64,
    /// Time covered by samples.
    pub observed_ms: i64,
    /// Time covered by samples in which occupied reached the capacity.
    pub saturated_ms: i64,
    /// Greatest number of slots occupied at once.
    pub max_occupied: i64,
    /// Claims made.
    pub claims: i64,
    /// Claims rejected because the pool was full.
    pub rejections: i64,
    /// Claims that waited and were then served.
    pub waited: i64,
    /// Milliseconds that claims spent waiting.
    pub queue_ms: i64,
}

/// Number of fields of [`Sums`].
pub const FIELDS: usize = 11;

impl Sums {
    /// True if nothing at all is recorded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another stretch of the same thing: sums add, the maximum is the greater one.
    pub fn add(&mut self, other: &Self) {
        let max_occupied = self.max_occupied.max(other.max_occupied);
        let mut fields = self.to_fields();
        for (mine, theirs) in fields.iter_mut().zip(other.to_fields()) {
            *mine = mine.saturating_add(theirs);
        }
        *self = Self::from_fields(fields);
        self.max_occupied = max_occupied;
    }

    /// The fields in their stored order.
    pub fn to_fields(&self) -> [i64; FIELDS] {
        [
            self.capacity_slot_ms,
            self.occupied_slot_ms,
            self.reserved_slot_ms,
            self.reserved_idle_slot_ms,
            self.observed_ms,
            self.saturated_ms,
            self.max_occupied,
            self.claims,
            self.rejections,
            self.waited,
            self.queue_ms,
        ]
    }

    /// The inverse of [`Sums::to_fields`].
    pub fn from_fields(f: [i64; FIELDS]) -> Self {
        Self {
            capacity_slot_ms: f[0],
            occupied_slot_ms: f[1],
            reserved_slot_ms: f[2],
            reserved_idle_slot_ms: f[3],
            observed_ms: f[4],
            saturated_ms: f[5],
            max_occupied: f[6],
            claims: f[7],
            rejections: f[8],
            waited: f[9],
            queue_ms: f[10],
        }
    }

    /// M1, occupancy: occupied over effective capacity, 1.0 = full; may exceed 1.
    /// `None` without observed capacity.
    pub fn occupancy(&self) -> Option<f64> {
        ratio(self.occupied_slot_ms, self.capacity_slot_ms)
    }

    /// M2 as a share: rejections over claims. `None` without claims.
    pub fn rejected_share(&self) -> Option<f64> {
        ratio(self.rejections, self.claims)
    }

    /// M10, reservation waste: idle reserved slot-time over reserved slot-time.
    pub fn reservation_waste(&self) -> Option<f64> {
        ratio(self.reserved_idle_slot_ms, self.reserved_slot_ms)
    }

    /// Average slots occupied while observed.
    pub fn mean_occupied(&self) -> Option<f64> {
        ratio(self.occupied_slot_ms, self.observed_ms)
    }

    /// Average effective capacity in slots while observed.
    pub fn mean_capacity(&self) -> Option<f64> {
        ratio(self.capacity_slot_ms, self.observed_ms)
    }

    /// Average reserved slots while observed.
    pub fn mean_reserved(&self) -> Option<f64> {
        ratio(self.reserved_slot_ms, self.observed_ms)
    }

    /// Share of the observed time in which the pool was full.
    pub fn saturated_share(&self) -> Option<f64> {
        ratio(self.saturated_ms, self.observed_ms)
    }
}

/// Field-wise sum of many stretches.
impl<'a> std::iter::Sum<&'a Sums> for Sums {
    fn sum<I: Iterator<Item = &'a Sums>>(iter: I) -> Self {
        let mut total = Self::default();
        for part in iter {
            total.add(part);
        }
        total
    }
}

/// `numerator / denominator`, `None` where the denominator is not positive.
pub fn ratio(numerator: i64, denominator: i64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// Slot-milliseconds as slot-hours.
pub fn slot_hours(slot_ms: i64) -> f64 {
    slot_ms as f64 / crate::HOUR_MS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_is_a_ratio_of_sums_not_an_average_of_ratios() {
        let busy_small = Sums { occupied_slot_ms: 10, capacity_slot_ms: 10, observed_ms: 1, ..Sums::default() };
        let idle_large = Sums { occupied_slot_ms: 0, capacity_slot_ms: 90, observed_ms: 1, ..Sums::default() };
        let both: Sums = [busy_small, idle_large].iter().sum();
        assert_eq!(both.occupancy(), Some(0.1));
    }

    #[test]
    fn nothing_observed_is_unknown_not_zero() {
        assert_eq!(Sums::default().occupancy(), None);
        assert_eq!(Sums::default().reservation_waste(), None);
    }

    #[test]
    fn fields_round_trip() {
        let f = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        assert_eq!(Sums::from_fields(f).to_fields(), f);
    }

    #[test]
    fn maximum_does_not_add() {
        let mut a = Sums { max_occupied: 5, claims: 1, ..Sums::default() };
        a.add(&Sums { max_occupied: 7, claims: 2, ..Sums::default() });
        assert_eq!((a.max_occupied, a.claims), (7, 3));
    }
}
