//! Giving out slots: the owner's memory of each pool, and the committers that make what it decides durable.
//!
//! Every pool has one owner among the servers, by an epoch in the database (`headroom_store::owner`). The owner decides in memory
//! (`headroom_domain::allocation`), and a committer sends what was decided about many claims as one statement
//! (`headroom_store::slot`): PostgreSQL is the judge, memory is a hint. Nobody is answered before the statement is durable. A
//! server that is asked about a pool of another one says where to ask.
//!
//! Pools are spread over a few committers, each a task with its own connection that does one thing after the other, so that a
//! pool's state needs no lock.

mod clock;
mod committer;
mod figures;
mod outage;
mod owned;
mod waiters;
mod way;

pub use clock::Clock;
pub use figures::{Latency, PoolFigures, ReconcilerFigures};
pub use way::{Origin, TraceContext};

use crate::clock as system;
use crate::db::{Db, Loan};
use committer::{Committer, Shared};
use headroom_domain::Millis;
use headroom_domain::allocation::{Ask, End, Fenced, NoticeKind, Report};
use headroom_domain::lease::Reason;
use headroom_store::StoreError;
use outage::Outage;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use way::{Keeper, Way};

/// Committers of a server. Two keep two cores busy; more make smaller batches.
const COMMITTERS: usize = 2;
/// What waits for a committer: beyond it a caller is told that the allocator is overloaded.
const INBOX: usize = 8_192;
/// A server is taken for dead after so long a silence, and its pools are taken over.
pub const ALIVE_MS: i64 = 5_000;
/// It says that it is alive this often.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// A claim that has waited this long for its turn is refused instead of served late.
pub const OVERDUE: Duration = Duration::from_millis(900);
/// The same while calls come faster than they are served: a queue that does not empty in this time would only grow, and whoever
/// waits in it longer would be served as late as all after it.
pub const CONGESTED: Duration = Duration::from_millis(250);
/// The database has this long to answer a statement that somebody waits for; then its outcome is unknown. Shorter than a claim's
/// deadline, so that whoever waits is told why.
const STATEMENT_LIMIT: Duration = Duration::from_millis(850);
/// The same for what nobody waits for: longer than PostgreSQL's own limit, which leaves the connection whole.
const QUIET_LIMIT: Duration = Duration::from_millis(2_500);
/// The longest that one call waits for a claim's turn; whoever wants to wait longer asks again.
pub const LONGEST_POLL: Duration = Duration::from_secs(10);

/// What is asked about a pool.
#[derive(Debug)]
pub enum Op {
    /// Slots for a claim. The answer comes when it is decided, or after [`LONGEST_POLL`].
    Claim(Box<Ask>, Origin),
    /// More time.
    Renew {
        /// The claim.
        claim: Uuid,
        /// Time to live; the policy's if it is left out.
        ttl_ms: Option<Millis>,
        /// What the holder says about its work.
        report: Report,
        /// Who acts.
        actor: String,
    },
    /// An end.
    Release {
        /// The claim.
        claim: Uuid,
        /// What the holder says about its work.
        report: Report,
        /// Who acts.
        actor: String,
    },
    /// A notice is acknowledged: the slots may go.
    Checkpoint {
        /// The claim.
        claim: Uuid,
        /// Who acts.
        actor: String,
    },
    /// What is known of a claim; if it waits, for so long until it is decided.
    Look {
        /// The claim.
        claim: Uuid,
        /// How long to wait for a decision.
        wait: Duration,
    },
    /// Beats of holders, with their generations.
    Beats(Vec<(String, u64)>),
    /// Takes a claim's lease away: its caller is gone.
    Abandon {
        /// The claim.
        claim: Uuid,
    },
    /// Reads rules and limits again, because they were changed.
    Refresh {
        /// Who changed them.
        actor: String,
    },
    /// What the pool looks like now.
    Figures,
    /// Takes the pool if nobody has it.
    Adopt,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Reply {
    /// What is known of a claim now.
    Claim(Box<ClaimView>),
    /// It was refused.
    Refused {
        /// The claim.
        claim: Uuid,
        /// Why.
        reason: Reason,
        /// When it might be worth asking again.
        retry_after_ms: Option<Millis>,
    },
    /// The claim holds nothing: how it ended, if that is known.
    NotHeld(Option<End>),
    /// A lease cannot last so long: least and most.
    WrongTtl(Millis, Millis),
    /// The holder's present generation: the one that asked has been replaced.
    Superseded,
    /// Nobody asked the holder to end.
    NoNotice,
    /// The key was used before for another claim.
    KeyReused,
    /// A claim under a key was not made, perhaps because it was made before: the database knows.
    AskByKey,
    /// How many beats were taken, and whose were not: holder and present generation.
    Beats(usize, Vec<(String, u64)>),
    /// So many leases or slots were acted on.
    Done(usize),
    /// The pool's figures.
    Figures(Box<PoolFigures>),
    /// Another server decides about this pool, at this address.
    Elsewhere(String),
    /// The pool gives out no slots here.
    NotTracked,
    /// Nothing was changed: the database does not answer.
    Unavailable,
    /// Whether anything was changed is not known.
    Unknown,
    /// Nothing was changed: there is more to do than can be done.
    Overloaded,
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It holds slots.
    Granted,
    /// It waits.
    Queued,
    /// It is over.
    Ended(End),
}

/// A claim as its holder sees it.
#[derive(Debug, Clone)]
pub struct ClaimView {
    /// The claim.
    pub claim: Uuid,
    /// Where it stands.
    pub standing: Standing,
    /// For whom; 0 where that is not known any more.
    pub tenant: i32,
    /// Who holds it.
    pub holder: String,
    /// 0 to 9.
    pub priority: u8,
    /// Its slots.
    pub slots: Vec<Fenced>,
    /// What is left of the lease.
    pub remaining_ms: Option<Millis>,
    /// When no renewal reaches further.
    pub ends_in_ms: Option<Millis>,
    /// How long it waited.
    pub waited_ms: Millis,
    /// Its place in the queue, from 1.
    pub position: Option<usize>,
    /// How long it may wait yet.
    pub remaining_wait_ms: Option<Millis>,
    /// What it is asked to do, and for how much longer it need not.
    pub notice: Option<(NoticeKind, Millis)>,
}

impl ClaimView {
    /// A claim that is over, of which no more is known.
    pub(crate) fn ended(claim: Uuid, end: End) -> Self {
        Self {
            claim,
            standing: Standing::Ended(end),
            tenant: 0,
            holder: String::new(),
            priority: 0,
            slots: Vec::new(),
            remaining_ms: None,
            ends_in_ms: None,
            waited_ms: 0,
            position: None,
            remaining_wait_ms: None,
            notice: None,
        }
    }
}

/// A call about a pool.
#[derive(Debug)]
struct Call {
    pool: i32,
    op: Op,
    /// The only tenants that the caller may see.
    tenants: Option<Arc<Vec<i32>>>,
    since: Instant,
    attempts: u8,
    /// The way of a claim that is tried again.
    way: Option<Box<Way>>,
    reply: oneshot::Sender<Reply>,
}

/// The allocator of one server.
#[derive(Debug, Clone)]
pub struct Allocator {
    inboxes: Vec<mpsc::Sender<Call>>,
    clock: Arc<Clock>,
    /// Callers that wait for room in a pool, by committer.
    waiting: Arc<[AtomicUsize; COMMITTERS]>,
    /// Told when slots changed: who follows them looks again.
    pub changed: Arc<Notify>,
}

impl Allocator {
    /// Starts the committers. `url` is where other servers reach this one.
    pub fn start(db: &Db, url: String, cancel: &CancellationToken) -> (Self, tokio::task::JoinHandle<()>) {
        let replica = system::uuid();
        let clock = Arc::new(Clock::default());
        let changed = Arc::new(Notify::new());
        let waiting = Arc::<[AtomicUsize; COMMITTERS]>::default();
        let mut tasks = tokio::task::JoinSet::new();
        let (traces, kept) = way::channel();
        tasks.spawn(way::write(db.clone(), kept));
        let mut inboxes = Vec::new();
        for place in 0..COMMITTERS {
            let (sender, inbox) = mpsc::channel(INBOX);
            let own = (place, COMMITTERS);
            let shared = Shared {
                db: db.clone(),
                replica,
                clock: Arc::clone(&clock),
                changed: Arc::clone(&changed),
                waiting: Arc::clone(&waiting),
            };
            let committer = Committer::new(shared, own, inbox, Keeper::new(traces.clone()));
            tasks.spawn(committer.run(cancel.clone()));
            inboxes.push(sender);
        }
        let allocator = Self { inboxes, clock: Arc::clone(&clock), waiting, changed };
        let keeper = keep_alive(db.clone(), replica, url, clock, cancel.clone());
        let cancel = cancel.clone();
        let task = tokio::spawn(async move {
            let watch = async {
                while let Some(ended) = tasks.join_next().await {
                    // Its pools would be nobody's, and this server would go on saying that they are its own.
                    if let Err(error) = ended {
                        tracing::error!(%error, "a committer failed; this server ends, so that another takes its pools");
                        cancel.cancel();
                    }
                }
            };
            tokio::join!(keeper, watch);
        });
        (allocator, task)
    }

    /// The database's clock as this server reckons it.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// How many callers wait for room in their pool.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Asks about a pool. The answer is durable.
    pub async fn ask(&self, pool: i32, op: Op, tenants: Option<Arc<Vec<i32>>>) -> Reply {
        let (reply, answer) = oneshot::channel();
        let call = Call { pool, op, tenants, since: Instant::now(), attempts: 0, way: None, reply };
        let inbox = &self.inboxes[place_of(pool, self.inboxes.len())];
        match inbox.try_send(call) {
            Ok(()) => answer.await.unwrap_or(Reply::Unknown),
            Err(mpsc::error::TrySendError::Full(_)) => Reply::Overloaded,
            Err(mpsc::error::TrySendError::Closed(_)) => Reply::Unavailable,
        }
    }
}

/// Which committer has a pool.
fn place_of(pool: i32, committers: usize) -> usize {
    pool.unsigned_abs() as usize % committers
}

/// Says that this server is alive, and asks the database for the time.
async fn keep_alive(db: Db, replica: Uuid, url: String, clock: Arc<Clock>, cancel: CancellationToken) {
    let mut outage = Outage::new(url.clone());
    while !cancel.is_cancelled() {
        let asked = Instant::now();
        outage.asked(asked);
        let answer = within(QUIET_LIMIT, async {
            let mut conn = Loan::of(&db.slots).await?;
            let at = headroom_store::owner::alive(&mut conn, replica, &url, ALIVE_MS).await?;
            conn.give_back();
            Ok::<Millis, StoreError>(at)
        });
        match answer.await {
            Ok(at) => {
                clock.set(asked, at);
                outage.answered(at);
                tell(&db, &mut outage).await;
            }
            Err(error) => {
                outage.missed(clock.now());
                tracing::warn!(%error, "cannot tell the other servers that this one is alive");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ALIVE_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
    // Pools that are not given back are taken over when this server's silence is noticed.
    let _ = within(QUIET_LIMIT, async {
        let mut conn = Loan::of(&db.slots).await?;
        headroom_store::owner::leave(&mut conn, replica).await
    })
    .await;
}

/// Writes down what this server saw while it could write nothing.
async fn tell(db: &Db, outage: &mut Outage) {
    let Some(told) = outage.told() else { return };
    let written = within(QUIET_LIMIT, async {
        let mut conn = Loan::of(&db.slots).await?;
        headroom_store::finding::tell(&mut conn, told.seen.clone(), told.seen_ms, told.over_ms).await?;
        conn.give_back();
        Ok::<(), StoreError>(())
    });
    match written.await {
        Ok(()) => {}
        Err(error) => {
            tracing::warn!(%error, "what was seen while the database was away is not written down yet");
            outage.tell_again(told);
        }
    }
}

/// What the database answers, or that it did not in time. PostgreSQL's own limits are not enough: one that hangs, or is not
/// reached any more, does not keep them.
async fn within<T, E: From<StoreError>>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let too_late = || StoreError::Database(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(too_late().into()))
}
