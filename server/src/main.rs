//! The `headroom` binary: everything is in the library.

use std::process::ExitCode;

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
