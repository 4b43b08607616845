//! Long reckoning that nobody waits for: on threads that give way to those that answer.

use crate::app::AppError;
use std::thread;
use tokio::sync::oneshot;

/// How much such a thread gives way, as `nice` counts it: where processors are short it gets a tenth of what one that answers gets.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Does work on a thread of its own. `what` completes "… broke off", and names the thread.
///
/// # Errors
/// `Internal` if the work panics or no thread can be started.
pub(crate) async fn reckon<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    let (answer, answered) = oneshot::channel();
    let run = move || {
        give_way();
        // Whoever asked may be gone.
        let _ = answer.send(work());
    };
    // A thread of its own each time: its priority cannot be raised again, so it must not go back to those that are shared.
    thread::Builder::new()
        .name(what.to_owned())
        .spawn(run)
        .map_err(|error| AppError::Internal(format!("{what}: no thread for it: {error}")))?;
    answered.await.map_err(|_| AppError::Internal(format!("{what} broke off")))
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

    #[tokio::test]
    async fn what_is_reckoned_comes_back_and_a_panic_is_an_error() {
        assert_eq!(reckon("adding", || 2 + 2).await.unwrap(), 4);
        let error = reckon("breaking", || assert!(std::hint::black_box(false), "on purpose")).await.unwrap_err();
        assert!(error.to_string().contains("breaking broke off"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn it_gives_way_and_others_do_not() {
        let of = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = of();
        assert_eq!(reckon("waiting", of).await.unwrap(), NICE.max(before));
        assert_eq!(of(), before);
    }
}
