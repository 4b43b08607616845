//! Preferences: zone, theme, density, shortcuts. Kept in cookies of this browser.

use leptos::prelude::*;

use crate::components::field::{Ask, Mode, csrf, datalist, error_summary, input};
use crate::components::shell::{Frame, document};
use crate::model::{Density, MeModel, ShellModel, Theme};

const TZ: Ask =
    Ask::new("tz", "Time zone", "An IANA name such as Europe/Berlin, or UTC. A link that names a zone wins over it.")
        .takes(Mode::Code);

/// `/me`
pub fn me(shell: &ShellModel, model: &MeModel) -> AnyView {
    let frame = Frame { sub: Some("Kept in this browser only.".into_any()), ..Frame::plain("Preferences") };
    let radio = |name: &'static str, value: &'static str, label: &'static str, checked: bool| {
        view! { <label class="hr-radio"><input type="radio" name=name value=value checked=checked/>{label}</label> }
    };
    let themes = Theme::ALL
        .into_iter()
        .map(|theme| {
            let label = match theme {
                Theme::System => "As the operating system",
                Theme::Light => "Light",
                Theme::Dark => "Dark",
            };
            radio("theme", theme.slug(), label, model.theme == theme)
        })
        .collect_view();
    let content = view! {
        {error_summary(shell, None, &[(TZ.name, TZ.label, &model.tz)])}
        <form class="hr-form" method="post" action="/me">
            {csrf(shell)}
            <div class="hr-card hr-form__group">{input(shell, TZ, &model.tz, Some("zones"))}</div>
            <fieldset class="hr-card hr-form__group">
                <legend class="hr-form__legend">"Theme"</legend>
                <div class="hr-radios">{themes}</div>
            </fieldset>
            <fieldset class="hr-card hr-form__group">
                <legend class="hr-form__legend">"Row height"</legend>
                <div class="hr-radios">
                    {radio("density", Density::Cosy.slug(), "Cosy: 40 px", model.density == Density::Cosy)}
                    {radio("density", Density::Compact.slug(), "Compact: 32 px", model.density == Density::Compact)}
                </div>
            </fieldset>
            <fieldset class="hr-card hr-form__group">
                <legend class="hr-form__legend">"Keyboard shortcuts"</legend>
                <div class="hr-radios">
                    {radio("shortcuts", "on", "On", model.shortcuts)}
                    {radio("shortcuts", "off", "Off: single keys do nothing", !model.shortcuts)}
                </div>
                <p class="hr-field__help"><a href="/help/shortcuts">"List of shortcuts"</a></p>
            </fieldset>
            <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Save preferences"</button></div>
            {datalist("zones", &model.zones)}
        </form>
    };
    document(shell, frame, content.into_any())
}
