//! `/alerts`: the board's alerts, the history, one alert, and what people do about them.

use super::answer::{Cell, csv, done, failure, page};
use super::figure::{local, model as chart_model};
use super::form::{Posted, wall_time};
use super::oncall;
use super::postmortem::postmortem;
use super::shell::{Spec, shell};
use super::table::Asked;
use super::visit::{Named as InPath, Visit};
use crate::app::alerts::burns::BurnAt;
use crate::app::alerts::deeds::{Deed, Wish, outcome_of};
use crate::app::alerts::rules;
use crate::app::alerts::runbooks::own_slug;
use crate::app::alerts::view::{AskedFor, Listed, Shown as View, State, Whole, board_order};
use crate::app::window::Window;
use crate::app::{App, AppError, Problem, Result};
use crate::charts::{Annotation, Axis, ChartSpec, Colour, Level, Line, Mark, Point, Threshold, Unit, Variant};
use crate::markdown::{Fill, Section};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_domain::alert::episode::{Refusal, SNOOZE_PAGE_MS, SNOOZE_TICKET_MS};
use headroom_domain::alert::facts::{TierFacts, times};
use headroom_domain::alert::outcome::Outcome;
use headroom_domain::alert::window::{Lane, Truth};
use headroom_domain::range::{self, rfc3339};
use headroom_domain::{MINUTE_MS, Millis, format};
use headroom_frontend::model::{
    AlertBoard, AlertConflict, AlertHistoryRow, AlertModel, AlertRow, AlertRunbook, AlertSection, AlertState,
    AlertStep, AlertsModel, ChartModel, DeliveryRow, FilterSet, Link, Named, OfferedAction, PanelState, QualityModel,
    QualityRow, ShellModel, Shown, SlotAction, TierRow, TimelineRow, Undelivered,
};
use headroom_frontend::url::{pool_path, with_query};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::alert::{Event, Wanted};
use headroom_store::notification::Notification;

/// Alerts that the board shows.
const ON_BOARD: i64 = 1_000;
/// Alerts of the history that are looked at.
const IN_HISTORY: i64 = 1_000;
/// Tenants named beside an alert.
const NAMED: usize = 3;
/// A watermark that is older says that nobody judges.
const BEHIND_MS: Millis = 4 * MINUTE_MS;
/// A rule that fires for a larger part of the time is flagged.
const NOISY: f64 = 0.2;

fn named(one: &crate::app::alerts::view::Named) -> Named {
    Named { slug: one.slug.clone(), name: one.name.clone() }
}

/// Slugs of what a page is about; none = all.
fn slugs(named: Option<&Vec<(i32, String)>>) -> Vec<String> {
    named.into_iter().flatten().map(|(_, slug)| slug.clone()).collect()
}

fn state(state: State) -> AlertState {
    match state {
        State::Firing => AlertState::Firing,
        State::Acknowledged => AlertState::Acknowledged,
        State::Snoozed => AlertState::Snoozed,
        State::Silenced => AlertState::Silenced,
        State::Inhibited => AlertState::Inhibited,
        State::NoData => AlertState::NoData,
        State::Pending => AlertState::Pending,
        State::Resolved => AlertState::Resolved,
    }
}

/// An alert as pages show it. `window` has the zone of times in words.
fn row(app: &App, shown: &View, window: &Window) -> AlertRow {
    let alert = &shown.row.alert;
    let me = app.caller().account().map(|account| account.id.to_string());
    let owner = alert.owner.as_ref();
    let is_mine = owner.is_some_and(|owner| Some(&owner.who.id) == me.as_ref());
    let whose = match (&shown.pool, &shown.tenant) {
        (None, _) => "Headroom".to_owned(),
        (Some(pool), None) => pool.name.clone(),
        (Some(pool), Some(tenant)) => format!("{}, {}", pool.name, tenant.name),
    };
    let mut facts = Vec::new();
    if let Some((free, capacity)) = shown.row.facts.free {
        facts.push(format!("{} of {} slots free", format::count(free), format::count(capacity)));
    }
    if let Some((user, share)) = shown.users.first() {
        facts.push(format!("{} uses {}", user.name, format::percent(*share)));
    }
    if let Some(tier) = shown.row.facts.tier(&alert.tier).filter(|_| !alert.tier.is_empty()) {
        facts.push(tier.name.clone());
    }
    let hidden_why = match state(shown.state) {
        AlertState::Silenced => shown
            .silenced
            .as_ref()
            .map(|(until, by)| format!("until {} by {by}", format::day_time(window.zone.local(*until)))),
        AlertState::Inhibited => shown.row.inhibited_by.map(|id| format!("by A-{id}")),
        _ => None,
    };
    AlertRow {
        id: shown.row.id,
        version: alert.version,
        state: state(shown.state),
        is_page: alert.severity == Lane::Page,
        critical: alert.critical,
        flapping: alert.flapping,
        sentence: format!("{whose}: {}", shown.says),
        title: shown.title.clone(),
        pool: shown.pool.as_ref().map(named),
        tenant: shown.tenant.as_ref().map(named),
        facts,
        hits: shown.hit.iter().take(NAMED).map(named).collect(),
        hits_total: shown.hit.len() as i64,
        fired_ms: alert.fired_ms.unwrap_or(alert.began_ms),
        resolved_ms: alert.resolved_ms,
        owner: owner.map(|owner| if is_mine { "You".to_owned() } else { owner.who.name.clone() }),
        is_mine,
        acked_ms: owner.map(|owner| owner.at_ms),
        note: owner.map(|owner| owner.note.clone()).unwrap_or_default(),
        participants: alert.participants.iter().map(|person| person.name.clone()).collect(),
        snoozed_until_ms: alert.snoozed_until_ms,
        hidden_why,
        explained_by: shown.row.inhibited_by,
        explains: shown
            .explains
            .iter()
            .map(|(id, tenant)| (*id, tenant.as_ref().map_or_else(|| format!("A-{id}"), |one| one.name.clone())))
            .collect(),
        asks: shown.asks.clone(),
        reopened: alert.reopened,
        episode: alert.episode,
        runbook: Some(shown.runbook.clone()).filter(|href| !href.is_empty()).map(|href| with_place(&href, shown)),
        needs_note: false,
        shift_ends_ms: None,
        outcome: None,
        conflict: None,
    }
}

/// The end of a shift, if an alert may be put off so long.
fn shift_of(row: &AlertRow, shift: Option<Millis>, now: Millis) -> Option<Millis> {
    let most_ms = if row.is_page { SNOOZE_PAGE_MS } else { SNOOZE_TICKET_MS };
    shift.filter(|end| (now + 1..=now + most_ms).contains(end))
}

/// A runbook of ours knows about which alert it is read.
fn with_place(href: &str, shown: &View) -> String {
    if !href.starts_with("/runbooks/") {
        return href.to_owned();
    }
    let id = shown.row.id.to_string();
    let mut fields = vec![("alert", id.as_str())];
    if let Some(pool) = &shown.pool {
        fields.push(("pool", &pool.slug));
    }
    if let Some(tenant) = &shown.tenant {
        fields.push(("tenant", &tenant.slug));
    }
    with_query(href, &fields)
}

/// What came of something that was tried on the board.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// What was not done, and about which alert.
    pub(super) conflict: Option<(i64, AlertConflict)>,
    /// What became of several at once.
    pub(super) results: Vec<String>,
}

/// The alerts of the board.
pub(super) async fn board(app: &App, visit: &Visit, window: &Window, tried: Tried) -> Result<AlertBoard> {
    let shown = visit.get("show").and_then(|word| Shown::ALL.into_iter().find(|shown| shown.word() == word));
    let shown = shown.unwrap_or_default();
    let wanted = Wanted { open: Some(true), limit: ON_BOARD, ..Wanted::default() };
    let asked = AskedFor { pools: slugs(window.pools.as_ref()), tenants: slugs(window.tenants.as_ref()), wanted };
    let Listed { now, engine, mut alerts, .. } = app.alerts(&asked).await?;
    alerts.sort_by(board_order);
    let all: Vec<AlertRow> = alerts.iter().map(|shown| row(app, shown, window)).collect();
    let counts = Shown::ALL.map(|shown| all.iter().filter(|row| shown.fits(row)).count() as i64);
    let silenced = all.iter().filter(|row| row.state == AlertState::Silenced).count() as i64;
    let mut rows: Vec<AlertRow> = all.into_iter().filter(|row| shown.fits(row)).collect();
    let needs_note = app.ack_needs_note().await?;
    if let Some((id, conflict)) = tried.conflict {
        match rows.iter_mut().find(|row| row.id == id) {
            Some(row) => row.conflict = Some(conflict),
            // It is over, or not among those that are shown.
            None => {
                if let Ok(whole) = app.alert(id).await {
                    let mut gone = row(app, &whole.shown, window);
                    gone.conflict = Some(conflict);
                    rows.insert(0, gone);
                }
            }
        }
    }
    let shift = app.shift_ends().await?;
    for row in &mut rows {
        (row.needs_note, row.shift_ends_ms) = (needs_note, shift_of(row, shift, now));
    }
    let last_resolved_ms = if rows.is_empty() {
        let wanted = Wanted { open: Some(false), limit: 1, ..Wanted::default() };
        let last = app
            .alerts(&AskedFor { pools: slugs(window.pools.as_ref()), tenants: slugs(window.tenants.as_ref()), wanted })
            .await?;
        last.alerts.first().and_then(|shown| shown.row.alert.resolved_ms)
    } else {
        None
    };
    let is_behind = engine.watermark.is_none_or(|at| now - at > BEHIND_MS);
    let mut warnings = app.delivery_warnings().await?;
    let may_mend = !warnings.is_empty() && app.caller().may(Action::Administer);
    if is_behind && engine.watermark.is_some() {
        warnings.insert(
            0,
            "Alerts are not judged now: what fires here may be over, and what began is not seen.".to_owned(),
        );
    }
    Ok(AlertBoard {
        rows,
        shown,
        counts,
        may_act: app.caller().may(Action::Answer),
        needs_note,
        back: "/oncall".to_owned(),
        watermark_ms: engine.watermark,
        is_behind,
        on_call: app.on_call_words(now).await?.map(|(who, until)| match until {
            Some(until) => format!("{who} until {}", format::day_time(window.zone.local(until))),
            None => who,
        }),
        warnings,
        receivers_href: may_mend.then(|| "/admin/receivers".to_owned()),
        last_resolved_ms,
        results: tried.results,
        silenced,
        undelivered: app.undelivered().await?.into_iter().map(undelivered).collect(),
        may_replay: may_replay(app),
    })
}

fn may_replay(app: &App) -> bool {
    app.caller().may(Action::Operate) && !app.caller().is_limited()
}

fn undelivered(one: Notification) -> Undelivered {
    Undelivered {
        id: one.id,
        at_ms: one.created_ms,
        receiver: one.receiver_name,
        message: one.message,
        alert: one.alert,
        is_page: one.lane == "page",
        reason: one.last_error.unwrap_or_default(),
    }
}

/// POST `/notifications/{notification}/replay`
pub(crate) async fn replay(app: App, InPath(id): InPath, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let missing = || AppError::NotFound { what: "notification", slug: id.clone(), suggestion: None };
        let sent = app.replay_notification(id.parse().map_err(|_| missing())?).await?;
        let back = match sent.alert.filter(|_| posted.get("back") == "own") {
            Some(alert) => format!("/alerts/{alert}"),
            None => "/oncall".to_owned(),
        };
        Ok::<_, AppError>(done(&back, &format!("It is sent to {} again, under the same key.", sent.receiver_name)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/alerts/{alert}/act`
pub(crate) async fn act(app: App, InPath(id): InPath, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let id: i64 =
            id.parse().map_err(|_| AppError::NotFound { what: "alert", slug: id.clone(), suggestion: None })?;
        let back = if posted.get("back") == "own" { format!("/alerts/{id}") } else { "/oncall".to_owned() };
        let tried = async {
            let wish = wish(&app, &visit, &posted).await?;
            app.answer_alert(id, &wish).await?;
            Ok(said(wish.deed))
        };
        let (status, conflict) = match tried.await {
            Ok(said) => return Ok(done(&back, said)),
            Err(AppError::Answered { refusal, .. }) => {
                (StatusCode::CONFLICT, conflict(&refusal, posted.get("note"), app.now().await?))
            }
            // What was typed is kept beside what is wrong with it.
            Err(AppError::Invalid(problems)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, mistyped(&problems, posted.get("note")))
            }
            Err(error) => return Err(error),
        };
        let mut own = visit.clone();
        own.path.clone_from(&back);
        if back == "/oncall" {
            let tried = Tried { conflict: Some((id, conflict)), results: Vec::new() };
            oncall::render(&app, &own, status, tried).await
        } else {
            whole(&app, &own, id, status, Some(conflict)).await
        }
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// Until when something is put off: the end of a shift, a time on the reader's clock, or so long from now.
async fn snoozed_until(app: &App, visit: &Visit, posted: &Posted) -> Result<Millis> {
    match posted.get("until") {
        "shift" => app.shift_end().await,
        "custom" => {
            let (_, window) = shell(app, visit, oncall::SPEC).await?;
            let mut problems = Vec::new();
            let at = wall_time(posted, "at", &window.zone, &mut problems);
            if at.is_none() && problems.is_empty() {
                problems.push(Problem::new("at", "", "until when it is put off"));
            }
            at.filter(|_| problems.is_empty()).ok_or(AppError::Invalid(problems))
        }
        until => range::ahead(until, app.now().await?).map_err(|error| AppError::range("until", until, &error)),
    }
}

async fn wish(app: &App, visit: &Visit, posted: &Posted) -> Result<Wish> {
    let step = || posted.get("step").parse().map_err(|_| AppError::invalid("step", posted.get("step"), "a number"));
    let deed = match posted.get("deed") {
        "ack" => Deed::Acknowledge,
        "confirm" => Deed::Confirm,
        "join" => Deed::Join,
        "takeover" => Deed::TakeOver,
        "unack" => Deed::GiveBack,
        "snooze" => Deed::Snooze(snoozed_until(app, visit, posted).await?),
        "resolve" => Deed::ResolveAs(outcome_of(posted.get("outcome"))?),
        "outcome" => Deed::SayOutcome(outcome_of(posted.get("outcome"))?),
        "tick" => Deed::Tick(step()?),
        "untick" => Deed::Untick(step()?),
        "escalate" => Deed::Escalate,
        "notes" => Deed::Note,
        other => return Err(AppError::invalid("deed", other, "something that can be done about an alert")),
    };
    let seen = posted.get("expected_version").parse().ok();
    let key = Some(posted.get("idempotency_key").to_owned()).filter(|key| !key.is_empty() && deed.needs_version());
    Ok(Wish { deed, seen, note: posted.get("note").to_owned(), key })
}

/// What was done, for the next page.
fn said(deed: Deed) -> &'static str {
    match deed {
        Deed::Acknowledge => "You have it. Nobody else is asked.",
        Deed::Confirm => "You still have it.",
        Deed::Join => "You are on it, too.",
        Deed::TakeOver => "You have it now; whoever had it was told.",
        Deed::GiveBack => "Nobody has it; others are asked again.",
        Deed::Snooze(_) => "It is put off.",
        Deed::Resolve | Deed::ResolveAs(_) => "It is resolved. If it fires again within 10 minutes it comes back.",
        Deed::SayOutcome(_) => "It is written down what it was.",
        Deed::Tick(_) => "The step is done.",
        Deed::Untick(_) => "The step is open again.",
        Deed::Escalate => "The next person is asked.",
        Deed::Note => "Your note is in the timeline.",
    }
}

/// What is wrong with what was typed, a sentence each.
fn mistyped(problems: &[Problem], note: &str) -> AlertConflict {
    let sentences = problems.iter().map(|problem| {
        let found = if problem.found.is_empty() { String::new() } else { format!("Found “{}”, e", problem.found) };
        let expected = if found.is_empty() { "E" } else { found.as_str() };
        format!("{expected}xpected {}.", problem.expected)
    });
    let sentence = sentences.collect::<Vec<_>>().join(" ");
    AlertConflict { sentence, note: String::new(), typed: note.to_owned(), is_taken: false }
}

/// By how much somebody was faster, in whole seconds.
fn earlier(ms: Millis) -> String {
    if ms < 1_000 { "a moment".to_owned() } else { format::duration(ms / 1_000 * 1_000) }
}

fn conflict(refusal: &Refusal, note: &str, now: Millis) -> AlertConflict {
    let typed = note.to_owned();
    match refusal {
        Refusal::AlreadyAcknowledged(owner) => AlertConflict {
            sentence: format!("{} acknowledged this {} before you.", owner.who.name, earlier(now - owner.at_ms)),
            note: owner.note.clone(),
            typed,
            is_taken: true,
        },
        other => {
            let mut sentence = other.to_string();
            if let Some(first) = sentence.get(..1) {
                sentence = format!("{}{}.", first.to_uppercase(), &sentence[1..]);
            }
            AlertConflict { sentence, note: String::new(), typed, is_taken: false }
        }
    }
}

/// POST `/alerts/bulk`
pub(crate) async fn bulk(app: App, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let mut own = visit.clone();
        "/oncall".clone_into(&mut own.path);
        let read = |text: &str| {
            let (id, version) = text.split_once(':')?;
            Some((id.parse().ok()?, version.parse().ok()))
        };
        // All of them are those that were on the page, at the versions that were on it: what changed meanwhile is told.
        let field = if posted.get("all") == "all" { "shown" } else { "alert" };
        let chosen: Vec<(i64, Option<u64>)> = posted.all(field).into_iter().filter_map(read).collect();
        if chosen.is_empty() {
            let results = vec!["Nothing was selected, so nothing was acknowledged.".to_owned()];
            let tried = Tried { results, ..Tried::default() };
            return oncall::render(&app, &own, StatusCode::UNPROCESSABLE_ENTITY, tried).await;
        }
        let results = app.acknowledge_alerts(&chosen, posted.get("note")).await?;
        let acknowledged = results.iter().filter(|(_, result)| result.is_ok()).count();
        let mut lines = vec![format!("{acknowledged} acknowledged.")];
        let refused = results.len() - acknowledged;
        if refused > 0 {
            lines[0] = format!("{acknowledged} acknowledged. {refused} not changed:");
        }
        for (id, result) in &results {
            if let Err(error) = result {
                let why = match error {
                    AppError::Answered { refusal, .. } => match refusal.as_ref() {
                        Refusal::AlreadyAcknowledged(owner) => format!("already acknowledged by {}", owner.who.name),
                        other => other.to_string(),
                    },
                    other => other.to_string(),
                };
                lines.push(format!("A-{id}: {why}"));
            }
        }
        if results.len() < chosen.len() {
            lines.push(format!("{} were not tried.", chosen.len() - results.len()));
        }
        oncall::render(&app, &own, StatusCode::OK, Tried { results: lines, ..Tried::default() }).await
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/alerts`
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let outcome = async {
        let spec = Spec {
            title: "Alerts",
            rail: Some(RailEntry::OnCall),
            honoured: FilterSet { pool: true, tenant: true, range: true, ..FilterSet::NONE },
            default_from: "now-7d",
            view: &["state", "lane", "rule", "q", "sort", "cur"],
        };
        let (shell, window) = shell(&app, &visit, spec).await?;
        let asked = Asked::read(&visit, &["fired"], "fired", true);
        let (open, word) = match visit.get("state") {
            Some("open") => (Some(true), "open"),
            Some("resolved") => (Some(false), "resolved"),
            _ => (None, "all"),
        };
        let lane = match visit.get("lane") {
            Some("page") => Some(Lane::Page),
            Some("ticket") => Some(Lane::Ticket),
            _ => None,
        };
        let wanted = Wanted {
            open,
            lane,
            rule: visit.get("rule").map(str::to_owned),
            since: Some(window.from_ms),
            until: Some(window.to_ms),
            limit: IN_HISTORY,
            ..Wanted::default()
        };
        let asked_for =
            AskedFor { pools: slugs(window.pools.as_ref()), tenants: slugs(window.tenants.as_ref()), wanted };
        let listed = app.alerts(&asked_for).await?;
        let outcomes = app.outcomes_of(&listed.alerts).await?;
        let mut rows: Vec<AlertHistoryRow> = listed.alerts.iter().map(|shown| history(&app, shown, &window)).collect();
        for of in &mut rows {
            of.row.outcome = outcomes.get(&of.row.id).copied();
        }
        rows.retain(|of| asked.matches(&[&of.row.sentence, &of.row.title]));
        if visit.csv().is_some() {
            return Ok(history_csv(&shell, &rows));
        }
        let total = rows.len();
        let pages_fired = rows.iter().filter(|of| of.row.is_page).count();
        let mut acks: Vec<i64> = rows.iter().filter_map(|of| of.ack_after_ms).collect();
        acks.sort_unstable();
        let median =
            acks.get(acks.len() / 2).map(|ms| format!(", median ack {}", format::duration(*ms))).unwrap_or_default();
        let link = |key: &str, value: &str, label: &str| Link {
            label: label.to_owned(),
            href: shell.url.replace("/alerts", &[(key, value)]),
        };
        let lane_word = lane.map_or("all", Lane::as_str);
        let false_alarms = rows.iter().filter(|of| of.row.outcome == Some(Outcome::FalseAlarm)).count();
        let falsely = match false_alarms {
            0 => String::new(),
            count => {
                let share = format::percent(count as f64 / total.max(1) as f64);
                let noun = if count == 1 { "false alarm" } else { "false alarms" };
                format!(", {} {noun} ({share})", format::count(count as i64))
            }
        };
        let model = AlertsModel {
            summary: format!(
                "{} alerts, {} pages{median}{falsely}",
                format::count(total as i64),
                format::count(pages_fired as i64)
            ),
            rows: rows.drain(asked.page(total)).collect(),
            table: asked.state(&visit, &shell, total),
            states: [("all", "All states"), ("open", "Open"), ("resolved", "Resolved")]
                .map(|(value, label)| (link("state", value, label), value == word))
                .to_vec(),
            lanes: [("all", "Pages and tickets"), ("page", "Pages"), ("ticket", "Tickets")]
                .map(|(value, label)| (link("lane", value, label), value == lane_word))
                .to_vec(),
            state: PanelState::Ready,
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::alerts(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn history(app: &App, shown: &View, window: &Window) -> AlertHistoryRow {
    let alert = &shown.row.alert;
    let fired = alert.fired_ms.unwrap_or(alert.began_ms);
    AlertHistoryRow {
        row: row(app, shown, window),
        ack_after_ms: alert.owner.as_ref().map(|owner| (owner.at_ms - fired).max(0)),
        lasted_ms: alert.resolved_ms.map(|at| (at - fired).max(0)),
        why: alert.why.map(headroom_domain::alert::lanes::Why::as_str),
    }
}

fn history_csv(shell: &ShellModel, rows: &[AlertHistoryRow]) -> Response {
    let header = [
        "alert",
        "rule",
        "severity",
        "what",
        "fired_utc",
        "fired_local",
        "to_ack_ms",
        "lasted_ms",
        "owner",
        "state",
        "outcome",
    ];
    let rows = rows.iter().map(|of| {
        vec![
            Cell::Int(Some(of.row.id)),
            Cell::Text(of.row.title.clone()),
            Cell::Own(if of.row.is_page { "page" } else { "ticket" }.to_owned()),
            Cell::Text(of.row.sentence.clone()),
            Cell::Own(rfc3339(of.row.fired_ms)),
            Cell::Own(local(shell, of.row.fired_ms)),
            Cell::Int(of.ack_after_ms),
            Cell::Int(of.lasted_ms),
            Cell::Text(of.row.owner.clone().unwrap_or_default()),
            Cell::Own(of.row.state.words().to_owned()),
            Cell::Own(of.row.outcome.map(Outcome::as_str).unwrap_or_default().to_owned()),
        ]
    });
    csv(shell, "alerts", &header, rows)
}

/// GET `/alerts/{alert}`
pub(crate) async fn get(app: App, InPath(id): InPath, visit: Visit) -> Response {
    let outcome = async {
        let known = id.strip_prefix("A-").unwrap_or(&id).parse();
        let id: i64 = known.map_err(|_| AppError::NotFound { what: "alert", slug: id.clone(), suggestion: None })?;
        whole(&app, &visit, id, StatusCode::OK, None).await
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn whole(
    app: &App,
    visit: &Visit,
    id: i64,
    status: StatusCode,
    conflict: Option<AlertConflict>,
) -> Result<Response> {
    let Whole { now, shown, events, deliveries, episodes, steps, outcome } = app.alert(id).await?;
    let title = format!("A-{id}");
    let spec = Spec {
        title: &title,
        rail: Some(RailEntry::OnCall),
        honoured: FilterSet::NONE,
        default_from: "now-6h",
        view: &[],
    };
    let (shell, window) = shell(app, visit, spec).await?;
    let (from, to) = App::alert_span(&shown, now);
    let burns = app.alert_burns(&shown, now).await?;
    let changes = match &shown.pool {
        Some(pool) => app.changes_around(&pool.slug, from, to).await?,
        None => Vec::new(),
    };
    let mut charts = charts(&shown, &burns, &window, (from, to), now, &changes);
    let (budget, left) = budget(app, &shown, &window).await.unzip();
    charts.extend(left.flatten());
    for chart in &mut charts {
        chart.csv_href = super::figure::csv_href(visit, &shell, &chart.id);
    }
    if let Some(chart) =
        charts.iter().find(|chart| visit.csv().is_some() && visit.get("table") == Some(chart.id.as_str()))
    {
        return Ok(super::figure::chart_csv(&shell, &chart.id, chart));
    }
    let mut row = row(app, &shown, &window);
    row.conflict = conflict;
    row.needs_note = app.ack_needs_note().await?;
    row.shift_ends_ms = shift_of(&row, app.shift_ends().await?, now);
    row.outcome = outcome;
    let mut timeline: Vec<TimelineRow> = events.iter().map(event_row).collect();
    timeline.extend(changes.iter().map(|(at, text, who)| TimelineRow {
        at_ms: *at,
        what: text.clone(),
        who: Some(who.clone()).filter(|who| !who.is_empty()),
        note: String::new(),
        shape: "state-maintenance",
        href: None,
    }));
    timeline.sort_by_key(|row| -row.at_ms);
    let model = AlertModel {
        may_act: app.caller().may(Action::Answer),
        scope: scope(&shown),
        why: why(&shown),
        facts: facts(&shown, &window),
        tiers: shown.row.facts.tiers.iter().map(tier).collect(),
        runbook: runbook(app, &shown, &steps, &window).await,
        playbook: playbook(app, &shown),
        budget,
        charts,
        timeline,
        may_replay: may_replay(app),
        deliveries: deliveries
            .into_iter()
            .map(|one| DeliveryRow {
                id: one.id,
                at_ms: one.created_ms,
                state: match one.state.as_str() {
                    "sent" if one.attempts > 1 => format!("sent after {} attempts{}", one.attempts, late(one.late)),
                    "sent" => format!("sent{}", late(one.late)),
                    "dead" => format!("given up: {}", one.last_error.unwrap_or_default()),
                    "dropped" => format!("not sent: {}", one.last_error.unwrap_or_default()),
                    _ if one.attempts > 0 => {
                        format!("retrying after {} attempts: {}", one.attempts, one.last_error.unwrap_or_default())
                    }
                    _ => "about to be sent".to_owned(),
                },
                is_dead: one.state == "dead",
                receiver: one.receiver_name,
                message: one.message.replace('-', " "),
            })
            .collect(),
        episodes: episodes.iter().map(|other| episode(other, &window)).collect(),
        row,
    };
    if visit.get("format") == Some("md") {
        return Ok(postmortem(&shell, &model));
    }
    Ok(page(&shell, status, || pages::alert(&shell, &model)))
}

/// The first steps of a runbook of ours, filled in with what the alert is about.
async fn runbook(app: &App, shown: &View, done: &[(i32, String, Millis)], window: &Window) -> Option<AlertRunbook> {
    let slug = own_slug(&shown.runbook)?;
    let fill = Fill {
        pool: shown.pool.as_ref().map(|pool| pool.slug.clone()),
        tenant: shown.tenant.as_ref().map(|tenant| tenant.slug.clone()),
        alert: Some(shown.row.id.to_string()),
    };
    let read = app.runbook(slug, None, &fill).await.ok()?;
    let runbook = read.listed.runbook;
    let tested = runbook
        .tested_ms
        .map_or_else(|| "never tested".to_owned(), |at| format!("tested {}", format::day_time(window.zone.local(at))));
    let done_of = |number: i32| {
        let found = done.iter().find(|(step, ..)| *step == number);
        found.map(|(_, who, at)| (who.clone(), *at))
    };
    let section = |section: Section| {
        let steps = section.steps.into_iter().filter_map(|step| {
            let number = i32::try_from(step.number).ok()?;
            Some(AlertStep { number, html: step.html, done: done_of(number) })
        });
        AlertSection { heading: section.heading, steps: steps.collect() }
    };
    let sections = read.outline.sections.into_iter().map(section).filter(|one| !one.steps.is_empty());
    Some(AlertRunbook {
        sections: sections.collect(),
        title: runbook.title,
        href: with_place(&shown.runbook, shown),
        version: format!("version {}, {tested}", runbook.version),
        html: read.html,
    })
}

/// What is left of the budget that an alert is about: one plain sentence, and how it came to that.
async fn budget(app: &App, shown: &View, window: &Window) -> Option<(String, Option<ChartModel>)> {
    let (pool, sli) = shown.pool.as_ref().zip(shown.row.facts.sli)?;
    let all = app.pool_promises(&pool.slug).await.ok()?;
    let (promise, series) = all.into_iter().find(|(promise, _)| promise.sli == sli)?;
    let says = promise.says(|at| format::day_time(window.zone.local(at)));
    Some((format!("{}: {says}", sli.label()), super::slos::burn_down(&promise, &series, window)))
}

fn late(is_late: bool) -> &'static str {
    if is_late { ", late" } else { "" }
}

/// One pool or many, services and tenants.
fn scope(shown: &View) -> String {
    let Some(pool) = &shown.pool else { return "Headroom itself".to_owned() };
    let mut parts = vec![match &shown.tenant {
        Some(tenant) => format!("One tenant of one pool: {} in {}", tenant.name, pool.name),
        None => format!("One pool: {}", pool.name),
    }];
    let facing: Vec<&str> =
        shown.services.iter().filter(|(_, facing)| *facing).map(|(name, _)| name.as_str()).collect();
    if !facing.is_empty() {
        parts.push(format!("customers notice: {}", facing.join(", ")));
    }
    match shown.hit.len() {
        0 => {}
        1 => parts.push(format!("hits {}", shown.hit[0].name)),
        many => parts.push(format!("hits {many} tenants")),
    }
    parts.join(" · ")
}

fn why(shown: &View) -> String {
    let alert = &shown.row.alert;
    let told = if alert.severity == Lane::Page { "Why somebody is paged" } else { "Why there is a ticket" };
    match shown.row.facts.tier(&alert.tier).filter(|_| shown.row.facts.sli.is_some()) {
        Some(tier) => format!("{told}: {}.", burns(tier)),
        None => format!("{told}: {}.", shown.says),
    }
}

fn burns(tier: &TierFacts) -> String {
    let windows: Vec<String> = tier
        .windows
        .iter()
        .map(|window| {
            let burn = window.burn.map_or_else(|| format::UNKNOWN.to_owned(), |burn| format!("{}x", times(burn)));
            format!("burn {burn} over {} (fires above {}x)", format::duration(window.window_ms), times(window.over))
        })
        .collect();
    windows.join(", ")
}

fn tier(tier: &TierFacts) -> TierRow {
    TierRow {
        name: tier.name.clone(),
        lane: if tier.lane == Lane::Page { "page" } else { "ticket" },
        burns: burns(tier),
        counted: format!(
            "{} of {}",
            format::count(i64::try_from(tier.bad).unwrap_or(i64::MAX)),
            format::count(i64::try_from(tier.total).unwrap_or(i64::MAX))
        ),
        says: match tier.truth {
            _ if tier.low_traffic => "no: too few things to judge",
            Truth::True => "yes",
            Truth::False => "no",
            Truth::Idle => "nothing to judge",
            Truth::Unknown => "not known: too little was seen",
        },
    }
}

fn facts(shown: &View, window: &Window) -> Vec<(String, String)> {
    let alert = &shown.row.alert;
    let mut facts = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            facts.push((name.to_owned(), value));
        }
    };
    add("Pool", shown.pool.as_ref().map(|pool| pool.name.clone()).unwrap_or_default());
    add("Tenant", shown.tenant.as_ref().map(|tenant| tenant.name.clone()).unwrap_or_default());
    add("Rule", format!("{} ({})", shown.title, shown.row.rule));
    add("Answers for it", shown.owner.clone());
    add("Severity", alert.severity.as_str().to_owned());
    if let Some((free, capacity)) = shown.row.facts.free {
        add("Free", format!("{} of {} slots", format::count(free), format::count(capacity)));
    }
    let users: Vec<String> = shown
        .users
        .iter()
        .take(NAMED)
        .map(|(user, share)| format!("{} {}", user.name, format::percent(*share)))
        .collect();
    add("Uses most", users.join(", "));
    let hit: Vec<&str> = shown.hit.iter().take(10).map(|one| one.name.as_str()).collect();
    add("Hit", hit.join(", "));
    if let Some((who, at)) = &shown.asks {
        add("Asked next", format!("{who}, {}", format::day_time(window.zone.local(*at))));
    }
    add(
        "Episode",
        format!(
            "{}{}",
            alert.episode,
            if alert.reopened > 0 { format!(", reopened {}", alert.reopened) } else { String::new() }
        ),
    );
    add("Judged", format!("{} times", format::count(shown.row.eval_seq)));
    facts
}

/// Guarded actions: each leads to a preview of what it would do to whom.
fn playbook(app: &App, shown: &View) -> Vec<OfferedAction> {
    let Some(pool) =
        shown.pool.as_ref().filter(|_| app.caller().may(Action::Operate) && app.caller().tenants.is_none())
    else {
        return Vec::new();
    };
    let act = |action: SlotAction, fields: &[(&str, &str)]| {
        let href = with_query(&format!("{}/act/{}", pool_path(&pool.slug), action.word()), fields);
        Link { label: action.label().to_owned(), href }
    };
    let top = shown.tenant.as_ref().or_else(|| shown.users.first().map(|(user, _)| user)).map(|one| one.slug.as_str());
    let cut =
        |tenant: Option<&str>| act(SlotAction::CutQuota, &[("tenant", tenant.unwrap_or_default()), ("minutes", "60")]);
    let links = match shown.row.rule.as_str() {
        "saturation-burn" | "pool-exhausted" | "wait-burn" | "baseline-burn" | "overcommitted" => {
            vec![act(SlotAction::Resize, &[]), cut(top)]
        }
        "leak-burn" | "leak-growth" | "reclaim-burn" => vec![act(SlotAction::Reclaim, &[("slots", "leaked")])],
        "tenant-monopoly" | "tenant-over-quota" | "retry-storm" => vec![cut(top)],
        "double-assign" | "thrash" => vec![act(SlotAction::Hold, &[])],
        "priority-inversion" => vec![act(SlotAction::Preempt, &[("tenant", ""), ("count", "1")])],
        _ => Vec::new(),
    };
    links.into_iter().enumerate().map(|(place, link)| OfferedAction { link, first: place == 0 }).collect()
}

fn episode(other: &View, window: &Window) -> (Link, String) {
    let alert = &other.row.alert;
    let fired = alert.fired_ms.unwrap_or(alert.began_ms);
    let link = Link {
        label: format!("A-{} {}", other.row.id, format::day_time(window.zone.local(fired))),
        href: format!("/alerts/{}", other.row.id),
    };
    let lasted = alert.resolved_ms.map(|at| format!("over after {}", format::duration((at - fired).max(0))));
    let by = alert.owner.as_ref().map(|owner| format!("acknowledged by {}", owner.who.name));
    let words: Vec<String> = [lasted, by, alert.why.map(|why| why.as_str().to_owned())].into_iter().flatten().collect();
    (link, words.join(", "))
}

fn event_row(event: &Event) -> TimelineRow {
    let (what, shape) = match event.what.as_str() {
        "pending" => ("began, not for long enough yet".to_owned(), "state-info"),
        "fired" => ("fired".to_owned(), "state-crit"),
        "fired-again" => ("fired again".to_owned(), "state-crit"),
        "upgraded" => ("became a page".to_owned(), "state-crit"),
        "critical" => ("became critical".to_owned(), "state-crit"),
        "reopened" => ("came back".to_owned(), "state-crit"),
        "page-over" => ("the page is over, the budget is damaged".to_owned(), "state-ok"),
        "resolved" => ("resolved".to_owned(), "state-ok"),
        "acknowledged" => ("acknowledged".to_owned(), "state-ok"),
        "confirmed" => ("confirmed".to_owned(), "state-ok"),
        "transferred" => ("taken over".to_owned(), "state-info"),
        "given-back" => ("given back".to_owned(), "state-warn"),
        "ack-expired" => ("not confirmed: others are asked again".to_owned(), "state-warn"),
        "asked" => ("asked step 1".to_owned(), "state-info"),
        "escalated" => {
            let step = event.detail.get("step").and_then(serde_json::Value::as_i64).unwrap_or_default();
            (format!("escalated to step {step}"), "state-warn")
        }
        "escalated-by" => ("escalated by hand".to_owned(), "state-warn"),
        "no-one-on-call" => ("nobody is on call for this step".to_owned(), "state-crit"),
        "exhausted" => ("nobody answered".to_owned(), "state-crit"),
        "reminded" => ("asked whether it is still being worked on".to_owned(), "state-info"),
        "frozen" => ("no data, state held".to_owned(), "state-unknown"),
        "data-again" => ("there is data again".to_owned(), "state-info"),
        "step-done" => ("did a step of the runbook".to_owned(), "state-ok"),
        "step-undone" => ("opened a step of the runbook again".to_owned(), "state-info"),
        "outcome" => {
            let word = event.detail.get("outcome").and_then(serde_json::Value::as_str).unwrap_or_default();
            let outcome: Option<Outcome> = word.parse().ok();
            let label = outcome.map_or_else(|| word.to_owned(), |outcome| outcome.label().to_lowercase());
            (format!("outcome: {label}"), "state-info")
        }
        "inhibited" => ("another alert explains it".to_owned(), "state-info"),
        "not-inhibited" => ("no other alert explains it any more".to_owned(), "state-info"),
        other => (other.replace('-', " "), "state-info"),
    };
    let href = event.detail.get("by").and_then(serde_json::Value::as_i64).map(|id| format!("/alerts/{id}"));
    TimelineRow {
        at_ms: event.at,
        what,
        who: event.who.as_ref().map(|who| who.name.clone()),
        note: event.note.clone(),
        shape,
        href,
    }
}

fn charts(
    shown: &View,
    burns: &[BurnAt],
    window: &Window,
    (from, to): (Millis, Millis),
    now: Millis,
    changes: &[(Millis, String, String)],
) -> Vec<ChartModel> {
    if burns.is_empty() {
        return Vec::new();
    }
    let alert = &shown.row.alert;
    let mut annotations: Vec<Annotation> =
        changes.iter().take(8).map(|(at_ms, text, _)| Annotation { at_ms: *at_ms, text: text.clone() }).collect();
    if let Some(at_ms) = alert.fired_ms {
        annotations.push(Annotation { at_ms, text: "The alert fired".to_owned() });
    }
    annotations.retain(|one| (from..to).contains(&one.at_ms));
    annotations.sort_by_key(|one| one.at_ms);
    let line = |name: &str, colour, mark, unit, value: &dyn Fn(&BurnAt) -> Option<f64>| Line {
        name: name.to_owned(),
        mark,
        colour,
        unit,
        envelope: None,
        points: burns
            .iter()
            .map(|burn| Point {
                from_ms: burn.at - MINUTE_MS,
                to_ms: burn.at,
                value: value(burn),
                low: None,
                high: None,
                incomplete: false,
            })
            .collect(),
    };
    let spec = |id: &str, title: &str, axis, thresholds, lines| ChartSpec {
        id: id.to_owned(),
        title: title.to_owned(),
        from_ms: from,
        to_ms: to,
        now_ms: now,
        zone: window.zone.clone(),
        axis,
        thresholds,
        lines,
        annotations: annotations.clone(),
    };
    let over = shown.row.facts.tier(&alert.tier).and_then(|tier| tier.windows.first()).map(|window| window.over);
    let level = if alert.severity == Lane::Page { Level::Crit } else { Level::Warn };
    let thresholds = over.map(|over| Threshold { from: over, level }).into_iter().collect();
    let (long, short) = App::alert_windows(shown);
    let (long, short) = (rules::window(long), rules::window(short));
    let burn = spec(
        "burn",
        "Budget burn",
        Axis::Number { unit: "times the sustainable rate".to_owned() },
        thresholds,
        vec![
            line(&format!("Last {long}"), Colour::One, Mark::Line, Unit::Number, &|burn| burn.long),
            line(&format!("Last {short}"), Colour::Two, Mark::Line, Unit::Number, &|burn| burn.short),
        ],
    );
    let words = shown.row.facts.sli.map_or("bad things", headroom_domain::alert::slo::Sli::bad_words);
    let counted = spec(
        "counted",
        "Counted by the minute",
        Axis::Count { unit: words.to_owned() },
        Vec::new(),
        vec![line("Bad", Colour::Two, Mark::Bars, Unit::Count, &|burn| burn.counted.map(|(bad, _)| bad as f64))],
    );
    let variants = [Variant::Compact, Variant::Full];
    vec![
        chart_model(&burn, &variants, format!("{long} and {short} against the threshold"), MINUTE_MS, String::new()),
        chart_model(&counted, &variants, words.to_owned(), MINUTE_MS, String::new()),
    ]
}

/// GET `/alerts/quality`
pub(crate) async fn quality(app: App, visit: Visit) -> Response {
    let outcome = async {
        let spec = Spec {
            title: "Alert quality",
            rail: Some(RailEntry::OnCall),
            honoured: FilterSet { range: true, ..FilterSet::NONE },
            default_from: "now-30d",
            view: &[],
        };
        let (shell, window) = shell(&app, &visit, spec).await?;
        let length = (window.to_ms - window.from_ms).max(1) as f64;
        let mut outcomes = app.alert_outcomes(window.from_ms, window.to_ms).await?;
        let rows: Vec<QualityRow> = app
            .alert_quality(window.from_ms, window.to_ms)
            .await?
            .into_iter()
            .map(|(title, quality)| {
                let firing = quality.firing_ms as f64 / length;
                let outcomes = outcomes.remove(&quality.rule).unwrap_or_default();
                let count = |(outcome, count): &(Outcome, i64)| {
                    format!("{} {}", format::count(*count), outcome.label().to_lowercase())
                };
                QualityRow {
                    title,
                    firing,
                    acked: quality.acked as f64 / quality.fires.max(1) as f64,
                    is_noisy: firing > NOISY,
                    outcomes: outcomes.iter().map(count).collect::<Vec<_>>().join(", "),
                    false_alarms: outcomes.iter().filter(|(one, _)| *one == Outcome::FalseAlarm).map(|(_, n)| n).sum(),
                    slug: quality.rule,
                    fires: quality.fires,
                    pages: quality.pages,
                    median_ack_ms: quality.median_ack_ms,
                    never_acked: quality.never_acked,
                }
            })
            .collect();
        if visit.csv().is_some() {
            let header = [
                "rule",
                "fires",
                "pages",
                "firing_share",
                "acked_share",
                "median_ack_ms",
                "never_acked",
                "false_alarms",
            ];
            let rows = rows.iter().map(|row| {
                vec![
                    Cell::Own(row.slug.clone()),
                    Cell::Int(Some(row.fires)),
                    Cell::Int(Some(row.pages)),
                    Cell::Float(Some(row.firing)),
                    Cell::Float(Some(row.acked)),
                    Cell::Int(row.median_ack_ms),
                    Cell::Int(Some(row.never_acked)),
                    Cell::Int(Some(row.false_alarms)),
                ]
            });
            return Ok(csv(&shell, "alert_quality", &header, rows));
        }
        let csv_href = super::figure::csv_href(&visit, &shell, "quality");
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || {
            pages::alert_quality(&shell, &QualityModel { rows, csv_href })
        }))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}
