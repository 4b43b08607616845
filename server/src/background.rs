//! Long work that nobody waits for: on threads that give way to those that answer, with rests.

use crate::app::AppError;
use crate::app::jobs::TURN;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::Instrument as _;

/// How much such a thread gives way, as `nice` counts it: where processors are short it gets a tenth of what one that answers gets.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Does work on a thread of its own: what it reads of the database is made out, and what it writes is put into words, on that thread
/// too. Work of which nobody awaits the end any more stops where it waits next. It belongs to the same turn of a job as its caller.
/// `what` completes "… broke off", and names the thread.
///
/// # Errors
/// `Internal` if the work panics or no thread can be started.
pub(crate) async fn drive<T: Send + 'static>(
    what: &'static str,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, AppError> {
    let (mut answer, answered) = oneshot::channel();
    let work = work.in_current_span();
    let turn = TURN.try_with(Clone::clone).ok();
    let work = async move {
        match turn {
            Some(turn) => TURN.scope(turn, work).await,
            None => work.await,
        }
    };
    let runtime = Handle::current();
    on_a_thread(what, move || {
        let done = runtime.block_on(async {
            tokio::select! {
                done = work => Some(done),
                () = answer.closed() => None,
            }
        });
        if let Some(done) = done {
            let _ = answer.send(done);
        }
    })?;
    answered.await.map_err(|_| broke_off(what))
}

/// Does a part of longer work so that its panic ends only this part.
///
/// # Errors
/// `Internal` if it panics.
pub(crate) fn caught<T>(what: &'static str, part: impl FnOnce() -> T) -> Result<T, AppError> {
    // What the part had is gone with it, so nobody sees it half done.
    catch_unwind(AssertUnwindSafe(part)).map_err(|_| broke_off(what))
}

/// The longest rest: all parts of long work must have their turn in time.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// Rests after a part of longer work, for as long as that took, at most [`LONGEST_REST`]. Whoever is woken while a processor works
/// waits for it, however much the work gives way, and so does whoever has to do with PostgreSQL, whose processes all have the same
/// priority: half of the time nothing is done. Where processors are short work takes long anyhow, so there is a bound.
pub(crate) async fn rest(worked: Duration) {
    tokio::time::sleep(worked.min(LONGEST_REST)).await;
}

/// A thread of its own each time: its priority cannot be raised again, so it must not go back to those that are shared.
fn on_a_thread(what: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), AppError> {
    let run = || {
        give_way();
        work();
    };
    let started = thread::Builder::new().name(what.to_owned()).spawn(run);
    started.map(drop).map_err(|error| AppError::Internal(format!("{what}: no thread for it: {error}")))
}

fn broke_off(what: &'static str) -> AppError {
    AppError::Internal(format!("{what} broke off"))
}

#[cfg(target_os = "linux")]
fn give_way() {
    // To Linux a thread is a process with an id of its own; there is nothing to do where it is not allowed.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn what_is_reckoned_comes_back_and_a_panic_is_an_error() {
        assert_eq!(drive("adding", async { 2 + 2 }).await.unwrap(), 4);
        let broken = async { assert!(std::hint::black_box(false), "on purpose") };
        let error = drive("breaking", broken).await.unwrap_err();
        assert!(error.to_string().contains("breaking broke off"), "{error}");
    }

    #[test]
    fn a_part_that_panics_is_an_error_of_its_own() {
        assert_eq!(caught("adding", || 2 + 2).unwrap(), 4);
        let error = caught("breaking", || assert!(std::hint::black_box(false), "on purpose")).unwrap_err();
        assert!(error.to_string().contains("breaking broke off"), "{error}");
    }

    #[tokio::test]
    async fn what_waits_is_driven_and_ends_with_whoever_awaited_it() {
        let waits = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            thread::current().name().map(str::to_owned)
        };
        assert_eq!(drive("waiting", waits).await.unwrap().as_deref(), Some("waiting"));
        let (held, dropped) = oneshot::channel::<()>();
        let forever = async move {
            let _held = held;
            std::future::pending::<()>().await;
        };
        tokio::time::timeout(Duration::from_millis(20), drive("waiting", forever)).await.unwrap_err();
        tokio::time::timeout(Duration::from_secs(10), dropped).await.unwrap().unwrap_err();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn it_gives_way_and_others_do_not() {
        let of = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = of();
        assert_eq!(drive("waiting", async move { of() }).await.unwrap(), NICE.max(before));
        assert_eq!(of(), before);
    }
}
