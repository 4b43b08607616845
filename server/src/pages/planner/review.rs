//! What a draft does, and publishing it.

use super::items::{Zones, items};
use super::timeline::{self, Range};
use super::{PATH, frame, head, id_of, is_told, may_plan, range_between, told, words, zone_of};
use crate::app::plan::PlanView;
use crate::app::plan::check::{Conflict, Fix as Help};
use crate::app::plan::effect::{Basis, Effect, USUAL_WEEKS};
use crate::app::plan::publish::{Choices, Merge, Preview};
use crate::app::{App, AppError, Result};
use crate::pages::answer::{done, failure, page};
use crate::pages::form::Posted;
use crate::pages::visit::{Named as InPath, Visit};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use headroom_domain::access::Role;
use headroom_domain::plan::change::{Field, Side, differing};
use headroom_domain::plan::terms::Terms;
use headroom_domain::whatif::foreseen::Level;
use headroom_domain::whatif::{Figures, cost_micros};
use headroom_domain::{DAY_MS, Millis, format};
use headroom_frontend::model::{
    ApprovalModel, BasisLink, ConflictRow, DraftHead, EffectFigure, EffectModel, EffectTenant, Field as Shown, Fix,
    MergeModel, MergeRow, Named, ReviewModel, StripModel, WarningRow,
};
use headroom_frontend::pages;
use headroom_frontend::url::with_query;
use headroom_store::draft::State;
use std::collections::HashMap;
use uuid::Uuid;

/// The name of a choice in the form: `side.UUID.slots`, and without a field for the whole reservation.
fn choice_key(id: Uuid, field: Option<Field>) -> String {
    format!("side.{id}.{}", field.map_or("", Field::as_str))
}

/// Whose values were chosen.
fn choices(posted: &Posted) -> Choices {
    let one = |(name, value): (&str, &str)| {
        let (id, field) = name.strip_prefix("side.")?.split_once('.')?;
        let field = if field.is_empty() { None } else { Some(field.parse::<Field>().ok()?) };
        let side = match value {
            "theirs" => Side::Theirs,
            "yours" => Side::Yours,
            _ => return None,
        };
        Some(((id_of(id)?, field), side))
    };
    posted.pairs().filter_map(one).collect()
}

fn merge_rows(merge: &Merge, choices: &Choices) -> Vec<MergeRow> {
    let chosen = |field| match choices.get(&(merge.reservation, field)) {
        Some(Side::Theirs) => "theirs".to_owned(),
        Some(Side::Yours) => "yours".to_owned(),
        None => String::new(),
    };
    let name = [&merge.yours, &merge.was, &merge.theirs].into_iter().flatten().next().map_or("", |terms| &terms.name);
    let (Some(was), Some(theirs), Some(yours)) = (&merge.was, &merge.theirs, &merge.yours) else {
        if merge.is_clean && chosen(None).is_empty() {
            return Vec::new();
        }
        let whole = |terms: &Option<Terms>| {
            terms.as_ref().map_or_else(
                || "no reservation".to_owned(),
                |terms| format!("{} slots, {}", format::count(terms.slots), words::when(terms)),
            )
        };
        return vec![MergeRow {
            name: name.to_owned(),
            label: "the whole reservation".to_owned(),
            key: choice_key(merge.reservation, None),
            was: whole(&merge.was),
            theirs: whole(&merge.theirs),
            yours: whole(&merge.yours),
            chosen: chosen(None),
        }];
    };
    let disagree =
        |field: &Field| field.differs(was, yours) && field.differs(was, theirs) && field.differs(theirs, yours);
    Field::ALL
        .iter()
        .copied()
        .filter(disagree)
        .map(|field| MergeRow {
            name: name.to_owned(),
            label: words::label(field).to_owned(),
            key: choice_key(merge.reservation, Some(field)),
            was: words::value(field, was),
            theirs: words::value(field, theirs),
            yours: words::value(field, yours),
            chosen: chosen(Some(field)),
        })
        .collect()
}

/// What came together by itself.
fn merged_words(merge: &Merge) -> Option<String> {
    let (was, theirs, yours) = (merge.was.as_ref()?, merge.theirs.as_ref()?, merge.yours.as_ref()?);
    let names = |fields: Vec<Field>| fields.into_iter().map(words::label).collect::<Vec<_>>().join(", ");
    let only = |one: &Terms, other: &Terms| {
        differing(was, one)
            .into_iter()
            .filter(|field| !field.differs(was, other) || !field.differs(one, other))
            .collect::<Vec<_>>()
    };
    let (them, you) = (names(only(theirs, yours)), names(only(yours, theirs)));
    let who = merge.by.as_ref().map_or("the plan", |by| by.0.as_str());
    let parts = [(them, who), (you, "you")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(fields, _)| !fields.is_empty())
        .map(|(fields, who)| format!("{fields} from {who}"))
        .collect();
    (!parts.is_empty()).then(|| format!("{}: {}", yours.name, parts.join("; ")))
}

fn merge_model(preview: &Preview, choices: &Choices, moment: impl Fn(Millis) -> String) -> Option<MergeModel> {
    if preview.merges.is_empty() {
        return None;
    }
    let rows: Vec<MergeRow> = preview.merges.iter().flat_map(|merge| merge_rows(merge, choices)).collect();
    let last = preview.merges.iter().filter_map(|merge| merge.by.as_ref()).max_by_key(|by| by.2);
    let by = last.map(|by| format!(" ({}, {})", by.0, moment(by.1))).unwrap_or_default();
    let touched = match preview.merges.len() {
        1 => "1 of your changes touches a reservation that was changed meanwhile.".to_owned(),
        n => format!("{n} of your changes touch reservations that were changed meanwhile."),
    };
    let versions = last.map(|by| by.2);
    Some(MergeModel {
        text: format!(
            "The plan moved to v{} while you edited{by}. {touched} Nothing of your draft is lost.",
            preview.plan_version
        ),
        was: versions.map_or_else(|| "was".to_owned(), |version| format!("was (before v{version})")),
        theirs: versions.map_or_else(|| "theirs".to_owned(), |version| format!("theirs (v{version})")),
        rows,
        merged: preview.merges.iter().filter_map(merged_words).collect(),
    })
}

/// A text whose times are written as pages write them: with a blank between day and hour.
fn spaced(text: &str) -> String {
    let between = |place: usize| {
        let bytes = text.as_bytes();
        place > 0 && bytes[place - 1].is_ascii_digit() && bytes.get(place + 1).is_some_and(u8::is_ascii_digit)
    };
    text.char_indices().map(|(place, c)| if c == 'T' && between(place) { ' ' } else { c }).collect()
}

/// A fix as a form: the whole of the terms as they would be.
fn fix(help: &Help) -> Fix {
    let mut pairs = vec![("do".to_owned(), "fix".to_owned()), ("reservation".to_owned(), help.reservation.to_string())];
    let fields = Field::ALL.iter().map(|field| (field.as_str().to_owned(), field.text(&help.terms)));
    pairs.extend(fields.filter(|(_, value)| !value.is_empty()));
    Fix { label: spaced(&help.label), pairs, href: None }
}

fn conflict(conflict: &Conflict, pool: &str) -> ConflictRow {
    let own = conflict.reservation;
    let with = conflict.involved.iter().filter(|one| Some(one.reservation) != own);
    let mut fixes: Vec<Fix> = conflict.fixes.iter().map(fix).collect();
    if conflict.kind == crate::app::plan::check::ConflictKind::OverCapacity {
        let href = Some(format!("{}/edit", headroom_frontend::url::pool_path(pool)));
        fixes.push(Fix { label: "Raise capacity…".to_owned(), pairs: Vec::new(), href });
    }
    let mut text = conflict.says.clone();
    // What begins with the name of a reservation is left as it is written.
    let begins_with_name = text.split_once(": ").is_some_and(|(name, _)| !name.contains(' '));
    if let Some(first) = text.get_mut(..1).filter(|_| !begins_with_name) {
        first.make_ascii_uppercase();
    }
    ConflictRow {
        text,
        with: with
            .take(8)
            .map(|one| format!("{} of {} ({})", one.name, one.tenant, format::count(one.slots)))
            .collect(),
        fixes,
    }
}

fn approval(app: &App, preview: &Preview) -> ApprovalModel {
    let draft = &preview.draft;
    let decided = |word: &str| {
        let who = draft.decided_by.clone().unwrap_or_else(|| "Somebody".to_owned());
        format!("{who} {word}: {}", draft.decision)
    };
    let is_own = draft.owner_id.is_some() && draft.owner_id == app.caller().actor.id;
    match draft.state {
        State::Proposed => ApprovalModel::Proposed {
            text: format!("{} asked for approval: {}", draft.owner, draft.reason),
            may_decide: !is_own,
        },
        State::Rejected => ApprovalModel::Rejected(decided("rejected this")),
        State::Approved => ApprovalModel::Approved(decided("approved this")),
        _ if preview.needs_approval.is_empty() => ApprovalModel::NotNeeded,
        _ => {
            let is_admin = app.caller().account().is_some_and(|account| account.fields.roles.contains(&Role::Admin));
            if is_admin { ApprovalModel::NotNeeded } else { ApprovalModel::Needed(preview.needs_approval.join("; ")) }
        }
    }
}

fn figure(label: &str, before: String, after: String, is_better: Option<bool>) -> EffectFigure {
    EffectFigure { label: label.to_owned(), before, after, is_better }
}

/// Slot time of a replay, which is exact, as pages write it.
fn hours(slot_ms: i128) -> String {
    format::slot_hours(i64::try_from(slot_ms).unwrap_or(i64::MAX))
}

fn minutes(minutes: u64) -> String {
    match i64::try_from(minutes).unwrap_or(i64::MAX) {
        0 => "0".to_owned(),
        minutes => format::duration(minutes.saturating_mul(60_000)),
    }
}

/// Amounts of money in a table.
struct Money<'a> {
    /// Of a slot for an hour, in millionths.
    price: i64,
    currency: &'a str,
}

impl Money<'_> {
    fn text(&self, micros: i128) -> String {
        format::money(i64::try_from(micros / 10_000).unwrap_or(i64::MAX), self.currency)
    }

    /// What is promised, and what is wasted of it.
    fn figures(&self, before: &Figures, after: &Figures) -> [EffectFigure; 2] {
        let of = |slot_ms: i128| cost_micros(slot_ms, self.price);
        let (reserved, wasted) = (
            (of(before.reserved_slot_ms), of(after.reserved_slot_ms)),
            (of(before.wasted_slot_ms()), of(after.wasted_slot_ms())),
        );
        let better = (wasted.0 != wasted.1).then_some(wasted.1 < wasted.0);
        [
            figure("Cost of promises", self.text(reserved.0), self.text(reserved.1), None),
            figure("Cost of waste", self.text(wasted.0), self.text(wasted.1), better),
        ]
    }
}

fn replayed(before: &Figures, after: &Figures, money: Option<&Money<'_>>) -> Vec<EffectFigure> {
    let less = |was: i128, now: i128| (was != now).then_some(now < was);
    let wasted = (before.wasted_slot_ms(), after.wasted_slot_ms());
    let mut figures = vec![
        figure(
            "Short for",
            minutes(before.unmet_minutes),
            minutes(after.unmet_minutes),
            less(before.unmet_minutes.into(), after.unmet_minutes.into()),
        ),
        figure(
            "Unmet slot-h",
            hours(before.unmet_slot_ms),
            hours(after.unmet_slot_ms),
            less(before.unmet_slot_ms, after.unmet_slot_ms),
        ),
        figure("Borrowed slot-h", hours(before.borrowed_slot_ms), hours(after.borrowed_slot_ms), None),
        figure("Wasted slot-h", hours(wasted.0), hours(wasted.1), less(wasted.0, wasted.1)),
    ];
    figures.extend(money.into_iter().flat_map(|money| money.figures(before, after)));
    figures
}

/// What was played, and how.
fn played(replay: &Effect, range: &Range) -> String {
    let day = |at: Millis| format::day_month(range.zone.local(at));
    let days = |from: Millis, to: Millis| format!("{} – {}", day(from), day(to - 1));
    let past = days(replay.past_from_ms, replay.past_to_ms);
    let Some(level) = replay.basis.level() else {
        return format!(
            " Below that: the demand of {past}, played through the allocator's rules with and without the draft."
        );
    };
    let made = replay.forecast_hour_ms.map(|at| range.zone.local(at));
    let made = made.map(|at| format!(" of {} {}", at.format("%a"), format::day_time(at))).unwrap_or_default();
    let level = match level {
        Level::Median => "the median, which is as likely exceeded as not",
        Level::High => "its 0.9 quantile, which one hour of ten exceeds",
    };
    let mut text = format!(
        " Below that: {}, as the forecast{made} foresees them at {level}. Each hour is played with its peak throughout, which \
         is more than the minutes of past weeks come to, and split among tenants as they shared what was wanted in the same hour of \
         the week in {past}, in whole slots, the rest by the largest remainder; the allocator's rules are the same, with and without \
         the draft.",
        days(replay.from_ms, replay.to_ms)
    );
    if let Some(from) = replay.days_from_ms {
        text.push_str(&format!(
            " From {} on only the peaks of days are foreseen; their hours take the shape of the week before.",
            format::day_time(range.zone.local(from))
        ));
    }
    let unknown = replay.comparison.before.pool.unknown_minutes;
    if unknown > 0 {
        text.push_str(&format!(" For {} nothing is foreseen; they are in no figure.", minutes(unknown)));
    }
    text
}

/// What some weeks come to, played with and without the draft.
fn add_replay(model: &mut EffectModel, replay: &Effect, range: &Range, currency: &str) {
    if let Some(missing) = replay.missing {
        model.missing = Some(format!("The forecast cannot be played: {}.", missing.words()));
        return;
    }
    if !replay.is_known() {
        model.missing = Some("What was wanted in the last weeks is not known, so nothing is replayed.".to_owned());
        return;
    }
    let (before, after) = (&replay.comparison.before, &replay.comparison.after);
    let money = replay.price.map(|price| Money { price, currency });
    model.figures.extend(replayed(&before.pool, &after.pool, money.as_ref()));
    let names: HashMap<i32, (&str, &str)> =
        replay.tenants.iter().map(|(key, slug, name)| (*key, (slug.as_str(), name.as_str()))).collect();
    let nobody = ("", "nobody in particular");
    model.tenants = replay
        .comparison
        .tenants()
        .into_iter()
        .map(|(key, before, after)| {
            let (slug, name) = names.get(&key).copied().unwrap_or(nobody);
            EffectTenant {
                tenant: Named { slug: slug.to_owned(), name: name.to_owned() },
                figures: replayed(&before, &after, money.as_ref()),
            }
        })
        .collect();
    model.riskiest = after
        .riskiest
        .iter()
        .map(|hour| {
            let at = range.zone.local(hour.from_ms - replay.demand_from_ms + replay.from_ms);
            let who =
                hour.worst.and_then(|worst| names.get(&worst.tenant)).map(|(_, name)| format!(", most of all {name}"));
            let what = if hour.short > 0 {
                format!(
                    "{} slots short{}",
                    format::count(i64::try_from(hour.short).unwrap_or(i64::MAX)),
                    who.unwrap_or_default()
                )
            } else {
                format!("{} slots left", format::count(hour.headroom))
            };
            format!("{} {}: {what}", at.format("%a"), format::day_time(at))
        })
        .collect();
    model.basis.push_str(&played(replay, range));
}

/// What is played, by an address's parameters.
pub(super) fn basis_of(visit: &Visit) -> Result<Basis> {
    Basis::parse(visit.get("basis"), visit.get("level"))
}

/// The parameters of a basis; none for the usual one.
pub(super) fn basis_pairs(basis: Basis) -> Vec<(&'static str, &'static str)> {
    let Some(level) = basis.level() else { return Vec::new() };
    let mut pairs = vec![("basis", basis.as_str())];
    if level != Level::default() {
        pairs.push(("level", level.as_str()));
    }
    pairs
}

/// Where a draft is reviewed on a basis.
fn address(id: Uuid, more: &str, basis: Basis) -> String {
    with_query(&format!("{PATH}/drafts/{id}{more}"), &basis_pairs(basis))
}

/// The ways to other bases.
fn basis_links(id: Uuid, tz: Option<&str>, chosen: Basis) -> Vec<BasisLink> {
    let all = [
        ("Last weeks", Basis::History),
        ("Forecast", Basis::Forecast(Level::Median)),
        ("Forecast, 0.9", Basis::Forecast(Level::High)),
    ];
    let link = |(label, basis): (&str, Basis)| {
        let mut pairs: Vec<(&str, &str)> = basis_pairs(basis);
        pairs.extend(tz.map(|tz| ("tz", tz)));
        BasisLink {
            label: label.to_owned(),
            href: with_query(&format!("{PATH}/drafts/{id}"), &pairs),
            is_chosen: basis == chosen,
        }
    };
    all.into_iter().map(link).collect()
}

/// What a draft comes to.
pub(super) fn effect(
    range: &Range,
    strip: StripModel,
    view: &PlanView,
    preview: &Preview,
    currency: &str,
) -> Option<EffectModel> {
    if strip.promised.is_empty() {
        return None;
    }
    let before = if strip.before.is_empty() { &strip.promised } else { &strip.before };
    let ((peak_was, ms_was), (peak, ms)) = (timeline::totals(range, before), timeline::totals(range, &strip.promised));
    let worse = |was: i64, now: i64| (was != now).then_some(now < was);
    let over = |steps: &[headroom_frontend::model::StripStep]| {
        let at = |at: Millis| strip.limit.iter().take_while(|step| step.at_ms <= at).last().map(|step| step.value);
        steps.iter().filter_map(|step| Some(step.value - at(step.at_ms)?)).max().unwrap_or(0).max(0)
    };
    let (over_was, over_now) = (over(before), over(&strip.promised));
    let mut figures = vec![
        figure("Most promised at once", format::count(peak_was), format::count(peak), None),
        figure("Promised slot-hours", format::slot_hours(ms_was), format::slot_hours(ms), None),
        figure("Over capacity by", format::count(over_was), format::count(over_now), worse(over_was, over_now)),
    ];
    figures.retain(|one| one.label != "Over capacity by" || one.before != "0" || one.after != "0");
    let end = |at: Millis| format::day_month(range.zone.local(at));
    let mut model = EffectModel {
        ends: (end(range.from), end(range.to - 1)),
        basis: format!(
            "{} in {}; dashed is what may be promised, dotted what is promised without the draft.",
            timeline::days_text(range),
            view.pool.fields.name
        ),
        strip,
        figures,
        tenants: Vec::new(),
        riskiest: Vec::new(),
        bases: Vec::new(),
        missing: None,
    };
    if let Some(replay) = &preview.effect {
        add_replay(&mut model, replay, range, currency);
    }
    Some(model)
}

/// Who is told, in words.
fn notified(preview: &Preview) -> String {
    const MOST: usize = 8;
    if preview.changes.is_empty() {
        return String::new();
    }
    let told = &preview.told;
    match (told.has_mail, told.people.len()) {
        (false, _) => {
            "nobody by mail, this server sends none; it stands in the audit trail and on the pool's timeline".to_owned()
        }
        (true, 0) => "nobody by mail: no one else signs in for these tenants and wants letters".to_owned(),
        (true, count) => {
            let one = |(name, tenants): &(String, Vec<String>)| format!("{name} ({})", tenants.join(", "));
            let mut text = told.people.iter().take(MOST).map(one).collect::<Vec<_>>().join(", ");
            if count > MOST {
                text.push_str(&format!(" and {} more", count - MOST));
            }
            text.push_str(", by mail");
            text
        }
    }
}

/// What is reviewed.
pub(super) fn model(
    app: &App,
    preview: &Preview,
    head: DraftHead,
    choices: &Choices,
    effect: Option<EffectModel>,
    here: &str,
) -> ReviewModel {
    let pool = preview.pool.fields.slug.as_str();
    let draft = preview.draft.id.to_string();
    let edit = |id: Uuid| {
        with_query(
            "/planner/edit",
            &[("pool", pool), ("draft", &draft), ("reservation", &id.to_string()), ("back", here)],
        )
    };
    let is_warning = |conflict: &&Conflict| conflict.kind.is_warning();
    // Changes as the draft has them where nothing comes of them yet, because somebody has to choose.
    let open = preview
        .draft
        .changes
        .iter()
        .filter(|(id, _)| preview.merges.iter().any(|m| m.reservation == **id && !m.is_clean));
    let mut changes: Vec<_> =
        preview.changes.iter().map(|(id, change)| words::change(*id, change, edit(*id))).collect();
    changes.extend(open.map(|(id, change)| words::change(*id, change, edit(*id))));
    let zone = crate::zones::slice(&preview.pool.fields.zone, preview.now_ms - DAY_MS, preview.now_ms);
    let zone = zone.unwrap_or_else(headroom_domain::localtime::ZoneSlice::utc);
    ReviewModel {
        pool: Some(Named { slug: pool.to_owned(), name: preview.pool.fields.name.clone() }),
        changes,
        effect,
        conflicts: preview.conflicts.iter().filter(|one| !is_warning(one)).map(|one| conflict(one, pool)).collect(),
        warnings: preview
            .conflicts
            .iter()
            .filter(is_warning)
            .enumerate()
            .map(|(place, one)| WarningRow {
                key: format!("{}-{place}", one.kind.as_str()),
                text: one.says.clone(),
                accepted: false,
            })
            .collect(),
        notified: notified(preview),
        merge: merge_model(preview, choices, |at| words::moment(&zone, at, preview.now_ms)),
        token: preview.token.clone(),
        reason: Shown::of(&preview.draft.reason),
        approval: approval(app, preview),
        error: None,
        may_publish: may_plan(app),
        back: with_query(PATH, &[("pool", pool), ("draft", &draft)]),
        publish_href: address(preview.draft.id, "/publish", Basis::default()),
        here: here.to_owned(),
        draft: head,
    }
}

/// The days that a draft touches, with a day around them.
fn days_of(preview: &Preview, zone: &str) -> Range {
    let terms = || preview.draft.changes.values().flat_map(|change| [&change.before, &change.after]).flatten();
    let first = terms().map(|terms| terms.start.local.date()).min();
    let last = terms().filter_map(|terms| terms.end.map(|end| end.local.date())).max();
    let now = preview.now_ms;
    let today = crate::zones::slice(zone, now, now).map_or_else(Default::default, |zone| zone.local(now).date());
    let first = first.unwrap_or(today).max(today - TimeDelta::days(7)) - TimeDelta::days(1);
    let last = last.unwrap_or(first).clamp(first + TimeDelta::days(7), first + TimeDelta::days(35));
    range_between(zone, first, last, now)
}

/// The page of a review, with what was typed and chosen if there is something.
pub(super) async fn again(
    app: &App,
    visit: &Visit,
    id: Uuid,
    status: StatusCode,
    posted: &Posted,
    error: Option<String>,
) -> Result<Response> {
    let choices = choices(posted);
    let basis = basis_of(visit)?;
    let preview = app.preview(id, &choices, USUAL_WEEKS, basis).await?;
    let pool = preview.pool.fields.slug.to_string();
    let title = format!("Review {}", preview.draft.name);
    let (mut shell, now, zone_asked) = frame(app, visit, &title).await?;
    let zone = zone_of(app, &shell, zone_asked, &pool).await?;
    let range = days_of(&preview, &zone);
    let view = app.plan(&pool, Some(range.from), Some(range.to)).await?;
    let mut zones = Zones::new(range.from - DAY_MS, range.to + DAY_MS);
    // What would be published, which with choices is not what the draft says.
    let result = preview.changes.iter().cloned().collect();
    let items = items(&view, Some(&preview.draft), &result, &preview.conflicts, &mut zones, (range.from, range.to));
    let strip = timeline::strip(&range, &view, &items, &mut zones);
    shell.zone = range.zone.clone();
    let head = head(app, &preview.draft, Some(&preview), &range.zone, now);
    let here = address(id, "", basis);
    let currency = app.organisation().await?.currency;
    let mut effect = effect(&range, strip, &view, &preview, &currency);
    if let Some(effect) = &mut effect {
        effect.bases = basis_links(id, shell.url.tz.as_deref(), basis);
    }
    let mut model = model(app, &preview, head, &choices, effect, &here);
    model.publish_href = address(id, "/publish", basis);
    model.error = error;
    if preview.draft.state.is_over() {
        model.may_publish = false;
    }
    if posted.has("reason") {
        model.reason = Shown::of(posted.get("reason"));
    }
    let accepted = posted.all("accept");
    for warning in &mut model.warnings {
        warning.accepted = accepted.contains(&warning.key.as_str());
    }
    Ok(page(&shell, status, || pages::draft_review(&shell, &model)))
}

fn missing(id: &str) -> AppError {
    AppError::NotFound { what: "draft", slug: id.to_owned(), suggestion: None }
}

/// GET `/planner/drafts/{draft}`.
pub(crate) async fn review(app: App, InPath(id): InPath, visit: Visit) -> Response {
    let outcome = async {
        let id = id_of(&id).ok_or_else(|| missing(&id))?;
        again(&app, &visit, id, StatusCode::OK, &Posted::default(), None).await
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What became of what was sent.
enum Done {
    /// On to another page with a sentence.
    To(String, String),
    /// The same page again.
    Again,
}

async fn run(app: &App, visit: &Visit, id: Uuid, posted: &Posted) -> Result<Done> {
    let reason = posted.get("reason");
    let here = address(id, "", basis_of(visit)?);
    match posted.get("do") {
        "preview" => Ok(Done::Again),
        "propose" => {
            let draft = app.propose_draft(id, reason).await?;
            Ok(Done::To(here, format!("“{}” waits for approval.", draft.name)))
        }
        "approve" | "reject" => {
            let approves = posted.get("do") == "approve";
            let draft = app.decide_draft(id, approves, reason).await?;
            let word = if approves { "approved; it can be published now" } else { "rejected" };
            Ok(Done::To(here, format!("“{}” is {word}.", draft.name)))
        }
        _ => {
            let choices = choices(posted);
            let preview = app.preview(id, &choices, 0, Basis::default()).await?;
            let warnings = preview.conflicts.iter().filter(|conflict| conflict.kind.is_warning()).count();
            let accepts = posted.all("accept").len() >= warnings;
            if warnings > 0 && !accepts {
                return Err(AppError::Conflict("tick every warning that you accept first".to_owned()));
            }
            let published = app.publish(id, posted.get("token"), reason, &choices, accepts).await?;
            let count = match published.changes.len() {
                1 => "1 change".to_owned(),
                n => format!("{n} changes"),
            };
            let to = with_query(PATH, &[("pool", preview.pool.fields.slug.as_str())]);
            Ok(Done::To(to, format!("{count} published: the plan is at v{} now.", published.version)))
        }
    }
}

/// POST `/planner/drafts/{draft}/publish`.
pub(crate) async fn publish(app: App, InPath(text): InPath, visit: Visit, posted: Posted) -> Response {
    let Some(id) = id_of(&text) else { return failure(&app, &visit, missing(&text)).await };
    let shown = match run(&app, &visit, id, &posted).await {
        Ok(Done::To(to, said)) => return done(&to, &said),
        Ok(Done::Again) => again(&app, &visit, id, StatusCode::OK, &posted, None).await,
        Err(error) if is_told(&error) => {
            let (status, sentence) = told(error);
            let mut sentence = sentence;
            if let Some(first) = sentence.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            again(&app, &visit, id, status, &posted, Some(sentence)).await
        }
        Err(error) => Err(error),
    };
    match shown {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}
