//! Long tests: short on every change, at full length when `cargo xtask soak` asks for it.

/// How often a test does something: `short` on every change, `full` when `HEADROOM_SOAK` is set.
pub fn count<T>(short: T, full: T) -> T {
    if std::env::var_os("HEADROOM_SOAK").is_some() { full } else { short }
}
