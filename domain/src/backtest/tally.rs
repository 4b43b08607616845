//! What a capacity came to beside a demand: the measures by which policies are compared.

use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::Add;

/// Sums over minutes whose demand is known. Demand and capacity are slots; their sums are slot-minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Minutes with a known demand.
    pub minutes: u64,
    /// Of those, minutes with more demand than capacity.
    pub violation_minutes: u64,
    /// Hours with a known demand.
    pub hours: u64,
    /// Of those, hours with a violation.
    pub violation_hours: u64,
    /// Slot-minutes wanted.
    pub demand: f64,
    /// Slot-minutes provided.
    pub capacity: f64,
    /// Slot-minutes wanted above the capacity.
    pub unmet: f64,
    /// Slot-minutes provided above the demand.
    pub over: f64,
}

impl Tally {
    /// Adds up whole hours. `demand` and `capacity` are by minute and of the same length; NaN is an unknown demand.
    pub fn of(demand: &[f64], capacity: &[f64]) -> Self {
        let mut tally = Self::default();
        for (demand, capacity) in demand.chunks(60).zip(capacity.chunks(60)) {
            let before = (tally.minutes, tally.violation_minutes);
            for (wanted, provided) in demand.iter().zip(capacity) {
                if wanted.is_nan() {
                    continue;
                }
                tally.minutes += 1;
                tally.violation_minutes += u64::from(wanted > provided);
                tally.demand += wanted;
                tally.capacity += provided;
                tally.unmet += (wanted - provided).max(0.0);
                tally.over += (provided - wanted).max(0.0);
            }
            tally.hours += u64::from(tally.minutes > before.0);
            tally.violation_hours += u64::from(tally.violation_minutes > before.1);
        }
        tally
    }

    /// Capacity over demand: 1 is perfect. None without demand.
    pub fn cost(&self) -> Option<f64> {
        ratio(self.capacity, self.demand)
    }

    /// Part of the minutes in which demand was above capacity.
    pub fn violations(&self) -> Option<f64> {
        ratio(self.violation_minutes as f64, self.minutes as f64)
    }

    /// Part of the hours in which it was, in any minute.
    pub fn violated_hours(&self) -> Option<f64> {
        ratio(self.violation_hours as f64, self.hours as f64)
    }

    /// Part of the demand that was above capacity.
    pub fn unmet_part(&self) -> Option<f64> {
        ratio(self.unmet, self.demand)
    }

    /// Capacity above the demand, in parts of the demand.
    pub fn over_part(&self) -> Option<f64> {
        ratio(self.over, self.demand)
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            minutes: self.minutes + other.minutes,
            violation_minutes: self.violation_minutes + other.violation_minutes,
            hours: self.hours + other.hours,
            violation_hours: self.violation_hours + other.violation_hours,
            demand: self.demand + other.demand,
            capacity: self.capacity + other.capacity,
            unmet: self.unmet + other.unmet,
            over: self.over + other.over,
        }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_worked_out_by_hand() {
        // Two hours of 2 wanted; 3 are provided, in the last half hour 1; one minute is unknown.
        let mut demand = vec![2.0; 120];
        demand[0] = f64::NAN;
        let mut capacity = vec![3.0; 120];
        capacity[90..].fill(1.0);
        let tally = Tally::of(&demand, &capacity);
        assert_eq!((tally.minutes, tally.violation_minutes, tally.hours, tally.violation_hours), (119, 30, 2, 1));
        assert_eq!((tally.demand, tally.capacity, tally.unmet, tally.over), (238.0, 297.0, 30.0, 89.0));
        assert_eq!(tally.violations(), Some(30.0 / 119.0));
        assert_eq!(tally.violated_hours(), Some(0.5));
        assert_eq!((tally.cost(), tally.unmet_part()), (Some(297.0 / 238.0), Some(30.0 / 238.0)));
        assert_eq!(
            tally,
            [Tally::of(&demand[..60], &capacity[..60]), Tally::of(&demand[60..], &capacity[60..])].into_iter().sum()
        );
    }

    #[test]
    fn without_demand_there_is_no_ratio() {
        let tally = Tally::of(&[f64::NAN; 60], &[1.0; 60]);
        assert_eq!((tally.cost(), tally.violations(), tally.unmet_part()), (None, None, None));
    }
}
