//! Edits of a draft that are one button or one drop: move, cancel, skip, leave out, undo.

use super::review::{again, basis_pairs};
use super::{PATH, Refused, grid, id_of, is_told, show, told};
use crate::app::plan::drafts::Edit;
use crate::app::plan::effect::Basis;
use crate::app::{App, AppError, Problem, Result};
use crate::pages::answer::{done, failure};
use crate::pages::form::Posted;
use crate::pages::visit::{Named as InPath, Visit};
use crate::zones;
use axum::response::Response;
use chrono::{NaiveDate, TimeDelta};
use headroom_domain::Millis;
use headroom_domain::plan::terms::Terms;
use headroom_domain::plan::text;
use headroom_domain::plan::wall::Wall;
use headroom_store::draft::Draft;
use uuid::Uuid;

/// What is said of an edit after which everything is as it was.
pub(super) const NOTHING_CHANGED: &str = "Nothing was changed.";

/// Where somebody goes back to: a page of the planner, with the draft that was edited.
pub(super) fn back(posted: &Posted, draft: Option<Uuid>) -> String {
    let wanted = posted.get("back");
    let is_own = wanted == PATH || wanted.starts_with("/planner?") || wanted.starts_with("/planner/drafts/");
    let pool = posted.get("pool");
    let wanted = if is_own { wanted } else { PATH };
    let (path, query) = wanted.split_once('?').unwrap_or((wanted, ""));
    let mut pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(name, _)| name != "draft").collect();
    if path != PATH {
        // A review goes on with what it plays.
        let said = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let basis = Basis::parse(said("basis"), said("level")).unwrap_or_default();
        return headroom_frontend::url::with_query(path, &basis_pairs(basis));
    }
    if !pairs.iter().any(|(name, _)| name == "pool") && !pool.is_empty() {
        pairs.insert(0, ("pool".to_owned(), pool.to_owned()));
    }
    if let Some(draft) = draft {
        pairs.push(("draft".to_owned(), draft.to_string()));
    }
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headroom_frontend::url::with_query(path, &pairs)
}

/// A visit of the page somebody came from.
pub(super) fn visit_of(visit: &Visit, address: &str) -> Visit {
    let mut other = visit.clone();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    path.clone_into(&mut other.path);
    address.clone_into(&mut other.address);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        other.set(&name, &value);
    }
    other
}

/// The draft that is edited and the version that was seen of it: the one that was sent, else one's own.
pub(super) async fn existing_draft(app: &App, posted: &Posted) -> Result<Option<(Draft, Option<i32>)>> {
    if let Some(id) = id_of(posted.get("draft")) {
        let seen = posted.get("version").parse().ok();
        return Ok(Some((app.draft(id).await?.0, seen)));
    }
    Ok(app.own_draft(posted.get("pool")).await?.map(|own| (own, None)))
}

/// Puts edits into the draft that is edited, else into a new one that begins with them. `None` if they change nothing and there is
/// no draft: what is refused or changes nothing leaves none behind.
pub(super) async fn put(
    app: &App,
    posted: &Posted,
    draft: Option<&(Draft, Option<i32>)>,
    edits: Vec<Edit>,
) -> Result<Option<Uuid>> {
    if let Some((draft, seen)) = draft {
        app.edit_draft_at_once(draft.id, *seen, edits, "").await?;
        return Ok(Some(draft.id));
    }
    let begun = app.begin_draft_with(posted.get("pool"), &draft_name(app, posted), edits).await?;
    Ok(begun.map(|draft| draft.id))
}

fn draft_name(app: &App, posted: &Posted) -> String {
    let name: String = posted.get("draft_name").chars().filter(|c| !c.is_control()).take(80).collect();
    if name.is_empty() { format!("Draft of {}", app.caller().actor.name) } else { name }
}

/// A reservation as a draft has it, else as it is published.
pub(super) async fn terms_in(app: &App, draft: Option<&Draft>, id: Uuid) -> Result<Terms> {
    let change = draft.and_then(|draft| draft.changes.get(&id));
    if let Some(terms) = change.and_then(|change| change.after.as_ref().or(change.before.as_ref())) {
        return Ok(terms.clone());
    }
    Ok(app.reservation(id).await?.1.stored.terms)
}

fn reservation(posted: &Posted) -> Result<Uuid> {
    let text = posted.get("reservation");
    id_of(text).ok_or_else(|| AppError::invalid("reservation", text, "the id of a reservation"))
}

fn instant(posted: &Posted, field: &'static str) -> Result<Option<Millis>> {
    let text = posted.get(field);
    if text.is_empty() {
        return Ok(None);
    }
    let at = text.parse().ok().filter(|at| (headroom_domain::EARLIEST_MS..headroom_domain::LATEST_MS).contains(at));
    at.map(Some).ok_or_else(|| AppError::invalid(field, text, "milliseconds since 1970 of a time from 1970 to 2199"))
}

/// Terms with one occurrence dropped elsewhere: all of them move by as much, on the wall clock of their zone.
fn moved(posted: &Posted, terms: &Terms) -> Result<Terms> {
    let needed = |field| instant(posted, field)?.ok_or_else(|| AppError::invalid(field, "", "a time"));
    let (was, now) = (needed("was_start")?, needed("start")?);
    let (was_end, now_end) = (instant(posted, "was_end")?, instant(posted, "end")?);
    let ends = [Some(was), Some(now), was_end, now_end];
    let (first, last) = (ends.iter().flatten().min().copied(), ends.iter().flatten().max().copied());
    let zone = first.zip(last).and_then(|(first, last)| zones::slice(&terms.zone, first, last));
    let zone = zone.ok_or_else(|| AppError::invalid("zone", &terms.zone, "an IANA time zone"))?;
    let shifted = |wall: &Wall, from: Millis, to: Millis| {
        if from == to {
            return *wall;
        }
        let by: TimeDelta = zone.local(to) - zone.local(from);
        let local = wall.local + by;
        // A single one lands exactly where it was dropped, also where clocks show a time twice.
        if terms.repeat.is_none() { Wall::at(to, &zone) } else { Wall::new(local) }
    };
    let mut after = terms.clone();
    after.start = shifted(&terms.start, was, now);
    let names_days = |rule: &str| rule.contains("BYDAY") || rule.contains("BYMONTHDAY");
    if let Some(rule) = terms.repeat.as_ref().filter(|rule| names_days(rule.rule()))
        && after.start.local.date() != terms.start.local.date()
    {
        let expected = "a move within the day: its rule names the days, so they are changed in its form";
        return Err(AppError::invalid("repeat", rule.to_string(), expected));
    }
    after.end = match (&terms.end, was_end, now_end) {
        (Some(end), Some(from), Some(to)) => Some(shifted(end, from, to)),
        (end, ..) => *end,
    };
    // Temporary changes go with what they change.
    if was != now && was_end.zip(now_end).is_some_and(|(from, to)| to - from == now - was) {
        for other in &mut after.overrides {
            let by = zone.local(now) - zone.local(was);
            (other.start.local, other.end.local) = (other.start.local + by, other.end.local + by);
        }
    }
    let slots = posted.get("slots");
    if !slots.is_empty() {
        after.set_slots(slots.parse().map_err(|_| AppError::invalid("slots", slots, "a whole number"))?);
    }
    Ok(after)
}

/// Terms without one occurrence, or with it again.
fn skipped(posted: &Posted, terms: &Terms, is_skipped: bool) -> Result<Terms> {
    let text = posted.get("day");
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .map_err(|_| AppError::invalid("day", text, "a day such as 2026-11-28"))?;
    let mut after = terms.clone();
    after.except.retain(|other| *other != day);
    if is_skipped {
        after.except.push(day);
        after.except.sort_unstable();
    }
    Ok(after)
}

/// Terms as a form or a fix sends them.
pub(super) fn written(posted: &Posted) -> Result<Terms> {
    text::read(|field| posted.has(field.as_str()).then(|| posted.get(field.as_str()).to_owned())).map_err(|faults| {
        AppError::Invalid(
            faults.iter().map(|fault| Problem::new(fault.field, &fault.found, fault.expected.clone())).collect(),
        )
    })
}

/// Does what needs a draft that is there. `None` = it is an edit.
async fn run_on_draft(app: &App, posted: &Posted, what: &str) -> Result<Option<(Option<Uuid>, String)>> {
    if !matches!(what, "undo" | "redo" | "rename" | "discard" | "drop") {
        return Ok(None);
    }
    let none = || AppError::Conflict("you have no draft of this pool".to_owned());
    let (draft, seen) = existing_draft(app, posted).await?.ok_or_else(none)?;
    let said = match what {
        "undo" => {
            app.undo_draft(draft.id, seen).await?;
            "Undone.".to_owned()
        }
        "redo" => {
            app.redo_draft(draft.id, seen).await?;
            "Done again.".to_owned()
        }
        "rename" => {
            let name = app.rename_draft(draft.id, posted.get("draft_name")).await?.name;
            format!("The draft is called “{name}” now.")
        }
        "discard" => {
            app.discard_draft(draft.id).await?;
            return Ok(Some((None, format!("Draft “{}” was discarded.", draft.name))));
        }
        _ => {
            app.drop_change(draft.id, seen, reservation(posted)?).await?;
            "The change was left out.".to_owned()
        }
    };
    Ok(Some((Some(draft.id), said)))
}

/// Does it. Returns the draft it went into, if there is one, and what is said.
async fn run(app: &App, posted: &Posted) -> Result<(Option<Uuid>, String)> {
    let what = posted.get("do");
    if what == "draft" {
        let draft = app.create_draft(posted.get("pool"), &draft_name(app, posted)).await?;
        return Ok((Some(draft.id), format!("Draft “{}” was begun.", draft.name)));
    }
    if let Some(done) = run_on_draft(app, posted, what).await? {
        return Ok(done);
    }
    let draft = existing_draft(app, posted).await?;
    let known = draft.as_ref().map(|(draft, _)| draft);
    let (id, after, said) = match what {
        "move" => {
            let id = reservation(posted)?;
            let after = moved(posted, &terms_in(app, known, id).await?)?;
            let said = format!("{} is changed in the draft.", after.name);
            (id, Some(after), said)
        }
        "fix" => {
            let after = written(posted)?;
            let said = format!("{} is changed in the draft.", after.name);
            (reservation(posted)?, Some(after), said)
        }
        "cancel" => {
            let id = reservation(posted)?;
            let name = terms_in(app, known, id).await?.name;
            (id, None, format!("{name} is cancelled in the draft."))
        }
        "skip" | "unskip" => {
            let id = reservation(posted)?;
            let after = skipped(posted, &terms_in(app, known, id).await?, what == "skip")?;
            let done = if what == "skip" { "is skipped" } else { "takes place again" };
            let said = format!("{} on {} {done} in the draft.", after.name, posted.get("day"));
            (id, Some(after), said)
        }
        other => {
            return Err(AppError::invalid(
                "do",
                other,
                "move, fix, cancel, skip, unskip, drop, undo, redo, discard, draft, cell, paste, bulk or bulk-cancel",
            ));
        }
    };
    match put(app, posted, draft.as_ref(), vec![(id, after)]).await? {
        Some(draft) => Ok((Some(draft), said)),
        None => Ok((None, NOTHING_CHANGED.to_owned())),
    }
}

/// POST `/planner/act`.
pub(crate) async fn act(app: App, visit: Visit, posted: Posted) -> Response {
    if grid::is_of_table(posted.get("do")) {
        return grid::act(app, visit, posted).await;
    }
    match run(&app, &posted).await {
        // The page of a draft that is gone leads nowhere.
        Ok((None, said)) if posted.get("do") == "discard" => {
            let pool = posted.get("pool");
            done(&headroom_frontend::url::with_query(PATH, &[("pool", pool)]), &said)
        }
        Ok((draft, said)) => done(&back(&posted, draft), &said),
        Err(error) if is_told(&error) => {
            let (status, sentence) = told(error);
            let sentence = format!("{sentence} The draft is as it was.").replace(". .", ".");
            let to = back(&posted, id_of(posted.get("draft")));
            let there = visit_of(&visit, &to);
            let reviewed = to.split('?').next().and_then(|path| path.strip_prefix("/planner/drafts/"));
            let shown = match reviewed.and_then(id_of) {
                Some(id) => again(&app, &there, id, status, &posted, Some(sentence)).await,
                None => show(&app, &there, status, Refused::of(sentence)).await,
            };
            match shown {
                Ok(response) => response,
                Err(error) => failure(&app, &visit, error).await,
            }
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/planner/publications/{publication}/revert`: makes the inverse draft, which goes through review like any other.
pub(crate) async fn revert(app: App, InPath(id): InPath, visit: Visit, _: Posted) -> Response {
    let missing = || AppError::NotFound { what: "publication", slug: id.clone(), suggestion: None };
    let outcome = async { app.revert(id_of(&id).ok_or_else(missing)?).await };
    match outcome.await {
        Ok(draft) => done(
            &format!("/planner/drafts/{}", draft.id),
            "This draft takes the publication back; look at it and publish it.",
        ),
        Err(error) => failure(&app, &visit, error).await,
    }
}
