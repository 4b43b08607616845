//! Bars over time: a row for each tenant, the axis above, what is promised against capacity below.

use headroom_domain::localtime::ZoneSlice;
use leptos::prelude::*;

use super::{address, strip};
use crate::components::icon::state_icon;
use crate::components::state::empty;
use crate::model::{
    AxisPart, Link, PlanBar, PlanBarKind, PlanMark, PlannerModel, ShellModel, StripStep, TimelineModel, Track,
};
use crate::url::tenant_path;

/// Offset changes as the browser reads them: `utc_ms offset_s` a line.
fn transitions(zone: &ZoneSlice) -> String {
    zone.transitions().iter().map(|t| format!("{} {}", t.utc_ms, t.offset_s)).collect::<Vec<_>>().join("\n")
}

/// Steps as the browser reads them: `utc_ms value` a line.
fn steps(steps: &[StripStep]) -> String {
    steps.iter().map(|step| format!("{} {}", step.at_ms, step.value)).collect::<Vec<_>>().join("\n")
}

/// The card with the timeline.
pub(super) fn timeline(shell: &ShellModel, model: &PlannerModel) -> AnyView {
    let line = &model.timeline;
    let may_edit = model.may_plan && model.draft.as_ref().is_none_or(|draft| draft.may_edit);
    let hint = may_edit.then(|| {
        view! {
            <p class="hr-plan-hint" id="plan-keys">
                <kbd>"Space"</kbd>" grab · "<kbd>"m"</kbd>" move · "<kbd>"s"</kbd>" start · "<kbd>"e"</kbd>" end · "
                <kbd>"←"</kbd><kbd>"→"</kbd>" step · "<kbd>"↑"</kbd><kbd>"↓"</kbd>" slots · "<kbd>"Enter"</kbd>" edit · "
                <a href="/help/shortcuts">"all keys"</a>
            </p>
        }
    });
    let body = if line.tracks.is_empty() {
        let action = may_edit.then(|| Link { label: "New reservation".into(), href: new_href(shell, model) });
        empty(shell, "Nothing is promised in this range.", action.as_ref())
    } else {
        grid(shell, model, may_edit)
    };
    let left = (line.bars_left > 0).then(|| {
        let text = format!("{} more bars are left out; choose a shorter range or the table.", line.bars_left);
        view! { <p class="hr-card__foot hr-plan-foot">{text}</p> }
    });
    view! {
        <section class="hr-card hr-card--flush hr-plan-line" aria-labelledby="plan-line-title">
            <div class="hr-card__head">
                <h2 id="plan-line-title">"Timeline"</h2>
                {hint}
            </div>
            {body}
            {left}
        </section>
    }
    .into_any()
}

/// Where a new reservation is written.
pub(super) fn new_href(shell: &ShellModel, model: &PlannerModel) -> String {
    address(shell, "/planner/edit", &common(model))
}

/// What the planner's own links carry.
pub(super) fn common(model: &PlannerModel) -> Vec<(&str, &str)> {
    vec![
        ("pool", model.pool.as_ref().map_or("", |pool| pool.slug.as_str())),
        ("draft", model.draft.as_ref().map_or("", |draft| draft.id.as_str())),
        ("from", model.from.as_str()),
        ("zoom", model.zoom.slug()),
    ]
}

fn grid(shell: &ShellModel, model: &PlannerModel, may_edit: bool) -> AnyView {
    let line = &model.timeline;
    let edit = address(shell, "/planner/edit", &common(model));
    let tracks = line.tracks.iter().map(|track| row(shell, track, may_edit.then_some(edit.as_str()))).collect_view();
    let strip_data = &line.strip;
    let lanes: u32 = line.tracks.iter().map(|track| track.lanes.max(1)).sum();
    view! {
        <div class="hr-plan-scroll" data-plan-scroll="">
            <div
                class="hr-plan-grid"
                data-plan=if may_edit { "edit" } else { "read" }
                data-from=line.from_ms
                data-to=line.to_ms
                data-zone=shell.zone.name().to_owned()
                data-transitions=transitions(&shell.zone)
                data-snap=model.zoom.snap_minutes()
                data-new=edit
                data-promised=steps(&strip_data.promised)
                data-limit=steps(&strip_data.limit)
                aria-describedby=may_edit.then_some("plan-keys")
                aria-label="Timeline of reservations"
                role="group"
            >
                <div class="hr-plan-axis" aria-hidden="true">
                    <span class="hr-plan-name"></span>
                    <span class="hr-plan-axis__rows">
                        {axis(&line.major, "hr-plan-axis__row hr-plan-axis__row--major")}
                        {axis(&line.minor, if line.minor.len() > 28 { "hr-plan-axis__row hr-plan-axis__row--dense" } else { "hr-plan-axis__row" })}
                    </span>
                </div>
                <div class="hr-plan-rows" style=format!("--lanes:{lanes}")>
                    {back(line)}
                    {tracks}
                    <div class="hr-plan-row hr-plan-row--strip">
                        <span class="hr-plan-name hr-plan-name--strip">
                            <strong>"Promised"</strong>
                            <small>{strip_data.peak.clone()}</small>
                        </span>
                        <span class="hr-plan-track hr-plan-strip">{strip::labelled(shell, strip_data)}</span>
                    </div>
                </div>
                <div class="hr-plan-over-all" aria-hidden="true">
                    <span class="hr-plan-ghost" data-plan-ghost="" hidden=""></span>
                    <span class="hr-plan-tip" data-plan-tip="" hidden=""></span>
                </div>
            </div>
        </div>
    }
    .into_any()
}

fn axis(parts: &[AxisPart], class: &'static str) -> AnyView {
    let parts = parts
        .iter()
        .map(|part| {
            let place = format!("--a:{:.5};--w:{:.5}", part.at.start, part.at.size);
            view! { <span style=place>{part.label.clone()}</span> }
        })
        .collect_view();
    view! { <span class=class>{parts}</span> }.into_any()
}

/// What lies behind the bars.
fn back(line: &TimelineModel) -> AnyView {
    let weekends = line
        .weekends
        .iter()
        .map(|span| view! { <i class="hr-plan-weekend" style=format!("--a:{:.5};--w:{:.5}", span.start, span.size)></i> })
        .collect_view();
    let lines = line
        .major
        .iter()
        .map(|part| view! { <i class="hr-plan-tick" style=format!("--a:{:.5}", part.at.start)></i> })
        .collect_view();
    let now = line.now.map(|at| view! { <i class="hr-plan-now" style=format!("--a:{at:.5}")><b>"now"</b></i> });
    let jumps = line
        .jumps
        .iter()
        .map(|jump| {
            view! {
                <i class="hr-plan-jump" style=format!("--a:{:.5}", jump.at) title=jump.title.clone()><b>{jump.label.clone()}</b></i>
            }
        })
        .collect_view();
    view! { <div class="hr-plan-back" aria-hidden="true">{weekends}{lines}{jumps}{now}</div> }.into_any()
}

fn row(shell: &ShellModel, track: &Track, edit: Option<&str>) -> AnyView {
    let bars = track.bars.iter().map(|bar| bar_of(shell, track, bar, edit)).collect_view();
    let href = tenant_path(&track.tenant.slug);
    view! {
        <div class="hr-plan-row" role="group" aria-label=track.tenant.name.clone() data-tenant=track.tenant.slug.clone() style=format!("--n:{}", track.lanes.max(1))>
            <span class="hr-plan-name"><a href=href title=track.tenant.name.clone()>{track.tenant.name.clone()}</a></span>
            <span class="hr-plan-track" data-plan-track="">{bars}</span>
        </div>
    }
    .into_any()
}

fn bar_of(shell: &ShellModel, track: &Track, bar: &PlanBar, edit: Option<&str>) -> AnyView {
    let mut class = String::from("hr-plan-bar");
    class.push_str(match bar.kind {
        PlanBarKind::Guaranteed => "",
        PlanBarKind::Burst => " hr-plan-bar--burst",
        PlanBarKind::Cancelled => " hr-plan-bar--gone",
    });
    let icon = match bar.mark {
        PlanMark::None => None,
        PlanMark::Draft => Some((" hr-plan-bar--draft", "pencil")),
        PlanMark::Pending => Some((" hr-plan-bar--pending", "clock")),
        PlanMark::Conflict => Some((" hr-plan-bar--crit", "state-crit")),
    };
    class.push_str(icon.map_or("", |(class, _)| class));
    if bar.opens_before {
        class.push_str(" hr-plan-bar--before");
    }
    if bar.opens_after {
        class.push_str(" hr-plan-bar--after");
    }
    // Where there is no room for words there is for the mark, and then for the colour only; the title has it all.
    class.push_str(match bar.at.size {
        size if size < 0.022 => " hr-plan-bar--slim hr-plan-bar--bare",
        size if size < 0.04 => " hr-plan-bar--slim",
        _ => "",
    });
    let place = format!("--a:{:.5};--w:{:.5};--l:{}", bar.at.start, bar.at.size, bar.lane);
    let was = bar.was.map(|was| {
        let place = format!("--a:{:.5};--w:{:.5};--l:{}", was.start, was.size, bar.lane);
        view! { <i class="hr-plan-was" style=place></i> }
    });
    let lead = (bar.lead > 0.0).then(|| {
        let place = format!("--a:{:.5};--w:{:.5};--l:{}", bar.at.start - bar.lead, bar.lead, bar.lane);
        view! { <i class="hr-plan-lead" style=place></i> }
    });
    let parts = bar
        .parts
        .iter()
        .map(|part| {
            let place = format!("--a:{:.5};--w:{:.5}", part.at.start, part.at.size);
            view! { <i class="hr-plan-part" style=place>{part.label.clone()}</i> }
        })
        .collect_view();
    let href = match edit {
        Some(edit) => format!("{edit}&reservation={}", bar.reservation),
        None => tenant_path(&track.tenant.slug),
    };
    let said = format!("{}, {}, {}", bar.name, bar.label, bar.said);
    view! {
        {was}
        {lead}
        <a
            class=class
            href=href
            style=place
            draggable="false"
            title=said.clone()
            aria-label=said.clone()
            data-bar=bar.reservation.clone()
            data-name=bar.name.clone()
            data-start=bar.from_ms
            data-end=bar.to_ms
            data-slots=bar.slots
            data-fixed=(!bar.may_move).then_some("")
            data-series=bar.repeats.then_some("")
        >
            {icon.map(|(_, name)| state_icon(shell, name))}
            <span>{bar.label.clone()}</span>
            {parts}
        </a>
    }
    .into_any()
}
