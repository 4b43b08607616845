//! Installing Debian packages where that is possible.

use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace::{run, which};

/// Installs packages, or says what a person should install. `what` completes "... is needed".
pub(crate) fn install(what: &str, packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if which("apt-get").is_none() {
        bail!("{what} is needed and not installed: install it (on Debian it is in {list})");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("{what} is needed and not installed: run `apt-get install --no-install-recommends {list}` as root");
    }
    eprintln!("== {what} is missing: installing {list}");
    run(apt_get().arg("update"))?;
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Standard input may be missing, as in CI, and nobody is there to answer a question.
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet=2");
    command
}
