//! `/pools/{pool}/act/{action}`: what is asked, what it would do, and doing it.

use super::answer::{done, failure, page};
use super::form::{Posted, error_of};
use super::pool_form::split;
use super::shell::{Spec, shell};
use super::visit::{Named as InPath, Visit};
use crate::app::live::SlotsNow;
use crate::app::slots::{Act, Preview};
use crate::app::{App, AppError, Problem, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_domain::format;
use headroom_frontend::model::{ActHit, ActModel, ActPreview, Field, FilterSet, Named, SlotAction};
use headroom_frontend::url::{pool_path, with_query};
use headroom_frontend::{pages, routes::RailEntry};

/// Most slots of one act.
const MOST: usize = 10_000;
/// Tenants offered while typing.
const OFFERED: usize = 200;

/// What was asked for.
struct Asked {
    action: SlotAction,
    /// The texts of the fields, in the order of [`SlotAction::asks`].
    texts: Vec<String>,
    reason: String,
    /// All fields that are needed were sent.
    is_complete: bool,
}

impl Asked {
    fn of(action: SlotAction, text: impl Fn(&str) -> String) -> Self {
        let texts: Vec<String> = action.asks().iter().map(|name| text(name).trim().to_owned()).collect();
        let is_needed = |name: &&str| !(action == SlotAction::Preempt && *name == "tenant");
        let is_complete =
            action.asks().iter().zip(&texts).filter(|(name, _)| is_needed(name)).all(|(_, text)| !text.is_empty());
        Self { action, texts, reason: text("reason").trim().to_owned(), is_complete }
    }

    fn text(&self, name: &str) -> &str {
        self.action.asks().iter().zip(&self.texts).find(|(known, _)| **known == name).map_or("", |(_, text)| text)
    }

    fn number(&self, name: &str, expected: &str, problems: &mut Vec<Problem>) -> i64 {
        let digits: String =
            self.text(name).chars().filter(|c| !matches!(c, ',' | ' ' | '\u{202f}' | '\u{a0}')).collect();
        digits.parse().unwrap_or_else(|_| {
            problems.push(Problem::new(name, self.text(name), expected));
            0
        })
    }

    /// The act that is asked for.
    fn act(&self, now: &SlotsNow) -> std::result::Result<Act, Vec<Problem>> {
        let mut problems = Vec::new();
        let slots = |problems: &mut Vec<Problem>| {
            slots(self.text("slots")).unwrap_or_else(|expected| {
                problems.push(Problem::new("slots", self.text("slots"), expected));
                Vec::new()
            })
        };
        let act = match self.action {
            SlotAction::Hold => Act::Hold,
            SlotAction::Open => Act::Open,
            SlotAction::Drain if self.text("slots") == "all" => Act::Drain(None),
            SlotAction::Drain => Act::Drain(Some(slots(&mut problems))),
            SlotAction::Restore => Act::Restore(slots(&mut problems)),
            SlotAction::Reclaim if self.text("slots") == "leaked" => {
                Act::Reclaim(now.leaked().into_iter().take(MOST).collect())
            }
            SlotAction::Reclaim => Act::Reclaim(slots(&mut problems)),
            SlotAction::Preempt => Act::Preempt {
                tenant: Some(self.text("tenant").to_owned()).filter(|slug| !slug.is_empty()),
                slots: self.number("count", "a whole number, 1 or more", &mut problems),
            },
            SlotAction::Resize => Act::Resize(self.number("to", "a whole number of slots", &mut problems)),
            SlotAction::CutQuota => Act::CutQuota {
                tenant: self.text("tenant").to_owned(),
                slots: self.number("to", "a whole number, 0 or more", &mut problems),
                minutes: self.number("minutes", "1 to 1440 minutes", &mut problems),
            },
        };
        if let Act::Drain(Some(numbers)) | Act::Restore(numbers) | Act::Reclaim(numbers) = &act {
            let most = now.slots.len();
            if let Some(beyond) = numbers.iter().find(|number| **number as usize > most) {
                problems.push(Problem::new("slots", beyond.to_string(), format!("slots from 1 to {most}")));
            }
        }
        if problems.is_empty() { Ok(act) } else { Err(problems) }
    }
}

/// Numbers and ranges: `4711, 9000-9040`.
fn slots(text: &str) -> std::result::Result<Vec<u32>, String> {
    let wrong = || "numbers and ranges such as 4711, 9000-9040".to_owned();
    let mut all: Vec<u32> = Vec::new();
    for part in text.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once(['-', '–']).unwrap_or((part, part));
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(wrong);
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(wrong());
        }
        if (last - first) as usize >= MOST || all.len() + (last - first) as usize >= MOST {
            return Err("at most 10,000 slots at a time".to_owned());
        }
        all.extend(first..=last);
    }
    all.sort_unstable();
    all.dedup();
    if all.is_empty() { Err(wrong()) } else { Ok(all) }
}

/// What the use cases call what the form calls otherwise.
fn renamed(action: SlotAction, mut problems: Vec<Problem>) -> Vec<Problem> {
    for problem in &mut problems {
        match (action, problem.field.as_str()) {
            (SlotAction::Resize | SlotAction::CutQuota, "slots") => problem.field = "to".into(),
            (SlotAction::Preempt, "slots") => problem.field = "count".into(),
            _ => {}
        }
    }
    problems
}

/// The state that a preview is made from: the rules and the size.
fn version(now: &SlotsNow) -> String {
    format!("{}.{}", now.watched.rules.version, now.watched.rules.capacity.unwrap_or_default())
}

fn action_of(visit: &Visit) -> Result<SlotAction> {
    let word = visit.path.rsplit('/').next().unwrap_or_default();
    SlotAction::parse(word).ok_or_else(|| AppError::NotFound {
        what: "action",
        slug: word.chars().take(40).collect(),
        suggestion: None,
    })
}

/// GET: the form, and with all of its fields the preview.
pub(crate) async fn get(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    let outcome = async {
        let action = action_of(&visit)?;
        app.pool(&slug).await?;
        let now = app.slots_now(&slug).await?;
        let asked = Asked::of(action, |name| visit.get(name).unwrap_or_default().chars().take(10_000).collect());
        // A form that was sent names its fields even where they are empty; one that is opened names none.
        if !asked.is_complete {
            return show(&app, &visit, StatusCode::OK, &asked, &now, Vec::new(), None).await;
        }
        show(&app, &visit, StatusCode::OK, &asked, &now, Vec::new(), Some(())).await
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST: does it.
pub(crate) async fn post(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let action = action_of(&visit)?;
        app.pool(&slug).await?;
        let now = app.slots_now(&slug).await?;
        let asked = Asked::of(action, |name| posted.get(name).to_owned());
        let act = match asked.act(&now) {
            Ok(act) => act,
            Err(problems) => {
                return show(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, &asked, &now, problems, None).await;
            }
        };
        if posted.get("version") != version(&now) {
            let text = "The pool was changed meanwhile; nothing was done. This is what it would do now.";
            let error = AppError::Conflict(text.to_owned());
            return refused(&app, &visit, &asked, &now, error).await;
        }
        match app.act(&slug, &act, &asked.reason).await {
            Ok(count) => {
                let map = with_query(&pool_path(&slug), &[("tab", "map")]);
                let pool = &now.watched.pool.fields.name;
                let text = count.map_or_else(|| to_come(pool), |count| told(&act, pool, count));
                Ok(done(&map, &text))
            }
            Err(error) => refused(&app, &visit, &asked, &now, error).await,
        }
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// That it will be done.
fn to_come(pool: &str) -> String {
    format!(
        "It is recorded. The server that decides about {pool} does not answer now: it, or its successor, will do it."
    )
}

/// What was done, as the next page says it.
fn told(act: &Act, pool: &str, count: usize) -> String {
    let leases = if count == 1 { "1 lease".to_owned() } else { format!("{} leases", format::count(count as i64)) };
    let of = |slots: &[u32]| {
        if slots.len() == 1 {
            format!("Slot {}", slots[0])
        } else {
            format!("{} slots", format::count(slots.len() as i64))
        }
    };
    let verb = |slots: &[u32]| if slots.len() == 1 { "was" } else { "were" };
    match act {
        Act::Hold => format!("{pool} grants no new claims."),
        Act::Open => format!("{pool} grants claims again."),
        Act::Drain(None) => format!("{pool} is draining; {leases} got notice."),
        Act::Drain(Some(slots)) => format!("{} of {pool} {} told to drain.", of(slots), verb(slots)),
        Act::Restore(slots) => format!("{} of {pool} {} put back into use.", of(slots), verb(slots)),
        Act::Reclaim(_) => format!("{leases} of {pool} taken back."),
        Act::Preempt { .. } => format!("{leases} of {pool} got notice."),
        Act::Resize(slots) => format!("{pool} was resized to {} slots.", format::count(*slots)),
        Act::CutQuota { tenant, slots, minutes } => {
            format!("Quota of {tenant} in {pool} was cut to {} slots for {minutes} min.", format::count(*slots))
        }
    }
}

async fn refused(app: &App, visit: &Visit, asked: &Asked, now: &SlotsNow, error: AppError) -> Result<Response> {
    match error {
        AppError::Invalid(problems) => {
            let problems = renamed(asked.action, problems);
            show(app, visit, StatusCode::UNPROCESSABLE_ENTITY, asked, now, problems, None).await
        }
        AppError::NotFound { what: "tenant", slug, .. } => {
            let problems = vec![Problem::new("tenant", slug, "a tenant that exists")];
            show(app, visit, StatusCode::UNPROCESSABLE_ENTITY, asked, now, problems, None).await
        }
        AppError::Conflict(_) | AppError::Unavailable(_) | AppError::OutOfRoom(_) => {
            let (status, _, sentence) = split(error);
            let mut model = model(app, asked, now, &[], true).await?;
            model.error = sentence;
            render(app, visit, status, now, &model).await
        }
        other => Err(other),
    }
}

async fn show(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    asked: &Asked,
    now: &SlotsNow,
    problems: Vec<Problem>,
    preview: Option<()>,
) -> Result<Response> {
    let model = model(app, asked, now, &problems, preview.is_some()).await?;
    let is_wrong = model.fields.iter().any(|field| field.error.is_some());
    let status = if status == StatusCode::OK && is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { status };
    render(app, visit, status, now, &model).await
}

async fn render(app: &App, visit: &Visit, status: StatusCode, now: &SlotsNow, model: &ActModel) -> Result<Response> {
    let title = format!("{}: {}", model.action.label(), now.watched.pool.fields.name);
    let spec = Spec {
        title: &title,
        rail: Some(RailEntry::Pools),
        honoured: FilterSet::NONE,
        default_from: "now-1h",
        view: &[],
    };
    // The fields of the form are no filters: `tenant` names whose quota is cut, and `to` is a number of slots.
    let mut own = visit.clone();
    own.forget("tenant");
    own.forget("to");
    let (shell, _) = shell(app, &own, spec).await?;
    Ok(page(&shell, status, || pages::act(&shell, model)))
}

async fn model(app: &App, asked: &Asked, now: &SlotsNow, problems: &[Problem], previews: bool) -> Result<ActModel> {
    let slug = now.watched.pool.fields.slug.as_str();
    let mut problems = problems.to_vec();
    let mut preview = None;
    let mut error = None;
    if previews {
        match asked.act(now) {
            Err(found) => problems.extend(found),
            Ok(Act::Reclaim(slots)) if slots.is_empty() => {
                let blocked = Some("No slot is leaked now; there is nothing to reclaim.".to_owned());
                preview = Some(ActPreview { verb: "Reclaim".into(), blocked, ..ActPreview::default() });
            }
            Ok(act) => match app.preview_act(slug, &act).await {
                Ok(found) => preview = Some(shown(&act, asked.action, found, now)),
                Err(AppError::Invalid(found)) => problems.extend(renamed(asked.action, found)),
                Err(AppError::NotFound { what: "tenant", slug, .. }) => {
                    problems.push(Problem::new("tenant", slug, "a tenant that exists"));
                }
                Err(AppError::Moved { slug, to, .. }) => {
                    problems.push(Problem::new("tenant", slug, format!("the tenant's present name {to:?}")));
                }
                // A size that only planners may set.
                Err(AppError::Forbidden { needs, .. }) if asked.action == SlotAction::Resize => {
                    error = Some(format!("You may not set this size: that needs {needs}."));
                }
                Err(other) => return Err(other),
            },
        }
    }
    let field = |(name, text): (&&str, &String)| Field { value: text.clone(), error: error_of(name, &problems) };
    let mut tenants: Vec<Named> =
        now.names.values().map(|(slug, name)| Named { slug: slug.clone(), name: name.clone() }).collect();
    tenants.sort_by(|a, b| a.slug.cmp(&b.slug));
    tenants.truncate(OFFERED);
    Ok(ActModel {
        pool: super::oncall::named(&now.watched),
        action: asked.action,
        fields: asked.action.asks().iter().zip(&asked.texts).map(field).collect(),
        now: if asked.action == SlotAction::Resize { size_now(app, now) } else { String::new() },
        tenants: if asked.action.asks().contains(&"tenant") { tenants } else { Vec::new() },
        reason: Field { value: asked.reason.clone(), error: error_of("reason", &problems) },
        preview,
        error,
        version: version(now),
    })
}

/// The size of a pool, and which one may be set.
fn size_now(app: &App, now: &SlotsNow) -> String {
    let rules = &now.watched.rules;
    let size = format::count(rules.capacity.unwrap_or_default());
    if app.caller().may(Action::Plan) {
        return format!("{size} slots now.");
    }
    match rules.policy.emergency {
        Some((least, most)) => {
            let (least, most) = (format::count(least.into()), format::count(most.into()));
            format!("{size} slots now. You may set {least} to {most} slots; planners may set any size.")
        }
        None => format!("{size} slots now. This pool has no emergency range: only planners and admins resize it."),
    }
}

fn counted(slots: usize) -> String {
    if slots == 1 { "1 slot".to_owned() } else { format!("{} slots", format::count(slots as i64)) }
}

fn shown(act: &Act, action: SlotAction, found: Preview, now: &SlotsNow) -> ActPreview {
    let grace = format::duration(now.watched.rules.policy.grace_ms);
    let what = match act {
        Act::Reclaim(_) => "loses them at once; the old holder is refused from then on".to_owned(),
        Act::Resize(_) => "keeps them until its holders end".to_owned(),
        Act::Drain(_) | Act::Preempt { .. } => format!("{grace} notice, then work that was not saved is lost"),
        _ => String::new(),
    };
    let name = |slug: &str| {
        let known = now.names.values().find(|(known, _)| known == slug);
        Named { slug: slug.to_owned(), name: known.map_or_else(|| slug.to_owned(), |(_, name)| name.clone()) }
    };
    let hit = found.tenants.iter().map(|(slug, slots)| ActHit {
        tenant: name(slug),
        slots: (*slots).into(),
        what: what.clone(),
    });
    let is_idle = matches!(act, Act::Preempt { .. }) && found.leases == 0;
    ActPreview {
        verb: match act {
            Act::Hold => "Hold claims".into(),
            Act::Open => "Open again".into(),
            Act::Drain(None) => "Drain the pool".into(),
            Act::Drain(Some(slots)) => format!("Drain {}", counted(slots.len())),
            Act::Restore(slots) => format!("Restore {}", counted(slots.len())),
            Act::Reclaim(slots) => format!("Reclaim {}", counted(slots.len())),
            Act::Preempt { .. } => {
                format!(
                    "Preempt {}",
                    if found.leases == 1 { "1 lease".to_owned() } else { format!("{} leases", found.leases) }
                )
            }
            Act::Resize(slots) => format!("Resize to {}", counted(usize::try_from(*slots).unwrap_or(0))),
            Act::CutQuota { tenant, .. } => format!("Cut the quota of {tenant}"),
        },
        changes: found.changes.into_iter().filter(|(_, before, after)| before != after).collect(),
        hit: hit.collect(),
        permanent: if action.takes_away() && found.leases > 0 {
            vec!["Work that a holder has not saved by then is lost.".into()]
        } else {
            Vec::new()
        },
        undo: match act {
            Act::Hold | Act::Drain(None) => "Open again grants claims at once.".into(),
            Act::Open => "Hold claims stops them again.".into(),
            Act::Drain(Some(_)) => "Restore slots puts them back into use.".into(),
            Act::Restore(_) => "Drain slots takes them out again.".into(),
            Act::Reclaim(_) | Act::Preempt { .. } => "The tenants can claim again at once.".into(),
            Act::Resize(_) => "Resize again sets the old size.".into(),
            Act::CutQuota { .. } => "The old quota comes back by itself.".into(),
        },
        warnings: found.warnings,
        blocked: is_idle.then(|| "Nobody holds a lease that could be asked for.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_slots() {
        assert_eq!(slots("4711, 3-5 4"), Ok(vec![3, 4, 5, 4711]));
        for wrong in ["", "0", "5-3", "x", "-1", "1-", "1-4294967296"] {
            assert!(slots(wrong).is_err(), "{wrong}");
        }
        assert!(slots("1-10000").is_ok_and(|all| all.len() == 10_000));
        assert!(slots("1-10001").is_err() && slots("1-10000, 10001").is_err());
    }
}
