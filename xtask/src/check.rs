//! `cargo xtask check`: what a reviewer should not have to say.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::{self, build_headroom, cargo, cargo_native, output, root, step};

/// The JSON API's description: generated from the code, committed, and served.
const OPENAPI: &str = "server/openapi.json";

/// Options of `check`.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Format the code and update server/openapi.json first.
    #[arg(long)]
    write: bool,
}

/// Runs every check; the first that fails ends it.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.write {
        workspace::run(cargo().args(["fmt", "--all"]))?;
    }
    step("formatting (`cargo xtask check --write` corrects it)", || {
        workspace::run(cargo().args(["fmt", "--all", "--check"]))
    })?;
    step("lints", lints)?;
    step("documentation", documentation)?;
    step("OpenAPI", || openapi(options.write))
}

fn lints() -> Result<()> {
    let strict = ["--", "-D", "warnings"];
    workspace::run(cargo_native("clippy").arg("--all-targets").args(strict))?;
    // The islands' own code, which the native build of the pages leaves out; what the pages expect of themselves is not met here.
    workspace::run(
        cargo()
            .args(["clippy", "--package", "headroom-frontend", "--features", "hydrate"])
            .args(strict)
            .args(["-A", "unfulfilled-lint-expectations"]),
    )
}

fn documentation() -> Result<()> {
    let mut command = cargo_native("doc");
    command.env("RUSTDOCFLAGS", "-D warnings");
    workspace::run(command.args(["--no-deps", "--quiet"]))
}

/// Compares the committed description with what the code says.
fn openapi(write: bool) -> Result<()> {
    let program = build_headroom(false)?;
    let current = output(Command::new(program).arg("openapi").current_dir(root()))?;
    let path = root().join(OPENAPI);
    if write {
        return fs::write(&path, current).with_context(|| format!("cannot write {OPENAPI}"));
    }
    let committed = fs::read(&path).with_context(|| format!("cannot read {OPENAPI}"))?;
    if committed != current {
        bail!("{OPENAPI} is not what the code says: run `cargo xtask check --write` and commit it");
    }
    Ok(())
}
