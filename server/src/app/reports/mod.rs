//! Reports: reckoned, closed with their checksum, kept as they were, and told to those who want them.
//!
//! What is closed is the figures of all tenants; what somebody sees of it is cut to what they may see each time it is asked for.

pub mod files;
mod game_days;
mod incident;
mod letters;
pub mod period;
mod tuning;
pub mod waste;
mod weekly;

use super::{App, AppError, Result};
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::report::{Cell, Document, Kind};
use headroom_store::audit::{self, Entry};
use headroom_store::report::{self, Listed, New};
use headroom_store::{import, letter, organisation};
use period::{Period, zone_around};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::fmt::Write as _;

/// Reports of a list.
const MOST_LISTED: i64 = 500;
/// Reports over a period: they close by themselves.
pub const OVER_PERIODS: [Kind; 3] = [Kind::Waste, Kind::Weekly, Kind::Quarterly];
/// Longest note of a correction, in characters.
const MAX_NOTE: usize = 500;
/// Summaries of alerts close so long after they were over,
const INCIDENT_CLOSES_MS: Millis = headroom_domain::DAY_MS;
/// if they were over within this time,
const INCIDENTS_BACK_MS: Millis = 14 * headroom_domain::DAY_MS;
/// at most so many in a run.
const MOST_INCIDENTS: i64 = 20;
/// A server that was away closes what fell due meanwhile, at most so many periods back.
const MOST_BACK: usize = 13;
/// What fell due longer ago is old: no letter tells of it any more,
const OLD_MS: Millis = 7 * headroom_domain::DAY_MS;
/// and it waits until so long after the last import, which may bring more of that time.
const SETTLES_MS: Millis = headroom_domain::HOUR_MS;

/// A report as somebody sees it.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it says.
    pub document: Document,
    /// How it was kept; `None` = it is provisional.
    pub kept: Option<Listed>,
    /// Whether it is of all tenants and pools.
    pub is_whole: bool,
    /// Whether it is the summary of an alert that will be kept by itself.
    pub closes_by_itself: bool,
    /// When it was asked for.
    pub now_ms: Millis,
}

impl Report {
    /// Whether what it suggests is of today: that of the month that runs, or of the one before it, the newest that is or will next be
    /// closed. What older months suggested rests on what was used then.
    pub fn is_recent(&self) -> bool {
        let document = &self.document;
        let Ok(own) = Period::parse(document.kind, &document.period) else { return false };
        let zone = zone_around(&document.zone, self.now_ms, self.now_ms);
        let running = Period::of(document.kind, zone.local(self.now_ms).date());
        [running, running.as_ref().and_then(Period::before)].contains(&Some(own))
    }
}

/// The figures as text: the same figures are always the same text.
fn canonical(document: &Document) -> Result<String> {
    serde_json::to_string(document).map_err(|error| AppError::Internal(format!("a report as text: {error}")))
}

/// SHA-256 in hexadecimal.
fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing into memory does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A report as it was closed, if it still is that.
fn as_closed(kept: &Listed, figures: &str) -> Result<Document> {
    let name = format!("{} {}", kept.kind, kept.period);
    if checksum(figures) != kept.checksum {
        return Err(AppError::Internal(format!("the figures of {name} are not what was closed")));
    }
    serde_json::from_str(figures).map_err(|error| AppError::Internal(format!("the figures of {name}: {error}")))
}

/// Reads `weekly-2026-W47.v1`, which [`place_name`] writes.
fn place_of(text: &str) -> Option<report::Place<'_>> {
    let (name, version) = text.rsplit_once(".v")?;
    let (kind, period) = name.split_once('-')?;
    let is_plain =
        |text: &str| text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    Some((kind.parse().ok()?, Some(period).filter(|period| is_plain(period))?, version.parse().ok()?))
}

/// A place in the list of reports.
pub fn place_name(listed: &Listed) -> String {
    format!("{}-{}.v{}", listed.kind, listed.period, listed.version)
}

/// What a list shows of a report.
fn total_minor(document: &Document) -> Option<i64> {
    match document.table("waste")?.total_of("idle_minor")? {
        Cell::Money(minor) => minor,
        _ => None,
    }
}

/// Reckons a report over a period.
async fn reckon(conn: &mut PgConnection, kind: Kind, period: &Period, now: Millis) -> Result<Document> {
    let organisation = organisation::get(conn).await?;
    match kind {
        Kind::Waste => waste::document(conn, &organisation, period, now).await,
        Kind::Weekly => weekly::document(conn, &organisation, period, now).await,
        Kind::Quarterly => weekly::quarterly(conn, &organisation, period, now).await,
        Kind::Incident => Err(AppError::invalid("kind", kind.as_str(), "a report over a period")),
    }
}

/// The same with all figures of one instant. The transaction only reads.
async fn reckon_at_once(conn: &mut PgConnection, kind: Kind, period: &Period) -> Result<Document> {
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *conn).await?;
    let now = headroom_store::now(conn).await?;
    reckon(conn, kind, period, now).await
}

/// Reports that are reckoned for pages at a time.
static RECKONING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(3);

impl App {
    /// The period of a kind of report that is running now, and the zone it is in.
    pub async fn current_period(&self, kind: Kind) -> Result<Option<Period>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let zone = zone_around(&organisation::get(&mut conn).await?.zone, now, now);
        Ok(Period::of(kind, zone.local(now).date()))
    }

    /// A report: as it was closed (a version of it, or the newest), or provisional where it is not.
    ///
    /// # Errors
    /// `Invalid` for a period that is none (that of an incident is the number of its alert), `NotFound` for one that has not begun and for a version that there is not.
    pub async fn report(&self, kind: Kind, text: &str, version: Option<i32>) -> Result<Report> {
        self.require(Action::See)?;
        if kind == Kind::Incident {
            return self.kept_incident(text, version).await;
        }
        let period = Period::parse(kind, text)?;
        let slug = period.slug();
        // A month that is not closed is reckoned for whoever asks; some at a time leave connections to all other pages.
        let _turn = RECKONING.acquire().await.map_err(|error| AppError::Internal(error.to_string()))?;
        let mut tx = self.db.pages.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
        let now_ms = headroom_store::now(&mut tx).await?;
        let organisation = organisation::get(&mut tx).await?;
        let found = report::get(&mut tx, kind, &slug, version).await?;
        let missing = || AppError::NotFound { what: "report", slug: text.to_owned(), suggestion: None };
        let (document, kept) = match found {
            Some((kept, figures)) => (as_closed(&kept, &figures)?, Some(kept)),
            None if version.is_some() => return Err(missing()),
            None => {
                let zone = zone_around(&organisation.zone, period.about_ms().min(now_ms), now_ms);
                if period.range(&zone).0 > now_ms {
                    return Err(missing());
                }
                (reckon(&mut tx, kind, &period, now_ms).await?, None)
            }
        };
        self.as_seen(&mut tx, document, kept, now_ms).await
    }

    /// The summary of an alert: as it was closed, or as far as it is known now where it is not.
    async fn kept_incident(&self, text: &str, version: Option<i32>) -> Result<Report> {
        // About whoever was hit, so it is nothing for who sees a part; and the number has one form.
        self.require_no_limits(Action::See)?;
        let number = incident::number(text)?.to_string();
        let mut conn = self.db.pages.acquire().await?;
        let now_ms = headroom_store::now(&mut conn).await?;
        match report::get(&mut conn, Kind::Incident, &number, version).await? {
            Some((kept, figures)) => {
                let document = as_closed(&kept, &figures)?;
                self.as_seen(&mut conn, document, Some(kept), now_ms).await
            }
            None if version.is_some() => {
                Err(AppError::NotFound { what: "report", slug: text.to_owned(), suggestion: None })
            }
            None => {
                drop(conn);
                self.incident(text).await
            }
        }
    }

    /// What the caller may see of a report.
    async fn as_seen(
        &self,
        conn: &mut PgConnection,
        document: Document,
        kept: Option<Listed>,
        now_ms: Millis,
    ) -> Result<Report> {
        let mut document = document.limited(self.caller.tenants.as_deref(), self.caller.pools.as_deref());
        if !self.sees_money(&organisation::get(conn).await?) {
            document = document.without_money();
        }
        let is_whole = !self.caller.is_limited();
        Ok(Report { document, kept, is_whole, closes_by_itself: false, now_ms })
    }

    /// The newest kept reports. Their totals and checksums are of all tenants, so who sees some only is told neither.
    pub async fn reports(&self) -> Result<Vec<Listed>> {
        Ok(self.reports_after(None, MOST_LISTED).await?.0)
    }

    /// The same, a part of them: those after one, such as `weekly-2026-W47.v1`, and whether there are more.
    ///
    /// # Errors
    /// `Invalid` if there is no such one to begin after, or for a limit outside 1 to 500.
    pub async fn reports_after(&self, after: Option<&str>, limit: i64) -> Result<(Vec<Listed>, bool)> {
        self.require(Action::See)?;
        if !(1..=MOST_LISTED).contains(&limit) {
            return Err(AppError::invalid("limit", limit.to_string(), format!("1 to {MOST_LISTED}")));
        }
        let unknown = |text: &str| AppError::invalid("after", text, "the next of an earlier answer");
        // An incident is about whoever was hit.
        let is_limited = self.caller.is_limited();
        let is_shown = |place: &report::Place<'_>| !is_limited || place.0 != Kind::Incident;
        let place = after.map(|text| place_of(text).filter(is_shown).ok_or_else(|| unknown(text))).transpose()?;
        let mut conn = self.db.pages.acquire().await?;
        let shows_money = self.sees_money(&organisation::get(&mut conn).await?) && !is_limited;
        let found = report::list(&mut conn, !is_limited, place, limit + 1).await?;
        let mut reports = found.ok_or_else(|| unknown(after.unwrap_or_default()))?;
        let has_more = reports.len() as i64 > limit;
        reports.truncate(usize::try_from(limit).unwrap_or_default());
        for one in &mut reports {
            if !shows_money {
                one.total_minor = None;
            }
            if is_limited {
                one.checksum.clear();
                one.note.clear();
            }
        }
        Ok((reports, has_more))
    }

    /// Closes what is due: each period once, whoever asks. Returns what was closed.
    pub(crate) async fn close_reports(&self) -> Result<Vec<String>> {
        let mut closed = Vec::new();
        // A report that cannot be closed keeps no other one open.
        let mut first_error = None;
        for kind in OVER_PERIODS {
            for (period, is_old) in self.due(kind).await? {
                match self.close_report(kind, &period, !is_old).await {
                    Ok(true) => closed.push(format!("{kind} {}", period.slug())),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%kind, period = period.slug(), %error, "this report could not be closed");
                        first_error.get_or_insert(error);
                    }
                }
            }
        }
        for alert in self.incidents_due().await? {
            match self.close_incident(alert).await {
                Ok(true) => closed.push(format!("{} {alert}", Kind::Incident)),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(alert, %error, "the summary of this alert could not be closed");
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(closed), Err)
    }

    /// Pages that were over a day ago: what came after them is known by then.
    async fn incidents_due(&self) -> Result<Vec<i64>> {
        let mut conn = self.db.jobs.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        Ok(report::incidents_due(&mut conn, now - INCIDENTS_BACK_MS, now - INCIDENT_CLOSES_MS, MOST_INCIDENTS).await?)
    }

    /// Closes the summary of an alert. Returns whether it was open.
    async fn close_incident(&self, alert: i64) -> Result<bool> {
        let document = self.incident(&alert.to_string()).await?.document;
        let mut tx = self.db.jobs.begin().await?;
        let is_new = self.keep(&mut tx, &document, 1, "").await?;
        tx.commit().await?;
        Ok(is_new)
    }

    /// Closes one report, and tells who wants to know if it is new to them. Returns whether it was open.
    async fn close_report(&self, kind: Kind, period: &Period, tells: bool) -> Result<bool> {
        let mut tx = self.db.jobs.begin().await?;
        let document = reckon_at_once(&mut tx, kind, period).await?;
        let letters = if tells { self.letters_of_report(&mut tx, &document).await? } else { Vec::new() };
        tx.commit().await?;
        // What is long to reckon and to write holds nobody up who writes the audit trail.
        let mut tx = self.db.jobs.begin().await?;
        let is_new = self.keep(&mut tx, &document, 1, "").await?;
        if is_new {
            letter::write(&mut tx, &letters).await?;
        }
        tx.commit().await?;
        Ok(is_new)
    }

    /// Periods whose time to close has come and that are not closed, the oldest first, and whether that was long ago; those before the
    /// first sample are none. What is old is not closed while history of that time is brought in.
    async fn due(&self, kind: Kind) -> Result<Vec<(Period, bool)>> {
        let mut conn = self.db.jobs.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let Some((first, _)) = headroom_store::history::extent(&mut conn, None).await? else { return Ok(Vec::new()) };
        let zone = zone_around(&organisation::get(&mut conn).await?.zone, first.min(now), now);
        let fresh_from = import::fresh_from(&mut conn, now - SETTLES_MS).await?;
        let mut due = Vec::new();
        let mut period = Period::of(kind, zone.local(now).date());
        for _ in 0..MOST_BACK {
            let Some(one) = period else { break };
            let end = one.range(&zone).1;
            if end <= first {
                break;
            }
            let is_old = one.closes_ms(&zone) <= now - OLD_MS;
            let waits = is_old && fresh_from.is_some_and(|from| from < end);
            if one.closes_ms(&zone) <= now && !waits && !report::is_closed(&mut conn, kind, &one.slug()).await? {
                due.push((one, is_old));
            }
            period = one.before();
        }
        due.reverse();
        Ok(due)
    }

    /// Keeps a report. Returns whether it is new.
    async fn keep(&self, conn: &mut PgConnection, document: &Document, version: i32, note: &str) -> Result<bool> {
        let figures = canonical(document)?;
        let checksum = checksum(&figures);
        let new = New {
            kind: document.kind,
            period: &document.period,
            version,
            actor: &self.caller.actor.name,
            note,
            title: &document.title,
            total_minor: total_minor(document),
            currency: document.currency.as_deref(),
            figures: &figures,
            checksum: &checksum,
        };
        if !report::keep(conn, &new).await? {
            return Ok(false);
        }
        let entry = Entry {
            actor: &self.caller.actor,
            action: if version == 1 { "close" } else { "correct" },
            object: "report",
            key: &format!("{} {} v{version}", document.kind, document.period),
            id: None,
            before: None,
            after: Some(serde_json::json!({ "checksum": checksum })),
            reason: note,
        };
        audit::record(conn, &entry).await?;
        Ok(true)
    }

    /// Reckons a closed report anew, as another version with a note that says why.
    ///
    /// # Errors
    /// `NotFound` if it is not closed, `Invalid` without a note, `Conflict` if nothing would be different or somebody was faster.
    pub async fn correct_report(&self, kind: Kind, text: &str, note: &str) -> Result<Listed> {
        self.require(Action::Plan)?;
        self.require_no_limits(Action::Plan)?;
        let note = note.trim();
        let is_good = (1..=MAX_NOTE).contains(&note.chars().count()) && !note.chars().any(char::is_control);
        if !is_good {
            return Err(AppError::invalid("note", note, "what was corrected, in 1 to 500 characters on one line"));
        }
        let period = Period::parse(kind, text)?;
        let mut tx = self.db.pages.begin().await?;
        let document = reckon_at_once(&mut tx, kind, &period).await?;
        tx.commit().await?;
        let mut tx = self.db.pages.begin().await?;
        let slug = period.slug();
        let missing = || AppError::NotFound { what: "report", slug: slug.clone(), suggestion: None };
        let (kept, figures) = report::get(&mut tx, kind, &slug, None).await?.ok_or_else(missing)?;
        let was: Document = serde_json::from_str(&figures)
            .map_err(|error| AppError::Internal(format!("the figures of {kind} {slug}: {error}")))?;
        let document = weekly::with_outlook_of(document, &was);
        if canonical(&document)? == figures {
            return Err(AppError::Conflict(format!("{} says the same today: nothing is to be corrected", kept.title)));
        }
        if !self.keep(&mut tx, &document, kept.version + 1, note).await? {
            return Err(AppError::Conflict(format!("{} was corrected meanwhile; look at it again", kept.title)));
        }
        let (listed, _) = report::get(&mut tx, kind, &slug, Some(kept.version + 1)).await?.ok_or_else(missing)?;
        tx.commit().await?;
        Ok(listed)
    }

    /// What a slot of a pool costs for an hour without a reservation, in millionths; `None` = the same as with one, or the caller is not
    /// shown money.
    ///
    /// # Errors
    /// `NotFound` without such a pool.
    pub async fn elastic_price(&self, slug: &str) -> Result<Option<i64>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let pool = super::pools::find(&mut conn, &self.caller, slug).await?;
        if !self.may_see_prices(&mut conn).await? {
            return Ok(None);
        }
        Ok(report::elastic_prices(&mut conn).await?.get(&pool.key).copied())
    }

    /// Sets what a slot of a pool costs for an hour without a reservation, in millionths; `None` = the same as with one.
    ///
    /// # Errors
    /// `Invalid` outside of its bounds or from somebody who is not shown money, `NotFound` without such a pool.
    pub async fn set_elastic_price(&self, slug: &str, micros: Option<i64>) -> Result<()> {
        /// The same bound as that of a pool's price.
        const MOST: i64 = 1_000_000_000_000;
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        if let Some(wrong) = micros.filter(|micros| !(0..=MOST).contains(micros)) {
            return Err(AppError::invalid("elastic_price_micros", wrong.to_string(), "0 to 1,000,000 of the currency"));
        }
        let mut tx = self.db.pages.begin().await?;
        if !self.may_see_prices(&mut tx).await? {
            let expected = "no price from somebody who is not shown money";
            return Err(AppError::invalid("elastic_price_micros", micros.unwrap_or_default().to_string(), expected));
        }
        let pool = super::pools::find(&mut tx, &self.caller, slug).await?;
        let before = report::elastic_prices(&mut tx).await?.get(&pool.key).copied();
        report::set_elastic_price(&mut tx, pool.key, micros).await?;
        // With its name, so that it is known as money where money is not shown.
        let recorded = |micros: i64| serde_json::json!({ "elastic_price_micros": micros });
        let entry = Entry {
            actor: &self.caller.actor,
            action: "set-elastic-price",
            object: "pool",
            key: slug,
            id: Some(pool.id),
            before: before.map(recorded),
            after: micros.map(recorded),
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        assert_eq!(place_of("weekly-2026-W47.v12"), Some((Kind::Weekly, "2026-W47", 12)));
        assert_eq!(place_of("incident-7.v1"), Some((Kind::Incident, "7", 1)));
        for wrong in
            ["", "weekly", "weekly-2026-W47", "daily-2026.v1", "weekly-2026-W47.vx", "weekly-a\0b.v1", "waste-é.v1"]
        {
            assert_eq!(place_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_everybody_elses_tools() {
        // printf abc | sha256sum
        assert_eq!(checksum("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
