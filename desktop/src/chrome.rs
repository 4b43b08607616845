//! What is around the web view: menus, keys, a line for sentences, the question for an address.

use gtk::gdk;
use gtk::prelude::*;
use tao::event_loop::EventLoopProxy;

use crate::event::{Command, Event};
use crate::profiles::{Profile, Profiles};
use crate::view::Propagation;

/// Menus and the line for sentences.
#[derive(Debug)]
pub(crate) struct Chrome {
    connections: gtk::MenuItem,
    sentence: gtk::Label,
    line: gtk::InfoBar,
    events: EventLoopProxy<Event>,
}

impl Chrome {
    /// Puts menus and line into the box, above what follows.
    pub(crate) fn new(into: &gtk::Box, events: &EventLoopProxy<Event>) -> Self {
        let bar = gtk::MenuBar::new();
        let connections = gtk::MenuItem::with_mnemonic("_Headroom");
        bar.append(&connections);
        let page = gtk::MenuItem::with_mnemonic("_Page");
        let menu = gtk::Menu::new();
        for (label, command) in [
            ("_Back\tAlt+Left", Command::Back),
            ("_Forward\tAlt+Right", Command::Forward),
            ("_Reload\tCtrl+R", Command::Reload),
            ("_Print…\tCtrl+P", Command::Print),
            ("_Larger\tCtrl++", Command::Zoom(1)),
            ("_Smaller\tCtrl+−", Command::Zoom(-1)),
            ("_Usual size\tCtrl+0", Command::Zoom(0)),
        ] {
            menu.append(&item(label, command, events));
        }
        page.set_submenu(Some(&menu));
        bar.append(&page);

        let line = gtk::InfoBar::new();
        let sentence = gtk::Label::new(None);
        sentence.set_line_wrap(true);
        sentence.set_xalign(0.0);
        line.content_area().add(&sentence);
        line.set_show_close_button(true);
        line.connect_response(|line, _| line.hide());
        line.set_no_show_all(true);
        sentence.show();

        into.pack_start(&bar, false, false, 0);
        into.pack_start(&line, false, false, 0);
        bar.show_all();
        Self { connections, sentence, line, events: events.clone() }
    }

    /// Lists what can be shown; what is shown has a mark.
    pub(crate) fn list(&self, profiles: &Profiles, shown: &Profile) {
        let menu = gtk::Menu::new();
        for profile in [Profile::Here, Profile::Demo].into_iter().chain(profiles.remotes()) {
            let entry = gtk::CheckMenuItem::with_label(&profile.label());
            entry.set_draw_as_radio(true);
            entry.set_active(profile.name() == shown.name());
            let (events, name) = (self.events.clone(), profile.name().to_owned());
            entry.connect_activate(move |_| drop(events.send_event(Event::Command(Command::Show(name.clone())))));
            menu.append(&entry);
        }
        menu.append(&gtk::SeparatorMenuItem::new());
        menu.append(&item("_Open an address…\tCtrl+O", Command::AskAddress, &self.events));
        for (label, command) in [("_Name this address…", Command::AskName), ("_Forget this address", Command::Forget)]
        {
            let entry = item(label, command, &self.events);
            entry.set_sensitive(matches!(shown, Profile::Remote { .. }));
            menu.append(&entry);
        }
        menu.append(&item("_Quit\tCtrl+Q", Command::Quit, &self.events));
        menu.show_all();
        self.connections.set_submenu(Some(&menu));
    }

    /// Shows a sentence until somebody closes it or another comes.
    pub(crate) fn say(&self, sentence: &str) {
        self.sentence.set_text(sentence);
        self.line.show();
    }
}

fn item(label: &str, command: Command, events: &EventLoopProxy<Event>) -> gtk::MenuItem {
    let (label, keys) = label.split_once('\t').unwrap_or((label, ""));
    let item = gtk::MenuItem::new();
    let row = gtk::Box::new(gtk::Orientation::Horizontal, 24);
    let text = gtk::Label::with_mnemonic(label);
    text.set_xalign(0.0);
    row.pack_start(&text, true, true, 0);
    if !keys.is_empty() {
        let keys = gtk::Label::new(Some(keys));
        keys.style_context().add_class("dim-label");
        row.pack_end(&keys, false, false, 0);
    }
    item.add(&row);
    let events = events.clone();
    item.connect_activate(move |_| drop(events.send_event(Event::Command(command.clone()))));
    item.show_all();
    item
}

/// Takes the window's keys before the page does.
pub(crate) fn take_keys(window: &gtk::ApplicationWindow, events: &EventLoopProxy<Event>) {
    let events = events.clone();
    window.connect_key_press_event(move |_, key| {
        let held = key.state() & gtk::accelerator_get_default_mod_mask();
        match command(key.keyval(), held) {
            Some(command) => {
                let _ = events.send_event(Event::Command(command));
                Propagation::Stop
            }
            None => Propagation::Proceed,
        }
    });
}

fn command(key: gdk::keys::Key, held: gdk::ModifierType) -> Option<Command> {
    use gdk::ModifierType as Held;
    use gdk::keys::constants as keys;
    // On many keyboards plus is above another key.
    let is_control = held - Held::SHIFT_MASK == Held::CONTROL_MASK;
    if held == Held::MOD1_MASK {
        return match key {
            keys::Left => Some(Command::Back),
            keys::Right => Some(Command::Forward),
            _ => None,
        };
    }
    if key == keys::F5 && held.is_empty() {
        return Some(Command::Reload);
    }
    if !is_control {
        return None;
    }
    match key {
        keys::plus | keys::KP_Add | keys::equal => Some(Command::Zoom(1)),
        keys::minus | keys::KP_Subtract | keys::underscore => Some(Command::Zoom(-1)),
        keys::_0 | keys::KP_0 => Some(Command::Zoom(0)),
        keys::p => Some(Command::Print),
        keys::r => Some(Command::Reload),
        keys::o => Some(Command::AskAddress),
        keys::q => Some(Command::Quit),
        _ => None,
    }
}

/// Asks for an address, unless somebody thinks better of it.
pub(crate) fn ask_address(window: &gtk::ApplicationWindow, events: &EventLoopProxy<Event>) {
    let label = "_Address, such as https://headroom.example.org";
    let entry = ask(window, ("Open a Headroom elsewhere", "Open"), label, Event::Address, events);
    entry.set_input_purpose(gtk::InputPurpose::Url);
}

/// Asks what the address that is shown is to be called.
pub(crate) fn ask_name(window: &gtk::ApplicationWindow, name: &str, events: &EventLoopProxy<Event>) {
    let entry = ask(window, ("Name this address", "Name"), "_Name in the menu", Event::Name, events);
    entry.set_text(name);
    entry.select_region(0, -1);
}

/// Asks for a line of text. Everything goes on meanwhile.
fn ask(
    window: &gtk::ApplicationWindow,
    (title, verb): (&str, &str),
    label: &str,
    answer: fn(String) -> Event,
    events: &EventLoopProxy<Event>,
) -> gtk::Entry {
    let dialog = gtk::Dialog::with_buttons(
        Some(title),
        Some(window),
        gtk::DialogFlags::MODAL,
        &[("Cancel", gtk::ResponseType::Cancel), (verb, gtk::ResponseType::Accept)],
    );
    dialog.set_default_response(gtk::ResponseType::Accept);
    let label = gtk::Label::with_mnemonic(label);
    let entry = gtk::Entry::new();
    entry.set_activates_default(true);
    entry.set_width_chars(44);
    label.set_mnemonic_widget(Some(&entry));
    let content = dialog.content_area();
    content.set_spacing(8);
    content.set_border_width(12);
    content.add(&label);
    content.add(&entry);
    let (events, typed) = (events.clone(), entry.clone());
    dialog.connect_response(move |dialog, response| {
        if response == gtk::ResponseType::Accept {
            let _ = events.send_event(answer(typed.text().to_string()));
        }
        dialog.close();
    });
    dialog.show_all();
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_what_menus_say() {
        use gdk::ModifierType as Held;
        use gdk::keys::constants as keys;
        for (key, held, expected) in [
            (keys::p, Held::CONTROL_MASK, Some(Command::Print)),
            (keys::plus, Held::CONTROL_MASK | Held::SHIFT_MASK, Some(Command::Zoom(1))),
            (keys::minus, Held::CONTROL_MASK, Some(Command::Zoom(-1))),
            (keys::_0, Held::CONTROL_MASK, Some(Command::Zoom(0))),
            (keys::F5, Held::empty(), Some(Command::Reload)),
            (keys::Left, Held::MOD1_MASK, Some(Command::Back)),
            (keys::p, Held::empty(), None),
            (keys::p, Held::CONTROL_MASK | Held::MOD1_MASK, None),
            (keys::a, Held::CONTROL_MASK, None),
        ] {
            assert_eq!(command(key, held), expected);
        }
    }
}
