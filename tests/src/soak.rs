//! Long tests: short on every change, at full length when `cargo xtask soak` asks for it.

/// How often a test does something: `short` on every change, `full` when `HEADROOM_SOAK` is set.
pub fn count<T>(short: T, full: T) -> T {
    if is_long() { full } else { short }
}

/// Whether the test runs at full length.
pub fn is_long() -> bool {
    std::env::var_os("HEADROOM_SOAK").is_some()
}
