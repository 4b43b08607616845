//! `/silences`: what is kept quiet, the form that makes or changes a silence, and its end.

use super::answer::{done, failure, page};
use super::form::{Posted, wall_time};
use super::pool_form::{split, version};
use super::shell::{Spec, shell};
use super::visit::{Named as InPath, Visit};
use crate::app::alerts::silences::{Phase, SilenceShown, Wish};
use crate::app::alerts::view::Shown;
use crate::app::{App, AppError, Problem, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_domain::alert::matcher::{self, Label, Matcher, Op};
use headroom_domain::alert::window::Lane;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::{DAY_MS, HOUR_MS, Millis, format};
use headroom_frontend::model::{
    EndSilenceModel, Field, FilterSet, HiddenAlert, SilenceForm, SilencePhase, SilencePreview, SilenceRow,
    SilencesModel,
};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::silence::Kind;

const PATH: &str = "/silences";
/// How long a silence lasts if nothing is chosen.
const USUAL: &str = "1h";
/// What can be filled in by an address.
const PREFILLED: [Label; 4] = [Label::Rule, Label::Pool, Label::Tenant, Label::Severity];

fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::OnCall), honoured: FilterSet::NONE, default_from: "now-1h", view: &[] }
}

fn hidden(shown: &Shown) -> HiddenAlert {
    let whose: Vec<&str> =
        [&shown.pool, &shown.tenant].into_iter().flatten().map(|named| named.name.as_str()).collect();
    HiddenAlert {
        id: shown.row.id,
        title: shown.title.clone(),
        whose: whose.join(", "),
        says: shown.says.clone(),
        is_page: shown.row.alert.severity == Lane::Page,
    }
}

fn row(shown: &SilenceShown) -> SilenceRow {
    let one = &shown.stored;
    SilenceRow {
        id: one.id,
        is_maintenance: one.kind == Kind::Maintenance,
        phase: match shown.phase {
            Phase::Active => SilencePhase::Active,
            Phase::Planned => SilencePhase::Planned,
            Phase::Ended => SilencePhase::Ended,
        },
        matchers: one.matchers.iter().map(ToString::to_string).collect(),
        note: one.note.clone(),
        author: one.author.clone(),
        from_ms: one.times.from_ms,
        end_ms: one.times.end_ms(),
        ended_by: one.ended_by.clone(),
        ends_with_alerts: one.times.expire_on_resolve,
        useless: shown.useless,
        hides: shown.hides.iter().map(hidden).collect(),
    }
}

fn may_change(app: &App) -> bool {
    app.caller().may(Action::Answer) && !app.caller().is_limited()
}

/// Shows the page. `form` is left out where nobody may make a silence.
async fn show(app: &App, visit: &Visit, status: StatusCode, title: &str, form: SilenceForm) -> Response {
    let outcome = async {
        let (shell, _) = shell(app, visit, spec(title)).await?;
        let listed = app.silences().await?;
        let form = may_change(app).then_some(form);
        let model = SilencesModel { rows: listed.all.iter().map(row).collect(), form };
        Ok::<_, AppError>(page(&shell, status, || pages::silences(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// What an address fills in: `?pool=edge-eu&rule=hot-slot`, or `?matchers=`.
fn prefilled(visit: &Visit) -> String {
    if let Some(text) = visit.get("matchers") {
        return text.chars().take(2_000).collect();
    }
    let matchers = PREFILLED.iter().filter_map(|label| {
        let values = visit.all(label.as_str());
        let one = match values.as_slice() {
            [] => return None,
            [one] => Matcher { name: label.as_str().into(), op: Op::Is.as_str().into(), value: one.clone() },
            several => Matcher { name: label.as_str().into(), op: Op::Like.as_str().into(), value: several.join("|") },
        };
        Some(plain(&one))
    });
    matchers.collect::<Vec<_>>().join(", ")
}

/// A matcher as people write it: without quotes where it can be read again without them.
fn plain(one: &Matcher) -> String {
    let bare = format!("{}{}{}", one.name, one.op, one.value);
    if bare.parse().as_ref() == Ok(one) { bare } else { one.to_string() }
}

/// GET `/silences` and `/silences/new`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let matchers = prefilled(&visit);
    let form = SilenceForm {
        is_first: !matchers.is_empty() || visit.path != PATH,
        matchers: Field::of(matchers),
        kind: Field::of(Kind::Silence.as_str()),
        lasts: Field::of(USUAL),
        ..SilenceForm::default()
    };
    show(&app, &visit, StatusCode::OK, "Silences", form).await
}

/// An instant as the form takes it again.
fn wall(zone: &ZoneSlice, at: Millis) -> String {
    zone.local(at).format("%Y-%m-%d %H:%M").to_string()
}

fn id(text: &str) -> Result<i64> {
    let missing = || AppError::NotFound { what: "silence", slug: text.chars().take(80).collect(), suggestion: None };
    text.parse().map_err(|_| missing())
}

/// What was typed, as the use cases take it. A time that is not said again stays as it was.
fn read(posted: &Posted, zone: &ZoneSlice, now: Millis, of: Option<&SilenceShown>) -> Result<Wish, Vec<Problem>> {
    let mut problems = Vec::new();
    let matchers = match posted.get("matchers") {
        "" => {
            problems.push(Problem::new("matchers", "", "one matcher at least, for example pool=edge-eu"));
            Vec::new()
        }
        text => matcher::parse(text).unwrap_or_else(|sentence| {
            problems.push(Problem::told("matchers", &sentence));
            Vec::new()
        }),
    };
    let word = posted.get("kind");
    let kind = if word.is_empty() { Some(Kind::Silence) } else { Kind::parse(word) };
    if kind.is_none() {
        problems.push(Problem::new("kind", word, "silence or maintenance"));
    }
    // The form shows minutes: what was not touched keeps its seconds.
    let kept = |field: &str, at: Option<Millis>| at.filter(|at| posted.get(field) == wall(zone, *at));
    let times = of.map(|shown| shown.stored.times);
    let from =
        kept("from", times.map(|times| times.from_ms)).or_else(|| wall_time(posted, "from", zone, &mut problems));
    let begins = from.unwrap_or(now);
    let until = match posted.get("lasts") {
        "" | "1h" => Some(begins + HOUR_MS),
        "4h" => Some(begins + 4 * HOUR_MS),
        "1d" => Some(begins + DAY_MS),
        "custom" => {
            let until = kept("until", times.map(|times| times.until_ms))
                .or_else(|| wall_time(posted, "until", zone, &mut problems));
            if posted.get("until").is_empty() {
                problems.push(Problem::new("until", "", "a time such as 2026-11-29 06:00"));
            }
            until
        }
        other => {
            problems.push(Problem::new("lasts", other, "1h, 4h, 1d or custom"));
            None
        }
    };
    match (kind, until) {
        (Some(kind), Some(until_ms)) if problems.is_empty() => Ok(Wish {
            kind,
            matchers,
            from_ms: from,
            until_ms,
            note: posted.get("note").to_owned(),
            expire_on_resolve: posted.get("expire_on_resolve") == "on",
        }),
        _ => Err(problems),
    }
}

/// The form again, with what was typed.
fn again(posted: &Posted, problems: &[Problem], of: Option<(i64, String)>) -> SilenceForm {
    // A matcher's own field is a part of the one that was typed.
    let problems: Vec<Problem> = problems
        .iter()
        .cloned()
        .map(|mut problem| {
            if problem.field.starts_with("matchers") {
                "matchers".clone_into(&mut problem.field);
            }
            problem
        })
        .collect();
    let field = |name: &str| posted.field(name, &problems);
    SilenceForm {
        of,
        kind: field("kind"),
        matchers: field("matchers"),
        from: field("from"),
        lasts: field("lasts"),
        until: field("until"),
        note: field("note"),
        expire_on_resolve: posted.get("expire_on_resolve") == "on",
        preview: None,
        error: None,
        is_first: true,
    }
}

/// POST `/silences/new`: a preview, or the deed.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    sent(&app, &visit, &posted, None).await
}

async fn sent(app: &App, visit: &Visit, posted: &Posted, of: Option<&SilenceShown>) -> Response {
    let named = of.map(|shown| (shown.stored.id, posted.get("version").to_owned()));
    let title = if of.is_some() { "Change silence" } else { "New silence" };
    let previews = posted.get("do") == "preview";
    let outcome = async {
        let (_, window) = shell(app, visit, spec(title)).await?;
        let wish = read(posted, &window.zone, window.now_ms, of).map_err(AppError::Invalid)?;
        if previews {
            let tried = app.preview_silence(&wish, of.map(|shown| shown.stored.id)).await?;
            let mut form = again(posted, &tried.problems, named.clone());
            form.preview =
                Some(SilencePreview { hides: tried.hides.iter().map(hidden).collect(), unknown: tried.unknown });
            return Ok(Err((
                if tried.problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY },
                form,
            )));
        }
        let made = match of {
            None => app.create_silence(&wish).await?,
            Some(shown) => {
                let mut problems = Vec::new();
                let seen = version(posted, &mut problems);
                if !problems.is_empty() {
                    return Err(AppError::Invalid(problems));
                }
                app.update_silence(shown.stored.id, seen, &wish).await?
            }
        };
        Ok::<_, AppError>(Ok(made))
    };
    match outcome.await {
        Ok(Ok(made)) => {
            let what = if of.is_some() { "changed" } else { "made" };
            let sentence = match (made.phase, made.hides.len()) {
                (Phase::Planned, _) => format!("The silence was {what}; it begins later."),
                (_, 0) => format!("The silence was {what}; it hides nothing that fires now."),
                (_, 1) => format!("The silence was {what}; it hides 1 alert now."),
                (_, several) => {
                    format!("The silence was {what}; it hides {} alerts now.", format::count(several as i64))
                }
            };
            done(PATH, &sentence)
        }
        Ok(Err((status, form))) => show(app, visit, status, title, form).await,
        Err(
            error @ (AppError::Invalid(_) | AppError::Conflict(_) | AppError::OutOfRoom(_) | AppError::Unavailable(_)),
        ) => {
            let (status, problems, sentence) = split(error);
            let mut form = again(posted, &problems, named);
            form.error = sentence;
            show(app, visit, status, title, form).await
        }
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/silences/{silence}`.
pub(crate) async fn edit(app: App, InPath(silence): InPath, visit: Visit) -> Response {
    let outcome = async {
        let shown = app.silence(id(&silence)?).await?;
        let (_, window) = shell(&app, &visit, spec("Change silence")).await?;
        Ok::<_, AppError>((shown, window.zone))
    };
    let (shown, zone) = match outcome.await {
        Ok(found) => found,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let one = &shown.stored;
    let form = SilenceForm {
        of: Some((one.id, one.version.to_string())),
        kind: Field::of(one.kind.as_str()),
        matchers: Field::of(one.matchers.iter().map(plain).collect::<Vec<_>>().join(", ")),
        from: Field::of(wall(&zone, one.times.from_ms)),
        lasts: Field::of("custom"),
        until: Field::of(wall(&zone, one.times.until_ms)),
        note: Field::of(&one.note),
        expire_on_resolve: one.times.expire_on_resolve,
        is_first: true,
        error: (shown.phase == Phase::Ended).then(|| "This silence is over; make a new one.".to_owned()),
        preview: None,
    };
    show(&app, &visit, StatusCode::OK, "Change silence", form).await
}

/// POST `/silences/{silence}`.
pub(crate) async fn update(app: App, InPath(silence): InPath, visit: Visit, posted: Posted) -> Response {
    let found = async { app.silence(id(&silence)?).await };
    match found.await {
        Ok(shown) => sent(&app, &visit, &posted, Some(&shown)).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/silences/{silence}/end`.
pub(crate) async fn ask(app: App, InPath(silence): InPath, visit: Visit) -> Response {
    let outcome = async {
        let shown = app.silence(id(&silence)?).await?;
        let (shell, _) = shell(&app, &visit, spec("End silence")).await?;
        let model = EndSilenceModel { row: row(&shown) };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::end_silence(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/silences/{silence}/end`.
pub(crate) async fn end(app: App, InPath(silence): InPath, visit: Visit, _: Posted) -> Response {
    let outcome = async { app.end_silence(id(&silence)?).await };
    match outcome.await {
        Ok(_) => done(PATH, "The silence was ended."),
        Err(error) => failure(&app, &visit, error).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_shown_as_they_can_be_read_again() {
        for (text, expected) in [
            ("pool=edge-eu", "pool=edge-eu"),
            (r#"pool=~"edge-.*""#, "pool=~edge-.*"),
            (r#"pool=~"(a|b), c""#, r#"pool=~"(a|b), c""#),
            ("tenant=", "tenant="),
        ] {
            let one: Matcher = text.parse().expect(text);
            assert_eq!(plain(&one), expected);
            assert_eq!(plain(&one).parse(), Ok(one));
        }
    }
}
