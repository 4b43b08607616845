//! Looking up API tokens, many at a time.
//!
//! A token is asked for with every request, because one that is revoked must not work a moment longer. Requests that come
//! together share one question to the database: whatever arrives while one is under way goes into the next.

use crate::app::AppError;
use crate::db::{Db, Loan};
use headroom_store::StoreError;
use headroom_store::token::{self, Token};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait for their turn.
const WAITING: usize = 8_192;
/// Hashes of one question.
const TOGETHER: usize = 1_024;
/// A question is given up after this.
pub(crate) const PATIENCE: Duration = Duration::from_millis(900);

type Answer = Result<Option<Arc<Token>>, AppError>;

struct Question {
    hash: Vec<u8>,
    answer: oneshot::Sender<Answer>,
}

/// Asks for tokens by hash.
#[derive(Debug, Clone)]
pub struct TokenLookup(mpsc::Sender<Question>);

impl TokenLookup {
    /// Starts the task that asks; it ends with the last copy of this.
    pub fn start(db: Db) -> Self {
        let (sender, inbox) = mpsc::channel(WAITING);
        tokio::spawn(answer_all(db, inbox));
        Self(sender)
    }

    /// The token with a hash, if it works now.
    pub async fn working(&self, hash: Vec<u8>) -> Answer {
        let gone = || AppError::Unavailable("tokens cannot be looked up".into());
        let (answer, answered) = oneshot::channel();
        self.0.send(Question { hash, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn answer_all(db: Db, mut inbox: mpsc::Receiver<Question>) {
    let mut together = Vec::new();
    while inbox.recv_many(&mut together, TOGETHER).await > 0 {
        let mut hashes: Vec<Vec<u8>> = together.iter().map(|question| question.hash.clone()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let found = async {
            let mut conn = Loan::of(&db.pages).await?;
            let found = token::all_working(&mut conn, &hashes).await?;
            conn.give_back();
            Ok::<HashMap<Vec<u8>, Arc<Token>>, StoreError>(
                found.into_iter().map(|(hash, token)| (hash, Arc::new(token))).collect(),
            )
        };
        // Without a database the answer is that there is none, and soon: whoever asks can be told to come back.
        let found = match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found.map_err(AppError::from),
            Err(_) => Err(AppError::Unavailable("tokens were not looked up in time".into())),
        };
        for Question { hash, answer } in together.drain(..) {
            let reply = match &found {
                Ok(found) => Ok(found.get(&hash).cloned()),
                // Each is told; the text is for the log.
                Err(error) => Err(AppError::Unavailable(error.to_string())),
            };
            let _ = answer.send(reply);
        }
    }
}
