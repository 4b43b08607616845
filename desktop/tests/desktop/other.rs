//! Another program on the desktop, which shows notices too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::blocking::{Proxy, connection};
use zbus::zvariant::Value;

/// The notification service.
const SERVICE: &str = "org.freedesktop.Notifications";

/// The program.
pub(crate) struct Other {
    service: Proxy<'static>,
    answered: Arc<Mutex<Vec<u32>>>,
}

impl Other {
    /// Starts it on a bus.
    pub(crate) fn start(bus: &str) -> Self {
        let connection = connection::Builder::address(bus).unwrap().build().unwrap();
        let service = Proxy::new(&connection, SERVICE, "/org/freedesktop/Notifications", SERVICE).unwrap();
        let (answers, answered) = (service.receive_signal("ActionInvoked").unwrap(), Arc::default());
        let heard: Arc<Mutex<Vec<u32>>> = Arc::clone(&answered);
        std::thread::spawn(move || {
            for answer in answers {
                let (id, _key): (u32, String) = answer.body().deserialize().unwrap();
                heard.lock().unwrap().push(id);
            }
        });
        Self { service, answered }
    }

    /// Shows a notice with the same choice as ours, and says its number.
    pub(crate) fn notice(&self, title: &str) -> u32 {
        let hints = HashMap::<&str, Value<'_>>::new();
        let (actions, text) = (["acknowledge", "Acknowledge"], "It has nothing to do with Headroom.");
        self.service.call("Notify", &("Another program", 0u32, "", title, text, &actions[..], hints, 0i32)).unwrap()
    }

    /// Whether somebody chose something on a notice.
    pub(crate) fn is_answered(&self, notice: u32) -> bool {
        self.answered.lock().unwrap().contains(&notice)
    }
}
