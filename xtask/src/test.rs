//! `cargo xtask test` and `cargo xtask e2e`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::workspace::{self, build_headroom, cargo, root, step, succeeds, target};
use crate::{bundle, check, needs};

/// Options of `test` and `e2e`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only tests whose name contains this; the checks are left out then.
    filter: Option<String>,
}

/// Everything that must hold before a change lands.
pub(crate) fn run(options: &Options) -> Result<()> {
    needs::postgres()?;
    needs::chromium()?;
    bundle::run(&bundle::Options::default())?;
    if options.filter.is_none() {
        check::run(&check::Options::default())?;
    }
    let headroom = step("the service", || build_headroom(false))?;
    let filter = options.filter.as_deref().into_iter();
    step("tests", || {
        if has_nextest() {
            let arguments = ["nextest", "run", "--workspace", "--exclude", "headroom-client", "--no-fail-fast"];
            tests(&headroom, cargo().args(arguments).args(filter))
        } else {
            let arguments = ["test", "--workspace", "--exclude", "headroom-client", "--no-fail-fast", "--all-targets"];
            tests(&headroom, cargo().args(arguments).args(filter))
        }
    })?;
    if options.filter.is_some() {
        return Ok(());
    }
    // The examples in the documentation, which nextest does not run.
    step("examples in the documentation", || {
        workspace::run(cargo().args(["test", "--workspace", "--exclude", "headroom-client", "--doc", "--quiet"]))
    })
}

/// Only the browser suite.
pub(crate) fn e2e(options: &Options) -> Result<()> {
    needs::postgres()?;
    needs::chromium()?;
    bundle::run(&bundle::Options::default())?;
    let headroom = step("the service", || build_headroom(false))?;
    let filter = options.filter.as_deref().into_iter();
    step("browser suite", || {
        if has_nextest() {
            let arguments = ["nextest", "run", "--package", "headroom-tests", "--test", "browser", "--no-fail-fast"];
            tests(&headroom, cargo().args(arguments).args(filter))
        } else {
            let arguments = ["test", "--package", "headroom-tests", "--test", "browser", "--no-fail-fast"];
            tests(&headroom, cargo().args(arguments).args(filter))
        }
    })
}

/// Runs a test command beside one throw-away PostgreSQL for all its processes, with the built service's place in the environment.
fn tests(headroom: &PathBuf, command: &Command) -> Result<()> {
    workspace::run(cargo().args(["build", "--package", "headroom-tests", "--bin", "with-postgres"]))?;
    let mut with_postgres = Command::new(target().join("debug/with-postgres"));
    with_postgres.current_dir(root()).env("HEADROOM_BIN", headroom);
    if let Some(data) = data() {
        with_postgres.env("HEADROOM_DATA", data);
    }
    workspace::run(with_postgres.arg(command.get_program()).args(command.get_args()))
}

/// The folder of public workload logs: as told, or beside the checkout. Tests that replay them say so when it is missing.
fn data() -> Option<OsString> {
    let beside = || root().parent().map(|above| above.join("shared/data")).filter(|data| data.is_dir());
    std::env::var_os("HEADROOM_DATA").or_else(|| beside().map(PathBuf::into_os_string))
}

fn has_nextest() -> bool {
    succeeds(cargo().args(["nextest", "--version"]))
}
