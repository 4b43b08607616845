//! Alerts as a caller may see them: with names, without what concerns other tenants.

use super::super::{App, AppError, Result, pools, tenants};
use super::context::Context;
use super::tell;
use headroom_domain::access::Action;
use headroom_domain::alert::episode::{Condition, Workflow};
use headroom_domain::alert::outcome::Outcome;
use headroom_domain::alert::window::Lane;
use headroom_domain::{DAY_MS, Millis};
use headroom_store::alert::{self, Event, Quality, Row, Wanted};
use headroom_store::notification::{self, Notification};
use headroom_store::sli::{self, Round};
use headroom_store::{change, owner, receiver};
use sqlx::PgConnection;
use std::collections::HashMap;

/// Most alerts of one answer.
pub const MAX_ALERTS: i64 = 1_000;
/// Most lines of a timeline.
const MOST_EVENTS: i64 = 500;
/// Other episodes that are shown with one.
const EPISODES: i64 = 10;
/// Messages on the board that could not be delivered.
const UNDELIVERED: i64 = 20;

/// How an alert is shown: the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is over.
    Resolved,
    /// Nobody can tell whether it still fires.
    NoData,
    /// A silence keeps it from people.
    Silenced,
    /// Another alert explains it.
    Inhibited,
    /// Somebody put it off.
    Snoozed,
    /// Somebody has it.
    Acknowledged,
    /// It fires, and nobody has it.
    Firing,
    /// It has not fired yet.
    Pending,
}

impl State {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::NoData => "no-data",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
            Self::Snoozed => "snoozed",
            Self::Acknowledged => "acknowledged",
            Self::Firing => "firing",
            Self::Pending => "pending",
        }
    }

    /// Of an alert in the store.
    pub fn of(row: &Row) -> Self {
        match (row.alert.condition, row.alert.workflow) {
            (Condition::Resolved, _) => Self::Resolved,
            (Condition::Frozen, _) => Self::NoData,
            _ if row.silence.is_some() => Self::Silenced,
            _ if row.inhibited_by.is_some() => Self::Inhibited,
            (_, Workflow::Snoozed) => Self::Snoozed,
            (_, Workflow::Acknowledged) => Self::Acknowledged,
            (Condition::Firing, _) => Self::Firing,
            (Condition::Pending | Condition::Inactive, _) => Self::Pending,
        }
    }
}

/// A name with its slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// In URLs.
    pub slug: String,
    /// On pages.
    pub name: String,
}

/// An alert as somebody sees it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// As it is in the store.
    pub row: Row,
    /// How it is shown.
    pub state: State,
    /// Its rule as people call it.
    pub title: String,
    /// As other tools call it.
    pub alertname: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it is written what to do.
    pub runbook: String,
    /// The pool.
    pub pool: Option<Named>,
    /// The tenant; `None` = the pool as a whole.
    pub tenant: Option<Named>,
    /// What, how much of how much.
    pub says: String,
    /// Tenants that are hit, worst first; those that may be seen.
    pub hit: Vec<Named>,
    /// Tenants that use most, with their part of the use; those that may be seen.
    pub users: Vec<(Named, f64)>,
    /// Alerts that this one explains: number and tenant; those that may be seen.
    pub explains: Vec<(i64, Option<Named>)>,
    /// Services behind the pool.
    pub services: Vec<(String, bool)>,
    /// Who is asked next, and when, while nobody has it.
    pub asks: Option<(String, Millis)>,
    /// Until when a silence hides it, and whose that is.
    pub silenced: Option<(Millis, String)>,
}

/// Which alerts somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct AskedFor {
    /// Slugs of pools; all if there are none.
    pub pools: Vec<String>,
    /// Slugs of tenants; all if there are none.
    pub tenants: Vec<String>,
    /// As in the store.
    pub wanted: Wanted,
}

/// Alerts, and how far the engine is.
#[derive(Debug, Clone)]
pub struct Listed {
    /// When this was so.
    pub now: Millis,
    /// The engine's last round.
    pub engine: Round,
    /// The newest first.
    pub alerts: Vec<Shown>,
    /// Number of the newest event: whoever follows goes on from here.
    pub version: i64,
}

/// Everything about one alert.
#[derive(Debug, Clone)]
pub struct Whole {
    /// When this was so.
    pub now: Millis,
    /// The alert.
    pub shown: Shown,
    /// What happened to it, oldest first.
    pub events: Vec<Event>,
    /// Who was told, and how that went, newest first.
    pub deliveries: Vec<Notification>,
    /// Other episodes of the same thing, newest first.
    pub episodes: Vec<Shown>,
    /// Steps of the runbook that were done: number, who, when.
    pub steps: Vec<(i32, String, Millis)>,
    /// What it turned out to be, if somebody said so.
    pub outcome: Option<Outcome>,
}

impl Context {
    fn named_tenant(&self, key: i32) -> Option<Named> {
        self.tenants.get(&key).map(|(slug, name)| Named { slug: slug.clone(), name: name.clone() })
    }
}

impl App {
    pub(super) async fn alert_context(&self, conn: &mut PgConnection) -> Result<Context> {
        let tracked = owner::tracked(conn).await?;
        Context::read(conn, &tracked).await
    }

    /// Whether the caller may see an alert.
    pub(super) fn sees_alert(&self, row: &Row) -> bool {
        let pool = row.pool.map_or(!self.caller.is_limited(), |pool| self.caller.sees_pool(pool));
        let tenant = self.caller.tenants.is_none() || (row.tenant != 0 && self.caller.sees_tenant(row.tenant));
        pool && tenant
    }

    /// An alert as the caller sees it.
    pub(super) fn show_alert(&self, context: &Context, row: Row) -> Shown {
        let named = |key: &i32| self.caller.sees_tenant(*key).then(|| context.named_tenant(*key)).flatten();
        let meta = row.pool.and_then(|key| context.pools.get(&key));
        let rule = context.rule(&row.rule);
        let summary = tell::summary(context, &row);
        Shown {
            state: State::of(&row),
            title: rule.map_or_else(|| row.rule.clone(), |rule| rule.name.clone()),
            alertname: tell::alertname(&row.rule),
            owner: context.owner_of(&row),
            runbook: context.runbook_of(&row),
            pool: meta.map(|meta| Named { slug: meta.slug.clone(), name: meta.name.clone() }),
            tenant: context.named_tenant(row.tenant),
            says: summary.split_once(": ").map(|(_, says)| says.to_owned()).unwrap_or_default(),
            hit: row.facts.hit.iter().filter_map(named).collect(),
            users: row.facts.users.iter().filter_map(|(key, share)| Some((named(key)?, *share))).collect(),
            explains: row
                .facts
                .explains
                .iter()
                .filter(|(_, tenant)| self.caller.tenants.is_none() || named(tenant).is_some())
                .map(|(id, tenant)| (*id, named(tenant)))
                .collect(),
            services: meta.map(|meta| meta.services.clone()).unwrap_or_default(),
            asks: asks(context, &row),
            silenced: context
                .silences
                .iter()
                .find(|one| Some(one.id) == row.silence)
                .map(|one| (one.until_ms, one.author.clone())),
            row,
        }
    }

    /// Alerts, the newest first: those that the caller may see.
    pub async fn alerts(&self, asked: &AskedFor) -> Result<Listed> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let mut wanted = asked.wanted.clone();
        let mut pools_wanted = Vec::new();
        for slug in &asked.pools {
            pools_wanted.push(pools::find(conn, &self.caller, slug).await?.key);
        }
        let mut tenants_wanted = Vec::new();
        for slug in &asked.tenants {
            tenants_wanted.push(tenants::find(conn, &self.caller, slug).await?.key);
        }
        wanted.pools = if pools_wanted.is_empty() { self.caller.pools.clone() } else { Some(pools_wanted) };
        wanted.tenants = if tenants_wanted.is_empty() { self.caller.tenants.clone() } else { Some(tenants_wanted) };
        wanted.no_system = self.caller.is_limited();
        wanted.limit = wanted.limit.clamp(1, MAX_ALERTS);
        let context = self.alert_context(conn).await?;
        let rows = alert::list(conn, &wanted).await?;
        Ok(Listed {
            now: context.now,
            engine: sli::round(conn).await?,
            alerts: rows.into_iter().map(|row| self.show_alert(&context, row)).collect(),
            version: alert::newest_event(conn).await?,
        })
    }

    /// One alert, if the caller may see it.
    pub async fn alert(&self, id: i64) -> Result<Whole> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let row = alert::get(conn, id).await?.filter(|row| self.sees_alert(row)).ok_or_else(|| no_alert(id))?;
        let context = self.alert_context(conn).await?;
        let episodes = alert::episodes(conn, &row, EPISODES).await?;
        let deliveries = if self.caller.is_limited() {
            Vec::new()
        } else {
            let wanted =
                notification::Wanted { alert: Some(id), limit: MOST_EVENTS, ..notification::Wanted::default() };
            notification::list(conn, &wanted).await?
        };
        Ok(Whole {
            now: context.now,
            events: alert::events(conn, id, MOST_EVENTS).await?,
            deliveries,
            episodes: episodes.into_iter().map(|row| self.show_alert(&context, row)).collect(),
            steps: alert::steps(conn, id).await?,
            outcome: alert::outcomes(conn, &[id]).await?.remove(&id),
            shown: self.show_alert(&context, row),
        })
    }

    /// How rules did over a time, as far as the caller may see what they were about.
    pub async fn alert_quality(&self, from: Millis, to: Millis) -> Result<Vec<(String, Quality)>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let found =
            alert::quality(&mut conn, from, to, self.caller.pools.as_deref(), self.caller.tenants.as_deref()).await?;
        let title = |slug: &str| context.rule(slug).map_or_else(|| slug.to_owned(), |rule| rule.name.clone());
        Ok(found.into_iter().map(|quality| (title(&quality.rule), quality)).collect())
    }

    /// What the alerts of each rule turned out to be, as far as the caller may see what they were about.
    pub async fn alert_outcomes(&self, from: Millis, to: Millis) -> Result<HashMap<String, Vec<(Outcome, i64)>>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let (pools, tenants) = (self.caller.pools.as_deref(), self.caller.tenants.as_deref());
        let mut all: HashMap<String, Vec<(Outcome, i64)>> = HashMap::new();
        for (rule, outcome, count) in alert::outcome_counts(&mut conn, from, to, pools, tenants).await? {
            all.entry(rule).or_default().push((outcome, count));
        }
        Ok(all)
    }

    /// What some alerts turned out to be: of those that the caller was shown.
    pub async fn outcomes_of(&self, shown: &[Shown]) -> Result<HashMap<i64, Outcome>> {
        let ids: Vec<i64> = shown.iter().map(|one| one.row.id).collect();
        Ok(alert::outcomes(&mut *self.db.pages.acquire().await?, &ids).await?)
    }

    /// Number of the newest event of any alert.
    pub async fn alert_version(&self) -> Result<i64> {
        self.require(Action::See)?;
        Ok(alert::newest_event(&mut *self.db.pages.acquire().await?).await?)
    }
}

/// Who is asked next, and when.
fn asks(context: &Context, row: &Row) -> Option<(String, Millis)> {
    let asking = row.alert.asking.as_ref().filter(|_| row.alert.workflow == Workflow::Open)?;
    let owner = context.owner_of(row);
    let plan = context.oncall.plan(&owner);
    let at = row.alert.next_tick(&plan)?;
    let step = asking.next % plan.steps_ms.len().max(1);
    let people = context.oncall.asked(&owner, step, at);
    let names: Vec<String> = people.into_iter().map(|person| person.name).collect();
    let whom = if names.is_empty() { format!("step {}", step + 1) } else { names.join(", ") };
    Some((whom, at))
}

pub(super) fn no_alert(id: i64) -> AppError {
    AppError::NotFound { what: "alert", slug: id.to_string(), suggestion: None }
}

/// Order of a board: pages before tickets, what nobody has before what somebody has, older first.
pub fn board_order(a: &Shown, b: &Shown) -> std::cmp::Ordering {
    let rank = |one: &Shown| {
        let is_hidden = matches!(one.state, State::Silenced | State::Inhibited);
        let is_taken = matches!(one.state, State::Acknowledged | State::Snoozed);
        (is_hidden, one.row.alert.severity != Lane::Page, is_taken, !one.row.alert.critical)
    };
    rank(a).cmp(&rank(b)).then(a.row.alert.fired_ms.cmp(&b.row.alert.fired_ms)).then(a.row.id.cmp(&b.row.id))
}

impl App {
    /// What is wrong with telling people, a sentence each. Who sees some pools or tenants only learns nothing of it.
    pub async fn delivery_warnings(&self) -> Result<Vec<String>> {
        if self.caller.is_limited() {
            return Ok(Vec::new());
        }
        let mut conn = self.db.pages.acquire().await?;
        let mut warnings = Vec::new();
        for receiver in receiver::list(&mut conn).await?.into_iter().filter(|one| one.enabled && one.failures > 0) {
            let error = receiver.last_error.unwrap_or_default();
            warnings.push(format!("{} delivery retrying ({}): {error}", receiver.name, receiver.failures));
        }
        let dead = notification::dead_pages(&mut conn).await?;
        if dead > 0 {
            let pages = if dead == 1 { "1 page".to_owned() } else { format!("{dead} pages") };
            warnings.push(format!("{pages} could not be delivered: see below why, and send it again."));
        }
        Ok(warnings)
    }

    /// What could not be delivered since a day ago, the newest first. Who sees some pools or tenants only learns nothing of it.
    pub async fn undelivered(&self) -> Result<Vec<Notification>> {
        if self.caller.is_limited() {
            return Ok(Vec::new());
        }
        let mut conn = self.db.pages.acquire().await?;
        let since = headroom_store::now(&mut conn).await? - DAY_MS;
        let wanted =
            notification::Wanted { state: Some("dead"), limit: UNDELIVERED, ..notification::Wanted::default() };
        let mut dead = notification::list(&mut conn, &wanted).await?;
        dead.retain(|one| one.created_ms > since);
        Ok(dead)
    }

    /// Who is on call first for those whose alerts nobody else answers for, and until when.
    pub async fn on_call_words(&self, now: Millis) -> Result<Option<(String, Option<Millis>)>> {
        if self.caller.is_limited() {
            return Ok(None);
        }
        let mut conn = self.db.pages.acquire().await?;
        let on_call = super::oncall::OnCall::read(&mut conn, now).await?;
        if !on_call.has_policy(super::context::PLATFORM) {
            return Ok(None);
        }
        let people = on_call.asked(super::context::PLATFORM, 0, now);
        let Some(first) = people.first() else { return Ok(Some(("Nobody is on call".to_owned(), None))) };
        let me = self.caller.account().map(|account| account.id.to_string());
        let who = if me.as_ref() == Some(&first.id) {
            "You are on call".to_owned()
        } else {
            format!("{} is on call", first.name)
        };
        let until = on_call
            .schedules()
            .filter(|(schedule, zone)| schedule.rota.on_call(now, zone).is_some_and(|one| one.person.id == first.id))
            .filter_map(|(schedule, zone)| schedule.rota.next_hand_over(now, zone))
            .min();
        Ok(Some((who, until)))
    }

    /// What changed in a pool and around all of them between two instants, oldest first: when, what, who.
    pub async fn changes_around(&self, pool: &str, from: Millis, to: Millis) -> Result<Vec<(Millis, String, String)>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let found = pools::find(&mut conn, &self.caller, pool).await?;
        let changes = change::list(&mut conn, Some(&[found.key]), from, to, MOST_EVENTS).await?;
        // What people wrote may name any tenant.
        let reads = self.caller.reads_remarks();
        let text = |title: String| if reads { title } else { "a change".to_owned() };
        Ok(changes
            .into_iter()
            .map(|one| (one.at_ms, text(one.title), if reads { one.actor } else { String::new() }))
            .collect())
    }
}
