//! A child process that ends when we end, however we end.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::Signal;

/// Asks the kernel to send `signal` to the child when the spawning *thread* ends: spawn from the main one.
#[expect(
    unsafe_code,
    reason = "only prctl(2) makes a child follow us when we are killed with SIGKILL, and it must be called in the child"
)]
pub(crate) fn die_with_us(command: &mut Command, signal: Signal) {
    let parent = std::process::id();
    let signal = signal as libc::c_ulong;
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: `prctl` and `getppid` are plain system calls,
    // the closure allocates nothing, and `from_raw_os_error` only stores a number.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, signal) != 0 {
                return Err(io::Error::last_os_error());
            }
            // We may have died before the call above, and then nobody would tell the child.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}
