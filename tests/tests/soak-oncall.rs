//! A night on call in two browsers, with receivers that write down what they are told, on a clock that is moved by hand.
//!
//! What fires, who is asked, who has it, what is told, and what is left in the morning.
//!
//! Development build: a release build refuses the test's clock.

#[path = "oncall/evening.rs"]
mod evening;
#[path = "oncall/morning.rs"]
mod morning;
#[path = "oncall/twice.rs"]
mod twice;

use anyhow::Result;
use headroom_tests::night::Night;
use headroom_tests::soak;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_on_call() -> Result<()> {
    for _ in 0..soak::count(1, 3) {
        let mut night = Night::begin().await?;
        let result = whole_night(&mut night).await;
        if let Err(error) = result {
            let board = night.first.board().await.unwrap_or_default();
            let log = night.service.log();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            return Err(error.context(format!("board: {board}\nlog: {tail:#?}")));
        }
        night.end().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_with_kills() -> Result<()> {
    for _ in 0..soak::count(1, 3) {
        twice::killed_and_started_again_tells_the_same().await?;
    }
    Ok(())
}

async fn whole_night(night: &mut Night) -> Result<()> {
    evening::from_quiet_to_a_second_episode(night).await?;
    morning::many_at_once(night).await?;
    morning::silenced(night).await?;
    morning::pager_away(night).await?;
    morning::keys_only(night).await?;
    morning::who_may_look(night).await?;
    morning::quality(night).await
}
