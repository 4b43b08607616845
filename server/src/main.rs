//! The `headroom` binary: everything is in the library.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Each request makes hundreds of small things on one thread that end on another, which is what it is good at.
#[global_allocator]
static MEMORY: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("headroom: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(headroom_server::cli::run()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("headroom: {error:#}");
            ExitCode::FAILURE
        }
    }
}
