//! Settings of the organisation.

use leptos::prelude::*;

use super::admin::{admin_tabs, crumb};
use crate::components::events::changes_card;
use crate::components::field::{Ask, Mode, check, csrf, datalist, error_summary, input};
use crate::components::shell::{Frame, document};
use crate::model::{SettingsModel, ShellModel};

const NAME: Ask = Ask::new("name", "Name of the organisation", "For example Acme; it stands on reports.");
const CURRENCY: Ask =
    Ask::new("currency", "Currency", "Three letters, for example EUR. Prices are not converted: change them too.")
        .takes(Mode::Code);
const ZONE: Ask =
    Ask::new("zone", "Time zone", "An IANA name such as Europe/Berlin, shown unless a person or link chooses another.")
        .takes(Mode::Code);
const MONEY: Ask =
    Ask::new("money", "Show money", "To those whose role allows it; without it nobody sees prices or costs.");
const HALF_LIFE: Ask = Ask::new(
    "half_life_hours",
    "Half-life of use, hours",
    "24 to 8760. After so long a tenant's use counts half when tenants are compared by what they used lately; 168 is a week.",
)
.takes(Mode::Whole);
const ACK_NOTE: Ask = Ask::new(
    "ack_needs_note",
    "Acknowledging needs a note",
    "Whoever takes an alert on says what they see or do; acknowledging takes a moment longer then.",
);

/// `/admin/settings`
pub fn settings(shell: &ShellModel, model: &SettingsModel) -> AnyView {
    let frame = Frame { section: Some("Admin"), crumbs: vec![crumb()], ..Frame::plain("Settings") };
    let errors = [
        (NAME.id, NAME.label, &model.name),
        (CURRENCY.id, CURRENCY.label, &model.currency),
        (ZONE.id, ZONE.label, &model.zone),
        (HALF_LIFE.id, HALF_LIFE.label, &model.half_life_hours),
    ];
    let content = view! {
        {admin_tabs("Settings")}
        {error_summary(shell, model.error.as_deref(), &errors)}
        <form class="hr-form" method="post" action="/admin/settings">
            {csrf(shell)}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Organisation"</legend>
                {input(shell, NAME, &model.name, None)}
                <div class="hr-form__row">
                    {input(shell, CURRENCY, &model.currency, None)}
                    {input(shell, ZONE, &model.zone, Some("zones"))}
                </div>
                {check(MONEY, model.money)}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Fair share"</legend>
                {input(shell, HALF_LIFE, &model.half_life_hours, None)}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Alerts"</legend>
                {check(ACK_NOTE, model.ack_needs_note)}
            </fieldset>
            <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Save settings"</button></div>
            {datalist("zones", &model.zones)}
        </form>
        {changes_card(shell, &model.changes, "/audit?object=organisation".to_owned())}
    };
    document(shell, frame, content.into_any())
}
