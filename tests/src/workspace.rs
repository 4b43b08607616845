//! Where things are: the checkout, its target folder, the public logs.

use std::path::{Path, PathBuf};

/// The checkout's top folder: this crate lies directly in it.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo puts native builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The folder of public workload logs, `None` where they are not: a test that replays them says so and returns.
pub fn data() -> Option<PathBuf> {
    std::env::var_os("HEADROOM_DATA").map(PathBuf::from).filter(|data| data.is_dir())
}
