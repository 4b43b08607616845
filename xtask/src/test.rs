//! `cargo xtask test` and `cargo xtask e2e`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::workspace::{self, build, cargo, cargo_native, headroom, name_native, root, step, succeeds, target};
use crate::{bundle, check, desktop, needs};

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
    needs::helpers()?;
    bundle::run(&bundle::Options::default())?;
    if options.filter.is_none() {
        check::run(&check::Options::default())?;
    }
    step("the service", || build(&PROGRAMS, false))?;
    let filter = options.filter.as_deref().into_iter();
    step("tests", || tests(runner(&["--all-targets"]).args(filter)))?;
    if options.filter.is_some() {
        return Ok(());
    }
    // The examples in the documentation, which nextest does not run.
    step("examples in the documentation", || workspace::run(cargo_native("test").args(["--doc", "--quiet"])))?;
    step("the window", desktop::test)
}

/// Only the browser suite.
pub(crate) fn e2e(options: &Options) -> Result<()> {
    needs::postgres()?;
    needs::chromium()?;
    bundle::run(&bundle::Options::default())?;
    step("the service", || build(&PROGRAMS, false))?;
    let filter = options.filter.as_deref().into_iter();
    step("browser suite", || tests(runner(&["--test", "browser", "--test", "live_browser"]).args(filter)))
}

/// The service, and what starts a PostgreSQL for its tests.
const PROGRAMS: [&str; 2] = ["headroom", "with-postgres"];

/// The test runner over some targets: nextest where it is installed, else cargo's own.
fn runner(targets: &[&str]) -> Command {
    let mut command = if succeeds(cargo().args(["nextest", "--version"])) {
        let mut command = cargo();
        command.args(["nextest", "run"]);
        name_native(&mut command);
        command
    } else {
        cargo_native("test")
    };
    command.args(targets).arg("--no-fail-fast");
    command
}

/// Runs a test command beside one throw-away PostgreSQL for all its processes, with the built service's place in the environment.
fn tests(command: &Command) -> Result<()> {
    let mut with_postgres = Command::new(target().join("debug/with-postgres"));
    with_postgres.current_dir(root()).env("HEADROOM_BIN", headroom(false));
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
