//! Form fields: label above, help below, error below with its mark; the summary of all errors on top.

use leptos::prelude::*;

use super::icon::state_icon;
use crate::model::{Field, ShellModel};

/// What is said about a field, apart from its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// Name and id; equals the field's name in the model.
    pub name: &'static str,
    /// Label.
    pub label: &'static str,
    /// What to write, with an example. Never empty.
    pub help: &'static str,
    /// Whether it may stay empty.
    pub optional: bool,
    /// Hint for the on-screen keyboard.
    pub mode: Mode,
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
}

impl Ask {
    /// A required text field.
    pub(crate) const fn new(name: &'static str, label: &'static str, help: &'static str) -> Self {
        Self { name, label, help, optional: false, mode: Mode::Text }
    }

    /// May stay empty.
    pub(crate) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Takes this kind of text.
    pub(crate) const fn takes(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }
}

fn wrap(shell: &ShellModel, ask: Ask, field: &Field, control: AnyView) -> AnyView {
    let optional = ask.optional.then(|| view! { <span class="hr-field__opt">" (optional)"</span> });
    let error = field.error.as_ref().map(|error| {
        view! {
            <p class="hr-field__error" id=format!("{}-error", ask.name)>
                {state_icon(shell, "state-crit")}{error.clone()}
            </p>
        }
    });
    view! {
        <div class="hr-field">
            <label for=ask.name>{ask.label}{optional}</label>
            {control}
            <p class="hr-field__help" id=format!("{}-help", ask.name)>{ask.help}</p>
            {error}
        </div>
    }
    .into_any()
}

fn described_by(ask: Ask, field: &Field) -> String {
    if field.error.is_some() { format!("{0}-error {0}-help", ask.name) } else { format!("{}-help", ask.name) }
}

/// A one-line field. `list` names a datalist on the page.
pub(crate) fn input(shell: &ShellModel, ask: Ask, field: &Field, list: Option<&'static str>) -> AnyView {
    let (kind, mode, class) = match ask.mode {
        Mode::Text => ("text", None, "hr-input"),
        Mode::Whole => ("text", Some("numeric"), "hr-input"),
        Mode::Decimal => ("text", Some("decimal"), "hr-input"),
        Mode::Url => ("url", Some("url"), "hr-input"),
        Mode::Code => ("text", None, "hr-input hr-input--code"),
    };
    let control = view! {
        <input
            class=class
            type=kind
            inputmode=mode
            id=ask.name
            name=ask.name
            value=field.value.clone()
            list=list
            required=!ask.optional
            autocomplete="off"
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
            id=ask.name
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
fn escaped(text: &str) -> String {
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
            id=ask.name
            name=ask.name
            aria-invalid=field.error.is_some().then_some("true")
            aria-describedby=described_by(ask, field)
        >
            {options}
        </select>
    };
    wrap(shell, ask, field, control.into_any())
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
