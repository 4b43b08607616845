//! Letters to people: leased, given to the mail server, marked. Any number of servers do it.

use crate::app::AppError;
use crate::db::Db;
use crate::mail::{Letter, Mailer};
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};
use headroom_store::letter::{self, Leased};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often somebody looks for letters: they are read hours later, not seconds.
const LOOK: Duration = Duration::from_secs(2);
/// After a look that found as many as it may take the next one comes at once.
const NEXT: Duration = Duration::from_millis(10);
/// Letters of one look. They go out one after another, within their lease also where the mail server takes its time.
const AT_ONCE: i64 = 3;
/// A letter is tried for so long.
const PATIENCE_MS: Millis = 24 * HOUR_MS;

/// Sends letters until cancelled.
pub(crate) async fn run(db: Db, mailer: Mailer, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let pause = match look(&db, &mailer, &cancel).await {
            Ok(found) if found as i64 == AT_ONCE => NEXT,
            Ok(_) => LOOK,
            Err(error) => {
                tracing::warn!(%error, "letters were not looked for, they are at the next turn");
                LOOK
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.cancelled() => {}
        }
    }
}

/// Sends some letters. Returns how many there were.
async fn look(db: &Db, mailer: &Mailer, cancel: &CancellationToken) -> Result<usize, AppError> {
    let mut tx = db.jobs.begin().await?;
    let leased = letter::lease(&mut tx, AT_ONCE).await?;
    tx.commit().await?;
    let found = leased.len();
    // What is left when the server stops keeps its lease, which runs out.
    for one in leased.into_iter().take_while(|_| !cancel.is_cancelled()) {
        let outcome = mailer.send_as(&written(&one), Some(message_id(&one.key))).await;
        let mut conn = db.jobs.acquire().await?;
        match outcome {
            Ok(()) => letter::sent(&mut conn, one.id).await?,
            Err(error) => {
                let now = headroom_store::now(&mut conn).await?;
                let is_over = error.is_final || now - one.created_ms >= PATIENCE_MS;
                let again = (!is_over).then(|| now + wait_ms(one.attempts));
                tracing::warn!(id = one.id, %error, is_over, "a letter was not sent");
                letter::failed(&mut conn, one.id, again, &error.to_string()).await?;
            }
        }
    }
    Ok(found)
}

fn written(one: &Leased) -> Letter {
    Letter { name: one.name.clone(), to: one.email.clone(), subject: one.subject.clone(), text: one.body.clone() }
}

/// By which a mailbox that gets a letter twice can tell.
fn message_id(key: &str) -> String {
    format!("<{}@headroom>", blake3::hash(key.as_bytes()).to_hex())
}

/// The wait after some number of attempts: a minute, then twice as long each time, at most an hour.
fn wait_ms(attempts: i32) -> Millis {
    let doublings = u32::try_from(attempts - 1).unwrap_or_default().min(10);
    (MINUTE_MS << doublings).min(HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let minutes: Vec<Millis> = (1..=8).map(|attempts| wait_ms(attempts) / MINUTE_MS).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(wait_ms(i32::MAX), HOUR_MS);
    }
}
