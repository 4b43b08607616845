//! Who uses slots.

/// Priority tiers: 0 is served first.
pub const MAX_PRIORITY: i16 = 9;
/// Greatest weight in fair sharing.
pub const MAX_WEIGHT: i32 = 10_000;
/// The slug of the tenant that stands for all beyond the largest, in imports.
pub const OTHERS: &str = "others";
