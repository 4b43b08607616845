//! `/oncall/schedules`: who is on call, who stands in, who is asked when.

use super::answer::{done, failure, page};
use super::form::{Posted, wall_time};
use super::pool_form::{split, version};
use super::shell::{Spec, shell};
use super::visit::{Named as InPath, Visit};
use crate::app::alerts::schedules::{
    LayerDraft, OverrideDraft, PolicyDraft, PolicyShown, ScheduleDraft, ScheduleShown, TargetDraft, WindowDraft,
};
use crate::app::{App, AppError, Problem, Result};
use crate::zones;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_domain::alert::rota::{HandOver, Layer};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::slug::Slug;
use headroom_domain::{MINUTE_MS, Millis, format};
use headroom_frontend::model::{
    Field, FilterSet, FormMode, Named, OverrideForm, PolicyCard, PolicyFormModel, PolicyStepRow, RotaDeleteModel,
    ScheduleCard, ScheduleFormModel, SchedulesModel, ShiftRow,
};
use headroom_frontend::{pages, routes::RailEntry};
use std::collections::HashMap;

const PATH: &str = "/oncall/schedules";

fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::OnCall), honoured: FilterSet::NONE, default_from: "now-1h", view: &[] }
}

fn may_change(app: &App) -> bool {
    app.caller().may(Action::SetAlerts) && !app.caller().is_limited()
}

fn name_of(shown: &ScheduleShown, id: &str, name: &str) -> String {
    shown.people.get(id).map_or_else(|| name.to_owned(), |person| person.name.clone())
}

/// A layer in words: `Dana, Mika, in turn; every week on Monday at 09:00 (Europe/Berlin), from 2026-11-23`.
fn layer_words(shown: &ScheduleShown, layer: &Layer) -> String {
    let people: Vec<String> = layer.people.iter().map(|person| name_of(shown, &person.id, &person.name)).collect();
    let turns = if people.len() == 1 { "always" } else { "in turn" };
    let every = match layer.hand_over {
        HandOver::Day { at } => format!("every day at {at}"),
        HandOver::Week { weekday, at } => format!("every week on {} at {at}", weekday.label()),
        HandOver::Hours { hours } => format!("every {hours} h"),
    };
    let only: Vec<String> = layer
        .only
        .iter()
        .map(|window| {
            let days: Vec<&str> = window.weekdays.iter().map(|day| day.label()).collect();
            let days = if days.is_empty() { "every day".to_owned() } else { days.join(", ") };
            format!("{days} {} to {}", window.from, window.until)
        })
        .collect();
    let only = if only.is_empty() { String::new() } else { format!("; only {}", only.join(" and ")) };
    let start = layer.start.to_string().replace('T', " ");
    format!("{}, {turns}; {every} ({}), from {start}{only}", people.join(", "), shown.schedule.rota.zone)
}

fn card(shown: &ScheduleShown) -> ScheduleCard {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut shifts: Vec<ShiftRow> = shown
        .shifts
        .iter()
        .map(|shift| {
            let next = numbers.len();
            let number = *numbers.entry(shift.who.name.clone()).or_insert(next);
            ShiftRow {
                who: Some(shift.who.name.clone()),
                from_ms: shift.from_ms,
                until_ms: shift.until_ms,
                is_override: shift.is_override,
                number,
            }
        })
        .collect();
    shifts.extend(shown.gaps.iter().map(|gap| ShiftRow {
        who: None,
        from_ms: gap.from_ms,
        until_ms: gap.to_ms,
        is_override: false,
        number: 0,
    }));
    shifts.sort_by_key(|shift| shift.from_ms);
    ScheduleCard {
        named: Named { slug: shown.schedule.slug.clone(), name: shown.schedule.name.clone() },
        now: shown.now.as_ref().map(|person| person.name.clone()),
        next_ms: shown.next_ms,
        next: shown.next.as_ref().map(|person| person.name.clone()),
        shifts,
        layers: shown.schedule.rota.layers.iter().map(|layer| layer_words(shown, layer)).collect(),
        warnings: shown.warnings.clone(),
    }
}

/// `steps[1].targets[0].schedule` in words: `step 2`.
fn step_of(field: &str) -> Option<String> {
    let digits = field.strip_prefix("steps[")?.split(']').next()?;
    Some(format!("step {}", digits.parse::<usize>().ok()? + 1))
}

/// A sentence with its instants on the reader's clock.
fn on_clock(sentence: &str, zone: &ZoneSlice) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', '.', ';']);
        match chrono::DateTime::parse_from_rfc3339(bare) {
            Ok(at) => format!("{}{}", format::day_time(zone.local(at.timestamp_millis())), &word[bare.len()..]),
            Err(_) => word.to_owned(),
        }
    };
    sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn policy_card(shown: &PolicyShown, zone: &ZoneSlice) -> PolicyCard {
    let named = |people: &[crate::app::alerts::schedules::Named]| -> Vec<String> {
        people.iter().map(|person| person.name.clone()).collect()
    };
    let warnings = shown.warnings.iter().map(|problem| {
        let step = step_of(&problem.field).unwrap_or_else(|| problem.field.clone());
        let mut sentence = on_clock(&format!("{step}: {}, expected {}.", problem.found, problem.expected), zone);
        if let Some(first) = sentence.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        sentence
    });
    PolicyCard {
        named: Named { slug: shown.stored.slug.clone(), name: shown.stored.name.clone() },
        owners: shown.stored.owners.clone(),
        steps: shown
            .steps
            .iter()
            .map(|step| {
                let mut targets: Vec<String> = step.schedules.iter().map(|(_, name)| name.clone()).collect();
                targets.extend(named(&step.people));
                PolicyStepRow { after_ms: step.after_ms, targets, asked: named(&step.asked) }
            })
            .collect(),
        round_ms: shown.stored.policy.round_ms,
        rounds: shown.stored.policy.rounds,
        warnings: warnings.collect(),
    }
}

async fn show(app: &App, visit: &Visit, status: StatusCode, form: OverrideForm) -> Response {
    let outcome = async {
        let (shell, window) = shell(app, visit, spec("Schedules")).await?;
        let model = SchedulesModel {
            schedules: app.schedules().await?.all.iter().map(card).collect(),
            policies: app.policies().await?.iter().map(|one| policy_card(one, &window.zone)).collect(),
            form: may_change(app).then_some(form),
        };
        Ok::<_, AppError>(page(&shell, status, || pages::schedules(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/oncall/schedules`. `?schedule=` chooses where somebody stands in.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let own = app.caller().account().map(|account| account.fields.email.clone()).unwrap_or_default();
    let form = OverrideForm {
        schedule: Field::of(visit.get("schedule").unwrap_or_default()),
        person: Field::of(own),
        ..OverrideForm::default()
    };
    show(&app, &visit, StatusCode::OK, form).await
}

/// POST `/oncall/overrides`.
pub(crate) async fn stand_in(app: App, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let (_, window) = shell(&app, &visit, spec("Schedules")).await?;
        let mut problems = Vec::new();
        let from = wall_time(&posted, "from", &window.zone, &mut problems);
        let until = wall_time(&posted, "until", &window.zone, &mut problems);
        if posted.get("until").is_empty() {
            problems.push(Problem::new("until", "", "a time such as 2026-11-29 09:00"));
        }
        let Some(until_ms) = until.filter(|_| problems.is_empty()) else {
            return Err(AppError::Invalid(problems));
        };
        let draft = OverrideDraft {
            person: posted.get("person").to_owned(),
            from_ms: from.unwrap_or(window.now_ms),
            until_ms,
            note: posted.get("note").to_owned(),
        };
        match app.add_override(posted.get("schedule"), &draft).await {
            Err(AppError::NotFound { what: "schedule", slug, .. }) => {
                Err(AppError::invalid("schedule", slug, "a schedule that exists"))
            }
            other => other,
        }
    };
    match outcome.await {
        Ok(shown) => done(PATH, &format!("{} was changed.", shown.schedule.name)),
        Err(error) if is_of_form(&error) => {
            let (status, problems, sentence) = split(error);
            let field = |name: &str| posted.field(name, &problems);
            let form = OverrideForm {
                schedule: field("schedule"),
                person: field("person"),
                from: field("from"),
                until: field("until"),
                note: field("note"),
                error: sentence,
            };
            show(&app, &visit, status, form).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What a form shows again; everything else is a page of its own.
fn is_of_form(error: &AppError) -> bool {
    matches!(error, AppError::Invalid(_) | AppError::Conflict(_) | AppError::OutOfRoom(_) | AppError::Unavailable(_))
}

fn offered() -> Vec<String> {
    zones::OFFERED.iter().map(|zone| (*zone).to_owned()).collect()
}

fn blank_schedule(zone: &str, today: String) -> ScheduleFormModel {
    ScheduleFormModel {
        mode: FormMode::New,
        name: Field::default(),
        slug: Field::default(),
        zone: Field::of(zone),
        people: Field::default(),
        every: Field::of("week"),
        weekday: Field::of("mon"),
        at: Field::of("09:00"),
        start: Field::of(today),
        keeps: Vec::new(),
        blocked: None,
        zones: offered(),
        error: None,
    }
}

async fn show_schedule(app: &App, visit: &Visit, status: StatusCode, model: ScheduleFormModel) -> Response {
    let title = match &model.mode {
        FormMode::New => "New schedule".to_owned(),
        FormMode::Edit { subject, .. } => format!("Edit {}", subject.name),
    };
    match shell(app, visit, spec(&title)).await {
        Ok((shell, _)) => page(&shell, status, || pages::schedule_form(&shell, &model)),
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/oncall/schedules/new`.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    match shell(&app, &visit, spec("New schedule")).await {
        Ok((shell, window)) => {
            let today = window.zone.local(window.now_ms).format("%Y-%m-%d").to_string();
            let model = blank_schedule(window.zone.name(), today);
            page(&shell, StatusCode::OK, || pages::schedule_form(&shell, &model))
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What the form of a schedule cannot show and leaves as it is.
fn keeps(shown: &ScheduleShown) -> Vec<String> {
    let rota = &shown.schedule.rota;
    let mut keeps = Vec::new();
    if let Some(first) = rota.layers.first()
        && !first.only.is_empty()
    {
        keeps.push("the hours to which these turns are restricted".to_owned());
    }
    keeps.extend(rota.layers.iter().skip(1).map(|layer| format!("a further layer: {}", layer_words(shown, layer))));
    match rota.overrides.len() {
        0 => {}
        1 => keeps.push("1 shift that somebody took".to_owned()),
        several => keeps.push(format!("{several} shifts that somebody took")),
    }
    keeps
}

fn mode(shown: &ScheduleShown) -> FormMode {
    FormMode::Edit {
        subject: Named { slug: shown.schedule.slug.clone(), name: shown.schedule.name.clone() },
        version: shown.schedule.version.to_string(),
    }
}

fn emails(shown: &ScheduleShown, layer: &Layer) -> Vec<String> {
    let email = |id: &str, name: &str| {
        let known = shown.people.get(id).and_then(|person| person.email.clone());
        known.unwrap_or_else(|| name.to_owned())
    };
    layer.people.iter().map(|person| email(&person.id, &person.name)).collect()
}

fn blocked(shown: &ScheduleShown) -> Option<String> {
    let by_hours = match shown.schedule.rota.layers.first() {
        None => true,
        Some(layer) => matches!(layer.hand_over, HandOver::Hours { .. }),
    };
    by_hours.then(|| {
        "Turns of this schedule are counted in hours; it is changed over the API: PUT /api/v1/oncall/schedules/"
            .to_owned()
            + &shown.schedule.slug
    })
}

/// GET `/oncall/schedules/{schedule}`.
pub(crate) async fn edit(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    let shown = match app.schedule(&slug, None).await {
        Ok((_, shown)) => shown,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let mut model = ScheduleFormModel {
        mode: mode(&shown),
        name: Field::of(&shown.schedule.name),
        slug: Field::of(&slug),
        keeps: keeps(&shown),
        blocked: blocked(&shown),
        ..blank_schedule(&shown.schedule.rota.zone, String::new())
    };
    if let Some(first) = shown.schedule.rota.layers.first() {
        model.people = Field::of(emails(&shown, first).join("\n"));
        model.start = Field::of(first.start.naive().format("%Y-%m-%d").to_string());
        match first.hand_over {
            HandOver::Day { at } => (model.every, model.at) = (Field::of("day"), Field::of(at.to_string())),
            HandOver::Week { weekday, at } => {
                model.weekday = Field::of(weekday.as_str());
                (model.every, model.at) = (Field::of("week"), Field::of(at.to_string()));
            }
            HandOver::Hours { .. } => {}
        }
    }
    show_schedule(&app, &visit, StatusCode::OK, model).await
}

/// A layer that is there already, as it is written.
fn written(shown: &ScheduleShown, layer: &Layer) -> LayerDraft {
    let mut draft = LayerDraft {
        people: emails(shown, layer),
        start: layer.start.to_string(),
        only: layer
            .only
            .iter()
            .map(|window| WindowDraft {
                weekdays: window.weekdays.iter().map(|day| day.as_str().to_owned()).collect(),
                from: window.from.to_string(),
                until: window.until.to_string(),
            })
            .collect(),
        ..LayerDraft::default()
    };
    match layer.hand_over {
        HandOver::Day { at } => (draft.every, draft.at) = ("day".into(), at.to_string()),
        HandOver::Week { weekday, at } => {
            weekday.as_str().clone_into(&mut draft.weekday);
            (draft.every, draft.at) = ("week".into(), at.to_string());
        }
        HandOver::Hours { hours } => (draft.every, draft.hours) = ("hours".into(), Some(hours)),
    }
    draft
}

/// What was typed, as the use cases take it.
fn read(posted: &Posted, before: Option<&ScheduleShown>) -> ScheduleDraft {
    let name = posted.get("name").to_owned();
    let slug = match posted.get("slug") {
        "" => Slug::from_name(&name, "schedule").as_str().to_owned(),
        text => text.to_owned(),
    };
    let layers = before.map(|shown| shown.schedule.rota.layers.as_slice()).unwrap_or_default();
    // Somebody may have several turns in a row.
    let people = posted.get("people").split(['\n', '\r', ',', ' ']).map(str::trim).filter(|email| !email.is_empty());
    let mut first = LayerDraft {
        people: people.map(str::to_owned).collect(),
        start: format!("{}T{}", posted.get("start"), posted.get("at")),
        every: posted.get("every").to_owned(),
        at: posted.get("at").to_owned(),
        weekday: posted.get("weekday").to_owned(),
        ..LayerDraft::default()
    };
    let mut rest = Vec::new();
    if let (Some(shown), [old, others @ ..]) = (before, layers) {
        let old = written(shown, old);
        // The first turn began at another time of day than hand-overs are: nobody said that it should not.
        if old.start.starts_with(posted.get("start")) && old.at == first.at {
            first.start = old.start;
        }
        first.only = old.only;
        rest = others.iter().map(|layer| written(shown, layer)).collect();
    }
    let layers = std::iter::once(first).chain(rest).collect();
    ScheduleDraft { slug, name, zone: posted.get("zone").to_owned(), layers, overrides: None }
}

/// The form's words for the fields of the first layer.
fn schedule_fields(problems: Vec<Problem>) -> Vec<Problem> {
    let rename = |mut problem: Problem| {
        let own = problem.field.strip_prefix("layers[0].").map(str::to_owned);
        if let Some(own) = own {
            let name = match own.as_str() {
                "hand_over.every" => "every",
                "hand_over.weekday" => "weekday",
                "hand_over.at" => "at",
                "start" => "start",
                _ if own.starts_with("people") => "people",
                _ => own.as_str(),
            };
            name.clone_into(&mut problem.field);
        }
        problem
    };
    let mut problems: Vec<Problem> = problems.into_iter().map(rename).collect();
    // The start is put together from two fields: a wrong time of day is told where it was typed.
    if problems.iter().any(|problem| problem.field == "at") {
        problems.retain(|problem| problem.field != "start" || !problem.found.contains('T'));
    }
    for problem in &mut problems {
        if problem.field == "start" {
            problem.found = problem.found.split('T').next().unwrap_or_default().to_owned();
            "a date such as 2026-11-23, of the years 1970 to 2199".clone_into(&mut problem.expected);
        }
    }
    problems
}

async fn refused_schedule(
    app: &App,
    visit: &Visit,
    posted: &Posted,
    before: Option<&ScheduleShown>,
    error: AppError,
) -> Response {
    if !is_of_form(&error) {
        return failure(app, visit, error).await;
    }
    let (status, problems, mut sentence) = split(error);
    let mut problems = schedule_fields(problems);
    if sentence.as_deref().is_some_and(|text| text.contains("exists already")) {
        problems.push(Problem::new("slug", posted.get("slug"), "an identifier that no other schedule has"));
    }
    const FIELDS: [&str; 8] = ["name", "slug", "zone", "people", "every", "weekday", "at", "start"];
    let others: Vec<String> =
        problems.iter().filter(|one| !FIELDS.contains(&one.field.as_str())).map(ToString::to_string).collect();
    if !others.is_empty() {
        sentence = Some(others.join(". "));
    }
    let field = |name: &str| posted.field(name, &problems);
    let model = ScheduleFormModel {
        mode: before.map_or(FormMode::New, mode),
        name: field("name"),
        slug: field("slug"),
        zone: field("zone"),
        people: field("people"),
        every: field("every"),
        weekday: field("weekday"),
        at: field("at"),
        start: field("start"),
        keeps: before.map(keeps).unwrap_or_default(),
        blocked: None,
        zones: offered(),
        error: sentence,
    };
    show_schedule(app, visit, status, model).await
}

/// POST `/oncall/schedules/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    match app.create_schedule(&read(&posted, None)).await {
        Ok(shown) => done(PATH, &format!("Schedule {} was created.", shown.schedule.name)),
        Err(error) => refused_schedule(&app, &visit, &posted, None, error).await,
    }
}

/// POST `/oncall/schedules/{schedule}`.
pub(crate) async fn update(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.schedule(&slug, None).await {
        Ok((_, shown)) => shown,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let mut problems = Vec::new();
    let seen = version(&posted, &mut problems);
    let outcome = if problems.is_empty() {
        app.update_schedule(&slug, seen, &read(&posted, Some(&before))).await
    } else {
        Err(AppError::Invalid(problems))
    };
    match outcome {
        Ok(shown) => done(PATH, &format!("Schedule {} was changed.", shown.schedule.name)),
        Err(error) => refused_schedule(&app, &visit, &posted, Some(&before), error).await,
    }
}

/// A minutes' number as the form has it.
fn minutes(ms: Millis) -> String {
    (ms / MINUTE_MS).to_string()
}

async fn show_policy(app: &App, visit: &Visit, status: StatusCode, mut model: PolicyFormModel) -> Response {
    let title = match &model.mode {
        FormMode::New => "New policy".to_owned(),
        FormMode::Edit { subject, .. } => format!("Edit {}", subject.name),
    };
    let outcome = async {
        let (shell, _) = shell(app, visit, spec(&title)).await?;
        let all = app.schedules().await?.all.into_iter();
        model.schedules = all.map(|one| Named { slug: one.schedule.slug, name: one.schedule.name }).collect();
        Ok::<_, AppError>(page(&shell, status, || pages::policy_form(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/oncall/policies/new`.
pub(crate) async fn new_policy(app: App, visit: Visit) -> Response {
    let usual = headroom_domain::alert::episode::Escalation::default();
    let model = PolicyFormModel {
        mode: FormMode::New,
        name: Field::default(),
        slug: Field::default(),
        owners: Field::default(),
        steps: Field::default(),
        round: Field::of(minutes(usual.round_ms)),
        rounds: Field::of(usual.rounds.to_string()),
        acknowledge: false,
        schedules: Vec::new(),
        error: None,
    };
    show_policy(&app, &visit, StatusCode::OK, model).await
}

fn policy_mode(shown: &PolicyShown) -> FormMode {
    FormMode::Edit {
        subject: Named { slug: shown.stored.slug.clone(), name: shown.stored.name.clone() },
        version: shown.stored.version.to_string(),
    }
}

/// GET `/oncall/policies/{policy}`.
pub(crate) async fn edit_policy(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    let shown = match app.policy(&slug).await {
        Ok(shown) => shown,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let line = |step: &crate::app::alerts::schedules::StepShown| {
        let people = step.people.iter().map(|person| person.email.clone().unwrap_or_else(|| person.name.clone()));
        let targets: Vec<String> = step.schedules.iter().map(|(slug, _)| slug.clone()).chain(people).collect();
        format!("{}: {}", minutes(step.after_ms), targets.join(", "))
    };
    let stored = &shown.stored;
    let model = PolicyFormModel {
        mode: policy_mode(&shown),
        name: Field::of(&stored.name),
        slug: Field::of(&stored.slug),
        owners: Field::of(stored.owners.join("\n")),
        steps: Field::of(shown.steps.iter().map(line).collect::<Vec<_>>().join("\n")),
        round: Field::of(minutes(stored.policy.round_ms)),
        rounds: Field::of(stored.policy.rounds.to_string()),
        acknowledge: !shown.warnings.is_empty(),
        schedules: Vec::new(),
        error: None,
    };
    show_policy(&app, &visit, StatusCode::OK, model).await
}

/// `5: secondary, dana@example.org`
fn read_step(line: &str) -> Option<(Millis, Vec<TargetDraft>)> {
    let (after, targets) = line.split_once(':')?;
    let after = after.trim().trim_end_matches("min").trim().parse::<u16>().ok()?;
    let targets = targets.split(',').map(str::trim).filter(|target| !target.is_empty());
    let targets: Vec<TargetDraft> = targets
        .map(|target| {
            if target.contains('@') {
                TargetDraft::Person(target.to_owned())
            } else {
                TargetDraft::Schedule(target.to_owned())
            }
        })
        .collect();
    Some((Millis::from(after) * MINUTE_MS, targets))
}

fn read_policy(posted: &Posted) -> Result<PolicyDraft> {
    let mut problems = Vec::new();
    let name = posted.get("name").to_owned();
    let slug = match posted.get("slug") {
        "" => Slug::from_name(&name, "policy").as_str().to_owned(),
        text => text.to_owned(),
    };
    let mut steps = Vec::new();
    for line in posted.get("steps").lines().map(str::trim).filter(|line| !line.is_empty()) {
        match read_step(line) {
            Some(step) => steps.push(step),
            None => problems.push(Problem::new("steps", line, "lines such as 5: secondary, dana@example.org")),
        }
    }
    let mut whole = |field: &str, text: &str| -> u32 {
        text.parse().unwrap_or_else(|_| {
            problems.push(Problem::new(field, text, "a whole number"));
            0
        })
    };
    let (round, rounds) = (whole("round", posted.get("round")), whole("rounds", posted.get("rounds")));
    let owners = posted.get("owners").lines().map(str::trim).filter(|owner| !owner.is_empty());
    let draft = PolicyDraft {
        slug,
        name,
        owners: owners.map(str::to_owned).collect(),
        steps,
        round_ms: Millis::from(round) * MINUTE_MS,
        rounds,
        acknowledge_gaps: posted.get("acknowledge_gaps") == "on",
    };
    if problems.is_empty() { Ok(draft) } else { Err(AppError::Invalid(problems)) }
}

async fn refused_policy(
    app: &App,
    visit: &Visit,
    posted: &Posted,
    before: Option<&PolicyShown>,
    error: AppError,
) -> Response {
    if !is_of_form(&error) {
        return failure(app, visit, error).await;
    }
    let (status, mut problems, sentence) = split(error);
    for problem in &mut problems {
        if let Some(step) = step_of(&problem.field) {
            problem.found = format!("{step}: {}", problem.found);
        }
        problem.expected = problem
            .expected
            .replace("acknowledge_gaps to save it nevertheless", "the box below to save it nevertheless");
        for (own, name) in [("steps", "steps"), ("owners", "owners"), ("round_ms", "round")] {
            if problem.field.starts_with(own) {
                name.clone_into(&mut problem.field);
            }
        }
    }
    if sentence.as_deref().is_some_and(|text| text.contains("exists already")) {
        problems.push(Problem::new("slug", posted.get("slug"), "an identifier that no other policy has"));
    }
    let field = |name: &str| posted.field(name, &problems);
    let model = PolicyFormModel {
        mode: before.map_or(FormMode::New, policy_mode),
        name: field("name"),
        slug: field("slug"),
        owners: field("owners"),
        steps: field("steps"),
        round: field("round"),
        rounds: field("rounds"),
        acknowledge: posted.get("acknowledge_gaps") == "on",
        schedules: Vec::new(),
        error: sentence,
    };
    show_policy(app, visit, status, model).await
}

/// POST `/oncall/policies/new`.
pub(crate) async fn create_policy(app: App, visit: Visit, posted: Posted) -> Response {
    let outcome = async { app.create_policy(&read_policy(&posted)?).await };
    match outcome.await {
        Ok(shown) => done(PATH, &format!("Policy {} was created.", shown.stored.name)),
        Err(error) => refused_policy(&app, &visit, &posted, None, error).await,
    }
}

/// POST `/oncall/policies/{policy}`.
pub(crate) async fn update_policy(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.policy(&slug).await {
        Ok(shown) => shown,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let outcome = async {
        let mut problems = Vec::new();
        let seen = version(&posted, &mut problems);
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        app.update_policy(&slug, seen, &read_policy(&posted)?).await
    };
    match outcome.await {
        Ok(shown) => done(PATH, &format!("Policy {} was changed.", shown.stored.name)),
        Err(error) => refused_policy(&app, &visit, &posted, Some(&before), error).await,
    }
}

async fn show_delete(
    app: &App,
    visit: &Visit,
    noun: &'static str,
    slug: &str,
    status: StatusCode,
    error: Option<String>,
) -> Result<Response> {
    let (name, effects) = if noun == "policy" {
        let shown = app.policy(slug).await?;
        let whose = match shown.stored.owners.as_slice() {
            [] => "Everybody who has no policy of their own".to_owned(),
            owners => owners.join(", "),
        };
        let text = format!(
            "{whose} loses it: what fires there is asked by the general policy, or tells shared channels only."
        );
        (shown.stored.name, vec![text])
    } else {
        let (_, shown) = app.schedule(slug, None).await?;
        let mut effects =
            vec!["Nobody is on call by it any more, and the shifts that somebody took are gone.".to_owned()];
        if let Some(person) = &shown.now {
            effects.push(format!("{} is on call now and is not asked any more.", person.name));
        }
        (shown.schedule.name, effects)
    };
    let model = RotaDeleteModel { noun, subject: Named { slug: slug.to_owned(), name }, effects, error };
    let (shell, _) = shell(app, visit, spec("Delete")).await?;
    Ok(page(&shell, status, || pages::rota_delete(&shell, &model)))
}

async fn asked(app: &App, visit: &Visit, noun: &'static str, slug: &str) -> Response {
    match show_delete(app, visit, noun, slug, StatusCode::OK, None).await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// Where something cannot be removed, the page that asked says why.
async fn removed(app: &App, visit: &Visit, noun: &'static str, slug: &str) -> Result<Response> {
    let (name, outcome) = if noun == "policy" {
        (app.policy(slug).await?.stored.name, app.delete_policy(slug).await)
    } else {
        (app.schedule(slug, None).await?.1.schedule.name, app.delete_schedule(slug).await)
    };
    match outcome {
        Ok(()) => Ok(done(PATH, &format!("The {noun} {name} was deleted."))),
        Err(AppError::Conflict(text)) => {
            let sentence = format!("It was not deleted: {text}.");
            show_delete(app, visit, noun, slug, StatusCode::CONFLICT, Some(sentence)).await
        }
        Err(error) => Err(error),
    }
}

/// GET `/oncall/schedules/{schedule}/delete`.
pub(crate) async fn ask(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    asked(&app, &visit, "schedule", &slug).await
}

/// POST `/oncall/schedules/{schedule}/delete`.
pub(crate) async fn delete(app: App, InPath(slug): InPath, visit: Visit, _: Posted) -> Response {
    match removed(&app, &visit, "schedule", &slug).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/oncall/policies/{policy}/delete`.
pub(crate) async fn ask_policy(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    asked(&app, &visit, "policy", &slug).await
}

/// POST `/oncall/policies/{policy}/delete`.
pub(crate) async fn delete_policy(app: App, InPath(slug): InPath, visit: Visit, _: Posted) -> Response {
    match removed(&app, &visit, "policy", &slug).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}
