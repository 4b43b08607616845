//! Form fields: label above, help below, error below with its mark; the summary of all errors on top.

use leptos::prelude::*;

use super::icon::state_icon;
use crate::model::{Field, RoleChoice, ShellModel};

/// What is said about a field, apart from its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// Name; equals the field's name in the model.
    pub name: &'static str,
    /// Id: the name, unless the page has two fields of that name.
    pub id: &'static str,
    /// Label.
    pub label: &'static str,
    /// What to write, with an example. Empty only where the label says it all.
    pub help: &'static str,
    /// Whether it may stay empty.
    pub optional: bool,
    /// Hint for the on-screen keyboard.
    pub mode: Mode,
    /// What browsers and password managers fill in: a word of HTML's `autocomplete`.
    pub fills: &'static str,
    /// Has the focus when the page opens.
    pub first: bool,
}

/// What kind of text a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Free text.
    Text,
    /// A whole number.
    Whole,
    /// A decimal number.
    Decimal,
    /// A web address.
    Url,
    /// An identifier or code.
    Code,
    /// An e-mail address.
    Email,
    /// A password: never filled from the model.
    Password,
}

impl Ask {
    /// A required text field.
    pub(crate) const fn new(name: &'static str, label: &'static str, help: &'static str) -> Self {
        Self { name, id: name, label, help, optional: false, mode: Mode::Text, fills: "off", first: false }
    }

    /// May stay empty.
    pub(crate) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Takes this kind of text.
    pub(crate) const fn takes(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// A field whose name another field of the page has too.
    pub(crate) const fn with_id(self, id: &'static str) -> Self {
        Self { id, ..self }
    }

    /// May be filled in by a browser or password manager.
    pub(crate) const fn filled_as(self, fills: &'static str) -> Self {
        Self { fills, ..self }
    }

    /// Where people begin to type.
    pub(crate) const fn first_if(self, first: bool) -> Self {
        Self { first, ..self }
    }
}

/// A password that somebody chooses.
pub(crate) const NEW_PASSWORD: Ask =
    Ask::new("password", "New password", "At least 10 characters; a sentence is easy to remember.")
        .takes(Mode::Password)
        .filled_as("new-password");

fn wrap(shell: &ShellModel, ask: Ask, field: &Field, control: AnyView) -> AnyView {
    let optional = ask.optional.then(|| view! { <span class="hr-field__opt">" (optional)"</span> });
    let help = (!ask.help.is_empty()).then(|| {
        view! { <p class="hr-field__help" id=format!("{}-help", ask.id)>{ask.help}</p> }
    });
    let error = field.error.as_ref().map(|error| {
        view! {
            <p class="hr-field__error" id=format!("{}-error", ask.id)>
                {state_icon(shell, "state-crit")}{error.clone()}
            </p>
        }
    });
    view! {
        <div class="hr-field">
            <label for=ask.id>{ask.label}{optional}</label>
            {control}
            {help}
            {error}
        </div>
    }
    .into_any()
}

fn described_by(ask: Ask, field: &Field) -> Option<String> {
    let error = field.error.is_some().then(|| format!("{}-error", ask.id));
    let help = (!ask.help.is_empty()).then(|| format!("{}-help", ask.id));
    let ids: Vec<String> = error.into_iter().chain(help).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// A one-line field. `list` names a datalist on the page.
pub(crate) fn input(shell: &ShellModel, ask: Ask, field: &Field, list: Option<&'static str>) -> AnyView {
    let (kind, mode, class) = match ask.mode {
        Mode::Text => ("text", None, "hr-input"),
        Mode::Whole => ("text", Some("numeric"), "hr-input"),
        Mode::Decimal => ("text", Some("decimal"), "hr-input"),
        Mode::Url => ("url", Some("url"), "hr-input"),
        Mode::Code => ("text", None, "hr-input hr-input--code"),
        Mode::Email => ("email", Some("email"), "hr-input"),
        Mode::Password => ("password", None, "hr-input"),
    };
    let value = (ask.mode != Mode::Password).then(|| field.value.clone());
    let control = view! {
        <input
            class=class
            type=kind
            inputmode=mode
            id=ask.id
            name=ask.name
            value=value
            list=list
            required=!ask.optional
            autocomplete=ask.fills
            autocapitalize=(ask.mode != Mode::Text).then_some("none")
            autofocus=ask.first
            spellcheck=if ask.mode == Mode::Text { "true" } else { "false" }
            aria-invalid=field.error.is_some().then_some("true")
            aria-describedby=described_by(ask, field)
        />
    };
    wrap(shell, ask, field, control.into_any())
}

/// A field of several lines.
pub(crate) fn lines(shell: &ShellModel, ask: Ask, field: &Field, rows: u32) -> AnyView {
    let class = if ask.mode == Mode::Code { "hr-input hr-input--code" } else { "hr-input" };
    let control = view! {
        <textarea
            class=class
            id=ask.id
            name=ask.name
            rows=rows
            required=!ask.optional
            spellcheck=if ask.mode == Mode::Text { "true" } else { "false" }
            aria-invalid=field.error.is_some().then_some("true")
            aria-describedby=described_by(ask, field)
            inner_html=escaped(&field.value)
        ></textarea>
    };
    wrap(shell, ask, field, control.into_any())
}

/// Leptos writes the text inside a `textarea` as it is, so a value could end the element and go on as markup.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A choice from a short list, each with its explanation.
pub(crate) fn choice(shell: &ShellModel, ask: Ask, field: &Field, options: &[(&str, String)]) -> AnyView {
    let options = options
        .iter()
        .map(|(value, label)| {
            view! { <option value=(*value).to_owned() selected=field.value == *value>{label.clone()}</option> }
        })
        .collect_view();
    let control = view! {
        <select
            class="hr-input"
            id=ask.id
            name=ask.name
            aria-invalid=field.error.is_some().then_some("true")
            aria-describedby=described_by(ask, field)
        >
            {options}
        </select>
    };
    wrap(shell, ask, field, control.into_any())
}

/// One box to tick; it posts `on`.
pub(crate) fn check(ask: Ask, ticked: bool) -> AnyView {
    let help = format!("{}-help", ask.id);
    view! {
        <div class="hr-field">
            <label class="hr-check">
                <input type="checkbox" id=ask.id name=ask.name value="on" checked=ticked aria-describedby=help.clone()/>
                {ask.label}
            </label>
            <p class="hr-field__help" id=help.clone()>{ask.help}</p>
        </div>
    }
    .into_any()
}

/// Several boxes of one name, each with what it stands for. It reads as one question, so the error belongs to all of them.
pub(crate) fn checks(shell: &ShellModel, ask: Ask, choices: &[RoleChoice], error: Option<&str>) -> AnyView {
    let boxes = choices
        .iter()
        .map(|choice| {
            view! {
                <label class="hr-check hr-check--told">
                    <input type="checkbox" name=ask.name value=choice.word.clone() checked=choice.chosen/>
                    <span><strong>{choice.label.clone()}</strong><span class="hr-field__help">{choice.allows.clone()}</span></span>
                </label>
            }
        })
        .collect_view();
    let (help, wrong) = (format!("{}-help", ask.id), format!("{}-error", ask.id));
    let described = if error.is_some() { format!("{wrong} {help}") } else { help.clone() };
    let error = error.map(|error| {
        view! { <p class="hr-field__error" id=wrong.clone()>{state_icon(shell, "state-crit")}{error.to_owned()}</p> }
    });
    view! {
        <fieldset class="hr-field" id=ask.id tabindex="-1" aria-describedby=described>
            <legend class="hr-field__label">{ask.label}</legend>
            {boxes}
            <p class="hr-field__help" id=help.clone()>{ask.help}</p>
            {error}
        </fieldset>
    }
    .into_any()
}

/// The list of suggestions of an input.
pub(crate) fn datalist(id: &'static str, values: &[String]) -> AnyView {
    let options = values.iter().map(|value| view! { <option value=value.clone()></option> }).collect_view();
    view! { <datalist id=id>{options}</datalist> }.into_any()
}

/// The summary at the top of a refused form: how many fields, and a link to each.
pub(crate) fn error_summary(
    shell: &ShellModel,
    general: Option<&str>,
    fields: &[(&'static str, &'static str, &Field)],
) -> Option<AnyView> {
    let wrong: Vec<_> = fields.iter().filter(|(_, _, field)| field.error.is_some()).collect();
    if wrong.is_empty() && general.is_none() {
        return None;
    }
    let headline = match wrong.len() {
        0 => "This was not saved.".to_owned(),
        1 => "This was not saved: 1 field needs attention.".to_owned(),
        several => format!("This was not saved: {several} fields need attention."),
    };
    let links = wrong
        .into_iter()
        .map(|(name, label, field)| {
            let error = field.error.clone().unwrap_or_default();
            view! { <li><a href=format!("#{name}")>{*label}</a>{format!(": {error}")}</li> }
        })
        .collect_view();
    let general = general.map(|text| view! { <p>{text.to_owned()}</p> });
    Some(
        view! {
            <div class="hr-notice hr-notice--crit" id="errors" tabindex="-1" role="group" aria-label="Errors">
                {state_icon(shell, "state-crit")}
                <div class="hr-notice__text">
                    <p><strong>{headline}</strong></p>
                    {general}
                    <ul>{links}</ul>
                </div>
            </div>
        }
        .into_any(),
    )
}

/// The hidden field that proves a form came from one of our pages.
pub(crate) fn csrf(shell: &ShellModel) -> AnyView {
    view! { <input type="hidden" name="csrf" value=shell.csrf.clone()/> }.into_any()
}

#[cfg(test)]
mod tests {
    use headroom_domain::access::MIN_PASSWORD;

    use super::*;

    #[test]
    fn the_help_on_passwords_says_the_rule() {
        assert!(NEW_PASSWORD.help.contains(&format!("{MIN_PASSWORD} characters")), "{}", NEW_PASSWORD.help);
    }

    #[test]
    fn a_field_is_described_by_what_stands_beside_it() {
        let ask = Ask::new("slots", "Slots", "A whole number.");
        let wrong = Field { value: String::new(), error: Some("-1 is below 0".into()) };
        assert_eq!(described_by(ask, &Field::default()).as_deref(), Some("slots-help"));
        assert_eq!(described_by(ask, &wrong).as_deref(), Some("slots-error slots-help"));
        assert_eq!(described_by(Ask::new("email", "E-mail", ""), &Field::default()), None);
    }
}
