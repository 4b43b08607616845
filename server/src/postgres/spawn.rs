//! Child processes that run under the server's account and end when we end, however we end.

use std::io;
use std::path::Path;

use nix::sys::signal::Signal;
use tokio::process::Command;

use super::account::Account;

/// A command of PostgreSQL's, under the account, in its own process group (so that Ctrl-C in a terminal reaches us alone and
/// we decide the order of things), with nothing of our environment but the search path.
///
/// `at_our_end` is sent to it when the *thread* that spawns it ends: spawn from one that lives as long as the child should.
pub(super) fn command(program: &Path, account: &Account, at_our_end: Signal) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C")
        // Our own folder may be closed to the account, and PostgreSQL complains when it cannot return to where it started.
        .current_dir("/")
        .process_group(0);
    if account.switch {
        command.gid(account.gid.as_raw()).uid(account.uid.as_raw());
    }
    die_with_us(&mut command, at_our_end);
    command
}

/// Asks the kernel to send `signal` to the child when the spawning thread ends.
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
        // The standard library runs this after the switch of user, which would clear the setting.
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
