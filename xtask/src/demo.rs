//! `cargo xtask demo` and `cargo xtask serve`: build everything, then become the service.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result};
use clap::Args;

use crate::workspace::{build_headroom, root, step};
use crate::{bundle, needs};

/// Which of the two.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Demo,
    Serve,
}

/// Options of `demo` and `serve`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Build with optimisation: slower to build, much faster to run.
    #[arg(long)]
    release: bool,
    /// Where the data goes [default: target/demo or target/serve].
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Further arguments for `headroom`, for example `-- --listen 127.0.0.1:9000`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds and starts; returns only if that fails.
pub(crate) fn run(kind: Kind, options: &Options) -> Result<()> {
    let name = match kind {
        Kind::Demo => "demo",
        Kind::Serve => "serve",
    };
    // With a server of their own nobody needs ours.
    let own_server = std::env::var_os("DATABASE_URL").is_some()
        || options.arguments.iter().any(|argument| argument.starts_with("--database-url"));
    if !own_server {
        needs::postgres()?;
    }
    bundle::run(&bundle::Options::default())?;
    let program = step("the service", || build_headroom(options.release))?;
    let data_dir = options.data_dir.clone().unwrap_or_else(|| data_dir(name));

    let mut command = Command::new(&program);
    command.arg(name).arg("--data-dir").arg(&data_dir).args(&options.arguments);
    eprintln!("+ headroom {name} --data-dir {} {}", data_dir.display(), options.arguments.join(" "));
    // The service takes our place, so that signals and the terminal are its own.
    Err(Error::new(command.exec())).with_context(|| format!("cannot run {}", program.display()))
}

/// A folder below `target`, or, where PostgreSQL's user could not get there because we are root and a folder above is closed,
/// one under `/var/tmp` that belongs to this checkout.
pub(crate) fn data_dir(name: &str) -> PathBuf {
    let inside = root().join("target").join(name);
    if !nix::unistd::geteuid().is_root() || is_open_to_all(root()) {
        return inside;
    }
    let hash = blake3::hash(root().as_os_str().as_encoded_bytes()).to_hex();
    let outside = PathBuf::from(format!("/var/tmp/headroom-{name}-{}", &hash[..10]));
    eprintln!("   {} is closed to other users, so the data goes to {}", root().display(), outside.display());
    outside
}

/// Whether every user may enter this folder.
fn is_open_to_all(folder: &Path) -> bool {
    let may_enter = |folder: &Path| folder.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0);
    folder.ancestors().all(may_enter)
}
