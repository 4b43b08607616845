//! `/forecast/{pool}/policy`: how a pool is scaled.

use leptos::prelude::*;

use super::forecast::{LEVELS, path};
use crate::components::field::{Ask, Mode, choice, csrf, error_summary, input};
use crate::components::shell::{Frame, document};
use crate::model::{Link, ScalingPolicyModel, ShellModel};

const MODE: Ask = Ask::new("mode", "What happens with the plan", "");
const BASIS: Ask = Ask::new("basis", "What the plan rests on", "");
const MIN: Ask = Ask::new("min", "Never less", "Slots.").takes(Mode::Whole);
const MAX: Ask = Ask::new("max", "Never more", "Slots.").takes(Mode::Whole);
const LEVEL: Ask = Ask::new("level", "Safety", "Used where the plan rests on the forecast.");
const LEAD: Ask =
    Ask::new("lead", "Lead time", "Minutes from asking for slots until they are there.").takes(Mode::Whole);
const HOLD: Ask = Ask::new("hold", "Hold", "Minutes after growing in which nothing shrinks.").takes(Mode::Whole);
const BAND: Ask = Ask::new(
    "band",
    "Band",
    "Per cent: shrinking by less is not worth a change; what follows the demand of the minute grows by nearly as much.",
)
.takes(Mode::Whole);
const CHANGE: Ask =
    Ask::new("change", "Smallest change", "Slots: shrinking by fewer is not worth a change. Growing to what is needed always is, and takes nearly as many at once.").takes(Mode::Whole);
const COOLDOWN: Ask =
    Ask::new("cooldown", "Cooldown", "Minutes between a change and the next that shrinks.").takes(Mode::Whole);

/// `/forecast/{pool}/policy`
pub fn scaling_policy(shell: &ShellModel, model: &ScalingPolicyModel) -> AnyView {
    let back = path(&model.pool.slug);
    let frame = Frame {
        section: Some("Forecast"),
        sub: Some(format!("Pool {}: bounds and patience, and what happens with its plan", model.pool.name).into_any()),
        crumbs: vec![
            Link { label: "Forecast".into(), href: "/forecast".into() },
            Link { label: model.pool.name.clone(), href: back.clone() },
        ],
        ..Frame::plain("How it is scaled")
    };
    let fields = [
        (MODE, &model.mode),
        (BASIS, &model.basis),
        (MIN, &model.min),
        (MAX, &model.max),
        (LEVEL, &model.level),
        (LEAD, &model.lead),
        (HOLD, &model.hold),
        (BAND, &model.band),
        (CHANGE, &model.change),
        (COOLDOWN, &model.cooldown),
    ];
    let summary = error_summary(shell, model.error.as_deref(), &fields.map(|(ask, field)| (ask.id, ask.label, field)));
    let mut modes = vec![
        ("shadow", "Shadow: kept and compared, nobody is told".to_owned()),
        ("recommend", "Recommend: people and programs see it and act".to_owned()),
    ];
    if model.is_tracked || model.mode.value == "apply" {
        modes.push(("apply", "Apply: the capacity is changed".to_owned()));
    }
    let bases = [
        ("guard", "The policy that was cheapest over two weeks, chosen daily".to_owned()),
        ("forecast", "Always the forecast, whether it pays or not".to_owned()),
    ];
    let levels = LEVELS.map(|(value, words)| (value, words.to_owned()));
    let target = format!("{back}/policy");
    let content = view! {
        {summary}
        <form class="hr-form" method="post" action=target novalidate=true>
            {csrf(shell)}
            <input type="hidden" name="version" value=model.version.clone()/>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Plan"</legend>
                {choice(shell, MODE, &model.mode, &modes)}
                {choice(shell, BASIS, &model.basis, &bases)}
                {choice(shell, LEVEL, &model.level, &levels)}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Bounds"</legend>
                <div class="hr-form__row">{input(shell, MIN, &model.min, None)}{input(shell, MAX, &model.max, None)}</div>
                <div class="hr-form__row">{input(shell, CHANGE, &model.change, None)}{input(shell, BAND, &model.band, None)}</div>
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Patience"</legend>
                {input(shell, LEAD, &model.lead, None)}
                <div class="hr-form__row">{input(shell, HOLD, &model.hold, None)}{input(shell, COOLDOWN, &model.cooldown, None)}</div>
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">"Save"</button>
                <a class="hr-btn" href=back>"Back"</a>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
