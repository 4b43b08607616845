//! What runs in the background, for the Jobs page and the API.

use super::{App, Result};
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_store::import::Import;
use headroom_store::job::Run;
use headroom_store::{import, job};

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

/// Reports close.
pub const REPORTS: Scheduled = Scheduled {
    name: "reports",
    purpose: "Closes reports: months on the 3rd at 06:00 in the organisation's zone, each once.",
    period_ms: 60_000,
    // A month of many pools takes a while to reckon.
    margin_ms: 600_000,
};

/// Everything that runs by itself.
pub const SCHEDULE: [Scheduled; 9] = [ROLLUP, FEED, FINDINGS, ALERTS, ESCALATION, PLANS, REPORTS, PARTITIONS, SESSIONS];

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

    /// Imports, newest first.
    pub async fn imports(&self) -> Result<Vec<Import>> {
        self.require(Action::SeeJobs)?;
        Ok(import::list(&mut *self.db.pages.acquire().await?).await?)
    }
}
