//! The theme choice: a POST form; with a script the change is instant.

use leptos::prelude::*;

use super::sprite;

/// Three buttons: system, light, dark.
#[island]
pub fn ThemeMenu(
    /// The theme in force: `system`, `light` or `dark`.
    current: String,
    /// Value of the hidden `csrf` field.
    csrf: String,
    /// Where the POST leads back to.
    back: String,
    /// Address of the icon sprite.
    icons: String,
) -> impl IntoView {
    let (chosen, set_chosen) = signal(current);
    let button = move |theme: &'static str, label: &'static str, icon: &'static str| {
        let choose = move |event: leptos::ev::MouseEvent| {
            #[cfg(feature = "hydrate")]
            {
                event.prevent_default();
                super::dom::set_theme(theme);
                set_chosen.set(theme.to_owned());
            }
            #[cfg(not(feature = "hydrate"))]
            let _ = (event, set_chosen);
        };
        let pressed = move || if chosen.get() == theme { "true" } else { "false" };
        view! {
            <button type="submit" name="theme" value=theme aria-pressed=pressed on:click=choose>
                {sprite(&icons, icon)}
                {label}
            </button>
        }
    };
    view! {
        <form class="hr-menu" method="post" action="/me" aria-label="Theme">
            <input type="hidden" name="csrf" value=csrf/>
            <input type="hidden" name="back" value=back/>
            {button("system", "System theme", "monitor")}
            {button("light", "Light", "sun")}
            {button("dark", "Dark", "moon")}
        </form>
    }
}
