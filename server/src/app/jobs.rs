//! What runs in the background, for the Jobs page and the API.

use super::{App, AppError, Result};
use headroom_domain::access::Action;
use headroom_domain::format;
use headroom_domain::slug::nearest;
use headroom_domain::{MINUTE_MS, Millis};
use headroom_store::audit::{self, Entry};
use headroom_store::import::Import;
use headroom_store::job::{Run, Standing, Turn};
use headroom_store::{import, job};
use sqlx::PgConnection;

/// A line of the schedule.
#[derive(Debug, Clone, Copy)]
pub struct Scheduled {
    /// The job's name, as leases and runs have it.
    pub name: &'static str,
    /// What it does, one sentence.
    pub purpose: &'static str,
    /// How often it runs.
    pub period_ms: Millis,
    /// Its lease outlives the period by this, so that a healthy server keeps it; another server goes on after as long.
    pub margin_ms: Millis,
}

impl Scheduled {
    /// It runs all the time: each of its rounds looks at everything, and which one does is of no matter. Every other job has turns, each
    /// of which is done once.
    pub const fn is_continuous(&self) -> bool {
        self.period_ms < MINUTE_MS
    }

    /// Why it runs as often as it does.
    pub fn why(&self) -> &'static str {
        match self.name {
            "rollup" => "pages are at most so much later than the samples; samples that come wake it early",
            "feed" => "the history of claims is at most so much later than the claims",
            "findings" => "what is wrong is told within seconds",
            "alerts" => "a burn that pages is judged in the minute in which it is seen",
            "escalation" => "whoever is asked next is asked on time",
            "forecasts" => {
                "every pool is foreseen once an hour, and a step of its plan is taken in the minute in which it is due"
            }
            "plans" => "reservations begin and end at whole minutes",
            "reports" => "a report closes within a minute of its time, once",
            "partitions" => "partitions exist eight days ahead, so a run that is late by days does no harm",
            "sessions" => "nothing of people is kept for longer than it has to be",
            _ if self.period_ms >= 24 * 60 * MINUTE_MS => "once a day is enough for what changes by days",
            _ if self.period_ms >= 60 * MINUTE_MS => "history comes by the hour",
            _ => "what it looks at changes all the time",
        }
    }
}

tokio::task_local! {
    /// The turn that this task does; nothing outside of jobs that have turns.
    pub(crate) static TURN: Turn;
}

/// Refuses what belongs to a turn that another server has by now; asked last in the transaction that writes. A server that stood still
/// goes on where it was, and would do twice what another one did meanwhile.
pub(crate) async fn still_in_turn(conn: &mut PgConnection) -> Result<()> {
    let Ok(turn) = TURN.try_with(Clone::clone) else { return Ok(()) };
    if is_careless() || job::holds(conn, &turn.job, turn.owner, turn.epoch).await? {
        return Ok(());
    }
    Err(AppError::Conflict(lost(&turn)))
}

/// What is said of a turn that another server has.
pub(crate) fn lost(turn: &Turn) -> String {
    format!(
        "this server stood still in a run of {:?} and lost its turn to another one: nothing of the rest is done here",
        turn.job
    )
}

/// Whether turns that were lost are gone on with, where a test wants to see that they are done twice then.
pub(crate) fn is_careless() -> bool {
    cfg!(feature = "negative-control")
        && std::env::var("HEADROOM_NEGATIVE_CONTROL").is_ok_and(|control| control == "jobs")
}

/// Longer than any server is busy with something else.
const USUAL_MARGIN_MS: Millis = 20_000;

/// Samples become history.
pub const ROLLUP: Scheduled = Scheduled {
    name: "rollup",
    purpose: "Turns accepted samples into history by the minute, five minutes, hour and day.",
    period_ms: 5_000,
    margin_ms: USUAL_MARGIN_MS,
};

/// History gets its room and loses it.
pub const PARTITIONS: Scheduled = Scheduled {
    name: "partitions",
    purpose: "Makes partitions ahead of the data and drops those past their retention.",
    period_ms: 3_600_000,
    margin_ms: USUAL_MARGIN_MS,
};

/// Nothing is kept of people that is over.
pub const SESSIONS: Scheduled = Scheduled {
    name: "sessions",
    purpose: "Removes ended sessions, unused one-time codes and failures to sign in older than a day.",
    period_ms: 3_600_000,
    margin_ms: USUAL_MARGIN_MS,
};

/// Claims become history.
pub const FEED: Scheduled = Scheduled {
    name: "feed",
    purpose: "Turns claims and releases of slots into history, and ends cuts of quotas whose time is over.",
    period_ms: 5_000,
    margin_ms: USUAL_MARGIN_MS,
};

/// What is wrong is found.
pub const FINDINGS: Scheduled = Scheduled {
    name: "findings",
    purpose: "Looks for what is wrong with live pools and servers, and remembers since when.",
    period_ms: 1_000,
    // A lost server is to be told by another one soon.
    margin_ms: 4_000,
};

/// Alerts are judged.
pub const ALERTS: Scheduled = Scheduled {
    name: "alerts",
    purpose: "Judges every minute of every pool by the rules, and writes down who is to be told.",
    period_ms: 1_000,
    margin_ms: USUAL_MARGIN_MS,
};

/// People are asked.
pub const ESCALATION: Scheduled = Scheduled {
    name: "escalation",
    purpose: "Asks the next person where nobody answered, reminds, and ends snoozes and silences.",
    period_ms: 1_000,
    margin_ms: USUAL_MARGIN_MS,
};

/// Plans go on by themselves.
pub const PLANS: Scheduled = Scheduled {
    name: "plans",
    purpose: "Works out what repeats, releases what nobody uses, takes back what is above a limit that shrank, and reminds of ends.",
    period_ms: 60_000,
    margin_ms: USUAL_MARGIN_MS,
};

/// Pools are forecast.
pub const FORECASTS: Scheduled = Scheduled {
    name: "forecasts",
    purpose: "Forecasts every pool once an hour, chooses once a day whether predicting pays, and decides about capacity.",
    period_ms: 60_000,
    margin_ms: USUAL_MARGIN_MS,
};

/// Reports close.
pub const REPORTS: Scheduled = Scheduled {
    name: "reports",
    purpose: "Closes reports: months on the 3rd at 06:00 in the organisation's zone, each once.",
    period_ms: 60_000,
    // A month of many pools takes a while to reckon.
    margin_ms: 600_000,
};

/// Everything that runs by itself.
pub const SCHEDULE: [Scheduled; 10] =
    [ROLLUP, FEED, FINDINGS, ALERTS, ESCALATION, PLANS, FORECASTS, REPORTS, PARTITIONS, SESSIONS];

impl App {
    /// The newest runs of all jobs.
    pub async fn job_runs(&self, limit: i64) -> Result<Vec<Run>> {
        self.require(Action::SeeJobs)?;
        Ok(job::runs(&mut *self.db.pages.acquire().await?, None, limit).await?)
    }

    /// The newest run of one job.
    pub async fn last_run(&self, name: &str) -> Result<Option<Run>> {
        self.require(Action::SeeJobs)?;
        Ok(job::runs(&mut *self.db.pages.acquire().await?, Some(name), 1).await?.pop())
    }

    /// The newest runs of one job.
    pub async fn runs_of(&self, name: &str, limit: i64) -> Result<Vec<Run>> {
        self.require(Action::SeeJobs)?;
        Ok(job::runs(&mut *self.db.pages.acquire().await?, Some(name), limit).await?)
    }

    /// How the jobs stand.
    pub async fn job_standings(&self) -> Result<Vec<Standing>> {
        self.require(Action::SeeJobs)?;
        Ok(job::standings(&mut *self.db.pages.acquire().await?).await?)
    }

    /// A line of the schedule by its name.
    pub fn scheduled(&self, name: &str) -> Result<Scheduled> {
        self.require(Action::SeeJobs)?;
        planned(name)
    }

    /// Asks for a run of a job now. Whichever server has its next look at the job does it, under the lease that its other runs have: a job
    /// never runs twice at the same time. Who plans may ask, and needs no right to see the runs for it.
    pub async fn run_job(&self, name: &str) -> Result<()> {
        self.require(Action::Plan)?;
        // A job works for all pools and tenants.
        self.require_no_limits(Action::Plan)?;
        let scheduled = planned(name)?;
        if scheduled.is_continuous() {
            let period = format::duration(scheduled.period_ms);
            return Err(AppError::Conflict(format!(
                "{name} runs all the time, every {period}: there is nothing to ask for"
            )));
        }
        let by =
            self.caller.account().map_or_else(|| self.caller.actor.name.clone(), |account| account.fields.name.clone());
        let mut tx = self.db.pages.begin().await?;
        if let Some(standing) = job::ask(&mut tx, name, &by).await? {
            return Err(AppError::Conflict(busy(&standing)));
        }
        let entry = Entry {
            actor: &self.caller.actor,
            action: "run",
            object: "job",
            key: name,
            id: None,
            before: None,
            after: None,
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// One import.
    pub async fn import(&self, part: i32) -> Result<Import> {
        self.require(Action::SeeJobs)?;
        self.known_import(part).await
    }

    /// One import, for who has a right to it already.
    async fn known_import(&self, part: i32) -> Result<Import> {
        let all = import::list(&mut *self.db.pages.acquire().await?).await?;
        let found = all.into_iter().find(|import| import.part == part);
        found.ok_or_else(|| AppError::NotFound { what: "import", slug: part.to_string(), suggestion: None })
    }

    /// Tells an import to stop. What it read is kept, and the same command goes on with it.
    pub async fn cancel_import(&self, part: i32) -> Result<()> {
        self.require(Action::Plan)?;
        self.require_no_limits(Action::Plan)?;
        let found = self.known_import(part).await?;
        let name = &found.source_name;
        if found.is_done() {
            return Err(AppError::Conflict(format!(
                "import {part} ({name}) is done; `headroom import undo {part}` takes it out again"
            )));
        }
        if !found.is_alive {
            return Err(AppError::Conflict(format!(
                "nobody is at import {part} ({name}): its command ended; repeat it to go on"
            )));
        }
        let by =
            self.caller.account().map_or_else(|| self.caller.actor.name.clone(), |account| account.fields.name.clone());
        let mut tx = self.db.pages.begin().await?;
        if !import::cancel(&mut tx, part, &by).await? {
            return Err(AppError::Conflict(format!("import {part} ({name}) is done or was told to stop already")));
        }
        let entry = Entry {
            actor: &self.caller.actor,
            action: "cancel",
            object: "import",
            key: name,
            id: None,
            before: None,
            after: None,
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Imports, newest first.
    pub async fn imports(&self) -> Result<Vec<Import>> {
        self.require(Action::SeeJobs)?;
        Ok(import::list(&mut *self.db.pages.acquire().await?).await?)
    }
}

/// A line of the schedule by its name.
fn planned(name: &str) -> Result<Scheduled> {
    let found = SCHEDULE.into_iter().find(|scheduled| scheduled.name == name);
    found.ok_or_else(|| AppError::NotFound {
        what: "job",
        slug: name.chars().take(80).collect(),
        suggestion: nearest(name, SCHEDULE.iter().map(|scheduled| scheduled.name)).map(str::to_owned),
    })
}

/// Why a job cannot be asked for.
fn busy(standing: &Standing) -> String {
    let by = standing.asked_by.as_deref().unwrap_or("somebody");
    match (standing.running_since_ms, &standing.server) {
        (Some(since), Some(server)) => format!(
            "{} runs already, since {} on {server}; it was not started again",
            standing.job,
            headroom_domain::range::rfc3339(since)
        ),
        (Some(_), None) => format!("{} runs already; it was not started again", standing.job),
        (None, _) => format!("{by} asked for {} already; it begins within seconds", standing.job),
    }
}
