//! The entry in the desktop's tray, where it has one (StatusNotifierItem over D-Bus).

use ksni::blocking::TrayMethods as _;
use ksni::menu::StandardItem;
use ksni::{Category, MenuItem, Status, ToolTip};

use crate::figures::Figures;

/// What somebody chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The window.
    Show,
    /// Its end.
    Quit,
}

/// The entry.
pub(crate) struct Entry {
    figures: Figures,
    on_choice: Box<dyn Fn(Choice) + Send>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("figures", &self.figures).finish_non_exhaustive()
    }
}

/// By which the entry is changed.
pub(crate) type Handle = ksni::blocking::Handle<Entry>;

/// Puts the entry into the tray; without a tray there is an error, and nothing is lost.
pub(crate) fn show(on_choice: impl Fn(Choice) + Send + 'static) -> Result<Handle, ksni::Error> {
    Entry { figures: Figures::default(), on_choice: Box::new(on_choice) }.spawn()
}

/// Writes other numbers into it.
pub(crate) fn update(handle: &Handle, figures: Figures) {
    // After the tray is gone there is nobody to tell.
    let _ = handle.update(|entry| entry.figures = figures);
}

impl ksni::Tray for Entry {
    fn id(&self) -> String {
        "headroom".to_owned()
    }

    fn category(&self) -> Category {
        Category::SystemServices
    }

    fn title(&self) -> String {
        "Headroom".to_owned()
    }

    fn status(&self) -> Status {
        if self.figures.open.is_some_and(|open| open > 0) { Status::NeedsAttention } else { Status::Active }
    }

    fn icon_name(&self) -> String {
        "headroom".to_owned()
    }

    fn attention_icon_name(&self) -> String {
        "headroom".to_owned()
    }

    fn tool_tip(&self) -> ToolTip {
        ToolTip {
            title: "Headroom".to_owned(),
            description: self.figures.lines().join("\n"),
            icon_name: "headroom".to_owned(),
            icon_pixmap: Vec::new(),
        }
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        (self.on_choice)(Choice::Show);
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let number = |label: String| StandardItem { label, enabled: false, ..StandardItem::default() }.into();
        let choice = |label: &str, choice: Choice| {
            let activate = Box::new(move |entry: &mut Self| (entry.on_choice)(choice));
            StandardItem { label: label.to_owned(), activate, ..StandardItem::default() }.into()
        };
        let mut menu: Vec<MenuItem<Self>> = self.figures.lines().into_iter().map(number).collect();
        menu.extend([MenuItem::Separator, choice("Show Headroom", Choice::Show), choice("Quit", Choice::Quit)]);
        menu
    }
}
