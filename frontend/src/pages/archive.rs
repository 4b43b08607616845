//! The confirm page before a pool or tenant is archived, or brought back.

use leptos::prelude::*;

use crate::components::field::csrf;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, strip};
use crate::model::{ArchiveModel, ArchiveNoun, Link, ShellModel};
use crate::url::{pool_path, tenant_path};

/// `/pools/{pool}/archive` and `/tenants/{tenant}/archive`
pub fn archive(shell: &ShellModel, model: &ArchiveModel) -> AnyView {
    let (section, path) = match model.noun {
        ArchiveNoun::Pool => ("Pools", pool_path(&model.subject.slug)),
        ArchiveNoun::Tenant => ("Tenants", tenant_path(&model.subject.slug)),
    };
    let noun = model.noun.word();
    let heading = if model.archived {
        format!("Bring back {noun} {}?", model.subject.name)
    } else {
        format!("Archive {noun} {}?", model.subject.name)
    };
    let crumbs = vec![
        Link { label: section.into(), href: model.noun.list_path().into() },
        Link { label: model.subject.name.clone(), href: path.clone() },
    ];
    let frame = Frame { section: Some(section), crumbs, ..Frame::plain(heading) };
    let list = |title: &'static str, items: &[String]| {
        (!items.is_empty()).then(|| {
            let items = items.iter().map(|item| view! { <li>{item.clone()}</li> }).collect_view();
            view! { <h2>{title}</h2><ul>{items}</ul> }
        })
    };
    let error = model.error.as_ref().map(|error| strip(shell, Tone::Critical, error.clone().into_any()));
    let (verb, class) = if model.archived {
        (format!("Bring back {noun}"), "hr-btn hr-btn--primary")
    } else {
        (format!("Archive {noun}"), "hr-btn hr-btn--danger")
    };
    let restore = model.archived.then(|| view! { <input type="hidden" name="restore" value="1"/> });
    let content = view! {
        {error}
        <form class="hr-form" method="post" action=format!("{path}/archive")>
            {csrf(shell)}
            {restore}
            <input type="hidden" name="version" value=model.version.clone()/>
            <div class="hr-card hr-prose">
                {list("What happens", &model.effects)}
                {list("What stays", &model.keeps)}
            </div>
            <div class="hr-form__foot">
                <a class="hr-btn" href=path.clone()>"Cancel"</a>
                <button class=class type="submit">{verb}</button>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
