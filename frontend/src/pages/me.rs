//! One's own account: password, second factor, sessions. Below it the preferences, kept in cookies of this browser.

use leptos::prelude::*;

use crate::components::field::{Ask, Mode, NEW_PASSWORD, csrf, datalist, error_summary, input};
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::value::{ago, day_time, unknown};
use crate::model::{AccountModel, Density, Field, MeModel, SessionRow, ShellModel, Theme, TotpModel};

const TZ: Ask =
    Ask::new("tz", "Time zone", "An IANA name such as Europe/Berlin, or UTC. A link that names a zone wins over it.")
        .takes(Mode::Code);
const CURRENT: Ask = Ask::new("current", "Current password", "So that nobody else changes it while you are away.")
    .takes(Mode::Password)
    .filled_as("current-password");
const TOTP: Ask = Ask::new("totp", "Code", "The six digits that the app shows now: they prove that it works.")
    .takes(Mode::Whole)
    .filled_as("one-time-code");
const TOTP_PROOF: Ask = Ask::new("current", "Password", "So that nobody else changes it while you are away.")
    .with_id("totp-current")
    .takes(Mode::Password)
    .filled_as("current-password");

/// `/me`
pub fn me(shell: &ShellModel, model: &MeModel) -> AnyView {
    let heading = if model.account.is_some() { "Account and preferences" } else { "Preferences" };
    let account = model.account.as_ref().map(|account| account_sections(shell, account));
    let content = view! {
        {error_summary(shell, None, &errors(model))}
        {account}
        {preferences(shell, model)}
    };
    document(shell, Frame::plain(heading), content.into_any())
}

fn errors(model: &MeModel) -> Vec<(&'static str, &'static str, &Field)> {
    let mut fields = vec![(TZ.id, TZ.label, &model.tz)];
    let Some(account) = &model.account else { return fields };
    fields.push((CURRENT.id, CURRENT.label, &account.current));
    fields.push((NEW_PASSWORD.id, NEW_PASSWORD.label, &account.password));
    match &account.totp {
        TotpModel::Begun { code, .. } => fields.push((TOTP.id, TOTP.label, code)),
        TotpModel::Off { current } | TotpModel::On { current } => {
            fields.push((TOTP_PROOF.id, TOTP_PROOF.label, current));
        }
    }
    fields
}

fn account_sections(shell: &ShellModel, account: &AccountModel) -> AnyView {
    let sign_in = if account.has_password {
        view! { {password_form(shell, account)}{second_factor(shell, &account.totp)} }.into_any()
    } else {
        view! {
            <section class="hr-card hr-narrow" aria-labelledby="password-title">
                <div class="hr-card__head"><h2 id="password-title">"Password"</h2></div>
                <p class="hr-muted">"You sign in through single sign-on, so there is no password here to change."</p>
            </section>
        }
        .into_any()
    };
    view! {
        {about(account)}
        {sign_in}
        {sessions(shell, &account.sessions)}
    }
    .into_any()
}

fn about(account: &AccountModel) -> AnyView {
    let list = |items: &[String]| {
        let items = items.iter().map(|item| view! { <li>{item.clone()}</li> }).collect_view();
        view! { <ul class="hr-plain-list">{items}</ul> }.into_any()
    };
    let roles = if account.roles.is_empty() { unknown("an administrator gives roles") } else { list(&account.roles) };
    let tenants =
        (!account.tenants.is_empty()).then(|| view! { <div><dt>"Tenants"</dt><dd>{list(&account.tenants)}</dd></div> });
    view! {
        <section class="hr-card hr-narrow" aria-labelledby="account-title">
            <div class="hr-card__head">
                <h2 id="account-title">"Account"</h2>
                <span class="hr-card__sub">"changed by an administrator"</span>
            </div>
            <dl class="hr-facts">
                <div><dt>"Name"</dt><dd>{account.name.clone()}</dd></div>
                <div><dt>"E-mail"</dt><dd>{account.email.clone()}</dd></div>
                <div><dt>"Roles"</dt><dd>{roles}</dd></div>
                {tenants}
            </dl>
        </section>
    }
    .into_any()
}

fn password_form(shell: &ShellModel, account: &AccountModel) -> AnyView {
    view! {
        <form class="hr-form" method="post" action="/me/password">
            {csrf(shell)}
            // Tells password managers whose password changes; without a name it is not sent.
            <input type="email" autocomplete="username" value=account.email.clone() readonly hidden=""/>
            <fieldset class="hr-card hr-form__group">
                <legend class="hr-form__legend">"Password"</legend>
                <div class="hr-form__row">
                    {input(shell, CURRENT, &account.current, None)}
                    {input(shell, NEW_PASSWORD, &account.password, None)}
                </div>
                <p class="hr-field__help">"Your other sessions end when it changes."</p>
                <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Change password"</button></div>
            </fieldset>
        </form>
    }
    .into_any()
}

fn second_factor(shell: &ShellModel, totp: &TotpModel) -> AnyView {
    let body = match totp {
        TotpModel::Off { current } => totp_off(shell, current),
        TotpModel::Begun { secret, uri, qr_svg, code } => totp_begun(shell, secret, uri, qr_svg, code),
        TotpModel::On { current } => totp_on(shell, current),
    };
    view! {
        <section class="hr-card hr-narrow hr-form__group" aria-labelledby="totp-title">
            <h2 class="hr-form__legend" id="totp-title">"Second factor"</h2>
            {body}
        </section>
    }
    .into_any()
}

fn totp_off(shell: &ShellModel, current: &Field) -> AnyView {
    view! {
        <p class="hr-muted">"Not set up. With it, signing in also asks for six digits that an authenticator app on your phone shows."</p>
        <form class="hr-form" method="post" action="/me/totp">
            {csrf(shell)}
            {input(shell, TOTP_PROOF, current, None)}
            <div class="hr-form__foot">
                <button class="hr-btn" type="submit" name="begin" value="1">"Set up second factor"</button>
            </div>
        </form>
    }
    .into_any()
}

fn totp_begun(shell: &ShellModel, secret: &str, uri: &str, qr_svg: &str, code: &Field) -> AnyView {
    view! {
        <p>"Scan this with an authenticator app, or type the key into it. Then enter the code that it shows."</p>
        <div class="hr-totp">
            <div class="hr-totp__qr" inner_html=qr_svg.to_owned()></div>
            <div class="hr-form__group">
                <div class="hr-field">
                    <span class="hr-field__label">"Key"</span>
                    <code class="hr-once__secret" tabindex="0">{secret.to_owned()}</code>
                </div>
                <p><a href=uri.to_owned()>"Open in an app on this device"</a></p>
            </div>
        </div>
        <form class="hr-form" method="post" action="/me/totp">
            {csrf(shell)}
            {input(shell, TOTP, &Field { value: String::new(), error: code.error.clone() }, None)}
            <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Turn on"</button></div>
        </form>
        <form method="post" action="/me/totp">
            {csrf(shell)}
            <button class="hr-btn hr-btn--quiet" type="submit" name="cancel" value="1">"Cancel"</button>
        </form>
    }
    .into_any()
}

fn totp_on(shell: &ShellModel, current: &Field) -> AnyView {
    view! {
        <p><span class="hr-level hr-level--ok">{state_icon(shell, "state-ok")}"in use"</span></p>
        <form class="hr-form" method="post" action="/me/totp">
            {csrf(shell)}
            {input(shell, TOTP_PROOF, current, None)}
            <div class="hr-form__foot">
                <button class="hr-btn" type="submit" name="off" value="1">"Turn off second factor"</button>
            </div>
        </form>
    }
    .into_any()
}

fn sessions(shell: &ShellModel, sessions: &[SessionRow]) -> AnyView {
    let rows = sessions.iter().map(|session| session_row(shell, session)).collect_view();
    let others = sessions.iter().any(|session| !session.current).then(|| {
        view! {
            <form class="hr-pager" method="post" action="/me/sessions">
                {csrf(shell)}
                <button class="hr-btn" type="submit" name="all" value="1">"Sign out everywhere else"</button>
            </form>
        }
    });
    view! {
        <section class="hr-card hr-card--flush" aria-labelledby="sessions-title">
            <div class="hr-card__head">
                <h2 id="sessions-title">"Sessions"</h2>
                <span class="hr-card__sub">"where you are signed in"</span>
            </div>
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="sessions-title">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-vh">"Your sessions, the one used last first"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Browser"</th>
                            <th scope="col">"Address"</th>
                            <th scope="col">"Signed in"</th>
                            <th scope="col">"Last used"</th>
                            <th scope="col">"End"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {others}
        </section>
    }
    .into_any()
}

fn session_row(shell: &ShellModel, session: &SessionRow) -> AnyView {
    let agent = if session.agent.is_empty() { "Unnamed browser" } else { session.agent.as_str() };
    let end = if session.current {
        view! { <span class="hr-pill hr-pill--info">"this session"</span> }.into_any()
    } else {
        let name = format!("Sign out {agent} at {}", session.address);
        view! {
            <form method="post" action="/me/sessions">
                {csrf(shell)}
                <input type="hidden" name="session" value=session.id.clone()/>
                <button class="hr-btn hr-btn--small" type="submit" aria-label=name>"Sign out"</button>
            </form>
        }
        .into_any()
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name">{agent.to_owned()}</th>
            <td data-label="Address">{session.address.clone()}</td>
            <td data-label="Signed in">{day_time(shell, session.since_ms)}</td>
            <td data-label="Last used">{ago(shell, session.seen_ms)}</td>
            <td>{end}</td>
        </tr>
    }
    .into_any()
}

fn preferences(shell: &ShellModel, model: &MeModel) -> AnyView {
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
    let letters = model.letters.map(|wanted| {
        view! {
            <fieldset class="hr-card hr-form__group">
                <legend class="hr-form__legend">"Letters about plans"</legend>
                <div class="hr-radios">
                    {radio("letters", "on", "By e-mail: reservations that change or end soon, drafts that wait for you", wanted)}
                    {radio("letters", "off", "None", !wanted)}
                </div>
                <p class="hr-field__help">"Kept with your account, not in this browser."</p>
            </fieldset>
        }
    });
    let reports = model.reports.map(|wanted| {
        view! {
            <fieldset class="hr-card hr-form__group">
                <legend class="hr-form__legend">"Letters about reports"</legend>
                <div class="hr-radios">
                    {radio("reports", "on", "By e-mail, when a week, a month or a quarter closes", wanted)}
                    {radio("reports", "off", "None", !wanted)}
                </div>
                <p class="hr-field__help">"Kept with your account, not in this browser."</p>
            </fieldset>
        }
    });
    view! {
        <form class="hr-form" method="post" action="/me" aria-labelledby="preferences-title">
            {csrf(shell)}
            <div>
                <h2 id="preferences-title">"Preferences"</h2>
                <p class="hr-muted">"Kept in this browser, unless it says otherwise."</p>
            </div>
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
            {letters}
            {reports}
            <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Save preferences"</button></div>
            {datalist("zones", &model.zones)}
        </form>
    }
    .into_any()
}
