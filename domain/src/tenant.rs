//! Who uses slots.

/// Priority tiers: 0 is served first.
pub const MAX_PRIORITY: i16 = 9;
/// Greatest weight in fair sharing.
pub const MAX_WEIGHT: i32 = 10_000;
/// Hours in which a tenant's use counts half when tenants are compared by what they used lately (A11).
pub const USUAL_HALF_LIFE_HOURS: i32 = 168;
/// The least: usage is sampled by the day.
pub const LEAST_HALF_LIFE_HOURS: i32 = 24;
/// The most: a year.
pub const MOST_HALF_LIFE_HOURS: i32 = 8_760;
/// The slug of the tenant that stands for all beyond the largest, in imports.
pub const OTHERS: &str = "others";
