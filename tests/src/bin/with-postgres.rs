//! `with-postgres COMMAND…`: runs a command beside a throw-away PostgreSQL that all its processes share.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use headroom_tests::database::{SHARED, start_throw_away};
use headroom_tests::service::data_dir;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("usage: with-postgres COMMAND [ARGUMENTS]")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = data_dir()?;
    let postgres = runtime.block_on(start_throw_away(folder.path()))?;
    let status = Command::new(&program)
        .args(arguments)
        .env(SHARED, postgres.url())
        .status()
        .with_context(|| format!("cannot run {}", program.display()));
    runtime.block_on(postgres.stop());
    // A command ended by a signal has no code.
    let code = status?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
