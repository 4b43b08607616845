//! Looking up API tokens, many at a time.
//!
//! A token is asked for with every request, because one that is revoked must not work a moment longer. Requests that come
//! together share one question to the database: whatever arrives while one is under way goes into the next. What a token may
//! do never changes, so it is read once; what is asked each time is only whether it still works.

use crate::app::AppError;
use crate::db::{Db, Loan};
use headroom_store::StoreError;
use headroom_store::token::{self, Token};
use sqlx::PgConnection;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait for their turn.
const WAITING: usize = 8_192;
/// Hashes of one question.
const TOGETHER: usize = 1_024;
/// Tokens whose fields are remembered; beyond that they are forgotten and read again.
const REMEMBERED: usize = 10_000;
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

/// Tokens by hash.
type Known = HashMap<Vec<u8>, Arc<Token>>;

/// The tokens with some hashes that work now.
async fn working(conn: &mut PgConnection, known: &mut Known, hashes: &[Vec<u8>]) -> Result<Known, StoreError> {
    let (old, new): (Vec<_>, Vec<_>) = hashes.iter().cloned().partition(|hash| known.contains_key(hash));
    let mut found = Known::new();
    if !new.is_empty() {
        for (hash, token) in token::all_working(conn, &new).await? {
            found.insert(hash, Arc::new(token));
        }
    }
    if !old.is_empty() {
        let works = token::still_working(conn, &old).await?;
        for hash in old {
            let Some(used_ms) = works.get(&hash).copied() else {
                known.remove(&hash);
                continue;
            };
            let Some(token) = known.get_mut(&hash) else { continue };
            if token.used_ms != used_ms {
                *token = Arc::new(Token { used_ms, ..Token::clone(token) });
            }
            found.insert(hash, Arc::clone(token));
        }
    }
    if known.len() + found.len() > REMEMBERED {
        known.clear();
    }
    known.extend(found.iter().map(|(hash, token)| (hash.clone(), Arc::clone(token))));
    Ok(found)
}

async fn answer_all(db: Db, mut inbox: mpsc::Receiver<Question>) {
    let mut together = Vec::new();
    let mut known: Known = HashMap::new();
    while inbox.recv_many(&mut together, TOGETHER).await > 0 {
        let mut hashes: Vec<Vec<u8>> = together.iter().map(|question| question.hash.clone()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let found = async {
            let mut conn = Loan::of(&db.claims).await?;
            let found = working(&mut conn, &mut known, &hashes).await?;
            conn.give_back();
            Ok::<Known, StoreError>(found)
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
