//! `cargo xtask <command>`: everything a developer does with Headroom, one command each.

mod apt;
mod bundle;
mod check;
mod demo;
mod desktop;
mod long;
mod needs;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything a developer does with Headroom, one command each.
///
/// What a command needs beyond Rust (PostgreSQL, Chromium, a compiler for the browser) it finds on this machine, or installs
/// with apt where that is possible (Debian, as root); where not, it says what to install.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Start here:
  cargo xtask demo              a demo world on http://127.0.0.1:8080, nothing to set up
  cargo xtask test              every check and test, as CI runs them

While working:
  cargo xtask serve             the service on your own data (target/serve)
  cargo xtask bundle            stylesheet, icons and browser module, after changing assets/ or frontend/
  cargo xtask check --write     formats the code, updates server/openapi.json, then checks
  cargo xtask desktop           the same pages in a native window; needs WebKitGTK
  cargo xtask e2e               only the browser suite; screenshots go to target/screenshots

Environment:
  HEADROOM_WASM_TOOLCHAIN       auto (default), rustup or distro: who compiles the browser module
  HEADROOM_PG_BIN               the folder of PostgreSQL's programs, when they are in no usual place
  HEADROOM_DATA                 the folder of public workload logs that long tests replay";

#[derive(Debug, Subcommand)]
enum Command {
    /// Build everything and open the demo world: 8 pools, 100 days of history, live samples.
    Demo(demo::Options),
    /// Build everything and serve an installation of your own.
    Serve(demo::Options),
    /// Build everything and open it in a window of its own, or make its Debian package.
    Desktop(desktop::Options),
    /// Everything that must hold before a change lands: check, all tests, the browser suite.
    Test(test::Options),
    /// Formatting, lints, documentation, and that server/openapi.json is current.
    Check(check::Options),
    /// Build the browser's files into target/bundle, compressed, under names with a content hash.
    Bundle(bundle::Options),
    /// Measure: `cargo xtask bench` lists the names.
    Bench(long::Options),
    /// Run a long test at full length: `cargo xtask soak` lists the names.
    Soak(long::Options),
    /// Only the browser suite.
    E2e(test::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::run(demo::Kind::Demo, &options),
        Command::Serve(options) => demo::run(demo::Kind::Serve, &options),
        Command::Desktop(options) => desktop::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Bundle(options) => bundle::run(&options),
        Command::Bench(options) => long::bench(&options),
        Command::Soak(options) => long::soak(&options),
        Command::E2e(options) => test::e2e(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
