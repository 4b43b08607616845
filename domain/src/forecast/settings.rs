//! How the engine is set. Every number was chosen on the last 48 hours of the training part of the hourly series of the M4 competition
//! with an even number (`cargo xtask bench forecast -- --validate`); the test part had no say.

/// Numbers that are not part of a model.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Most origins of the past at which forecasts are tried, a short season apart.
    pub(super) origins: usize,
    /// What an error counts at an origin, of what it counts at the next one.
    pub(super) recency: f64,
    /// An expert's weight before balancing is (best error / error) to this power.
    pub(super) power: f64,
    /// The same for settings of one model, of which the better ones count.
    pub(super) merge_power: f64,
    /// Steps of balancing, and how large each is.
    pub(super) rounds: usize,
    /// See `rounds`.
    pub(super) pace: f64,
    /// Experts with less than this part of an equal share are not asked.
    pub(super) least_share: f64,
    /// Part of the weight that is cut off on each side at every step.
    pub(super) trim: f64,
    /// What a residual counts at an origin, of what it counts at the next one.
    pub(super) residual_recency: f64,
    /// How many residuals the common size stands for when sizes of steps are worked out.
    pub(super) shrink: f64,
    /// Factor of all widths, times 1 + 1 / origins: a few origins show less than there is.
    pub(super) widening: f64,
}

/// What is shipped.
pub(super) const SETTINGS: Settings = Settings {
    origins: 12,
    recency: 0.9,
    power: 1.0,
    merge_power: 16.0,
    rounds: 20,
    pace: 0.9,
    least_share: 0.3,
    trim: 0.15,
    residual_recency: 0.95,
    shrink: 12.0,
    widening: 1.155,
};
