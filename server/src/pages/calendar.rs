//! `/calendar`: events as a list and as a month, the form of an event, and calendars of other programs.

use super::answer::{Cell, csv, done, failure, page};
use super::figure::{csv_href, local};
use super::form::{Posted, error_of, wall_time};
use super::pool_form::{split, version};
use super::shell::{Spec, shell};
use super::table::PAGE;
use super::upload::Upload;
use super::visit::{Named as InPath, Visit};
use crate::app::calendar::imports::{Counts, Mapping, Review, Row, TagFrom, What, of_file};
use crate::app::calendar::{Asked, MOST_LISTED, Shown, Wish};
use crate::app::{App, AppError, Problem, Result};
use crate::zones;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use headroom_domain::calendar::{Draft, Effect};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::wall::Wall;
use headroom_domain::range::rfc3339;
use headroom_domain::{Millis, format};
use headroom_frontend::model::{
    CalendarChange, CalendarDay, CalendarDeleteModel, CalendarEvent, CalendarForm, CalendarFormModel,
    CalendarImportModel, CalendarMapping, CalendarModel, CalendarMonth, CalendarReviewModel, CalendarRow, CalendarView,
    Field, FilterSet, Named, PanelState, ShellModel, TableState,
};
use headroom_frontend::{pages, routes::RailEntry};
use uuid::Uuid;

const PATH: &str = "/calendar";
/// Rows of a file that are shown; those that cannot be taken come first.
const ROWS_SHOWN: usize = 500;
/// The address of the fields of a mapping, as the domain names them too.
const NUMBERS: [&str; 3] = ["slots", "percent", "weekday"];

fn spec(title: &str) -> Spec<'_> {
    Spec {
        title,
        rail: Some(RailEntry::Planner),
        honoured: FilterSet::NONE,
        default_from: "now-1h",
        view: &["view", "month", "past", "tag", "cur"],
    }
}

fn named(shown: &Shown) -> Option<Named> {
    shown.pool.as_ref().map(|(slug, name)| Named { slug: slug.clone(), name: name.clone() })
}

fn event(shown: &Shown) -> CalendarEvent {
    let stored = &shown.stored;
    CalendarEvent {
        id: stored.id.to_string(),
        title: stored.title.clone(),
        tag: stored.event.tag.clone(),
        pool: named(shown),
        start_ms: stored.event.start_ms,
        end_ms: stored.event.end_ms,
        says: stored.event.effect.says(),
        file: stored.origin.as_ref().map(|origin| origin.file.clone()),
        author: stored.author.clone(),
    }
}

/// What an address asks for; a pool or tag that does not exist is no filter.
fn chosen(visit: &Visit, shell: &ShellModel, tags: &[String]) -> (Option<String>, Option<String>) {
    let pool = visit.get("pool").filter(|slug| shell.filters.pools.iter().any(|pool| pool.slug == **slug));
    let tag = visit.get("tag").filter(|tag| tags.iter().any(|known| known == tag));
    (pool.map(str::to_owned), tag.map(str::to_owned))
}

/// GET `/calendar`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, window) = shell(&app, &visit, spec("Calendar")).await?;
        let tags = app.event_tags().await?;
        let (pool, tag) = chosen(&visit, &shell, &tags);
        let shows_past = visit.get("past") == Some("1");
        let is_month = visit.get("view") == Some("month");
        let mut asked = Asked { pool, tag, limit: PAGE as i64, ..Asked::default() };
        if !shows_past {
            asked.from = Some(window.now_ms);
        }
        let here = |pairs: &[(&str, &str)]| {
            let mut url = shell.url.clone();
            url.pools = asked.pool.clone().into_iter().collect();
            url.replace(PATH, pairs)
        };
        let views =
            [here(&[("view", ""), ("month", ""), ("cur", "")]), here(&[("view", "month"), ("past", ""), ("cur", "")])];
        let past_href = here(&[("past", if shows_past { "" } else { "1" }), ("cur", "")]);
        let feed = |pairs: Vec<(&str, &str)>| headroom_frontend::url::with_query("/calendar.ics", &pairs);
        let mut pairs = Vec::new();
        pairs.extend(asked.pool.as_deref().map(|pool| ("pool", pool)));
        pairs.extend(asked.tag.as_deref().map(|tag| ("tag", tag)));
        let feed_href = feed(pairs);
        if visit.csv().is_some() {
            let listed = app.events(&Asked { limit: MOST_LISTED, ..asked }).await?;
            return Ok(events_csv(&shell, &listed.events));
        }
        let mut model = CalendarModel {
            view: if is_month { CalendarView::Month } else { CalendarView::List },
            views,
            rows: Vec::new(),
            month: None,
            shows_past,
            past_href,
            pool: asked.pool.clone().unwrap_or_default(),
            tag: asked.tag.clone().unwrap_or_default(),
            pools: shell.filters.pools.clone(),
            tags,
            table: TableState { csv_href: csv_href(&visit, &shell, "rows"), ..TableState::default() },
            feed_href,
            state: PanelState::Ready,
            may_change: app.may_plan_events(),
        };
        if is_month {
            let today = window.zone.local(window.now_ms).date();
            let first = visit.get("month").and_then(month_named).unwrap_or(today).with_day(1).unwrap_or(today);
            model.month = Some(month(&app, &asked, window.zone.name(), first, today, &here).await?);
        } else {
            let skip = visit.get("cur").and_then(|cursor| cursor.parse::<i64>().ok()).unwrap_or(0).max(0);
            asked.offset = skip;
            let listed = app.events(&asked).await?;
            model.rows = listed.events.iter().map(event).collect();
            let next = skip + model.rows.len() as i64;
            model.table.total = listed.total;
            model.table.first_row = if model.rows.is_empty() { 0 } else { skip + 1 };
            model.table.next = (next < listed.total).then(|| next.to_string());
            model.table.cursor = (skip > 0).then(|| skip.to_string());
            model.table.previous = (skip > 0).then(|| match skip - PAGE as i64 {
                before if before > 0 => before.to_string(),
                _ => String::new(),
            });
            if model.rows.is_empty() {
                let text = if shows_past || asked.tag.is_some() || asked.pool.is_some() {
                    "No event matches."
                } else {
                    "Nothing is known to come. Holidays, sales and launches written here make forecasts better."
                };
                model.state = PanelState::Empty { text: text.into(), action: None };
            }
        }
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::calendar(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/calendar.ics`: the same events for other programs.
pub(crate) async fn feed(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, _) = shell(&app, &visit, spec("Calendar")).await?;
        let tags = app.event_tags().await?;
        let (pool, tag) = chosen(&visit, &shell, &tags);
        app.events_file(&Asked { pool, tag, limit: MOST_LISTED, ..Asked::default() }).await
    };
    match outcome.await {
        Ok(text) => super::answer::attachment("text/calendar; charset=utf-8", "headroom-events.ics", text),
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn events_csv(shell: &ShellModel, events: &[Shown]) -> Response {
    let header = [
        "title",
        "tag",
        "pool",
        "start_utc",
        "end_utc",
        "start_local",
        "end_local",
        "zone",
        "effect",
        "slots",
        "percent",
        "weekday",
        "source",
        "author",
    ];
    let rows = events.iter().map(|shown| {
        let stored = &shown.stored;
        let number = |wanted: &str| match stored.event.effect {
            Effect::Floor { slots } if wanted == "slots" => Some(i64::from(slots)),
            Effect::Factor { percent } if wanted == "percent" => Some(i64::from(percent)),
            Effect::LikeWeekday { weekday } if wanted == "weekday" => Some(i64::from(weekday)),
            _ => None,
        };
        vec![
            Cell::Text(stored.title.clone()),
            Cell::Own(stored.event.tag.clone()),
            Cell::Own(shown.pool.as_ref().map(|(slug, _)| slug.clone()).unwrap_or_default()),
            Cell::Own(rfc3339(stored.event.start_ms)),
            Cell::Own(rfc3339(stored.event.end_ms)),
            Cell::Own(local(shell, stored.event.start_ms)),
            Cell::Own(local(shell, stored.event.end_ms)),
            Cell::Own(stored.zone.clone()),
            Cell::Own(stored.event.effect.word().to_owned()),
            Cell::Int(number("slots")),
            Cell::Int(number("percent")),
            Cell::Int(number("weekday")),
            Cell::Text(stored.origin.as_ref().map_or_else(|| "person".to_owned(), |origin| origin.file.clone())),
            Cell::Text(stored.author.clone()),
        ]
    });
    csv(shell, "events", &header, rows)
}

/// `2026-11`
fn month_named(text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok()?;
    (1970..2199).contains(&day.year()).then_some(day)
}

async fn month(
    app: &App,
    asked: &Asked,
    zone: &str,
    first: NaiveDate,
    today: NaiveDate,
    here: &impl Fn(&[(&str, &str)]) -> String,
) -> Result<CalendarMonth> {
    let begin = first - TimeDelta::days(i64::from(first.weekday().num_days_from_monday()));
    let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
    let before = first.checked_sub_months(Months::new(1)).unwrap_or(first);
    let weeks = (next - begin).num_days().unsigned_abs().div_ceil(7) as i64;
    let wall = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    let end = begin + TimeDelta::days(weeks * 7);
    let slice = zones::slice(zone, wall(begin), wall(end)).unwrap_or_else(ZoneSlice::utc);
    let midnight = |day: NaiveDate| Wall::instant_or_next(day.and_time(NaiveTime::MIN), &slice);
    let wanted = Asked { from: Some(midnight(begin)), to: Some(midnight(end)), limit: MOST_LISTED, ..asked.clone() };
    let found = app.events(&wanted).await?.events;
    let one = |day: NaiveDate| {
        let (from, to) = (midnight(day), midnight(day + TimeDelta::days(1)));
        let on_it = |shown: &&Shown| shown.stored.event.start_ms < to && shown.stored.event.end_ms > from;
        CalendarDay {
            label: day.format("%a %-d %b").to_string(),
            day: day.day(),
            is_of_month: day.month() == first.month() && day.year() == first.year(),
            is_today: day == today,
            events: found.iter().filter(on_it).map(event).collect(),
        }
    };
    let days = |week: i64| (0..7).map(|day| one(begin + TimeDelta::days(week * 7 + day))).collect();
    let month = |day: NaiveDate| {
        here(&[("view", "month"), ("month", &day.format("%Y-%m").to_string()), ("past", ""), ("cur", "")])
    };
    Ok(CalendarMonth {
        title: first.format("%B %Y").to_string(),
        weeks: (0..weeks).map(days).collect(),
        earlier: month(before),
        later: month(next),
    })
}

fn id(what: &'static str, text: &str) -> Result<Uuid> {
    let missing = || AppError::NotFound { what, slug: text.chars().take(80).collect(), suggestion: None };
    text.parse().map_err(|_| missing())
}

/// An instant as the form takes it again.
fn wall(zone: &ZoneSlice, at: Millis) -> String {
    zone.local(at).format("%Y-%m-%d %H:%M").to_string()
}

fn slice_of(zone: &str) -> ZoneSlice {
    let around = headroom_domain::EARLIEST_MS;
    zones::slice(zone, around, headroom_domain::LATEST_MS).unwrap_or_else(ZoneSlice::utc)
}

/// A time of the form: a minute, or a day alone: its first minute, or of an end the first after it.
fn time(posted: &Posted, field: &str, zone: &ZoneSlice, problems: &mut Vec<Problem>) -> Option<Millis> {
    let text = posted.get(field);
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let day = if field == "end" { day.succ_opt().unwrap_or(day) } else { day };
        let local: NaiveDateTime = day.and_time(NaiveTime::MIN);
        return Some(Wall::instant_or_next(local, zone));
    }
    if text.is_empty() {
        problems.push(Problem::new(field, "", "a time such as 2026-11-27 09:00, or a day such as 2026-11-27"));
    }
    wall_time(posted, field, zone, problems)
}

/// The number that belongs to an effect, and nothing of the others.
fn numbers(posted: &Posted, problems: &mut Vec<Problem>) -> [Option<i64>; 3] {
    let own = match posted.get("effect") {
        "floor" => "slots",
        "factor" => "percent",
        "like_weekday" => "weekday",
        _ => "",
    };
    NUMBERS.map(|field| {
        let text: String = posted.get(field).chars().filter(|c| !matches!(c, ',' | ' ' | '%')).collect();
        if field != own || text.is_empty() {
            return None;
        }
        let read = text.parse().ok();
        if read.is_none() {
            problems.push(Problem::new(field, posted.get(field), "a whole number"));
        }
        read
    })
}

fn wish(posted: &Posted) -> Result<Wish, Vec<Problem>> {
    let mut problems = Vec::new();
    let zone = posted.get("zone").to_owned();
    if !zones::is_known(&zone) {
        problems.push(Problem::new("zone", &zone, "an IANA zone such as Europe/Berlin"));
    }
    let slice = slice_of(&zone);
    let (start, end) = (time(posted, "start", &slice, &mut problems), time(posted, "end", &slice, &mut problems));
    let [slots, percent, weekday] = numbers(posted, &mut problems);
    let (Some(start_ms), Some(end_ms), true) = (start, end, problems.is_empty()) else { return Err(problems) };
    let text = |field: &str| posted.get(field).to_owned();
    let draft = Draft {
        start_ms,
        end_ms,
        tag: text("tag"),
        title: text("title"),
        effect: text("effect"),
        slots,
        percent,
        weekday,
    };
    Ok(Wish { pool: Some(text("pool")).filter(|pool| !pool.is_empty()), zone, draft })
}

fn again(posted: &Posted, problems: &[Problem], of: Option<(String, String)>) -> CalendarForm {
    let field = |name: &str| posted.field(name, problems);
    CalendarForm {
        of,
        title: field("title"),
        tag: field("tag"),
        pool: field("pool"),
        start: field("start"),
        end: field("end"),
        zone: field("zone"),
        effect: field("effect"),
        slots: field("slots"),
        percent: field("percent"),
        weekday: field("weekday"),
        error: None,
    }
}

async fn show_form(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    form: CalendarForm,
    shown: Option<&Shown>,
) -> Response {
    let outcome = async {
        let title = shown.map_or("New event", |shown| {
            if shown.stored.title.is_empty() { &shown.stored.event.tag } else { &shown.stored.title }
        });
        let (shell, _) = shell(app, visit, spec(title)).await?;
        let may_change = app.may_plan_events();
        let model = CalendarFormModel {
            form,
            event: shown.map(event),
            may_change,
            pools: shell.filters.pools.clone(),
            tags: app.event_tags().await?,
            zones: zones::OFFERED.iter().map(|zone| (*zone).to_owned()).collect(),
        };
        Ok::<_, AppError>(page(&shell, status, || pages::calendar_form(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/calendar/new`; an address may fill in `pool`, `tag`, `start` and `end`.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, _) = shell(&app, &visit, spec("New event")).await?;
        Ok::<_, AppError>(shell.zone.name().to_owned())
    };
    let zone = match outcome.await {
        Ok(zone) => zone,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let asked = |key: &str| Field::of(visit.get(key).unwrap_or_default().chars().take(120).collect::<String>());
    let form = CalendarForm {
        pool: asked("pool"),
        tag: asked("tag"),
        start: asked("start"),
        end: asked("end"),
        zone: Field::of(zone),
        effect: Field::of(Effect::Learn.word()),
        ..CalendarForm::default()
    };
    show_form(&app, &visit, StatusCode::OK, form, None).await
}

/// POST `/calendar/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    let outcome = async { app.create_event(&wish(&posted).map_err(AppError::Invalid)?).await };
    match outcome.await {
        Ok(shown) => done(PATH, &format!("{:?} is in the calendar.", shown.stored.title)),
        Err(error) => refused(&app, &visit, &posted, error, None).await,
    }
}

async fn refused(app: &App, visit: &Visit, posted: &Posted, error: AppError, shown: Option<&Shown>) -> Response {
    match error {
        AppError::Invalid(_)
        | AppError::Conflict(_)
        | AppError::Stale { .. }
        | AppError::OutOfRoom(_)
        | AppError::Unavailable(_) => {
            let (status, problems, mut sentence) = match error {
                AppError::Stale { .. } => {
                    let text =
                        "Somebody else changed this event meanwhile: look at it below, and send your change again.";
                    (StatusCode::CONFLICT, Vec::new(), Some(text.to_owned()))
                }
                error => split(error),
            };
            // The version that is shown now: sent again, the change is made knowing it.
            let seen = posted.get("version").to_owned();
            let of = shown.map(|shown| {
                let version = if status == StatusCode::CONFLICT { shown.stored.version.to_string() } else { seen };
                (shown.stored.id.to_string(), version)
            });
            let form = again(posted, &problems, of);
            let known = ["title", "tag", "pool", "start", "end", "zone", "effect", "slots", "percent", "weekday"];
            let others: Vec<String> = problems
                .iter()
                .filter(|problem| !known.contains(&problem.field.as_str()))
                .map(ToString::to_string)
                .collect();
            if !others.is_empty() {
                sentence = Some(others.join("; "));
            }
            show_form(app, visit, status, CalendarForm { error: sentence, ..form }, shown).await
        }
        error => failure(app, visit, error).await,
    }
}

/// GET `/calendar/{event}`.
pub(crate) async fn get(app: App, InPath(event): InPath, visit: Visit) -> Response {
    let found = async { app.event(id("event", &event)?).await };
    let shown = match found.await {
        Ok(shown) => shown,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let stored = &shown.stored;
    let slice = slice_of(&stored.zone);
    let number = |value: Option<u32>| Field::of(value.map(|value| value.to_string()).unwrap_or_default());
    let (mut slots, mut percent, mut weekday) = (None, None, None);
    match stored.event.effect {
        Effect::Floor { slots: value } => slots = Some(value),
        Effect::Factor { percent: value } => percent = Some(value),
        Effect::LikeWeekday { weekday: value } => weekday = Some(u32::from(value)),
        Effect::Exclude | Effect::Learn => {}
    }
    let form = CalendarForm {
        of: Some((stored.id.to_string(), stored.version.to_string())),
        title: Field::of(&stored.title),
        tag: Field::of(&stored.event.tag),
        pool: Field::of(shown.pool.as_ref().map(|(slug, _)| slug.clone()).unwrap_or_default()),
        start: Field::of(wall(&slice, stored.event.start_ms)),
        end: Field::of(wall(&slice, stored.event.end_ms)),
        zone: Field::of(&stored.zone),
        effect: Field::of(stored.event.effect.word()),
        slots: number(slots),
        percent: number(percent),
        weekday: number(weekday),
        error: None,
    };
    show_form(&app, &visit, StatusCode::OK, form, Some(&shown)).await
}

/// POST `/calendar/{event}/edit`.
pub(crate) async fn update(app: App, InPath(event): InPath, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let shown = app.event(id("event", &event)?).await?;
        let changed = async {
            let mut wish = wish(&posted).map_err(AppError::Invalid)?;
            // The form shows minutes: what was not touched keeps its seconds.
            let slice = slice_of(&shown.stored.zone);
            if wish.zone == shown.stored.zone {
                let kept = |field: &str, at: Millis| posted.get(field) == wall(&slice, at);
                if kept("start", shown.stored.event.start_ms) {
                    wish.draft.start_ms = shown.stored.event.start_ms;
                }
                if kept("end", shown.stored.event.end_ms) {
                    wish.draft.end_ms = shown.stored.event.end_ms;
                }
            }
            let mut problems = Vec::new();
            let seen = version(&posted, &mut problems);
            if !problems.is_empty() {
                return Err(AppError::Invalid(problems));
            }
            app.update_event(shown.stored.id, seen, &wish).await
        };
        let changed = changed.await;
        Ok::<_, AppError>((shown, changed))
    };
    match outcome.await {
        Ok((_, Ok(after))) => done(PATH, &format!("{:?} was changed.", after.stored.title)),
        Ok((shown, Err(error))) => refused(&app, &visit, &posted, error, Some(&shown)).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/calendar/{event}/delete`.
pub(crate) async fn ask(app: App, InPath(name): InPath, visit: Visit) -> Response {
    let outcome = async {
        let shown = app.event(id("event", &name)?).await?;
        let (shell, _) = shell(&app, &visit, spec("Remove event")).await?;
        let model = CalendarDeleteModel { event: event(&shown), version: shown.stored.version.to_string() };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::calendar_delete(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/calendar/{event}/delete`.
pub(crate) async fn delete(app: App, InPath(name): InPath, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let mut problems = Vec::new();
        let seen = version(&posted, &mut problems);
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        app.delete_event(id("event", &name)?, seen).await
    };
    match outcome.await {
        Ok(()) => done(PATH, "The event was removed."),
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn mapping(posted: &Posted) -> Result<Mapping, Vec<Problem>> {
    let mut problems = Vec::new();
    let [slots, percent, weekday] = numbers(posted, &mut problems);
    let word = posted.get("tag_from");
    let Some(tag_from) = TagFrom::parse(word) else {
        problems.push(Problem::new("tag_from", word, "category, summary or fixed"));
        return Err(problems);
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let pool = Some(posted.get("pool").to_owned()).filter(|pool| !pool.is_empty());
    let tag = posted.get("tag").to_owned();
    Ok(Mapping { pool, tag_from, tag, effect: posted.get("effect").to_owned(), slots, percent, weekday })
}

fn mapping_again(posted: &Posted, problems: &[Problem]) -> CalendarMapping {
    let field = |name: &str| posted.field(name, problems);
    CalendarMapping {
        pool: field("pool"),
        tag_from: field("tag_from"),
        tag: field("tag"),
        effect: field("effect"),
        slots: field("slots"),
        percent: field("percent"),
        weekday: field("weekday"),
    }
}

fn mapping_fields(mapping: &Mapping) -> CalendarMapping {
    let number = |value: Option<i64>| Field::of(value.map(|value| value.to_string()).unwrap_or_default());
    CalendarMapping {
        pool: Field::of(mapping.pool.clone().unwrap_or_default()),
        tag_from: Field::of(mapping.tag_from.as_str()),
        tag: Field::of(&mapping.tag),
        effect: Field::of(&mapping.effect),
        slots: number(mapping.slots),
        percent: number(mapping.percent),
        weekday: number(mapping.weekday),
    }
}

async fn show_import(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    mapping: CalendarMapping,
    text: String,
    problems: &[Problem],
    error: Option<String>,
) -> Response {
    let outcome = async {
        let (shell, _) = shell(app, visit, spec("Import a calendar")).await?;
        let model = CalendarImportModel {
            mapping,
            text: Field::of(text),
            file_error: error_of("file", problems),
            error,
            pools: shell.filters.pools.clone(),
            zone: app.organisation().await?.zone,
        };
        Ok::<_, AppError>(page(&shell, status, || pages::calendar_import(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/calendar/import`.
pub(crate) async fn import(app: App, visit: Visit) -> Response {
    let usual = Mapping { effect: Effect::Learn.word().to_owned(), ..Mapping::default() };
    let mut mapping = mapping_fields(&usual);
    mapping.pool = Field::of(visit.get("pool").unwrap_or_default().chars().take(63).collect::<String>());
    show_import(&app, &visit, StatusCode::OK, mapping, String::new(), &[], None).await
}

/// POST `/calendar/import`: keeps the file, and goes on to its review.
pub(crate) async fn upload(app: App, visit: Visit, mut upload: Upload) -> Response {
    /// Pasted text that is shown again.
    const SHOWN_AGAIN: usize = 50_000;
    let (name, content) = upload.file.take().unwrap_or_default();
    let text = if name.is_empty() && content.len() <= SHOWN_AGAIN {
        String::from_utf8_lossy(&content).into_owned()
    } else {
        String::new()
    };
    let posted = &upload.posted;
    let outcome = async {
        let mapping = mapping(posted).map_err(AppError::Invalid)?;
        app.hold_calendar(&name, content, &mapping).await
    };
    match outcome.await {
        Ok(id) => done(&format!("{PATH}/import/{id}"), ""),
        Err(
            error @ (AppError::Invalid(_) | AppError::Conflict(_) | AppError::OutOfRoom(_) | AppError::Unavailable(_)),
        ) => {
            let (status, problems, sentence) = split(error);
            let mapping = mapping_again(posted, &problems);
            show_import(&app, &visit, status, mapping, text, &problems, sentence).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn review_row(row: &Row) -> CalendarRow {
    let event = &row.stored.event;
    CalendarRow {
        line: row.line,
        title: row.stored.title.clone(),
        times: Some((event.start_ms, event.end_ms)),
        tag: event.tag.clone(),
        says: event.effect.says(),
        change: match row.what {
            What::New => CalendarChange::New,
            What::Changed => CalendarChange::Changed,
            What::Same => CalendarChange::Same,
            What::Removed => CalendarChange::Removed,
            What::Refused(_) => CalendarChange::Refused,
        },
        problems: match &row.what {
            What::Refused(problems) => problems.iter().map(sentence).collect(),
            _ => Vec::new(),
        },
    }
}

fn sentence(problem: &Problem) -> String {
    if problem.found.is_empty() {
        format!("{}: expected {}", problem.field, problem.expected)
    } else {
        format!("{}: found {}, expected {}", problem.field, problem.found, problem.expected)
    }
}

fn review_model(
    review: &Review,
    pools: Vec<Named>,
    mapping: CalendarMapping,
    error: Option<String>,
) -> CalendarReviewModel {
    let Counts { new, changed, same, removed, refused } = review.counts();
    let faults = review.faults.iter().map(|fault| CalendarRow {
        line: fault.line,
        title: if fault.of.is_empty() { "In the file".to_owned() } else { fault.of.clone() },
        times: None,
        tag: String::new(),
        says: format::UNKNOWN.to_owned(),
        change: CalendarChange::Refused,
        problems: vec![sentence(&of_file(fault))],
    });
    let mut rows: Vec<CalendarRow> = faults.chain(review.rows.iter().map(review_row)).collect();
    rows.sort_by_key(|row| row.change != CalendarChange::Refused);
    let more = rows.len().saturating_sub(ROWS_SHOWN);
    rows.truncate(ROWS_SHOWN);
    CalendarReviewModel {
        id: review.id.to_string(),
        file: review.file.clone(),
        name: review.name.clone(),
        mapping,
        rows,
        more,
        counts: [new, changed, same, removed, refused],
        outside: review.outside,
        pools,
        error,
    }
}

async fn show_review(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    id: Uuid,
    mapping: Option<CalendarMapping>,
    error: Option<String>,
) -> Response {
    let outcome = async {
        let review = app.review_calendar(id).await?;
        let (shell, _) = shell(app, visit, spec("Review a calendar")).await?;
        let mapping = mapping.unwrap_or_else(|| mapping_fields(&review.mapping));
        let model = review_model(&review, shell.filters.pools.clone(), mapping, error);
        Ok::<_, AppError>(page(&shell, status, || pages::calendar_review(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/calendar/import/{import}`.
pub(crate) async fn review(app: App, InPath(name): InPath, visit: Visit) -> Response {
    match id("calendar import", &name) {
        Ok(id) => show_review(&app, &visit, StatusCode::OK, id, None, None).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/calendar/import/{import}`: takes the file, looks at it with another mapping, or throws it away.
pub(crate) async fn take(app: App, InPath(name): InPath, visit: Visit, posted: Posted) -> Response {
    let id = match id("calendar import", &name) {
        Ok(id) => id,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let outcome = async {
        match posted.get("do") {
            "map" => {
                let mapping = mapping(&posted).map_err(AppError::Invalid)?;
                app.map_calendar(id, &mapping).await?;
                Ok(done(&format!("{PATH}/import/{id}"), ""))
            }
            "drop" => {
                app.drop_calendar(id).await?;
                Ok(done(&format!("{PATH}/import"), "The file was thrown away; nothing of it is in the calendar."))
            }
            word @ ("all" | "good") => {
                let counts = app.take_calendar(id, word == "good").await?;
                let number = |count: usize| format::count(count as i64);
                let text = format!(
                    "The calendar was taken: {} new, {} changed, {} removed, {} left out.",
                    number(counts.new),
                    number(counts.changed),
                    number(counts.removed),
                    number(counts.refused)
                );
                Ok(done(PATH, &text))
            }
            other => Err(AppError::invalid("do", other, "all, good, map or drop")),
        }
    };
    match outcome.await {
        Ok(response) => response,
        Err(
            error @ (AppError::Invalid(_) | AppError::Conflict(_) | AppError::OutOfRoom(_) | AppError::Unavailable(_)),
        ) => {
            let (status, problems, sentence) = split(error);
            let mapping = posted.has("tag_from").then(|| mapping_again(&posted, &problems));
            show_review(&app, &visit, status, id, mapping, sentence).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}
